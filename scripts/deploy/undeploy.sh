#!/usr/bin/env bash
# `make undeploy`: takes the three releases away. PURGE=1 also forgets the data of the development PostgreSQL.
set -euo pipefail
# shellcheck source=place.sh
. "$(dirname "${BASH_SOURCE[0]}")/place.sh"

need_cluster
find_helm
helm uninstall order-food database-load postgres --ignore-not-found --wait --timeout "${TIMEOUT:-5m}"
# What no release has: Jaeger, and pods of `helm test` that failed.
kube delete --ignore-not-found -f "$root/deploy/kubernetes/jaeger.yaml"
kube delete pods -l app.kubernetes.io/part-of=order-food,app.kubernetes.io/component=test --ignore-not-found
if [[ -n ${PURGE:-} ]]; then
  kube delete persistentvolumeclaims -l app.kubernetes.io/name=postgres,app.kubernetes.io/instance=postgres --ignore-not-found
fi
