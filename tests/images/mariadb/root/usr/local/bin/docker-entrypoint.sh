#!/bin/sh
# The part of the upstream mariadb image's contract that recipes use: on an
# empty data folder, a server without network takes the first settings; then
# the real one starts. MARIADB_ROOT_PASSWORD, MARIADB_DATABASE, MARIADB_USER and
# MARIADB_PASSWORD, each also as …_FILE and with MYSQL for MARIADB;
# MARIADB_RANDOM_ROOT_PASSWORD, MARIADB_ALLOW_EMPTY_ROOT_PASSWORD.
set -eu

data=/var/lib/mysql
socket=/run/mysqld/mysqld.sock

say() { printf '%s [entrypoint] %s\n' "$(date -u +%FT%TZ)" "$*" >&2; }

# from_file NAME: the value of $NAME, or what stands in the file $NAME_FILE.
from_file() {
  eval "value=\${$1:-} file=\${$1_FILE:-}"
  if [ -n "$value" ] && [ -n "$file" ]; then
    say "both $1 and $1_FILE are set"
    exit 1
  fi
  if [ -n "$file" ]; then value=$(cat "$file"); fi
  printf '%s' "$value"
}

# setting NAME: that of MariaDB, else the one of MySQL's name.
setting() {
  value=$(from_file "MARIADB_$1")
  [ -n "$value" ] || value=$(from_file "MYSQL_$1")
  printf '%s' "$value"
}

quoted() { printf '%s' "$1" | sed -e 's/\\/\\\\/g' -e "s/'/''/g"; }

initialise() {
  root_password=$(setting ROOT_PASSWORD)
  database=$(setting DATABASE)
  user=$(setting USER)
  password=$(setting PASSWORD)
  if [ -n "${MARIADB_RANDOM_ROOT_PASSWORD:-${MYSQL_RANDOM_ROOT_PASSWORD:-}}" ]; then
    root_password=$(cat /proc/sys/kernel/random/uuid)
  fi
  if [ -z "$root_password${MARIADB_ALLOW_EMPTY_ROOT_PASSWORD:-${MYSQL_ALLOW_EMPTY_PASSWORD:-}}" ]; then
    say "the database is not initialised and MARIADB_ROOT_PASSWORD is not set"
    exit 1
  fi

  say "initialising $data"
  mariadb-install-db --user=mysql --datadir="$data" --skip-test-db \
    --auth-root-authentication-method=normal >/dev/null
  mariadbd --user=mysql --skip-networking --socket="$socket" &
  server=$!
  tries=0
  until mariadb-admin --socket="$socket" ping >/dev/null 2>&1; do
    tries=$((tries + 1))
    if [ "$tries" -gt 300 ] || ! kill -0 "$server" 2>/dev/null; then
      say "the server for the first settings did not start"
      exit 1
    fi
    sleep 0.2
  done

  # printf is built in: no password becomes an argument of a process.
  {
    printf "SET @@SESSION.sql_log_bin = 0;\n"
    if [ -n "$database" ]; then
      # shellcheck disable=SC2016 # those are MariaDB's quotes
      printf 'CREATE DATABASE IF NOT EXISTS `%s`;\n' "$database"
    fi
    if [ -n "$user" ]; then
      printf "CREATE USER '%s'@'%%' IDENTIFIED BY '%s';\n" "$user" "$(quoted "$password")"
      if [ -n "$database" ]; then
        # An underscore in a grant is a wildcard unless it is escaped.
        printf "GRANT ALL ON \`%s\`.* TO '%s'@'%%';\n" \
          "$(printf '%s' "$database" | sed 's/_/\\_/g')" "$user"
      fi
    fi
    printf "CREATE USER root@'%%' IDENTIFIED BY '%s';\n" "$(quoted "$root_password")"
    printf "GRANT ALL ON *.* TO root@'%%' WITH GRANT OPTION;\n"
    printf "ALTER USER root@localhost IDENTIFIED BY '%s';\n" "$(quoted "$root_password")"
  } | mariadb --socket="$socket" -u root --database=mysql

  kill "$server"
  wait "$server" || true
  say "initialised"
}

case ${1:-} in -*) set -- mariadbd "$@" ;; esac
case ${1:-mariadbd} in mariadbd | mysqld) ;; *) exec "$@" ;; esac

mkdir -p /run/mysqld
chown mysql:mysql /run/mysqld "$data"
[ -d "$data/mysql" ] || initialise
unset MARIADB_ROOT_PASSWORD MARIADB_PASSWORD
shift || true
exec mariadbd --user=mysql "$@"
