#!/bin/sh
# Makes this machine ready to build, run and test potluck; run it as often as
# you like. Installs what is missing (Debian and its children, as root), starts
# the Docker engine if none answers, and makes it a swarm if it is not one.
#
# `setup.sh test` adds what only the tests use; sshd, cron and a registry not where
# systemd would start them for everyone.
#
# Ends with 0 when a swarm answers, with 10 when everything but a swarm is
# there: without root or an engine potluck still runs on its simulated server.
set -eu
. "$(dirname "$0")/lib.sh"

install_missing() {
    missing=
    # command:package
    pairs=
    if [ "${1:-}" = test ]; then
        pairs="shellcheck:shellcheck npm:npm fuse2fs:fuse2fs age:age rclone:rclone faketime:faketime"
        # A browser, for the tests of signing in.
        pairs="$pairs chromium:chromium chromedriver:chromium-driver"
        # Debian's python3 alone makes no environments.
        python3 -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python3-venv"
        [ -d /run/systemd/system ] ||
            pairs="$pairs /usr/sbin/sshd:openssh-server cron:cron docker-registry:docker-registry"
        pairs="$pairs systemd-analyze:systemd"
    fi
    for pair in $pairs cc:gcc git:git curl:curl restic:restic dockerd:docker.io docker:docker.io \
        iptables:iptables tini:tini mmdebstrap:mmdebstrap; do
        have "${pair%%:*}" || missing="$missing ${pair##*:}"
    done
    [ -x /bin/busybox ] || missing="$missing busybox-static"
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" != 0 ]; then
        warn "missing:$missing. Install them, or run this as root on Debian or Ubuntu."
        return 0
    fi
    if ! have apt-get; then
        warn "missing:$missing. Install them with this system's package manager."
        return 0
    fi
    say "installing$missing"
    apt-get update -qq
    # containerd and runc are what docker.io only recommends in part.
    case $missing in *docker.io*) missing="$missing containerd runc" ;; esac
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >"$cache/apt.log" 2>&1 ||
        { tail -n 20 "$cache/apt.log" >&2; die "installing$missing failed"; }
}

# Guests are built for wasm32-unknown-unknown: rustup's own target where it can
# be had, else Debian's compiler with the library's source.
wasm_target() {
    [ -d "$(rustc --print target-libdir --target wasm32-unknown-unknown 2>/dev/null)" ] && return 0
    [ -f /usr/lib/rustlib/src/rust/library/Cargo.lock ] && return 0
    have rustup && rustup target add wasm32-unknown-unknown >/dev/null 2>&1 && return 0
    if [ "$(id -u)" = 0 ] && have apt-get; then
        say "installing rustc-web and rust-web-src, to build plugins"
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends rustc-web rust-web-src \
            >"$cache/apt.log" 2>&1 || { tail -n 20 "$cache/apt.log" >&2; return 1; }
        return 0
    fi
    warn "plugins cannot be built: run 'rustup target add wasm32-unknown-unknown'"
}

# sshd lets nobody in whom /etc/shadow does not name, and slim images name nobody.
shadow_entries() {
    [ "$(id -u)" = 0 ] && have pwconv || return 0
    grep -qs '^root:' /etc/shadow || pwconv || warn "/etc/shadow has no entry of root: the tests over SSH will fail"
}

# An S3 server for the tests of repositories, in an environment of its own.
s3_server() {
    version=5.2.5
    folder=$cache/moto-$version
    [ -x "$folder/bin/moto_server" ] && return 0
    say "installing moto $version, an S3 server for tests"
    { python3 -m venv "$folder" && "$folder/bin/pip" install --quiet "moto[server]==$version"; } \
        >"$cache/moto.log" 2>&1 ||
        { rm -rf "$folder"; warn "moto cannot be installed: the tests of S3 are skipped (log: $cache/moto.log)"; }
}

# Debian 13's restic beside Debian 12's: it is one file, and the tests of backups are run with
# both.
newer_restic() {
    [ -x "$newer_restic/restic" ] && return 0
    grep -qs '^VERSION_CODENAME=bookworm' /etc/os-release && have apt-get && have dpkg-deb || return 0
    say "fetching the next Debian's restic, for tests"
    apt=$cache/apt-newer
    rm -rf "$apt"
    mkdir -p "$apt/sources" "$apt/lists/partial" "$apt/archives/partial" "$newer_restic"
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
        [ ! -f "$file" ] || sed 's/bookworm/trixie/g' "$file" >"$apt/sources/${file##*/}"
    done
    set -- -qq -o Dir::Etc::SourceList=/dev/null -o "Dir::Etc::SourceParts=$apt/sources" \
        -o "Dir::State::Lists=$apt/lists" -o "Dir::Cache=$apt"
    (cd "$apt" && apt-get "$@" update && apt-get "$@" download restic && dpkg-deb -x restic_*.deb root &&
        mv root/usr/bin/restic "$newer_restic/restic") >"$cache/apt-newer.log" 2>&1 ||
        warn "a newer restic cannot be fetched: backups are tested with one only (log: $cache/apt-newer.log)"
    rm -rf "$apt"
}

start_engine() {
    docker info >/dev/null 2>&1 && return 0
    have dockerd || { warn "there is no Docker engine on this machine"; return 1; }
    [ "$(id -u)" = 0 ] || { warn "the Docker engine does not answer, and starting it needs root"; return 1; }
    if [ -d /run/systemd/system ]; then
        systemctl start docker || return 1
    else
        say "starting the Docker engine (log: $cache/dockerd.log)"
        setsid nohup dockerd >"$cache/dockerd.log" 2>&1 </dev/null &
    fi
    tries=0
    until docker info >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ $tries -lt 60 ] || { tail -n 20 "$cache/dockerd.log" >&2; warn "the Docker engine did not start"; return 1; }
        sleep 0.5
    done
}

make_swarm() {
    case $(docker info --format '{{.Swarm.LocalNodeState}}/{{.Swarm.ControlAvailable}}') in
    active/true) ;;
    active/*) warn "this engine is a worker of a swarm, not a manager"; return 1 ;;
    *)
        say "making this engine a swarm of one node"
        docker swarm init --advertise-addr 127.0.0.1 >/dev/null
        ;;
    esac
}

have cargo || die "a Rust toolchain (1.95 or newer) is needed: see https://rustup.rs"
install_missing "$@"
wasm_target
[ "${1:-}" != test ] || { shadow_entries; s3_server; newer_restic; }
have restic || warn "restic is missing: backups will not work"
if start_engine && make_swarm; then
    exit 0
fi
exit 10
