#!/usr/bin/env bash
# Runs every fuzz target, or those that are named, for SECONDS_EACH seconds (60).
# Needs a nightly toolchain and cargo-fuzz. New inputs go to fuzz/corpus, what
# breaks something to fuzz/artifacts; the seeds stay as they are.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${SECONDS_EACH:-60}
if [ $# -eq 0 ]; then
  mapfile -t targets < <(ls fuzz/seeds)
else
  targets=("$@")
fi
for target in "${targets[@]}"; do
  mkdir -p "fuzz/corpus/$target"
  cargo +nightly fuzz run --sanitizer none "$target" "fuzz/corpus/$target" "fuzz/seeds/$target" -- \
    -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=4096 -print_final_stats=1
done
