#!/bin/sh
# Starts MediaWiki: makes the wiki where the database is empty, brings its tables to the
# version of the files where they are of another one, and hands over to the image.
set -eu
cd /var/www/html

say() { printf 'wiki: %s\n' "$*" >&2; }

# The state of the database: empty, none (it does not answer), or the version of the
# files that last brought its tables up to date.
state() {
  # shellcheck disable=SC2016 # PHP expands it
  php -r '
    mysqli_report(MYSQLI_REPORT_OFF);
    $password = rtrim(file_get_contents("/run/secrets/db_password"), "\r\n");
    $db = @new mysqli(getenv("DB_HOST"), "mediawiki", $password, "mediawiki");
    if ($db->connect_errno) { fwrite(STDERR, "wiki: $db->connect_error\n"); exit("none"); }
    $tables = $db->query("SHOW TABLES LIKE \"updatelog\"");
    if (!$tables || !$tables->num_rows) { exit("empty"); }
    $row = $db->query("SELECT ul_value FROM updatelog WHERE ul_key = \"recipe-version\"")->fetch_row();
    exit($row ? $row[0] : "unknown");'
}

# Written into a table that MediaWiki has for such notes.
note() {
  # shellcheck disable=SC2016 # PHP expands it
  php -r '
    $password = rtrim(file_get_contents("/run/secrets/db_password"), "\r\n");
    $db = new mysqli(getenv("DB_HOST"), "mediawiki", $password, "mediawiki");
    $note = $db->prepare("REPLACE INTO updatelog (ul_key, ul_value) VALUES (\"recipe-version\", ?)");
    $note->execute([$argv[1]]);' "$1"
}

as_server() {
  if [ "$(id -u)" = 0 ]; then
    setpriv --reuid=www-data --regid=www-data --clear-groups --inh-caps=-all "$@"
  else
    "$@"
  fi
}

version=$(sed -n "s/^define( *'MW_VERSION', *'\([^']*\)' *);/\1/p" includes/Defines.php)
mkdir -p /tmp/mediawiki
[ "$(id -u)" != 0 ] || chown www-data:www-data /tmp/mediawiki images

tries=0
until now=$(state) && [ "$now" != none ]; do
  tries=$((tries + 1))
  [ "$tries" -lt 60 ] || { say "the database does not answer"; exit 1; }
  sleep 2
done

if [ "$1" = jobs ]; then
  # The service `app` makes and upgrades the tables.
  while [ "$now" != "$version" ]; do
    say "waiting for the tables of $version"
    touch /tmp/round
    sleep 5
    now=$(state)
  done
  export MW_CONFIG_FILE=/etc/mediawiki/LocalSettings.php
  while :; do
    touch /tmp/round
    php maintenance/runJobs.php --maxtime=600 --memory-limit=256M >/dev/null || say "a job failed"
    touch /tmp/round
    sleep "${JOBS_EVERY:-10}"
  done
fi

if [ "$now" = empty ]; then
  say "making the wiki"
  # The administrator's password is read before the account changes.
  umask 077
  mkdir -p /tmp/install
  cp /run/secrets/admin_password /tmp/install/admin
  cp /run/secrets/db_password /tmp/install/db
  chown -R www-data:www-data /tmp/install
  umask 022
  as_server php maintenance/install.php --confpath /tmp/install --dbtype mysql \
    --dbserver "$DB_HOST" --dbname mediawiki --dbuser mediawiki --dbpassfile /tmp/install/db \
    --passfile /tmp/install/admin --server "${SITE_URL:-https://$DOMAIN}" --scriptpath "" \
    --lang "$LOCALE" "$SITE_NAME" "$ADMIN_USER" >&2
  rm -rf /tmp/install
fi
ln -sf /etc/mediawiki/LocalSettings.php LocalSettings.php
if [ "$now" != "$version" ]; then
  case $now in
    [0-9]*)
      if [ "$(printf '%s\n' "$now" "$version" | sort -V | tail -n 1)" = "$now" ]; then
        say "the tables are those of MediaWiki $now, which $version cannot use: restore a backup from before, or deploy a newer version"
        exit 1
      fi ;;
  esac
  say "bringing the tables from ${now} to $version"
  php maintenance/update.php --quick >&2
  note "$version"
fi
exec "$@"
