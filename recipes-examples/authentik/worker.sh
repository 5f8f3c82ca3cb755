#!/bin/bash
# Gives authentik what it makes on the first start, and starts its worker. Its other settings
# are read from files, these are not (authentik's documentation, "Automated install").
set -eu

AUTHENTIK_BOOTSTRAP_PASSWORD=$(</run/secrets/admin_password)
AUTHENTIK_BOOTSTRAP_TOKEN=$(</run/secrets/api_token)
export AUTHENTIK_BOOTSTRAP_PASSWORD AUTHENTIK_BOOTSTRAP_TOKEN
exec ak worker
