#!/bin/sh
# `backup create` of a 1 GiB volume against `restic backup` of the same folder:
# a new repository for every run (everything is read and stored), and the same
# repository again (nothing changed). SIZE_MIB and RUNS make it smaller; MIXED=1
# makes files of every size instead of 4 MiB each, half of them text.
set -eu
. "$(dirname "$0")/lib.sh"

size=${SIZE_MIB:-1024}
need_release
"$root/tests/images/build.sh" busybox
app=bench-volume.example.org
stack=bench-volume_example_org
recipe=$work/bench-volume
mkdir -p "$recipe"
cat >"$recipe/compose.yml" <<YAML
version: "3.8"
services:
  app:
    image: potluck-test/busybox:1
    command: ["sleep", "1000000"]
    stop_grace_period: 0s
    volumes: ["data:/data"]
    deploy: {endpoint_mode: dnsrr}
volumes:
  data:
YAML
printf 'TYPE=bench-volume\nDOMAIN=%s\n' "$app" >"$recipe/.env.sample"

remove() {
    docker stack rm $stack >/dev/null 2>&1 || true
    while docker ps -aq --filter "label=com.docker.stack.namespace=$stack" | grep -q .; do sleep 0.2; done
    docker volume rm ${stack}_data >/dev/null 2>&1 || true
}
trap 'remove; rm -rf "$work"' EXIT

"$potluck" server add here --local >/dev/null
"$potluck" app new "$recipe" --server here --domain "$app" --no-input >/dev/null
"$potluck" app deploy "$app" --no-input >/dev/null 2>&1
folder=$(docker volume inspect --format '{{.Mountpoint}}' ${stack}_data)
# Files of 4 MiB that do not compress, as pictures and archives are.
pictures() {
    i=0
    while [ "$i" -lt $((size / 4)) ]; do
        mkdir -p "$folder/$((i % 16))"
        head -c 4194304 /dev/urandom >"$folder/$((i % 16))/$i.bin"
        i=$((i + 1))
    done
}
# For each 64 MiB: one file of 32 MiB and four of 4 MiB that do not compress, 512 of 16 KiB
# and 2048 of 4 KiB that do.
mixed() {
    i=0
    while [ "$i" -lt $((size / 64)) ]; do
        mkdir -p "$folder/$i/small"
        head -c 33554432 /dev/urandom >"$folder/$i/film"
        for n in 1 2 3 4; do head -c 4194304 /dev/urandom >"$folder/$i/picture-$n"; done
        head -c 12582912 /dev/urandom | base64 -w 120 >"$work/text"
        (cd "$folder/$i/small" && head -c 8388608 "$work/text" | split -a 4 -b 16384 - page- &&
            tail -c 8388608 "$work/text" | split -a 4 -b 4096 - note-)
        i=$((i + 1))
    done
}
if [ -n "${MIXED:-}" ]; then mixed; else pictures; fi

export RESTIC_PASSWORD=bench RESTIC_CACHE_DIR="$work/cache"
state=$POTLUCK_DIR/state/backups/here
potluck_backup() { "$potluck" backup create "$app" --no-input; }
restic_backup() { (cd "$folder" && restic -r "$work/repository" backup --host here .); }

before_each() { new_repositories "$state"; }
pair "$size MiB volume, new repository" "potluck backup create" potluck_backup "restic backup" restic_backup
before_each() { :; }
pair "$size MiB volume, nothing changed" "potluck backup create" potluck_backup "restic backup" restic_backup

printf 'peak memory of potluck, restic not counted: %s\n' "$(peak_of_potluck backup create "$app" --no-input)"
