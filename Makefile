# The usual way in; `make` alone lists what there is. CMakeLists.txt and CMakePresets.json do the work.
#
#   make build EAI_WERROR=ON          warnings are errors
#   make test ARGS='-R unit.graph'    further words for ctest
#   JOBS=1 make build                 fewer processes at once
MAKEFLAGS += --no-print-directory
JOBS ?= $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
EAI_WERROR ?= OFF
PREFIX ?= /usr/local
TSAN_TESTS ?= -LE slow -E '^ops\.(grad|second)|emulated'
EFFICIENTAI := build/bin/efficientai
CLANG_FORMAT = $$(command -v clang-format-14 || command -v clang-format)
CLANG_TIDY = $$(command -v clang-tidy-14 || command -v clang-tidy)
CLANG = $$(command -v clang-14 || command -v clang)
C_FILES = git ls-files -co --exclude-standard -- '*.c' '*.h' '*.cpp'

# Homebrew keeps openssl@3, curl and libarchive off pkg-config's default path, and the developers' tools of LLVM off
# PATH (after Apple's own). The folders are named whether they are there or not: `setup` may install them after this is
# read.
ifeq ($(shell uname -s),Darwin)
BREW_KEG_ONLY := $(subst $() ,:,$(foreach prefix,/opt/homebrew /usr/local,$(foreach library,openssl@3 curl libarchive,$(prefix)/opt/$(library)/lib/pkgconfig)))
export PKG_CONFIG_PATH := $(BREW_KEG_ONLY)$(if $(PKG_CONFIG_PATH),:$(PKG_CONFIG_PATH))
BREW_LLVM := /opt/homebrew/opt/llvm@14/bin:/usr/local/opt/llvm@14/bin:/opt/homebrew/opt/llvm/bin:/usr/local/opt/llvm/bin
export PATH := $(PATH):$(BREW_LLVM)
endif
ifneq ($(shell command -v ninja 2>/dev/null),)
export CMAKE_GENERATOR ?= Ninja
endif

.PHONY: help setup configure command build install uninstall dist deb model test demo check format format-check tidy clang asan tsan coverage bench bench-loading bench-lora bench-generate bench-scaling instructions interop mlx test-mlx macos-report fuzz fuzz-all arm64 clean

help: ## this list
	@echo "EfficientAI-MLX-Toolkit: adapt, judge and run language models from the command line."
	@echo
	@awk -F ': .*## ' '/^[a-z0-9-]+: .*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile
	@echo
	@echo "First steps: make demo, then $(EFFICIENTAI) --help. More in README.md and CONTRIBUTING.md."

setup: ## install what is missing (system packages by name)
	@sh tools/setup.sh

configure: setup
	@cmake --preset release -DEAI_WERROR=$(EAI_WERROR) >build-configure.log 2>&1 || { cat build-configure.log; exit 1; }
	@mv build-configure.log build/configure.log

command: configure
	@cmake --build build -j $(JOBS) --target efficientai_command

build: configure ## the command in build/bin/efficientai, the library, the projects' programs, the tests
	@cmake --build build -j $(JOBS)

install: configure ## library, command, programs, completions, below PREFIX=/usr/local (DESTDIR= before it)
	@cmake --build build -j $(JOBS) --target installables
	@DESTDIR="$(abspath $(DESTDIR))" sh tools/install.sh build "$(abspath $(PREFIX))"

uninstall: ## remove what the last `make install` brought
	@sh tools/install.sh build

dist: ## a tarball of the last commit, its checksum and Homebrew's formula for it, into build/dist
	@sh tools/dist.sh build/dist

deb: ## Debian's packages, from that tarball, into build/deb, with lintian's opinion (the first time as root)
	@sh tools/setup.sh deb
	@JOBS=$(JOBS) sh tools/deb.sh build/deb

model: command ## the default model, into the user's cache
	@$(EFFICIENTAI) models get

test: build ## every test; the ones on the real model too when it can be fetched
	@sh tools/test.sh build $(JOBS) $(ARGS)

demo: command ## tune the default model on real examples, before and after (SHORT=1: two minutes)
	@SHORT=$(SHORT) sh tools/demo.sh

check: ## structure, text and format of the tree (needs no build)
	@sh tools/setup.sh build
	@python3 tools/check_layers.py
	@python3 tools/check_text.py
	@$(MAKE) format-check

format: ## format every C file
	@sh tools/setup.sh format
	@$(C_FILES) | xargs $(CLANG_FORMAT) -i

format-check: ## fail when a C file is not formatted
	@sh tools/setup.sh format
	@unformatted=$$($(C_FILES) | xargs $(CLANG_FORMAT) --dry-run 2>&1 | sed -n 's/:.*clang-format-violations.*//p' | sort -u); \
	if [ -n "$$unformatted" ]; then echo "not formatted ('make format' mends it):"; echo "$$unformatted"; exit 1; fi; \
	echo "format: all files are formatted"

tidy: build ## clang-tidy, shellcheck and codespell, findings as errors (FILES='src/cli/*.c' for some)
	@sh tools/setup.sh lint
	@sh tools/tidy.sh build $(FILES)

clang: setup ## build everything with clang 14 as well, its warnings as errors (runs nothing)
	@sh tools/setup.sh clang
	@CC=$(CLANG) cmake --preset clang >/dev/null && cmake --build --preset clang -j $(JOBS)

asan: setup ## every test with the address and undefined-behaviour sanitizers
	@cmake --preset asan >/dev/null && cmake --build --preset asan -j $(JOBS) && sh tools/test.sh build-asan $(JOBS) $(ARGS)

tsan: setup ## the tests with the thread sanitizer; TSAN_TESTS= for the slow ones and gradients too
	@cmake --preset tsan >/dev/null && cmake --build --preset tsan -j $(JOBS) && sh tools/test.sh build-tsan $(JOBS) $(TSAN_TESTS) $(ARGS)

coverage: setup ## line coverage of the tests, a page in build-coverage/report; fails below 85 % of src/
	@JOBS=$(JOBS) sh tools/coverage.sh $(ARGS)

bench: command model ## every figure beside its peer, into bench/results (SHORT=1; ROUNDS=2; ARGS='--against llama.cpp')
	@sh tools/setup.sh bench || true
	@EFFICIENTAI_REQUIRE_PEERS=1 sh tools/peers.sh python3 tools/bench.py $(if $(ROUNDS),--rounds $(ROUNDS)) \
		$(if $(SHORT),--short) $(if $(MODEL),--model $(MODEL)) $(ARGS)

bench-loading: build model ## the share of checking in loading a model; fails above 1 % (ARGS='FILE...' for others)
	@build/tests/bench_loading $(or $(ARGS),"$$($(EFFICIENTAI) models path)")

bench-lora: command model ## LoRA training beside transformers + PEFT: tokens/s, memory, start (SHORT=1: once; ROUNDS=3)
	@EFFICIENTAI_REQUIRE_PEERS=1 sh tools/peers.sh python3 tools/bench_lora.py --rounds $(or $(ROUNDS),3) \
		$(if $(SHORT),--short) $(if $(MODEL),--model $(MODEL)) $(ARGS)

bench-generate: build model ## prompts and generation beside llama.cpp and transformers (SHORT=1: once; ROUNDS=3)
	@EFFICIENTAI_REQUIRE_PEERS=1 sh tools/peers.sh python3 tools/bench_generate.py --rounds $(or $(ROUNDS),3) \
		$(if $(SHORT),--short) $(if $(MODEL),--model $(MODEL)) $(ARGS)

bench-scaling: command ## how cost grows with length, rank, batch, threads, size (SHORT=1; ARGS='--only seq')
	@python3 tools/bench_scaling.py $(if $(SHORT),--short) $(ARGS)

instructions: configure ## count those of fixed work under valgrind; fails when it takes over 5 % more (ARGS=--accept)
	@sh tools/setup.sh instructions
	@cmake --build build -j $(JOBS) --target workloads
	@python3 tools/count_instructions.py $(ARGS) || [ $$? -eq 77 ]

interop: build ## proofs by PEFT, transformers and others that they read our files and we theirs
	@sh tools/peers.sh python3 tools/interop.py $(ARGS)

mlx: setup ## the plugin of the MLX backend, with an MLX from pip; MLX_ROOT=DIR names another (docs/mlx.md)
	@sh tools/setup.sh mlx
	@sh tools/mlx.sh $(EAI_WERROR)

test-mlx: mlx build ## the tests of the MLX backend, mlx-lm as the judge of some
	@sh tools/peers.sh --mlx sh tools/test.sh build $(JOBS) -L mlx $(ARGS)

macos-report: ## build, tests, speed beside mlx-lm and memory on this Mac, into macos-report.md (SHORT=1: does it work?)
	@sh tools/macos_check.sh $(if $(SHORT),--short)

fuzz: setup ## feed TARGET (a tests/fuzz/fuzz_TARGET.c) with random input for SECONDS=60, or RUNS= of it
	@sh tools/setup.sh fuzz
	@JOBS=$(JOBS) sh tools/fuzz.sh "$(TARGET)" "$(or $(SECONDS),60)" $(RUNS)

fuzz-all: setup ## the same with every target, one after the other, and a table
	@sh tools/setup.sh fuzz
	@JOBS=$(JOBS) sh tools/fuzz.sh all "$(or $(SECONDS),60)" $(RUNS)

arm64: setup ## build for 64-bit ARM and test it under qemu (on Debian, the first time as root)
	@sh tools/setup.sh arm64
	@JOBS=$(JOBS) EAI_WERROR=$(EAI_WERROR) sh tools/arm64.sh $(ARGS)

clean: ## remove everything that was built
	@rm -rf build build-asan build-tsan build-coverage build-fuzz build-dev build-arm64 build-clang
