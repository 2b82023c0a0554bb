#!/usr/bin/env bash
# The same as `make deploy`.
exec make --directory "$(dirname "${BASH_SOURCE[0]}")" deploy "$@"
