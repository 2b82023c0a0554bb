# Follows a Job; sourced by the scripts that start one.
# shellcheck shell=bash disable=SC2016,SC2154

# rows OF ROW: a go-template with a row for each container of the pods of a Job.
rows() {
  kube get pods -l "batch.kubernetes.io/job-name=$1" --sort-by=.metadata.creationTimestamp -o go-template="{{range .items}}{{\$pod := .metadata.name}}{{range .status.initContainerStatuses}}$2{{end}}{{range .status.containerStatuses}}$2{{end}}{{end}}"
}

# Pod, container, number of restarts, and when it was started.
attempts() {
  rows "$1" '{{$pod}} {{.name}} {{.restartCount}} {{with .state.running}}{{.startedAt}}{{end}}{{with .state.terminated}}{{.startedAt}}{{end}}{{"\n"}}'
}

# Why a container does not start, and what it said when it failed.
remarks() {
  local failed='{{if .exitCode}}{{$name}} ended with {{.exitCode}}: {{.message}}{{"\n"}}{{end}}'
  rows "$1" "{{\$name := .name}}{{with .state.waiting}}{{if and .message (ne .reason \"CrashLoopBackOff\")}}{{\$name}}: {{.reason}}: {{.message}}{{\"\\n\"}}{{end}}{{end}}{{with .lastState.terminated}}$failed{{end}}{{with .state.terminated}}$failed{{end}}"
}

outcome() {
  kube get job "$1" -o jsonpath='{range .status.conditions[?(@.status=="True")]}{.type}{" "}{end}'
}

# follow JOB: shows the log of each container until the Job ends, and fails as it does.
follow() {
  local job=$1 state pod container restarts started line
  local -A shown=()
  while :; do
    # Asked first: what ended between the two questions is still shown.
    state=$(outcome "$job")
    while read -r pod container restarts started; do
      [[ -n $started && -z ${shown[$pod/$container/$restarts]:-} ]] || continue
      shown[$pod/$container/$restarts]=yes
      kube logs --follow "$pod" --container "$container" || true
    done < <(attempts "$job")
    while read -r line; do
      [[ -n $line && -z ${shown[$line]:-} ]] || continue
      shown[$line]=yes
      echo "$line" >&2
    done < <(remarks "$job")
    case $state in
      *Complete*)
        echo "$job: done"
        return
        ;;
      *Failed*)
        kube get job "$job" -o jsonpath='{range .status.conditions[?(@.type=="Failed")]}{.reason}: {.message}{"\n"}{end}' >&2
        fail "$job failed; its runs: kubectl describe job -n $namespace $job"
        ;;
    esac
    sleep 1
  done
}
