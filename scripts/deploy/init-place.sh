# What an init job is called, where it is and what it needs; sourced by the scripts of init jobs.
# shellcheck shell=bash disable=SC2016,SC2034

# shellcheck source=place.sh
. "$(dirname "${BASH_SOURCE[0]}")/place.sh"

# name_environment NAME: as it ends names, and as the files of values are called.
name_environment() {
  case ${1:-} in
    dev | development) environment=dev values=dev ;;
    staging | test) environment=staging values=staging ;;
    prod | production) environment=prod values=production ;;
    *) fail "expected an environment, dev, staging or prod, not \"${1:-}\"" ;;
  esac
}

# name_job PURPOSE ENVIRONMENT
name_job() {
  purpose=$1
  name_environment "${2:-}"
  job=order-food-init-$purpose-$environment
  group=order-food-rg-$environment
  case $purpose in
    seed-data) container=database-load ;;
    multi-region-setup) container=setup ;;
    *) container=database-migration ;;
  esac
}

# on_platform KUBERNETES AZURE: the function for the PLATFORM, once the job is there.
on_platform() {
  case ${PLATFORM:-kubernetes} in
    kubernetes)
      need_cluster
      need_cronjob
      "$1"
      ;;
    azure)
      need_azure
      az containerapp job show --name "$job" --resource-group "$group" --output none 2>/dev/null ||
        fail "there is no Container Apps job $job in the resource group $group; see deploy/terraform/azure-container-apps/README.md"
      "$2"
      ;;
    *) fail "PLATFORM: expected kubernetes or azure, not $PLATFORM" ;;
  esac
}

# The CronJob is there, or this says how to make it; one that is off by default is added to what the release has.
need_cronjob() {
  local how="--values charts/init-jobs/values-$values.yaml"
  [[ $purpose != multi-region-setup ]] || how="--reset-then-reuse-values --set environment=$environment \
--set initJobs.multiRegionSetup.enabled=true --set initJobs.multiRegionSetup.targetRegion=REGION"
  kube get cronjob "$job" >/dev/null 2>&1 ||
    fail "there is no CronJob $job in the namespace $namespace; type: helm upgrade --install init-jobs ./charts/init-jobs" \
      "--namespace $namespace $how"
}

# The Secrets that a CronJob or Job needs, each with its keys: a go-template.
secrets='{{define "variables"}}{{range .}}{{range .env}}{{with .valueFrom}}{{with .secretKeyRef}}{{if not .optional}}{{.name}} {{.key}}{{"\n"}}{{end}}{{end}}{{end}}{{end}}{{range .envFrom}}{{with .secretRef}}{{if not .optional}}{{.name}}{{"\n"}}{{end}}{{end}}{{end}}{{end}}{{end}}'
secrets+='{{with or .spec.jobTemplate .}}{{with .spec.template.spec}}{{range .volumes}}{{if .secret}}{{if not .secret.optional}}{{.secret.secretName}}{{range .secret.items}} {{.key}}{{end}}{{"\n"}}{{end}}{{end}}{{end}}{{template "variables" .initContainers}}{{template "variables" .containers}}{{end}}{{end}}'

# need_secrets LINES: each Secret, with the keys behind its name, is there.
need_secrets() {
  local secret keys key there files
  while read -r secret keys; do
    [[ -n $secret ]] || continue
    # The names of its keys, and no value.
    if ! there=$(kube get secret "$secret" --ignore-not-found \
      -o go-template='there{{range $key, $value := .data}}{{if $value}} {{$key}}{{end}}{{end}}' 2>&1); then
      [[ $there == *"(Forbidden)"* ]] || fail "the Secret $secret: $there"
      echo "Whether the Secret $secret is there cannot be seen: $there" >&2
      continue
    fi
    files=--from-file=${keys:-KEY}=FILE
    [[ -n $there ]] ||
      fail "there is no Secret $secret in the namespace $namespace; type: kubectl create secret generic $secret -n $namespace" \
        "${files// /=FILE --from-file=}"
    for key in $keys; do
      [[ " $there " == *" $key "* ]] ||
        fail "the Secret $secret in the namespace $namespace has no key $key; type: kubectl edit secret -n $namespace $secret"
    done
  done < <(awk 'NF { keys[$1] = keys[$1]; for (i = 2; i <= NF; i++) if (!seen[$1, $i]++) keys[$1] = keys[$1] " " $i }
    END { for (name in keys) print name keys[name] }' <<<"$1" | sort)
}

need_azure() {
  need az "install it: https://learn.microsoft.com/cli/azure/install-azure-cli"
  az account show --output none 2>/dev/null || fail "az is not logged in; type: az login"
}
