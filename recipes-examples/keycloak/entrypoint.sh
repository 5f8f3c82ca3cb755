#!/bin/bash
# Gives Keycloak its secrets, which it takes from variables alone, and starts it.
set -eu

KC_DB_PASSWORD=$(</run/secrets/db_password)
KC_BOOTSTRAP_ADMIN_PASSWORD=$(</run/secrets/admin_password)
export KC_DB_PASSWORD KC_BOOTSTRAP_ADMIN_PASSWORD
exec /opt/keycloak/bin/kc.sh start
