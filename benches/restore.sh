#!/bin/sh
# How long a restore of WordPress (a dump of its database, 3 MB of files) takes its page away,
# and how long it takes altogether, on this machine's swarm: medians of RUNS (5). Beside it the
# floor: how long the page is away when docker alone stops that service and starts it again.
#
#   benches/restore.sh [OTHER]     also with another potluck, each in turn
set -eu
. "$(dirname "$0")/lib.sh"
other=${1:-}

need_release
app=bench-restore.example
stack=bench-restore_example
port=${BENCH_PORT:-18449}

clean() {
    docker stack rm "$stack" >/dev/null 2>&1 || true
    while docker ps -aq --filter "label=com.docker.stack.namespace=$stack" | grep -q .; do sleep 0.2; done
    docker volume ls -q --filter "label=com.docker.stack.namespace=$stack" | xargs -r docker volume rm >/dev/null 2>&1 || true
    docker secret ls -q --filter "name=${stack}_" | xargs -r docker secret rm >/dev/null 2>&1 || true
    docker config ls -q --filter "name=potluck.$stack" | xargs -r docker config rm >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap clean EXIT

answers() { curl -sfL -o /dev/null --max-time 5 -H "Host: $app:$port" "http://127.0.0.1:$port/"; }

# Milliseconds from the page's first failure until it answers again for good; asked every
# tenth of a second.
away() {
    first='' last=''
    while [ -d "$work" ] && [ ! -e "$work/restored" ]; do
        if ! answers; then
            last=$(date +%s%N)
            [ -n "$first" ] || first=$last
        fi
        sleep 0.1
    done
    [ -n "$first" ] || { first=0 last=0; }
    echo $(((last - first) / 1000)) >>"$1"
}

restores() {
    name=$1 program=$2
    rm -f "$work/restored"
    away "$work/$name.away" &
    watch=$!
    measure "$program" backup restore "$app" --yes >>"$work/$name.whole"
    touch "$work/restored"
    wait "$watch"
}

# What the page is away for without any data: the service of the volume to 0 and back.
scaled() {
    rm -f "$work/restored"
    away "$work/floor.away" &
    watch=$!
    begin=$(date +%s%N)
    docker service scale --detach "${stack}_app=0" >/dev/null
    while docker ps -q --filter "label=com.docker.swarm.service.name=${stack}_app" | grep -q .; do sleep 0.05; done
    docker service scale --detach "${stack}_app=1" >/dev/null
    until answers; do sleep 0.1; done
    echo $((($(date +%s%N) - begin) / 1000)) >>"$work/floor.whole"
    touch "$work/restored"
    wait "$watch"
}

"$potluck" server add here --local >/dev/null
"$potluck" app new "$root/recipes-examples/wordpress" --server here --domain "$app" --no-input \
    --set COMPOSE_FILE=compose.yml:compose.test.yml --set "PORT=$port" --set "SITE_URL=http://$app:$port" \
    --set APP_IMAGE=potluck-test/wordpress:1 --set DB_IMAGE=potluck-test/mariadb:1 \
    --set TITLE=Soup --set ADMIN_EMAIL=cook@example.org >/dev/null
"$potluck" app secret generate "$app" >/dev/null
"$potluck" app deploy "$app" --no-input --grant 'database exec: db' --grant 'database secret: db_password' \
    --grant 'wordpress exec: app' --grant 'wordpress exec: db' \
    --grant 'mail exec: app' --grant 'mail secret: smtp_password' >/dev/null 2>&1
tries=0
until answers; do
    tries=$((tries + 1))
    [ "$tries" -lt 60 ] || die "the page does not answer"
    sleep 1
done
# An earlier potluck cannot read what a later one takes.
"${other:-$potluck}" backup create "$app" >/dev/null 2>&1

run=1
while [ "$run" -le "$runs" ]; do
    [ -z "$other" ] || restores other "$other"
    restores potluck "$potluck"
    scaled
    run=$((run + 1))
done
for name in ${other:+other} potluck floor; do
    echo "$name: page away $(median <"$work/$name.away"), whole command $(median <"$work/$name.whole")"
done
