# POTLUCK_FILE is the database. What the image has does the work: sqlite3, or
# Python with its module.
set -eu
file=$POTLUCK_FILE
if command -v sqlite3 >/dev/null; then
  # sql FILE STATEMENT
  sql() { sqlite3 -batch -bail -cmd '.timeout 60000' "$1" "$2"; }
  # restore FILE FROM: in one transaction, also while the app has FILE open.
  restore() {
    from=$(printf '%s' "$2" | sed 's/[\\"]/\\&/g')
    sqlite3 -batch -bail -cmd '.timeout 60000' "$1" ".restore \"$from\""
  }
elif command -v python3 >/dev/null; then
  sql() {
    python3 -c '
import sqlite3, sys
for row in sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None).execute(sys.argv[2]):
    print("|".join(map(str, row)))
' "$1" "$2"
  }
  restore() {
    python3 -c '
import sqlite3, sys
sqlite3.connect(sys.argv[2]).backup(sqlite3.connect(sys.argv[1], timeout=60))
' "$1" "$2"
  }
else
  echo 'this service has neither sqlite3 nor python3' >&2
  exit 1
fi
quoted() { printf '%s' "$1" | sed "s/'/''/g"; }
# Beside the database: there is room for it, and links stay within one disk.
beside() { printf '%s/.potluck-%s-%s' "$(dirname "$file")" "$1" "$$"; }
