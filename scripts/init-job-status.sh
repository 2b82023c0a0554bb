#!/usr/bin/env bash
# init-job-status.sh PURPOSE ENVIRONMENT: the runs of an init job, the oldest first: status, start and end.
set -euo pipefail
# shellcheck source=deploy/init-place.sh
. "$(dirname "${BASH_SOURCE[0]}")/deploy/init-place.sh"
[[ -n ${1:-} ]] || fail "expected a purpose; type: ./scripts/init-job-status.sh grant-db-roles dev"
name_job "$@"

on_kubernetes() {
  # shellcheck disable=SC2016 # a template
  kube get jobs -l JobType=init --sort-by=.status.startTime -o go-template='{{range .items}}{{$status := "Running"}}{{$end := "-"}}{{range .status.conditions}}{{if and (eq .status "True") (or (eq .type "Complete") (eq .type "Failed"))}}{{$status = .type}}{{$end = .lastTransitionTime}}{{end}}{{end}}{{with .metadata.annotations}}{{.Name}}{{end}} {{.metadata.name}} {{$status}} {{with .status.startTime}}{{.}}{{else}}-{{end}} {{$end}}{{"\n"}}{{end}}' |
    awk -v job="$job" -v format='%-63s %-9s %-20s %s\n' 'BEGIN { printf format, "Job", "Status", "StartTime", "EndTime" }
        $1 == job { printf format, $2, $3, $4, $5 }'
}

on_azure() {
  az containerapp job execution list --name "$job" --resource-group "$group" --output table \
    --query "sort_by([].{Status:properties.status,StartTime:properties.startTime,EndTime:properties.endTime}, &StartTime)"
}

on_platform on_kubernetes on_azure
