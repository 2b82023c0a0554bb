#!/usr/bin/env bash
# `make job JOB=database-load`: runs a CronJob now, as the Job NAME (by default JOB-manual-<UTC time>), follows its log, and exits
# with 0 if it completes, 1 if it fails. ARGS='rollback -p default --previous' are arguments for its container instead of its own.
set -euo pipefail
# shellcheck source=place.sh
. "$(dirname "${BASH_SOURCE[0]}")/place.sh"
# shellcheck source=follow.sh
. "$(dirname "${BASH_SOURCE[0]}")/follow.sh"

cronjob=${JOB:-}
[[ -n $cronjob ]] || fail "JOB is missing; type: make job JOB=database-load"
need_cluster
kube get cronjob "$cronjob" >/dev/null 2>&1 ||
  fail "there is no CronJob $cronjob in the namespace $namespace; type: kubectl get cronjobs -n $namespace"

name=${NAME:-$cronjob-manual-$(date -u +%Y%m%d-%H%M%S)}
# The name of a Job has at most 63 characters; the end, which tells the runs apart, stays.
((${#name} <= 63)) || name=${name:0:63-23}${name: -23}
if [[ -n ${ARGS:-} ]]; then
  read -ra words <<<"$ARGS"
  words=("${words[@]//\\/\\\\}")
  args=$(printf ',"%s"' "${words[@]//\"/\\\"}")
  kube create job --from="cronjob/$cronjob" "$name" --dry-run=client -o json |
    kube patch --local -f - --type json -o json \
      -p "[{\"op\":\"add\",\"path\":\"/spec/template/spec/containers/0/args\",\"value\":[${args:1}]}]" |
    kube create -f -
else
  kube create job --from="cronjob/$cronjob" "$name"
fi
follow "$name"
