#!/bin/sh
# What apps connect to, by the program that is named:
#
#   relay     a mail relay (Exim) on port 587 that takes mail over STARTTLS from
#             RELAY_USER with RELAY_PASSWORD, and keeps it in /data/mail/new
#   provider  an OpenID provider (Glewlwyd) on port 4593, issuer $ISSUER, with
#             the client CLIENT_ID that has CLIENT_SECRET
#
# Anything else runs as it is; msmtp and curl are there as clients of both.
set -eu

relay() {
  folder=/run/relay
  mkdir -p $folder /data/mail /data/log /var/spool/exim4
  chown Debian-exim /data/mail /data/log /var/spool/exim4
  openssl req -x509 -newkey rsa:2048 -nodes -keyout $folder/key -out $folder/cert \
    -days 3650 -subj /CN=relay 2>/dev/null
  chown Debian-exim $folder/key
  cat >$folder/exim.conf <<EOF
primary_hostname = relay
daemon_smtp_ports = 587
tls_advertise_hosts = *
tls_certificate = $folder/cert
tls_privatekey = $folder/key
auth_advertise_hosts = \${if eq{\$tls_in_cipher}{}{}{*}}
acl_smtp_rcpt = signed_in
log_file_path = /data/log/%slog
begin acl
signed_in:
  accept authenticated = *
  deny message = sign in first
begin routers
all:
  driver = accept
  transport = keep
begin transports
keep:
  driver = appendfile
  maildir_format
  directory = /data/mail
  user = Debian-exim
  envelope_to_add
  return_path_add
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = \${if and{{eq{\$auth2}{$RELAY_USER}}{eq{\$auth3}{$RELAY_PASSWORD}}}}
  server_set_id = \$auth2
EOF
  exec exim4 -C $folder/exim.conf -bdf -q1m
}

# call PATH JSON: as the administrator of a new server.
call() {
  curl -fsS -b /data/jar -c /data/jar -H 'content-type: application/json' \
    -d "$2" "http://127.0.0.1:4593/api/$1"
}

provider() {
  mkdir -p /data
  cd /data
  rm -f provider.db jar
  sqlite3 provider.db </usr/share/dbconfig-common/data/glewlwyd/install/sqlite3
  sed -e 's#^log_mode=.*#log_mode="console"#' -e 's#^log_level=.*#log_level="WARNING"#' \
    -e "s#^external_url=.*#external_url=\"${ISSUER%/api/*}\"#" -e '/@include/d' \
    /etc/glewlwyd/glewlwyd.conf >provider.conf
  echo 'database = { type = "sqlite3"; path = "/data/provider.db"; };' >>provider.conf
  glewlwyd --config-file=/data/provider.conf &
  server=$!
  until curl -fsS http://127.0.0.1:4593/config/ >/dev/null 2>&1; do
    kill -0 $server
    sleep 0.2
  done
  # The password is the package's own; nothing else reaches this server.
  call auth/ '{"username": "admin", "password": "password"}'
  call scope/ '{"name": "apps", "display_name": "apps", "password_required": false, "scheme": {}}'
  call mod/plugin/ '{"module": "oidc", "name": "oidc", "display_name": "oidc", "parameters": {
    "iss": "'"$ISSUER"'", "jwt-type": "sha", "jwt-key-size": "256",
    "key": "0123456789abcdef0123456789abcdef", "access-token-duration": 3600,
    "refresh-token-duration": 1209600, "code-duration": 600, "refresh-token-rolling": true,
    "allow-non-oidc": true, "auth-type-code-enabled": true, "auth-type-token-enabled": false,
    "auth-type-id-token-enabled": true, "auth-type-none-enabled": false,
    "auth-type-password-enabled": false, "auth-type-client-enabled": true,
    "auth-type-refresh-enabled": true}}'
  call client/ '{"client_id": "'"$CLIENT_ID"'", "client_name": "'"$CLIENT_ID"'",
    "confidential": true, "enabled": true, "password": "'"$CLIENT_SECRET"'", "client_secret": "",
    "token_endpoint_auth_method": ["client_secret_basic"], "scope": ["apps"],
    "authorization_type": ["code", "client_credentials"],
    "redirect_uri": ["https://app.example.org/back"]}'
  touch ready
  wait $server
}

case ${1:-} in
relay | provider) "$1" ;;
*) exec "$@" ;;
esac
