# shellcheck shell=sh
#
# Waits for the end of standard input, then ends every process that names a folder in its arguments, and their children, and
# removes the folder: nothing is left behind however the test process ends.
#
# Standard input: the folder.
set -u
# Ctrl-C ends the test process; the end of standard input is what ends this one.
trap : INT TERM HUP
read -r home
cat >/dev/null

# QUIT ends PostgreSQL at once and frees its shared memory. Patroni starts a server that is gone again, so the search is
# repeated until it finds nothing.
for signal in QUIT QUIT QUIT KILL KILL KILL KILL KILL KILL KILL; do
    found=
    # shellcheck disable=SC2062 # files; the pattern is read
    for file in $(printf '%s/\n' "$home" | grep -slF --file=- /proc/[0-9]*/cmdline); do
        id=${file%/cmdline}
        found="$found ${id#/proc/} $(cat "$id"/task/*/children 2>/dev/null)"
    done
    [ -n "$found" ] || break
    # shellcheck disable=SC2086 # a list
    kill -s "$signal" $found 2>/dev/null
    sleep 0.2
done
rm -rf "$home"
