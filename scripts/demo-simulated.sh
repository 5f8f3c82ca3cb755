#!/bin/sh
# The demo's story where no swarm can be had: the same commands, recipe, hooks
# and backups, on potluck's simulated server. Nothing is really served; what the
# programs in the services would answer is scripted below.
set -eu
. "$(dirname "$0")/lib.sh"
cd "$root"

domain=blog.example.org
stack=blog_example_org
export POTLUCK_DIR="$cache/demo-simulated"
PATH="$CARGO_TARGET_DIR/debug:$PATH"
swarm=$POTLUCK_DIR/state/simulated/simulated

run() {
    printf '\n\033[1m[simulated] $' >&2
    for word in "$@"; do
        case $word in
        *[!A-Za-z0-9_./:=@%+,-]*) printf " '%s'" "$word" >&2 ;;
        *) printf ' %s' "$word" >&2 ;;
        esac
    done
    printf '\033[0m\n' >&2
    "$@"
}

say "SIMULATED: no swarm answers here, so the story runs on potluck's simulated server"
rm -rf "$POTLUCK_DIR"
mkdir -p "$swarm"
cp "$root/scripts/demo-simulated.yml" "$swarm/script.yml"

say "1. an app on the simulated server"
run potluck app new recipes-examples/wordpress --server simulated --domain "$domain" --no-input \
    --set COMPOSE_FILE=compose.yml --set "TITLE=Soup for everyone"
say "2. its secrets"
run potluck app secret generate "$domain"
say "3. deploy"
run potluck app deploy "$domain" --no-input \
    --grant 'database exec: db' --grant 'database secret: db_password' \
    --grant 'wordpress exec: app' --grant 'wordpress exec: db' \
    --grant 'mail exec: app' --grant 'mail secret: smtp_password'
run potluck app ps "$domain"
say "4. something worth keeping"
run potluck app run "$domain" db -- write-tables <scripts/demo-tables.sql
echo '<h1>Leek and potato</h1>' | run potluck app run "$domain" app -- write-page
if ! have restic; then
    warn "restic is missing: the story ends before the backup"
    exit 0
fi
say "5. a backup"
run potluck backup create "$domain"
run potluck backup snapshots "$domain"
say "6. the loss of both volumes"
run potluck app undeploy "$domain" --no-input
run rm -r "$swarm/volumes/${stack}_data" "$swarm/volumes/${stack}_content"
say "7. the restore"
run potluck backup restore "$domain" --yes
page=$(run potluck app run "$domain" app -- read-page)
[ "$page" = '<h1>Leek and potato</h1>' ] || die "the page after the restore is: $page"
grep -q 'Leek and potato' "$swarm/volumes/${stack}_data/_data/tables.sql" || die "the tables are not back"
say "done, SIMULATED: the same page and the same tables are back"
