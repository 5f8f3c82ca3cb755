#!/bin/sh
# Accounts of the relay, one for each address that apps send from. Its name is the
# address.
#
#   accounts add SENDER      prints the password of its account, which is made if there is none
#   accounts renew SENDER    the same with another password
#   accounts remove SENDER   an account that does not exist is no failure
#   accounts list            their names
#
# Passwords are in /data/accounts, for root and Dovecot; nothing else has them, and none is
# ever an argument. Exit code 3: the relay does not send for this address.
set -eu

file=/data/accounts

die() { printf '%s\n' "$2" >&2; exit "$1"; }

# The address as accounts have it: in lower case, and of nothing that has a meaning in the
# file or in a path.
address() {
  sender=$(printf '%s' "$1" | tr '[:upper:]' '[:lower:]')
  newline='
'
  case $sender in
    *"$newline"*) die 3 "an address is one line" ;;
  esac
  printf '%s\n' "$sender" |
    grep -Eq '^[a-z0-9_+-][a-z0-9._+-]{0,63}@([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]*[a-z0-9])?$' ||
    die 3 "$sender is no address that an account can have"
}

# Whether the relay sends for the domain of $sender.
allowed() {
  [ -n "${SENDER_DOMAINS:-}" ] || return 0
  printf '%s\n' "$SENDER_DOMAINS" | tr ' [:upper:]' ',[:lower:]' | tr , '\n' |
    grep -Fxq "${sender#*@}" ||
    die 3 "this relay does not send for ${sender#*@}: SENDER_DOMAINS is $SENDER_DOMAINS"
}

# Without the account of $sender. Not `grep`: a dot stands for itself.
others() { awk -F: -v name="$sender" '$1 != name' "$file"; }

# replace: the file by what is on standard input, completely or not at all.
replace() {
  new=$(mktemp "$file.XXXXXX")
  trap 'rm -f "$new"' EXIT
  cat >"$new"
  chown root:dovecot "$new"
  chmod 0640 "$new"
  sync "$new"
  mv "$new" "$file"
  trap - EXIT
  # Dovecot looks at the file once a second, and knows it by its size and that second: two
  # changes within one would be one to it.
  sleep 1.1
}

add() {
  address "$1"
  allowed
  password=$(awk -F: -v name="$sender" '$1 == name { sub(/^\{PLAIN\}/, "", $2); print $2 }' "$file")
  if [ -n "$password" ]; then printf '%s\n' "$password"; else renew "$1"; fi
}

renew() {
  address "$1"
  allowed
  password=$(head -c 30 /dev/urandom | base64 | tr '+/' '-_')
  # Read before it is replaced.
  before=$(others)
  { [ -z "$before" ] || printf '%s\n' "$before"
    printf '%s:{PLAIN}%s\n' "$sender" "$password"; } | replace
  printf '%s\n' "$password"
}

remove() {
  address "$1"
  before=$(others)
  { [ -z "$before" ] || printf '%s\n' "$before"; } | replace
}

[ "$(id -u)" = 0 ] || die 1 "only root manages accounts"
[ -f "$file" ] || die 1 "the relay did not start yet"
# Two at once would lose one of their accounts.
exec 9>"$file.lock"
flock 9

case ${1:-}:$# in
  add:2) add "$2" ;;
  renew:2) renew "$2" ;;
  remove:2) remove "$2" ;;
  list:1) cut -d: -f1 "$file" ;;
  *) die 2 "usage: accounts add SENDER | renew SENDER | remove SENDER | list" ;;
esac
