#!/bin/sh
# A deploy against `docker stack deploy` on the same swarm: nothing changed,
# and a first deploy until everything is verified healthy.
set -eu
. "$(dirname "$0")/lib.sh"

need_release
"$root/tests/images/build.sh" busybox
stack=bench_example_org
app=bench.example.org
recipe=$work/bench
mkdir -p "$recipe"
cat >"$recipe/compose.yml" <<YAML
version: "3.8"
services:
  app: &service
    image: potluck-test/busybox:1
    command: ["sh", "-c", "trap exit TERM; while :; do sleep 0.2; done"]
    networks: [internal]
    healthcheck: {test: ["CMD", "true"], interval: 1s, timeout: 2s, retries: 3}
    deploy: {endpoint_mode: dnsrr, update_config: {failure_action: rollback}}
  db:
    <<: *service
networks:
  internal:
YAML
printf 'TYPE=bench\nDOMAIN=%s\n' "$app" >"$recipe/.env.sample"

docker_remove() {
    docker stack rm "$1" >/dev/null 2>&1 || true
    while docker network ls -q --filter "label=com.docker.stack.namespace=$1" | grep -q .; do sleep 0.2; done
    while docker ps -q --filter "label=com.docker.stack.namespace=$1" | grep -q .; do sleep 0.2; done
}
trap 'docker_remove $stack; docker_remove bench_docker; rm -rf "$work"' EXIT

"$potluck" server add here --local >/dev/null
"$potluck" app new "$recipe" --server here --domain "$app" --no-input >/dev/null

potluck_deploy() { "$potluck" app deploy "$app" --no-input; }
docker_deploy() { docker stack deploy --detach=true -c "$recipe/compose.yml" bench_docker; }
docker_deploy_wait() { docker stack deploy --detach=false -c "$recipe/compose.yml" bench_docker; }
# What swarm itself needs: specs sent, then every task of both services running
# (swarm calls a task running when its health check has passed).
swarm_itself() {
    docker stack deploy --detach=true --resolve-image never -c "$recipe/compose.yml" bench_docker
    until [ "$(docker stack ps bench_docker --filter desired-state=running --format '{{.CurrentState}}' | grep -c '^Running')" = 2 ]; do
        sleep 0.05
    done
}

before_each() { docker_remove $stack; docker_remove bench_docker; }
pair "first deploy until healthy" "potluck app deploy (verified)" potluck_deploy "swarm itself (no verification)" swarm_itself
before_each() { :; }
potluck_deploy >/dev/null 2>&1
pair "unchanged deploy" "potluck app deploy (verified)" potluck_deploy "docker stack deploy (detached)" docker_deploy
pair "unchanged deploy, waiting" "potluck app deploy (verified)" potluck_deploy "docker stack deploy --detach=false" docker_deploy_wait
