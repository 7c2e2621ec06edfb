# `make demo` tries it, `make test` tests it, `make build` is what a plugin manager runs. Each installs what it needs.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

NVIM := $(CURDIR)/.deps/bin/nvim
# Where cargo builds, which a person may have moved.
BUILT := $(abspath $(or $(CARGO_TARGET_DIR),target))
SANDBOX := $(BUILT)/debug/examples/sandbox
PROGRAM := $(BUILT)/release/convocations
LUA := lua plugin tests/nvim tests/tools tests/demo tests/bench tests/faults
TOOLS := tests/tools

.PHONY: help build demo test lint lint-rust lint-lua lint-targets lint-crates lint-packaging test-rust test-lua soak fuzz bench dist checksums doc screenshots deps clean

help: ## Show what there is
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS=$$'\t' read -r name text; do printf '  make %-12s %s\n' "$$name" "$$text"; done

build: ## Build the backend into target/release, where the plugin looks (for plugin managers)
	@command -v cargo >/dev/null || { echo "cargo is not here: install Rust 1.89 or newer (https://rustup.rs)" >&2; exit 1; }
	cargo build --release --locked --bin convocations --target-dir target
	@nvim -u NONE -i NONE --headless -c 'helptags doc' -c q 2>/dev/null || echo "No help tags were made: in Neovim, :helptags $(CURDIR)/doc makes them."

demo: ## Try everything without an account: opens Neovim, or tells the story where there is no terminal
	@$(TOOLS)/setup.sh neovim
	@cargo build --locked --bin convocations --example sandbox
	@tests/demo/run.sh

test: deps lint test-rust test-lua ## Check and test everything
	@echo "All checks and tests passed."

deps: ## Install what the tests need
	@$(TOOLS)/setup.sh all

lint: lint-rust lint-lua lint-targets lint-crates lint-packaging ## Check form, types, help, other systems, packages

lint-rust:
	@echo "== Form, lints"
	$(TOOLS)/style.sh
	cargo fmt --check
	cargo clippy --quiet --locked --all-targets -- -D warnings

lint-lua:
	@echo "== Lua: form, types, help"
	.deps/bin/stylua --check $(LUA)
	VIMRUNTIME="$$($(NVIM) --clean --headless -c 'lua io.stdout:write(vim.env.VIMRUNTIME)' -c q)" .deps/bin/emmylua_check --warnings-as-errors .
	$(NVIM) -l $(TOOLS)/gen_doc.lua --check

lint-targets: ## Check that the backend compiles for other systems, where their targets are
	@$(TOOLS)/dist/check_targets.sh

lint-crates: ## Check licences, advisories and sources of the crates, where cargo-deny is
	@$(TOOLS)/dist/lint_crates.sh

lint-packaging: ## Check scripts, workflows and packages, with the tools that are here
	@$(TOOLS)/dist/lint_packaging.sh

test-rust: ## Test the backend, the command line and the authority
	@echo "== Rust tests"
	cargo build --quiet --locked --bin convocations --example sandbox
	CONVOCATIONS_SANDBOX=$(SANDBOX) cargo test --quiet --locked --no-fail-fast

test-lua: ## Test the plugin in real editors
	@echo "== Tests in real editors"
	cargo build --quiet --locked --bin convocations --example sandbox
	NVIM=$(NVIM) $(NVIM) -l tests/nvim/run.lua
	tests/demo/run.sh </dev/null

soak: ## Use it for days in half an hour, with whatever goes wrong
	cargo build --quiet --locked --example sandbox
	CONVOCATIONS_SANDBOX=$(SANDBOX) CONVOCATIONS_SOAK_SECONDS=$${CONVOCATIONS_SOAK_SECONDS:-1800} cargo test --quiet --locked --test soak -- --nocapture

fuzz: ## Feed every reader whatever is found, a minute each (needs cargo-fuzz and a nightly Rust)
	@cargo +nightly fuzz --version >/dev/null || { echo "cargo install cargo-fuzz, and a nightly Rust (rustup toolchain install nightly)" >&2; exit 1; }
	for target in $$(cargo +nightly fuzz list --fuzz-dir tests/fuzz); do cargo +nightly fuzz run --fuzz-dir tests/fuzz --sanitizer none $$target -- -max_total_time=$${FUZZ_SECONDS:-60} -rss_limit_mb=512 -malloc_limit_mb=128; done

bench: ## Measure the budgets, each against its floor
	@$(TOOLS)/setup.sh neovim
	cargo build --quiet --locked --release --bin convocations
	cargo build --quiet --locked --example sandbox
	@missed=0; export CONVOCATIONS=$(PROGRAM) CONVOCATIONS_SANDBOX=$(SANDBOX); \
	cargo bench --quiet --locked --bench budgets || missed=1; \
	$(NVIM) -l tests/bench/editor.lua || missed=1; exit $$missed

dist: ## Make the archives of a release into dist/ (TARGETS="…"; DIST_TWICE=1 asserts that a second build gives the same bytes)
	@$(TOOLS)/setup.sh dist
	@$(TOOLS)/dist/dist.sh $(TARGETS)

checksums: ## Write the sums of dist/ into lua/conv/checksums.lua, as a release needs them before its tag
	@$(TOOLS)/dist/checksums.py

doc: ## Write what is generated: parts of the help, the wire's shapes for Lua, samples for the tests
	CONVOCATIONS_WRITE_SAMPLES=1 cargo test --quiet --locked --lib protocol::samples
	$(NVIM) -l $(TOOLS)/gen_doc.lua

screenshots: ## Take the pictures of README again (needs tmux)
	@$(TOOLS)/setup.sh neovim
	@cargo build --quiet --locked --bin convocations --example sandbox
	@tests/demo/pictures.sh

clean: ## Remove what was built and installed here
	rm -rf target .deps
