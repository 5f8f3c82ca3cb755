//! The main job, once, on the real swarm with a real WordPress and MariaDB:
//! deploy, secrets, hooks, backup, loss, restore. The story runs once and notes
//! what it saw; each test below holds one promise against those notes.

use crate::support::{
    common,
    operator::{has_images, has_plugin},
};

use std::{
    io::{Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

const GRANTS: [&str; 12] = [
    "--grant",
    "wordpress exec: app",
    "--grant",
    "wordpress exec: db",
    "--grant",
    "database exec: db",
    "--grant",
    "secret: db_password",
    "--grant",
    "mail exec: app",
    "--grant",
    "mail secret: smtp_password",
];

/// What the story saw, in the order in which it happened.
struct Story {
    domain: String,
    dry_run: Said,
    services_after_dry_run: String,
    without_secrets: Said,
    first_secrets: Said,
    second_secrets: Said,
    without_grants: Said,
    deploy: Said,
    page: String,
    again: Said,
    versions: (String, String),
    forced: Said,
    users: Said,
    reset: Said,
    sign_in: (bool, bool),
    killed_dump: Said,
    snapshots_after_killed_dump: Said,
    backup: Said,
    snapshots: Said,
    page_before: String,
    page_after: String,
    upload_after: Said,
    restore: Said,
    /// Where the planted password turned up, other than where it belongs.
    leaks: Vec<String>,
    undeploy: Said,
    removed: Said,
}

/// How a command ended and what it said.
#[derive(Debug, Clone)]
struct Said {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Said {
    fn ok(&self) -> &Self {
        assert_eq!(self.code, 0, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    fn json(&self) -> serde_json::Value {
        self.ok();
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|e| panic!("not JSON ({e}):\n{}", self.stdout))
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Said {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// One operator with a folder of their own.
struct Operator {
    home: tempfile::TempDir,
    domain: String,
    stack: String,
    /// Everything that any command said so far, to be searched for secrets.
    transcript: std::sync::Mutex<String>,
}

/// A value nobody else has: if it turns up anywhere, it leaked.
const PLANTED: &str = "Planted7Value9That2Must5Not8Leak3";

impl Operator {
    fn new() -> Self {
        let domain = format!("story{}.example.org", std::process::id());
        Operator {
            home: tempfile::tempdir().unwrap(),
            stack: domain.replace('.', "_"),
            domain,
            transcript: std::sync::Mutex::default(),
        }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_potluck"));
        command
            .args(args)
            .env("POTLUCK_DIR", self.home.path())
            .env("NO_COLOR", "1")
            .stdin(Stdio::null());
        command
    }

    fn potluck(&self, args: &[&str]) -> Said {
        let said = Said::from(self.command(args).output().unwrap());
        self.note(args, said)
    }

    fn potluck_with_input(&self, args: &[&str], input: &str) -> Said {
        let mut child = self
            .command(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        self.note(args, Said::from(child.wait_with_output().unwrap()))
    }

    fn note(&self, args: &[&str], said: Said) -> Said {
        let mut transcript = self.transcript.lock().unwrap();
        transcript.push_str(&format!(
            "$ potluck {}\n{}{}",
            args.join(" "),
            said.stdout,
            said.stderr
        ));
        said
    }

    fn docker(&self, args: &[&str]) -> Said {
        Said::from(Command::new("docker").args(args).output().unwrap())
    }

    /// Version index and task ids of every service: what changes when anything
    /// is sent to the swarm.
    fn versions(&self) -> String {
        let mut lines = Vec::new();
        for key in ["app", "db"] {
            let name = format!("{}_{key}", self.stack);
            lines.push(
                self.docker(&["service", "inspect", "-f", "{{.Version.Index}}", &name]).stdout,
            );
            lines.push(self.docker(&["service", "ps", "-q", &name]).stdout);
        }
        lines.concat()
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.docker(&["stack", "rm", &self.stack]);
        let deadline = Instant::now() + common::PATIENCE;
        let label = format!("label=com.docker.stack.namespace={}", self.stack);
        while Instant::now() < deadline
            && !self.docker(&["ps", "-aq", "--filter", &label]).stdout.trim().is_empty()
        {
            std::thread::sleep(Duration::from_millis(300));
        }
        for kind in ["secret", "volume"] {
            let list =
                self.docker(&[kind, "ls", "-q", "--filter", &format!("name={}", self.stack)]);
            for id in list.stdout.split_whitespace() {
                self.docker(&[kind, "rm", id]);
            }
        }
    }
}

/// A page by plain HTTP, with whatever headers come; empty when nothing answers.
fn fetch(host: &str, port: u16, path: &str) -> String {
    let deadline = Instant::now() + common::PATIENCE;
    loop {
        let page = try_fetch(host, port, path).unwrap_or_default();
        if page.starts_with("HTTP/1.1 200") || Instant::now() > deadline {
            return page;
        }
        std::thread::sleep(Duration::from_millis(300));
    }
}

fn try_fetch(host: &str, port: u16, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n")?;
    let mut page = Vec::new();
    stream.read_to_end(&mut page)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

/// Text of a page as a reader sees it: no markup, no headers.
fn text(page: &str) -> String {
    let body = page.split_once("\r\n\r\n").map_or(page, |(_, body)| body);
    let mut text = String::new();
    let mut inside = 0_usize;
    for c in body.chars() {
        match c {
            '<' => inside += 1,
            '>' => inside = inside.saturating_sub(1),
            c if inside == 0 => text.push(c),
            _ => {}
        }
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Every file below a folder that holds the planted value.
fn search(folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() && !path.is_symlink() {
            search(&path, found);
        } else if let Ok(bytes) = std::fs::read(&path)
            && bytes.windows(PLANTED.len()).any(|w| w == PLANTED.as_bytes())
        {
            found.push(path.display().to_string());
        }
    }
}

/// Watches the arguments and the environment of all processes outside of
/// containers while the story runs.
fn watch_processes(
    stop: std::sync::Arc<std::sync::atomic::AtomicBool>,
) -> std::thread::JoinHandle<Vec<String>> {
    use std::sync::atomic::Ordering;
    std::thread::spawn(move || {
        let mut found = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
                let path = entry.path();
                for file in ["cmdline", "environ"] {
                    let bytes = std::fs::read(path.join(file)).unwrap_or_default();
                    // The test's own memory is not searched, only what ps shows.
                    if bytes.windows(PLANTED.len()).any(|w| w == PLANTED.as_bytes()) {
                        let line = String::from_utf8_lossy(&bytes).replace('\0', " ");
                        found.push(format!("{}/{file}: {line}", path.display()));
                    }
                }
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        found
    })
}

fn story() -> Option<&'static Story> {
    static STORY: OnceLock<Option<Story>> = OnceLock::new();
    STORY
        .get_or_init(|| {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(common::real_engine())?;
            let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
            if !has_images(&["wordpress:1", "mariadb:1"]) || !has_plugin("wordpress") {
                return None;
            }
            let recipe = root.join("recipes-examples/wordpress");
            Some(tell(&recipe))
        })
        .as_ref()
}

fn tell(recipe: &Path) -> Story {
    let operator = Operator::new();
    let o = &operator;
    let app = o.domain.as_str();
    let port = common::ports();
    let setting = |key: &str, value: &str| format!("{key}={value}");
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let watcher = watch_processes(stop.clone());

    o.potluck(&["server", "add", "here", "--local"]).ok();
    o.potluck(&[
        "app",
        "new",
        recipe.to_str().unwrap(),
        "--server",
        "here",
        "--domain",
        app,
        "-n",
        "--set",
        "COMPOSE_FILE=compose.yml:compose.test.yml",
        "--set",
        &setting("PORT", &port.to_string()),
        "--set",
        &setting("SITE_URL", &format!("http://{app}:{port}")),
        "--set",
        "TITLE=Soup for everyone",
        "--set",
        "ADMIN_EMAIL=cook@example.org",
    ])
    .ok();

    let mut with_grants = vec!["app", "deploy", app, "-n"];
    with_grants.extend(GRANTS);
    let without_secrets = o.potluck(&with_grants);
    o.potluck_with_input(&["app", "secret", "insert", app, "admin_password"], PLANTED).ok();
    let first_secrets = o.potluck(&["app", "secret", "generate", app, "--json"]);
    let second_secrets = o.potluck(&["app", "secret", "generate", app, "--json"]);

    let without_grants = o.potluck(&["app", "deploy", app, "-n"]);
    let mut dry = with_grants.clone();
    dry.push("--dry-run");
    let dry_run = o.potluck(&dry);
    let services_after_dry_run =
        o.docker(&["service", "ls", "-q", "--filter", &format!("name={}", o.stack)]).stdout;

    let deploy = o.potluck(&with_grants);
    deploy.ok();
    let page = fetch(app, port, "/");

    let before = o.versions();
    let again = o.potluck(&["app", "deploy", app, "-n"]);
    let versions = (before, o.versions());
    let forced = o.potluck(&["app", "deploy", app, "-n", "--force"]);

    let users = o.potluck(&["app", "cmd", app, "list-users"]);
    let signs_in = |password: &str| {
        o.potluck_with_input(
            &[
                "app",
                "run",
                app,
                "app",
                "--",
                "php",
                "-r",
                r#"require "/var/www/html/wp-load.php";
                   exit(wp_authenticate("admin", trim(fgets(STDIN))) instanceof WP_User ? 0 : 1);"#,
            ],
            &format!("{password}\n"),
        )
        .code
            == 0
    };
    let old_password_worked = signs_in(PLANTED);
    let reset = o.potluck(&["app", "cmd", app, "reset-admin-password"]);
    let new_password = reset.stdout.split_whitespace().last().unwrap_or_default().to_owned();
    let sign_in = (old_password_worked && !signs_in(PLANTED), signs_in(&new_password));

    o.potluck(&[
        "app",
        "run",
        app,
        "app",
        "--",
        "php",
        "-r",
        r#"require "/var/www/html/wp-load.php";
           wp_insert_post(["post_title" => "Leek and potato", "post_status" => "publish"]);
           wp_mkdir_p(WP_CONTENT_DIR."/uploads");
           file_put_contents(WP_CONTENT_DIR."/uploads/recipe.txt", "two leeks");"#,
    ])
    .ok();

    let (killed_dump, snapshots_after_killed_dump) = break_the_dump(o);
    let page_before = text(&fetch(app, port, "/"));
    let backup = o.potluck(&["backup", "create", app, "--json"]);
    let snapshots = o.potluck(&["backup", "snapshots", app, "--json"]);

    o.potluck(&["app", "undeploy", app, "-n"]).ok();
    // Swarm takes the stopped containers away a moment later.
    let deadline = Instant::now() + common::PATIENCE;
    let label = format!("label=com.docker.stack.namespace={}", o.stack);
    while !o.docker(&["ps", "-aq", "--filter", &label]).stdout.trim().is_empty() {
        assert!(Instant::now() < deadline, "containers stay after the undeploy");
        std::thread::sleep(Duration::from_millis(300));
    }
    for volume in ["data", "content"] {
        let removed = o.docker(&["volume", "rm", &format!("{}_{volume}", o.stack)]);
        assert_eq!(removed.code, 0, "{}", removed.stderr);
    }
    let restore = o.potluck(&["backup", "restore", app, "--yes"]);
    let page_after = text(&fetch(app, port, "/"));
    let upload_after = o.potluck(&[
        "app",
        "run",
        app,
        "app",
        "--",
        "cat",
        "/var/www/html/wp-content/uploads/recipe.txt",
    ]);

    // Its lines go into the transcript that is searched for the planted secret.
    o.potluck(&["app", "logs", app]).ok();
    let undeploy = o.potluck(&["app", "undeploy", app, "-n"]);
    let removed = o.potluck(&["app", "rm", app, "--yes", "--no-backup"]);

    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let mut leaks = watcher.join().unwrap();
    search(o.home.path(), &mut leaks);
    if o.transcript.lock().unwrap().contains(PLANTED) {
        leaks.push("what a command said".into());
    }

    Story {
        domain: o.domain.clone(),
        dry_run,
        services_after_dry_run,
        without_secrets,
        first_secrets,
        second_secrets,
        without_grants,
        deploy,
        page,
        again,
        versions,
        forced,
        users,
        reset,
        sign_in,
        killed_dump,
        snapshots_after_killed_dump,
        backup,
        snapshots,
        page_before,
        page_after,
        upload_after,
        restore,
        leaks,
        undeploy,
        removed,
    }
}

/// Puts a `mariadb-dump` that fails half-way before the real one and backs up.
fn break_the_dump(o: &Operator) -> (Said, Said) {
    let app = o.domain.as_str();
    let put = |script: &str| {
        o.potluck_with_input(
            &[
                "app",
                "run",
                app,
                "db",
                "--",
                "sh",
                "-c",
                "cat >/usr/local/bin/mariadb-dump && chmod 755 /usr/local/bin/mariadb-dump",
            ],
            script,
        )
        .ok();
    };
    put("#!/bin/sh\nhead -c 3000000 /dev/urandom\nkill -9 $$\n");
    let killed = o.potluck(&["backup", "create", app]);
    let snapshots = o.potluck(&["backup", "snapshots", app, "--json"]);
    o.potluck(&["app", "run", app, "db", "--", "rm", "/usr/local/bin/mariadb-dump"]).ok();
    (killed, snapshots)
}

macro_rules! told {
    () => {
        match story() {
            Some(story) => story,
            None => return,
        }
    };
}

#[test]
fn a_missing_secret_is_named_with_the_command_that_makes_it() {
    let said = &told!().without_secrets;
    assert_eq!(said.code, 1, "{}", said.stderr);
    assert!(said.stderr.contains("db_password"), "{}", said.stderr);
    assert!(said.stderr.contains("potluck app secret generate"), "{}", said.stderr);
}

#[test]
fn secrets_are_made_once_and_not_shown() {
    let story = told!();
    let first = story.first_secrets.json().to_string();
    assert!(first.contains("db_password") && first.contains("db_root_password"), "{first}");
    story.second_secrets.ok();
    assert_ne!(story.first_secrets.stdout, story.second_secrets.stdout);
}

#[test]
fn grants_that_were_not_given_stop_the_deploy_and_name_the_flags() {
    let said = &told!().without_grants;
    assert_eq!(said.code, 6, "{}", said.stderr);
    for flag in [
        "--grant 'database exec: db'",
        "--grant 'database secret: db_password'",
        "--grant 'mail exec: app'",
        "--grant 'mail secret: smtp_password'",
        "--grant 'wordpress exec: app'",
        "--grant 'wordpress exec: db'",
    ] {
        assert!(said.stderr.contains(flag), "no {flag} in:\n{}", said.stderr);
    }
}

#[test]
fn a_dry_run_shows_the_plan_and_changes_nothing() {
    let story = told!();
    let said = story.dry_run.ok();
    let shown = format!("{}{}", said.stdout, said.stderr);
    assert!(shown.contains("app") && shown.contains("db"), "{shown}");
    assert_eq!(story.services_after_dry_run, "");
}

#[test]
fn the_deploy_ends_with_a_site_that_the_hook_installed() {
    let story = told!();
    story.deploy.ok();
    assert!(story.page.contains("Soup for everyone"), "{}", story.page);
}

#[test]
fn deploying_again_sends_nothing_to_the_swarm() {
    let story = told!();
    story.again.ok();
    assert_eq!(story.versions.0, story.versions.1);
}

#[test]
fn the_hooks_may_run_again() {
    told!().forced.ok();
}

#[test]
fn the_plugins_commands_work() {
    let story = told!();
    assert!(story.users.ok().stdout.contains("admin"), "{}", story.users.stdout);
    story.reset.ok();
    assert_eq!(story.sign_in, (true, true), "(old password only before, new password after)");
}

#[test]
fn a_dump_that_is_killed_leaves_no_backup() {
    let story = told!();
    assert_ne!(story.killed_dump.code, 0);
    assert!(story.killed_dump.stderr.contains("db.sql"), "{}", story.killed_dump.stderr);
    assert_eq!(
        story.snapshots_after_killed_dump.json().as_array().map(Vec::len),
        Some(0),
        "{}",
        story.snapshots_after_killed_dump.stdout
    );
}

#[test]
fn a_backup_holds_the_dump_and_the_volume() {
    let story = told!();
    let report = story.backup.json().to_string();
    assert!(report.contains("db.sql") && report.contains("content"), "{report}");
    assert_eq!(story.snapshots.json().as_array().map(Vec::len), Some(1));
}

#[test]
fn after_the_loss_of_both_volumes_a_restore_brings_the_same_page_back() {
    let story = told!();
    story.restore.ok();
    assert!(story.page_before.contains("Leek and potato"), "{}", story.page_before);
    assert_eq!(story.page_before, story.page_after);
    assert_eq!(story.upload_after.ok().stdout.trim(), "two leeks");
    // It is in no media library, and there all the same.
    let said = format!("{}{}", story.restore.stdout, story.restore.stderr);
    assert!(said.contains("uploads are there (1 file)"), "{said}");
}

#[test]
fn a_secrets_value_turns_up_nowhere() {
    let story = told!();
    assert!(story.leaks.is_empty(), "{}: {:#?}", story.domain, story.leaks);
}

#[test]
fn an_app_can_be_removed_without_a_trace() {
    let story = told!();
    story.undeploy.ok();
    story.removed.ok();
}
