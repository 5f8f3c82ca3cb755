#!/bin/sh
# Rocket.Chat reads passwords from its environment only: they come from files here, so that
# the service's own settings do not have them.
set -eu

ADMIN_PASS=$(cat /run/secrets/admin_password)
export ADMIN_PASS
if [ -f /run/secrets/smtp_password ]; then
  OVERWRITE_SETTING_SMTP_Password=$(cat /run/secrets/smtp_password)
  export OVERWRITE_SETTING_SMTP_Password
fi
exec node main.js
