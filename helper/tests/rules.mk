# Test libraries (fake VixDiskLib vintages), unit tests, the fuzz target and the
# benchmark of the helper.  Included by ../Makefile.

T := $(BUILD)/tests
FAKE := $(T)/fake
FAKE_SOURCES := tests/fake-vixdisklib.c tests/fake-io.c tests/fake-script.c

# Vintages: name of the folder, the version in the soname, what the library lacks.
FAKE_LIBS := $(FAKE)/lib64/libvixDiskLib.so.8 \
  $(FAKE)/v6-bare/lib64/libvixDiskLib.so.6 $(FAKE)/v5-sync/lib64/libvixDiskLib.so.5 \
  $(FAKE)/no-wait/lib64/libvixDiskLib.so.7 $(FAKE)/no-open/lib64/libvixDiskLib.so.8 \
  $(FAKE)/no-write/lib64/libvixDiskLib.so.8
$(FAKE)/v6-bare/%: FAKE_FLAGS := -DFAKE_NO_QUERY -DFAKE_NO_ALLOCATE -DFAKE_OLD_INFO
$(FAKE)/v5-sync/%: FAKE_FLAGS := -DFAKE_NO_QUERY -DFAKE_NO_ALLOCATE -DFAKE_NO_ASYNC \
  -DFAKE_NO_FLUSH -DFAKE_OLD_INFO -DFAKE_INIT_MAJOR=5 -DFAKE_INIT_MINOR=1
$(FAKE)/no-wait/%: FAKE_FLAGS := -DFAKE_NO_WAIT
$(FAKE)/no-open/%: FAKE_FLAGS := -DFAKE_NO_OPEN
$(FAKE)/no-write/%: FAKE_FLAGS := -DFAKE_NO_WRITE

$(FAKE_LIBS): $(FAKE_SOURCES) tests/fake.h vixdisklib.h Makefile tests/rules.mk
	@mkdir -p $(@D)
	$(CC) $(filter-out -MMD -MP,$(CFLAGS_ALL)) -fPIC -shared -fvisibility=hidden $(FAKE_FLAGS) \
	  $(LDFLAGS_ALL) -Wl,-soname,$(@F) -o $@ $(FAKE_SOURCES)

UNIT := test-vectors test-frame test-decode test-output test-spin
UNIT_BINS := $(UNIT:%=$(T)/%)
UNIT_OBJECTS := $(UNIT:%=$(BUILD)/obj/helper/tests/%.o) \
  $(BUILD)/obj/helper/tests/bench-helper.o

$(T)/vectors.h: tests/vectors-to-c.mjs $(wildcard ../test/fixtures/vectors/*.json)
	@mkdir -p $(@D)
	$(NODE) tests/vectors-to-c.mjs ../test/fixtures/vectors > $@

$(BUILD)/obj/helper/tests/test-vectors.o: CFLAGS_ALL += -I$(T)
$(BUILD)/obj/helper/tests/test-vectors.o: $(T)/vectors.h

$(UNIT_BINS): $(T)/%: $(BUILD)/obj/helper/tests/%.o $(PARTS) $(MSGPACK_A)
	@mkdir -p $(@D)
	$(CC) -pthread -pie $(LDFLAGS_ALL) -o $@ $^ -ldl

.PHONY: check-unit check-helper
check-unit: $(UNIT_BINS)
	@for t in $(UNIT_BINS); do $$t || exit 1; done

# The TypeScript tests that drive this build of the helper.
check-helper: all
	cd .. && VDDK_NBD_HELPER=$(abspath $(HELPER)) npx tap run test/helper-c/*.test.ts

# Begins with the bodies of the golden vectors as seeds.
FUZZ_PARTS := tests/fuzz-decode.c check.c decode.c param.c frame.c
$(BUILD)/fuzz/fuzz-decode: $(FUZZ_PARTS) $(MSGPACK_A) $(wildcard *.h)
	@mkdir -p $@.corpus
	$(NODE) tests/vectors-to-seeds.mjs ../test/fixtures/vectors $@.corpus
	$(FUZZ_CC) $(FUZZ_FLAGS) -o $@ $(FUZZ_PARTS) $(MSGPACK_A)

# Speed of the helper alone: `make bench-helper`.
$(T)/bench-helper: $(BUILD)/obj/helper/tests/bench-helper.o $(PARTS) $(MSGPACK_A)
	@mkdir -p $(@D)
	$(CC) -pthread -pie $(LDFLAGS_ALL) -o $@ $^ -ldl

.PHONY: bench-helper
bench-helper: $(T)/bench-helper $(HELPER) $(FAKE_LIBS)
	$(T)/bench-helper $(HELPER) $(FAKE)/lib64/libvixDiskLib.so.8

ALL_TARGETS += $(FAKE_LIBS)
CHECK_TARGETS += check-unit
FUZZ_TARGETS += $(BUILD)/fuzz/fuzz-decode
C_SOURCES += $(wildcard tests/*.c tests/*.h)

-include $(UNIT_OBJECTS:.o=.d)
