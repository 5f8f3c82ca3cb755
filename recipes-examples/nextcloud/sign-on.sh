#!/bin/sh
# Runs at each start, as Nextcloud's own account: makes the provider known to the app
# user_oidc, or corrects what it knows. The provider's name stays, because people are known
# by it.
set -eu

occ() { php /var/www/html/occ --no-interaction "$@"; }

occ status --output=json | grep -q '"installed":true' || exit 0
occ app:install user_oidc >/dev/null 2>&1 || occ app:enable user_oidc
occ user_oidc:provider sso \
  --clientid="$OIDC_CLIENT_ID" \
  --clientsecret="$(cat /run/secrets/oidc_client_secret)" \
  --discoveryuri="$OIDC_DISCOVERY" \
  --scope="openid email profile" \
  --mapping-uid="${OIDC_USER_CLAIM:-sub}" \
  --unique-uid="${OIDC_UNIQUE_NAMES:-1}"
