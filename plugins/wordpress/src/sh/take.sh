# The site's own account: what it can't read, the site can't have written. The
# password is in the environment of this one process and in no argument.
set -eu
MYSQL_PWD=$(cat "$MARIADB_PASSWORD_FILE")
export MYSQL_PWD
# --databases with --add-drop-database: putting it back leaves exactly the dump.
# --skip-dump-date: the same data is the same dump, and costs nothing twice.
exec mariadb-dump --user="$MARIADB_USER" --default-character-set=utf8mb4 \
  --single-transaction --quick --routines --events --triggers --hex-blob \
  --skip-dump-date --add-drop-database --databases "$MARIADB_DATABASE"
