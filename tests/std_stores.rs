//! The standard plugins for stores, in one app with one of each on the real
//! swarm. The story runs once and notes what it saw; each test holds one promise
//! against it. `make test` builds components and images first.

mod std_support;

use std::{path::Path, sync::OnceLock};

use potluck::plugin::BackupItem;
use serde_json::{Value, json};
use std_support::{OnSwarm, Run, guest, ready};

const FILL: [(&str, &str); 4] = [
    (
        "postgres",
        "psql -qX -v ON_ERROR_STOP=1 -U wiki pages -c \"CREATE TABLE page (id serial PRIMARY KEY, title text)\" \
         -c \"INSERT INTO page (title) SELECT 'Seite ' || n || E' \\\\'ü\\\\\\\\' FROM generate_series(1, 2000) n\"",
    ),
    (
        "mariadb",
        "MYSQL_PWD=$(cat /run/secrets/my_password) mariadb -u wiki pages -e \"CREATE TABLE page (id INT PRIMARY KEY AUTO_INCREMENT, title TEXT); \
         INSERT INTO page (title) SELECT CONCAT('Seite ', seq, ' \\\\'ü') FROM seq_1_to_2000\"",
    ),
    (
        "redis",
        "for n in $(seq 1 500); do echo \"SET page:$n Seite$n\"; done | redis-cli >/dev/null",
    ),
    (
        "app",
        "echo 'two leeks' >/data/soup.txt; echo x >/data/x.tmp; \
         sqlite3 /data/app.db 'PRAGMA journal_mode = WAL; PRAGMA user_version = 3; CREATE TABLE page (title); \
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 700) INSERT INTO page SELECT i FROM n'",
    ),
];

/// One line per store, the same for the same data.
const LOOK: [(&str, &str); 4] = [
    (
        "postgres",
        "psql -qXAt -U wiki pages -c 'SELECT count(*), md5(string_agg(title, chr(10) ORDER BY id)) FROM page'",
    ),
    (
        "mariadb",
        "MYSQL_PWD=$(cat /run/secrets/my_root) mariadb -u root -NB pages -e 'SET group_concat_max_len = 1000000; SELECT COUNT(*), MD5(GROUP_CONCAT(title ORDER BY id)) FROM page'",
    ),
    ("redis", "redis-cli DBSIZE; redis-cli GET page:500"),
    (
        "app",
        "sqlite3 /data/app.db 'SELECT count(*), sum(title) FROM page; PRAGMA user_version'; cat /data/soup.txt; ls -A /data",
    ),
];

/// What is different from what was saved, and would be seen.
const SPOIL: [(&str, &str); 4] = [
    ("postgres", "psql -qX -U wiki pages -c 'DELETE FROM page WHERE id > 5'"),
    (
        "mariadb",
        "MYSQL_PWD=$(cat /run/secrets/my_password) mariadb -u wiki pages -e 'DELETE FROM page WHERE id > 5'",
    ),
    ("redis", "redis-cli DEL page:500 >/dev/null"),
    ("app", "sqlite3 /data/app.db 'DELETE FROM page WHERE title > 5'"),
];

struct Story {
    before: Vec<String>,
    backup: Value,
    after: Vec<String>,
    restore: Value,
    /// Store, what became of a broken dump, and whether the data stayed.
    broken: Vec<(String, i32, String, bool)>,
    /// Store, what it held when a dump was taken, and when that was put back.
    whole: Vec<(&'static str, String, String)>,
    not_raised: Run,
    ambiguous: Run,
    rotated: Vec<Run>,
    /// Store, and whether the old and the new password open it after a deploy.
    opens: Vec<(&'static str, bool, bool)>,
}

const OLD: &str = "OldPassword1";

fn story() -> Option<&'static Story> {
    static STORY: OnceLock<Option<Story>> = OnceLock::new();
    let images = ["potluck-test/stores:1", "potluck-test/mariadb:1"];
    STORY.get_or_init(|| ready(&images).then(tell)).as_ref()
}

fn tell() -> Story {
    let recipe = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/stores");
    let on = OnSwarm::new(&recipe, "all");
    let app = on.app.as_str();
    for secret in ["pg_password", "my_password"] {
        let run = on.run(&["app", "secret", "insert", app, secret], OLD.as_bytes());
        assert_eq!(run.code, 0, "{run}");
    }
    on.ok(&["app", "secret", "generate", app]);
    let grants = ["exec: app", "exec: postgres", "exec: mariadb", "exec: redis"];
    let mut deploy = vec!["app", "deploy", app, "-n"];
    for grant in grants.iter().chain(&["secret: pg_password", "secret: my_password"]) {
        deploy.extend(["--grant", grant]);
    }
    on.ok(&deploy);
    let all = |scripts: &[(&str, &str)]| -> Vec<String> {
        scripts.iter().map(|(service, script)| on.sh(service, script)).collect()
    };

    all(&FILL);
    let before = all(&LOOK);
    let backup: Value = serde_json::from_str(&on.ok(&["backup", "create", app, "--json"])).unwrap();
    on.lose(&["files", "pg", "my", "redis"]);
    let restored = on.ok(&["backup", "restore", app, "--yes", "--json"]);
    let restore = serde_json::from_str(&restored).unwrap();
    let after = all(&LOOK);

    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut broken = Vec::new();
    let mut whole = Vec::new();
    for (name, options) in [
        ("postgres", json!({"service": "postgres"})),
        ("mariadb", json!({"service": "mariadb"})),
        ("redis", json!({})),
        ("sqlite", json!({"files": ["/data/app.db"]})),
    ] {
        let grants = grants.map(|grant| grant);
        let plan = runtime.block_on(async {
            let (mut hooks, _) = guest(name, options, &grants).await.unwrap();
            hooks.backup_plan().await.unwrap()
        });
        let [BackupItem::Dump { service, take, put_back, .. }] = &plan[..] else {
            panic!("{plan:?}")
        };
        let look = LOOK.iter().find(|(s, _)| s == service).unwrap().1;
        let taken = on.as_host(service, take, b"");
        assert!(taken.status.success(), "{}", String::from_utf8_lossy(&taken.stderr));
        let sound = on.sh(service, look);
        on.sh(service, SPOIL.iter().find(|(s, _)| s == service).unwrap().1);
        let spoilt = on.sh(service, look);
        assert_ne!(spoilt, sound, "{name}");
        let half = &taken.stdout[..taken.stdout.len() / 2];
        for dump in [half, &taken.stdout[..taken.stdout.len() - 100], b"garbage", b""] {
            let put = on.as_host(service, put_back, dump);
            let said = String::from_utf8_lossy(&put.stderr).into_owned();
            let stayed = on.sh(service, look) == spoilt;
            broken.push((
                format!("{name}, {} bytes", dump.len()),
                put.status.code().unwrap(),
                said,
                stayed,
            ));
        }
        let put = on.as_host(service, put_back, &taken.stdout);
        assert!(put.status.success(), "{}", String::from_utf8_lossy(&put.stderr));
        whole.push((name, sound, on.sh(service, look)));
    }

    let ambiguous = on.run(&["app", "cmd", app, "rotate-password"], b"");
    let not_raised = on.run(&["app", "cmd", app, "postgres:rotate-password"], b"");
    let env = on.lab.path(&format!("potluck/servers/here/{app}.env"));
    let settings = std::fs::read_to_string(&env).unwrap();
    let raised = settings
        .replace("SECRET_PG_PASSWORD_VERSION=v1", "SECRET_PG_PASSWORD_VERSION=v2")
        .replace("SECRET_MY_PASSWORD_VERSION=v1", "SECRET_MY_PASSWORD_VERSION=v2");
    std::fs::write(&env, raised).unwrap();
    let rotated = ["postgres:rotate-password", "mariadb:rotate-password"]
        .map(|name| on.run(&["app", "cmd", app, name], b""));
    on.ok(&deploy);
    // By the network, where everyone is asked for a password.
    let opens = [
        (
            "postgres",
            "PGPASSWORD=$P psql -qXAt -h $(hostname -i) -U wiki pages -c 'SELECT 1'",
            "pg_password",
        ),
        (
            "mariadb",
            "MYSQL_PWD=$P mariadb -h $(hostname -i) -u wiki -NBe 'SELECT 1' pages",
            "my_password",
        ),
    ]
    .map(|(service, script, secret)| {
        let open = |password: String| {
            let script = format!("P={password}; export P; {script}");
            on.run(&["app", "run", app, service, "--", "sh", "-c", &script], b"").code == 0
        };
        (service, open(OLD.into()), open(format!("$(cat /run/secrets/{secret})")))
    });
    Story {
        before,
        backup,
        after,
        restore,
        broken,
        whole,
        not_raised,
        ambiguous,
        rotated: rotated.into(),
        opens: opens.into(),
    }
}

#[test]
fn what_was_lost_comes_back_the_same() {
    let Some(story) = story() else { return };
    let kinds: Vec<_> = story.backup["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| {
            format!("{} {}", item["kind"].as_str().unwrap(), item["name"].as_str().unwrap())
        })
        .collect();
    for wanted in [
        "dump postgres.pgdump",
        "dump mariadb.sql",
        "dump redis.rdb",
        "dump app.db",
        "volume files",
    ] {
        assert!(kinds.iter().any(|kind| kind == wanted), "{wanted}: {kinds:?}");
    }
    for (before, after) in story.before.iter().zip(&story.after).take(3) {
        assert_eq!(before, after);
    }
    // The volume comes back without what it excludes.
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let (before, after) = (lines(&story.before[3]), lines(&story.after[3]));
    assert_eq!(before[..3], after[..3]);
    assert!(
        before.contains(&"x.tmp".to_owned()) && !after.contains(&"x.tmp".to_owned()),
        "{after:?}"
    );
}

#[test]
fn the_checks_after_a_restore_say_what_they_saw() {
    let Some(story) = story() else { return };
    let checks = story.restore["checks"].to_string();
    for part in
        ["1 tables, 2000 rows", "PostgreSQL 15", "MariaDB", "501 keys", "/data/app.db is sound"]
    {
        assert!(
            checks.contains(part) || (part == "501 keys" && checks.contains("500 keys")),
            "{part}: {checks}"
        );
    }
}

#[test]
fn a_broken_dump_restores_nothing_and_leaves_the_old_data() {
    let Some(story) = story() else { return };
    assert_eq!(story.broken.len(), 16);
    for (what, code, said, stayed) in &story.broken {
        assert_ne!(*code, 0, "{what}: {said}");
        assert!(stayed, "{what}: {said}");
    }
    for (store, taken, put_back) in &story.whole {
        assert_eq!(taken, put_back, "{store}");
    }
    assert_eq!(story.whole.len(), 4);
}

#[test]
fn a_password_is_changed_only_under_a_new_version() {
    let Some(story) = story() else { return };
    let Run { code, stderr, .. } = &story.not_raised;
    assert_eq!(*code, 1, "{stderr}");
    assert!(stderr.contains("has its version v1 already"), "{stderr}");
    assert!(stderr.contains("raise SECRET_PG_PASSWORD_VERSION"), "{stderr}");
    assert_eq!(story.ambiguous.code, 2, "{}", story.ambiguous);
    assert!(story.ambiguous.stderr.contains("`mariadb:rotate-password`"), "{}", story.ambiguous);
}

#[test]
fn after_a_rotation_the_old_password_is_refused_and_the_new_one_opens() {
    let Some(story) = story() else { return };
    for run in &story.rotated {
        assert_eq!(run.code, 0, "{run}");
        assert!(run.stderr.contains("deploy now"), "{run}");
    }
    assert_eq!(story.opens, [("postgres", false, true), ("mariadb", false, true)]);
}
