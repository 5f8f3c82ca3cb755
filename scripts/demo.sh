#!/bin/sh
# The main job, on this machine: deploy WordPress with its database, back it
# up, lose both volumes, bring it back. Every command is printed before it
# runs, so that it can be typed by hand.
#
# Where there is no swarm to be had, the same story runs on the simulated
# server, and says so.
set -eu
. "$(dirname "$0")/lib.sh"
cd "$root"

domain=blog.example.org
port=${PORT:-8088}
export POTLUCK_DIR="$cache/demo"

# Prints a command the way it would be typed, then runs it.
run() {
    printf '\n\033[1m$' >&2
    for word in "$@"; do
        case $word in
        *[!A-Za-z0-9_./:=@%+,-]*) printf " '%s'" "$word" >&2 ;;
        *) printf ' %s' "$word" >&2 ;;
        esac
    done
    printf '\033[0m\n' >&2
    "$@"
}

page() { curl -sS --max-time 20 -H "Host: $domain:$port" "http://127.0.0.1:$port/"; }
# What a reader sees: the text, without the numbers WordPress makes anew for each page view.
text() { page | sed -e 's/<[^>]*>//g' -e '/nonce\|_wpnonce\|ver=/d' | tr -s ' \t\n'; }

swarm=0
"$root/scripts/setup.sh" || swarm=$?
[ $swarm = 0 ] || [ $swarm = 10 ] || exit $swarm

app_image=$(sed -n 's/^ *image: \(wordpress:.*\)$/\1/p' recipes-examples/wordpress/compose.yml)
db_image=$(sed -n 's/^ *image: \(mariadb:.*\)$/\1/p' recipes-examples/wordpress/compose.yml)
pulled() { docker image inspect "$1" >/dev/null 2>&1 || timeout 600 docker pull --quiet "$1" >/dev/null 2>&1; }
images() {
    if pulled "$app_image" && pulled "$db_image"; then
        echo "using the upstream images"
    else
        echo "the upstream images cannot be pulled here: building images from Debian packages"
        tests/images/build.sh mariadb wordpress
    fi
}

# Fetched or built while the compiler works: they wait for other things.
images_log="$cache/demo-images.log"
if [ $swarm = 0 ]; then
    say "getting the images meanwhile (log: $images_log)"
    images >"$images_log" 2>&1 &
    images=$!
    trap 'kill "$images" 2>/dev/null || :' EXIT
fi

say "building potluck and its plugins (on two cores a first build takes 6 to 10 minutes)"
plugins/build.sh
busy "building potluck" cargo build --locked
PATH="$CARGO_TARGET_DIR/debug:$PATH"
# shellcheck disable=SC2016 # the PATH is for the reader's shell
printf 'To type the commands below by hand:\n  export PATH="%s:$PATH"\n  export POTLUCK_DIR="%s"\n' \
    "$CARGO_TARGET_DIR/debug" "$POTLUCK_DIR" >&2

if [ $swarm = 10 ]; then
    exec "$root/scripts/demo-simulated.sh"
fi

# A service's own address needs IPVS in the kernel; compose.test.yml does without.
overlay=compose.port.yml
[ -e /proc/net/ip_vs ] || (modprobe ip_vs 2>/dev/null && [ -e /proc/net/ip_vs ]) || overlay=compose.test.yml
say "waiting for the images"
wait "$images" || { tail -n 20 "$images_log" >&2; die "the images are not there; see $images_log"; }
trap - EXIT
say "$(head -n 1 "$images_log")"
if ! docker image inspect "$app_image" "$db_image" >/dev/null 2>&1; then
    app_image=potluck-test/wordpress:1
    db_image=potluck-test/mariadb:1
    overlay=compose.test.yml
fi

say "1. a server and an app"
run potluck server add here --local
if [ -e "$POTLUCK_DIR/servers/here/$domain.env" ]; then
    warn "$domain exists already from an earlier run; continuing with it"
    # That run may have been in a clone that is gone: the recipe is this one's.
    ln -sfn "$root/recipes-examples/wordpress" "$POTLUCK_DIR/recipes/wordpress"
else
    run potluck app new recipes-examples/wordpress --server here --domain "$domain" --no-input \
        --set "COMPOSE_FILE=compose.yml:$overlay" --set "PORT=$port" --set "SITE_URL=http://$domain:$port" \
        --set "APP_IMAGE=$app_image" --set "DB_IMAGE=$db_image" \
        --set "TITLE=Soup for everyone" --set "ADMIN_EMAIL=cook@example.org"
fi

say "2. its secrets, made from the recipe's rules and kept on the swarm"
run potluck app secret generate "$domain"

say "3. deploy: what would change, then the change, then the proof"
run potluck app deploy "$domain" --no-input \
    --grant 'database exec: db' --grant 'database secret: db_password' \
    --grant 'wordpress exec: app' --grant 'wordpress exec: db' \
    --grant 'mail exec: app' --grant 'mail secret: smtp_password'
run potluck app ps "$domain"
page >/dev/null || die "the site does not answer"
printf '\n' >&2
page | grep -o '<title>.*</title>'

say "4. something worth keeping"
run potluck app run "$domain" app -- php -r \
    'require "/var/www/html/wp-load.php"; wp_insert_post(["post_title" => "Leek and potato, ".gmdate("c"), "post_status" => "publish"]); file_put_contents(WP_CONTENT_DIR."/uploads/recipe.txt", "two leeks\n");'
text >"$cache/demo-before.txt"

say "5. a backup"
run potluck backup create "$domain"
run potluck backup snapshots "$domain"

say "6. the loss of both volumes"
stack=$(echo "$domain" | tr . _)
run potluck app undeploy "$domain" --no-input
# Swarm takes the stopped containers away a moment later; until then they hold the volumes.
until [ -z "$(docker ps -aq --filter "label=com.docker.stack.namespace=$stack")" ]; do sleep 0.5; done
run docker volume rm "${stack}_data" "${stack}_content"

say "7. the restore"
run potluck backup restore "$domain" --yes
page >/dev/null || die "the site does not answer after the restore"
text >"$cache/demo-after.txt"
if diff "$cache/demo-before.txt" "$cache/demo-after.txt"; then
    say "the same page as before: $(grep -o 'Leek and potato[^<]*' "$cache/demo-after.txt" | head -n 1)"
else
    die "the page after the restore differs from the page before"
fi
run potluck app run "$domain" app -- cat /var/www/html/wp-content/uploads/recipe.txt

say "done: http://127.0.0.1:$port/ (as host $domain). To remove it all:"
printf '  potluck app undeploy %s && potluck app rm %s --no-backup\n' "$domain" "$domain" >&2
