#!/bin/sh
# Start-up time, size of the binary.
set -eu
. "$(dirname "$0")/lib.sh"
trap 'rm -rf "$work"' EXIT

need_release
version() { "$potluck" --version; }
docker_version() { docker --version; }
pair "start-up" "potluck --version" version "docker --version" docker_version
printf 'size of the binary: potluck %.1f MB, docker %.1f MB\n' \
    "$(stat -c %s "$potluck" | awk '{ print $1 / 1e6 }')" \
    "$(stat -Lc %s "$(command -v docker)" | awk '{ print $1 / 1e6 }')"
printf 'peak memory of potluck --version: %s\n' "$(peak_memory "$potluck" --version)"
