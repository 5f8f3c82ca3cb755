#!/bin/sh
# A mail relay with an account for each app: Postfix, and Dovecot to sign people in.
#
#   relay            runs both; the container ends when one of them does
#   relay healthy    for the health check
#
# Nothing is accepted without an account, no account is asked for without TLS, and an
# account sends as the address that it is named after.
set -eu

accounts=/data/accounts
tls=/data/tls
# Owns the mailbox; nobody else has this number in Debian.
mailbox=5000

say() { printf 'relay: %s\n' "$*" >&2; }
die() { say "$@"; exit 1; }

# words LIST: one a line; commas and blanks separate.
words() { printf '%s\n' "$1" | tr ' ' , | tr , '\n' | grep -v '^$' || true; }

# --- the certificate ------------------------------------------------------------

# Whether the certificate is made out to $DOMAIN, and for a month at least.
fits() {
  openssl x509 -in "$1" -noout -checkend 2592000 >/dev/null 2>&1 &&
    openssl x509 -in "$1" -noout -checkhost "$DOMAIN" 2>/dev/null | grep -q 'does match'
}

# An authority of its own, so that apps can keep trusting it while certificates are
# renewed. It can vouch for nothing but $DOMAIN: an app that trusts it gives away no more.
own_certificate() {
  mkdir -p "$tls"
  chmod 0755 "$tls"
  if [ "$(cat "$tls/name" 2>/dev/null)" != "$DOMAIN" ]; then
    say "making an authority for $DOMAIN"
    (umask 077 && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
      -days 3650 -subj "/CN=Mail relay $DOMAIN" -keyout "$tls/ca.key" -out "$tls/ca.pem" \
      -addext 'keyUsage=critical,keyCertSign,cRLSign' \
      -addext "nameConstraints=critical,permitted;DNS:$DOMAIN" 2>/dev/null)
    chmod 0644 "$tls/ca.pem"
    rm -f "$tls/relay.pem"
    echo "$DOMAIN" >"$tls/name"
  fi
  fits "$tls/relay.pem" && return
  say "making a certificate for $DOMAIN"
  printf '%s\n' "subjectAltName=DNS:$DOMAIN" basicConstraints=critical,CA:FALSE \
    extendedKeyUsage=serverAuth >"$tls/extensions"
  # Key and certificate in one file: Postfix never reads one without the other.
  (
    umask 077
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
      -subj "/CN=$DOMAIN" -keyout "$tls/new.key" -out "$tls/new.csr" 2>/dev/null
    openssl x509 -req -in "$tls/new.csr" -CA "$tls/ca.pem" -CAkey "$tls/ca.key" -days 365 \
      -CAcreateserial -extfile "$tls/extensions" -out "$tls/new.crt" 2>/dev/null
    cat "$tls/new.key" "$tls/new.crt" "$tls/ca.pem" >"$tls/new.pem"
  )
  mv "$tls/new.pem" "$tls/relay.pem"
  rm -f "$tls"/new.* "$tls/extensions"
}

# --- configuration --------------------------------------------------------------

postfix_settings() {
  if [ -n "$TLS_CERTIFICATE" ]; then
    printf '%s\n' "smtpd_tls_chain_files = $TLS_KEY $TLS_CERTIFICATE"
  else
    printf '%s\n' "smtpd_tls_chain_files = $tls/relay.pem"
  fi
  cat <<END
compatibility_level = 3.6
maillog_file = /dev/stdout
myhostname = $DOMAIN
inet_protocols = all

# Nobody is trusted for where they are, and no mail is for this machine itself.
mynetworks =
mydestination =
local_recipient_maps =
local_transport = error:no mail for this machine
alias_maps =
alias_database =
biff = no
notify_classes =

smtpd_banner = \$myhostname ESMTP
smtpd_helo_required = yes
disable_vrfy_command = yes
message_size_limit = $((MESSAGE_SIZE_MIB * 1024 * 1024))

smtpd_tls_auth_only = yes
smtpd_tls_loglevel = 1
smtpd_tls_mandatory_protocols = >=TLSv1.2
smtpd_tls_protocols = >=TLSv1.2

smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = private/auth
smtpd_sasl_security_options = noanonymous

# Every address belongs to the account of its name: an account sends as itself.
smtpd_sender_login_maps = regexp:/etc/postfix/owners
smtpd_client_restrictions =
smtpd_sender_restrictions = check_sender_access inline:{{<> = REJECT this relay takes no mail without a sender}},
  reject_sender_login_mismatch
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions = reject_non_fqdn_recipient

virtual_mailbox_domains = $(words "$MAILBOX_DOMAINS" | tr '\n' ' ')
# One mailbox, whoever it is for.
virtual_mailbox_base = /data/mail
virtual_mailbox_maps = static:inbox/
virtual_uid_maps = static:$mailbox
virtual_gid_maps = static:$mailbox
virtual_minimum_uid = $mailbox

smtp_tls_CAfile = /etc/ssl/certs/ca-certificates.crt
smtp_tls_mandatory_protocols = >=TLSv1.2
smtp_tls_loglevel = 1
END
  if [ -z "$RELAYHOST" ]; then
    echo 'smtp_tls_security_level = may'
    return
  fi
  printf '%s\n' "relayhost = $RELAYHOST"
  case $RELAYHOST in *:465) echo 'smtp_tls_wrappermode = yes' ;; esac
  if [ -z "$RELAYHOST_USER" ]; then
    case $RELAYHOST in
      *:465) echo 'smtp_tls_security_level = encrypt' ;;
      *) echo 'smtp_tls_security_level = may' ;;
    esac
    return
  fi
  # A password goes to nobody but the server that it is for.
  cat <<END
smtp_tls_security_level = secure
smtp_sasl_auth_enable = yes
smtp_sasl_security_options = noanonymous
smtp_sasl_password_maps = texthash:/etc/postfix/relayhost
END
}

configure() {
  postfix_settings >/etc/postfix/main.cf
  # shellcheck disable=SC2016 # Postfix expands it
  echo '/^(.+)$/ $1' >/etc/postfix/owners
  if [ -n "$RELAYHOST_USER" ]; then
    [ -f /run/secrets/relayhost_password ] ||
      die "RELAYHOST_USER is set, but compose.relayhost.yml, which brings its password, is off"
    (umask 077 && printf '%s %s:%s\n' "$RELAYHOST" "$RELAYHOST_USER" \
      "$(cat /run/secrets/relayhost_password)" >/etc/postfix/relayhost)
  fi

  [ -f /etc/postfix/master.cf ] || cp /usr/share/postfix/master.cf.dist /etc/postfix/master.cf
  # Port 25 stays closed: this server receives nothing from strangers.
  postconf -MX smtp/inet 2>/dev/null || true
  postconf -M submission/inet='submission inet n - n - - smtpd' \
    submissions/inet='submissions inet n - n - - smtpd' \
    postlog/unix-dgram='postlog unix-dgram n - n - 1 postlogd'
  postconf -P submission/inet/syslog_name=postfix/submission \
    submission/inet/smtpd_tls_security_level=encrypt \
    submissions/inet/syslog_name=postfix/submissions \
    submissions/inet/smtpd_tls_wrappermode=yes
  # Where a container is, a second cage needs copies of what is outside it.
  postconf -F '*/*/chroot = n'

  mkdir -p /data/mail
  chown "$mailbox:$mailbox" /data/mail
  [ -f "$accounts" ] || : >"$accounts"
  chown root:dovecot "$accounts"
  chmod 0640 "$accounts"

  cat >/etc/dovecot/dovecot.conf <<END
# Signs people in for Postfix; there are no mailboxes to read here.
protocols =
log_path = /dev/stderr
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_username_format = %Lu
passdb {
  driver = passwd-file
  args = scheme=PLAIN username_format=%u $accounts
}
service auth {
  unix_listener /var/spool/postfix/private/auth {
    mode = 0600
    user = postfix
    group = postfix
  }
}
service stats {
  # Nothing asks for figures.
  unix_listener stats-reader {
    mode = 0
  }
}
END
}

# --- running ----------------------------------------------------------------------

healthy() {
  [ -S /var/spool/postfix/private/auth ] && accounts list >/dev/null &&
    printf 'QUIT\r\n' | openssl s_client -connect 127.0.0.1:465 -quiet 2>/dev/null | grep -q '^220 '
}

run() {
  : "${DOMAIN:?is the name of the relay}"
  [ -n "$TLS_CERTIFICATE" ] || own_certificate
  configure
  postfix check

  # A volume keeps that of the container before.
  rm -f /var/spool/postfix/private/auth
  trap 'stop; exit 0' TERM INT
  dovecot -F &
  dovecot=$!
  # Postfix must not accept what nobody can be signed in for.
  tries=0
  until [ -S /var/spool/postfix/private/auth ]; do
    tries=$((tries + 1))
    [ $tries -le 100 ] || die "Dovecot did not start"
    sleep 0.1
  done
  postfix start-fg &
  postfix=$!
  seconds=0
  while kill -0 $dovecot 2>/dev/null && kill -0 $postfix 2>/dev/null; do
    sleep 2 &
    wait $! || true
    seconds=$((seconds + 2))
    if [ $seconds -ge 86400 ]; then
      seconds=0
      # Postfix's processes read the new one as they are renewed, within minutes.
      [ -n "$TLS_CERTIFICATE" ] || own_certificate
    fi
  done
  say "a server ended by itself"
  stop
  exit 1
}

stop() {
  trap '' TERM INT
  postfix stop >/dev/null 2>&1 || true
  kill $dovecot 2>/dev/null || true
  wait
}

case ${1:-run} in
  run) run ;;
  healthy) healthy ;;
  *) die "usage: relay [healthy]" ;;
esac
