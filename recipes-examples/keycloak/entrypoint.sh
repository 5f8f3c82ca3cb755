#!/bin/bash
# Gives Keycloak its secrets, which it takes from variables alone, and starts it. Both accounts
# are made on the first start, in the realm `master`: the administrator's and the plugin's.
set -eu

KC_DB_PASSWORD=$(</run/secrets/db_password)
KC_BOOTSTRAP_ADMIN_PASSWORD=$(</run/secrets/admin_password)
KC_BOOTSTRAP_ADMIN_CLIENT_SECRET=$(</run/secrets/service_secret)
export KC_DB_PASSWORD KC_BOOTSTRAP_ADMIN_PASSWORD KC_BOOTSTRAP_ADMIN_CLIENT_SECRET
exec /opt/keycloak/bin/kc.sh start
