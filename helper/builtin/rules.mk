# The built-in VMDK engine: a library with the VixDiskLib ABI, its tests and
# fuzz targets.  Included by ../Makefile, which sets BUILD, the compilers and
# flags, and runs in helper/.

BUILTIN_LIB := $(BUILD)/builtin/lib64/libvixDiskLib.so.8
BUILTIN_ENGINE_C := $(wildcard builtin/*.c)
BUILTIN_ENGINE_O := $(BUILTIN_ENGINE_C:%.c=$(BUILD)/obj/%.o)

# Unit tests link the engine's objects, so that they reach its insides.  They
# pack grains by zlib, so that two libraries have to agree.
BUILTIN_SUPPORT_O := $(BUILD)/obj/builtin/tests/image.o
BUILTIN_TESTS := $(patsubst builtin/tests/%.c,$(BUILD)/tests/builtin-%, \
  $(wildcard builtin/tests/test-*.c))
# vddk-nbd check.
BUILTIN_CHECK := $(BUILD)/helper/vddk-nbd-check
BUILTIN_CHECK_O := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard builtin/check/*.c))
BUILTIN_TOOL := $(BUILD)/tests/vmdk-tool
BUILTIN_FUZZERS := $(patsubst builtin/tests/%.c,$(BUILD)/fuzz/builtin-%, \
  $(filter-out %/fuzz-image.c,$(wildcard builtin/tests/fuzz-*.c)))

ALL_TARGETS   += $(BUILTIN_LIB) $(BUILTIN_CHECK) $(BUILTIN_TOOL)
CHECK_TARGETS += check-builtin
FUZZ_TARGETS  += $(BUILTIN_FUZZERS)
C_SOURCES     += $(wildcard builtin/*.[ch] builtin/*/*.[ch])
CLEAN         += $(BUILD)/builtin

.SECONDARY: $(BUILTIN_SUPPORT_O) \
  $(BUILTIN_TESTS:$(BUILD)/tests/builtin-%=$(BUILD)/obj/builtin/tests/%.o)

$(BUILD)/obj/builtin/%.o: builtin/%.c builtin/rules.mk Makefile
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -fPIC -fvisibility=hidden -c -o $@ $<

$(BUILTIN_LIB): $(BUILTIN_ENGINE_O)
	@mkdir -p $(@D)
	$(CC) -shared -Wl,-Bsymbolic -Wl,-soname,$(@F) -o $@ $^ $(LDFLAGS_ALL) -ldeflate

$(BUILD)/tests/builtin-%: $(BUILD)/obj/builtin/tests/%.o $(BUILTIN_SUPPORT_O) \
		$(BUILTIN_ENGINE_O)
	@mkdir -p $(@D)
	$(CC) -pthread -pie $(LDFLAGS_ALL) -o $@ $^ -ldeflate -lz

$(BUILTIN_CHECK): $(BUILTIN_CHECK_O) $(filter-out %/api.o %/api-io.o, \
		$(BUILTIN_ENGINE_O))
	@mkdir -p $(@D)
	$(CC) -pthread -pie $(LDFLAGS_ALL) -o $@ $^ -ldeflate

# Loads the library as its users do, by dlopen.
$(BUILTIN_TOOL): $(BUILD)/obj/builtin/tests/vmdk-tool.o
	@mkdir -p $(@D)
	$(CC) -pie $(LDFLAGS_ALL) -o $@ $^ -ldl

.PHONY: check-builtin
check-builtin: $(BUILTIN_LIB) $(BUILTIN_CHECK) $(BUILTIN_TOOL) $(BUILTIN_TESTS)
	@for t in $(BUILTIN_TESTS); do echo "$$t" && $$t || exit 1; done

# Each fuzz target begins with the seeds in a folder of its own name.
$(BUILD)/fuzz/builtin-%: builtin/tests/%.c builtin/tests/image.c \
		builtin/tests/fuzz-image.c $(BUILTIN_ENGINE_C) $(wildcard builtin/*.h builtin/tests/*.h)
	@mkdir -p $@.corpus
	cp -n builtin/tests/$*.corpus/* $@.corpus/
	$(FUZZ_CC) $(FUZZ_FLAGS) -o $@ $(filter %.c,$^) -ldeflate -lz

-include $(BUILTIN_ENGINE_O:.o=.d) $(BUILTIN_CHECK_O:.o=.d) \
  $(wildcard $(BUILD)/obj/builtin/tests/*.d)
