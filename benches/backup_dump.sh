#!/bin/sh
# A dump of 1 GiB through `backup create` against the same command piped by a
# shell: `docker exec … | restic backup --stdin`, each into a new repository;
# and potluck's peak memory meanwhile. SIZE_MIB and RUNS make it smaller.
#
# The dump is planned by `std:mariadb`, and taken by a `mariadb-dump` that prints
# a file: what is measured is the way, not MariaDB.
set -eu
. "$(dirname "$0")/lib.sh"

size=${SIZE_MIB:-1024}
need_release
"$root/tests/images/build.sh" busybox
"$root/plugins/build.sh"
app=bench-dump.example.org
stack=bench-dump_example_org
recipe=$work/bench-dump
mkdir -p "$recipe"
cat >"$recipe/recipe.yml" <<'YAML'
plugins:
  - name: database
    component: std:mariadb
    grants: [{exec: db}]
  - name: content
    component: std:files
    options: {volumes: [content]}
YAML
printf '#!/bin/sh\nexec cat /data/dump\n' >"$recipe/mariadb-dump"
printf '#!/bin/sh\n' >"$recipe/mariadb"
cat >"$recipe/compose.yml" <<'YAML'
version: "3.8"
services:
  app:
    image: potluck-test/busybox:1
    command: ["sleep", "1000000"]
    stop_grace_period: 0s
    volumes: ["content:/content"]
    deploy: {endpoint_mode: dnsrr}
  db:
    image: potluck-test/busybox:1
    command: ["sleep", "1000000"]
    stop_grace_period: 0s
    environment: {MARIADB_USER: bench, MARIADB_DATABASE: bench, MARIADB_PASSWORD_FILE: /dev/null}
    configs:
      - {source: mariadb_dump, target: /bin/mariadb-dump, mode: 0555}
      - {source: mariadb, target: /bin/mariadb, mode: 0555}
    volumes: ["data:/data"]
    deploy: {endpoint_mode: dnsrr}
configs:
  mariadb_dump:
    file: ./mariadb-dump
  mariadb:
    file: ./mariadb
volumes:
  content:
  data:
YAML
cat >"$recipe/.env.sample" <<ENV
TYPE=bench-dump
DOMAIN=$app
ENV

remove() {
    docker stack rm $stack >/dev/null 2>&1 || true
    while docker ps -aq --filter "label=com.docker.stack.namespace=$stack" | grep -q .; do sleep 0.2; done
    docker volume rm ${stack}_data ${stack}_content >/dev/null 2>&1 || true
}
trap 'remove; rm -rf "$work"' EXIT

"$potluck" server add here --local >/dev/null
"$potluck" app new "$recipe" --server here --domain "$app" --no-input >/dev/null
"$potluck" app deploy "$app" --no-input --detach --grant 'exec: db' >"$work/run.log" 2>&1 \
    || { cat "$work/run.log" >&2; die "the deploy failed"; }
database() { docker ps -q --filter "label=com.docker.swarm.service.name=${stack}_db"; }
until [ -n "$(database)" ]; do sleep 0.2; done
container=$(database)
folder=$(docker volume inspect --format '{{.Mountpoint}}' ${stack}_data)
# Text of every size of repetition compresses as SQL does, about threefold.
head -c $((size * 1048576 * 3 / 4)) /dev/urandom | base64 -w 120 | head -c $((size * 1048576)) >"$folder/dump"
printf '\n-- Dump completed\n' >>"$folder/dump"

export RESTIC_PASSWORD=bench RESTIC_CACHE_DIR="$work/cache"
state=$POTLUCK_DIR/state/backups/here
potluck_backup() { "$potluck" backup create "$app" --no-input; }
shell_pipe() {
    docker exec "$container" mariadb-dump \
        | restic -r "$work/repository" backup --host here --stdin --stdin-filename db.sql
}

before_each() { new_repositories "$state"; }
pair "dump of $size MiB, new repository" "potluck backup create" potluck_backup "docker exec | restic --stdin" shell_pipe
before_each
printf 'peak memory of potluck, restic not counted: %s\n' "$(peak_of_potluck backup create "$app" --no-input)"
