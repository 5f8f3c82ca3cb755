# The upstream image's contract. Whoever is inside its container is trusted; the
# password is for images that ask for one there, too.
set -eu
from() {
  eval "value=\${POSTGRES_$1:-} file=\${POSTGRES_$1_FILE:-}"
  if [ -z "$value" ] && [ -n "$file" ]; then value=$(cat "$file"); fi
  printf '%s' "$value"
}
user=$(from USER)
user=${user:-postgres}
database=${POTLUCK_DATABASE:-$(from DB)}
database=${database:-$user}
PGPASSWORD=$(from PASSWORD)
PGOPTIONS="-c client_min_messages=warning"
export PGPASSWORD PGOPTIONS
# sql DATABASE ARGUMENT…
sql() {
  connected=$1
  shift
  psql -qXAt -v ON_ERROR_STOP=1 -v database="$database" -U "$user" -d "$connected" "$@"
}
