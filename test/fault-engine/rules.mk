# The fault engine: a library with the VixDiskLib ABI that checks its caller and
# misbehaves on command (docs/fault-engine.md), and the program that breaks its
# rules.  Included by helper/Makefile, which sets BUILD, CC and the flags.

FAULT_DIR     := ../test/fault-engine
FAULT_LIB     := $(BUILD)/fault/lib64/libvixDiskLib.so.8
FAULT_SOURCES := $(filter-out $(FAULT_DIR)/breach-%.c,$(wildcard $(FAULT_DIR)/*.c))
FAULT_OBJECTS := $(FAULT_SOURCES:$(FAULT_DIR)/%.c=$(BUILD)/obj/fault/%.o)
FAULT_BREACH  := $(BUILD)/tests/breach-driver

ALL_TARGETS += $(FAULT_LIB) $(FAULT_BREACH)
C_SOURCES   += $(wildcard $(FAULT_DIR)/*.[ch])
CLEAN       += $(BUILD)/fault

$(BUILD)/obj/fault/%.o: $(FAULT_DIR)/%.c $(FAULT_DIR)/rules.mk Makefile
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -fPIC -fvisibility=hidden -c -o $@ $<

$(FAULT_LIB): $(FAULT_OBJECTS)
	@mkdir -p $(@D)
	$(CC) -shared -Wl,-Bsymbolic -Wl,-soname,$(@F) -o $@ $^ $(LDFLAGS_ALL) -lm

# One library for each VDDK that differs: VERSION:SONAME-NUMBER.  A
# linker script takes out what a version lacks; vintage.h has the rest.
FAULT_MISSING_67 :=
FAULT_MISSING_65 := QueryAllocatedBlocks FreeBlockList AllocateConnectParams
FAULT_MISSING_60 := $(FAULT_MISSING_65) Wait
FAULT_MISSING_51 := $(FAULT_MISSING_60) Flush ReadAsync WriteAsync ListTransportModes
FAULT_VINTAGES   := 51:5 60:6 65:6 67:6 70:7 80:8 90:9
FAULT_COMMON     := $(filter-out %/vintage.o,$(FAULT_OBJECTS))

define FAULT_VINTAGE_RULES
FAULT_VINTAGE_LIB_$(1) := $(BUILD)/fault-$(1)/lib64/libvixDiskLib.so.$(2)
ALL_TARGETS += $$(FAULT_VINTAGE_LIB_$(1))
CLEAN       += $(BUILD)/fault-$(1)

$(BUILD)/obj/fault/vintage-$(1).o: $(FAULT_DIR)/vintage.c $(FAULT_DIR)/rules.mk Makefile
	@mkdir -p $$(@D)
	$$(CC) $$(CFLAGS_ALL) -DVINTAGE=$(1) -fPIC -fvisibility=hidden -c -o $$@ $$<

$$(FAULT_VINTAGE_LIB_$(1)): $(BUILD)/obj/fault/vintage-$(1).o $(FAULT_COMMON)
	@mkdir -p $$(@D)
	@echo '{ local: none; $(FAULT_MISSING_$(1):%=VixDiskLib_%;) };' >$$@.map
	$$(CC) -shared -Wl,-Bsymbolic -Wl,-soname,$$(@F) -Wl,--version-script=$$@.map \
	  -o $$@ $$^ $$(LDFLAGS_ALL) -lm
endef
$(foreach v,$(FAULT_VINTAGES),$(eval \
  $(call FAULT_VINTAGE_RULES,$(word 1,$(subst :, ,$(v))),$(word 2,$(subst :, ,$(v))))))

# Loads the library as its users do, by dlopen.
$(FAULT_BREACH): $(BUILD)/obj/fault/breach-driver.o
	@mkdir -p $(@D)
	$(CC) -pthread -pie $(LDFLAGS_ALL) -o $@ $^ -ldl

# The tests that drive this build of it.  The ordinary one is npm's to test.
.PHONY: check-fault
check-fault: all
	cd .. && VDDK_NBD_HELPER=$(abspath $(HELPER)) npx tap run test/fault-engine/*.test.ts
ifdef SANITIZE
CHECK_TARGETS += check-fault
endif

-include $(wildcard $(BUILD)/obj/fault/*.d)
