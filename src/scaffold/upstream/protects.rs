//! What protects people is in the recipe, or is said: the smallest project of each kind.

use std::path::Path;

use super::{Adapted, adapt, read};

/// The recipe `wiki` of these files; a file `-> x` is a link to `x`.
fn recipe(files: &[(&str, &str)]) -> Adapted {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("project");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(place.path().join("outside"), "OUTSIDE=s3cr3t-0utside\n").unwrap();
    for (name, text) in files {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        match text.strip_prefix("-> ") {
            Some(to) => std::os::unix::fs::symlink(Path::new(to), path).unwrap(),
            None => std::fs::write(path, text).unwrap(),
        }
    }
    let adapted = adapt("wiki", &read(&folder).unwrap());
    assert!(!format!("{adapted:?}").contains("s3cr3t-0utside"), "{adapted:#?}");
    adapted
}

impl Adapted {
    #[track_caller]
    fn has(&self, file: &str, words: &[&str]) -> &Self {
        let text = self.files.get(file).unwrap_or_else(|| panic!("{file}: {:#?}", self.files));
        for word in words {
            assert!(text.contains(word), "{word:?} is missing:\n{text}\n{:#?}", self.log);
        }
        self
    }

    #[track_caller]
    fn lacks(&self, file: &str, words: &[&str]) -> &Self {
        let text = &self.files[file];
        for word in words {
            assert!(!text.contains(word), "{word:?}:\n{text}\n{:#?}", self.log);
        }
        self
    }

    #[track_caller]
    fn decides(&self, words: &[&str]) -> &Self {
        for word in words {
            let is_it = |what: &str| what.contains(word);
            let mut decisions = self.log.decisions.iter();
            assert!(
                decisions.any(|it| is_it(&it.what) || is_it(&it.todo)),
                "{word}: {:#?}",
                self.log
            );
        }
        self
    }
}

#[test]
fn what_the_upstream_requires_is_required() {
    let made = recipe(&[(
        "compose.yml",
        "services:\n  web:\n    image: example/wiki:1\n    ports: ['80:80']\n    environment:\n      \
         TITLE: ${TITLE:?say what it is called - please}\n      LANGUAGE: ${LANGUAGE?}\n      \
         SMTP_PASSWORD: ${SMTP_PASSWORD:?}\n      URL: x://${PART:?}/${OTHER:-b}\n",
    )]);
    made.has(
        "compose.yml",
        &[
            "TITLE: ${TITLE:?say what it is called please}\n",
            "LANGUAGE: ${LANGUAGE:?see .env.sample}\n",
            "SMTP_PASSWORD: ${SMTP_PASSWORD:?",
            "URL: x://${PART}/${OTHER:-b}\n",
            "REQUIRED_PART: ${PART:?",
        ],
    )
    .has(".env.sample", &["# Required: no app can be deployed without it.\nTITLE=\n"])
    .has("tests/settings.env", &["TITLE=1\n", "PART=1\n"]);
}

#[test]
fn a_password_is_never_empty_without_a_word() {
    let made = recipe(&[
        (
            "compose.yml",
            "services:\n  web:\n    image: example/wiki:1\n    ports: ['80:80']\n    env_file: .env\n    \
             environment:\n      - DATABASE_URL=postgres://wiki:${POSTGRES_PASSWORD}@db/wiki\n  db:\n    \
             image: postgres:17\n    env_file: .env\n",
        ),
        (
            ".env",
            "NEXTAUTH_URL=http://localhost:3000\nNEXTAUTH_SECRET=\nPOSTGRES_PASSWORD=\n\
             COOKIE_KEY=change-me\nSPACES_KEY=\nSPACES_SECRET=\n",
        ),
    ]);
    made.lacks("compose.yml", &["SPACES_SECRET"]).decides(&["no value: SPACES_SECRET"]);
    made.has(
        "compose.yml",
        &[
            "POSTGRES_PASSWORD: ${POSTGRES_PASSWORD:?a long random value for each app}\n",
            "NEXTAUTH_SECRET: ${NEXTAUTH_SECRET:?",
            "COOKIE_KEY: ${COOKIE_KEY:?",
        ],
    )
    .has(".env.sample", &["\nPOSTGRES_PASSWORD=\n", "\nCOOKIE_KEY=\n"])
    .has("tests/settings.env", &["POSTGRES_PASSWORD=only-for-tests-"])
    .decides(&["POSTGRES_PASSWORD is a setting", "NEXTAUTH_SECRET is a setting"]);
}

#[test]
fn a_database_has_a_password_though_the_upstream_says_none() {
    let made = recipe(&[(
        "compose.yml",
        "services:\n  web:\n    image: wordpress:6\n    ports: ['80:80']\n    environment:\n      \
         WORDPRESS_DB_PASSWORD: ${DB_PW:-}\n  db:\n    image: mariadb:11\n    environment:\n      \
         MARIADB_PASSWORD: ${DB_PW:-}\n",
    )]);
    made.has(
        "compose.yml",
        &[
            "WORDPRESS_DB_PASSWORD_FILE: /run/secrets/db_password",
            "MARIADB_PASSWORD_FILE: /run/secrets/db_password",
        ],
    );
}

#[test]
fn a_shared_environment_file_gives_each_its_own() {
    let made = recipe(&[
        (
            "compose.yml",
            "services:\n  web:\n    image: example/wiki:1\n    ports: ['80:80']\n    env_file: .env\n  \
             worker:\n    image: example/wiki:1\n    env_file: .env\n  \
             search:\n    image: getmeili/meilisearch:v1.12\n    env_file: .env\n  \
             tool:\n    image: example/tool:1\n    env_file: .env\n  \
             db:\n    image: postgres:17\n    env_file: .env\n",
        ),
        (
            ".env",
            "SESSION_SECRET=a1\nPOSTGRES_PASSWORD=b2\nMEILI_MASTER_KEY=c3\nMEILI_ENV=production\n\
             QUEUE_URL=redis://:d4@cache/0\nTITLE=it\n",
        ),
    ]);
    let compose = &made.files["compose.yml"];
    let of = |name: &str| {
        let from = compose.find(&format!("\n  {name}:\n")).unwrap() + 1;
        let rest = &compose[from..];
        rest[..rest.find("\n\n").unwrap_or(rest.len())].to_owned()
    };
    let search = of("search");
    assert!(search.contains("MEILI_MASTER_KEY") && search.contains("MEILI_ENV"), "{search}");
    for foreign in ["SESSION_SECRET", "POSTGRES", "QUEUE_URL", "TITLE"] {
        assert!(!search.contains(foreign), "{search}");
    }
    let db = of("db");
    assert!(db.contains("POSTGRES_PASSWORD") && !db.contains("MEILI"), "{db}");
    for name in ["app", "worker"] {
        assert!(of(name).contains("SESSION_SECRET"), "{}", of(name));
        let decision = made.log.decisions.iter().find(|it| {
            it.what.contains("for other services only") && it.todo.contains(&format!("`{name}`"))
        });
        let what = &decision.unwrap_or_else(|| panic!("{:#?}", made.log)).what;
        assert!(what.contains("POSTGRES_PASSWORD") && !what.contains("SESSION_SECRET"), "{what}");
    }
    made.decides(&["SESSION_SECRET, POSTGRES_PASSWORD, MEILI_MASTER_KEY, QUEUE_URL"]);
}

#[test]
fn a_password_of_two_files_is_one() {
    let made = recipe(&[
        (
            "compose.yml",
            "services:\n  web:\n    image: example/wiki:1\n    ports: ['80:80']\n    env_file: .env\n  \
             cron:\n    image: example/wiki:1\n    env_file: .env\n  \
             db:\n    image: mariadb:11\n    env_file: .db.env\n",
        ),
        (
            ".env",
            "# At least 32 characters.\nAPP_KEY=\nDB_PASSWORD=zq-shared-7\nREDIS_PASSWORD=\n\
             REDIS_HOST=redis\nOTHER_TOKEN=\nOTHER_ID=\n",
        ),
        (".db.env", "MYSQL_PASSWORD=zq-shared-7\n"),
    ]);
    made.has("compose.yml", &["MYSQL_PASSWORD: ${DB_PASSWORD:?", "DB_PASSWORD: ${DB_PASSWORD:?"])
        .has(".env.sample", &["# At least 32 characters.\n# A secret, for"])
        // No password is often right for these, and this feature is off.
        .lacks("compose.yml", &["REDIS_PASSWORD", "OTHER_TOKEN"])
        .decides(&["no value: REDIS_PASSWORD, OTHER_TOKEN", "its data is in no volume"]);
}

#[test]
fn a_database_in_a_file_is_no_config() {
    let one = |mount: &str, files: &[(&str, &str)]| {
        let compose = format!(
            "services:\n  web:\n    image: example/wiki:1\n    ports: ['80:80']\n    volumes: ['{mount}']\n"
        );
        recipe(&[&[("compose.yml", compose.as_str())], files].concat())
    };
    let made = one("./db.sqlite3:/app/db.sqlite3", &[("db.sqlite3", "")]);
    made.lacks("compose.yml", &["configs:", "volumes:"])
        .has("compose.yml", &["# Decide: /app/db.sqlite3 is data"])
        .decides(&["is data in a single file"]);
    let made = one("./db.sqlite3:/app/data/db.sqlite3", &[]);
    made.lacks("compose.yml", &["configs:"])
        .has("compose.yml", &["- db-sqlite3:/app/data\n"])
        .has("recipe.yml", &["std:files", "db-sqlite3:"]);
    let made = one("./seed:/app/data/seed", &[("seed", "SQLite format 3\0x")]);
    made.lacks("compose.yml", &["configs:"]).has("compose.yml", &["- seed:/app/data\n"]);
    let made = one("./state.json:/app/state.json", &[("state.json", "{}")]);
    made.lacks("compose.yml", &["configs:"]).decides(&["is data in a single file"]);
    let made = one("./logo.png:/app/logo.png", &[("logo.png", "\0\x01")]);
    made.lacks("compose.yml", &["volumes:"]).decides(&["is not a text of at most 1 MB"]);
    let made = one("./x.json:/app/x.json", &[("x.json", "{}")]);
    made.has("compose.yml", &["configs:"]);
}

#[test]
fn what_is_outside_of_the_project_is_decided_and_never_read() {
    for (mount, has, decision) in [
        ("../x.toml:/etc/x.toml", "Decide: /etc/x.toml", "`../x.toml` is outside of the project"),
        ("../../etc/passwd:/etc/passwd", "Decide: /etc/passwd", "is outside of the project"),
        ("/opt/x.conf:/x.conf:ro", "Decide: /x.conf", "`/opt/x.conf` is outside of the project"),
        ("/srv/wiki:/data", "wiki:/data", "`/srv/wiki` is outside of the project, so its files"),
        ("/tmp/a.sock:/a.sock", "/tmp/a.sock:/a.sock", "/tmp/a.sock of the machine is mounted"),
        ("./link:/x.txt", "Decide: /x.txt", "`link` is a link that leads out of the project"),
        (".:/app", "Decide: /app is missing", "the project's own folder is not mounted"),
    ] {
        let compose = format!(
            "services:\n  web:\n    image: example/wiki:1\n    ports: ['80:80']\n    volumes: ['{mount}']\n"
        );
        let made = recipe(&[("compose.yml", &compose), ("link", "-> ../outside")]);
        made.has("compose.yml", &[has]).decides(&[decision]);
    }
    let made = recipe(&[
        (
            "compose.yml",
            "services:\n  web:\n    image: example/wiki:1\n    ports: ['80:80']\n    env_file: [link.env, ../outside]\n",
        ),
        ("link.env", "-> ../outside"),
        (".env", "-> ../outside"),
    ]);
    made.decides(&[
        "`.env` is a link that leads out",
        "the environment file `link.env` leads out of the project",
        "the environment file `../outside` leads out of the project",
    ]);
}

#[test]
fn the_main_service_is_called_app_without_a_port_too() {
    for (services, app) in [
        ("  bot:\n    image: example/bot:1\n", "example/bot:1"),
        ("  store:\n    image: redis:7\n", "redis:7"),
        ("  wiki:\n    image: a/b:1\n  other:\n    image: c/d:1\n", "a/b:1"),
        ("  one:\n    image: x/wiki:1\n  other:\n    image: c/d:1\n", "x/wiki:1"),
        (
            "  bot:\n    image: a/bot:1\n    depends_on: [db, helper]\n  db:\n    image: postgres:17\n    \
             environment: {POSTGRES_PASSWORD: x}\n  helper:\n    image: c/d:1\n",
            "a/bot:1",
        ),
    ] {
        let made = recipe(&[("compose.yml", &format!("services:\n{services}"))]);
        made.has("compose.yml", &[&format!("  app:\n    image: {app}\n")])
            .has("compose.yml", &["coop-cloud.${STACK_NAME}.version="]);
        assert!(made.log.changes.iter().any(|it| it.what.contains("is called `app`")));
    }
    let services = "services:\n  a:\n    image: a/b:1\n  b:\n    image: c/d:1\n";
    recipe(&[("compose.yml", services)]).decides(&["none is clearly the main one"]);
}

#[test]
fn a_health_check_of_ours_is_kept_whatever_the_password_is() {
    recipe(&[(
        "compose.yml",
        "services:\n  web:\n    image: example/wiki:1\n    ports: ['80:80']\n  db:\n    \
         image: postgres:17\n    environment: {POSTGRES_PASSWORD: postgres}\n    \
         healthcheck: {test: 'pg_isready -U postgres'}\n",
    )])
    .has("compose.yml", &["pg_isready -q -h 127.0.0.1"]);
}

#[test]
fn the_number_of_restarts_is_kept() {
    let one = |keys: &str| {
        let text =
            format!("services:\n  web:\n    image: example/wiki:1\n    ports: ['80:80']\n{keys}");
        recipe(&[("compose.yml", &text)])
    };
    let policy = "condition: on-failure\n        delay: 5s\n        max_attempts: 3\n";
    one("    restart: on-failure:3\n").has("compose.yml", &[policy]);
    one("    deploy: {restart_policy: {condition: on-failure, max_attempts: 3}}\n")
        .has("compose.yml", &[policy]);
    one("    restart: always\n").lacks("compose.yml", &["max_attempts"]);
}

#[test]
fn what_only_compose_knows_is_settled() {
    let made = recipe(&[
        (
            "compose.yml",
            "services:\n  web:\n    image: x:1\n    ports: ['80:80']\n    environment:\n      \
             A: a${SET:+ and $SET}b\n      B: ${UNSET:+x}\n",
        ),
        (".env", "SET=it\n"),
    ]);
    made.has("compose.yml", &["A: a and itb\n", "B: \"\"\n"])
        .decides(&["only if SET, UNSET is set"]);
}

#[test]
fn a_content_with_variables_is_decided() {
    let made = recipe(&[(
        "compose.yml",
        "services:\n  web:\n    image: x:1\n    ports: ['80:80']\n    configs: [c]\nconfigs:\n  c:\n    \
         content: \"url=${URL:-x} cost=5$$\"\n",
    )]);
    made.has("c.conf", &["url=${URL:-x} cost=5$"])
        .decides(&["the content of the config `c` has variables", "{{ env \"URL\" }}"]);
}

#[test]
fn a_broken_variable_is_refused_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let compose =
        "services:\n  web:\n    image: x:1\n    environment:\n      A: $$5\n      B: \"${BAD\"\n";
    std::fs::write(folder.path().join("compose.yml"), compose).unwrap();
    let error = read(folder.path()).unwrap_err().to_string();
    assert_eq!(error, "compose.yml:6: `${BAD` begins a variable, but does not end one");
    // Where Compose reads no variables, a dollar sign is one.
    let made = recipe(&[
        (
            "compose.yml",
            "services:\n  web:\n    image: x:1\n    ports: ['80:80']\n    env_file: more.env\n",
        ),
        ("more.env", "COST='5$'\n"),
    ]);
    made.has("compose.yml", &["COST: 5$$\n"]);
}

/// The recipe of a service with these keys.
fn with(keys: &str, files: &[(&str, &str)]) -> Adapted {
    let compose =
        format!("services:\n  web:\n    image: example/wiki:1\n    ports: ['80:80']\n{keys}");
    recipe(&[&[("compose.yml", compose.as_str())], files].concat())
}

const PRIVATE_KEY: &str =
    "-----BEGIN OPENSSH PRIVATE KEY-----\ns3cr3t-k3y\n-----END OPENSSH PRIVATE KEY-----\n";

#[test]
fn a_credential_is_never_copied() {
    for (mount, file, text, secret) in [
        ("./id_ed25519:/key", "id_ed25519", PRIVATE_KEY, "id_ed25519"),
        ("./cert.pem:/cert.pem:ro", "cert.pem", PRIVATE_KEY, "cert_pem"),
        ("./tls.key:/tls.key:ro", "tls.key", "s3cr3t-k3y", "tls_key"),
        ("./.htpasswd:/etc/nginx/.htpasswd", ".htpasswd", "a:s3cr3t-k3y", "htpasswd"),
        ("./.netrc:/root/", ".netrc", "password s3cr3t-k3y", "netrc"),
        ("./pw:/root/.pgpass", "pw", "db:5432:x:u:s3cr3t-k3y", "pw"),
        ("./a.p12:/a.p12", "a.p12", "\0s3cr3t-k3y", "a_p12"),
    ] {
        let made = with(&format!("    volumes: ['{mount}']\n"), &[(file, text)]);
        assert!(!format!("{made:?}").contains("s3cr3t-k3y"), "{made:#?}");
        made.lacks("compose.yml", &["configs:"])
            .has("compose.yml", &[&format!("- source: {secret}\n        target: /")])
            .has(
                ".env.sample",
                &[&format!("SECRET_{}_VERSION=v1 # generate=false", secret.to_uppercase())],
            )
            .decides(&[&format!("is the secret `{secret}`")]);
    }
    let files =
        [("tls/a.key", PRIVATE_KEY), ("tls/a.conf", "x=1\n"), ("tls/id_rsa.pub", "ssh-rsa x")];
    let made = with("    volumes: ['./tls:/etc/tls:ro']\n", &files);
    assert!(!format!("{made:?}").contains("s3cr3t-k3y"), "{made:#?}");
    made.has("compose.yml", &["target: /etc/tls/a.conf", "target: /etc/tls/id_rsa.pub"])
        .decides(&["left out, as they are keys or have passwords only: `tls/a.key`"]);
    let made = with("    configs: [k]\nconfigs: {k: {file: ./k}}\n", &[("k", PRIVATE_KEY)]);
    assert!(!format!("{made:?}").contains("s3cr3t-k3y"), "{made:#?}");
    made.decides(&["/k is the secret `k`"]);
}

#[test]
fn passwords_in_files_are_replaced_or_decided() {
    for (file, text, has) in [
        (
            "c.json",
            "{\"db\":{\"password\":\"s3cr3t-pw\"},\"apiToken\":\"s3cr3t-pw2\"}",
            "{\"db\":{\"password\":\"{{ secret \"password\" }}\"},\"apiToken\":\"{{ secret \"apitoken\" }}\"}",
        ),
        (
            "c.xml",
            "<c><password>s3cr3t-pw</password></c>",
            "<password>{{ secret \"password\" }}</password>",
        ),
        (
            "c.php",
            "define('DB_PASSWORD', 's3cr3t-pw');",
            "define('DB_PASSWORD', '{{ secret \"db_password\" }}');",
        ),
        ("c.sql", "create role x password 's3cr3t-pw';", "password '{{ secret \"password\" }}';"),
        // A word that is also a key stays one.
        ("c.yml", "password: password\n", "password: {{ secret \"password\" }}\n"),
    ] {
        let made = with(&format!("    volumes: ['./{file}:/c']\n"), &[(file, text)]);
        assert!(!format!("{made:?}").contains("s3cr3t-pw"), "{made:#?}");
        made.has(file, &[has]);
    }
    let text =
        "#!/bin/sh\nmysql -uroot -ps3cr3t-pw\ncurl -u a:s3cr3t-pw http://x\n# password=s3cr3t-pw\n";
    let made = with("    volumes: ['./init.sh:/init.sh']\n", &[("init.sh", text)]);
    made.decides(&[
        "perhaps has a password in it still: line 2 (-p), line 3 (-u), line 4 (password)",
    ]);
    assert!(!format!("{:?}", made.log).contains("s3cr3t-pw"), "{:#?}", made.log);
}

#[test]
fn passwords_in_values_of_all_kinds_are_moved_or_decided() {
    let made = with(
        "    environment:\n      A: 'Server=db;Database=x;Password=s3cr3t-a1;'\n      \
         B: 'jdbc:mysql://db/x?user=u&password=s3cr3t-b2'\n      \
         C: '{\"user\":\"root\",\"password\":\"s3cr3t-c3\"}'\n      \
         D: '-Xmx1g -Ddb.password=s3cr3t-d4'\n      AUTH_BASIC: 'admin:basicpw12'\n    \
         command: ['sh', '-c', 'export PW=s3cr3t-e5; run --db-pass=s3cr3t-f6 -p flagpw12']\n",
        &[],
    );
    for password in ["s3cr3t-a1", "s3cr3t-b2", "s3cr3t-c3", "s3cr3t-d4", "s3cr3t-e5", "s3cr3t-f6"] {
        assert!(!format!("{made:?}").contains(password), "{made:#?}");
    }
    assert!(!format!("{:?}", made.log).contains("basicpw12"));
    made.has(
        "compose.yml",
        &[
            "Server=db;Database=x;Password=${DB_PASSWORD",
            "user=u&password=${",
            "export PW=${PW}; run --db-pass=${",
        ],
    )
    .decides(&["AUTH_BASIC", "`command` (-p)"]);
}

#[test]
fn one_password_of_a_server_is_one_whatever_addresses_have_it() {
    let made = recipe(&[(
        "compose.yml",
        "services:\n  web:\n    image: example/wiki:1\n    ports: ['80:80']\n    environment:\n      \
         CACHE_URL: redis://:samepw55@cache:6379/0\n      BROKER_URL: redis://:samepw55@cache:6379/1\n      \
         RESULTS: redis://:samepw55@cache:6379/2\n      DATABASE_URL: postgres://u:samepw55@db/x\n  \
         db:\n    image: postgres:17\n    environment: {POSTGRES_PASSWORD: samepw55}\n    volumes: ['d:/var/lib/postgresql/data']\n  \
         cache:\n    image: redis:7\n    command: redis-server --requirepass samepw55\nvolumes: {d: }\n",
    )]);
    made.has(
        "compose.yml",
        &[
            "CACHE_URL: redis://:${CACHE_PASSWORD}@",
            "BROKER_URL: redis://:${CACHE_PASSWORD}@",
            "RESULTS: redis://:${CACHE_PASSWORD}@",
            "DATABASE_URL: postgres://u:${DB_PASSWORD}@",
            "POSTGRES_PASSWORD: ${DB_PASSWORD:?",
            "--requirepass ${CACHE_PASSWORD:?",
        ],
    )
    .has("tests/settings.env", &["CACHE_PASSWORD=only-for-tests-", "DB_PASSWORD=only-for-tests-"]);
    let values: Vec<&str> = made.files["tests/settings.env"]
        .lines()
        .filter_map(|line| line.split_once('=').map(|(_, value)| value))
        .collect();
    assert_eq!(values.len(), 2, "{made:#?}");
    assert_ne!(values[0], values[1]);
}

#[test]
fn what_no_backup_has_is_said() {
    let made = with(
        "    volumes: ['/srv/library:/library:ro', 'cache:/var/lib/app', 'tmp:/var/tmp/x', 'content:/data']\n\
         volumes: {cache: , tmp: , content: }\n",
        &[],
    );
    made.has("recipe.yml", &["        cache:\n", "        content:\n"])
        .lacks("recipe.yml", &["library", "tmp"])
        .decides(&[
            "the volume `library` is mounted read-only",
            "the volume `cache` is backed up, though",
        ]);
}

#[test]
fn what_a_stack_can_say_is_kept() {
    let made = with(
        "    healthcheck: {disable: true}\n    tmpfs: ['/run:size=16m,mode=1777']\n    pids_limit: 200\n    \
         secrets: [{source: k, target: /k, mode: 0600, uid: '70'}]\n    \
         configs: [{source: c, target: /c, mode: 0440, gid: '33'}]\n    \
         volumes: [{type: tmpfs, target: /t, tmpfs: {size: 1000000}}, './01-init.sql:/x/01-init.sql']\n\
         secrets: {k: {file: ./k}}\nconfigs: {c: {content: x}}\n",
        &[("01-init.sql", "select 1;\n")],
    );
    made.has(
        "compose.yml",
        &[
            "disable: true\n",
            "size: 16777216\n",
            "size: 1000000\n",
            "target: /k\n        uid: \"70\"\n        mode: 0600\n",
            "target: /c\n        gid: \"33\"\n        mode: 0440\n",
            "${CONFIG_01_INIT_SQL_VERSION:-v1}",
        ],
    );
    for (file, text) in made.files.iter().filter(|(file, _)| file.starts_with("compose")) {
        assert!(text.starts_with("version: \"3.9\"\n"), "{file}: {text}");
    }
    assert!(made.log.changes.iter().any(|it| it.what.contains("without mode=1777")));
}

#[test]
fn an_examples_domain_is_the_apps_own_or_decided() {
    let made = with(
        "    environment: {VIRTUAL_HOST: wiki.example.com, ALLOWED: 'localhost,wiki.example.org', \
         MAIL_FROM: wiki@example.org}\n",
        &[],
    );
    made.has("compose.yml", &["VIRTUAL_HOST: ${DOMAIN}\n"])
        .decides(&["the domain of an example is left in ALLOWED"]);
    assert!(!made.log.decisions.iter().any(|it| it.what.contains("MAIL_FROM")), "{:#?}", made.log);
}
