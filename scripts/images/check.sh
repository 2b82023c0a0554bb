#!/usr/bin/env bash
# What can be said about Dockerfile and docker-compose.yml without a Docker daemon; a part of `make test`.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=source.sh
. "$here/source.sh"
cd "$root"

"$("$here/../tools.sh" hadolint)" Dockerfile

version=$(sed -nE '/^\[workspace\.package\]/,/^$/s/^version = "(.*)"/\1/p' Cargo.toml)
grep -qx "ARG VERSION=$version" Dockerfile || fail "Dockerfile: the default of VERSION is not that of Cargo.toml, $version"
# BuildKit's extensions: the builder that Docker has by itself knows neither.
! grep -nE '^# *syntax=|^[^#]*--mount' Dockerfile || fail "Dockerfile: this line needs BuildKit"

if ! compose=$("$here/../compose/compose.sh" version 2>/dev/null); then
  echo "Docker Compose is not installed: docker-compose.yml was not read." >&2
  exit 0
fi
for profile in '' observability; do
  COMPOSE_PROFILES=$profile "$here/../compose/compose.sh" config --quiet ||
    fail "docker-compose.yml is not valid for ${compose%%$'\n'*}"
done
