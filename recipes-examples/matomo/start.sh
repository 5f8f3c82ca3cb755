#!/bin/sh
# Starts Matomo: its settings and what it writes are in the volume, the rest is the image's. It
# makes the tables and the first account where there are none, and upgrades tables of an older
# version.
set -eu

say() { printf 'matomo: %s\n' "$*" >&2; }
as_server() { setpriv --reuid=www-data --regid=www-data --clear-groups --inh-caps=-all "$@"; }

cd /var/www/html
# The image's own start: it copies Matomo to this place.
/entrypoint.sh true

mkdir -p /data/config /data/misc/user /data/tmp
install -m 0400 /etc/matomo/common.config.ini.php /data/config/common.config.ini.php
chown www-data:www-data /data /data/config /data/config/common.config.ini.php /data/misc /data/misc/user /data/tmp
printf "<?php\ndefine('PIWIK_USER_PATH', '/data');\n" >bootstrap.php
# A logo of one's own is asked for there.
rm -rf misc/user
ln -s /data/misc/user misc/user

# Nothing of an older version's, and nothing that was restored.
if [ "$1" != archive ]; then rm -rf /data/tmp/cache /data/tmp/templates_c; fi

# Prints what is to be done: wait, install, restore, upgrade or nothing.
state() {
  # shellcheck disable=SC2016 # PHP expands it
  php -r '
    mysqli_report(MYSQLI_REPORT_OFF);
    $password = rtrim(file_get_contents("/run/secrets/db_password"), "\r\n");
    $db = @new mysqli(getenv("DB_HOST"), "matomo", $password, "matomo");
    if ($db->connect_errno) { fwrite(STDERR, "matomo: $db->connect_error\n"); exit("wait"); }
    preg_match("/VERSION = .([0-9.]+)/", file_get_contents("core/Version.php"), $files);
    $found = @$db->query("SELECT option_value FROM matomo_option WHERE option_name = \"version_core\"");
    $row = $found ? $found->fetch_row() : null;
    $settings = @file_get_contents("/data/config/config.ini.php");
    if (!$row) {
      // Installed, and no tables: they are just being restored.
      exit($settings !== false && !str_contains($settings, "installation_in_progress") ? "restore" : "install");
    }
    if ($settings === false) { exit("settings"); }
    $order = version_compare($row[0], $files[1]);
    exit($order < 0 ? "upgrade" : ($order > 0 ? "newer" : "nothing"));'
}

tries=0
until now=$(state) && [ "$now" != wait ]; do
  tries=$((tries + 1))
  [ "$tries" -lt 60 ] || { say "the database does not answer"; exit 1; }
  sleep 2
done

if [ "$1" = archive ]; then
  # The service `app` makes and upgrades the tables.
  while touch /tmp/round && [ "$now" != nothing ]; do
    sleep 5
    now=$(state)
  done
  while :; do
    touch /tmp/round
    as_server php console core:archive --no-ansi >/tmp/archive.log 2>&1 || { say "archiving failed"; tail -n 20 /tmp/archive.log >&2; }
    touch /tmp/round
    sleep "${ARCHIVE_EVERY:-3600}"
  done
fi

if [ "$now" = restore ]; then
  say "it is installed, and there are no tables: waiting for them to be restored"
  # Well enough for the health check.
  touch /tmp/waiting
  tries=0
  while [ "$now" = restore ] || [ "$now" = wait ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 1800 ] || { say "nobody restored them"; exit 1; }
    sleep 2
    now=$(state)
  done
  # The last of them may be on their way.
  sleep 5
  now=$(state)
  rm -f /tmp/waiting
fi
case $now in
  install)
    say "making tables and the account $ADMIN_USER"
    cp /run/secrets/admin_password /tmp/admin_password
    chown www-data /tmp/admin_password
    as_server php /install.php
    rm -f /tmp/admin_password
    ;;
  settings)
    say "there are tables, and no settings: restore a backup, or remove the volumes"
    exit 1
    ;;
  newer)
    say "the tables are those of a newer Matomo: restore a backup from before, or deploy a newer version"
    exit 1
    ;;
  upgrade)
    say "upgrading the tables"
    as_server php console core:update --yes --no-ansi >&2
    ;;
esac
exec "$@"
