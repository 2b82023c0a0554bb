#!/usr/bin/env bash
# trigger-db-role-grant-job.sh ENVIRONMENT: makes the database's roles and grants their rights.
exec "$(dirname "${BASH_SOURCE[0]}")/deploy/init-job.sh" grant-db-roles "$@"
