#!/bin/sh
# What changes an app and what brings it back, on this machine's swarm: an upgrade of the
# example synapse with its backup (the whole command), one that fails in its migration (from
# the failure to "runs again", and the whole command), a rollback with data; a deploy whose
# new version is unhealthy at once (the same two); and a change of one service against
# `docker stack deploy --detach=false`, paired. Medians of RUNS (5).
#
#   benches/upgrade.sh [small|synapse]     one half of it
#
# POTLUCK names another program than the release build.
set -eu
. "$(dirname "$0")/lib.sh"
what=${1:-all}

if [ -n "${POTLUCK:-}" ]; then potluck=$POTLUCK; else need_release; fi
small=bench-small.example
chat=bench-chat.example
port=${BENCH_PORT:-18448}

# Those of the half that is run: the other may run beside it.
case $what in
small) stacks="bench-small_example bench_docker" ;;
synapse) stacks=bench-chat_example ;;
*) stacks="bench-small_example bench_docker bench-chat_example" ;;
esac
clean() {
    for stack in $stacks; do
        docker stack rm "$stack" >/dev/null 2>&1 || true
        while docker ps -aq --filter "label=com.docker.stack.namespace=$stack" | grep -q .; do sleep 0.2; done
        docker volume ls -q --filter "label=com.docker.stack.namespace=$stack" | xargs -r docker volume rm >/dev/null 2>&1 || true
        docker secret ls -q --filter "name=${stack}_" | xargs -r docker secret rm >/dev/null 2>&1 || true
        docker config ls -q --filter "name=potluck.$stack" | xargs -r docker config rm >/dev/null 2>&1 || true
    done
    rm -rf "$work"
}
trap clean EXIT
git_in() { git -C "$1" -c user.name=b -c user.email=b@example.org "$2" "$3" "$4"; }
release() { git_in "$1" add --all --force && git_in "$1" commit -q "-m$2" && git_in "$1" tag -f "$2"; }

"$potluck" server add here --local >/dev/null

# fails FILE COMMAND...: has to end with exit code 4. Adds microseconds from when its failure
# is known until it ends to FILE, and those of the whole to FILE.whole.
fails() {
    times=$1
    shift
    begin=$(date +%s%N)
    { "$@" 2>&1 || echo "exit code $?"; } | while IFS= read -r line; do
        printf '%s %s\n' "$(date +%s%N)" "$line"
    done >"$work/run.log"
    tail -n 1 "$work/run.log" | grep -q 'exit code 4$' || { cat "$work/run.log" >&2; die "it did not end with 4: $*"; }
    awk -v begin="$begin" '
        !failed && (/failed in its migration/ || / roll(ing)? back/ || / unhealthy/) { failed = $1 }
        { end = $1 }
        END { printf "%d %d\n", (end - failed) / 1000, (end - begin) / 1000 }' "$work/run.log" >"$work/pair"
    cut -d' ' -f1 "$work/pair" >>"$times"
    cut -d' ' -f2 "$work/pair" >>"$times.whole"
}

# An upgrade that the database's lock holds up, until Synapse's program is killed.
upgrade_killed() {
    (
        until pid=$(docker ps -q --filter "name=bench-chat_example_app." | head -n 1 |
            xargs -r -I@ docker top @ -eo pid,args 2>/dev/null | awk '/update_synapse_database/ { print $1; exit }') && [ -n "$pid" ]; do sleep 0.05; done
        kill -9 "$pid"
    ) &
    killer=$!
    "$potluck" app upgrade "$chat" --no-input && code=0 || code=$?
    wait "$killer"
    return "$code"
}

synapse() {
    "$root/tests/images/build.sh" stores synapse
    recipe=$work/synapse
    cp -r "$root/recipes-examples/synapse" "$recipe"
    git -C "$recipe" init -q
    for file in compose.yml compose.test.yml; do
        cp "$recipe/$file" "$work/$file"
        sed -i 's/0\.2\.0+/0.1.0+/; s/1\.163\.2/1.99.0/' "$recipe/$file"
    done
    release "$recipe" 0.1.0+v1.99.0
    cp "$work/compose.yml" "$work/compose.test.yml" "$recipe"
    release "$recipe" 0.2.0+v1.163.2
    "$potluck" app new "$recipe" --server here --domain "$chat" --no-input \
        --set "PORT=$port" --set COMPOSE_FILE=compose.yml:compose.test.yml >/dev/null
    "$potluck" app secret generate "$chat" --no-input >/dev/null
    "$potluck" app deploy "$chat" 0.1.0+v1.99.0 --no-input --grant 'synapse exec: app' --grant 'synapse exec: db' \
        --grant 'database exec: db' --grant 'database secret: db_password' \
        --grant 'mail exec: app' --grant 'mail secret: smtp_password' \
        --grant 'sign-on secret: oidc_client_secret' >/dev/null
    "$potluck" app cmd "$chat" create-user ada -q >/dev/null
    : >"$work/upgrade"; : >"$work/back"; : >"$work/failed"; : >"$work/failed.whole"
    i=0
    while [ "$i" -lt "$runs" ]; do
        fails "$work/failed" upgrade_killed
        measure "$potluck" app upgrade "$chat" --no-input >>"$work/upgrade"
        measure "$potluck" app rollback "$chat" --data --no-input >>"$work/back"
        i=$((i + 1))
    done
    say "synapse: upgrade with backup, whole command       $(median <"$work/upgrade")"
    say "synapse: failed upgrade, from failure to its end  $(median <"$work/failed")"
    say "synapse: failed upgrade, whole command            $(median <"$work/failed.whole")"
    say "synapse: rollback --data, whole command           $(median <"$work/back")"
}

small() {
    "$root/tests/images/build.sh" busybox
    recipe=$work/small
    mkdir -p "$recipe"
    printf 'TYPE=small\nDOMAIN=\nVALUE=0\nHEALTH=true\n' >"$recipe/.env.sample"
    cat >"$recipe/compose.yml" <<'YAML'
version: "3.8"
services:
  app:
    image: potluck-test/busybox:1
    command: ["sh", "-c", "trap exit TERM; while :; do sleep 0.2; done"]
    environment: {VALUE: "${VALUE}"}
    healthcheck: {test: ["CMD", "${HEALTH}"], interval: 1s, timeout: 2s, retries: 1}
    deploy: {endpoint_mode: dnsrr, update_config: {failure_action: rollback, monitor: 1s}}
YAML
    "$potluck" app new "$recipe" --server here --domain "$small" --no-input >/dev/null
    "$potluck" app deploy "$small" --no-input >/dev/null
    settings=$POTLUCK_DIR/servers/here/$small.env
    : >"$work/health"; : >"$work/health.whole"
    i=0
    while [ "$i" -lt "$runs" ]; do
        sed -i 's/^HEALTH=.*/HEALTH=false/' "$settings"
        fails "$work/health" "$potluck" app deploy "$small" --no-input
        sed -i 's/^HEALTH=.*/HEALTH=true/' "$settings"
        i=$((i + 1))
    done
    say "unhealthy at once: from failure to the end        $(median <"$work/health")"
    say "unhealthy at once: whole command                  $(median <"$work/health.whole")"
    "$potluck" app deploy "$small" --no-input >/dev/null
    n=0
    before_each() {
        n=$((n + 1))
        sed -i "s/^VALUE=.*/VALUE=$n/" "$settings"
    }
    ours() { "$potluck" app deploy "$small" --no-input; }
    theirs() { VALUE=$n HEALTH=true docker stack deploy --detach=false --resolve-image never -c "$recipe/compose.yml" bench_docker; }
    theirs >/dev/null 2>&1
    pair "a change of one service" "potluck app deploy -n" ours "docker stack deploy --detach=false" theirs
}

case $what in
small) small ;;
synapse) synapse ;;
all) small; synapse ;;
*) die "small or synapse?" ;;
esac
