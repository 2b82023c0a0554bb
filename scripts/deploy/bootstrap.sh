#!/usr/bin/env bash
# `make bootstrap`: brings the schema and then each of the PROFILES (by default those of the values) into the database, by a Job each
# that starts when those that it needs are complete. The first that fails ends it. It may be typed again: the Jobs are made anew.
# NAMESPACE, ENVIRONMENT (dev, staging, prod) choose; DRY_RUN=1 only says what would change; RUN=$(date -u +%Y%m%d-%H%M%S) ends the
# names of the Jobs, so that earlier ones stay; BOOTSTRAP_ARGS are more words for helm.
set -euo pipefail
# shellcheck source=init-place.sh
. "$(dirname "${BASH_SOURCE[0]}")/init-place.sh"
# shellcheck source=follow.sh
. "$(dirname "${BASH_SOURCE[0]}")/follow.sh"

name_environment "${ENVIRONMENT:-dev}"
need_cluster
find_helm
cd "$root"

dry_run=false
[[ ${DRY_RUN:-0} == 0 ]] || dry_run=true
run=${RUN:-}
[[ $dry_run == false ]] || run=plan${run:+-$run}
read -ra profiles <<<"${PROFILES:-}"
for i in "${!profiles[@]}"; do
  # The schema comes first and needs no name.
  [[ ${profiles[i]} != base ]] || unset "profiles[i]"
done
read -ra more <<<"${BOOTSTRAP_ARGS:-}"
steps='order-food/bootstrap=step'
[[ -z ${PROFILES:-} || ${#profiles[@]} -gt 0 ]] || steps+=,app.kubernetes.io/component=bootstrap-base
[[ ${#profiles[@]} -eq 0 ]] || more+=(--set "initJobs.seedData.profiles={$(IFS=, && echo "${profiles[*]}")}")

manifests=$(mktemp)
trap 'rm -f "$manifests"' EXIT
helm template order-food-bootstrap charts/init-jobs --values "charts/init-jobs/values-$values.yaml" --set nameOverride=bootstrap \
  --set bootstrap.enabled=true --set "bootstrap.dryRun=$dry_run" --set-string "bootstrap.suffix=$run" "${more[@]}" 2> >(grep -v 'walk.go' >&2) >"$manifests"

# of SELECTOR COMMAND…: for those of the manifests.
of() {
  kube "${@:2}" -f "$manifests" -l "$1"
}

jobs=$(of "$steps" create --dry-run=client \
  -o go-template='{{.metadata.name}} {{index .metadata.labels "app.kubernetes.io/component"}} {{with index .metadata.annotations "order-food/needs"}}{{.}}{{end}}{{"\n"}}')
declare -A component=()
graph=()
while read -r job label needs; do
  component[$job]=$label
  graph+=("$job $job")
  for need in ${needs//,/ }; do
    graph+=("$need $job")
  done
done <<<"$jobs"
order=$(printf '%s\n' "${graph[@]}" | tsort 2>/dev/null) ||
  fail "the Jobs need each other in a circle; look at bootstrap.needs"

needed=$(of "$steps" create --dry-run=client -o go-template="$secrets")
# That of `database.url` is made below.
inline=$(awk '/^kind: /{ kind = $2 } /^  name: .*-inline$/{ if (kind == "Secret") print $2 }' "$manifests")
needed=$(awk -v inline="$inline" '$1 != inline' <<<"$needed")
need_secrets "$needed"
if grep -qE '^    app.kubernetes.io/component: (identity|network|database)$' "$manifests"; then
  of 'app.kubernetes.io/component in (identity,network,database)' apply >/dev/null
fi
for job in $order; do
  printf '\n=== %s\n' "$job"
  # A Job cannot be changed.
  kube delete job "$job" --ignore-not-found --cascade=foreground >/dev/null
  of "app.kubernetes.io/component=${component[$job]}" create
  follow "$job"
done
