#!/bin/sh
# The part of the upstream matomo image's contract that recipes use: the database's settings
# from MATOMO_DATABASE_…, each also as …_FILE, and Matomo in /var/www/html when it is missing
# there.
set -eu

# from_file NAME: the value of $NAME, or what stands in the file $NAME_FILE.
from_file() {
  eval "value=\${$1:-} file=\${$1_FILE:-}"
  if [ -n "$value" ] && [ -n "$file" ]; then
    echo "both $1 and $1_FILE are set" >&2
    exit 1
  fi
  if [ -n "$file" ]; then value=$(cat "$file"); fi
  unset "$1_FILE"
  if [ -n "$value" ]; then export "$1=$value"; fi
}

for name in HOST USERNAME PASSWORD DBNAME; do from_file "MATOMO_DATABASE_$name"; done
if [ ! -e matomo.php ]; then
  tar -C /usr/src/matomo --create --one-file-system . | tar --extract
  chown -R www-data:www-data .
fi
exec "$@"
