set -eu
MYSQL_PWD=$(cat "$MARIADB_PASSWORD_FILE")
export MYSQL_PWD
exec mariadb --user="$MARIADB_USER" --default-character-set=utf8mb4
