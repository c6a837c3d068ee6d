# The front door: `make help` says what there is. A second `make` does nothing.
# The C parts have a Makefile of their own in helper/; the TypeScript half is npm's.

SHELL := /bin/sh
MAKEFLAGS += --no-print-directory
.DELETE_ON_ERROR:

# FILE may hold blanks: it travels in the environment, not in a recipe's text.
export FILE

sources := $(shell find src -name '*.ts' -o -type d)

.PHONY: all
all: oclif.manifest.json helper build/man/vddk-nbd.1

.PHONY: help
help:
	@echo 'make                 build everything into build/ and dist/'
	@echo 'make deps            install the Debian packages that are missing'
	@echo 'make serve           serve a small sample disk'
	@echo 'make serve FILE=/abs/disk.vmdk [ARGS="-r -p 0"]'
	@echo '                     serve this disk'
	@echo 'make install [PREFIX=/usr/local] [DESTDIR=...]'
	@echo '                     install program, engine and manual; make uninstall removes them'
	@echo 'make test            all tests, with coverage'
	@echo 'make lint            ESLint, Prettier, types of the tests, clang-format'
	@echo 'make check           lint, tests, and the C parts under sanitizers'
	@echo 'make sim [SEED=N] [MINUTES=N] [KIND=...]'
	@echo '                     a simulated disk whose helpers die at every possible point'
	@echo 'make chaos [SEED=N] [MINUTES=N]'
	@echo '                     real clients, and a library that dies, hangs and forgets'
	@echo 'make proof [NAME=..] what it must survive, in full; figures are printed'
	@echo 'make docs            write the pages that are made from tables'
	@echo 'make bench           speed, against nbdkit and qemu-nbd; QUICK=1 for a first look'
	@echo 'make bench-pages     put its figures into README.md and docs/'
	@echo 'make bench-engine    the built-in engine, against qemu-nbd serving the same VMDK'
	@echo 'make format          rewrite the sources as the formatters like them'
	@echo 'make clean           remove everything that was built'

# --- building -------------------------------------------------------------------------------

.PHONY: node
node:
	@scripts/check-node.sh

# npm writes this file last, so it is the stamp of a complete installation.
node_modules/.package-lock.json: package-lock.json .npmrc | node
	npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

# Needs node_modules: the addon is compiled against node-api-headers.
.PHONY: helper
helper: node_modules/.package-lock.json
	@$(MAKE) -C helper

# dist/ is made anew, so that nothing of a deleted source stays in it.
dist/.stamp: $(sources) tsconfig.json scripts/bundle.js scripts/oclif.js \
  node_modules/.package-lock.json
	rm -rf dist
	npx --no-install tsc
	node scripts/bundle.js
	@touch $@

oclif.manifest.json: dist/.stamp package.json $(wildcard src/commands/*.ts)
	OCLIF_SKIP_NEW_VERSION_CHECK=true npx --no-install oclif manifest >/dev/null
	@touch $@

build/man/vddk-nbd.1: oclif.manifest.json docs/manual.md scripts/manual.js scripts/roff.js
	@mkdir -p $(@D)
	node scripts/manual.js > $@

.PHONY: clean
clean:
	rm -rf build dist coverage .tap oclif.manifest.json

# --- using ----------------------------------------------------------------------------------

.PHONY: deps
deps:
	@scripts/deps.sh build test

.PHONY: deps-build
deps-build:
	@scripts/deps.sh build

# A disk of one's own needs nothing but the server; the sample needs tools to make it.
.PHONY: serve
serve: $(if $(FILE),deps-build,deps)
	@$(MAKE) all
	@scripts/serve.sh $(ARGS)

# --- installing -----------------------------------------------------------------------------

PREFIX ?= /usr/local
home := $(DESTDIR)$(PREFIX)/lib/vddk-nbd
doc := $(DESTDIR)$(PREFIX)/share/doc/vddk-nbd
man1 := $(DESTDIR)$(PREFIX)/share/man/man1

# The program finds its parts beside itself, so they lie as they do in the tree. The packages that it
# needs are in the bundle. `make install` builds as whoever calls it: build first, then
# `sudo make install`.
.PHONY: install
install: all
	rm -rf '$(home)' '$(doc)'
	install -d '$(home)/build/helper' '$(home)/build/addon' '$(home)/build/builtin/lib64' \
	  '$(home)/bin' '$(home)/dist' '$(DESTDIR)$(PREFIX)/bin' '$(doc)' '$(man1)'
	cp -R bin/run.js '$(home)/bin'
	cp -R dist/bundle '$(home)/dist'
	cp package.json oclif.manifest.json '$(home)'
	install build/helper/vddk-nbd-helper build/helper/vddk-nbd-check build/helper/vddk-nbd-janitor \
	  '$(home)/build/helper'
	install build/builtin/lib64/libvixDiskLib.so.* '$(home)/build/builtin/lib64'
	install -m 644 build/addon/*.node '$(home)/build/addon'
	ln -sf ../lib/vddk-nbd/bin/run.js '$(DESTDIR)$(PREFIX)/bin/vddk-nbd'
	install -m 644 build/man/vddk-nbd.1 '$(man1)'
	install -m 644 README.md CHANGELOG.md LICENSE docs/*.md '$(doc)'

.PHONY: uninstall
uninstall:
	rm -rf '$(home)' '$(doc)'
	rm -f '$(DESTDIR)$(PREFIX)/bin/vddk-nbd' '$(man1)/vddk-nbd.1'

# --- testing --------------------------------------------------------------------------------

.PHONY: test
test: deps
	@$(MAKE) all
	@$(MAKE) -C helper check
	npm test

.PHONY: lint
lint: node_modules/.package-lock.json
	npm run --silent lint
	@$(MAKE) -C helper format-check

.PHONY: check
check: deps
	@$(MAKE) all
	@$(MAKE) lint
	@$(MAKE) test
	@$(MAKE) -C helper check-asan check-tsan

# SEED: a run of this seed alone, with what led to its violation, unless MINUTES says for how long.
.PHONY: sim
sim: all
	SIM_SEED=$(or $(SEED),$(shell date +%s)) SIM_KIND=$(KIND) SIM_RUNS=$(if $(SEED),1) \
	SIM_MINUTES=$(or $(MINUTES),$(if $(SEED),,1)) \
	npx --no-install tap run --timeout=0 --reporter=tap test/sim/simulation.test.ts

# SEED: the round of this seed and those behind it; without MINUTES as many as there are clients.
.PHONY: chaos
chaos: deps
	@$(MAKE) all
	CHAOS_SEED=$(or $(SEED),$(shell date +%s)) CHAOS_MINUTES=$(or $(MINUTES),$(if $(SEED),,2)) \
	npx --no-install tap run --timeout=0 --reporter=tap test/chaos/chaos.test.ts

# NAME is one of test/chaos/proof-NAME.test.ts. NBDKIT=PATH compares with that nbdkit.
.PHONY: proof
proof: deps
	@$(MAKE) all
	PROOF=full npx --no-install tap run --timeout=0 --jobs=1 --reporter=tap \
	test/chaos/proof-$(or $(NAME),*).test.ts

# Pages that are made from tables of the program.
.PHONY: docs
docs: all
	node scripts/errors-page.js

# NBDKIT=PATH: also against the vddk plugin of that nbdkit. ONLY=PART,PART: rows of these names.
.PHONY: bench
bench: deps
	@$(MAKE) all
	npx --no-install tsc -p test/bench
	$(if $(QUICK),BENCH_ROUNDS=1 BENCH_SIZE_MIB=256 BENCH_RUNTIME_S=1 BENCH_PATIENCE=0) \
	$(if $(ONLY),BENCH_ONLY="$(ONLY)") node build/bench/js/main.js

.PHONY: bench-pages
bench-pages: all
	npx --no-install tsc -p test/bench
	node build/bench/js/main.js pages
	npx --no-install prettier --write --log-level=warn README.md docs/performance.md

.PHONY: bench-inspection
bench-inspection: deps
	@$(MAKE) all
	npx --no-install tsc -p test/bench
	NBDKIT=$(NBDKIT) node build/bench/js/inspection.js

.PHONY: bench-engine
bench-engine: deps
	@$(MAKE) all
	npx --no-install tsc -p test/bench
	node build/bench/js/engine.js

.PHONY: format
format: node_modules/.package-lock.json
	npm run --silent format
	@$(MAKE) -C helper format
