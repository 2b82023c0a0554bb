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
  # shellcheck disable=SC2016 # a template
  kube get jobs -l "JobType=init,app.kubernetes.io/component=$purpose" --sort-by=.status.startTime -o go-template='{{range .items}}{{$status := "Running"}}{{$end := "-"}}{{range .status.conditions}}{{if and (eq .status "True") (or (eq .type "Complete") (eq .type "Failed"))}}{{$status = .type}}{{$end = .lastTransitionTime}}{{end}}{{end}}{{.metadata.name}} {{$status}} {{with .status.startTime}}{{.}}{{else}}-{{end}} {{$end}}{{"\n"}}{{end}}' |
    awk -v job="$job-" -v format='%-63s %-9s %-20s %s\n' 'BEGIN { printf format, "Job", "Status", "StartTime", "EndTime" }
        index($1, job) == 1 { printf format, $1, $2, $3, $4 }'
fi
