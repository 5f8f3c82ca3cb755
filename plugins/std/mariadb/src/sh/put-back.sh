# Changes of tables can't be undone here. Root puts the dump into a database
# beside the old one first, which is replaced from there when all of it is
# sound. The app's own account may make no other database: it keeps a dump of
# the old data, which goes back when the new one turns out to be broken.
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
  umask 077
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  cat >"$folder/new"
  [ "$(tail -n 1 "$folder/new" | tail -c 100)" = "$mark" ] ||
    { echo "the dump is not whole; the old data is untouched" >&2; exit 1; }
  if [ -n "$facts" ]; then
    dump "$database" >"$folder/old" ||
      { echo "the old data can't be kept meanwhile; it is untouched" >&2; exit 1; }
  fi
  if ! load "$database" <"$folder/new"; then
    [ -n "$facts" ] || { echo "the dump is broken; there was no old data" >&2; exit 1; }
    if load "$database" <"$folder/old"; then
      echo "the dump is broken; the old data is back" >&2
    else
      trap - EXIT
      echo "the dump is broken, and the old data did not go back: it is in $folder/old" >&2
    fi
    exit 1
  fi
fi
}
