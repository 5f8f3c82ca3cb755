#!/bin/sh
# Runs at each start, as Nextcloud's own account, before its web server.
set -eu

occ() { php /var/www/html/occ --no-interaction "$@"; }

# Before it is installed there is nothing to set.
occ status --output=json | grep -q '"installed":true' || exit 0
occ background:cron
# Heavy work is done at night (UTC).
occ config:system:set maintenance_window_start --type=integer --value=1
[ -z "${PHONE_REGION:-}" ] || occ config:system:set default_phone_region --value="$PHONE_REGION"
