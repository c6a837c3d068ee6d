# The N-API addons: arena.node, socket.node, and process.node for what else Node.js has no function
# for.  Included by helper/Makefile, which sets BUILD, CC, CFLAGS_ALL (with -MMD -MP) and LDFLAGS_ALL.
# No node-gyp: the headers come from the npm package node-api-headers, the symbols from the node that
# loads it.

ADDON_DIR      := $(dir $(lastword $(MAKEFILE_LIST)))
ADDONS         := $(BUILD)/addon/arena.node $(BUILD)/addon/process.node \
                  $(BUILD)/addon/socket.node
ADDON_INCLUDES := $(ADDON_DIR)../../node_modules/node-api-headers/include

ALL_TARGETS += $(ADDONS)
C_SOURCES   += $(ADDON_DIR)arena.c $(ADDON_DIR)process.c $(ADDON_DIR)socket.c

$(BUILD)/addon/%.node: $(ADDON_DIR)%.c $(ADDON_DIR)rules.mk
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -isystem $(ADDON_INCLUDES) -fPIC -MF $(@:.node=.d) \
	  -o $@ $< -shared $(LDFLAGS_ALL)

-include $(ADDONS:.node=.d)
