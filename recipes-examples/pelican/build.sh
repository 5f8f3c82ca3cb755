#!/bin/sh
# Builds the site from its sources whenever they changed: from a git repository, or from what
# people put into the volume `source`. A build that fails changes nothing of what is served.
set -eu

say() { printf 'site: %s\n' "$*" >&2; }

# As root it only makes the volumes the other account's (what was copied in is root's), and
# reads the key.
if [ "$(id -u)" = 0 ]; then
  chown site:site /site
  chown -R site:site /source
  if [ -f /run/secrets/deploy_key ]; then
    install -o site -m 0400 /run/secrets/deploy_key /tmp/deploy_key
    printf '%s\n' "$GIT_HOST_KEY" >/tmp/known_hosts
    chown site /tmp/known_hosts
  fi
  exec setpriv --reuid=site --regid=site --init-groups --inh-caps=-all env HOME=/home/site "$0"
fi

export GIT_TERMINAL_PROMPT=0
if [ -f /tmp/deploy_key ]; then
  export GIT_SSH_COMMAND="ssh -i /tmp/deploy_key -o IdentitiesOnly=yes -o UserKnownHostsFile=/tmp/known_hosts -o StrictHostKeyChecking=yes"
fi
source=/source/site
SITE_URL=${SITE_URL:-https://$DOMAIN}

# fetch: the sources as the repository has them now.
fetch() {
  if [ ! -d "$source/.git" ] || [ "$(git -C "$source" remote get-url origin)" != "$GIT_URL" ]; then
    rm -rf "$source.new"
    git init --quiet "$source.new" &&
      git -C "$source.new" remote add origin "$GIT_URL" &&
      rm -rf "$source" &&
      mv "$source.new" "$source" || return
  fi
  git -C "$source" fetch --quiet --depth 1 origin "${GIT_BRANCH:-HEAD}" &&
    git -C "$source" reset --quiet --hard FETCH_HEAD &&
    git -C "$source" clean --quiet -ffdx &&
    git -C "$source" submodule --quiet update --init --recursive --depth 1
}

# first: something to begin with, where there are no sources yet.
first() {
  say "there are no sources yet: this is a first page"
  mkdir -p "$source/content/images"
  cp /first/pelicanconf.py "$source/"
  cp /first/page.md "$source/content/"
}

# generate FOLDER
generate() {
  (
    cd "$source"
    settings=pelicanconf.py
    [ ! -f publishconf.py ] || settings=publishconf.py
    pelican content --settings "$settings" --output "$1" --fatal errors \
      --extra-settings "SITEURL=\"$SITE_URL\"" >&2
  )
}

# What tells one state of the sources from another.
state() {
  if [ -n "$GIT_URL" ]; then
    git -C "$source" rev-parse HEAD
  else
    find "$source" -type f -printf '%P %s %T@\n' | LC_ALL=C sort | sha256sum
  fi
  printf '%s\n' "$SITE_URL"
  sha256sum "$0"
}

build() {
  target=/site/builds/$(date -u +%Y%m%dT%H%M%S)-$$
  mkdir -p "$target"
  if generate "$target" && [ -s "$target/index.html" ]; then
    # In one moment, also for who is just reading.
    ln -s "builds/${target##*/}" /site/current.new
    mv -T /site/current.new /site/current
    # This one and the one before stay.
    find /site/builds -mindepth 1 -maxdepth 1 | sort | head -n -2 | while read -r old; do rm -rf "$old"; done
    say "built"
  else
    rm -rf "$target"
    say "the build failed: what is served stays as it was"
    return 1
  fi
}

rm -f /site/current.new
built=
while :; do
  touch /tmp/round
  if [ -n "$GIT_URL" ]; then
    fetch || say "fetching $GIT_URL failed"
  elif [ ! -d "$source" ] || [ -z "$(ls -A "$source")" ]; then
    first
  fi
  if [ -d "$source" ] && now=$(state 2>/dev/null) && [ "$now" != "$built" ]; then
    # A failed build is tried again when the sources change.
    build || :
    built=$now
  fi
  if [ -n "$GIT_URL" ]; then sleep "$GIT_EVERY"; else sleep 5; fi
done
