#!/usr/bin/env bash
# `make sbom`: target/sbom/SERVICE.cdx.json, what each program is made of, as CycloneDX 1.5. The argument is cargo-cyclonedx.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=source.sh
. "$here/source.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
out=$root/target/sbom

# It writes beside each manifest, so it gets a copy of the sources.
tar --create --directory "$root" --exclude=./target --exclude=./.git --exclude=./.dev --exclude=./.tools . |
  tar --extract --directory "$work"
# Of the images' platform; the time in it is SOURCE_DATE_EPOCH, that of the commit.
(cd "$work" && "$1" cyclonedx --quiet --format json --spec-version 1.5 --target "$(uname -m)-unknown-linux-gnu")
mkdir -p "$out"
for service in "${services[@]}"; do
  # The copy's name is an accident.
  sed "s#file://$work#file:///order-food#g" "$work/$service/$service.cdx.json" >"$out/$service.cdx.json"
  echo "target/sbom/$service.cdx.json: $(grep -c '"purl": "pkg:cargo/' "$out/$service.cdx.json") packages"
done
