set -eu
client=redis-cli server=redis-server
command -v $client >/dev/null || client=valkey-cli server=valkey-server
if [ -n "${POTLUCK_SECRET:-}" ]; then
  REDISCLI_AUTH=$(cat "/run/secrets/$POTLUCK_SECRET")
  export REDISCLI_AUTH
fi
# A refusal ends with code 0, unless -e is there.
redis() { "$client" -e --no-auth-warning "$@"; }
# info SECTION FIELD
info() { redis INFO "$1" | tr -d '\r' | sed -n "s/^$2://p"; }
