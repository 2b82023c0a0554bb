# What a person types; each target with a ## text is listed by a bare `make`.

CARGO_DENY_VERSION := 0.20.2
CARGO_DENY := .tools/cargo-deny-$(CARGO_DENY_VERSION)/bin/cargo-deny

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: ## Start everything and serve on http://localhost:8080 (PORT=…, DATABASE_URL=… to choose); Ctrl-C stops it
	@scripts/run.sh

.PHONY: reset
reset: ## Stop this checkout's private PostgreSQL and forget its data
	@scripts/postgres/cluster.sh reset

.PHONY: test
test: ## Run every test, on throw-away PostgreSQL servers of their own
	@scripts/postgres/binaries.sh >/dev/null
	cargo test --workspace --locked

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
