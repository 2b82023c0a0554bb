# What an init job is called and where it is; sourced by the scripts of init jobs.
# shellcheck shell=bash disable=SC2034

# shellcheck source=place.sh
. "$(dirname "${BASH_SOURCE[0]}")/place.sh"

# name_job PURPOSE ENVIRONMENT
name_job() {
  purpose=$1
  case ${2:-} in
    dev | development) environment=dev ;;
    staging | test) environment=staging ;;
    prod | production) environment=prod ;;
    *) fail "expected an environment, dev, staging or prod, not \"${2:-}\"" ;;
  esac
  job=order-food-init-$purpose-$environment
  group=order-food-rg-$environment
  container=database-migration
  [[ $purpose != seed-data ]] || container=database-load
}

need_azure() {
  need az "install it: https://learn.microsoft.com/cli/azure/install-azure-cli"
  az account show --output none 2>/dev/null || fail "az is not logged in; type: az login"
}
