//! The standard plugins for stores, in one app with one of each on the real
//! swarm. The story runs once and notes what it saw; each test holds one promise
//! against it. `make test` builds components and images first.

use crate::support::std_guests;

use std::{path::Path, sync::OnceLock};

use potluck::{
    backup::set::proof::{Proof, Seen},
    plugin::{BackupItem, Belief, Command},
};
use serde_json::{Value, json};
use std_guests::{OnSwarm, Run, guest, ready};

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
        "echo 'two leeks' >/data/soup.txt; echo x >/data/x.tmp; mkdir -p /media/uploads/2026 /media/keep /media/cache; \
         for f in uploads/2026/a uploads/b.tmp keep/one.txt keep/two.txt cache/c; do echo $f >/media/$f; done; \
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

const MEDIA: &str = "cd /media; find . -type f | sort";

/// A transaction that changes two things, for as long as there is no /tmp/stop.
const WRITE: [(&str, &str, &str); 4] = [
    (
        "postgres",
        "psql -qX -U wiki pages -c 'CREATE TABLE one AS SELECT 0 AS n' -c 'CREATE TABLE two AS SELECT 0 AS n'",
        "psql -qX -U wiki pages -c 'BEGIN; UPDATE one SET n = n + 1; UPDATE two SET n = n + 1; COMMIT'",
    ),
    (
        "mariadb",
        "MYSQL_PWD=$(cat /run/secrets/my_password) mariadb -u wiki pages -e 'CREATE TABLE one (n INT); CREATE TABLE two (n INT); \
         INSERT INTO one VALUES (0); INSERT INTO two VALUES (0)'",
        "MYSQL_PWD=$(cat /run/secrets/my_password) mariadb -u wiki pages -e 'BEGIN; UPDATE one SET n = n + 1; UPDATE two SET n = n + 1; COMMIT'",
    ),
    ("redis", "redis-cli MSET a 0 b 0", "printf 'MULTI\\nINCR a\\nINCR b\\nEXEC\\n' | redis-cli"),
    (
        "app",
        "sqlite3 /data/app.db 'CREATE TABLE one (n); CREATE TABLE two (n); INSERT INTO one VALUES (0); INSERT INTO two VALUES (0)'",
        "sqlite3 -cmd '.timeout 60000' /data/app.db 'BEGIN IMMEDIATE; UPDATE one SET n = n + 1; UPDATE two SET n = n + 1; COMMIT'",
    ),
];

/// Both of them, a line each.
const BOTH: [(&str, &str); 4] = [
    ("postgres", "psql -qXAt -U wiki pages -c 'SELECT n FROM one' -c 'SELECT n FROM two'"),
    (
        "mariadb",
        "MYSQL_PWD=$(cat /run/secrets/my_password) mariadb -u wiki -NB pages -e 'SELECT n FROM one; SELECT n FROM two'",
    ),
    ("redis", "redis-cli MGET a b"),
    ("app", "sqlite3 -cmd '.timeout 60000' /data/app.db 'SELECT n FROM one; SELECT n FROM two'"),
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

type Broken = (String, i32, String, bool);
type Whole = (&'static str, String, String);
/// Store, bytes of a dump and how many of them there are, and what a backup thinks of it.
type Judged = (&'static str, usize, usize, Result<Seen, String>);

struct Story {
    before: Vec<String>,
    backup: Value,
    /// A backup with a database more in each server.
    more: Value,
    judged: Vec<Judged>,
    after: Vec<String>,
    restore: Value,
    /// Store, what became of a broken dump, and whether the data stayed.
    broken: Vec<Broken>,
    /// Store, what it held when a dump was taken, and when that was put back.
    whole: Vec<Whole>,
    /// Store, and two things that change together, in what was taken meanwhile.
    moments: Vec<(&'static str, String)>,
    /// Files of the volume whose paths are named, before and after.
    media: (String, String),
    not_raised: Run,
    ambiguous: Run,
    rotated: Vec<Run>,
    /// Store, and whether the old and the new password open it after a deploy.
    opens: Vec<(&'static str, bool, bool)>,
}

const OLD: &str = "OldPassword1";
const ROOT: &str = "MYSQL_PWD=$(cat /run/secrets/my_root) mariadb -u root";

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
    on.sh("postgres", "psql -qX -U wiki pages -c 'CREATE DATABASE shop'");
    on.sh("mariadb", &format!("{ROOT} -e 'CREATE DATABASE shop'"));
    let more = serde_json::from_str(&on.ok(&["backup", "create", app, "--json"])).unwrap();
    on.sh("postgres", "psql -qX -U wiki pages -c 'DROP DATABASE shop'");
    on.sh("mariadb", &format!("{ROOT} -e 'DROP DATABASE shop'"));
    let media = on.sh("app", MEDIA);
    on.lose(&["files", "media", "pg", "my", "redis"]);
    let restored = on.ok(&["backup", "restore", app, "--yes", "--json"]);
    let restore = serde_json::from_str(&restored).unwrap();
    let after = all(&LOOK);
    let media = (media, on.sh("app", MEDIA));

    let (broken, whole, judged) = broken_and_whole(&on);
    let moments = moments(&on);

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
        more,
        judged,
        after,
        restore,
        broken,
        whole,
        moments,
        media,
        not_raised,
        ambiguous,
        rotated: rotated.into(),
        opens: opens.into(),
    }
}

/// How a standard plugin takes and puts back its one dump here.
fn dump(name: &str, options: Value) -> (String, Command, Command, Belief) {
    let grants = ["exec: app", "exec: postgres", "exec: mariadb", "exec: redis"];
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut plan = runtime.block_on(async {
        let (mut hooks, _) = guest(name, options, &grants).await.unwrap();
        hooks.backup_plan().await.unwrap()
    });
    match plan.pop() {
        Some(BackupItem::Dump { service, take, put_back, belief, .. }) => {
            (service, take, put_back, belief)
        }
        other => panic!("{other:?}"),
    }
}

fn of<const N: usize>(scripts: &[(&str, &'static str); N], service: &str) -> &'static str {
    scripts.iter().find(|(s, _)| *s == service).unwrap().1
}

fn taken(on: &OnSwarm, service: &str, take: &Command) -> Vec<u8> {
    let taken = on.as_host(service, take, b"");
    assert!(taken.status.success(), "{}", String::from_utf8_lossy(&taken.stderr));
    taken.stdout
}

fn broken_and_whole(on: &OnSwarm) -> (Vec<Broken>, Vec<Whole>, Vec<Judged>) {
    let (mut broken, mut whole, mut judged) = (Vec::new(), Vec::new(), Vec::new());
    for (name, plugin, options) in [
        ("postgres", "postgres", json!({"service": "postgres"})),
        ("mariadb", "mariadb", json!({"service": "mariadb"})),
        ("mariadb without root", "mariadb", json!({"service": "mariadb"})),
        ("redis", "redis", json!({})),
        ("sqlite", "sqlite", json!({"files": ["/data/app.db"]})),
    ] {
        let (service, mut take, mut put_back, belief) = dump(plugin, options);
        if name.ends_with("without root") {
            for command in [&mut take, &mut put_back] {
                command.env.push(("MARIADB_ROOT_PASSWORD_FILE".into(), String::new()));
            }
        }
        let look = of(&LOOK, &service);
        let taken = taken(on, &service, &take);
        let all = taken.len();
        // Of Redis, 40 bytes after the end mark the end of a transfer.
        for length in [0, 1, all / 10, all / 2, all - 100, all - 60, all] {
            let mut proof = Proof::of(&belief);
            taken[..length].chunks(8192).for_each(|piece| proof.push(piece));
            judged.push((name, length, all, proof.end()));
        }
        let sound = on.sh(&service, look);
        on.sh(&service, of(&SPOIL, &service));
        let spoilt = on.sh(&service, look);
        assert_ne!(spoilt, sound, "{name}");
        let mut dumps = vec![
            taken[..taken.len() / 2].to_vec(),
            taken[..taken.len() - 100].to_vec(),
            b"garbage".to_vec(),
            Vec::new(),
        ];
        if plugin == "mariadb" {
            // Its end is there.
            let text = String::from_utf8(taken.clone()).unwrap();
            let at = text.rfind("INSERT INTO").unwrap();
            dumps.push(format!("{}INSERT INFO{}", &text[..at], &text[at + 11..]).into_bytes());
        }
        for dump in dumps {
            let put = on.as_host(&service, &put_back, &dump);
            let said = String::from_utf8_lossy(&put.stderr).into_owned();
            let stayed = on.sh(&service, look) == spoilt;
            let what = format!("{name}, {} bytes of {}", dump.len(), taken.len());
            broken.push((what, put.status.code().unwrap(), said, stayed));
        }
        let put = on.as_host(&service, &put_back, &taken);
        assert!(put.status.success(), "{}", String::from_utf8_lossy(&put.stderr));
        whole.push((name, sound, on.sh(&service, look)));
    }
    (broken, whole, judged)
}

/// Dumps taken while the app writes.
fn moments(on: &OnSwarm) -> Vec<(&'static str, String)> {
    let mut moments = Vec::new();
    for (plugin, options) in [
        ("postgres", json!({"service": "postgres"})),
        ("mariadb", json!({"service": "mariadb"})),
        ("redis", json!({})),
        ("sqlite", json!({"files": ["/data/app.db"]})),
    ] {
        let (service, take, put_back, _) = dump(plugin, options);
        let (_, begin, step) = WRITE.iter().find(|(s, ..)| *s == service).unwrap();
        on.sh(&service, begin);
        let written = "until [ \"$(LOOK | head -n 1)\" -gt 3 ]; do sleep 0.1; done";
        let writing =
            format!("while [ ! -e /tmp/stop ]; do {step}; done >/dev/null; touch /tmp/stopped");
        on.background(&service, &writing);
        on.sh(&service, &written.replace("LOOK", of(&BOTH, &service)));
        let taken = taken(on, &service, &take);
        on.sh(&service, "touch /tmp/stop; until [ -e /tmp/stopped ]; do sleep 0.1; done");
        let put = on.as_host(&service, &put_back, &taken);
        assert!(put.status.success(), "{}", String::from_utf8_lossy(&put.stderr));
        moments.push((plugin, on.sh(&service, of(&BOTH, &service))));
    }
    moments
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
fn a_volume_comes_back_with_the_paths_that_were_named() {
    let Some(Story { media: (before, after), .. }) = story() else { return };
    assert_eq!(before.lines().count(), 5, "{before}");
    assert_eq!(after, "./keep/one.txt\n./uploads/2026/a\n./uploads/b.tmp");
}

#[test]
fn what_is_taken_while_the_app_writes_is_one_moment() {
    let Some(story) = story() else { return };
    assert_eq!(story.moments.len(), 4);
    for (store, both) in &story.moments {
        let both: Vec<u64> = both.lines().map(|n| n.trim().parse().unwrap()).collect();
        assert!(both.len() == 2 && both[0] == both[1] && both[0] > 3, "{store}: {both:?}");
    }
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
    assert_eq!(story.broken.len(), 22);
    for (what, code, said, stayed) in &story.broken {
        assert_ne!(*code, 0, "{what}: {said}");
        assert!(stayed, "{what}: {said}");
    }
    for (store, taken, put_back) in &story.whole {
        assert_eq!(taken, put_back, "{store}");
    }
    assert_eq!(story.whole.len(), 5);
}

#[test]
fn a_dump_is_believed_only_to_its_last_byte() {
    let Some(story) = story() else { return };
    assert_eq!(story.judged.len(), 35);
    for (store, bytes, all, outcome) in &story.judged {
        match outcome {
            Ok(seen) if bytes == all => {
                assert_eq!(seen.unknown, None, "{store}");
                let names = matches!(*store, "redis" | "sqlite").then_some(None);
                let pages = || Some(["pages".to_owned()].into());
                assert_eq!(seen.names, names.unwrap_or_else(pages), "{store}");
            }
            Err(_) if bytes < all => {}
            other => panic!("{store}, {bytes} of {all} bytes: {other:?}"),
        }
    }
}

#[test]
fn a_database_that_is_in_no_dump_is_told() {
    let Some(story) = story() else { return };
    assert_eq!(story.backup["warnings"], json!([]));
    let warnings: Vec<&str> =
        story.more["warnings"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    let told = ["mariadb", "postgres"].map(|service| {
        format!("the service `{service}` has `shop`, which no dump of this backup holds")
    });
    assert_eq!(warnings, told);
}

#[test]
fn a_password_is_changed_only_under_a_new_version() {
    let Some(story) = story() else { return };
    let Run { code, stderr, .. } = &story.not_raised;
    assert_eq!(*code, 1, "{stderr}");
    assert!(stderr.contains("version v1 of the secret `pg_password` already exists"), "{stderr}");
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
