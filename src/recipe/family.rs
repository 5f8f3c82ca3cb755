//! What is known of images that many projects use: which variables they read from files,
//! on which port they serve, how their health is asked, what backs them up.
//!
//! Facts, each from the image's own documentation or entrypoint: an image that is not in the
//! table is treated as one that reads no files.

use crate::compose::image::Image;

/// A family of images.
#[derive(Debug, PartialEq, Eq)]
pub struct Family {
    pub name: &'static str,
    /// Paths of repositories, without their registry: `postgres`, or `*/postgres` for
    /// whatever has this last part.
    images: &'static [&'static str],
    pub files: Files,
    /// Where people reach it, for web servers.
    pub port: Option<u16>,
    pub kind: Kind,
    pub health: Health,
    /// Its data, of which a copy of the files of a running server is of no use.
    pub data: &'static [&'static str],
    /// Variables that the image has a value for, if another one is set: it has to be given
    /// once the other side gets a new password.
    pub implied: &'static [Implied],
    /// For databases.
    pub majors: Option<Majors>,
}

/// What a new major version of a database asks for: its data is not simply read by the next
/// one.
#[derive(Debug, PartialEq, Eq)]
pub struct Majors {
    /// Numbers of the version that are the same within a major version: one for PostgreSQL,
    /// two for MariaDB (10.6, 10.11).
    pub numbers: usize,
    pub bears: Bears,
    /// What must be done with the data, as a sentence.
    pub advice: &'static str,
}

/// Which changes of the major version a database's files bear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bears {
    /// None: <https://www.postgresql.org/docs/current/upgrading.html>.
    Nothing,
    /// Upwards, one after the other:
    /// <https://www.mongodb.com/docs/manual/release-notes/7.0-upgrade-standalone/>.
    OneUp,
    /// Upwards: <https://mariadb.com/kb/en/upgrading/>,
    /// <https://dev.mysql.com/doc/refman/8.4/en/upgrade-paths.html>.
    Up,
    Unknown,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Implied {
    pub key: &'static str,
    pub value: &'static str,
    /// The variable that makes it count; an empty name is always set.
    pub beside: &'static str,
}

/// How an image takes a value from a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Files {
    No,
    /// Every variable, with this behind its name.
    All(&'static str),
    /// These variables, with `_FILE` behind.
    Some(&'static [&'static str]),
    /// Every variable that begins with one of these, with this behind its name.
    Of(&'static [&'static str], &'static str),
    /// Variables that begin so have `file://` and the path as their value.
    Address(&'static str),
    /// Every variable, with this before its name.
    Before(&'static str),
    /// Files that have the variables' names, in the folder that a variable names.
    Folder(&'static str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Web,
    Postgres,
    Mariadb,
    Redis,
    /// A database that no standard plugin dumps.
    OtherStore,
    /// Holds nothing that is missed.
    Cache,
    /// One that does work beside the app.
    Helper,
    /// A reverse proxy: Traefik is there instead.
    Proxy,
    /// A web server that an app may bring in front of itself.
    Front,
}

/// How the health of a service is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    Unknown,
    /// The image has a check of its own.
    Image,
    /// A shell command.
    Shell(&'static str),
    /// What the image has to open a connection with.
    Connect(Client),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    Php,
    Node,
    Bash,
    Ruby,
    Wget,
}

const NO: Family = Family {
    name: "",
    images: &[],
    files: Files::No,
    port: None,
    kind: Kind::Web,
    health: Health::Unknown,
    data: &[],
    implied: &[],
    majors: None,
};

/// docker-library/mysql, docker-entrypoint.sh, `docker_setup_env`.
const MYSQL_FILES: &[&str] =
    &["MYSQL_ROOT_HOST", "MYSQL_ROOT_PASSWORD", "MYSQL_PASSWORD", "MYSQL_USER", "MYSQL_DATABASE"];

/// MariaDB/mariadb-docker, docker-entrypoint.sh, `docker_setup_env`.
const MARIADB_FILES: &[&str] = &[
    "MYSQL_ROOT_HOST",
    "MYSQL_ROOT_PASSWORD",
    "MYSQL_PASSWORD",
    "MYSQL_USER",
    "MYSQL_DATABASE",
    "MARIADB_ROOT_HOST",
    "MARIADB_ROOT_PASSWORD",
    "MARIADB_PASSWORD",
    "MARIADB_USER",
    "MARIADB_USER_HOST",
    "MARIADB_DATABASE",
    "MARIADB_ROOT_PASSWORD_HASH",
    "MARIADB_PASSWORD_HASH",
    "MARIADB_REPLICATION_USER",
    "MARIADB_REPLICATION_PASSWORD",
    "MARIADB_REPLICATION_PASSWORD_HASH",
    "MARIADB_MASTER_HOST",
    "MARIADB_MASTER_PORT",
];

const FAMILIES: &[Family] = &[
    Family {
        name: "PostgreSQL",
        images: &[
            "postgres",
            "*/postgres",
            "postgis/postgis",
            "pgvector/pgvector",
            "timescale/timescaledb",
            "tensorchord/pgvecto-rs",
            "tensorchord/vchord-postgres",
        ],
        // docker-library/postgres, docker-entrypoint.sh.
        files: Files::Some(&[
            "POSTGRES_PASSWORD",
            "POSTGRES_USER",
            "POSTGRES_DB",
            "POSTGRES_INITDB_ARGS",
        ]),
        kind: Kind::Postgres,
        // The server that sets the database up the first time does not listen on TCP.
        health: Health::Shell("pg_isready -q -h 127.0.0.1 -U \"$${POSTGRES_USER:-postgres}\""),
        data: &["/var/lib/postgresql", "/var/lib/postgresql/data"],
        majors: Some(Majors {
            numbers: 1,
            bears: Bears::Nothing,
            advice: "it does not read the data of another major version: dump the databases with the \
                     old one, and restore them into an empty volume with the new one",
        }),
        ..NO
    },
    Family {
        name: "MariaDB",
        images: &["mariadb"],
        files: Files::Some(MARIADB_FILES),
        kind: Kind::Mariadb,
        // Ends with 0 once the server answers, even if it refuses the account.
        health: Health::Shell("mariadb-admin --protocol=tcp --host=127.0.0.1 --silent ping"),
        data: &["/var/lib/mysql"],
        majors: Some(Majors {
            numbers: 2,
            bears: Bears::Up,
            advice: "its system tables are upgraded by `mariadb-upgrade`, or at its start with \
                     `MARIADB_AUTO_UPGRADE=1`; the old version does not read them any more, so \
                     back up first",
        }),
        ..NO
    },
    Family {
        name: "MySQL",
        images: &["mysql", "mysql/mysql-server", "percona"],
        files: Files::Some(MYSQL_FILES),
        kind: Kind::Mariadb,
        health: Health::Shell("mysqladmin --protocol=tcp --host=127.0.0.1 --silent ping"),
        data: &["/var/lib/mysql"],
        majors: Some(Majors {
            numbers: 2,
            bears: Bears::Up,
            advice: "it upgrades its data at its start, from one series (8.0, 8.4) to the next only; \
                     the old version does not read it any more, so back up first",
        }),
        ..NO
    },
    Family {
        name: "Redis",
        images: &["redis", "redis/redis-stack-server"],
        kind: Kind::Redis,
        health: Health::Shell("redis-cli ping | grep -q -e PONG -e NOAUTH"),
        data: &["/data"],
        majors: Some(Majors {
            numbers: 1,
            bears: Bears::Unknown,
            advice: "the old version does not read what the new one writes, so back up first",
        }),
        ..NO
    },
    Family {
        name: "Valkey",
        images: &["valkey/valkey", "*/valkey"],
        kind: Kind::Redis,
        health: Health::Shell("valkey-cli ping | grep -q -e PONG -e NOAUTH"),
        data: &["/data"],
        majors: Some(Majors {
            numbers: 1,
            bears: Bears::Unknown,
            advice: "the old version does not read what the new one writes, so back up first",
        }),
        ..NO
    },
    Family {
        name: "MongoDB",
        images: &["mongo", "mongodb/mongodb-community-server"],
        // docker-library/mongo, docker-entrypoint.sh.
        files: Files::Some(&["MONGO_INITDB_ROOT_USERNAME", "MONGO_INITDB_ROOT_PASSWORD"]),
        kind: Kind::OtherStore,
        health: Health::Shell("mongosh --quiet --eval 'db.adminCommand(\"ping\").ok' | grep -q 1"),
        data: &["/data/db"],
        majors: Some(Majors {
            numbers: 2,
            bears: Bears::OneUp,
            advice: "go one major version at a time, and set featureCompatibilityVersion to the one \
                     that runs before each; back up first",
        }),
        ..NO
    },
    Family {
        name: "MongoDB",
        images: &["bitnami/mongodb", "bitnamilegacy/mongodb"],
        // bitnami/containers, mongodb-env.sh: each of its variables with `_FILE`.
        files: Files::Of(&["MONGODB_"], "_FILE"),
        kind: Kind::OtherStore,
        health: Health::Shell("mongosh --quiet --eval 'db.adminCommand(\"ping\").ok' | grep -q 1"),
        data: &["/bitnami/mongodb"],
        majors: Some(Majors {
            numbers: 2,
            bears: Bears::OneUp,
            advice: "go one major version at a time, and set featureCompatibilityVersion to the one \
                     that runs before each; back up first",
        }),
        ..NO
    },
    Family {
        name: "ClickHouse",
        images: &["clickhouse/clickhouse-server", "clickhouse", "yandex/clickhouse-server"],
        // ClickHouse/docker-library, entrypoint.sh.
        files: Files::Some(&["CLICKHOUSE_PASSWORD"]),
        kind: Kind::OtherStore,
        health: Health::Shell("wget -q -O /dev/null http://127.0.0.1:8123/ping"),
        data: &["/var/lib/clickhouse"],
        majors: Some(Majors {
            numbers: 1,
            bears: Bears::Unknown,
            advice: "read the incompatible changes of each version between; the old version may not \
                     read the data any more, so back up first",
        }),
        ..NO
    },
    Family {
        name: "Elasticsearch",
        images: &["elasticsearch", "elasticsearch/elasticsearch", "opensearchproject/opensearch"],
        // No files: elasticsearch-env-from-file refuses one that others than its owner may read,
        // as a secret is unless its mode says otherwise.
        kind: Kind::OtherStore,
        // An answer of any kind: it encrypts, unless its settings say otherwise.
        health: Health::Shell(
            "curl -sk -o /dev/null https://127.0.0.1:9200/ || curl -s -o /dev/null \
             http://127.0.0.1:9200/",
        ),
        data: &["/usr/share/elasticsearch/data", "/usr/share/opensearch/data"],
        majors: Some(Majors {
            numbers: 1,
            bears: Bears::Unknown,
            advice: "go one major version at a time, each from the last minor version of the one \
                     before; the old one does not read the data any more, so back up first",
        }),
        ..NO
    },
    Family { name: "Memcached", images: &["memcached"], kind: Kind::Cache, ..NO },
    Family { name: "Tika", images: &["apache/tika", "*/tika"], kind: Kind::Helper, ..NO },
    Family {
        name: "Gotenberg",
        images: &["gotenberg/gotenberg", "thecodingmachine/gotenberg"],
        kind: Kind::Helper,
        // gotenberg/gotenberg, build/Dockerfile: no HEALTHCHECK.
        ..NO
    },
    Family {
        name: "nginx",
        images: &["nginx"],
        port: Some(80),
        kind: Kind::Front,
        // An answer of any kind.
        health: Health::Shell(
            "(wget -q -S -O /dev/null http://127.0.0.1/ 2>&1 || curl -sI http://127.0.0.1/) | \
             grep -q HTTP/",
        ),
        ..NO
    },
    Family {
        name: "nginx without privileges",
        images: &["nginxinc/nginx-unprivileged"],
        // nginxinc/docker-nginx-unprivileged, Dockerfile-debian.template.
        port: Some(8080),
        kind: Kind::Front,
        // An answer of any kind.
        health: Health::Shell(
            "(wget -q -S -O /dev/null http://127.0.0.1:8080/ 2>&1 || curl -sI \
             http://127.0.0.1:8080/) | grep -q HTTP/",
        ),
        ..NO
    },
    Family {
        name: "a reverse proxy",
        images: &[
            "traefik",
            "nginxproxy/nginx-proxy",
            "jwilder/nginx-proxy",
            "nginxproxy/acme-companion",
            "caddy",
            "jrcs/letsencrypt-nginx-proxy-companion",
            "linuxserver/swag",
            "steveltn/https-portal",
        ],
        kind: Kind::Proxy,
        ..NO
    },
    Family {
        name: "an image of LinuxServer.io",
        images: &["linuxserver/*"],
        // linuxserver/docker-baseimage-alpine, init-envfile/run: `FILE__VARIABLE`.
        files: Files::Before("FILE__"),
        ..NO
    },
    Family {
        name: "WordPress",
        images: &["wordpress"],
        // docker-library/wordpress, wp-config-docker.php, `getenv_docker`.
        files: Files::Of(&["WORDPRESS_"], "_FILE"),
        port: Some(80),
        health: Health::Connect(Client::Php),
        ..NO
    },
    Family {
        name: "Matomo",
        images: &["matomo", "*/matomo"],
        // matomo-org/docker, docker-entrypoint.sh: `file_env` of these.
        files: Files::Some(&[
            "MATOMO_DATABASE_HOST",
            "MATOMO_DATABASE_USERNAME",
            "MATOMO_DATABASE_PASSWORD",
            "MATOMO_DATABASE_DBNAME",
        ]),
        port: Some(80),
        health: Health::Connect(Client::Php),
        ..NO
    },
    Family {
        name: "Nextcloud",
        images: &["nextcloud", "*/nextcloud"],
        // nextcloud/docker, docker-entrypoint.sh and the files of .config.
        files: Files::Some(&[
            "NEXTCLOUD_ADMIN_PASSWORD",
            "NEXTCLOUD_ADMIN_USER",
            "MYSQL_DATABASE",
            "MYSQL_PASSWORD",
            "MYSQL_USER",
            "POSTGRES_DB",
            "POSTGRES_PASSWORD",
            "POSTGRES_USER",
            "REDIS_HOST_PASSWORD",
            "SMTP_PASSWORD",
            "OBJECTSTORE_S3_KEY",
            "OBJECTSTORE_S3_SECRET",
            "OBJECTSTORE_S3_SSE_C_KEY",
        ]),
        port: Some(80),
        health: Health::Connect(Client::Php),
        ..NO
    },
    Family {
        name: "MediaWiki",
        images: &["mediawiki"],
        port: Some(80),
        health: Health::Connect(Client::Php),
        ..NO
    },
    Family {
        name: "FreshRSS",
        images: &["freshrss/freshrss"],
        port: Some(80),
        health: Health::Connect(Client::Php),
        ..NO
    },
    Family {
        name: "wallabag",
        images: &["wallabag/wallabag"],
        port: Some(80),
        // wallabag/docker, Dockerfile.
        health: Health::Image,
        ..NO
    },
    Family {
        name: "Gitea",
        images: &["gitea/gitea", "go-gitea/gitea", "gitea"],
        // go-gitea/gitea, contrib/environment-to-ini: `GITEA__section__KEY__FILE`.
        files: Files::Of(&["GITEA__"], "__FILE"),
        port: Some(3000),
        health: Health::Shell("curl -fsS -o /dev/null http://127.0.0.1:3000/api/healthz"),
        ..NO
    },
    Family {
        name: "Forgejo",
        images: &["forgejo/forgejo", "*/forgejo"],
        // forgejo/forgejo, contrib/environment-to-ini: as Gitea's, under both names.
        files: Files::Of(&["FORGEJO__", "GITEA__"], "__FILE"),
        port: Some(3000),
        health: Health::Shell("curl -fsS -o /dev/null http://127.0.0.1:3000/api/healthz"),
        ..NO
    },
    Family {
        name: "Vaultwarden",
        images: &["vaultwarden/server", "dani-garcia/vaultwarden"],
        // dani-garcia/vaultwarden, src/util.rs: `get_env` reads each with `_FILE`.
        files: Files::All("_FILE"),
        port: Some(80),
        health: Health::Image,
        ..NO
    },
    Family {
        name: "Immich",
        images: &["immich-app/immich-server"],
        // immich-app/immich, server/bin/start.sh, `read_file_and_export`.
        files: Files::Some(&[
            "DB_HOSTNAME",
            "DB_DATABASE_NAME",
            "DB_USERNAME",
            "DB_PASSWORD",
            "DB_URL",
            "REDIS_PASSWORD",
        ]),
        port: Some(2283),
        health: Health::Image,
        implied: &[
            Implied { key: "DB_HOSTNAME", value: "database", beside: "" },
            Implied { key: "REDIS_HOSTNAME", value: "redis", beside: "" },
        ],
        ..NO
    },
    Family {
        name: "Immich machine learning",
        images: &["immich-app/immich-machine-learning"],
        kind: Kind::Helper,
        health: Health::Image,
        ..NO
    },
    Family {
        name: "Paperless-ngx",
        images: &["paperless-ngx/paperless-ngx", "paperlessngx/paperless-ngx"],
        // paperless-ngx/paperless-ngx, init-env-file/run: each `PAPERLESS_…_FILE`.
        files: Files::Of(&["PAPERLESS_"], "_FILE"),
        port: Some(8000),
        health: Health::Image,
        implied: &[Implied {
            key: "PAPERLESS_DBPASS",
            value: "paperless",
            beside: "PAPERLESS_DBHOST",
        }],
        ..NO
    },
    Family {
        name: "n8n",
        images: &["n8nio/n8n", "n8n-io/n8n"],
        // n8n-io/n8n, packages/@n8n/config/src/decorators.ts, `readEnv`.
        files: Files::All("_FILE"),
        port: Some(5678),
        health: Health::Connect(Client::Node),
        ..NO
    },
    Family {
        name: "authentik",
        images: &["goauthentik/server", "beryju/authentik"],
        // docs.goauthentik.io, "Configuration": `file://` in each variable.
        files: Files::Address("AUTHENTIK_"),
        port: Some(9000),
        health: Health::Image,
        ..NO
    },
    Family {
        name: "Plausible",
        images: &["plausible/community-edition", "plausible/analytics"],
        // plausible/analytics, config/runtime.exs: `get_var_from_path_or_env`.
        files: Files::Folder("CONFIG_DIR"),
        port: Some(8000),
        health: Health::Connect(Client::Wget),
        implied: &[Implied {
            key: "DATABASE_URL",
            value: "postgres://postgres:postgres@plausible_db:5432/plausible_db",
            beside: "",
        }],
        ..NO
    },
    Family {
        name: "Outline",
        images: &["outlinewiki/outline", "outline/outline"],
        // outline/outline, .env.sample and server/utils/environment.test.ts.
        files: Files::All("_FILE"),
        port: Some(3000),
        // outline/outline, Dockerfile.
        health: Health::Image,
        ..NO
    },
    Family {
        name: "Umami",
        images: &["umami-software/umami", "umamisoftware/umami"],
        port: Some(3000),
        health: Health::Connect(Client::Node),
        ..NO
    },
    Family {
        name: "HedgeDoc",
        images: &["hedgedoc/hedgedoc"],
        port: Some(3000),
        // hedgedoc/container, alpine/Dockerfile and debian/Dockerfile.
        health: Health::Image,
        ..NO
    },
    Family {
        name: "Rocket.Chat",
        images: &["rocketchat/rocket.chat", "rocketchat/rocketchat"],
        port: Some(3000),
        health: Health::Connect(Client::Node),
        ..NO
    },
    Family {
        name: "Mastodon",
        images: &["mastodon/mastodon", "tootsuite/mastodon"],
        port: Some(3000),
        health: Health::Connect(Client::Ruby),
        ..NO
    },
    Family {
        name: "Uptime Kuma",
        images: &["louislam/uptime-kuma"],
        // louislam/uptime-kuma, server/setup-database.js, `getEnvOrFile`.
        files: Files::Some(&[
            "UPTIME_KUMA_DB_USERNAME",
            "UPTIME_KUMA_DB_PASSWORD",
            "UPTIME_KUMA_DB_CA",
        ]),
        port: Some(3001),
        health: Health::Image,
        ..NO
    },
    Family {
        name: "Keycloak",
        images: &["keycloak/keycloak"],
        // No files: keycloak/keycloak, issue 10816.
        port: Some(8080),
        health: Health::Connect(Client::Bash),
        ..NO
    },
    Family {
        name: "Grafana",
        images: &["grafana/grafana", "grafana/grafana-oss"],
        // grafana/grafana, packaging/docker/run.sh: each `GF_…__FILE`.
        files: Files::Of(&["GF_"], "__FILE"),
        port: Some(3000),
        ..NO
    },
];

/// The family of an image.
pub fn of(image: &str) -> Option<&'static Family> {
    let image = Image::parse(image)?;
    let path = image.path.strip_prefix("library/").unwrap_or(&image.path);
    let (owner, last) = path.rsplit_once('/').unwrap_or(("", path));
    // Images of others that have the name of an official one, and other variables.
    let is_other = matches!(owner, "bitnami" | "bitnamilegacy" | "linuxserver");
    let is = |pattern: &&str| match (pattern.strip_prefix("*/"), pattern.strip_suffix("/*")) {
        (Some(name), _) => !owner.is_empty() && !is_other && last == name,
        (_, Some(name)) => owner == name,
        _ => *pattern == path,
    };
    FAMILIES.iter().find(|family| family.images.iter().any(is))
}

impl Family {
    /// Whether the image takes the value of a variable from a file.
    pub fn reads(&self, key: &str) -> bool {
        match self.files {
            Files::No => false,
            Files::All(_) | Files::Before(_) | Files::Folder(_) => true,
            Files::Some(keys) => keys.contains(&key),
            Files::Of(prefixes, _) => prefixes.iter().any(|prefix| key.starts_with(prefix)),
            Files::Address(prefix) => key.starts_with(prefix),
        }
    }
}

impl Client {
    /// The check of a connection to a port.
    pub fn check(self, port: u16) -> Vec<String> {
        let words: &[&str] = match self {
            Client::Php => &["CMD", "php", "-r", "exit(@fsockopen('127.0.0.1', PORT) ? 0 : 1);"],
            Client::Node => &[
                "CMD",
                "node",
                "-e",
                "require('net').connect(PORT, '127.0.0.1').on('connect', () => \
                 process.exit(0)).on('error', () => process.exit(1))",
            ],
            Client::Bash => &["CMD", "bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/PORT"],
            Client::Ruby => &["CMD", "ruby", "-rsocket", "-e", "TCPSocket.new('127.0.0.1', PORT)"],
            Client::Wget => &[
                "CMD-SHELL",
                "wget -q -S -O /dev/null http://127.0.0.1:PORT/ 2>&1 | grep -q HTTP/",
            ],
        };
        words.iter().map(|word| word.replace("PORT", &port.to_string())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_known_wherever_they_come_from() {
        for (image, name) in [
            ("postgres", Some("PostgreSQL")),
            (
                "docker.io/library/postgres:18@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                Some("PostgreSQL"),
            ),
            ("ghcr.io/immich-app/postgres:14-vectorchord0.4.3", Some("PostgreSQL")),
            ("bitnami/postgres:14", None),
            ("lscr.io/linuxserver/nextcloud:29", Some("an image of LinuxServer.io")),
            ("ghcr.io/paperless-ngx/paperless-ngx:latest", Some("Paperless-ngx")),
            ("example/unknown", None),
        ] {
            assert_eq!(of(image).map(|family| family.name), name, "{image}");
        }
    }

    #[test]
    fn what_an_image_reads_from_files_is_known() {
        for (image, key, expected) in [
            ("matomo:5", "MATOMO_DATABASE_PASSWORD", true),
            ("matomo:5", "MATOMO_OTHER", false),
            ("gitea/gitea:1", "GITEA__database__PASSWD", true),
            ("gitea/gitea:1", "FORGEJO__database__PASSWD", false),
            ("gitea/gitea:1", "SECRET_KEY", false),
            ("codeberg.org/forgejo/forgejo:12", "FORGEJO__database__PASSWD", true),
            ("mysql:8", "MYSQL_PASSWORD", true),
            ("mysql:8", "MARIADB_PASSWORD", false),
            ("mariadb:11", "MARIADB_REPLICATION_PASSWORD", true),
            ("clickhouse/clickhouse-server:25", "CLICKHOUSE_PASSWORD", true),
            ("clickhouse/clickhouse-server:25", "CLICKHOUSE_USER", false),
            ("grafana/grafana:12", "GF_SECURITY_ADMIN_PASSWORD", true),
            ("grafana/grafana:12", "ADMIN_PASSWORD", false),
            ("wordpress:6", "WORDPRESS_DB_PASSWORD", true),
            ("wordpress:6", "DB_PASSWORD", false),
            ("ghcr.io/paperless-ngx/paperless-ngx:2", "PAPERLESS_SECRET_KEY", true),
            ("ghcr.io/paperless-ngx/paperless-ngx:2", "SECRET_KEY", false),
            ("quay.io/keycloak/keycloak:26", "KC_DB_PASSWORD", false),
        ] {
            assert_eq!(of(image).unwrap().reads(key), expected, "{image} {key}");
        }
    }

    #[test]
    fn nginx_without_privileges_serves_elsewhere() {
        for (image, port) in [("nginx:1", 80), ("nginxinc/nginx-unprivileged:1", 8080)] {
            let family = of(image).unwrap();
            assert_eq!(family.port, Some(port), "{image}");
            let Health::Shell(check) = family.health else { panic!("{image}") };
            assert_eq!(check.contains(":8080"), port == 8080, "{image}");
        }
    }
}
