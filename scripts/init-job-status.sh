#!/usr/bin/env bash
# init-job-status.sh PURPOSE ENVIRONMENT: the runs of an init job, the oldest first: status, start and end.
set -euo pipefail
# shellcheck source=deploy/init-place.sh
. "$(dirname "${BASH_SOURCE[0]}")/deploy/init-place.sh"
[[ -n ${1:-} ]] || fail "expected a purpose; type: ./scripts/init-job-status.sh grant-db-roles dev"
name_job "$@"

if [[ ${PLATFORM:-} == azure ]]; then
  need_azure
  az containerapp job execution list --name "$job" --resource-group "$group" --output table \
    --query "sort_by([].{Status:properties.status,StartTime:properties.startTime,EndTime:properties.endTime}, &StartTime)"
else
  need_cluster
  kube get jobs -l "JobType=init,app.kubernetes.io/component=$purpose" --sort-by=.status.startTime \
    -o 'custom-columns=Job:.metadata.name,Status:.status.conditions[?(@.status=="True")].type,StartTime:.status.startTime,EndTime:.status.completionTime' |
    awk -v job="$job-" 'NR == 1 || index($1, job) == 1'
fi
