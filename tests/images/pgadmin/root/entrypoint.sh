#!/bin/sh
# The part of the upstream pgadmin4 image's contract that recipes use: on the first start it
# makes the database in /var/lib/pgadmin, with an account of PGADMIN_DEFAULT_EMAIL and
# PGADMIN_DEFAULT_PASSWORD (or _FILE); then it serves on PGADMIN_LISTEN_PORT. Settings are
# in /pgadmin4/config_local.py.
set -eu

if [ ! -f /var/lib/pgadmin/pgadmin4.db ]; then
  if [ -n "${PGADMIN_DEFAULT_PASSWORD_FILE:-}" ]; then
    PGADMIN_DEFAULT_PASSWORD=$(cat "$PGADMIN_DEFAULT_PASSWORD_FILE")
  fi
  if [ -z "${PGADMIN_DEFAULT_EMAIL:-}" ] || [ -z "${PGADMIN_DEFAULT_PASSWORD:-}" ]; then
    echo "PGADMIN_DEFAULT_EMAIL and PGADMIN_DEFAULT_PASSWORD or PGADMIN_DEFAULT_PASSWORD_FILE are needed" >&2
    exit 1
  fi
  # Loading the app makes the database.
  PGADMIN_SETUP_EMAIL=$PGADMIN_DEFAULT_EMAIL PGADMIN_SETUP_PASSWORD=$PGADMIN_DEFAULT_PASSWORD \
    python3 -c 'import run_pgadmin'
fi
unset PGADMIN_DEFAULT_PASSWORD

# One worker: sessions are its own.
exec python3 -m gunicorn --bind "0.0.0.0:${PGADMIN_LISTEN_PORT:-80}" --workers 1 \
  --threads "${GUNICORN_THREADS:-25}" --access-logfile - run_pgadmin:app
