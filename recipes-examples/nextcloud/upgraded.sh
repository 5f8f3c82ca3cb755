#!/bin/sh
# Runs once after an upgrade, as Nextcloud's own account: what `occ upgrade` leaves for people
# to do, because it can take long.
set -eu

php /var/www/html/occ --no-interaction db:add-missing-columns
php /var/www/html/occ --no-interaction db:add-missing-indices
php /var/www/html/occ --no-interaction db:add-missing-primary-keys
