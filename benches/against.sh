#!/bin/sh
# This potluck against another one, paired: `benches/against.sh OTHER`, where
# OTHER is the program of an earlier commit. An unchanged `app deploy` of two
# services, `stack config` of 200, and the first hook of a program that starts (its
# plugins compiled before). Each has a folder and a stack of its own.
set -eu
. "$(dirname "$0")/lib.sh"
other=${1:?usage: benches/against.sh OTHER}
case $other in /*) ;; *) other=$PWD/$other ;; esac

need_release
"$root/tests/images/build.sh" busybox
recipe=$work/bench
mkdir -p "$recipe"
cat >"$recipe/compose.yml" <<YAML
services:
  app: &service
    image: potluck-test/busybox:1
    command: ["sh", "-c", "trap exit TERM; while :; do sleep 0.2; done"]
    networks: [internal]
    volumes: [data:/data]
    deploy: {endpoint_mode: dnsrr}
  db:
    <<: *service
networks:
  internal:
volumes:
  data:
YAML
printf 'TYPE=bench\nDOMAIN=\n' >"$recipe/.env.sample"
{
    printf 'services:\n'
    i=0
    while [ $i -lt 200 ]; do
        printf '  s%d:\n    image: example/app:1.%d\n    environment: {A: b, N: "%d"}\n    ports: ["%d:80"]\n' \
            $i $i $i $((10000 + i))
        i=$((i + 1))
    done
} >"$work/large.yml"

this_one() { POTLUCK_DIR=$work/this "$potluck" "$@"; }
other_one() { POTLUCK_DIR=$work/other "$other" "$@"; }
clean() {
    for stack in this_bench_example other_bench_example; do
        docker stack rm $stack >/dev/null 2>&1 || true
        while docker ps -aq --filter "label=com.docker.stack.namespace=$stack" | grep -q .; do sleep 0.2; done
        docker volume rm "${stack}_data" >/dev/null 2>&1 || true
        docker config rm "potluck.$stack.owner" "potluck.$stack.history" >/dev/null 2>&1 || true
    done
    rm -rf "$work"
}
trap clean EXIT
for one in this other; do
    "${one}_one" server add here --local >/dev/null
    "${one}_one" app new "$recipe" --server here --domain "$one.bench.example" --no-input >/dev/null
    "${one}_one" app deploy "$one.bench.example" --no-input >/dev/null
done

this_deploy() { this_one app deploy this.bench.example --no-input; }
other_deploy() { other_one app deploy other.bench.example --no-input; }
pair "unchanged deploy" "this" this_deploy "the other" other_deploy
this_config() { "$potluck" stack config -c "$work/large.yml"; }
other_config() { "$other" stack config -c "$work/large.yml"; }
pair "stack config of 200 services" "this" this_config "the other" other_config
for one in this other; do
    POTLUCK_DIR=$work/$one-hooks
    export POTLUCK_DIR
    case $one in this) program=$potluck ;; *) program=$other ;; esac
    simulated_wordpress hooks.example "$program"
done
this_hook() { POTLUCK_DIR=$work/this-hooks "$potluck" app cmd hooks.example; }
other_hook() { POTLUCK_DIR=$work/other-hooks "$other" app cmd hooks.example; }
pair "process start to the answer of the first hook" "this" this_hook "the other" other_hook
