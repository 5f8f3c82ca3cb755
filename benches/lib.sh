# Shared by the measurements beside it: a release build, or the program that POTLUCK names;
# paired runs, medians.
# shellcheck shell=sh disable=SC2034

. "$(dirname "$0")/../scripts/lib.sh"

runs=${RUNS:-5}
potluck=${POTLUCK:-$CARGO_TARGET_DIR/release/potluck}
work=$(mktemp -d "${TMPDIR:-/tmp}/potluck-bench.XXXXXX")
export POTLUCK_DIR="$work/home"
export POTLUCK_NO_INPUT=1

# Empties restic's repository, and potluck's below the folder that is given.
new_repositories() {
    rm -rf "$1/repository" "$work/repository"
    restic -r "$work/repository" init >/dev/null
    # potluck's password stays, and it makes its repository itself only once.
    if [ -f "$1/password" ]; then
        (unset RESTIC_PASSWORD; restic -r "$1/repository" --password-file "$1/password" init >/dev/null)
    fi
    sync
}

# simulated_wordpress APP POTLUCK...: the example recipe with its plugins, deployed on the
# simulated server by this command.
simulated_wordpress() {
    app=$1
    shift
    set -- "$@" app
    folder=$POTLUCK_DIR/state/simulated/simulated
    mkdir -p "$folder"
    cat >"$folder/script.yml" <<'YAML'
exec:
  - command: [php]
    answers:
      - contains: wp_install
        stdout: '{"installed": false, "upgraded": false, "moved_from": null, "locale_failed": false}'
YAML
    "$@" new "$root/recipes-examples/wordpress" --server simulated --domain "$app" --no-input \
        --set COMPOSE_FILE=compose.yml >/dev/null 2>&1
    "$@" secret generate "$app" >/dev/null 2>&1
    "$@" deploy "$app" --no-input \
        --grant 'database exec: db' --grant 'database secret: db_password' \
        --grant 'wordpress exec: app' --grant 'wordpress exec: db' \
        --grant 'mail exec: app' --grant 'mail secret: smtp_password' >/dev/null 2>&1
}

need_release() { [ -n "${POTLUCK:-}" ] || (cd "$root" && cargo build --quiet --release --locked); }

# Milliseconds of wall time that a command takes; its output goes to a log,
# which is shown when it fails.
measure() {
    begin=$(date +%s%N)
    if ! "$@" >"$work/run.log" 2>&1; then
        cat "$work/run.log" >&2
        die "the measured command failed: $*"
    fi
    end=$(date +%s%N)
    echo "$(((end - begin) / 1000)) us" >>"$work/all.log"
    echo $(((end - begin) / 1000))
}

# Median of microseconds on standard input, as milliseconds.
median() {
    sort -n | awk '{ v[NR] = $1 } END {
        if (NR == 0) { print "none"; exit 1 }
        m = NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2
        printf "%.1f ms (min %.1f, max %.1f, n %d)\n", m / 1000, v[1] / 1000, v[NR] / 1000, NR
    }'
}

# pair TITLE NAME_A FUNCTION_A NAME_B FUNCTION_B
# Runs both once to warm up, then in turn, A B A B …, so that a machine whose
# speed drifts treats both alike. A function `before_each`, if there is one,
# runs before every counted run and is not counted.
pair() {
    title=$1 name_a=$2 function_a=$3 name_b=$4 function_b=$5
    : >"$work/a"; : >"$work/b"
    before_each; measure "$function_a" >/dev/null; before_each; measure "$function_b" >/dev/null
    i=0
    while [ "$i" -lt "$runs" ]; do
        before_each; measure "$function_a" >>"$work/a"
        before_each; measure "$function_b" >>"$work/b"
        i=$((i + 1))
    done
    printf '%s\n  %-34s %s\n  %-34s %s\n' "$title" \
        "$name_a" "$(median <"$work/a")" "$name_b" "$(median <"$work/b")"
    paste "$work/a" "$work/b" | awk '{ print $1 / $2 }' | sort -n | awk -v a="$name_a" -v b="$name_b" \
        '{ v[NR] = $1 } END { printf "  ratio %s / %s, median of pairs: %.2f\n\n", a, b, v[int((NR + 1) / 2)] }'
}

before_each() { :; }

# Peak resident memory of a command, in MiB.
peak_memory() {
    /usr/bin/time -f '%M' -o "$work/rss" "$@" >"$work/run.log" 2>&1 || { cat "$work/run.log" >&2; die "failed: $*"; }
    awk '{ printf "%.1f MiB\n", $1 / 1024 }' "$work/rss"
}

# Peak resident memory of potluck's own process: time(1) would count restic, its
# child, as well.
peak_of_potluck() {
    "$potluck" "$@" >"$work/run.log" 2>&1 &
    pid=$! peak=0
    while kill -0 "$pid" 2>/dev/null; do
        now=$(awk '/^VmHWM/ { print $2 }' "/proc/$pid/status" 2>/dev/null || true)
        [ -z "$now" ] || peak=$now
        sleep 0.05
    done
    wait "$pid" || { cat "$work/run.log" >&2; die "failed: potluck $*"; }
    awk -v kib="$peak" 'BEGIN { printf "%.1f MiB\n", kib / 1024 }'
}
