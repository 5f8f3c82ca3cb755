//! The standard plugins as they come with potluck: the components in the real
//! plugin host, and one app with one of each store on the real swarm. The story
//! runs once and notes what it saw; each test holds one promise against it.
//! `make test` builds components and images first.

mod cli_support;
mod common;
#[allow(clippy::duplicate_mod, reason = "each has the one way to skip a test")]
mod hostile;

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use cli_support::{Lab, Run};
use hostile::{World, load, roles, skip, surroundings};
use potluck::{
    plugin::{BackupItem, Client, Encryption, Hooks, Relay, Role},
    recipe::{Standard, standard},
};
use serde_json::{Value, json};

fn component(name: &str) -> Option<&'static [u8]> {
    let component = Standard::find(name).unwrap().component().ok();
    if component.is_none() {
        skip(&format!("potluck was built without std:{name}: make plugins"));
    }
    component
}

/// An instance with these options, its services scripted.
async fn guest(name: &str, options: Value, grants: &[&str]) -> Option<(Hooks, Arc<World>)> {
    let plugin = load(component(name)?).await.unwrap();
    let world = Arc::new(World::default());
    let surroundings = potluck::plugin::Surroundings { options, ..surroundings(&world, grants) };
    Some((plugin.start(surroundings).await.unwrap(), world))
}

#[tokio::test]
async fn each_plays_its_roles_and_imports_nothing_it_does_not_need() {
    let store = [Role::Lifecycle, Role::Backup];
    let rotating = [Role::Lifecycle, Role::Backup, Role::Commands];
    let expected: [(&str, &[Role], &[&str]); 8] = [
        ("postgres", &rotating, &["secrets", "services"]),
        ("mariadb", &rotating, &["secrets", "services"]),
        ("redis", &store, &["services"]),
        ("sqlite", &store, &["services"]),
        ("files", &store, &[]),
        ("backupbot", &[Role::Backup], &["services"]),
        ("smtp", &[Role::Lifecycle, Role::MailClient], &["services"]),
        ("oidc", &[Role::Lifecycle, Role::SsoClient], &[]),
    ];
    assert_eq!(expected.map(|(name, ..)| name), standard::ALL.each_ref().map(|s| s.name));
    for (name, played, powers) in expected {
        let Some(component) = component(name) else { return };
        let plugin = load(component).await.unwrap();
        let mut wanted = roles(&plugin);
        wanted.sort();
        let mut played = played.to_vec();
        played.sort();
        assert_eq!(wanted, played, "{name}");
        // Those that reach anything; the rest are types and talk.
        let reaching = ["http", "memory", "secrets", "services"].into_iter().filter(|power| {
            let interface = format!("potluck:recipe/{power}@");
            plugin.imports().iter().any(|import| import.starts_with(&interface))
        });
        assert_eq!(reaching.collect::<Vec<_>>(), powers, "{name}");
    }
}

#[tokio::test]
async fn a_relay_becomes_the_changes_that_the_map_says() {
    let options = json!({
        "settings": {"SMTP_HOST": "{host}:{port}", "SMTP_TLS": {"starttls": "yes", "tls": "no"}},
        "secrets": {"smtp_password": "{password}"},
        "overlays": ["compose.smtp.yml"],
        "test": {"command": ["sendmail", "{recipient}"]},
    });
    let grants = ["secret: smtp_password", "exec: app"];
    let Some((mut hooks, world)) = guest("smtp", options, &grants).await else { return };
    let mut relay = Relay {
        host: "mail.example.org".into(),
        port: 587,
        encryption: Encryption::StartTls,
        username: Some("wiki".into()),
        password: Some("Relay5Password".to_owned().into()),
        sender: "wiki@example.org".into(),
    };
    let changes = hooks.mail_connect(&relay).await.unwrap();
    let settings: Vec<_> =
        changes.settings.iter().map(|(key, value)| (key.as_str(), value.as_deref())).collect();
    assert_eq!(settings, [("SMTP_HOST", Some("mail.example.org:587")), ("SMTP_TLS", Some("yes"))]);
    assert_eq!(changes.secrets.len(), 1);
    assert_eq!(changes.overlays_on, ["compose.smtp.yml"]);
    let off = hooks.mail_disconnect().await.unwrap();
    assert!(off.settings.iter().all(|(_, value)| value.is_none()));
    relay.encryption = Encryption::None;
    let error = hooks.mail_connect(&relay).await.unwrap_err().to_string();
    assert!(error.contains("the encryption `none`"), "{error}");
    hooks.mail_send_test("cook@example.org").await.unwrap();
    let commands = world.commands.lock().unwrap();
    assert_eq!(commands[0].1.argv, ["sendmail", "cook@example.org"]);
    assert!(world.lines().iter().all(|line| !line.contains("Relay5Password")));
}

#[tokio::test]
async fn a_secret_that_was_not_granted_is_not_changed() {
    let options = json!({"settings": {"A": "{host}"}, "secrets": {"smtp_password": "{password}"}});
    let Some((mut hooks, _)) = guest("smtp", options, &[]).await else { return };
    let relay = Relay {
        host: "mail.example.org".into(),
        port: 25,
        encryption: Encryption::None,
        username: None,
        password: Some("secret".to_owned().into()),
        sender: "wiki@example.org".into(),
    };
    let error = hooks.mail_connect(&relay).await.unwrap_err().to_string();
    assert!(error.contains("secret: smtp_password"), "{error}");
}

#[tokio::test]
async fn a_client_becomes_the_changes_that_the_map_says() {
    let options = json!({
        "redirect": ["/oauth/callback"],
        "settings": {"OIDC_URL": "{discovery}", "OIDC_ID": "{client_id}"},
        "secrets": {"oidc_secret": "{client_secret}"},
        "overlays": ["compose.oidc.yml"],
    });
    let Some((mut hooks, _)) = guest("oidc", options, &["secret: oidc_secret"]).await else {
        return;
    };
    let request = hooks.sso_request().await.unwrap();
    assert_eq!(request.redirect_uris, ["https://wiki.example.org/oauth/callback"]);
    let client = Client {
        issuer: "https://sso.example.org/realms/main".into(),
        client_id: "wiki".into(),
        client_secret: Some("Client5Secret".to_owned().into()),
        groups_claim: None,
    };
    let changes = hooks.sso_connect(&client).await.unwrap();
    let discovery = "https://sso.example.org/realms/main/.well-known/openid-configuration";
    assert!(changes.settings.contains(&("OIDC_URL".into(), Some(discovery.into()))));
    assert_eq!(changes.secrets.len(), 1);
    assert_eq!(hooks.sso_disconnect().await.unwrap().overlays_off, ["compose.oidc.yml"]);
}

#[test]
fn they_are_listed_and_looked_at_like_any_other() {
    if component("postgres").is_none() {
        return;
    }
    let lab = Lab::new();
    let listed = lab.json(&["plugin", "ls", "--json"]);
    assert_eq!(listed.as_array().unwrap().len(), standard::ALL.len());
    assert!(listed[0]["size"].as_u64().unwrap() > 10_000, "{listed}");
    let shown = lab.json(&["plugin", "inspect", "std:postgres", "--json"]);
    assert_eq!(shown[0]["roles"], json!(["lifecycle", "backup", "commands"]));
    let wrong = lab.run(&["plugin", "inspect", "std:postgresql"]);
    assert_eq!(wrong.code, 1, "{wrong}");
    assert!(wrong.stderr.contains("did you mean `std:postgres`?"), "{wrong}");
}

// --- on the swarm ---------------------------------------------------------

/// An app on the real swarm, taken off when the test ends.
struct OnSwarm {
    lab: Lab,
    app: String,
    stack: String,
}

impl OnSwarm {
    fn new(recipe: &Path, name: &str) -> Self {
        let app = format!("std{name}{}.example.org", std::process::id());
        let on = OnSwarm { lab: Lab::new(), stack: app.replace('.', "_"), app };
        on.ok(&["server", "add", "here", "--local"]);
        let recipe = recipe.to_str().unwrap();
        on.ok(&["app", "new", recipe, "--server", "here", "--domain", &on.app, "-n"]);
        on
    }

    fn run(&self, arguments: &[&str], input: &[u8]) -> Run {
        let mut command = self.lab.command();
        command.timeout(Duration::from_secs(600));
        let output = command.args(arguments).write_stdin(input).output().unwrap();
        Run {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    fn ok(&self, arguments: &[&str]) -> String {
        let run = self.run(arguments, b"");
        assert_eq!(run.code, 0, "{arguments:?}\n{run}");
        run.stdout
    }

    /// A script in a service, which has to succeed.
    fn sh(&self, service: &str, script: &str) -> String {
        self.ok(&["app", "run", &self.app, service, "--", "sh", "-c", script]).trim().to_owned()
    }

    /// What a plugin's command does, as the host would run it.
    fn as_host(
        &self,
        service: &str,
        command: &potluck::plugin::Command,
        input: &[u8],
    ) -> std::process::Output {
        let filter = format!("name={}_{service}.", self.stack);
        let id = docker(&["ps", "-q", "--filter", &filter]);
        let mut docker = Command::new("docker");
        docker.args(["exec", "-i"]);
        for (key, value) in &command.env {
            docker.args(["-e", &format!("{key}={value}")]);
        }
        docker.arg(id.trim()).args(&command.argv);
        docker.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = docker.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        // What refuses its input may end before it has read all of it.
        let feeding = std::thread::spawn(move || drop(stdin.write_all(&input)));
        let output = child.wait_with_output().unwrap();
        feeding.join().unwrap();
        output
    }

    fn lose(&self, volumes: &[&str]) {
        self.ok(&["app", "undeploy", &self.app, "-n"]);
        self.wait_gone();
        for volume in volumes {
            docker(&["volume", "rm", &format!("{}_{volume}", self.stack)]);
        }
    }

    /// Until they are gone, stopped containers hold the volumes.
    fn wait_gone(&self) {
        let label = format!("label=com.docker.stack.namespace={}", self.stack);
        let deadline = Instant::now() + common::PATIENCE;
        while !docker(&["ps", "-aq", "--filter", &label]).trim().is_empty() {
            assert!(Instant::now() < deadline, "the containers of {} stay", self.stack);
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

impl Drop for OnSwarm {
    fn drop(&mut self) {
        docker(&["stack", "rm", &self.stack]);
        let label = format!("label=com.docker.stack.namespace={}", self.stack);
        let deadline = Instant::now() + Duration::from_secs(60);
        while Instant::now() < deadline
            && !docker(&["ps", "-aq", "--filter", &label]).trim().is_empty()
        {
            std::thread::sleep(Duration::from_millis(200));
        }
        for kind in ["secret", "volume"] {
            let filter = format!("name={}", self.stack);
            for id in docker(&[kind, "ls", "-q", "--filter", &filter]).split_whitespace() {
                docker(&[kind, "rm", id]);
            }
        }
    }
}

fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Whether the swarm, the images and the components are here.
fn ready(images: &[&str]) -> bool {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if runtime.block_on(common::real_engine()).is_none() || component("postgres").is_none() {
        return false;
    }
    for image in images {
        if docker(&["image", "inspect", "-f", "{{.Id}}", image]).is_empty() {
            skip(&format!("the image {image} is missing: make images"));
            return false;
        }
    }
    true
}

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
        "sqlite3 /data/app.db 'SELECT count(*), sum(title) FROM page; PRAGMA user_version'; cat /data/soup.txt; ls /data",
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
    /// What a whole dump, put back the same way, brought back.
    whole: Vec<bool>,
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
        on.sh(service, SPOIL.iter().find(|(s, _)| s == service).unwrap().1);
        let spoilt = on.sh(service, look);
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
        let found = before[LOOK.iter().position(|(s, _)| s == service).unwrap()].clone();
        whole.push(on.sh(service, look) == found);
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
    assert_eq!(story.whole, [true, true, true, true]);
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

const LABELLED: &str = r#"
version: "3.8"
services:
  app:
    image: potluck-test/busybox:1
    command: ["sh", "-c", "trap exit TERM; while :; do sleep 0.2; done"]
    stop_grace_period: 1s
    volumes: [data:/data, cache:/cache]
    deploy:
      endpoint_mode: dnsrr
      labels:
        backupbot.backup: "${ENABLE_BACKUPS:-true}"
        backupbot.backup.pre-hook: "cp /data/live /data/dump"
        backupbot.backup.post-hook: "rm /data/dump"
        backupbot.backup.volumes.data.path: "dump"
        backupbot.backup.volumes.cache: "false"
        backupbot.restore.post-hook: "mv /data/dump /data/live"
volumes:
  data:
  cache:
"#;

#[test]
fn labels_alone_make_a_backup_with_hooks_that_were_granted() {
    if !ready(&[]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let recipe = folder.path().join("labelled");
    std::fs::create_dir(&recipe).unwrap();
    std::fs::write(recipe.join("compose.yml"), LABELLED).unwrap();
    std::fs::write(recipe.join(".env.sample"), "TYPE=labelled\nDOMAIN=x.example.org\n").unwrap();
    let on = OnSwarm::new(&recipe, "labels");
    let app = on.app.as_str();
    let asked = on.run(&["app", "deploy", app, "-n"], b"");
    assert_eq!(asked.code, 6, "{asked}");
    assert!(asked.stderr.contains("exec: app"), "{asked}");
    on.ok(&["app", "deploy", app, "-n", "--grant", "exec: app"]);
    on.sh("app", "echo soup >/data/live; echo x >/data/other; echo y >/cache/y");
    on.ok(&["backup", "create", app]);
    assert_eq!(on.sh("app", "ls /data"), "live\nother");
    on.lose(&["data", "cache"]);
    on.ok(&["backup", "restore", app, "--yes"]);
    assert_eq!(on.sh("app", "cat /data/live; ls /data /cache"), "soup\n/cache:\n\n/data:\nlive");

    let env = on.lab.path(&format!("potluck/servers/here/{app}.env"));
    let settings = std::fs::read_to_string(&env).unwrap();
    std::fs::write(&env, format!("{settings}ENABLE_BACKUPS=false\n")).unwrap();
    let off = on.run(&["backup", "create", app], b"");
    assert_eq!(off.code, 1, "{off}");
    assert!(off.stderr.contains("turn its backups off"), "{off}");
}
