# Hooks are written for bash where there is one; a dump that fails in front of a
# pipe must fail, also where the shell of busybox or a newer dash runs it.
if command -v bash >/dev/null 2>&1; then
  exec bash -c "set -o pipefail
$1"
fi
# shellcheck disable=SC3040 # it is only tried
if (set -o pipefail) 2>/dev/null; then
  exec sh -c "set -o pipefail
$1"
fi
exec sh -c "$1"
