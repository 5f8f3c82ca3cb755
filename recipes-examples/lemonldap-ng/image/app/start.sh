#!/bin/sh
# Brings the configuration up to date with the settings, and starts the portal.
set -eu

umask 077
export PERL5LIB=/app

mkdir -p /data/conf /data/sessions/lock
perl /app/setup.pl

starman --listen 0.0.0.0:3000 --workers "${WORKERS:-3}" --env deployment /app/portal.psgi &
server=$!
trap 'kill -TERM "$server"' TERM INT

# Sessions that have run out.
while sleep 600; do
  /usr/share/lemonldap-ng/bin/purgeCentralCache || echo 'start: sessions could not be purged' >&2
done &

status=0
wait "$server" || status=$?
# A signal ends the wait before the server has ended.
while kill -0 "$server" 2>/dev/null; do
  status=0
  wait "$server" || status=$?
done
exit "$status"
