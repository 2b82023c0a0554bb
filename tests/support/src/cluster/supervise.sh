# shellcheck shell=sh
#
# Owns one throw-away PostgreSQL cluster for exactly as long as standard input stays open, so that
# nothing is left behind however the test process ends.
#
# Arguments: the folder of the server programs, the folder to make the cluster's own folder in; for a standby the data
# folder of its primary, which must not run.
# Standard input: the superuser's password, then commands `start PORT`, `stop fast|immediate`.
# Standard output: `home FOLDER`, then `done` or `failed REASON` for each command.
set -u
programs=$1
umask 077
export LC_ALL=C
home=$(mktemp -d "$2/order-food-test.XXXXXX") || exit 1
data=$home/data
cd "$home" || exit 1

stop() {
    [ ! -f "$data/postmaster.pid" ] || "$programs/pg_ctl" -D "$data" -m "$1" -w -t 60 stop >/dev/null 2>&1 </dev/null
}
trap 'stop immediate; cd /; rm -rf "$home"' EXIT
# Ctrl-C in the terminal ends the test process; the end of standard input is what ends this one.
trap : INT TERM HUP

read -r password
printf '%s\n' "$password" >"$home/password"
if [ -n "${3:-}" ]; then
    # Not pg_basebackup: not every server comes with it.
    if ! cp -a "$3" "$data" 2>"$home/copy.log" || ! : >"$data/standby.signal"; then
        echo "failed copy: $(tail -n 3 "$home/copy.log" | tr '\n' ' ')"
        exit 1
    fi
elif ! "$programs/initdb" -D "$data" --no-sync -U postgres --pwfile="$home/password" --auth=scram-sha-256 \
    --encoding=UTF8 --locale=C >"$home/initdb.log" 2>&1 </dev/null; then
    echo "failed initdb: $(tail -n 3 "$home/initdb.log" | tr '\n' ' ')"
    exit 1
fi
echo "home $home"

while read -r command argument; do
    case $command in
    start)
        if "$programs/pg_ctl" -D "$data" -l "$home/server.log" -o "-p $argument" -w -t 60 start \
            >/dev/null 2>&1 </dev/null; then
            echo "done"
        else
            echo "failed pg_ctl start: $(tail -n 3 "$home/server.log" | tr '\n' ' ')"
        fi
        ;;
    stop) if stop "$argument"; then echo "done"; else echo "failed pg_ctl stop"; fi ;;
    *) echo "failed unknown command $command" ;;
    esac
done
