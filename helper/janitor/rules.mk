# The janitor, a program of one file.  Included by ../Makefile.

JANITOR     := $(BUILD)/helper/vddk-nbd-janitor
ALL_TARGETS += $(JANITOR)
C_SOURCES   += janitor/janitor.c

$(JANITOR): janitor/janitor.c Makefile janitor/rules.mk
	@mkdir -p $(@D)
	$(CC) $(filter-out -MMD -MP,$(CFLAGS_ALL)) -fPIE -pie $(LDFLAGS_ALL) -o $@ $<
