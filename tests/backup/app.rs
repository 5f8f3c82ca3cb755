//! Backups of a real app on a real swarm: what is in a set, what a failure
//! leaves, and an app brought back from nothing.

use crate::support::hostile::guests;

mod dumps;
mod hostile;

use crate::support::common;

use std::{fs, ops::Deref, time::Duration};

use common::{
    PATIENCE,
    app::{TestApp, shell},
    endpoint, eventually,
};
use potluck::{
    app::Leaving,
    backup::{self, Error, ItemKind, Listed, Options, SetSummary, Which},
    engine::Scope,
    home::{AppGuard, BackupSettings, Keep, lock_file::Upgrade},
    hooks::AppServices,
    operation::{self, SetReport},
    plugin::{BackupItem, Belief, Command},
    progress::Event,
};

const COMPOSE: &str = r#"
version: "3.8"
services:
  app:
    image: BUSYBOX
    command: ["sleep", "1000000"]
    stop_grace_period: 0s
    volumes: ["content:/content"]
    deploy: {endpoint_mode: dnsrr}
  db:
    image: BUSYBOX
    command: ["sleep", "1000000"]
    stop_grace_period: 0s
    volumes: ["data:/data"]
    deploy: {endpoint_mode: dnsrr}
volumes:
  content:
  data:
"#;

/// An app whose backups are looked at.
struct Fixture(TestApp);

impl Deref for Fixture {
    type Target = TestApp;
    fn deref(&self) -> &TestApp {
        &self.0
    }
}

fn dump(take: &str) -> BackupItem {
    BackupItem::Dump {
        name: "db.txt".into(),
        service: "db".into(),
        take: shell(take),
        put_back: shell("cat >/data/db.txt.new && mv /data/db.txt.new /data/db.txt"),
        belief: Belief::default(),
    }
}

fn plan(take: &str) -> Vec<BackupItem> {
    vec![
        BackupItem::Custom { name: "notes".into() },
        BackupItem::Volume {
            name: "content".into(),
            paths: Vec::new(),
            exclude: vec!["*.tmp".into()],
        },
        dump(take),
    ]
}

impl Fixture {
    /// None, said loudly, where there is no engine. `plan` is what the
    /// recipe's plugin plans; a recipe without a plugin when there is none.
    async fn new(compose: &str, plan: Option<&[BackupItem]>) -> Option<Self> {
        let fixture = Fixture(TestApp::real("backup").await?);
        fixture.compose(compose);
        if let Some(plan) = plan {
            fixture.plan(plan);
        }
        Some(fixture)
    }

    /// Gives the recipe another plugin.
    fn plan(&self, plan: &[BackupItem]) {
        self.file("plugins/guest.wasm", guests::talking_backup(plan));
        let mut manifest =
            "plugins:\n  - name: guest\n    component: plugins/guest.wasm\n".to_owned();
        if plan.iter().any(|item| matches!(item, BackupItem::Dump { .. })) {
            manifest += "    grants:\n      - exec: db\n";
        }
        self.file("recipe.yml", manifest);
    }

    fn options(&self) -> Options {
        let environment = vec![("PATH".into(), std::env::var_os("PATH").unwrap())];
        Options { environment, ..Options::default() }
    }

    fn guard(&self) -> AppGuard {
        self.context.home.guard_app(&self.entry, "a test").unwrap()
    }

    async fn create(&self) -> Result<SetReport, Error> {
        operation::back_up(&self.context, &self.guard(), &self.load().await, &self.options()).await
    }

    async fn sets(&self, listed: Listed) -> Vec<SetSummary> {
        backup::snapshots(&self.context, &self.entry, listed, &self.options()).await.unwrap().sets
    }

    async fn restore(&self) -> Result<operation::RestoreReport, Error> {
        let mut app = self.load().await;
        let (options, guard) = (self.options(), self.guard());
        let restore =
            operation::prepare_restore(&self.context, &guard, &app, &Which::Latest, &options)
                .await?;
        restore.run(&self.context, &guard, &mut app, &options).await
    }

    async fn fill(&self) {
        self.run("app", "mkdir -p /content/sub && echo picture >/content/sub/p && chown 33:33 /content/sub && chmod 700 /content && echo x >/content/x.tmp").await;
        self.run("db", "echo rows >/data/db.txt && echo index >/data/other").await;
    }

    /// Neither a set nor a lock is left, and the guest was told.
    async fn assert_nothing_taken(&self) {
        assert!(self.sets(Listed::All).await.is_empty(), "snapshots are left");
        let repository = self.context.home.backup(&self.entry.server).unwrap().repository;
        let locks = fs::read_dir(std::path::Path::new(&repository).join("locks")).unwrap();
        assert_eq!(locks.count(), 0, "a lock is left");
        assert_eq!(self.heard.said(), ["before-backup", "after-backup false"]);
    }

    async fn replicas(&self) -> Vec<u64> {
        let live = self.engine.services(Scope::Stack(&self.stack)).await.unwrap();
        let replicas = live.into_iter().map(|s| s.spec.unwrap().mode.unwrap());
        replicas.map(|m| m.replicated.unwrap().replicas.unwrap() as u64).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_comes_back_from_nothing() {
    let Some(fixture) = Fixture::new(COMPOSE, Some(&plan("cat /data/db.txt"))).await else {
        return;
    };
    fixture.deploy().await;
    fixture.fill().await;
    let report = fixture.create().await.unwrap();
    let kinds: Vec<_> = report.items.iter().map(|i| i.kind).collect();
    assert_eq!(kinds, [ItemKind::Dump, ItemKind::Volume, ItemKind::Custom, ItemKind::Settings]);
    assert_eq!(report.items[0].bytes, 5);
    let sets = fixture.sets(Listed::Complete).await;
    assert_eq!(sets.len(), 1);
    assert_eq!((&sets[0].id, sets[0].bytes), (&report.set, Some(report.bytes)));

    let leaving = Leaving::load(&fixture.context, &fixture.entry).await.unwrap();
    operation::undeploy(&fixture.context, &fixture.guard(), &leaving, PATIENCE).await.unwrap();
    for volume in fixture.engine.volumes(Scope::Stack(&fixture.stack)).await.unwrap() {
        // Docker takes away the dead containers a little later.
        let began = std::time::Instant::now();
        while let Err(error) = fixture.engine.remove_volume(&volume.name).await {
            assert!(began.elapsed() < PATIENCE, "{error}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    let restored = fixture.restore().await.unwrap();
    assert_eq!(restored.checks, ["the files are there"]);
    assert_eq!(fixture.run("app", "cat /content/sub/p").await, "picture\n");
    let seen = fixture.run("app", "stat -c '%a %u:%g' /content /content/sub; ls /content").await;
    assert_eq!(seen, "700 0:0\n755 33:33\nsub\n");
    assert_eq!(fixture.run("db", "cat /data/db.txt; ls /data").await, "rows\ndb.txt\n");
    assert_eq!(
        fixture.heard.said(),
        ["before-backup", "after-backup true", "made by the guest", "after-restore"]
    );
    let volume = format!("{}_content", fixture.stack);
    let labels = fixture.engine.volume(&volume).await.unwrap().labels;
    assert_eq!(labels["com.docker.stack.namespace"], fixture.stack.as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_replaces_what_is_there() {
    let Some(fixture) = Fixture::new(COMPOSE, Some(&plan("cat /data/db.txt"))).await else {
        return;
    };
    fixture.deploy().await;
    fixture.fill().await;
    fixture.create().await.unwrap();
    fixture.run("app", "echo new >/content/new && rm -r /content/sub").await;
    fixture.run("db", "echo changed >/data/db.txt").await;
    fixture.restore().await.unwrap();
    assert_eq!(fixture.run("app", "ls /content").await, "sub\n");
    assert_eq!(fixture.run("db", "cat /data/db.txt; ls /data").await, "rows\ndb.txt\nother\n");
    assert_eq!(fixture.replicas().await, [1, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_that_fails_half_way_leaves_no_set() {
    let take = "head -c 5000000 /dev/zero; echo lost the tables >&2; kill -9 $$";
    let Some(fixture) = Fixture::new(COMPOSE, Some(&plan(take))).await else { return };
    fixture.deploy().await;
    let error = fixture.create().await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("exit code 137") && text.contains("lost the tables"), "{text}");
    fixture.assert_nothing_taken().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_whose_container_is_killed_leaves_no_set() {
    let take = "head -c 5000000 /dev/zero; sleep 600";
    let Some(fixture) = Fixture::new(COMPOSE, Some(&plan(take))).await else { return };
    fixture.deploy().await;
    let container = AppServices::of(&fixture.load().await).container("db").await.unwrap().id;
    let killing = async {
        eventually("the dump to begin", async || fixture.has_reached(5_000_000).then_some(()))
            .await;
        let mut docker = std::process::Command::new("docker");
        let killed = docker.args(["-H", &endpoint(), "kill", &container]).output().unwrap();
        assert!(killed.status.success(), "{killed:?}");
    };
    let (outcome, ()) = tokio::join!(fixture.create(), killing);
    assert!(matches!(outcome, Err(Error::Dump { .. })), "{outcome:?}");
    fixture.assert_nothing_taken().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_backup_leaves_nothing_and_ends_its_hooks() {
    let take = "head -c 5000000 /dev/zero; sleep 600";
    let Some(fixture) = Fixture::new(COMPOSE, Some(&plan(take))).await else { return };
    fixture.deploy().await;
    let app = fixture.load().await;
    let (options, guard) = (fixture.options(), fixture.guard());
    let cancelling = async {
        eventually("the dump to begin", async || fixture.has_reached(5_000_000).then_some(()))
            .await;
        options.cancel.cancel();
    };
    let (outcome, ()) =
        tokio::join!(operation::back_up(&fixture.context, &guard, &app, &options), cancelling);
    assert!(matches!(outcome, Err(Error::Cancelled { .. })), "{outcome:?}");
    fixture.assert_nothing_taken().await;
}

impl Fixture {
    /// Whether a dump has come so far. Events are throttled, so that the last
    /// piece may go unsaid: close is enough.
    fn has_reached(&self, bytes: u64) -> bool {
        self.heard.events().iter().any(|event| {
            matches!(event, Event::Progress { step, done, .. }
                if step == "dump db.txt" && *done > 0 && *done <= bytes)
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_without_the_grant_is_refused() {
    let item = BackupItem::Dump {
        name: "app.txt".into(),
        service: "app".into(),
        take: shell("cat /etc/passwd"),
        put_back: shell("cat >/dev/null"),
        belief: Belief::default(),
    };
    let Some(fixture) = Fixture::new(COMPOSE, Some(&[item])).await else { return };
    fixture.deploy().await;
    let error = fixture.create().await.unwrap_err();
    assert!(error.to_string().contains("exec: app"), "{error}");
    assert!(fixture.heard.said().is_empty(), "no hook ran");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_put_back_that_fails_leaves_the_app_stopped_and_can_be_repeated() {
    let broken = BackupItem::Dump {
        name: "db.txt".into(),
        service: "db".into(),
        take: shell("cat /data/db.txt"),
        put_back: shell("cat >/dev/null; echo no such table >&2; exit 4"),
        belief: Belief::default(),
    };
    let Some(fixture) = Fixture::new(COMPOSE, Some(&plan("cat /data/db.txt"))).await else {
        return;
    };
    fixture.deploy().await;
    fixture.fill().await;
    fixture.create().await.unwrap();
    fixture.plan(&[
        BackupItem::Custom { name: "notes".into() },
        BackupItem::Volume { name: "content".into(), paths: Vec::new(), exclude: Vec::new() },
        broken,
    ]);
    let error = fixture.restore().await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, Error::LeftStopped { .. }), "{text}");
    assert!(text.contains("exit code 4") && text.contains("no such table"), "{text}");
    let mut replicas = fixture.replicas().await;
    replicas.sort_unstable();
    assert_eq!(replicas, [0, 1]);
    let half = || fixture.context.home.lock_file(&fixture.entry).unwrap().restoring;
    assert!(half().is_some());

    fixture.plan(&plan("cat /data/db.txt"));
    fixture.restore().await.unwrap();
    assert_eq!(half(), None);
    assert_eq!(fixture.replicas().await, [1, 1]);
    assert_eq!(fixture.run("app", "ls /content").await, "sub\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recipe_without_a_plugin_has_all_its_volumes_saved() {
    let Some(fixture) = Fixture::new(COMPOSE, None).await else { return };
    fixture.deploy().await;
    fixture.run("app", "echo picture >/content/p").await;
    let report = fixture.create().await.unwrap();
    let items: Vec<_> =
        report.items.iter().map(|i| (i.name.as_str(), i.snapshot.is_some())).collect();
    assert_eq!(items, [("content", true), ("data", false), ("settings.tar", true)]);
    fixture.run("app", "echo other >/content/p").await;
    fixture.run("db", "echo not in the backup >/data/x").await;
    fixture.restore().await.unwrap();
    assert_eq!(fixture.run("app", "cat /content/p").await, "picture\n");
    assert_eq!(fixture.run("db", "ls /data").await, "");
}

/// As that of an app whose only file is the database that a dump saves.
#[tokio::test(flavor = "multi_thread")]
async fn a_volume_of_which_everything_is_left_out_is_saved_as_empty() {
    let volume = BackupItem::Volume {
        name: "content".into(),
        paths: Vec::new(),
        exclude: vec!["*.tmp".into()],
    };
    let Some(fixture) = Fixture::new(COMPOSE, Some(&[volume])).await else { return };
    fixture.deploy().await;
    fixture.run("app", "echo draft >/content/a.tmp").await;
    let report = fixture.create().await.unwrap();
    let item = report.items.iter().find(|item| item.name.as_str() == "content").unwrap();
    assert_eq!(item.snapshot, None);
    fixture.run("app", "echo other >/content/b").await;
    fixture.restore().await.unwrap();
    assert_eq!(fixture.run("app", "ls /content").await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_never_makes_a_repository_anew() {
    let Some(fixture) = Fixture::new(COMPOSE, None).await else { return };
    fixture.deploy().await;
    fixture.create().await.unwrap();
    let settings = fixture.context.home.backup(&fixture.entry.server).unwrap();
    let right = fs::read(&settings.password_file).unwrap();
    fs::write(&settings.password_file, "wrong\n").unwrap();
    assert!(matches!(fixture.create().await, Err(Error::WrongPassword { .. })));
    assert!(matches!(fixture.restore().await, Err(Error::WrongPassword { .. })));
    fs::write(&settings.password_file, right).unwrap();
    assert_eq!(fixture.sets(Listed::All).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn data_from_before_an_upgrade_knows_nothing_of_its_migration() {
    let Some(fixture) = Fixture::new(COMPOSE, Some(&plan("cat /data/db.txt"))).await else {
        return;
    };
    fixture.release("1.0.0+1");
    fixture.deploy().await;
    fixture.fill().await;
    fixture.create().await.unwrap();
    for (before, kept) in [("0.9.0+1", true), ("1.0.0+1", false)] {
        let mut lock = fixture.load().await.lock;
        lock.upgrade = Some(Upgrade::new(before, "2.0.0+1"));
        fixture.context.home.write_lock_file(&fixture.guard(), &lock).unwrap();
        fixture.restore().await.unwrap();
        assert_eq!(fixture.load().await.lock.upgrade.is_some(), kept, "{before}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_a_service_without_replicas_says_so() {
    let Some(fixture) = Fixture::new(COMPOSE, Some(&plan("cat /data/db.txt"))).await else {
        return;
    };
    fixture.deploy().await;
    let db = fixture.engine.service(&format!("{}_db", fixture.stack)).await.unwrap();
    let version = db.version.unwrap().index.unwrap();
    let mut spec = db.spec.unwrap();
    spec.mode.as_mut().unwrap().replicated.as_mut().unwrap().replicas = Some(0);
    fixture.engine.update_service(&db.id.unwrap(), version, spec, None).await.unwrap();
    eventually("no container", || async {
        let full = format!("{}_db", fixture.stack);
        fixture.engine.containers(&full).await.unwrap().is_empty().then_some(())
    })
    .await;
    let error = fixture.create().await.unwrap_err();
    let told = "the service `db` runs nowhere, because it has 0 replicas";
    assert!(error.to_string().ends_with(told), "{error}");
    let hint = potluck::hint::Hint::hint(&error).unwrap();
    assert_eq!(hint, format!("`potluck app deploy {}` starts what is to run", fixture.entry.name));
}

/// Where a restore is when it is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Killed {
    /// The set is being read, beside a volume in use.
    Reading,
    /// Everything is read, and services are stopping.
    Stopping,
    /// The volumes have changed places, and a dump goes in.
    PuttingBack,
}

impl Fixture {
    /// The program itself, on this app.
    fn potluck(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_potluck"));
        command
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.folder.path())
            .env("POTLUCK_DIR", self.folder.path().join("home"))
            .env("NO_COLOR", "1")
            .stdin(std::process::Stdio::null());
        command
    }

    fn answer(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let output = self.potluck(arguments).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    /// What lies beside the data of `content`.
    async fn beside(&self) -> Vec<std::path::PathBuf> {
        let volume = self.engine.volume(&format!("{}_content", self.stack)).await.unwrap();
        let data = volume.mountpoint;
        let all = fs::read_dir(data.parent().unwrap()).unwrap();
        all.map(|entry| entry.unwrap().path()).filter(|path| *path != data).collect()
    }

    async fn has_begun(&self, killed: Killed) -> bool {
        let replicas = || async {
            let app = self.engine.service(&format!("{}_app", self.stack)).await.unwrap();
            app.spec.unwrap().mode.unwrap().replicated.unwrap().replicas
        };
        match killed {
            Killed::Reading => !self.beside().await.is_empty(),
            Killed::Stopping => replicas().await == Some(0),
            Killed::PuttingBack => {
                let volume = self.engine.volume(&format!("{}_data", self.stack)).await.unwrap();
                std::path::Path::new(&volume.mountpoint).join("reached").exists()
            }
        }
    }
}

/// SIGKILL at each stage: who looks sees it, and the next restore completes it.
#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_is_killed_is_completed_by_the_next_one() {
    // A dump that waits where it is told to, on its way in.
    let take_back = "cat >/data/db.txt.new; if [ -e /data/wait ]; then touch /data/reached; \
                     sleep 1000; fi; mv /data/db.txt.new /data/db.txt";
    let mut plan = plan("cat /data/db.txt");
    let Some(BackupItem::Dump { put_back, .. }) = plan.last_mut() else { panic!() };
    *put_back = shell(take_back);
    // `sleep` does not hear SIGTERM: stopping takes its time.
    let compose = COMPOSE
        .replacen("stop_grace_period: 0s", "stop_grace_period: 6s", 1)
        .replace("dnsrr}", "dnsrr, update_config: {monitor: 1s}}");
    let Some(fixture) = Fixture::new(&compose, Some(&plan)).await else { return };
    fixture.deploy().await;
    fixture.fill().await;
    let fill = "cd /content/sub; for i in $(seq 2000); do echo $i >f$i; done";
    fixture.run("app", fill).await;
    fixture.create().await.unwrap();
    let saved = "cat /content/sub/p; ls /content/sub | wc -l; cat /content/sub/f2000";
    let name = fixture.entry.name.to_string();
    for killed in [Killed::Reading, Killed::Stopping, Killed::PuttingBack] {
        fixture.run("app", "echo now >/content/sub/p; rm /content/sub/f1*").await;
        let wait = if killed == Killed::PuttingBack { "touch /data/wait" } else { "true" };
        fixture.run("db", &format!("echo now >/data/db.txt; {wait}")).await;

        let mut restore = fixture.potluck(&["backup", "restore", &name, "--yes"]);
        restore.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let mut restore = restore.spawn().unwrap();
        eventually(&format!("a restore to be {killed:?}"), || async {
            fixture.has_begun(killed).await.then_some(())
        })
        .await;
        restore.kill().unwrap();
        let ended = restore.wait_with_output().unwrap();
        assert_eq!(ended.status.code(), None, "{killed:?}: {ended:?}");

        // The app goes on with its own data, or whoever looks is told.
        let half = "did not finish: some of the data may come from the backup";
        let hint = format!("`potluck backup restore {name} 2");
        let dry = ["app", "deploy", &name, "--dry-run"];
        for looks in [&["app", "ls", "--status"][..], &["app", "ps", &name], &dry] {
            let (code, out, said) = fixture.answer(looks);
            assert_eq!(code, Some(0), "{killed:?}, {looks:?}: {out}{said}");
            match killed {
                Killed::Reading => assert!(!said.contains(half), "{looks:?}: {said}"),
                _ => assert!(said.contains(half) && said.contains(&hint), "{killed:?}: {said}"),
            }
            if looks.contains(&"ls") {
                let status = if killed == Killed::Reading { "deployed" } else { "stopped" };
                assert!(out.contains(status), "{killed:?}: {out}");
            }
        }
        if killed == Killed::Reading {
            assert_eq!(fixture.run("app", "cat /content/sub/p").await, "now\n");
        }
        if killed == Killed::PuttingBack {
            fixture.run("db", "rm /data/wait /data/reached").await;
        }
        let (code, out, said) = fixture.answer(&["backup", "restore", &name, "--yes"]);
        assert_eq!(code, Some(0), "{killed:?}: {out}{said}");
        assert_eq!(fixture.replicas().await, [1, 1], "{killed:?}");
        assert_eq!(fixture.run("app", saved).await, "picture\n2001\n2000\n", "{killed:?}");
        assert_eq!(fixture.run("db", "cat /data/db.txt").await, "rows\n", "{killed:?}");
        assert_eq!(fixture.beside().await, Vec::<std::path::PathBuf>::new(), "{killed:?}");
        let (_, _, said) = fixture.answer(&["app", "ls"]);
        assert!(!said.contains(half), "{killed:?}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_rules_keep_comes_back_and_the_rest_is_gone() {
    let Some(fixture) = Fixture::new(COMPOSE, Some(&plan("cat /data/db.txt"))).await else {
        return;
    };
    fixture.deploy().await;
    fixture.fill().await;
    let first = fixture.create().await.unwrap().set;
    let second = fixture.create().await.unwrap().set;
    let home = &fixture.context.home;
    let mut settings = home.server(&fixture.entry.server).unwrap();
    settings.backup = Some(BackupSettings {
        keep: Some(Keep { last: 1.try_into().unwrap(), ..Keep::default() }),
        ..BackupSettings::default()
    });
    home.write_server(&fixture.entry.server, &settings).unwrap();
    backup::hold(&fixture.context, &fixture.entry, first.as_str(), None, None, &fixture.options())
        .await
        .unwrap();
    fixture.run("db", "echo new rows >/data/db.txt").await;
    let third = fixture.create().await.unwrap().set;
    let forget = async |dry_run| {
        let removing = operation::Removing { dry_run, force: false };
        let (context, entry) = (&fixture.context, &fixture.entry);
        operation::forget(context, entry, &fixture.options(), removing).await.unwrap()
    };
    let ids = async || -> Vec<_> {
        fixture.sets(Listed::All).await.into_iter().map(|set| set.id).collect()
    };
    assert_eq!(forget(true).await.removed, 1);
    assert_eq!(ids().await, [third.clone(), second, first.clone()]);
    assert_eq!(forget(false).await.removed, 1);
    assert_eq!(ids().await, [third.clone(), first.clone()]);
    assert_eq!(forget(false).await.removed, 0);
    // An operation that did not end has its set, whatever people released.
    backup::release(&fixture.context, &fixture.entry, first.as_str()).unwrap();
    let guard = fixture.guard();
    let mut lock = home.lock_file(&fixture.entry).unwrap();
    lock.restoring = Some(first.to_string());
    home.write_lock_file(&guard, &lock).unwrap();
    drop(guard);
    assert_eq!(forget(false).await.removed, 0);
    let pruned =
        backup::prune(&fixture.context, &fixture.entry.server, &fixture.options()).await.unwrap();
    assert!(pruned.freed.is_some());

    fixture.run("db", "echo spoiled >/data/db.txt").await;
    fixture.restore().await.unwrap();
    assert_eq!(fixture.run("db", "cat /data/db.txt").await, "new rows\n");
}
