#!/bin/bash
# Keycloak's Admin CLI, signed in as the administrator: what the plugin runs. The password is
# in no argument and in no file beside the secret.
set -eu

KC_CLI_PASSWORD=$(</run/secrets/admin_password)
export KC_CLI_PASSWORD
exec /opt/keycloak/bin/kcadm.sh "$@" --no-config --server http://127.0.0.1:8080 \
  --realm master --user "${KC_BOOTSTRAP_ADMIN_USERNAME:-admin}"
