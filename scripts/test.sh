#!/bin/sh
# Every check and every test. `FAST=1` leaves out what needs an engine, images
# or a WebAssembly toolchain. `SWARM_THREADS=N` runs N tests of the swarm at a time,
# where three for each core are too many or too few.
#
# A test that cannot run here says so in a file that is printed, and counted,
# at the end.
set -eu
. "$(dirname "$0")/lib.sh"
cd "$root"

export POTLUCK_TEST_SKIPS="$cache/skipped-tests.txt"
: >"$POTLUCK_TEST_SKIPS"

# They are unpacked and written, while everything else computes.
images_log=$cache/test-images.txt
images=
if [ -z "${FAST:-}" ]; then
    swarm=0
    "$root/scripts/setup.sh" test || swarm=$?
    [ $swarm = 0 ] || [ $swarm = 10 ] || exit $swarm
    # Where the engine was started, a test that does not find it has failed.
    [ $swarm != 0 ] || export POTLUCK_TEST_REQUIRE_ENGINE=1
    say "plugins"
    plugins/build.sh
    say "a guest built with a WASI standard library"
    tests/fixtures/python-guest/build.sh || echo "python guest: componentize-py could not build it here" >>"$POTLUCK_TEST_SKIPS"
    say "the example plugin in other languages"
    plugins/examples/build.sh || echo "plugins/examples: not every language could be built here" >>"$POTLUCK_TEST_SKIPS"
    if [ $swarm = 0 ]; then
        say "test images, meanwhile (log: $images_log)"
        tests/images/build.sh busybox docker-socket-proxy helper jekyll mariadb nginx oidc-provider peers pebble pelican postfix sign-on standin stores synapse traefik wordpress \
            >"$images_log" 2>&1 &
        images=$!
        trap 'trap - INT TERM EXIT; kill $images 2>/dev/null' EXIT
        trap 'trap - INT TERM EXIT; kill 0' INT TERM
    fi
fi

say "format, lints, documentation"
cargo fmt --check
busy clippy cargo clippy --quiet --all-targets --locked -- -D warnings
# Private items are documented too, so links to them are no mistake.
busy "the documentation" env RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" cargo doc --quiet --no-deps --locked --document-private-items
if have cargo-deny; then
    cargo fetch --locked --quiet
    cargo deny --offline --log-level error check bans licenses sources
else
    echo "cargo deny: not installed (cargo install cargo-deny)" >>"$POTLUCK_TEST_SKIPS"
fi
if have shellcheck; then
    shellcheck -x -P SCRIPTDIR scripts/*.sh tests/package/*.sh plugins/*.sh plugins/examples/*.sh recipes-examples/*/*.sh tests/images/*.sh tests/fixtures/pages/*.sh benches/*.sh
else
    echo "shellcheck: not installed" >>"$POTLUCK_TEST_SKIPS"
fi

# logged FILE COMMAND...: shows what the command writes, and keeps it.
logged() {
    file=$1
    shift
    { "$@" 2>&1 && echo 0 >"$file.status" || echo $? >"$file.status"; } | tee "$file"
    return "$(cat "$file.status")"
}

# reasons FILE...: the first lines of each test that failed, together: a reader of the end
# should not have to look for them among a thousand others.
reasons() {
    say "what failed"
    awk '/^---- .* stdout ----$/ { left = 15 } left-- > 0' "$@" >&2
}

# alone FILE: runs the few tests of the swarm that failed beside others once more, one at a
# time. They share one engine and two cores with everything else, so that a deadline of a browser
# or a kernel may be missed; those that pass now are named at the end.
alone() {
    names=$(awk '/^failures:$/ { on = 1 } /^test result/ { on = 0 } on && /^    [a-z0-9_]+::[a-z0-9_:]+$/ { print $1 }' "$1" | sort -u)
    count=$(printf '%s\n' "$names" | grep -c . || true)
    [ "$count" -ge 1 ] && [ "$count" -le 3 ] || return 1
    say "once more, alone: $(echo "$names" | tr '\n' ' ')"
    # shellcheck disable=SC2046,SC2086
    RUST_TEST_THREADS=1 cargo test --locked --no-fail-fast $(swarm_tests) -- --exact $names >"$1.alone" 2>&1 ||
        { cat "$1.alone"; return 1; }
    # A name that no test has would pass, too.
    passed=$(awk '/^test result: ok/ { sum += $4 } END { print sum + 0 }' "$1.alone")
    [ "$passed" -ge "$count" ] || return 1
    second_try=$names
}

say "tests"
status=0
second_try=
if [ -n "${FAST:-}" ]; then
    cargo test --locked --no-fail-fast || status=$?
else
    # Two lanes: while the tests of the swarm wait for it, the others compute.
    busy "building the tests" cargo test --locked --no-run
    if [ -n "$images" ]; then
        busy "the test images" wait $images || { tail -n 30 "$images_log" >&2; die "no test images"; }
        trap - EXIT
    fi
    trap 'trap - INT TERM; kill 0' INT TERM
    swarm_log=$cache/swarm-tests.txt
    other_log=$cache/other-tests.txt
    # shellcheck disable=SC2046
    RUST_TEST_THREADS=$(swarm_threads) cargo test --locked --no-fail-fast $(swarm_tests) \
        >"$swarm_log" 2>&1 &
    swarm_lane=$!
    # shellcheck disable=SC2046
    logged "$other_log" cargo test --locked --no-fail-fast --lib --bins $(other_tests) || status=$?
    cargo test --locked --no-fail-fast --doc || status=$?
    if have "$newer_restic/restic"; then
        say "backups with $("$newer_restic/restic" version)"
        # Those that look closely at what restic says; all of them are a campaign.
        PATH="$newer_restic:$PATH" cargo test --locked --no-fail-fast --test backup -- restic:: damaged:: || status=$?
    else
        echo "no newer restic: the tests of backups ran with one only" >>"$POTLUCK_TEST_SKIPS"
    fi
    say "tests of the swarm, $(swarm_threads) at a time"
    tail -n +1 -f --pid=$swarm_lane "$swarm_log"
    swarm_status=0
    wait $swarm_lane || swarm_status=$?
    trap - INT TERM
    [ $status = 0 ] || reasons "$other_log"
    if [ $swarm_status != 0 ]; then
        reasons "$swarm_log"
        alone "$swarm_log" || status=$swarm_status
    fi
fi
say "tests of the plugins"
(cd plugins && cargo test --quiet --locked --no-fail-fast --target-dir "$CARGO_TARGET_DIR/plugins-host") || status=$?

if have python3; then
    say "tests of the Python package"
    for folder in plugins/sdk-python/tests plugins/examples/python; do
        PYTHONPATH=plugins/sdk-python PYTHONDONTWRITEBYTECODE=1 python3 -m unittest discover -q -s "$folder" || status=$?
    done
else
    echo "python3: not installed" >>"$POTLUCK_TEST_SKIPS"
fi

skipped=$(sort -u "$POTLUCK_TEST_SKIPS" | grep -c . || true)
if [ "$skipped" != 0 ]; then
    printf '\n%s skipped:\n' "$skipped" >&2
    sort -u "$POTLUCK_TEST_SKIPS" | sed 's/^/  SKIPPED /' >&2
fi
for name in $second_try; do
    warn "FAILED beside others and passed alone: $name"
done
[ $status = 0 ] || die "tests failed"
say "all tests passed, $skipped skipped"
