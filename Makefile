# Top level: everything a person or a script starts with. `make` alone explains itself.
#
# Variables:
#   KERNEL  the test machine's kernel: a line or version of vagrant/kernel (default 6.1)
#   KDIR    the kernel build directory for `make kmod` (default: the running kernel's headers, or else
#           those of the test kernel)

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# Goals run in the order given: `make kmod install` is one after the other, whatever -j says.
.NOTPARALLEL:

KERNEL ?= 6.1
KERNELS ?= 5.10 6.1 6.12
VM ?= vagrant/vm --kernel $(KERNEL)

# What the goals run. Each may be replaced on the command line, to run a part: INTEGRATION='node_modules/.bin/mocha -g pipe ...'
UNIT ?= npm run --silent test:unit
INTEGRATION ?= node_modules/.bin/mocha --config test/integration/.mocharc.json
INTEGRATION_VM ?= $(VM) --timeout 4500 --memory 3072
DEMO ?= test/demo.sh
DEMO_VM ?= $(VM)
BENCH ?= node dist/tsc/bench/run.js times
BENCH_COUNTS ?= node dist/tsc/bench/run.js counts
BENCH_VM ?= $(VM) --timeout 3000 --memory 4096 --criu --disk 4096

# The headers for the addon: those next to node, when it came with them, or node-gyp would download them.
node_prefix := $(patsubst %/bin/node,%,$(realpath $(shell command -v node)))
ifneq ($(wildcard $(node_prefix)/include/node/node_api.h),)
export npm_config_nodedir ?= $(node_prefix)
endif

.PHONY: help setup build programs kmod kmod-test kmod-all install uninstall demo test test-unit test-install test-all bench clean distclean

help: ## this list
	@awk -F ':[^#]*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: ## install what building and testing need (Debian 12), fetch the test kernel
	@vagrant/setup $(KERNEL)

# npm writes this file last, so it tells when node_modules was made.
node_modules/.package-lock.json: package-lock.json package.json
	npm ci --no-audit --no-fund
	@touch $@

dist/.built: node_modules/.package-lock.json package.json tsconfig.json \
		$(shell find src addon scripts -type f -not -path 'addon/build/*' 2>/dev/null) \
		$(shell find test bench -name '*.ts' 2>/dev/null)
	npm run --silent build
	@mkdir -p dist && touch $@

build: dist/.built ## the controller and its native addon

programs: ## the programs that tests and benchmarks dump and restore
	@$(MAKE) --no-print-directory -s -C test/programs
	@$(MAKE) --no-print-directory -s -C bench

kmod: ## the kernel module: make kmod [KDIR=...] [install|uninstall]
	@kdir='$(KDIR)'; \
	if [[ -z $$kdir ]]; then \
		kdir=/lib/modules/$$(uname -r)/build; \
		[[ -e $$kdir/Makefile ]] || kdir=$$(vagrant/kernel kdir $(KERNEL)); \
	fi; \
	$(MAKE) -C kmod KDIR="$$kdir"

kmod-test: ## the module for the test kernel KERNEL, apart from kmod/'s own products
	@vagrant/module $(KERNEL) >/dev/null

kmod-all: ## the module for every kernel line that is known
	@for kernel in $(KERNELS); do vagrant/module $$kernel; done

install: ## install the module of this tree on this machine through DKMS, loaded at boot
	$(MAKE) -C kmod install

uninstall: ## undo install
	$(MAKE) -C kmod uninstall

demo: setup build kmod-test ## a tree is checkpointed, killed and restored before your eyes, in the test machine
	@CRCTL_KO=$$(vagrant/module $(KERNEL)) $(DEMO_VM) $$([[ ! -t 0 || ! -t 1 ]] || echo --interactive) -- $(DEMO)

test-unit: build ## the tests that need no kernel module, on this machine
	@vagrant/suites unit='$(UNIT)'

test: setup build programs kmod-test ## all tests: unit tests here, the rest in the test machine
	@CRCTL_KO=$$(vagrant/module $(KERNEL)) vagrant/suites unit='$(UNIT)' integration='$(INTEGRATION_VM) -- $(INTEGRATION)'

test-all: ## make test on every kernel line
	@$(foreach kernel,$(KERNELS),$(MAKE) --no-print-directory test KERNEL=$(kernel) &&) true

test-install: setup build ## the module as README has it installed on a lab host, through DKMS; compiles in the test machine
	@$(VM) --timeout 3000 --no-module -- test/install.sh "$$(vagrant/kernel kdir $(KERNEL))"

bench: setup build programs kmod-test ## benchmarks, in the test machine
	@CRCTL_KO=$$(vagrant/module $(KERNEL)) $(BENCH_VM) -- $(BENCH)
	@CRCTL_KO=$$(vagrant/module $(KERNEL)) $(BENCH_VM) --cpus 1 -- $(BENCH_COUNTS)

clean: ## remove what was built
	rm -rf dist build addon/build
	@! [[ -e kmod/Makefile ]] || find kmod \( -name '*.o' -o -name '*.ko' -o -name '*.mod' -o -name '*.mod.c' \
		-o -name '.*.cmd' -o -name '.*.o.d' -o -name Module.symvers -o -name modules.order \) -delete

distclean: clean ## and what was downloaded into the tree (not the cache of kernels)
	rm -rf node_modules
