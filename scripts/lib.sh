# Shared by the scripts beside it: where things are kept, and how to say things.
# shellcheck shell=sh disable=SC2034

root=$(cd "$(dirname "$0")/.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/potluck
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$cache/target}"
# Where a second, newer restic is kept.
newer_restic=$cache/restic-newer
mkdir -p "$cache" "$CARGO_TARGET_DIR"

# Cargo knows a package by its place within the workspace, and takes it for built
# when its files are older than what was built: that may be another clone's. Files
# that are new make it build this one.
if [ "$(cat "$CARGO_TARGET_DIR/clone" 2>/dev/null)" != "$root" ]; then
    touch "$root/build.rs" "$root/src/lib.rs" "$root/src/main.rs"
    printf '%s\n' "$root" >"$CARGO_TARGET_DIR/clone"
fi

say() { printf '\033[1m==> %s\033[0m\n' "$*" >&2; }
warn() { printf 'warning: %s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# busy WHAT COMMAND...: where nobody sees cargo's bar, says every 25 seconds that it is
# still at work: the last crates take longer than a reader's patience.
busy() {
    what=$1
    shift
    if [ -t 2 ]; then
        "$@"
        return
    fi
    (while sleep 25; do say "$what: still at it"; done) &
    speaking=$!
    done_with=0
    "$@" || done_with=$?
    kill "$speaking" 2>/dev/null || :
    return "$done_with"
}

# The test programs that wait for the swarm more than they compute, as cargo takes them.
swarm_tests() { printf -- '--test %s ' deploy backup engine attacks; }

# All others.
other_tests() {
    for main in "$root"/tests/*.rs "$root"/tests/*/main.rs; do
        name=$(basename "${main%/main.rs}" .rs)
        case " $(swarm_tests) " in *" $name "*) ;; *) printf -- '--test %s ' "$name" ;; esac
    done
}

# How many of their tests run at a time: SWARM_THREADS, else three for each core, as each
# computes for a tenth of its time, up to what one engine keeps up with.
swarm_threads() {
    threads=${SWARM_THREADS:-$(($(getconf _NPROCESSORS_ONLN) * 3))}
    [ "$threads" -le 12 ] || [ -n "${SWARM_THREADS:-}" ] || threads=12
    echo "$threads"
}
