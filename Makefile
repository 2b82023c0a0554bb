# What a person types; each target with a ## text is listed by a bare `make`.

CARGO_DENY_VERSION := 0.20.2
CARGO_DENY := .tools/cargo-deny-$(CARGO_DENY_VERSION)/bin/cargo-deny

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: ## Start everything and serve on http://localhost:8080 (PORT=…, DATABASE_URL=… to choose); Ctrl-C stops it
	@scripts/run.sh

.PHONY: reset
reset: ## Stop this checkout's private PostgreSQL and forget its data
	@scripts/postgres/cluster.sh reset

.PHONY: test
test: ## Run every test, on throw-away PostgreSQL servers of their own
	@scripts/postgres/binaries.sh >/dev/null
	@scripts/previous-release.sh
	cargo test --workspace --locked

# Packages with long tests, which stand in modules called `soak`; what is long there asks test_support::scaled.
SOAK_PACKAGES := order-food system-tests database-load
SOAK ?= 1

.PHONY: soak
soak: ## Run the long tests whole, about 10 min (SOAK=3: three times as long; SOAK=0.1: as in `make test`)
	@scripts/postgres/binaries.sh >/dev/null
	SOAK=$(SOAK) cargo test --release --locked $(addprefix -p ,$(SOAK_PACKAGES)) --tests -- --nocapture soak::

.PHONY: bench
bench: ## Measure the order path, about 10 min (SECONDS=5 ROUNDS=3 ONLY=post64,reads,… OUT=target/bench to choose)
	@scripts/bench/order-path.sh $(bench_options)

.PHONY: bench-large
bench-large: ## Measure with 10 million orders stored (ORDERS=… to choose); needs 15 GB of disk
	@scripts/bench/order-path.sh --only large $(if $(ORDERS),--orders $(ORDERS)) $(filter-out --only $(ONLY),$(bench_options))

.PHONY: bench-migration
bench-migration: ## Measure database-migration: nothing to do, and an empty database (RUNS=20 to choose)
	@RUNS=$(RUNS) scripts/bench/migration.sh

.PHONY: bench-load
bench-load: ## Measure database-load: first load, unchanged sources, a changed price (RUNS=20 to choose)
	@RUNS=$(RUNS) OUT=$(OUT) scripts/bench/load.sh

.PHONY: bench-coupons
bench-coupons: ## Measure the coupon scanner against decompression alone, about 10 min (SCALE=1.0 ROUNDS=3 OUT=target/bench to choose); needs 5 GB of disk
	cargo bench --locked -p database-load --bench coupons -- $(if $(SCALE),--scale $(SCALE)) $(if $(ROUNDS),--rounds $(ROUNDS)) \
		$(if $(PARTS),--parts $(PARTS)) $(if $(OUT),--out $(abspath $(OUT)))

bench_options = $(if $(SECONDS),--seconds $(SECONDS)) $(if $(ROUNDS),--rounds $(ROUNDS)) \
	$(if $(ONLY),--only $(ONLY)) $(if $(OUT),--out $(OUT))

.PHONY: lint
lint: lint-format lint-scripts lint-readme lint-clippy lint-docs ## Check format, scripts, clippy and rustdoc; every warning is an error

.PHONY: lint-format
lint-format:
	cargo fmt --all --check

.PHONY: lint-scripts
lint-scripts:
	@command -v shellcheck >/dev/null || { echo 'error: shellcheck is missing; type: sudo apt-get install shellcheck' >&2; exit 1; }
	shellcheck --external-sources --source-path=SCRIPTDIR .ci/run $(wildcard *.sh scripts/*.sh scripts/*/*.sh) tests/support/src/cluster/supervise.sh

.PHONY: lint-readme
lint-readme:
	@order=$$(scripts/example-order.sh) && case "$$(cat README.md)" in *"$$order"*) ;; \
		*) echo 'error: README.md does not show the order that scripts/example-order.sh prints' >&2; exit 1 ;; esac

.PHONY: lint-clippy
lint-clippy:
	cargo clippy --workspace --all-targets --locked -- -D warnings

.PHONY: lint-docs
lint-docs:
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --locked

.PHONY: deny
deny: $(CARGO_DENY) ## Check the licenses, sources and bans of deny.toml
	$(CARGO_DENY) --locked check bans licenses sources

.PHONY: fmt
fmt: ## Format the code
	cargo fmt --all

.PHONY: openapi
openapi: ## Write docs/openapi.yaml and docs/openapi.json from the code
	@for format in yaml json; do \
		cargo run --quiet --locked -p order-food -- openapi --format $$format >docs/.openapi.new \
			&& mv docs/.openapi.new docs/openapi.$$format || { rm -f docs/.openapi.new; exit 1; }; \
	done

.PHONY: tools
tools: $(CARGO_DENY) ## Install the pinned tools into .tools/

$(CARGO_DENY):
	cargo install --locked cargo-deny@$(CARGO_DENY_VERSION) --root .tools/cargo-deny-$(CARGO_DENY_VERSION)
