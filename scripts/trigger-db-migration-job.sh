#!/usr/bin/env bash
# trigger-db-migration-job.sh ENVIRONMENT: brings the database schema to the version of the image.
exec "$(dirname "${BASH_SOURCE[0]}")/deploy/init-job.sh" db-migration "$@"
