#!/usr/bin/env bash
# `make audit-web`: Lighthouse and the Nu HTML Checker from npm, at the versions of a lock file; then the tests that ask them. RELEASE=1
# audits the release build.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=functions.sh
. "$here/functions.sh"
cd "$root"

"$here/prerequisites.sh"
for program in node:nodejs npm:npm java:default-jre-headless; do
  type -P "${program%:*}" >/dev/null || apt_install "${program#*:}"
done
out=${CARGO_TARGET_DIR:-$root/target}/audit-web
mkdir -p "$out/npm"
if ! cmp -s tests/browser/audit/package-lock.json "$out/npm/installed.json"; then
  cp tests/browser/audit/package.json tests/browser/audit/package-lock.json "$out/npm"
  npm ci --prefix "$out/npm" --ignore-scripts --no-audit --no-fund --loglevel=error >&2
  cp tests/browser/audit/package-lock.json "$out/npm/installed.json"
fi
options=()
[[ ${RELEASE:-0} == 0 ]] || options+=(--release)
# One after the other: what runs beside it would be measured, too.
cargo test --locked "${options[@]}" -p browser-tests -- --ignored --nocapture --test-threads=1 audit::
echo "Written: $out/README.md and the screenshots beside it."
