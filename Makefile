# Top level: everything a person or a script starts with. `make` alone explains itself.
#
# Variables:
#   KERNEL  the test machine's kernel: a line or version of vagrant/kernel (default 6.1)
#   KDIR    the kernel build directory for `make kmod` (default: the running kernel's headers, or else
#           those of the test kernel)
#   JOBS    how many suites run at the same time, each test machine keeping about one processor busy (default 2)
#   FAULTS  1: `make kmod` builds a module that fails where it is told to, for tests (docs/faults.md)

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# Goals run in the order given: `make kmod install` is one after the other, whatever -j says.
.NOTPARALLEL:

DEFAULT_KERNEL := 6.1
KERNEL ?= $(DEFAULT_KERNEL)
FAULTS ?=
JOBS ?= 2
KERNELS ?= 5.10 6.1 6.12 7.x
VM ?= vagrant/vm --kernel $(KERNEL)

# What the goals run. Each may be replaced on the command line, to run a part: INTEGRATION='node_modules/.bin/mocha -g pipe ...'
UNIT ?= npm run --silent test:unit
INTEGRATION ?= node_modules/.bin/mocha --config test/integration/.mocharc.cjs
# The files of the integration tests are dealt out to these, each a machine; one has all where INTEGRATION chooses some.
PARTS ?= $(if $(filter file,$(origin INTEGRATION)),1 2,1)
INTEGRATION_VM ?= $(VM) --timeout $(PATIENCE) --memory $(MEMORY)
# Of the points at which commands are made to fail, each run takes a sixth; test-faults takes all.
FAULT_SHARE ?= 6
SHARE = CRCTL_FAULT_SHARE=$(FAULT_SHARE)
# What is run where there is no time for all of it: each way of saving and bringing back once.
CORE ?= $(INTEGRATION) -g '$(CORE_TESTS)'
CORE_TESTS ?= registers|threads|/proc/<pid>/dump|an image as a program
CORE_KERNELS ?= 5.10 6.12
# Settings that hold until the next boot: after everything else in a machine.
SETTINGS ?= node_modules/.bin/mocha --config test/settings/.mocharc.json
# The long runs in a short form, to see that they work: fuzzing by execve() and of directories, endurance.
SHORT ?= set -e; test/fuzz/bin/exec_fuzz -n 1500; node dist/tsc/test/fuzz/images/run.js --count 200; \
	CRCTL_CYCLES=6 CRCTL_GENERATIONS=4 $(ENDURANCE)
# Seconds for the whole suite: the sanitizer kernel checks each access to memory, under emulation.
PATIENCE ?= $(if $(filter debug,$(KERNEL)),14400,4500)
# MB; the sanitizer kernel needs much for itself.
MEMORY ?= $(if $(filter debug,$(KERNEL)),6144,3072)
ENDURANCE ?= node_modules/.bin/mocha --config test/endurance/.mocharc.json
ENDURANCE_VM ?= $(VM) --timeout $(if $(filter debug,$(KERNEL)),43200,14400) --memory $(MEMORY)
CYCLES ?= 1000
GENERATIONS ?= 100
FUZZ_EXECUTIONS ?= $(if $(filter debug,$(KERNEL)),10000,100000)
FUZZ_IMAGES ?= 20000
FUZZ_PARSER ?= 10000000
FUZZ_VM ?= $(VM) --timeout 14400 --memory $(MEMORY)
# Servers and runtimes as Debian ships them.
APPLICATIONS ?= node_modules/.bin/mocha --config test/applications/.mocharc.json
STATIC ?= scripts/lint
DEMO ?= test/demo.sh
DEMO_VM ?= $(VM)
BENCH ?= node dist/tsc/bench/run.js times
BENCH_COUNTS ?= node dist/tsc/bench/run.js counts
BENCH_VM ?= $(VM) --timeout 7200 --memory 4096 --criu --disk 4096

# The headers for the addon: those next to node, when it came with them, or node-gyp would download them.
node_prefix := $(patsubst %/bin/node,%,$(realpath $(shell command -v node)))
ifneq ($(wildcard $(node_prefix)/include/node/node_api.h),)
export npm_config_nodedir ?= $(node_prefix)
endif

.PHONY: help setup build programs kmod kmod-test kmod-all check-endbr install uninstall demo lint test test-unit test-apps test-faults test-install bench clean distclean
.PHONY: matrix debug-kernel fuzz fuzz-parser fuzz-exec fuzz-memory fuzz-images endurance

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
	$(MAKE) -C kmod KDIR="$$kdir" FAULTS=$(FAULTS)

kmod-test: ## the module for the test kernel KERNEL, apart from kmod/'s own products
	@vagrant/module $(KERNEL) >/dev/null

kmod-all: setup ## the module for every kernel line that is known
	@for kernel in $(KERNELS); do vagrant/module $$kernel; done

check-endbr: setup ## on kernels with IBT: does the module call through a pointer what may not be called so?
	@vagrant/check-endbr $(filter-out 5.10 6.1,$(KERNELS))

install: ## install the module of this tree on this machine through DKMS, loaded at boot
	$(MAKE) -C kmod install

uninstall: ## undo install
	$(MAKE) -C kmod uninstall

demo: setup build kmod-test ## a tree is checkpointed, killed and restored before your eyes, in the test machine
	@CRCTL_KO=$$(vagrant/module $(KERNEL)) $(DEMO_VM) $$([[ ! -t 0 || ! -t 1 ]] || echo --interactive) -- $(DEMO)

lint: setup node_modules/.package-lock.json ## static checks: checkpatch, sparse, coccinelle, eslint, prettier and so on
	@vagrant/suites lint='$(STATIC)'

test-unit: build ## the tests that need no kernel module, on this machine
	@vagrant/suites unit='$(UNIT)'

# $(call in_vm,KERNEL,VM OPTIONS,COMMAND): a shell command
in_vm = CRCTL_KO=$$(vagrant/module $(1)) && export CRCTL_KO && vagrant/vm --kernel $(1) $(2) -- $(subst ','\'',$(3))

# $(call in_bash,COMMANDS): several shell commands as one.
in_bash = bash -c '$(subst ','\'',$(1))'

# $(call then_settings,PATTERN): those tests of settings, where the kernel has them: the sanitizer kernel has not.
then_settings = $(if $(filter debug,$(KERNEL)),,&& $(SETTINGS) -g '$(1)')

# The same with a module that fails where it is told to.
faults_in_vm = CRCTL_KO=$$(vagrant/module --faults $(KERNEL)) && export CRCTL_KO && $(INTEGRATION_VM) -- env CRCTL_MODULE_FAULTS=1 $(subst ','\'',$(1))

# Applications that the host has not installed lie over the machine's root.
applications_in_vm = apps=$$(vagrant/apps) && $(call in_vm,$(KERNEL),--timeout $(PATIENCE) --memory $(MEMORY) --layer "$$apps",$(APPLICATIONS))

# What is seen of other kernels: the module builds for each of them, and does its main work on some.
OTHER_KERNELS = builds='$(MAKE) --no-print-directory -s kmod-all check-endbr' \
	$(foreach kernel,$(CORE_KERNELS),'core-$(kernel)=$(call in_vm,$(kernel),--timeout 1200 --memory $(MEMORY),$(call in_bash,$(CORE) $(call then_settings,memfd_noexec)))')

test: setup build programs kmod-test ## all tests: static checks and unit tests here, the rest in the test machine
	@$(MAKE) --no-print-directory -s -C test/fuzz
	@vagrant/suites -j $(JOBS) lint='$(STATIC)' unit='$(UNIT)' fuzz='$(MAKE) --no-print-directory -s -C test/fuzz check' \
		$(foreach part,$(PARTS),integration-$(part)='CRCTL_KO=$$(vagrant/module $(KERNEL)) $(INTEGRATION_VM) -- $(subst ','\'',$(call in_bash,$(SHARE) CRCTL_PART=$(part)/$(words $(PARTS)) $(INTEGRATION)))') \
		applications='$(applications_in_vm)' \
		faults='$(call faults_in_vm,$(call in_bash,$(SHARE) $(INTEGRATION) -g '^faults: in the module' $(call then_settings,sig_enforce)))' \
		short='$(call in_vm,$(KERNEL),--timeout $(PATIENCE) --memory $(MEMORY),$(call in_bash,$(SHORT) $(call then_settings,lockdown)))' \
		$(if $(filter $(DEFAULT_KERNEL),$(KERNEL)),$(OTHER_KERNELS))

matrix: setup build programs kmod-all ## the integration tests on every kernel line, with a table at the end
	@vagrant/suites -j $(JOBS) $(foreach kernel,$(KERNELS),'$(kernel)=$(call in_vm,$(kernel),--timeout 9000 --memory $(MEMORY),$(call in_bash,$(SHARE) $(INTEGRATION) $(call then_settings,memfd_noexec|lockdown)))')

debug-kernel: ## build the sanitizer kernel, for KERNEL=debug
	@vagrant/setup
	@vagrant/debug-kernel

fuzz: fuzz-parser fuzz-images ## all fuzzers, on the stock and on the sanitizer kernel
	@$(MAKE) --no-print-directory fuzz-exec
	@$(MAKE) --no-print-directory fuzz-exec KERNEL=debug
	@$(MAKE) --no-print-directory fuzz-memory

fuzz-parser: ## the image parser under sanitizers, guided by coverage
	@vagrant/setup --fuzz
	@$(MAKE) --no-print-directory -s -C test/fuzz libfuzzer
	@mkdir -p build/fuzz/corpus
	test/fuzz/bin/libfuzzer -runs=$(FUZZ_PARSER) -max_len=32768 -print_final_stats=1 -artifact_prefix=build/fuzz/ build/fuzz/corpus test/fuzz/corpus
	@$(MAKE) --no-print-directory -s -C test/fuzz coverage

fuzz-exec: setup kmod-test ## execve() of mutated images, in the test machine
	@$(MAKE) --no-print-directory -s -C test/fuzz
	@CRCTL_KO=$$(vagrant/module $(KERNEL)) $(FUZZ_VM) -- test/fuzz/bin/exec_fuzz -n $(FUZZ_EXECUTIONS) $(if $(SEED),-s $(SEED))

fuzz-memory: KERNEL := debug
fuzz-memory: setup ## allocations that fail, one after the other, in dumping and executing, on the sanitizer kernel
	@$(MAKE) --no-print-directory -s kmod-test KERNEL=debug
	@$(MAKE) --no-print-directory -s -C test/fuzz
	@CRCTL_KO=$$(vagrant/module $(KERNEL)) $(FUZZ_VM) --allow 'Huh VM_FAULT_OOM leaked out' -- test/fuzz/bin/fail_nth

fuzz-images: setup build programs kmod-test ## damaged image directories, in the test machine
	@CRCTL_KO=$$(vagrant/module $(KERNEL)) $(FUZZ_VM) -- node dist/tsc/test/fuzz/images/run.js --count $(FUZZ_IMAGES) $(if $(SEED),--seed $(SEED))

endurance: setup build programs kmod-test ## a thousand times unloaded under load; a hundred generations of one tree
	@QEMU=$$(vagrant/qemu) && CRCTL_KO=$$(vagrant/module $(KERNEL)) && export QEMU CRCTL_KO && vagrant/suites endurance='$(ENDURANCE_VM) -- env CRCTL_CYCLES=$(CYCLES) CRCTL_GENERATIONS=$(GENERATIONS) $(ENDURANCE)'

test-faults: setup build programs ## only what fails on demand (docs/faults.md), with a module that does so too
	@vagrant/suites faults='$(call faults_in_vm,$(INTEGRATION) -g "^faults|no space left")'

test-apps: setup build kmod-test ## only the servers and runtimes of test/applications
	@vagrant/suites applications='$(applications_in_vm)'

test-install: setup build ## the module as README has it installed on a lab host, through DKMS; compiles in the test machine
	@$(VM) --timeout 3000 --no-module -- test/install.sh "$$(vagrant/kernel kdir $(KERNEL))"

bench: setup build programs kmod-test ## benchmarks, in the test machine
	@layer=$$(vagrant/apps) CRCTL_KO=$$(vagrant/module $(KERNEL)) && export CRCTL_KO && \
		$(BENCH_VM) --layer "$$layer" -- $(BENCH) && $(BENCH_VM) --layer "$$layer" --cpus 1 -- $(BENCH_COUNTS)

clean: ## remove what was built
	rm -rf dist build addon/build
	@! [[ -e kmod/Makefile ]] || find kmod \( -name '*.o' -o -name '*.ko' -o -name '*.mod' -o -name '*.mod.c' \
		-o -name '.*.cmd' -o -name '.*.o.d' -o -name Module.symvers -o -name modules.order \) -delete

distclean: clean ## and what was downloaded into the tree (not the cache of kernels)
	rm -rf node_modules
