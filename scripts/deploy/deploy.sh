#!/usr/bin/env bash
# `make deploy`: images, then the releases postgres, database-load and order-food with its workers on the current context, tried by `helm test`.
# NAMESPACE, ENVIRONMENT, POSTGRES=external, OBSERVABILITY=1 (Jaeger, of JAEGER_IMAGE), REGISTRY choose; TIMEOUT bounds each release; IMAGE_LOADER is a command that brings
# images to another kind of cluster; SKIP_BUILD=1 takes the images that are there; POSTGRES_ARGS, DATABASE_LOAD_ARGS and
# ORDER_FOOD_ARGS are more words for helm.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=place.sh
. "$here/place.sh"
# shellcheck source=images.sh
. "$here/images.sh"
# shellcheck source=rollback.sh
. "$here/rollback.sh"
cd "$root"

environment=${ENVIRONMENT:-dev}
environment=${environment,,}
[[ $environment != prod ]] || environment=production
timeout=${TIMEOUT:-10m}

check_settings() {
  case $environment in
    dev | staging | production) ;;
    *) fail "ENVIRONMENT: expected dev, staging or production (prod), not $ENVIRONMENT" ;;
  esac
  case ${POSTGRES:-} in
    '') [[ $environment != production ]] ||
      fail "the chart postgres is for development; with a database of your own, type: make deploy ENVIRONMENT=production POSTGRES=external" ;;
    external) kube get secret order-food-database >/dev/null 2>&1 ||
      fail "there is no Secret order-food-database in the namespace $namespace; type:" \
        "kubectl create secret generic order-food-database -n $namespace --from-literal=url='postgres://…?sslmode=verify-full'" \
        "--from-literal=api-key-hash-key=\"\$(openssl rand -hex 32)\"" ;;
    *) fail "POSTGRES: expected external or nothing, not $POSTGRES" ;;
  esac
}

# release NAME ARGUMENT…: installs or upgrades it and waits for it; what goes wrong is shown, then all is as it was before.
release() {
  local name=$1
  shift
  remember "$name"
  printf '\n=== %s\n' "$name"
  helm upgrade --install "$name" "charts/$name" --create-namespace --values "charts/$name/values-$environment.yaml" \
    --wait --wait-for-jobs --timeout "$timeout" "$@" >/dev/null || {
    explain
    take_back
    fail "$name was not deployed; what Kubernetes says about it is above, and everything is as it was before"
  }
  helm status "$name" | sed -n '/^REVISION/p; /^STATUS/p; /WARNING/,$p'
}

# Production has no sample key to order with.
example() {
  if [[ $environment == production ]]; then
    echo "curl -sS http://localhost:8080/api/product"
  else
    example_order 8080
  fi
}

words() {
  read -ra more <<<"${!1:-}"
}

need_cluster
find_helm
check_settings
check_images
prepare_images

if [[ -z ${POSTGRES:-} ]]; then
  words POSTGRES_ARGS
  # A node without a storage class would let the volume wait for ever.
  if [[ -z $(kubectl get storageclass -o name) && ${POSTGRES_ARGS:-} != *persistence* ]]; then
    echo "This cluster has no storage class: PostgreSQL's data will be gone with its pod."
    more+=(--set persistence.enabled=false)
  fi
  release postgres "${more[@]}"
fi

traces=()
if [[ ${OBSERVABILITY:-0} != 0 ]]; then
  printf '\n=== jaeger\n'
  kubectl create namespace "$namespace" --dry-run=client -o yaml | kubectl apply -f - >/dev/null
  sed "s#jaegertracing/jaeger:.*#${JAEGER_IMAGE:-&}#" deploy/kubernetes/jaeger.yaml | kube apply -f -
  kube rollout status deployment/jaeger --timeout "$timeout"
  traces=(--set telemetry.endpoint=http://jaeger:4318/v1/traces)
fi

# image PREFIX SERVICE: the values of the image of a service, as images.
image() {
  images+=(--set "$1image.repository=$repository$2" --set-string "$1image.tag=$tag" --set "$1image.pullPolicy=$pull_policy")
}

words DATABASE_LOAD_ARGS
images=()
image '' database-load
release database-load "${traces[@]}" "${images[@]}" "${more[@]}"

words ORDER_FOOD_ARGS
images=()
image '' order-food
image initContainers.databaseMigration. database-migration
image initContainers.databaseLoad. database-load
release order-food "${traces[@]}" "${images[@]}" "${more[@]}"

printf '\n=== helm test\n'
for name in order-food database-load; do
  helm test "$name" --timeout "$timeout" >/dev/null || {
    explain
    fail "$name is deployed, and helm test fails; its pods are kept: kubectl logs -n $namespace -l app.kubernetes.io/component=test"
  }
  echo "$name: passed"
done

cat <<DONE

order-food $tag serves in the namespace $namespace. Type, in a terminal of its own,

  kubectl port-forward -n $namespace svc/order-food 8080:80

and ask it:

$(example)
DONE
[[ -z $(kube get deployment order-food-workers -o name 2>/dev/null) ]] || echo "
Background jobs: kubectl exec -n $namespace deployment/order-food-workers -- order-food jobs stats"
[[ ${OBSERVABILITY:-0} == 0 ]] || echo "
Traces: kubectl port-forward -n $namespace svc/jaeger 16686, then http://localhost:16686"
