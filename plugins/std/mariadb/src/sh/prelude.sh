# The contract of the upstream images, MariaDB's and MySQL's. A password is in
# the environment of the one client that uses it, and in no argument.
set -eu
from() {
  for brand in MARIADB MYSQL; do
    eval "value=\${${brand}_$1:-} file=\${${brand}_$1_FILE:-}"
    if [ -z "$value" ] && [ -n "$file" ]; then value=$(cat "$file"); fi
    if [ -n "$value" ]; then printf '%s' "$value"; return; fi
  done
}
# Old images have only MySQL's names.
client=mariadb dump=mariadb-dump
command -v $client >/dev/null || client=mysql dump=mysqldump
database=${POTLUCK_DATABASE:-$(from DATABASE)}
[ -n "$database" ] || { echo "neither the option \`database\` nor MARIADB_DATABASE names a database" >&2; exit 1; }
user=$(from USER)
password=$(from PASSWORD)
root_password=$(from ROOT_PASSWORD)
[ -n "$user" ] || user=root password=$root_password
# sql [DATABASE]: statements on standard input, rows on standard output.
sql() { MYSQL_PWD=$password "$client" --user="$user" --default-character-set=utf8mb4 --skip-column-names --batch "$@"; }
# Root reads and makes all there is. Its password is the image's for a new
# database only: on an old one it may be another.
try_root() {
  [ -n "$root_password" ] || return 0
  own=$user own_password=$password user=root password=$root_password
  echo 'SELECT 1;' | sql >/dev/null 2>&1 || user=$own password=$own_password
}
# Only a whole dump ends with this and makes the table that load looks for.
# shellcheck disable=SC2016 # those are MariaDB's quotes
mark='CREATE TABLE `potluck_complete` (`at` INT);'
# dump DATABASE: all of it.
# --skip-dump-date: the same data is the same dump, and costs nothing twice.
dump() {
  MYSQL_PWD=$password "$dump" --user="$user" --default-character-set=utf8mb4 \
    --single-transaction --quick --routines --events --triggers --hex-blob \
    --no-tablespaces --skip-dump-date "$1" || return 1
  printf '%s\n' "$mark"
}
