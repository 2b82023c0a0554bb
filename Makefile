# What a person types; each target with a ## text is listed by a bare `make`.

CARGO_DENY_VERSION := 0.20.2
CARGO_DENY := .tools/cargo-deny-$(CARGO_DENY_VERSION)/bin/cargo-deny
CARGO_CYCLONEDX_VERSION := 0.5.9
CARGO_CYCLONEDX := .tools/cargo-cyclonedx-$(CARGO_CYCLONEDX_VERSION)/bin/cargo-cyclonedx

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets
	@awk 'BEGIN { FS = ":.*## " } /^[a-z0-9-]+:.*## / { printf "  %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: ## Start everything and serve on http://localhost:8080 (PORT=…, PROFILES=demo, DATABASE_URL=… to choose); Ctrl-C stops it
	@scripts/run.sh

.PHONY: demo-traffic
demo-traffic: ## Beside `make run`: orders come and go, and some jobs fail (RATE=2/s MINUTES=5 PORT=8080 to choose)
	@DATABASE_URL="$${DATABASE_URL:-$$(scripts/postgres/cluster.sh url)}" $${CARGO_TARGET_DIR:-target}/release/order-food demo-traffic \
		--url http://127.0.0.1:$${PORT:-8080} --rate $${RATE:-2/s} --minutes $${MINUTES:-5} --with-failures

.PHONY: reset
reset: ## Stop this checkout's private PostgreSQL and forget its data
	@scripts/postgres/cluster.sh reset

.PHONY: up
up: ## Start everything in containers, http://localhost:8080 (OBSERVABILITY=1 adds Jaeger, Prometheus, Grafana; PORT=…, PROFILES=demo to choose)
	@scripts/compose/up.sh

.PHONY: down
down: ## Stop the containers of `make up` (PURGE=1 forgets the data)
	@scripts/compose/compose.sh --profile observability down $(if $(filter-out 0,$(PURGE)),--volumes)

.PHONY: logs
logs: ## Follow the logs of the containers (SERVICE=order-food for one of them)
	@scripts/compose/compose.sh --profile observability logs --follow --tail=100 $(SERVICE)

.PHONY: images
images: ## Build the three images, tagged with revision, appVersion and latest (RUST_IMAGE=… DEBIAN_IMAGE=… to choose)
	@scripts/images/build.sh

.PHONY: push
push: ## Build the images and push them to REGISTRY=…
	@scripts/images/build.sh push

.PHONY: sbom
sbom: $(CARGO_CYCLONEDX) ## List what each program is made of, as CycloneDX, in target/sbom
	@scripts/images/sbom.sh $(abspath $(CARGO_CYCLONEDX))

.PHONY: deploy
deploy: ## Deploy to the current Kubernetes context (NAMESPACE=default ENVIRONMENT=dev|staging|production POSTGRES=external OBSERVABILITY=1 REGISTRY=…)
	@scripts/deploy/deploy.sh

.PHONY: undeploy
undeploy: ## Take away what `make deploy` brought (NAMESPACE=…; PURGE=1 forgets the data)
	@scripts/deploy/undeploy.sh

.PHONY: job
job: ## Run a CronJob now and follow it, JOB=database-load (NAMESPACE=… ARGS='rollback -p default --previous')
	@scripts/deploy/job.sh

.PHONY: bootstrap
bootstrap: ## Bring schema and data into the database of a cluster by Jobs, in order (PROFILES='minimal …' ENVIRONMENT=dev|staging|prod NAMESPACE=… DRY_RUN=1)
	@scripts/deploy/bootstrap.sh

# The build is that of the tests; on its own it also notes the sources of each program, by which
# test_support::binary sees that a program is fresh.
.PHONY: test
test: ## Run every test, on throw-away PostgreSQL servers of their own
	@scripts/prerequisites.sh
	@scripts/previous-release.sh
	cargo build --workspace --bins --tests --locked
	cargo test --workspace --locked

# Packages with long tests, which stand in modules called `soak`; what is long there asks test_support::scaled.
SOAK_PACKAGES := order-food job-queue system-tests database-load database-migration
SOAK ?= 1

.PHONY: soak
soak: ## Run the long tests whole, about 10 min (SOAK=3: three times as long; SOAK=0.1: as in `make test`)
	@scripts/postgres/binaries.sh >/dev/null
	SOAK=$(SOAK) cargo test --release --locked $(addprefix -p ,$(SOAK_PACKAGES)) --tests -- --nocapture soak::

.PHONY: fuzz
fuzz: ## Give every parser CASES=200000 random inputs, about 15 min (PACKAGES='order-food …' to choose); finds go to proptest-regressions
	@scripts/postgres/binaries.sh >/dev/null
	PROPTEST_CASES=$(or $(CASES),200000) cargo test --release --locked $(if $(PACKAGES),$(addprefix -p ,$(PACKAGES)),--workspace) --lib --bins --tests -- --nocapture fuzz_

.PHONY: bench
bench: ## Measure the order path, about 10 min (SECONDS=5 ROUNDS=3 ONLY=post64,storefront,webhooks,export,… ORDERS=1000000 BEFORE=order-food-of-before OUT=target/bench to choose)
	@$(call ensure,wrk:wrk)
	@$(call bench,orders) $(bench_options)

.PHONY: bench-large
bench-large: ## Measure with 10 million orders stored (ORDERS=… to choose); needs 15 GB of disk
	@$(call ensure,wrk:wrk)
	@$(call bench,orders) --only large $(filter-out --only $(ONLY),$(bench_options))

.PHONY: bench-latency
bench-latency: ## Measure orders whose commits wait for a synchronous standby, about 3 min (SECONDS=5 ROUNDS=3 BEFORE=order-food-of-before to choose)
	@$(call ensure,wrk:wrk)
	@$(call bench,orders) --only latency $(filter-out --only $(ONLY),$(bench_options))

.PHONY: bench-status
bench-status: ## Measure changes of orders, and streams of them with 1,000 clients, about 2 min (SECONDS=5 ROUNDS=3 to choose)
	@$(call ensure,wrk:wrk)
	@$(call bench,orders) --only status $(filter-out --only $(ONLY),$(bench_options))

.PHONY: bench-console
bench-console: ## Measure the console's pages with 10 million orders, a million jobs, 100,000 dead letters, and open boards (ORDERS=… to choose); needs 15 GB of disk
	@$(call ensure,wrk:wrk)
	@$(call bench,orders) --only console $(filter-out --only $(ONLY),$(bench_options))

.PHONY: bench-migration
bench-migration: ## Measure database-migration: nothing to do, and an empty database (RUNS=20 to choose)
	@$(call bench,migration) $(if $(RUNS),--runs $(RUNS))

.PHONY: bench-load
bench-load: ## Measure database-load: first load, unchanged sources, a changed price (RUNS=20 to choose)
	@$(call bench,load) $(if $(RUNS),--runs $(RUNS)) $(if $(OUT),--out $(OUT))

.PHONY: bench-jobs
bench-jobs: ## Measure the job queue against pgbench doing the same statements, about 6 min (SECONDS=10 ROUNDS=3 WAITING=1000000 OPEN=60 ONLY=enqueue,idle,throughput,critical,open to choose)
	@scripts/postgres/binaries.sh >/dev/null
	cargo bench --locked -p job-queue --bench jobs -- $(if $(SECONDS),--seconds $(SECONDS)) $(if $(WAITING),--waiting $(WAITING)) \
		$(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(OPEN),--open $(OPEN)) $(if $(ONLY),--only $(ONLY))

.PHONY: bench-coupons
bench-coupons: ## Measure the coupon scanner against decompression alone, about 10 min (SCALE=1.0 ROUNDS=3 OUT=target/bench to choose); needs 5 GB of disk
	cargo bench --locked -p database-load --bench coupons -- $(if $(SCALE),--scale $(SCALE)) $(if $(ROUNDS),--rounds $(ROUNDS)) \
		$(if $(PARTS),--parts $(PARTS)) $(if $(OUT),--out $(abspath $(OUT)))

.PHONY: e2e-clients
e2e-clients: ## Place 1,000 orders by each of curl, Python, Node, Go and the JDK, about 1 min: none may be lost
	@for program in curl:curl python3:python3 node:nodejs go:golang-go javac:default-jdk-headless; do \
		command -v $${program%:*} >/dev/null || \
			{ echo "error: $${program%:*} is missing; type: sudo apt-get install $${program#*:}" >&2; exit 1; }; \
	done
	@scripts/postgres/binaries.sh >/dev/null
	CLIENTS='$(or $(CLIENTS),curl curl-upgrade python node go java)' SOAK=1 \
		cargo test --locked -p order-food --test api -- --nocapture soak::clients

# Ignored tests, one at a time, on what the daemon, the cluster or Prometheus really does.
E2E := cargo test --locked -p system-tests --test system -- --ignored --nocapture

.PHONY: e2e-compose
e2e-compose: ## Prove images and docker-compose.yml with a real Docker daemon, about 5 min (POSTGRES_IMAGE=… to choose)
	@export COMPOSE_PROJECT_NAME=order-food-e2e POSTGRES_IMAGE=$${POSTGRES_IMAGE:-postgres:17}; compose=scripts/compose/compose.sh; \
		bash -c '. scripts/functions.sh; need_docker' && $$compose version >/dev/null || exit 1; \
		$$compose down --volumes >/dev/null 2>&1; \
		trap "$$compose down --volumes --timeout 5 >/dev/null 2>&1" EXIT; trap 'exit 130' INT TERM; \
		$(E2E) e2e::compose || { $$compose logs --no-color --tail=30; exit 1; }

audit_out = $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)/audit-web

# Lighthouse and the Nu HTML Checker come from npm, at the versions of a lock file. The tests run one after the other: what
# runs beside one would be measured, too.
.PHONY: audit-web
audit-web: ## Measure the shop's pages, about 15 min: Lighthouse, axe on every page at 3 widths by day and night, HTML validity (RELEASE=1 for the release build)
	@scripts/prerequisites.sh
	@$(call ensure,node:nodejs npm:npm java:default-jre-headless)
	@mkdir -p $(audit_out)/npm
	@cmp -s tests/browser/audit/package-lock.json $(audit_out)/npm/installed.json || { \
		cp tests/browser/audit/package.json tests/browser/audit/package-lock.json $(audit_out)/npm && \
		npm ci --prefix $(audit_out)/npm --ignore-scripts --no-audit --no-fund --loglevel=error >&2 && \
		cp tests/browser/audit/package-lock.json $(audit_out)/npm/installed.json; \
	}
	cargo test --locked $(if $(filter-out 0,$(RELEASE)),--release) -p browser-tests -- --ignored --nocapture --test-threads=1 audit::
	@echo "Written: $(audit_out)/README.md and the screenshots beside it."

.PHONY: console-pictures
console-pictures: ## Make the pictures of docs/CONSOLE.md anew, in a real browser
	@scripts/prerequisites.sh
	@cargo test --locked -p browser-tests -- the_pictures_of_the_documentation
	@cp target/console/console-*.webp docs/

.PHONY: e2e-observability
e2e-observability: ## Prove the alerts with a real Prometheus, about 5 min: faults are made and mended, alerts fire and clear
	@scripts/postgres/binaries.sh >/dev/null && scripts/tools.sh promtool >/dev/null
	@$(E2E) e2e::observability

.PHONY: failover
failover: ## Break three Patroni nodes in every way under load, about 5 min: prints how long orders stop (PATRONI=… to choose; 3.0.3 or newer)
	@scripts/postgres/binaries.sh >/dev/null && scripts/tools.sh etcd haproxy $(if $(PATRONI),,patroni) >/dev/null
	@$(E2E) e2e::failover

.PHONY: e2e-init-jobs
e2e-init-jobs: ## Prove the scripts of init jobs with a real API server without nodes, about 2 min, and 15 more the first time to build it (KUBE_APISERVER=… to choose)
	@scripts/tools.sh etcd helm kube-apiserver kubectl >/dev/null
	@$(E2E) e2e::api_server

.PHONY: e2e-k8s
e2e-k8s: ## Prove charts and `make deploy` on the current Kubernetes context, about 10 min (IMAGE_LOADER=… POSTGRES_IMAGE=… to choose)
	@export NAMESPACE=$${E2E_NAMESPACE:-order-food-e2e} POSTGRES_IMAGE=$${POSTGRES_IMAGE:-postgres:17}; \
		bash -c '. scripts/deploy/place.sh; find_helm; need_cluster' || exit 1; \
		gone() { kubectl delete namespace "$$NAMESPACE" --ignore-not-found --timeout=120s >/dev/null; }; \
		gone && kubectl create namespace "$$NAMESPACE" >/dev/null && \
		kubectl label namespace "$$NAMESPACE" pod-security.kubernetes.io/enforce=restricted >/dev/null || exit 1; \
		trap gone EXIT; trap 'exit 130' INT TERM; \
		$(E2E) e2e::kubernetes || { kubectl -n "$$NAMESPACE" get pods,jobs,events -o wide; exit 1; }

# Installs what is missing, of words PROGRAM:PACKAGE.
ensure = bash -c '. scripts/functions.sh; ensure $(1)'

bench = programs=$$(scripts/postgres/binaries.sh) && \
	cargo build --release --locked -p database-migration -p database-load -p order-food -p order-food-bench && \
	exec $${CARGO_TARGET_DIR:-target}/release/bench $(1) --programs "$$programs"
bench_options = $(if $(SECONDS),--seconds $(SECONDS)) $(if $(ROUNDS),--rounds $(ROUNDS)) \
	$(if $(ONLY),--only $(ONLY)) $(if $(OUT),--out $(OUT)) \
	$(if $(ORDERS),--orders $(ORDERS)) $(if $(BEFORE),--before $(BEFORE))

.PHONY: lint
lint: lint-format lint-comments lint-scripts lint-readme lint-clippy lint-docs ## Check format, scripts, clippy and rustdoc; every warning is an error

.PHONY: lint-format
lint-format:
	cargo fmt --all --check

.PHONY: lint-comments
lint-comments:
	@! git grep -nP '^\s*//.*$$' -- '*.rs' | LC_ALL=C.UTF-8 grep -P '^[^:]*:\d+:.{101}' || { echo 'error: these comment lines are wider than 100 columns' >&2; exit 1; }
	@git ls-files '*.rs' | while read -r file; do [ ! -e "$$file" ] || head -n 1 "$$file" | grep -q '^//!' || echo "$$file"; done | \
		{ ! grep . || { echo 'error: these files do not open with //!' >&2; exit 1; }; }

.PHONY: lint-scripts
lint-scripts:
	@command -v shellcheck >/dev/null || { echo 'error: shellcheck is missing; type: sudo apt-get install shellcheck' >&2; exit 1; }
	shellcheck --external-sources --source-path=SCRIPTDIR .ci/run $(wildcard *.sh scripts/*.sh scripts/*/*.sh) tests/support/src/cluster/ending.sh

.PHONY: lint-readme
lint-readme:
	@order=$$(bash -c '. scripts/functions.sh; example_order 8080') && case "$$(cat README.md)" in *"$$order"*) ;; \
		*) echo 'error: README.md does not show the order that scripts/functions.sh prints' >&2; exit 1 ;; esac

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

.PHONY: charts
charts: ## Write the charts' README tables, golden files and the manifests under k8s/
	@scripts/tools.sh helm >/dev/null
	cargo run --quiet --locked -p charts-tests --example write

.PHONY: terraform-schema
terraform-schema: ## Write what Terraform's provider takes into deploy/terraform/azure-container-apps/schema.json, from its package of PyPI
	python3 deploy/terraform/azure-container-apps/schema.py

.PHONY: secret-schemas
secret-schemas: ## Write the schemas of ExternalSecret and SealedSecret into docs/examples/secrets, from their Go modules
	cargo run --quiet --locked -p charts-tests --example secret-schemas

.PHONY: tools
tools: $(CARGO_DENY) $(CARGO_CYCLONEDX) ## Install the pinned tools into .tools/
	@scripts/tools.sh hadolint hclfmt helm kubernetes-schemas kustomize moto promtool pgbouncer

$(CARGO_DENY):
	cargo install --locked cargo-deny@$(CARGO_DENY_VERSION) --root .tools/cargo-deny-$(CARGO_DENY_VERSION)

$(CARGO_CYCLONEDX):
	cargo install --locked cargo-cyclonedx@$(CARGO_CYCLONEDX_VERSION) --root .tools/cargo-cyclonedx-$(CARGO_CYCLONEDX_VERSION)
