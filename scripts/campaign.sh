#!/bin/sh
# What is too long for every test run: `make campaign NAME`, before a release. Each
# has a short sample among the tests. docs/campaigns.md says what they are, and keeps
# the last figures.
set -eu
. "$(dirname "$0")/lib.sh"
cd "$root"

engine() {
    "$root/scripts/setup.sh" test
    plugins/build.sh
    tests/images/build.sh busybox docker-socket-proxy helper isso jekyll lemonldap-ng mariadb matomo mediawiki nginx oidc-provider peers pebble pelican pgadmin postfix sign-on standin stores synapse traefik wordpress
    export POTLUCK_TEST_REQUIRE_ENGINE=1
}

# Files changed by chance, read by docker and by potluck.
generated() {
    export POTLUCK_GENERATED="${POTLUCK_GENERATED:-5000}" POTLUCK_SEED="${POTLUCK_SEED:-$(date +%s)}"
    say "generated: $POTLUCK_GENERATED files from the seed $POTLUCK_SEED"
    cargo test --locked --test compose generated:: -- --nocapture
}

# Mutations of every fuzz target's seeds.
fuzz() {
    export POTLUCK_FUZZ_RUNS="${POTLUCK_FUZZ_RUNS:-20000}"
    say "fuzz: $POTLUCK_FUZZ_RUNS mutations for each target"
    cargo test --locked --test fuzz_smoke -- --nocapture
}

# The tests that use the real swarm, again and again and more at a time than usual:
# what depends on time fails now and then.
crowded() {
    rounds=${ROUNDS:-5} threads=${THREADS:-8} failed=0 round=1
    engine
    while [ "$round" -le "$rounds" ]; do
        say "crowded: round $round of $rounds, $threads tests at a time"
        # shellcheck disable=SC2046
        cargo test --locked --no-fail-fast $(swarm_tests) -- --test-threads "$threads" ||
            failed=$((failed + 1))
        round=$((round + 1))
    done
    [ "$failed" = 0 ] || die "$failed of $rounds rounds failed"
}

# Operations killed at every moment, finished and undone from another folder.
crash() {
    engine
    export POTLUCK_CRASH_EVERY=1
    cargo test --locked --test deploy crash:: -- --nocapture --test-threads 1
    cargo test --locked --test backup moving:: -- --nocapture --test-threads 1
    cargo test --locked --test deploy crash_real:: -- --nocapture --include-ignored
}

# A real application's upgrade that fails in the middle of its migration, each way.
upgrade() {
    engine
    cargo test --locked --test deploy synapse:: -- --nocapture --include-ignored --test-threads 2
}

# Mail of every example recipe through the example relay.
mail() {
    engine
    cargo test --locked --test deploy mail:: -- --nocapture --include-ignored --test-threads 2
}

# People sign in at LemonLDAP::NG, and to every example that speaks OpenID Connect by itself.
sign_on() {
    engine
    cargo test --locked --test deploy sign_in::lemonldap_ng -- --nocapture --include-ignored
    cargo test --locked --test deploy sign_in_apps:: -- --nocapture --include-ignored --test-threads 2
}

# Every recipe of a common app that can be run for real: upgrades, losses, restores.
commons() {
    engine
    cargo test --locked --test deploy commons:: -- --nocapture --include-ignored --test-threads 2
}

# Recipes made of what projects publish for Docker Compose, deployed as they were made.
upstream() {
    engine
    cargo test --locked --test deploy upstream:: -- --nocapture --include-ignored --test-threads 1
}

# The level of every example recipe on a simulated server, and of some on the real one, as their
# READMEs say it.
levels() {
    engine
    cargo test --locked --test cli recipe_test::every_example -- --nocapture --include-ignored
    cargo test --locked --test deploy recipe_test::examples_have -- --nocapture --include-ignored
}

# Each kind of file in a repository, damaged in each way: no success is false.
damage() {
    export POTLUCK_DAMAGE_EVERY=1
    cargo test --locked --test backup -- damaged::matrix damaged::killed --nocapture
}

# Every test of backups once more, with a newer restic than this machine's own.
newer() {
    engine
    have "$newer_restic/restic" || die "there is no newer restic: see scripts/setup.sh"
    say "newer: $("$newer_restic/restic" version)"
    PATH="$newer_restic:$PATH" cargo test --locked --no-fail-fast --test backup
}

# Dump commands that fail in every way: none becomes a backup that says nothing.
dumps() {
    export POTLUCK_DUMP_BYTES="${POTLUCK_DUMP_BYTES:-1073741824}"
    cargo test --locked --test backup app::dumps -- --nocapture
}

# Nights of a fleet with faults by chance: each is said, and no success is false.
week() {
    have restic || "$root/scripts/setup.sh" test || true
    export POTLUCK_WEEK_SERVERS="${POTLUCK_WEEK_SERVERS:-20}" POTLUCK_WEEK_APPS="${POTLUCK_WEEK_APPS:-10}"
    export POTLUCK_WEEK_NIGHTS="${POTLUCK_WEEK_NIGHTS:-7}" POTLUCK_SEED="${POTLUCK_SEED:-$(date +%s)}"
    say "week: $POTLUCK_WEEK_NIGHTS nights from the seed $POTLUCK_SEED"
    cargo test --locked --test backup week:: -- --nocapture
}

names="generated fuzz crowded crash upgrade mail sign-on commons upstream levels week damage dumps newer"
[ $# != 0 ] || die "which one? make campaign NAME, where NAME is one of: $names"
for name in "$@"; do
    case " $names " in *" $name "*) ;; *) die "no campaign \`$name\`: there are $names" ;; esac
done
for name in "$@"; do
    begin=$(date +%s)
    # A function's name has no hyphen.
    "$(echo "$name" | tr - _)"
    say "$name passed in $(($(date +%s) - begin)) s"
done
