#!/bin/sh
# Builds every plugin of this workspace into a component, and puts it where it
# is used:
#
#   plugins/build.sh            all of them; the standard ones go to
#                               plugins/std/built, from where they become part
#                               of potluck itself
#   plugins/build.sh --where    prints the files it makes, builds nothing
#
# Needs a Rust toolchain from rustup, and for the guests' target one of
#   rustup target add wasm32-unknown-unknown
#   apt-get install rustc-web rust-web-src         (Debian, without rustup's target)
# The first is tried by itself when neither is there.
#
# Build files go to ${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-~/.cache}/potluck/guests}.
# When nothing changed since the last build, it ends at once.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
repository=$(dirname "$here")
target=wasm32-unknown-unknown
: "${CARGO_TARGET_DIR:=${XDG_CACHE_HOME:-$HOME/.cache}/potluck/guests}"
export CARGO_TARGET_DIR

# CRATE and where its component goes, one a line.
components="wordpress recipes-examples/wordpress/plugins/wordpress.wasm
oidc-provider recipes-examples/oidc-provider/plugins/oidc-provider.wasm
authentik recipes-examples/authentik/plugins/authentik.wasm
keycloak recipes-examples/keycloak/plugins/keycloak.wasm
lemonldap-ng recipes-examples/lemonldap-ng/plugins/lemonldap-ng.wasm
synapse recipes-examples/synapse/plugins/synapse.wasm
mail-relay recipes-examples/mail-relay/plugins/mail-relay.wasm
every-role tests/fixtures/every-role.wasm
std-postgres plugins/std/built/postgres.wasm
std-mariadb plugins/std/built/mariadb.wasm
std-redis plugins/std/built/redis.wasm
std-sqlite plugins/std/built/sqlite.wasm
std-files plugins/std/built/files.wasm
std-backupbot plugins/std/built/backupbot.wasm
std-smtp plugins/std/built/smtp.wasm
std-oidc plugins/std/built/oidc.wasm
example-admin tests/fixtures/admin.wasm"

say() { printf '%s\n' "plugins: $*" >&2; }

where() {
  printf '%s\n' "$components" | while read -r _ file; do printf '%s\n' "$repository/$file"; done
}

# Everything a component is made of; the names too, as a file may be renamed.
inputs() {
  cd "$repository"
  find plugins wit -type f ! -path '*/target/*' ! -path 'plugins/std/built/*' | LC_ALL=C sort | xargs sha256sum
  rustc -vV
}

if [ "${1:-}" = --where ]; then where; exit 0; fi
[ $# -eq 0 ] || { say "usage: $0 [--where]"; exit 2; }
command -v cargo >/dev/null || { say "cargo is missing; see https://rustup.rs"; exit 1; }

mkdir -p "$CARGO_TARGET_DIR"
exec 9>"$CARGO_TARGET_DIR/potluck.lock"
flock 9

stamp=$CARGO_TARGET_DIR/potluck.stamp
fresh=$(inputs | sha256sum | cut -c1-64)
made() { where | while read -r file; do sha256sum "$file" || exit 1; done 2>/dev/null; }
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$fresh
$(made)" ]; then
  exit 0
fi

sysroot=$(rustc --print sysroot)
host=$(rustc -vV | sed -n 's/^host: //p')
tools=$sysroot/lib/rustlib/$host/bin
web_rustc=${WEB_RUSTC:-/usr/bin/rustc}
web_source() { printf '%s/lib/rustlib/src/rust' "$("$web_rustc" --print sysroot)"; }

has_target() { [ -d "$sysroot/lib/rustlib/$target/lib" ]; }
has_web() { [ -x "$web_rustc" ] && [ -f "$(web_source)/library/Cargo.lock" ]; }

if ! has_target && ! has_web && command -v rustup >/dev/null; then
  (cd "$repository" && rustup target add "$target" >&2) || true
fi

# wasm-component-ld makes the component as it links. No path of this machine may
# end up in it: the same source is the same component everywhere.
export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=wasm-component-ld
cargo_home=${CARGO_HOME:-$HOME/.cargo}
flags="--remap-path-prefix=$cargo_home/registry/src="
set -- build --release --locked --target "$target" --manifest-path "$here/Cargo.toml"
for crate in $(printf '%s\n' "$components" | cut -d' ' -f1); do set -- "$@" --package "$crate"; done

if has_target; then
  export RUSTFLAGS="$flags --remap-path-prefix=$sysroot/lib/rustlib/src/rust=/rust"
  cargo "$@"
elif has_web; then
  say "building with Debian's rustc-web; the first time takes about a minute"
  PATH=$tools/gcc-ld:$tools:$PATH RUSTC=$web_rustc RUSTC_BOOTSTRAP=1 \
    RUSTFLAGS="$flags --remap-path-prefix=$(web_source)=/rust" \
    cargo "$@" -Zbuild-std=std,panic_abort
else
  say "the target $target is missing"
  say "hint: rustup target add $target"
  say "hint: on Debian without it: apt-get install --no-install-recommends rustc-web rust-web-src"
  exit 1
fi

printf '%s\n' "$components" | while read -r crate file; do
  built=$CARGO_TARGET_DIR/$target/release/$(printf '%s' "$crate" | tr - _).wasm
  # In place of, not into: a component that is being read stays whole.
  mkdir -p "$repository/$(dirname "$file")"
  cp "$built" "$repository/$file.part"
  mv "$repository/$file.part" "$repository/$file"
  say "$file, $(wc -c <"$built") bytes"
done
printf '%s\n%s' "$fresh" "$(made)" >"$stamp"
