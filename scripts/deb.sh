#!/bin/sh
# Makes potluck_VERSION_ARCHITECTURE.deb: the program, its manual pages, completions and
# documents, and a timer that is off. The same commit and compiler give the same package.
#
#   scripts/deb.sh [FOLDER]     FOLDER is where it is put (dist)
#
# POTLUCK_BINARY is a program that is built already; without it potluck is built as it is
# shipped. DEB_COMPRESSION is what dpkg-deb is given (-Zxz).
set -eu
. "$(dirname "$0")/lib.sh"
cd "$root"

have dpkg-deb || die "there is no dpkg-deb: packages are made on Debian and its derivatives"
output=${1:-dist}
binary=${POTLUCK_BINARY:-}
if [ -z "$binary" ]; then
    "$root/scripts/own-builds.sh"
    plugins/build.sh
    busy "building potluck as it is shipped" cargo build --quiet --release --locked
    binary=$CARGO_TARGET_DIR/release/potluck
fi

# Without a tag of its own, a version says which commit it is of, and is older than the release.
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
if commit=$(git rev-parse --short=10 HEAD 2>/dev/null); then
    [ "$(git tag --points-at HEAD "v$version")" ] ||
        version="$version~$(git rev-list --count HEAD).$commit"
    SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
    export SOURCE_DATE_EPOCH
fi
architecture=$(dpkg --print-architecture)
# The newest symbols of libc that the program needs.
libc=$(objdump -T "$binary" | sed -n 's/.*(\{0,1\}GLIBC_\([0-9.]*\).*/\1/p' | sort -Vu | tail -n 1)

tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
chmod 755 "$tree"
umask 022
doc=$tree/usr/share/doc/potluck
man=$tree/usr/share/man/man1
units=$tree/usr/lib/systemd/user
mkdir -p "$tree/DEBIAN" "$tree/usr/bin" "$doc" "$man" "$units" \
    "$tree/usr/share/bash-completion/completions" "$tree/usr/share/zsh/vendor-completions" \
    "$tree/usr/share/fish/vendor_completions.d"

strip -o "$tree/usr/bin/potluck" "$binary"
"$binary" --quiet man --dir "$man"
gzip -9n "$man"/*
"$binary" completions bash >"$tree/usr/share/bash-completion/completions/potluck"
"$binary" completions zsh >"$tree/usr/share/zsh/vendor-completions/_potluck"
"$binary" completions fish >"$tree/usr/share/fish/vendor_completions.d/potluck.fish"
cp packaging/systemd/* "$units"
cp packaging/copyright README.md LICENSE "$doc"
cp -r docs recipes-examples "$doc"
rm -rf "$doc"/recipes-examples/*/plugins/*/target
gzip -9nc CHANGELOG.md >"$doc/changelog.gz"
chmod -R u+rwX,go+rX,go-w "$tree"

cat >"$tree/DEBIAN/control" <<CONTROL
Package: potluck
Version: $version
Architecture: $architecture
Maintainer: the potluck contributors <potluck@example.org>
Section: admin
Priority: optional
Installed-Size: $(du -sk --exclude=DEBIAN "$tree" | cut -f1)
Depends: libc6 (>= $libc), libgcc-s1, ca-certificates, git, restic (>= 0.14)
Recommends: openssh-client, man-db, bash-completion
Suggests: docker.io
Description: deploy libre software to Docker Swarm, with provable backups
 potluck deploys recipes (compose files, an environment file, versions in git)
 to servers that run Docker Swarm, makes their secrets, and runs their hooks
 as sandboxed WebAssembly components. Backups go through restic.
 .
 It runs on the operator's machine and reaches servers over SSH.
CONTROL
(cd "$tree" && find . -path ./DEBIAN -prune -o -type f -print0 | sort -z | xargs -0 md5sum |
    sed 's|  \./|  |') >"$tree/DEBIAN/md5sums"

mkdir -p "$output"
package=$output/potluck_${version}_$architecture.deb
dpkg-deb --root-owner-group "${DEB_COMPRESSION:--Zxz}" --build "$tree" "$package" >&2
echo "$package"
