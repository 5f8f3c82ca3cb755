#!/bin/sh
# The parts of the upstream images' contracts that recipes use, by the program
# that is named: `postgres` (POSTGRES_USER, POSTGRES_DB, POSTGRES_PASSWORD,
# POSTGRES_INITDB_ARGS, each also as …_FILE; POSTGRES_HOST_AUTH_METHOD; PGDATA;
# /docker-entrypoint-initdb.d; anyone inside the container is trusted) and
# `redis-server`. Anything else runs as it is.
set -eu

say() { printf '%s [entrypoint] %s\n' "$(date -u +%FT%TZ)" "$*" >&2; }
as() { who=$1; shift; exec setpriv --reuid="$who" --regid="$who" --init-groups "$@"; }

# from_file NAME: sets $NAME to what stands in the file $NAME_FILE, if that is set.
from_file() {
  eval "value=\${$1:-} file=\${$1_FILE:-}"
  [ -n "$file" ] || return 0
  if [ -n "$value" ]; then
    say "both $1 and $1_FILE are set"
    exit 1
  fi
  value=$(cat "$file")
  eval "export $1=\$value"
  unset "$1_FILE"
}

initialise() {
  from_file POSTGRES_PASSWORD
  from_file POSTGRES_INITDB_ARGS
  password=${POSTGRES_PASSWORD:-}
  method=${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}
  if [ -z "$password" ]; then
    if [ "$method" != trust ]; then
      say "the database is not initialised and POSTGRES_PASSWORD is not set"
      exit 1
    fi
    # Nobody needs it, and initdb takes no empty one.
    password=$(cat /proc/sys/kernel/random/uuid)
  fi
  say "initialising $PGDATA"
  # printf is built in: the password becomes no argument of a process.
  printf '%s\n' "$password" >/run/postgresql/password
  chown postgres /run/postgresql/password
  # shellcheck disable=SC2086 # several arguments
  (as postgres initdb --username="$POSTGRES_USER" --pwfile=/run/postgresql/password \
    ${POSTGRES_INITDB_ARGS:-} --auth-local=trust --auth-host=trust >/dev/null)
  rm /run/postgresql/password
  printf '\nhost all all all %s\n' "$method" >>"$PGDATA/pg_hba.conf"
  (as postgres pg_ctl -w start -o "-c listen_addresses=''" >/dev/null)
  if [ "$POSTGRES_DB" != postgres ]; then
    printf 'CREATE DATABASE :"name";\n' |
      psql -qX -v ON_ERROR_STOP=1 -v name="$POSTGRES_DB" -U "$POSTGRES_USER" -d postgres
  fi
  for file in /docker-entrypoint-initdb.d/*; do
    case $file in
    *.sh) if [ -x "$file" ]; then "$file"; else bash "$file"; fi ;;
    *.sql) psql -qX -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d "$POSTGRES_DB" -f "$file" ;;
    esac
  done
  (as postgres pg_ctl -w -m fast stop >/dev/null)
  say "initialised"
}

case ${1:-} in
-*) set -- postgres "$@" ;;
esac
case ${1:-} in
postgres)
  from_file POSTGRES_USER
  from_file POSTGRES_DB
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
  as redis redis-server "$@" --protected-mode no
  ;;
esac
exec "$@"
