#!/bin/sh
# Writes what Apache reads of settings and secrets, and starts it.
set -eu

here=/run/site
say() { printf 'entrypoint: %s\n' "$*" >&2; }
die() { say "$@"; exit 1; }

# quoted NAME TEXT: the text as an argument in Apache's configuration.
quoted() {
  # The braces would be a variable there.
  # shellcheck disable=SC2016
  case $2 in *'${'* | *'
'*) die "$1 holds what Apache cannot take" ;; esac
  printf '"%s"' "$(printf %s "$2" | sed 's/["\\]/\\&/g')"
}

directive() { printf '%s %s\n' "$1" "$(quoted "$1" "$2")"; }

mkdir -p $here
chmod 755 $here
htpasswd -i -B -c $here/passwords "$LOCAL_USER" </run/secrets/local_password 2>/dev/null ||
  die "the secret local_password cannot be used"
chown root:www-data $here/passwords
chmod 640 $here/passwords

set --
if [ "${SIGN_ON:-off}" = on ]; then
  set -- -D SIGN_ON
  secret=$(cat /run/secrets/oidc_client_secret)
  [ -n "$secret" ] || die "the secret oidc_client_secret is empty"
  (
    # Only root reads it, before Apache's workers are others.
    umask 077
    {
      directive OIDCProviderMetadataURL "$OIDC_DISCOVERY"
      directive OIDCClientID "$OIDC_CLIENT_ID"
      directive OIDCClientSecret "$secret"
      # Cookies are encrypted with it: another client secret ends all sessions.
      directive OIDCCryptoPassphrase "$secret"
      directive OIDCRedirectURI "$SITE_URL/oidc/callback"
      directive OIDCScope "$OIDC_SCOPES"
      directive OIDCRemoteUserClaim "$OIDC_USER_CLAIM"
      printf 'Define GROUPS_CLAIM %s\n' "$(quoted OIDC_GROUPS_CLAIM "$OIDC_GROUPS_CLAIM")"
      # shellcheck disable=SC2086 # several headers
      [ -z "${FORWARDED:-}" ] || echo OIDCXForwardedHeaders $FORWARDED
    } >$here/client.conf
  )
  # One of them is enough.
  if [ -n "$OIDC_ALLOWED_GROUPS" ]; then
    printf '%s\n' "$OIDC_ALLOWED_GROUPS" | tr ',' '\n' | while IFS= read -r group; do
      group=$(printf %s "$group" | sed 's/^ *//; s/ *$//')
      [ -z "$group" ] || directive 'Require claim' "$OIDC_GROUPS_CLAIM:$group"
    done >$here/allowed.conf
    [ -s $here/allowed.conf ] || die "OIDC_ALLOWED_GROUPS names no group"
  else
    echo 'Require valid-user' >$here/allowed.conf
  fi
fi

# Debian's envvars reads variables that are not set.
set +u
# shellcheck disable=SC1091 # it is in the image
. /etc/apache2/envvars
set -u
mkdir -p "$APACHE_RUN_DIR" "$APACHE_LOCK_DIR" "$APACHE_LOG_DIR"
rm -f "$APACHE_PID_FILE"
exec apache2 -DFOREGROUND "$@"
