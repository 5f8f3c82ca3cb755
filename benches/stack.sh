#!/bin/sh
# The stack commands against docker's: config on the largest file of the corpus
# that both accept and on a stack of 200 services, and a deploy of these that
# changes nothing. No service has tasks: what is measured is the program.
set -eu
. "$(dirname "$0")/lib.sh"

need_release
"$root/tests/images/build.sh" busybox
stack=bench_many
many=$work/many.yml

{
    echo 'version: "3.8"'
    echo 'services:'
    i=0
    while [ "$i" -lt 200 ]; do
        cat <<YAML
  service$i:
    image: potluck-test/busybox:1
    command: ["sh", "-c", "sleep 1000"]
    environment: {NUMBER: "$i", DOMAIN: "s$i.example.org"}
    networks: [internal]
    volumes: ["data$i:/data"]
    configs: [settings]
    healthcheck: {test: ["CMD", "true"], interval: 5s, timeout: 2s, retries: 3}
    deploy:
      replicas: 0
      endpoint_mode: dnsrr
      labels: {"traefik.http.routers.s$i.rule": "Host(\`s$i.example.org\`)"}
      update_config: {failure_action: rollback, order: start-first}
      resources: {limits: {memory: 128M}}
YAML
        i=$((i + 1))
    done
    echo 'networks: {internal: {}}'
    echo 'configs: {settings: {file: ./settings}}'
    echo 'volumes:'
    i=0
    while [ "$i" -lt 200 ]; do echo "  data$i: {}"; i=$((i + 1)); done
} >"$many"
echo 'key = value' >"$work/settings"

largest=
for file in $(wc -c "$root"/tests/corpus/*/compose.yml | sort -rn | awk '$2 != "total" { print $2 }'); do
    if docker stack config -c "$file" >/dev/null 2>&1; then largest=$file; break; fi
done
[ -n "$largest" ] || die "no file of the corpus is accepted by docker"

docker_remove() {
    docker stack rm "$stack" >/dev/null 2>&1 || true
    while docker network ls -q --filter "label=com.docker.stack.namespace=$stack" | grep -q .; do sleep 0.2; done
}
trap 'docker_remove; rm -rf "$work"' EXIT

say "$(basename "$(dirname "$largest")"): $(wc -c <"$largest") bytes; 200 services: $(wc -c <"$many") bytes"
for file in "$largest" "$many"; do
    potluck_config() { "$potluck" stack config -c "$file"; }
    docker_config() { docker stack config -c "$file"; }
    pair "stack config of $(basename "$(dirname "$file")")/$(basename "$file")" \
        "potluck stack config" potluck_config "docker stack config" docker_config
    printf '  peak memory: potluck %s, docker %s\n\n' \
        "$(peak_memory "$potluck" stack config -c "$file")" \
        "$(peak_memory docker stack config -c "$file")"
done

docker stack deploy --detach=true --resolve-image never -c "$many" "$stack" >/dev/null
for resolve in never always; do
    potluck_deploy() { "$potluck" stack deploy --detach --resolve-image "$resolve" -c "$many" "$stack"; }
    docker_deploy() { docker stack deploy --detach=true --resolve-image "$resolve" -c "$many" "$stack"; }
    pair "unchanged deploy of 200 services, --resolve-image $resolve" \
        "potluck stack deploy --detach" potluck_deploy "docker stack deploy --detach" docker_deploy
    printf '  peak memory: potluck %s, docker %s\n\n' \
        "$(peak_memory "$potluck" stack deploy --detach --resolve-image "$resolve" -c "$many" "$stack")" \
        "$(peak_memory docker stack deploy --detach=true --resolve-image "$resolve" -c "$many" "$stack")"
done
