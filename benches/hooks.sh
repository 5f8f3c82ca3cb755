#!/bin/sh
# What a hook costs inside potluck's process, beside a shell and `docker exec`:
# benches/hooks.rs.
set -eu
. "$(dirname "$0")/lib.sh"

"$root/plugins/build.sh"
"$root/tests/images/build.sh" busybox
# Made by componentize-py, with an interpreter inside.
python=${XDG_CACHE_HOME:-$HOME/.cache}/potluck/python-guest/guest.wasm
"$root/tests/fixtures/python-guest/build.sh"
container=$(docker run -d --rm potluck-test/busybox:1 sleep 3600)
trap 'docker kill "$container" >/dev/null; rm -rf "$work"' EXIT
cd "$root"
set -- wordpress recipes-examples/wordpress/plugins/wordpress.wasm \
    every-role tests/fixtures/every-role.wasm python "$python"
cargo bench --quiet --locked --bench hooks -- "$runs" "$container" "$@"
