#!/bin/sh
# How long backups of a volume of SIZE_MIB (512) take, the first and one of the same data:
# directly, over SSH through a helper container into a folder of this machine, and of a node
# without an endpoint by swarm jobs into a REST server.
set -eu
. "$(dirname "$0")/lib.sh"
rm -rf "$work"

need_release
"$root/scripts/setup.sh" test
"$root/tests/images/build.sh" busybox helper
export POTLUCK="$potluck" POTLUCK_TEST_REQUIRE_ENGINE=1
cd "$root"
cargo test --quiet --locked --test backup -- --ignored --nocapture how_long_a_volume_takes | grep MiB
