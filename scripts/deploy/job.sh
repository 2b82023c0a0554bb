#!/usr/bin/env bash
# `make job JOB=database-load`: runs a CronJob now, as the Job NAME (by default JOB-manual-<UTC time>), follows its log, and exits
# with 0 if it completes, 1 if it fails.
set -euo pipefail
# shellcheck source=place.sh
. "$(dirname "${BASH_SOURCE[0]}")/place.sh"

cronjob=${JOB:-}
[[ -n $cronjob ]] || fail "JOB is missing; type: make job JOB=database-load"
need_cluster
kube get cronjob "$cronjob" >/dev/null 2>&1 ||
  fail "there is no CronJob $cronjob in the namespace $namespace; type: kubectl get cronjobs -n $namespace"

name=${NAME:-$cronjob-manual-$(date -u +%Y%m%d-%H%M%S)}
# The name of a Job has at most 63 characters; the end, which tells the runs apart, stays.
((${#name} <= 63)) || name=${name:0:63-23}${name: -23}
kube create job --from="cronjob/$cronjob" "$name"

# Pod, number of restarts, and when its container was started, of each pod of the Job.
attempts() {
  kube get pods -l "batch.kubernetes.io/job-name=$name" --sort-by=.metadata.creationTimestamp -o jsonpath='{range .items[*]}{.metadata.name} {.status.containerStatuses[0].restartCount} {.status.containerStatuses[0].state.running.startedAt}{.status.containerStatuses[0].state.terminated.startedAt}{"\n"}{end}'
}

outcome() {
  kube get job "$name" -o jsonpath='{range .status.conditions[?(@.status=="True")]}{.type}{" "}{end}'
}

declare -A shown
while :; do
  # Asked first: what ended between the two questions is still shown.
  done=$(outcome)
  while read -r pod restarts started; do
    [[ -n $started && -z ${shown[$pod/$restarts]:-} ]] || continue
    shown[$pod/$restarts]=yes
    kube logs --follow "$pod" || true
  done < <(attempts)
  case $done in
    *Complete*)
      echo "$name: done"
      exit 0
      ;;
    *Failed*)
      kube get job "$name" -o jsonpath='{range .status.conditions[?(@.type=="Failed")]}{.reason}: {.message}{"\n"}{end}' >&2
      fail "$name failed; its runs: kubectl describe job -n $namespace $name"
      ;;
  esac
  sleep 1
done
