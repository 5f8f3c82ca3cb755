#!/bin/sh
# What mmdebstrap calls with the new root: installs the package $DEB there, uses it, and
# removes it again. What is printed as `found:` is looked at by tests/cli/package.rs.
set -eu
root=$1
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
inside() { chroot "$root" "$@"; }
left() { find "$root" -xdev -iname '*potluck*' ! -path "$root/root/*" | sed "s|^$root||" | sort; }

cp "$DEB" "$root/root/potluck.deb"
inside apt-get install -y -qq --no-install-recommends /root/potluck.deb >&2
echo "found: $(inside potluck --version)"
echo "found: $(inside dpkg -s potluck | grep ^Status)"
inside dpkg --verify potluck
for file in usr/share/man/man1/potluck-backup-run.1.gz usr/share/bash-completion/completions/potluck \
    usr/share/zsh/vendor-completions/_potluck usr/share/fish/vendor_completions.d/potluck.fish \
    usr/share/doc/potluck/docs/cli.md usr/share/doc/potluck/docs/when.md \
    usr/share/doc/potluck/docs/reference/app.md usr/share/doc/potluck/docs/hooks/rust.md usr/lib/systemd/user/potluck-nightly.timer; do
    [ -s "$root/$file" ] || echo "found: no $file"
done
inside env HOME=/root potluck -q server add here simulated
printf 'services: {x: {image: "x:1"}}\nnetworks: {default: {name: proxy}}\n' >"$root/root/proxy.yml"
inside env HOME=/root potluck -q stack deploy --server here -c /root/proxy.yml network-proxy
inside env HOME=/root potluck -q recipe new wiki -N test -e test@example.org
inside env HOME=/root potluck -q app new wiki --server here --domain wiki.example.org
inside env HOME=/root potluck -q -n app deploy wiki.example.org
inside env HOME=/root potluck -q -n backup create wiki.example.org >/dev/null
echo "found: $(inside env HOME=/root potluck app ls --status | sed -n 's/.*\(wiki.example.org\).*\(deployed\).*/\1 \2/p')"
inside apt-get purge -y -qq potluck >&2
echo "found: after removal: $(left | tr '\n' ' ')"
# What a person made stays.
[ -f "$root/root/.potluck/servers/here/wiki.example.org.env" ] && echo "found: the folder stays"
