#!/bin/sh
# For `cargo build` in a folder of builds that clones share: see lib.sh.
set -eu
. "$(dirname "$0")/lib.sh"
