# What a failed deployment shows, and how it is taken back; sourced by deploy.sh.
# shellcheck shell=bash disable=SC2154

releases=()     # those that this deployment touched, in its order
declare -A was  # the revision of each that was deployed before; empty: none

# The revision of a release that is deployed.
deployed_revision() {
  helm history "$1" --output yaml 2>/dev/null |
    awk '/revision: /{ revision = $NF } /status: deployed/{ deployed = revision } END { print deployed }' || true
}

remember() {
  local latest
  latest=$(helm history "$1" --max 1 --output yaml 2>/dev/null | awk '/status: /{ print $2 }') || true
  [[ $latest != pending-* ]] ||
    fail "another deployment of $1 is running, or was interrupted; type: helm rollback $1 -n $namespace (or helm uninstall $1, if it never was deployed)"
  releases+=("$1")
  was[$1]=$(deployed_revision "$1")
}

# Events, pods, and what the init containers of pods that are not ready said: before anything is taken back.
explain() {
  {
    printf '\n--- events\n'
    kube get events --sort-by=.lastTimestamp 2>/dev/null | tail -n 25
    printf '\n--- pods\n'
    kube get pods -l app.kubernetes.io/part-of=order-food -o wide
    local pod container
    for pod in $(kube get pods -l app.kubernetes.io/name=order-food -o name); do
      [[ $(kube get "$pod" -o jsonpath='{.status.conditions[?(@.type=="Ready")].status}') != True ]] || continue
      for container in "${services[@]}"; do
        printf '\n--- %s, %s\n' "$pod" "$container"
        kube logs "$pod" -c "$container" --tail=20 2>&1 || true
      done
    done
  } >&2
}

# Every release that this deployment touched goes back to what it was, the last one first.
take_back() {
  local index name
  for ((index = ${#releases[@]} - 1; index >= 0; index--)); do
    name=${releases[index]}
    if [[ -z ${was[$name]} ]]; then
      echo "Taking $name away again." >&2
      helm uninstall "$name" --ignore-not-found --wait --timeout "$timeout" >&2 || true
    elif [[ $(helm history "$name" --max 1 --output yaml | awk '/revision: /{ print $NF }') != "${was[$name]}" ]]; then
      echo "Rolling $name back to revision ${was[$name]}." >&2
      helm rollback "$name" "${was[$name]}" --wait --timeout "$timeout" >&2 || true
    fi
  done
}
