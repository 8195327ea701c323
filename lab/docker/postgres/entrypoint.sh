#!/bin/bash
# The part of the official image's entrypoint that matters: initialise once, then run.
set -Eeuo pipefail

[ "${1:-}" = postgres ] || exec "$@"

if [ "$(id -u)" = 0 ]; then
    mkdir -p "$PGDATA" /run/postgresql
    chown postgres:postgres "$PGDATA" /run/postgresql
    chmod 0700 "$PGDATA"
    exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
fi

settings=(-c listen_addresses='*' -c unix_socket_directories=/run/postgresql)

initialise() {
    : "${POSTGRES_PASSWORD:?is needed to make the database}"
    local user=${POSTGRES_USER:-postgres}
    local database=${POSTGRES_DB:-$user}
    # A descriptor, not a file or an argument, so that the password is written nowhere.
    initdb --username="$user" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") \
        --auth-local=trust --auth-host=scram-sha-256
    echo 'host all all all scram-sha-256' >> "$PGDATA/pg_hba.conf"
    # Not on TCP yet: nobody must find a database that is half made.
    pg_ctl -D "$PGDATA" -w start \
        -o "-c listen_addresses='' -c unix_socket_directories=/run/postgresql"
    local sql=(psql -X -q -v ON_ERROR_STOP=1 --username "$user")
    [ "$database" = postgres ] \
        || "${sql[@]}" -d postgres -v name="$database" <<< 'CREATE DATABASE :"name"'
    for file in /docker-entrypoint-initdb.d/*.sql; do
        [ -e "$file" ] || continue
        echo "running $file"
        "${sql[@]}" -d "$database" -f "$file"
    done
    pg_ctl -D "$PGDATA" -m fast -w stop
}

[ -s "$PGDATA/PG_VERSION" ] || initialise
exec postgres "${settings[@]}" "${@:2}"
