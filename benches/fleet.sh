#!/bin/sh
# Many apps on many servers: 200 apps of one recipe on 20 simulated servers, ten on each,
# deployed at the recipe's first release, with a second one to upgrade to. Wall time and
# peak memory of what looks at all of them, medians of RUNS runs. SERVERS and APPS (on
# each) make it smaller; POTLUCK names another program than the release build.
#
# A simulated server is a file that is read and written for each request, so what it takes
# grows with the apps on it; a real one answers over a socket, and waits for itself.
set -eu
. "$(dirname "$0")/lib.sh"

servers=${SERVERS:-20}
apps=${APPS:-10}
lanes=${LANES:-10}
trap 'rm -rf "$work"' EXIT
if [ -n "${POTLUCK:-}" ]; then potluck=$POTLUCK; else need_release; fi

# A recipe of two services, a volume, a config and a secret, in git, with two releases.
recipe=$work/fleet
mkdir -p "$recipe"
in_recipe() { git -C "$recipe" -c user.name=bench -c user.email=bench@example.org "$@" >/dev/null; }
release() {
    cat >"$recipe/compose.yml" <<YAML
version: "3.8"
services:
  app:
    image: example/app:$1
    environment: [DOMAIN, "GREETING=\${GREETING}", DB_PASSWORD_FILE=/run/secrets/db_password]
    networks: [internal]
    configs: [{source: settings, target: /etc/app.conf}]
    secrets: [db_password]
    volumes: ["content:/srv"]
    healthcheck: {test: ["CMD", "true"], interval: 5s, retries: 3}
    deploy: {restart_policy: {condition: on-failure}, labels: ["coop-cloud.\${STACK_NAME}.version=$2"]}
  db:
    image: example/db:15.$1
    environment: [POSTGRES_PASSWORD_FILE=/run/secrets/db_password]
    networks: [internal]
    secrets: [db_password]
    volumes: ["data:/var/lib/data"]
networks:
  internal:
volumes:
  content:
  data:
configs:
  settings:
    name: \${STACK_NAME}_settings_\${SETTINGS_VERSION}
    file: settings.conf
secrets:
  db_password:
    external: true
    name: \${STACK_NAME}_db_password_\${SECRET_DB_PASSWORD_VERSION}
YAML
    printf 'listen = 8080\nrelease = %s\n' "$2" >"$recipe/settings.conf"
    printf 'export SETTINGS_VERSION=v%s\n' "$1" >"$recipe/abra.sh"
    in_recipe add .
    in_recipe commit -qm "Release $2"
    in_recipe tag "$2"
}
git -c init.defaultBranch=main init -q "$recipe"
printf 'TYPE=fleet\nDOMAIN=\nGREETING=hello\nSECRET_DB_PASSWORD_VERSION=v1\n' >"$recipe/.env.sample"
release 1 1.0.0+1.0.0
release 2 1.1.0+1.1.0
# As `app new` would, and only once.
mkdir -p "$POTLUCK_DIR/recipes"
git clone -q "$recipe" "$POTLUCK_DIR/recipes/fleet"

# One server after the other: each is a file of its own, so lanes never meet.
lane() {
    server=$1
    while [ "$server" -le "$servers" ]; do
        "$potluck" server add "s$server" simulated >/dev/null
        app=1
        while [ "$app" -le "$apps" ]; do
            name=a$app.s$server.example.org
            "$potluck" -q app new fleet --server "s$server" --domain "$name" --version 1.0.0+1.0.0
            "$potluck" -q app secret generate "$name"
            "$potluck" -q app deploy "$name" --yes
            app=$((app + 1))
        done
        server=$((server + lanes))
    done
}
number=1
pids=
while [ "$number" -le "$lanes" ]; do
    lane "$number" >"$work/lane$number.log" 2>&1 &
    pids="$pids $!"
    number=$((number + 1))
done
for pid in $pids; do
    wait "$pid" || { cat "$work"/lane*.log >&2; die "an app was not deployed"; }
done

# What finds something wrong, or not all of it, says so by its exit code.
tolerate() { "$@" || [ $? -le 3 ]; }

# Time and peak memory of one command, with git's and other children.
report() {
    : >"$work/times"; : >"$work/rss"
    "$@" >/dev/null 2>&1 || true
    run=0
    while [ "$run" -lt "$runs" ]; do
        measure tolerate /usr/bin/time -q -f %M -a -o "$work/rss" "$@" >>"$work/times"
        run=$((run + 1))
    done
    shift
    printf '%-34s %s, peak %s\n' "$*" "$(median <"$work/times")" \
        "$(sort -n "$work/rss" | awk '{ v[NR] = $1 } END { printf "%.1f MiB", v[int((NR + 1) / 2)] / 1024 }')"
}

printf '%s apps on %s simulated servers\n' "$((servers * apps))" "$servers"
report "$potluck" app ls
report "$potluck" app ls --status
report "$potluck" status
report "$potluck" log
report "$potluck" app upgrade --all --dry-run
report "$potluck" app drift --all
printf 'and where three servers do not answer\n'
for number in 1 2 3; do
    [ "$number" -gt "$servers" ] || echo 'unreachable: true' >"$POTLUCK_DIR/state/simulated/s$number/script.yml"
done
report "$potluck" app ls --status
report "$potluck" status
report "$potluck" app upgrade --all --dry-run
[ -z "${KEEP:-}" ] || { cp -a "$POTLUCK_DIR" "$KEEP"; echo "kept in $KEEP"; }
