#!/usr/bin/env bash
# `make push REGISTRY=…`: what `make images` builds, with all its tags, into a registry.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=source.sh
. "$here/source.sh"

registry=${REGISTRY:-}
[[ -n $registry ]] || fail "REGISTRY is missing; type: make push REGISTRY=registry.example.com/shop"
[[ $REVISION != *-dirty ]] || fail "no commit has what would be pushed; type: git commit"

"$here/build.sh"
for service in "${services[@]}"; do
  # `latest` last: the other tags are there when it is pulled.
  for tag in "$REVISION" "$(app_version "$service")" latest; do
    docker tag "$service:$REVISION" "${registry%/}/$service:$tag"
    docker push --quiet "${registry%/}/$service:$tag"
  done
done
