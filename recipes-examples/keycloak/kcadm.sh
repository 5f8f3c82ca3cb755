#!/bin/bash
# Keycloak's Admin CLI, signed in as the service account `potluck`: what the plugin runs. The
# secret is in no argument. Keycloak reads KC_CLI_CLIENT_SECRET for `config credentials` only
# (BaseConfigCredentialsCmd.java), whose tokens stay in memory for as long as this runs.
set -eu
umask 077

kcadm=/opt/keycloak/bin/kcadm.sh
login=/dev/shm/potluck.$$
trap 'rm -f "$login"' EXIT
KC_CLI_CLIENT_SECRET=$(</run/secrets/service_secret)
export KC_CLI_CLIENT_SECRET
if ! said=$("$kcadm" config credentials --config "$login" --server http://127.0.0.1:8080 \
  --realm master --client potluck </dev/null 2>&1); then
  printf '%s\n' "$said" >&2
  exit 1
fi
unset KC_CLI_CLIENT_SECRET
"$kcadm" "$@" --config "$login"
