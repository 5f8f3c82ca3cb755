#!/bin/sh
# All measurements, one after the other. RUNS=5 is the least that counts.
set -eu
. "$(dirname "$0")/../scripts/lib.sh"
"$root/scripts/setup.sh"
for bench in start deploy stack plugin hooks backup_volume backup_dump fleet; do
    say "$bench"
    "$root/benches/$bench.sh"
done
