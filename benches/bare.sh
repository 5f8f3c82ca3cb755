#!/bin/sh
# How long it takes to show that a backup of an example can be restored (`backup drill`), and
# to bring the app back from nothing but its repository, its password, the age key and the
# signer's fingerprint (`backup restore --to-server`): whole commands on this machine's swarm,
# medians of RUNS (3).
#
#   benches/bare.sh [wordpress|synapse]     one of them
set -eu
RUNS=${RUNS:-3}
. "$(dirname "$0")/lib.sh"

need_release
port=${BENCH_PORT:-18451}

# Of the app, and of its drills.
remove() {
    for stack in $(docker stack ls --format '{{.Name}}' | grep bench-bare || true); do
        docker stack rm "$stack" >/dev/null 2>&1 || true
        while docker ps -aq --filter "label=com.docker.stack.namespace=$stack" | grep -q .; do sleep 0.2; done
    done
    for kind in volume secret config; do
        docker "$kind" ls --format '{{.Name}}' | grep bench-bare | xargs -r docker "$kind" rm >/dev/null 2>&1 || true
    done
}
trap 'remove; rm -rf "$work"' EXIT

# The program on the machine that is lost, and on the one that is new.
one() { HOME="$work/one" POTLUCK_DIR="$work/one/potluck" "$potluck" "$@"; }
two() { HOME="$work/two" POTLUCK_DIR="$work/two/potluck" "$potluck" "$@"; }

# bare NAME FLAG...: an example, with what its first deploy needs.
bare() {
    name=$1
    shift
    app=bench-bare-$name.example
    rm -rf "$work/one" "$work/store" "$work/recipe"
    mkdir -p "$work/one/potluck/servers/here"
    printf 'sesame\n' >"$work/password"
    chmod 600 "$work/password"
    printf 'endpoint: unix:///var/run/docker.sock\nbackup:\n  repository: %s\n  password-file: %s\n' \
        "$work/store" "$work/password" >"$work/one/potluck/servers/here/server.yml"
    one key new >/dev/null 2>&1
    cp -r "$root/recipes-examples/$name" "$work/recipe"
    git -C "$work/recipe" init -q
    git -C "$work/recipe" add --all --force
    git -C "$work/recipe" -c user.name=b -c user.email=b@example.org commit -qm example
    # shellcheck disable=SC2086
    one app new "$work/recipe" --server here --domain "$app" --no-input \
        --set COMPOSE_FILE=compose.yml:compose.test.yml --set "PORT=$port" $settings >/dev/null 2>&1
    one app secret generate "$app" --no-input >/dev/null 2>&1
    measure one app deploy "$app" --no-input "$@" >/dev/null
    measure one backup create "$app" >"$work/$name.backup"
    signer=$(basename "$work"/one/potluck/signers/*.yml .yml)
    : >"$work/$name.drill"; : >"$work/$name.bare"
    i=0
    while [ "$i" -lt "$runs" ]; do
        measure one backup drill "$app" >>"$work/$name.drill"
        remove
        # Another machine.
        rm -rf "$work/two"
        mkdir -p "$work/two/.config/potluck"
        cp "$work/one/.config/potluck/identity" "$work/two/.config/potluck/identity"
        measure two backup restore --to-server new \
            --endpoint unix:///var/run/docker.sock --repository "$work/store" --password-file "$work/password" \
            "$app" --signer "$signer" --yes >>"$work/$name.bare"
        i=$((i + 1))
    done
    remove
    say "$name: backup, whole command               $(median <"$work/$name.backup")"
    say "$name: drill, whole command                $(median <"$work/$name.drill")"
    say "$name: from bare metal, whole command      $(median <"$work/$name.bare")"
}

for example in ${1:-wordpress synapse}; do
    case $example in
    wordpress)
        "$root/tests/images/build.sh" mariadb wordpress
        settings="--set SITE_URL=http://bench-bare-wordpress.example:$port --set APP_IMAGE=potluck-test/wordpress:1"
        settings="$settings --set DB_IMAGE=potluck-test/mariadb:1 --set TITLE=Soup --set ADMIN_EMAIL=cook@example.org"
        bare wordpress --grant 'database exec: db' --grant 'database secret: db_password' \
            --grant 'wordpress exec: app' --grant 'wordpress exec: db' \
            --grant 'mail exec: app' --grant 'mail secret: smtp_password'
        ;;
    synapse)
        "$root/tests/images/build.sh" stores synapse
        settings=
        bare synapse --grant 'synapse exec: app' --grant 'synapse exec: db' \
            --grant 'database exec: db' --grant 'database secret: db_password' \
            --grant 'mail exec: app' --grant 'mail secret: smtp_password' \
            --grant 'sign-on secret: oidc_client_secret'
        ;;
    *) die "wordpress or synapse?" ;;
    esac
done
