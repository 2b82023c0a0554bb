# Where the releases go and what they are called; sourced by the other scripts.
# shellcheck shell=bash

# shellcheck source=../functions.sh
. "$(dirname "${BASH_SOURCE[0]}")/../functions.sh"
namespace=${NAMESPACE:-default}

# Helm of the PATH, since an operator chose it, or that of `make tools`.
helm() {
  "$helm" "$@" --namespace "$namespace"
}

find_helm() {
  helm=$(type -P helm || true)
  if [[ -z $helm ]]; then
    for helm in "$root"/.tools/helm-*/helm; do :; done
    [[ -x $helm ]] || fail "helm is missing; type: make tools"
  fi
}

kube() {
  kubectl --namespace "$namespace" "$@"
}

# The cluster answers, or this ends.
need_cluster() {
  need kubectl "install it: https://kubernetes.io/docs/tasks/tools"
  context=$(kubectl config current-context 2>/dev/null) ||
    fail "kubectl has no current context; type: kubectl config use-context NAME, or: minikube start"
  kubectl --request-timeout=10s get --raw /readyz >/dev/null 2>&1 ||
    fail "the cluster of the context $context does not answer; type: kubectl cluster-info"
}
