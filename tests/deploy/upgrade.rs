//! Upgrades on the real swarm, with real backups: what fails goes back, its data included.

use crate::support::{
    cli::{Lab, Run},
    common::{BUSYBOX, Cleanup, real_engine, skip},
    operator::{SLEEP, colleague, domain, folder, good},
};

use serde_json::{Value, json};
use std::{fs, path::Path, process::Command};

const V1: &str = "1.0.0+1";
const V2: &str = "2.0.0+1";
const GRANT: &[&str] = &["--grant", "every exec: web"];

struct World {
    lab: Lab,
    domain: String,
    stack: String,
    _cleanup: Cleanup,
}

fn compose(version: &str, image: &str) -> String {
    format!(
        "services:
  web:
    image: {image}
    command: {SLEEP}
    environment: {{VERSION: '{version}', NEW: \"${{NEW:-}}\"}}
    volumes: ['data:/data']
    deploy: {{endpoint_mode: dnsrr, update_config: {{monitor: 1s}}}}
volumes:
  data:
"
    )
}

fn recipe_yml(steps: &str) -> String {
    format!(
        "plugins:\n  - {{name: every, component: plugins/every.wasm, grants: [{{exec: web}}], \
         options: {{journal: web, steps: [{steps}]}}}}\n  - {{name: files, component: \"std:files\", options: {{volumes: {{data: }}}}}}\n"
    )
}

impl World {
    /// An app of the first version with a page; the recipe has a second one.
    async fn new(room: &str) -> Option<Self> {
        real_engine().await?;
        let every = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/every-role.wasm");
        let Ok(every) = fs::read(every) else {
            skip("tests/fixtures/every-role.wasm is not there; plugins/build.sh makes it");
            return None;
        };
        let (domain, stack) = domain(room);
        let cleanup = Cleanup::new(&stack);
        let lab = folder();
        fs::create_dir_all(lab.path("tiny/plugins")).unwrap();
        fs::write(lab.path("tiny/plugins/every.wasm"), every).unwrap();
        lab.write("tiny/.env.sample", "TYPE=tiny\n");
        lab.write("tiny/compose.yml", &compose(V1, BUSYBOX));
        lab.write("tiny/recipe.yml", &recipe_yml(""));
        lab.release(V1);
        let world = World { lab, domain, stack: stack.to_string(), _cleanup: cleanup };
        let new = ["app", "new", "./tiny", "--domain", &world.domain, "--server", "here", "-n"];
        good(&world.lab.run(&new));
        good(&world.app("deploy", GRANT));
        world.page("soup");
        Some(world)
    }

    fn release(&self, version: &str, image: &str, steps: &str, sample: &str) {
        self.lab.write("tiny/.env.sample", &format!("TYPE=tiny\n{sample}"));
        self.lab.write("tiny/compose.yml", &compose(version, image));
        self.lab.write("tiny/recipe.yml", &recipe_yml(steps));
        self.lab.write(&format!("tiny/release/{version}"), &format!("Notes of {version}.\n"));
        self.lab.release(version);
    }

    fn app(&self, verb: &str, more: &[&str]) -> Run {
        self.lab.run(&[&["app", verb, &self.domain, "-n"], more].concat())
    }

    fn page(&self, page: &str) {
        let write = format!("echo {page} >/data/page");
        good(&self.lab.run(&["app", "run", &self.domain, "web", "--", "sh", "-c", &write]));
    }

    /// The page, and the steps of migrations that the data went through.
    fn data(&self) -> String {
        let read = "cat /data/page; grep -h migrate /data/* 2>/dev/null; true";
        let run = self.lab.run(&["app", "run", &self.domain, "web", "--", "sh", "-c", read]);
        good(&run);
        run.stdout
    }

    fn version(&self) -> String {
        let ls = self.lab.json(&["app", "ls", "--json"]);
        ls[0]["deployed"].as_str().unwrap_or_default().to_owned()
    }

    fn settings(&self) -> String {
        let path = format!("potluck/servers/here/{}.env", self.domain);
        fs::read_to_string(self.lab.path(&path)).unwrap()
    }

    fn last(&self) -> Value {
        self.lab.json(&["app", "history", &self.domain, "--json"])["operations"][0].clone()
    }
}

#[tokio::test]
async fn an_upgrade_takes_a_backup_first_and_a_failed_migration_brings_its_data_back() {
    let Some(world) = World::new("upgrade").await else { return };
    world.release(V2, BUSYBOX, "split, once-join, sweep", "NEW=fresh\nFAIL=\n");
    let before = world.data();

    let dry = world.app("upgrade", &["--dry-run"]);
    good(&dry);
    for told in [
        "create backup",
        "before anything changes",
        "version: 1.0.0+1 → 2.0.0+1",
        "note of 2.0.0+1: Notes of 2.0.0+1.",
        "`NEW=fresh`",
        "after the migration `every: once-join` the data to that of the backup",
    ] {
        assert!(dry.stderr.contains(told), "{told}: {dry}");
    }

    let run = world.app("upgrade", &["--set", "FAIL=run-sweep", "--set", "NEW=x"]);
    assert_eq!(run.code, 4, "{run}");
    let set = world.last()["set"].as_str().unwrap().to_owned();
    for told in [
        "run-sweep was told to fail".to_owned(),
        format!("was undone: the version before runs again, with its data from the backup {set}"),
    ] {
        assert!(run.stderr.contains(&told), "{told}: {run}");
    }
    assert_eq!((world.data(), world.version()), (before.clone(), V1.to_owned()));
    assert!(
        world.settings().contains(V1) && !world.settings().contains("NEW"),
        "{}",
        world.settings()
    );
    let last = world.last();
    assert_eq!(
        (&last["what"], &last["outcome"], &last["migrated"]),
        (&json!("upgrade"), &json!("failed-and-undone"), &json!(true))
    );
    let sets = world.lab.json(&["backup", "snapshots", &world.domain, "--json"]).to_string();
    assert!(sets.contains(&set), "{sets}");

    // A step that failed was undone with the data: the next try does all of them.
    world.page("stew");
    let run = world.app("upgrade", &["--set", "NEW=x", "--json"]);
    good(&run);
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((&report["before"], &report["version"]), (&json!(V1), &json!(V2)));
    assert!(report["set"].is_string() && report["set"] != json!(set), "{report}");
    assert!(world.data().starts_with("stew\n"), "{}", world.data());
    let again = world.app("upgrade", &[]);
    good(&again);
    assert!(again.stderr.contains("is at 2.0.0+1"), "{again}");

    // Old code on migrated data is refused.
    let run = world.app("rollback", &[]);
    assert_eq!(run.code, 6, "{run}");
    assert!(run.stderr.contains("was migrated since r1"), "{run}");
    assert!(run.stderr.contains("--keep-data") && run.stderr.contains("--data"), "{run}");
    good(&world.app("rollback", &["--keep-data"]));
    assert_eq!(world.version(), V1);
}

#[tokio::test]
async fn an_upgrade_whose_services_or_hooks_fail_goes_back_without_its_data() {
    let Some(world) = World::new("undone").await else { return };
    world.release(V2, BUSYBOX, "split", "");
    let run = world.app("upgrade", &["--set", "FAIL=after-deploy"]);
    assert_eq!(run.code, 4, "{run}");
    assert!(run.stderr.contains("on its data as it is"), "{run}");
    assert!(run.stderr.contains("after-deploy was told to fail"), "{run}");
    assert_eq!(world.version(), V1);
    assert!(world.data().starts_with("soup\n"));

    world.release("3.0.0+1", "potluck-test/there-is-none:1", "", "");
    let run = world.app("upgrade", &["--timeout", "20s"]);
    assert_eq!(run.code, 4, "{run}");
    assert_eq!(world.version(), V1);
    assert!(world.data().starts_with("soup\n"));
}

#[tokio::test]
async fn where_no_backup_can_be_taken_nothing_is_upgraded() {
    let Some(world) = World::new("nobackup").await else { return };
    world.release(V2, BUSYBOX, "once-join, sweep", "");
    let server = world.lab.path("potluck/servers/here/server.yml");
    let before = fs::read_to_string(&server).unwrap();
    let password = world.lab.path("password");
    fs::write(&password, "secret").unwrap();
    let nowhere = format!(
        "{before}backup: {{repository: 'rest:http://127.0.0.1:9/', password-file: {}}}\n",
        password.display()
    );
    fs::write(&server, nowhere).unwrap();
    let run = world.app("upgrade", &[]);
    assert_eq!(run.code, 1, "{run}");
    assert!(run.stderr.contains("no backup was taken, so"), "{run}");
    assert!(run.stderr.contains("--no-backup"), "{run}");
    assert_eq!(world.version(), V1);

    let run = world.app("upgrade", &["--no-backup", "--set", "FAIL=run-sweep"]);
    assert_eq!(run.code, 1, "{run}");
    assert!(run.stderr.contains("no backup is taken before the upgrade (--no-backup)"), "{run}");
    assert!(run.stderr.contains("the new version runs on partly migrated data"), "{run}");
    fs::write(&server, before).unwrap();
}

#[tokio::test]
async fn several_apps_are_upgraded_side_by_side() {
    let Some(world) = World::new("many").await else { return };
    let (second, other) = domain("manyother");
    let _cleanup = Cleanup::new(&other);
    let new = ["app", "new", "tiny", "--domain", &second, "--server", "here", "-n"];
    good(&world.lab.run(&new));
    world.release(V2, BUSYBOX, "", "");

    let dry = world.lab.run(&["app", "upgrade", "--all", "--dry-run", "--json"]);
    let rows: Value = serde_json::from_str(&dry.stdout).unwrap();
    let of = |rows: &Value, domain: &str| {
        let rows = rows.as_array().unwrap();
        rows.iter().find(|row| row["app"] == json!(domain)).unwrap().clone()
    };
    assert_eq!(dry.code, 3, "{dry}");
    assert_eq!(of(&rows, &world.domain)["outcome"], "planned");
    // One that was never deployed has nothing to upgrade.
    assert_eq!(of(&rows, &second)["outcome"], "failed");

    good(&world.lab.run(&["app", "deploy", &second, V1, "-n", "--grant", "every exec: web"]));
    let run = world.lab.run(&["app", "upgrade", "*.example", "-n", "--json"]);
    good(&run);
    let rows: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(of(&rows, &world.domain)["outcome"], "upgraded");
    assert_eq!(of(&rows, &second)["after"], V2);
    assert!(run.stderr.contains(&format!("{second}: ")), "{run}");
    let run = world.lab.run(&["app", "upgrade", "--all", "-n", "--json"]);
    good(&run);
    let rows: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(of(&rows, &second)["outcome"], "newest");
    assert!(!world.stack.is_empty());
}

#[tokio::test]
async fn a_rollback_with_data_brings_both_back() {
    let Some(world) = World::new("databack").await else { return };
    world.release(V2, BUSYBOX, "once-join", "");
    let before = world.data();
    good(&world.app("upgrade", &[]));
    world.page("stew");
    assert_ne!(world.data(), before);
    let dry = world.app("rollback", &["--data", "--dry-run"]);
    good(&dry);
    assert!(dry.stderr.contains("what was written since is lost"), "{dry}");
    let run = world.app("rollback", &["--data"]);
    good(&run);
    assert_eq!((world.data(), world.version()), (before.clone(), V1.to_owned()));
    let last = world.last();
    assert_eq!((&last["what"], &last["outcome"]), (&json!("rollback"), &json!("done")));
    // The data is of that version again.
    good(&world.app("upgrade", &[]));
    good(&world.app("rollback", &["--data"]));
    assert_eq!(world.data(), before);

    // Not of a release after which no backup was taken.
    good(&world.app("deploy", &[V2, "--force"]));
    let run = world.app("rollback", &["r1", "--data"]);
    assert_eq!(run.code, 0, "{run}");
    let releases = world.lab.json(&["app", "history", &world.domain, "--json"]);
    let newest = releases["releases"][0]["release"].as_str().unwrap().to_owned();
    good(&world.app("deploy", &[V2]));
    let run = world.app("rollback", &[&newest, "--data"]);
    assert_eq!(run.code, 1, "{run}");
    assert!(run.stderr.contains("no backup is known with the data of"), "{run}");
}

/// What is said on the way back with data, in its order.
const WAY_BACK: [&str; 4] =
    ["restore the data from", "stop services ...", "roll back ...", "files: after-restore ..."];

#[tokio::test]
async fn killed_on_its_way_back_an_upgrade_is_undone_by_a_colleague() {
    let Some(world) = World::new("wayback").await else { return };
    world.release(V2, BUSYBOX, "once-join, sweep", "FAIL=\n");
    let before = world.data();
    let upgrade = ["app", "upgrade", &world.domain, "-n", "--set", "FAIL=run-sweep"];
    let abort = ["app", "abort", &world.domain, "--yes"];
    let is_back = |lab: &Lab, told: &str| {
        let version = lab.json(&["app", "ls", "--json"])[0]["deployed"].clone();
        assert_eq!((world.data(), version), (before.clone(), json!(V1)), "{told}");
        assert_eq!(world.last()["outcome"], json!("aborted"), "{told}");
    };
    for words in [WAY_BACK[1], WAY_BACK[2]] {
        let killed = world.lab.run_killed_at(&upgrade, &[words]);
        let other = colleague(&world.lab, &world.domain);
        let aborted = other.run(&abort);
        assert_eq!(aborted.code, 0, "{words}: {killed}{aborted}");
        is_back(&other, &format!("{words}: {killed}{aborted}"));
        // What the colleague pushed is pulled.
        let servers = "potluck/servers";
        fs::remove_dir_all(world.lab.path(servers)).unwrap();
        let (from, to) = (other.path(servers), world.lab.path("potluck"));
        let copied = Command::new("cp").arg("-a").args([from, to]).status();
        assert!(copied.unwrap().success());
    }
    // So are those who undo it, one after the other.
    let mut told = world.lab.run_killed_at(&upgrade, &["every: migrate sweep"]).to_string();
    for words in WAY_BACK {
        let other = colleague(&world.lab, &world.domain);
        told += &other.run_killed_at(&abort, &[words]).to_string();
    }
    let other = colleague(&world.lab, &world.domain);
    let aborted = other.run(&abort);
    assert_eq!(aborted.code, 0, "{told}{aborted}");
    is_back(&other, &told);

    // The first folder knows nothing of that, and does all steps.
    let run = world.app("upgrade", &["--set", "FAIL="]);
    good(&run);
    for step in ["every: migrate once-join", "every: migrate sweep"] {
        assert!(run.stderr.contains(step), "{step}: {run}");
    }
    assert_eq!(world.version(), V2);
}
