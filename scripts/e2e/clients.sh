#!/usr/bin/env bash
# `make e2e-clients`: 1,000 orders by each of curl, Python, Node, Go and the JDK's HttpClient, as they come; none may be lost.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=../functions.sh
. "$here/../functions.sh"
cd "$here/../.."

for program in curl:curl python3:python3 node:nodejs go:golang-go javac:default-jdk-headless; do
  type -P "${program%:*}" >/dev/null || fail "${program%:*} is missing; type: sudo apt-get install ${program#*:}"
done
scripts/postgres/binaries.sh >/dev/null
CLIENTS=${CLIENTS:-curl curl-upgrade python node go java} SOAK=1 \
  cargo test --locked -p order-food --test api -- --nocapture soak::clients
