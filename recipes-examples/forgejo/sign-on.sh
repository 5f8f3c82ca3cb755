#!/bin/sh
# Starts Forgejo, after it was made to know the provider: the image's own entrypoint, which
# writes app.ini, runs this in the place of the server. The provider's name stays, because
# people are known by it, and because the redirect address has it.
set -eu

forgejo() { /usr/local/bin/gitea -c "$GITEA_APP_INI" "$@"; }

# The first start has no tables yet, and an upgrade has old ones.
forgejo migrate
known=$(forgejo admin auth list | awk '$2 == "sso" { print $1 }')
# Forgejo reads the secret from its arguments only: they are seen inside this container.
set -- --name sso --provider openidConnect \
  --key "$OIDC_CLIENT_ID" --secret "$(cat /run/secrets/oidc_client_secret)" \
  --auto-discover-url "$OIDC_DISCOVERY" --scopes email --scopes profile \
  --group-claim-name "${OIDC_GROUPS_CLAIM:-groups}" --admin-group "${OIDC_ADMIN_GROUP:-}"
if [ -n "$known" ]; then
  forgejo admin auth update-oauth --id "$known" "$@"
else
  forgejo admin auth add-oauth "$@"
fi
exec /usr/local/bin/gitea -c "$GITEA_APP_INI" web
