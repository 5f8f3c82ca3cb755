#!/bin/sh
# The parts of the upstream images' contracts that recipes use, by the program
# that is named: `postgres` (POSTGRES_USER, POSTGRES_DB, POSTGRES_PASSWORD, the
# last also as …_FILE; POSTGRES_INITDB_ARGS; PGDATA; anyone inside the container is
# trusted) and `redis-server`. Anything else runs as it is.
set -eu

say() { printf '%s [entrypoint] %s\n' "$(date -u +%FT%TZ)" "$*" >&2; }
as() { who=$1; shift; exec setpriv --reuid="$who" --regid="$who" --init-groups "$@"; }

initialise() {
  password=${POSTGRES_PASSWORD:-}
  if [ -n "${POSTGRES_PASSWORD_FILE:-}" ]; then password=$(cat "$POSTGRES_PASSWORD_FILE"); fi
  if [ -z "$password" ]; then
    say "the database is not initialised and POSTGRES_PASSWORD is not set"
    exit 1
  fi
  say "initialising $PGDATA"
  # printf is built in: the password becomes no argument of a process.
  printf '%s\n' "$password" >/run/postgresql/password
  chown postgres /run/postgresql/password
  # shellcheck disable=SC2086 # several arguments
  (as postgres initdb --username="$POSTGRES_USER" --pwfile=/run/postgresql/password \
    ${POSTGRES_INITDB_ARGS:-} --auth-local=trust --auth-host=trust >/dev/null)
  rm /run/postgresql/password
  printf '\nhost all all all scram-sha-256\n' >>"$PGDATA/pg_hba.conf"
  (as postgres pg_ctl -w start -o "-c listen_addresses=''" >/dev/null)
  if [ "$POSTGRES_DB" != postgres ]; then
    printf 'CREATE DATABASE :"name";\n' |
      psql -qX -v ON_ERROR_STOP=1 -v name="$POSTGRES_DB" -U "$POSTGRES_USER" -d postgres
  fi
  (as postgres pg_ctl -w -m fast stop >/dev/null)
  say "initialised"
}

case ${1:-} in
postgres)
  export PGDATA="${PGDATA:-/var/lib/postgresql/data}"
  export POSTGRES_USER="${POSTGRES_USER:-postgres}"
  export POSTGRES_DB="${POSTGRES_DB:-$POSTGRES_USER}"
  mkdir -p "$PGDATA" /run/postgresql
  chown postgres:postgres "$PGDATA" /run/postgresql
  chmod 700 "$PGDATA"
  [ -s "$PGDATA/PG_VERSION" ] || initialise
  as postgres "$@" -c 'listen_addresses=*' -c unix_socket_directories=/run/postgresql
  ;;
redis-server)
  cd /data
  chown redis:redis .
  shift
  as redis redis-server --protected-mode no "$@"
  ;;
esac
exec "$@"
