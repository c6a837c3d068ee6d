# The N-API addon of the arenas.  Included by helper/Makefile, which sets
# BUILD, CC, CFLAGS_ALL (with -MMD -MP) and LDFLAGS_ALL.  No node-gyp: the headers
# come from the npm package node-api-headers, the symbols from the node that loads it.

ADDON_DIR      := $(dir $(lastword $(MAKEFILE_LIST)))
ADDON          := $(BUILD)/addon/arena.node
ADDON_SOURCE   := $(ADDON_DIR)arena.c
ADDON_INCLUDES := $(ADDON_DIR)../../node_modules/node-api-headers/include

ALL_TARGETS += $(ADDON)
C_SOURCES   += $(ADDON_SOURCE)

$(ADDON): $(ADDON_SOURCE) $(ADDON_DIR)rules.mk
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -isystem $(ADDON_INCLUDES) -fPIC -MF $(@:.node=.d) \
	  -o $@ $< -shared $(LDFLAGS_ALL)

-include $(ADDON:.node=.d)
