# `make` leaves the executable at dist/lotc; `make help` lists the rest.
# Everything runs on the Node pinned in package-lock.json; only `npm ci` uses the machine's own.

MAKEFLAGS += --warn-undefined-variables --no-builtin-rules
SHELL := bash
.SHELLFLAGS := -o pipefail -euc
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:

SYSTEM_PATH := $(PATH)
export PATH := $(CURDIR)/node_modules/.bin:$(PATH):/usr/sbin:/sbin
SEED ?=
export SEED

modules := node_modules/.lotc-lock
sources := $(shell find src -name '*.ts' ! -name '*.test.ts')
system_packages := iproute2=ip jq openssl e2fsprogs=mkfs.ext4 python3 tshark chrony=chronyd faketime systemd=systemctl

WIRESHARK_PLUGINS ?= $(HOME)/.local/lib/wireshark/plugins

.PHONY: all help demo capture install-dissector check test sim sim-fires kill-fires wire e2e audit bench build fmt ci clean FORCE

all: dist/lotc ## the executable, at dist/lotc (the default)

help: ## this list
	@sed -nE 's/^([a-z0-9-]+):.*## (.*)/\1|\2/p' Makefile | \
	  while IFS='|' read -r target text; do printf '%-17s %s\n' "$$target" "$$text"; done

demo: dist/lotc ## three nodes in network namespaces, a real program, every command shown
	@scripts/need iproute2=ip jq
	@scripts/demo

capture: dist/lotc ## lotc.pcapng: all the demo says, with the secrets to read it
	@scripts/need iproute2=ip jq tshark=dumpcap
	@scripts/capture

install-dissector: dist/lotc ## the Wireshark module, into WIRESHARK_PLUGINS
	@mkdir -p '$(WIRESHARK_PLUGINS)'
	@dist/lotc dissector > '$(WIRESHARK_PLUGINS)/lotc.lua'
	@echo '$(WIRESHARK_PLUGINS)/lotc.lua'

check: $(modules) ## format, lint with types, types, dead code, tidiness; under 10 s
	@node scripts/check.ts

test: $(modules) ## everything: check, unit, sim, wire, build, e2e
	@scripts/need gcc musl-tools=musl-gcc $(system_packages)
	@node scripts/run-tests.ts

sim: $(modules) ## the simulator's scenarios; SEED=n replays one seed
	@vitest run --project sim

sim-fires: $(modules) ## a million firings in simulated fleets; FIRES=n, FROM=n and SEED=n choose
	@FIRES=$${FIRES:-1000000} vitest run --project sim tests/sim/fires.test.ts -t 'none twice'

wire: $(modules) ## the protocol's golden vectors, in the codec and in Wireshark
	@scripts/need tshark
	@vitest run --project wire

e2e: dist/lotc ## the executable and the kernel as they are (root)
	@scripts/need gcc musl-tools=musl-gcc $(system_packages)
	@vitest run --project system --no-file-parallelism

kill-fires: dist/lotc ## fifty kills of agents, the server away, while a schedule fires; KILLS=n (root)
	@scripts/need iproute2=ip faketime
	@KILLS=$${KILLS:-50} vitest run --project system tests/e2e/firing.test.ts -t 'server killed, agents'

audit: $(modules) ## the registry's signature of each package (needs the public registry)
	@PATH='$(SYSTEM_PATH)' npm audit signatures

bench: dist/lotc ## measure against what the machine itself can do; bench/RESULTS.md
	@scripts/need gcc $(system_packages)
	@node bench/run.ts

build: all ## the same as all

fmt: $(modules) ## format and sort imports
	@biome check --write

ci: test ## what .ci/run runs

clean: ## remove what make made (not node_modules)
	@rm -rf dist build

dist/lotc: $(modules) $(sources) dissector.lua scripts/build.ts scripts/bundle.ts \
  scripts/papers.ts scripts/code-cache.ts scripts/warm-roles.ts scripts/clipanion.cjs \
  build/shim build/commit
	@node scripts/build.ts

build/shim: $(addprefix src/supervisor/,shim.c launch.c launch.h kernel.c kernel.h) scripts/build-shim
	@scripts/need gcc musl-tools=musl-gcc
	@mkdir -p build
	@scripts/build-shim

# Touched only when the answer changes, so that the executable always names its own commit.
build/commit: FORCE
	@mkdir -p build
	@git -c safe.directory='*' describe --always --dirty --abbrev=7 --exclude='*' \
	  > $@.$$$$ 2>/dev/null || echo unknown > $@.$$$$; \
	  cmp -s $@.$$$$ $@ && rm $@.$$$$ || mv $@.$$$$ $@

$(modules): package-lock.json
	@PATH='$(SYSTEM_PATH)' scripts/npm-ci
