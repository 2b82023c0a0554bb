# What an init job is called, where it is and what it needs; sourced by the scripts of init jobs.
# shellcheck shell=bash disable=SC2034

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
  container=database-migration
  [[ $purpose != seed-data ]] || container=database-load
}

# The Secrets that a CronJob or Job needs, each with its keys: a go-template.
secrets='{{with or .spec.jobTemplate .}}{{range .spec.template.spec.volumes}}{{if .secret}}{{if not .secret.optional}}{{.secret.secretName}}{{range .secret.items}} {{.key}}{{end}}{{"\n"}}{{end}}{{end}}{{end}}{{end}}'

# need_secrets LINES: each Secret, with the keys behind its name, is there.
need_secrets() {
  local secret keys key
  while read -r secret keys; do
    [[ -n $secret ]] || continue
    kube get secret "$secret" >/dev/null 2>&1 ||
      fail "there is no Secret $secret in the namespace $namespace; type: kubectl create secret generic $secret -n $namespace" \
        "--from-file=${keys:-KEY}=FILE"
    for key in $keys; do
      [[ -n $(kube get secret "$secret" -o "jsonpath={.data.${key//./\\.}}") ]] ||
        fail "the Secret $secret in the namespace $namespace has no key $key; type: kubectl edit secret -n $namespace $secret"
    done
  done <<<"$1"
}

need_azure() {
  need az "install it: https://learn.microsoft.com/cli/azure/install-azure-cli"
  az account show --output none 2>/dev/null || fail "az is not logged in; type: az login"
}
