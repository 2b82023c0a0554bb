# shellcheck shell=sh
#
# Waits for the end of standard input, then kills every process that names a folder in its arguments, and their children, and
# removes the folder: nothing is left behind however the test process ends.
#
# Standard input: the folder.
set -u
trap : INT TERM HUP
read -r home
cat >/dev/null

# Patroni starts a server that is gone again, so the search is repeated until it finds nothing.
for _ in 1 2 3 4 5 6 7 8 9 10; do
    found=
    for file in /proc/[0-9]*/cmdline; do
        { tr '\0' ' ' <"$file" | grep -qF "$home/"; } 2>/dev/null || continue
        id=${file%/cmdline}
        found="$found ${id#/proc/} $(cat "$id"/task/*/children 2>/dev/null)"
    done
    [ -n "$found" ] || break
    # shellcheck disable=SC2086 # a list
    kill -s KILL $found 2>/dev/null
    sleep 0.2
done
rm -rf "$home"
