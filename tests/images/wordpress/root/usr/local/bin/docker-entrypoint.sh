#!/bin/sh
# The part of the upstream wordpress image's contract that recipes use: copies
# WordPress to /var/www/html when it is missing there, keeps what a volume under
# wp-content already holds, writes wp-config.php, and starts Apache.
set -eu

say() { printf 'WordPress: %s\n' "$*" >&2; }

install_files() {
  say "not found in $PWD, copying now"
  chown www-data:www-data .
  set --
  for part in /usr/src/wordpress/.htaccess /usr/src/wordpress/wp-content/*/*/; do
    part=${part%/}
    part=${part#/usr/src/wordpress/}
    [ ! -e "$part" ] || set -- "$@" --exclude "./$part"
  done
  [ ! -e wp-config.php ] || set -- "$@" --exclude ./wp-config.php
  tar -C /usr/src/wordpress --create "$@" --owner www-data --group www-data . |
    tar --extract --no-overwrite-dir
  # A fresh volume belongs to root.
  if [ "$(stat -c %u wp-content)" = 0 ]; then
    chown www-data:www-data wp-content
  fi
  say "copied"
}

phrase() { head -c 48 /dev/urandom | base64 | tr -d '\n'; }

write_config() {
  say "writing wp-config.php from WORDPRESS_ variables"
  while IFS= read -r line; do
    case $line in
      *"put your unique phrase here"*)
        printf '%s%s%s\n' "${line%%put your unique*}" "$(phrase)" "${line##*phrase here}" ;;
      *) printf '%s\n' "$line" ;;
    esac
  done <wp-config-docker.php >wp-config.php
  chown www-data:www-data wp-config.php
}

if [ "${1:-}" = apache2-foreground ]; then
  if [ ! -e index.php ] && [ ! -e wp-includes/version.php ]; then install_files; fi
  if [ ! -s wp-config.php ] && env | grep -q '^WORDPRESS_'; then write_config; fi
fi
exec "$@"
