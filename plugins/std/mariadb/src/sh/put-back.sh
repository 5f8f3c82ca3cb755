# Changes of tables can't be undone here. Root puts the dump into a database
# beside the old one first, which is replaced from there when all of it is
# sound; the app's own account can't, and puts it straight into the old one's
# place.
# shellcheck disable=SC2016 # those are MariaDB's quotes
{
new=potluck_restore
try_root
facts=$(sql <<SQL
SELECT CONCAT('CHARACTER SET ', default_character_set_name, ' COLLATE ', default_collation_name)
FROM information_schema.schemata WHERE schema_name = '$database';
SQL
)
drop() { printf 'DROP DATABASE IF EXISTS `%s`;\n' "$1" | sql; }
# load DATABASE: standard input becomes all that it holds. Of an error, the
# client repeats the statement, which is data; whether all went well is told by
# the table that ends a dump.
load() {
  drop "$1" || return 1
  printf 'CREATE DATABASE `%s` %s;\n' "$1" "$facts" | sql || return 1
  sql "$1" 2>&1 >/dev/null | sed -n '/^ERROR/p' >&2
  echo 'DROP TABLE potluck_complete;' | sql "$1" 2>/dev/null
}
if [ "$user" = root ]; then
  trap 'drop "$new"' EXIT
  load "$new" || { echo "the dump is broken or not whole; the old data is untouched" >&2; exit 1; }
  dump "$new" | load "$database" || { echo "moving the data into its place failed" >&2; exit 1; }
else
  load "$database" || { echo "the dump is broken or not whole" >&2; exit 1; }
fi
}
