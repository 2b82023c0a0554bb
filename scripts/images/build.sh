#!/usr/bin/env bash
# `make images`: the three images, tagged with the git revision, the chart's appVersion, and `latest`. Base images are chosen by
# RUST_IMAGE and DEBIAN_IMAGE; DOCKER_BUILD_ARGS are more words for each `docker build`. With the argument push, `make push REGISTRY=…`:
# then into a registry, with all their tags.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=source.sh
. "$here/source.sh"
cd "$root"

[[ -n $REVISION ]] || fail "this is not a git checkout; type: REVISION=… make images"
if [[ ${1:-} == push ]]; then
  [[ -n ${REGISTRY:-} ]] || fail "REGISTRY is missing; type: make push REGISTRY=registry.example.com/shop"
  [[ $REVISION != *-dirty ]] || fail "no commit has what would be pushed; type: git commit"
fi
need_docker

arguments=(--build-arg "REVISION=$REVISION" --build-arg "SOURCE=$SOURCE" --build-arg "SOURCE_DATE_EPOCH=$SOURCE_DATE_EPOCH")
for name in RUST_IMAGE DEBIAN_IMAGE; do
  [[ -z ${!name:-} ]] || arguments+=(--build-arg "$name=${!name}")
done
read -ra more <<<"${DOCKER_BUILD_ARGS:-}"

for service in "${services[@]}"; do
  version=$(app_version "$service")
  tags=("$REVISION" "$version" latest)
  docker build --target "$service" "${arguments[@]}" --build-arg "VERSION=$version" "${more[@]}" \
    "${tags[@]/#/--tag=$service:}" .
done
for service in "${services[@]}"; do
  docker image inspect --format '{{index .RepoTags 0}} {{.Size}}' "$service:$REVISION" |
    awk -v tags="$REVISION, $(app_version "$service"), latest" -v name="$service" \
      '{ printf "%-20s %5.1f MB   %s\n", name, $NF / 1e6, tags }'
done
[[ ${1:-} == push ]] || exit 0
for service in "${services[@]}"; do
  # `latest` last: the other tags are there when it is pulled.
  for tag in "$REVISION" "$(app_version "$service")" latest; do
    docker tag "$service:$REVISION" "${REGISTRY%/}/$service:$tag"
    docker push --quiet "${REGISTRY%/}/$service:$tag"
  done
done
