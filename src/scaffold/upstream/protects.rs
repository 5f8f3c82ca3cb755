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
    .has("tests/settings.env", &["POSTGRES_PASSWORD=only-for-tests\n"])
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
