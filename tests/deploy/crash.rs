//! A process that is killed at any moment of an operation: whoever comes next, from another
//! folder, finishes it or undoes it.
//!
//! The moments are not listed here: the simulated swarm kills the process just before and
//! just after each change that it asks for, one moment after the other, until an operation
//! passes all of them. So a step that is new is covered when it is there. Between two changes
//! of the swarm there is nothing else that counts but files of the folder, which no other
//! folder sees. At the same moments the server is lost, the manager's disk becomes full, and
//! the operator's: then the process ends by itself, says so, and leaves as much to go on with.
//!
//! `make campaign crash` tries all of them; the tests some ([`EVERY`]).

use crate::support::{
    backup::{Tmpfs, can_mount as may_mount},
    cli::{Lab, Run, when_stopped},
    common::skip,
    provider::Provider,
};

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

const APP: &str = "c.example";
const V1: &str = "1.0.0+1";
const V2: &str = "2.0.0+1";
/// One moment of so many is tried, unless POTLUCK_CRASH_EVERY says otherwise.
const EVERY: usize = 11;
/// What a process ends with that SIGKILL ended, as assert_cmd tells it.
const KILLED: i32 = -1;

/// What happens to the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Killed,
    /// It loses the server for good, and ends by itself.
    Lost,
    /// The manager has no room for another change, and it ends by itself.
    ManagerFull,
    /// There is no room for the settings and the lock file of the folder; the same operator
    /// continues when there is room again.
    FolderFull,
}

/// A folder on a small disk of its own.
struct Disk {
    folder: PathBuf,
    _mount: Tmpfs,
}

impl Disk {
    /// With what the folder holds.
    fn below(folder: PathBuf) -> Self {
        let aside = folder.with_extension("aside");
        fs::rename(&folder, &aside).unwrap();
        fs::create_dir(&folder).unwrap();
        let mount = Tmpfs::mount(&folder, "512k").unwrap();
        let copied = Command::new("cp").arg("-a").arg(aside.join(".")).arg(&folder).status();
        assert!(copied.unwrap().success());
        fs::remove_dir_all(aside).unwrap();
        Disk { folder, _mount: mount }
    }

    fn fill(&self) {
        let error = fs::write(self.folder.join("filler"), vec![7; 1 << 20]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }

    fn make_room(&self) {
        fs::remove_file(self.folder.join("filler")).unwrap();
    }
}

fn can_mount() -> bool {
    let can = may_mount();
    if !can {
        skip("a small disk needs the right to mount");
    }
    can
}

/// What is tried at a moment: all, or in a sample the first and another one.
fn hows(moment: usize, every: usize) -> Vec<How> {
    let others = [How::Lost, How::ManagerFull, How::FolderFull];
    let others = match every {
        1 => &others[..],
        _ => &others[moment / every % others.len()..][..1],
    };
    [&[How::Killed], others].concat()
}

/// What is tried with an operation that did not end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Resume,
    Abort,
}

/// An operation, and what is there before it.
struct Case {
    name: &'static str,
    /// Run once in each folder, before.
    ready: fn(&mut World),
    /// What is killed.
    command: &'static [&'static str],
    /// Whether what it brings about is known by its volumes and specs alone.
    ends: Ends,
    /// What whoever finishes it has to agree to.
    grant: &'static [&'static str],
}

impl Case {
    /// Whether it makes a client at a provider outside.
    fn makes_a_client(&self) -> bool {
        matches!(self.command, ["sso", "connect", _, "house", ..])
    }

    /// What its operator types after it failed and was undone: another secret is there already.
    fn again(&self) -> &'static [&'static str] {
        match self.command {
            ["sso", "rotate", ..] => &["sso", "connect", APP, "-n"],
            command => command,
        }
    }
}

/// What remains of the app where all of it was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ends {
    Deployed,
    Gone,
}

/// Two folders that know the same simulated server.
struct World {
    first: Lab,
    second: Lab,
    /// Where `house` of the folders' `providers/` is.
    house: Option<Provider>,
}

fn compose(version: &str) -> String {
    let more = if version == V1 { "" } else { "  more:\n    image: example.invalid/more:1\n" };
    format!(
        "
services:
  web:
    image: example.invalid/web:{}
    volumes: ['data:/data']
    configs: [{{source: conf, target: /conf}}]
    deploy: {{update_config: {{monitor: 1ms}}, labels: ['coop-cloud.${{STACK_NAME}}.timeout=20']}}
{more}configs:
  conf:
    file: conf.txt
volumes:
  data:
",
        &version[..1]
    )
}

fn recipe_yml(steps: &str) -> String {
    format!(
        "plugins:\n  - {{name: every, component: plugins/every.wasm, grants: [{{exec: web}}], \
         options: {{journal: web, steps: [{steps}]}}}}\n  - {{name: files, component: \"std:files\", options: {{volumes: {{data: }}}}}}\n"
    )
}

/// Programs in services answer at once.
const SCRIPT: &str = "exec:\n  - {service: web, matches: '*'}\n";

impl World {
    fn new() -> Option<Self> {
        let every = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/every-role.wasm");
        let Ok(every) = fs::read(every) else {
            skip("tests/fixtures/every-role.wasm is not there; plugins/build.sh makes it");
            return None;
        };
        let (first, second) = (Lab::new(), Lab::new());
        first.write("tiny/.env.sample", "TYPE=tiny\nVALUE=1\n");
        fs::create_dir_all(first.path("tiny/plugins")).unwrap();
        fs::write(first.path("tiny/plugins/every.wasm"), every).unwrap();
        for (version, steps) in [(V1, ""), (V2, "split, join, once-drop, sweep")] {
            first.write("tiny/compose.yml", &compose(version));
            first.write("tiny/conf.txt", version);
            first.write("tiny/recipe.yml", &recipe_yml(steps));
            first.release(version);
        }
        good(&first.run(&["app", "new", "./tiny", "--domain", APP, "--server=simulated", "-n"]));
        first
            .write(&format!("potluck/servers/simulated/{APP}.env"), "TYPE=tiny:1.0.0+1\nVALUE=1\n");
        let world = World { first, second, house: None };
        world.script("");
        fs::create_dir_all(world.second.path("potluck/state")).unwrap();
        world.share();
        Some(world)
    }

    /// Both folders see one server, and one repository of backups.
    fn share(&self) {
        for (from, to) in [
            (self.first.path("tiny"), self.second.path("tiny")),
            (
                self.first.path("potluck/state/simulated"),
                self.second.path("potluck/state/simulated"),
            ),
            (self.first.path("potluck/state/backups"), self.second.path("potluck/state/backups")),
        ] {
            let _ = fs::remove_file(&to);
            std::os::unix::fs::symlink(from, to).unwrap();
        }
    }

    /// A copy in a place of its own.
    fn copied(&self) -> Self {
        let house = self.house.as_ref().map(|house| {
            let own = Provider::new();
            *own.state() = house.state().clone();
            own
        });
        let world = World { first: Lab::new(), second: Lab::new(), house };
        for (from, to) in [(&self.first, &world.first), (&self.second, &world.second)] {
            let copied =
                Command::new("cp").arg("-a").arg(from.path(".")).arg(to.path(".")).status();
            assert!(copied.unwrap().success());
            if let (Some(from), Some(house)) = (&self.house, &world.house) {
                for path in ["providers/house.yml", &format!("servers/simulated/{APP}.lock.yml")] {
                    let path = to.path(&format!("potluck/{path}"));
                    let text = fs::read_to_string(&path).unwrap();
                    fs::write(path, text.replace(&from.issuer, &house.issuer)).unwrap();
                }
            }
        }
        world.share();
        world
    }

    /// Where each client that the provider outside has sends people.
    fn clients(&self) -> Vec<String> {
        let Some(house) = &self.house else { return Vec::new() };
        let state = house.state();
        state.clients.values().map(|it| it.metadata["redirect_uris"].to_string()).collect()
    }

    /// What the second folder knows is what a colleague pulled.
    fn pull(&self) {
        self.second.pull(&self.first);
    }

    fn script(&self, more: &str) {
        self.first
            .write("potluck/state/simulated/simulated/script.yml", &format!("{SCRIPT}{more}"));
    }

    fn volume(&self) -> PathBuf {
        let volumes = self.first.path("potluck/state/simulated/simulated/volumes");
        volumes.join("c_example_data/_data")
    }

    fn state(&self) -> serde_json::Value {
        let path = self.first.path("potluck/state/simulated/simulated/swarm.json");
        match fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap(),
            Err(_) => {
                serde_json::json!({"services": [], "configs": [], "secrets": [], "networks": []})
            }
        }
    }

    /// What is on the server, without what potluck keeps for itself: names and ids, which
    /// are made anew, are left out.
    fn server(&self) -> BTreeMap<String, serde_json::Value> {
        let state = self.state();
        let mut found = BTreeMap::new();
        for service in state["services"].as_array().unwrap() {
            let mut spec = service["object"]["Spec"].clone();
            without_ids(&mut spec);
            let spec = serde_json::from_str(&without_number(&spec.to_string())).unwrap();
            found.insert(format!("service {}", service["object"]["Spec"]["Name"]), spec);
        }
        for (kind, list) in [("config", "configs"), ("secret", "secrets")] {
            for object in state[list].as_array().unwrap() {
                let name = object["Spec"]["Name"].as_str().unwrap();
                if !name.starts_with("potluck.") {
                    let mut spec = object["Spec"].clone();
                    if kind == "secret" {
                        // It is made by chance.
                        spec["Data"] = serde_json::Value::Null;
                        without_ids(&mut spec);
                    }
                    found.insert(format!("{kind} {name}"), spec);
                }
            }
        }
        for network in state["networks"].as_array().unwrap() {
            let name = network["Name"].as_str().unwrap();
            if name.starts_with("c_example") {
                found.insert(format!("network {name}"), serde_json::Value::Null);
            }
        }
        let mut files = Vec::new();
        files_of(&self.volume(), &mut files).unwrap();
        for (path, bytes) in files {
            found.insert(
                format!("file {}", path.display()),
                String::from_utf8_lossy(&bytes).as_ref().into(),
            );
        }
        found
    }

    /// What a folder says of the app: its settings and its lock file, without the ids of the
    /// owner record and of the release, which are made anew.
    fn says(lab: &Lab) -> String {
        let read = |end: &str| {
            let path = lab.path(&format!("potluck/servers/simulated/{APP}{end}"));
            fs::read_to_string(path).unwrap_or_else(|_| "gone".into())
        };
        let lock = read(".lock.yml");
        let lines: Vec<&str> = lock
            .lines()
            .filter(|line| !line.starts_with("owner:") && !line.starts_with("releas"))
            // A provider that may be ahead is told so, also once all else is undone.
            .filter(|line| !line.trim_start().starts_with("unsure:"))
            // When an app was connected.
            .filter(|line| !line.trim_start().starts_with("since:"))
            // At which port a provider outside is.
            .map(|line| line.split("http://127.0.0.1:").next().unwrap_or_default())
            .collect();
        without_number(&format!("{}\n{}", read(".env"), lines.join("\n")))
    }

    /// Configs that potluck keeps for the app.
    fn own(&self) -> Vec<String> {
        let state = self.state();
        let names = state["configs"].as_array().unwrap().iter();
        let names = names.map(|config| config["Spec"]["Name"].as_str().unwrap().to_owned());
        let mut names: Vec<String> = names
            .filter(|name| name.starts_with("potluck.") && name != "potluck.removals")
            .collect();
        names.sort();
        names
    }
}

fn files_of(folder: &Path, into: &mut Vec<(PathBuf, Vec<u8>)>) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            files_of(&path, into)?;
        } else {
            let bytes = fs::read(&path)?;
            into.push((path.strip_prefix(folder).unwrap().to_owned(), bytes));
        }
    }
    Ok(())
}

/// A client of a provider outside is another one each time that it is made.
fn without_number(text: &str) -> String {
    let mut parts = text.split("client-");
    let first = parts.next().unwrap_or_default().to_owned();
    let rest = parts.map(|part| part.trim_start_matches(|c: char| c.is_ascii_digit()));
    rest.fold(first, |text, part| text + "client-" + part)
}

/// Whoever finishes a connection that another machine began cannot know the secret of the
/// client that was made there: it is another client, with a secret of another version. So it is
/// where an undone connection is made again before its services gave the first secret up.
fn with_first_secret(text: &str) -> String {
    let versions = ["oidc_v", "OIDC_VERSION=v", "OIDC_VERSION: v", "oidc: v"];
    let first = |text: String, v: &&str| text.replace(&format!("{v}2"), &format!("{v}1"));
    versions.iter().fold(text.to_owned(), first)
}

/// Ids of objects, which differ from run to run.
fn without_ids(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(map) => {
            // The last are salted, and made by chance.
            for key in
                ["ConfigID", "SecretID", "ForceUpdate", "org.potluck.value", "org.potluck.kept"]
            {
                map.remove(key);
            }
            if map.contains_key("Target") && map.contains_key("Aliases") {
                map.remove("Target");
            }
            map.values_mut().for_each(without_ids);
        }
        serde_json::Value::Array(list) => list.iter_mut().for_each(without_ids),
        _ => {}
    }
}

fn good(run: &Run) {
    assert_eq!(run.code, 0, "{run}");
}

/// How often each outcome came.
#[derive(Default)]
struct Tally {
    moments: AtomicUsize,
    tried: AtomicUsize,
    finished: AtomicUsize,
    undone: AtomicUsize,
    refused: AtomicUsize,
    nothing: AtomicUsize,
    again: AtomicUsize,
}

/// Kills the operation at each moment, and goes on from another folder.
fn crash(case: &Case) {
    let Some(mut base) = World::new() else { return };
    (case.ready)(&mut base);
    base.pull();
    // As it ends where nobody kills it.
    let whole = base.copied();
    good(&whole.first.run(case.command));
    let (before, after) = (base.server(), whole.server());
    let (clients_before, clients_after) = (base.clients(), whole.clients());
    let (said_before, said_after) = (World::says(&base.first), World::says(&whole.first));
    let every = std::env::var("POTLUCK_CRASH_EVERY").ok().and_then(|it| it.parse().ok());
    let every: usize = every.unwrap_or(EVERY);
    let tally = Tally::default();
    // In the middle of what has few.
    let next = AtomicUsize::new(every / 2);
    let passed = AtomicBool::new(false);
    let mounts = can_mount();
    let failures = Mutex::new(Vec::new());
    let at_moment = |moment: usize, then: Then, how: How| -> Result<bool, String> {
        let world = base.copied();
        let word = match how {
            How::Killed => "crash",
            How::Lost => "lost",
            How::ManagerFull => "full",
            How::FolderFull => "stop",
        };
        world.script(&format!("{word}: {moment}\n"));
        let disk =
            (how == How::FolderFull).then(|| Disk::below(world.first.path("potluck/servers")));
        let mut was_stopped = false;
        let killed = match &disk {
            Some(disk) => world.first.run_telling(case.command, |pid| {
                was_stopped = when_stopped(pid, || disk.fill());
            }),
            None => world.first.run(case.command),
        };
        world.script("");
        let is_said = |words: &str| match killed.stderr.contains(words) {
            true => Ok(()),
            false => Err(format!("what it lacked is not said: {killed}")),
        };
        match (how, killed.code) {
            (How::Killed, KILLED) => {}
            (How::Killed, 0) => return Ok(false),
            (How::Killed, _) => return Err(format!("not killed: {killed}")),
            // It ended before: how often a server is asked differs a little from run to run.
            (How::FolderFull, 0) if !was_stopped => return Ok(false),
            (How::FolderFull, _) if !was_stopped => return Err(format!("not stopped: {killed}")),
            // What could not be done any more does not matter; that is checked below.
            (_, 0) => {}
            (How::Lost, _) => is_said("the script says so")?,
            (How::ManagerFull, _) => is_said("no space left on device")?,
            (How::FolderFull, _) => is_said("No space left on device")?,
        }
        if let Some(disk) = &disk {
            disk.make_room();
        }
        tally.tried.fetch_add(1, Ordering::Relaxed);
        let command = if then == Then::Resume { "resume" } else { "abort" };
        let continues_itself = how == How::FolderFull && killed.code != 0;
        let second = if continues_itself { &world.first } else { &world.second };
        // Whoever has the app is dead, which would take a minute to know.
        good(&second.run(&["app", "unlock", APP, "--yes", "--reason", "it was killed"]));
        if case.grant == SIGN_ON {
            let unlock = ["app", "unlock", PROVIDER, "--yes", "--reason", "it was killed"];
            good(&second.run(&unlock));
        }
        let history = second.run(&["app", "history", APP, "--json"]);
        good(&history);
        let told: serde_json::Value = serde_json::from_str(&history.stdout).unwrap();
        let unfinished = !told["unfinished"].is_null();
        // Consent is each folder's own.
        let grant = if then == Then::Resume { case.grant } else { &[] };
        let run = second.run(&[&["app", command, APP, "--yes"][..], grant].concat());
        let is_told_of = run.stderr.contains("look there") && then == Then::Resume;
        let is_made_anew = case.makes_a_client() && (is_told_of || continues_itself);
        let is = |wanted: &BTreeMap<String, serde_json::Value>| {
            let mut found = world.server();
            if is_made_anew {
                let text = serde_json::json!(found).to_string();
                found = serde_json::from_str(&with_first_secret(&text)).unwrap();
            }
            let same = found == *wanted;
            same.then_some(()).ok_or_else(|| {
                let differ = found.iter().filter(|(key, value)| wanted.get(*key) != Some(value));
                let missing = wanted.keys().filter(|key| !found.contains_key(*key));
                format!(
                    "other: {:#?}\nmissing: {:?}\n{killed}\n{run}",
                    differ.map(|(key, value)| (key, value, wanted.get(key))).collect::<Vec<_>>(),
                    missing.collect::<Vec<_>>()
                )
            })
        };
        if killed.code == 0 {
            tally.nothing.fetch_add(1, Ordering::Relaxed);
            if unfinished || World::says(&world.first) != said_after {
                return Err(format!("it did not succeed, but says so: {killed}{history}"));
            }
            return is(&after).map(|()| true);
        }
        if !unfinished && continues_itself {
            // It ended as failed, and its own operator tries again.
            tally.again.fetch_add(1, Ordering::Relaxed);
            let again = world.first.run(case.again());
            let mut says = World::says(&world.first);
            if is_made_anew {
                says = with_first_secret(&says);
            }
            if again.code != 0 || says != said_after {
                return Err(format!("tried again: {killed}\n{again}\nthe folder says\n{says}"));
            }
            return is(&after).map(|()| true);
        }
        if !unfinished {
            // It had not begun, or all was done: the command goes through.
            tally.nothing.fetch_add(1, Ordering::Relaxed);
            if run.code != 1 || !run.stderr.contains("no unfinished operation") {
                return Err(format!("nothing is unfinished: {run}"));
            }
            return is(&before).or_else(|_| is(&after)).map(|()| true);
        }
        // A client that nobody can know of is one that is said.
        let is_told = |wanted: &[String]| {
            let said = run.stderr.contains("house") && run.stderr.contains("look there");
            match world.clients() == *wanted || said {
                true => Ok(()),
                false => Err(format!("house has {:?}\n{killed}\n{run}", world.clients())),
            }
        };
        match (then, run.code) {
            (Then::Resume, 0) => {
                is_told(&clients_after)?;
                tally.finished.fetch_add(1, Ordering::Relaxed);
                is(&after)?;
                let mut says = World::says(second);
                if is_made_anew {
                    says = with_first_secret(&says);
                }
                if case.ends == Ends::Deployed && says != said_after {
                    return Err(format!("the folder says\n{says}\n{run}"));
                }
            }
            (Then::Abort, 0) => {
                is_told(&clients_before)?;
                tally.undone.fetch_add(1, Ordering::Relaxed);
                // Volumes that swarm made are kept.
                is(&before)?;
                if World::says(second) != said_before {
                    return Err(format!("the folder says\n{}\n{run}", World::says(second)));
                }
            }
            (Then::Abort, 1) if run.stderr.contains("cannot be undone any more") => {
                tally.refused.fetch_add(1, Ordering::Relaxed);
                // Then it can be finished.
                let resumed =
                    second.run(&[&["app", "resume", APP, "--yes"][..], case.grant].concat());
                if resumed.code != 0 {
                    return Err(format!("{run}\n{resumed}"));
                }
                is(&after)?;
            }
            _ => return Err(format!("{killed}\n{run}")),
        }
        if world.own().iter().any(|name| name.ends_with(".journal") || name.ends_with(".lease")) {
            return Err(format!("left: {:?}\n{run}", world.own()));
        }
        Ok(true)
    };
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !passed.load(Ordering::Relaxed) {
                    let moment = next.fetch_add(every, Ordering::Relaxed);
                    let hows = hows(moment, every);
                    let all = hows.iter().filter(|how| **how != How::FolderFull || mounts);
                    let both = |how: &How| [(Then::Resume, *how), (Then::Abort, *how)];
                    for (then, how) in all.flat_map(both) {
                        match at_moment(moment, then, how) {
                            Ok(true) => {
                                tally.moments.fetch_max(moment + 1, Ordering::Relaxed);
                            }
                            Ok(false) => {
                                passed.store(true, Ordering::Relaxed);
                                break;
                            }
                            Err(why) => {
                                let mut failures = failures.lock().unwrap();
                                failures.push(format!(
                                    "{} at {moment}, {how:?}, {then:?}: {why}",
                                    case.name
                                ));
                                if failures.len() > 3 {
                                    passed.store(true, Ordering::Relaxed);
                                }
                            }
                        }
                    }
                }
            });
        }
    });
    let of = |count: &AtomicUsize| count.load(Ordering::Relaxed);
    println!(
        "crash: {}: {} moments, {} kills: {} finished, {} undone, {} past return, {} with nothing \
         unfinished, {} failed and done again",
        case.name,
        of(&tally.moments),
        of(&tally.tried),
        of(&tally.finished),
        of(&tally.undone),
        of(&tally.refused),
        of(&tally.nothing),
        of(&tally.again)
    );
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    assert!(of(&tally.finished) > 0, "{}: no kill left anything unfinished", case.name);
}

/// With the grants, which every later run has.
fn deploy(world: &mut World) {
    good(&world.first.run(DEPLOY));
    fs::write(world.volume().join("page"), "soup").unwrap();
}

const GRANT: &[&str] = &["--grant", "every exec: web"];
const DEPLOY: &[&str] = &["app", "deploy", APP, "-n", "--grant", "every exec: web"];

#[test]
fn a_first_deploy_that_is_killed() {
    crash(&Case {
        name: "first deploy",
        ready: |_| {},
        command: DEPLOY,
        ends: Ends::Deployed,
        grant: GRANT,
    });
}

#[test]
fn an_update_that_is_killed() {
    let ready = |world: &mut World| {
        deploy(world);
        let path = format!("potluck/servers/simulated/{APP}.env");
        world.first.write(&path, "TYPE=tiny:1.0.0+1\nVALUE=2\n");
    };
    crash(&Case { name: "update", ready, command: DEPLOY, ends: Ends::Deployed, grant: GRANT });
}

#[test]
fn an_upgrade_with_migrations_that_is_killed() {
    let command = &["app", "deploy", APP, V2, "-n", "--grant", "every exec: web"];
    crash(&Case { name: "upgrade", ready: deploy, command, ends: Ends::Deployed, grant: GRANT });
}

#[test]
fn an_upgrade_with_a_backup_that_is_killed() {
    let ready = |world: &mut World| {
        deploy(world);
        // So that there is a repository, which the other folder sees, too.
        good(&world.first.run(&["backup", "create", APP]));
    };
    let command = &["app", "upgrade", APP, "-n", "--offline", "--grant", "every exec: web"];
    crash(&Case {
        name: "upgrade with a backup",
        ready,
        command,
        ends: Ends::Deployed,
        grant: GRANT,
    });
}

#[test]
fn a_rollback_that_is_killed() {
    let ready = |world: &mut World| {
        deploy(world);
        good(&world.first.run(&["app", "deploy", APP, V2, "-n"]));
    };
    let command = &["app", "rollback", APP, "r1", "-n", "--keep-data"];
    crash(&Case { name: "rollback", ready, command, ends: Ends::Deployed, grant: &[] });
}

#[test]
fn a_rollback_with_data_that_is_killed() {
    let ready = |world: &mut World| {
        deploy(world);
        good(&world.first.run(&["app", "upgrade", APP, "-n", "--offline"]));
        fs::write(world.volume().join("page"), "stew").unwrap();
    };
    let command = &["app", "rollback", APP, "r1", "-n", "--data"];
    let case =
        Case { name: "rollback with data", ready, command, ends: Ends::Deployed, grant: &[] };
    crash(&case);
}

#[test]
fn a_way_back_to_the_version_before_that_is_killed() {
    let ready = |world: &mut World| {
        deploy(world);
        good(&world.first.run(&["app", "deploy", APP, V2, "-n"]));
    };
    let command = &["app", "deploy", APP, V1, "-n", "--downgrade"];
    crash(&Case { name: "way back", ready, command, ends: Ends::Deployed, grant: GRANT });
}

#[test]
fn a_restart_that_is_killed() {
    let command = &["app", "restart", APP];
    crash(&Case { name: "restart", ready: deploy, command, ends: Ends::Deployed, grant: &[] });
}

#[test]
fn a_scaling_that_is_killed() {
    let command = &["app", "scale", APP, "web=2"];
    crash(&Case { name: "scaling", ready: deploy, command, ends: Ends::Deployed, grant: &[] });
}

#[test]
fn an_undeploy_that_is_killed() {
    let command = &["app", "undeploy", APP, "--yes"];
    crash(&Case { name: "undeploy", ready: deploy, command, ends: Ends::Gone, grant: GRANT });
}

#[test]
fn a_removal_that_is_killed() {
    let ready = |world: &mut World| {
        deploy(world);
        good(&world.first.run(&["app", "undeploy", APP, "--yes"]));
    };
    let command = &["app", "rm", APP, "--yes", "--no-backup"];
    crash(&Case { name: "removal", ready, command, ends: Ends::Gone, grant: GRANT });
}

#[test]
fn a_restore_that_is_killed() {
    let ready = |world: &mut World| {
        deploy(world);
        good(&world.first.run(&["backup", "create", APP]));
        fs::write(world.volume().join("page"), "spoiled").unwrap();
    };
    let command = &["backup", "restore", APP, "--yes"];
    crash(&Case { name: "restore", ready, command, ends: Ends::Deployed, grant: GRANT });
}

/// The first release with the recipe's files as they are now, in the operator's folder, too.
fn release_anew(world: &World) {
    world.first.release(V1);
    let pulled = Command::new("git")
        .arg("-C")
        .arg(world.first.path("potluck/recipes/tiny"))
        .args(["fetch", "-qf"])
        .arg(world.first.path("tiny"))
        .arg("refs/tags/*:refs/tags/*")
        .status();
    assert!(pulled.unwrap().success());
}

/// With two secrets, which are kept for `anna`.
fn with_secrets(world: &mut World) {
    let compose = compose(V1)
        .replace("    configs:", "    secrets: [token, key]\n    configs:")
        .replace(
            "volumes:\n  data:",
            "secrets:\n  token: {external: true, name: '${STACK_NAME}_token_${SECRET_TOKEN_VERSION}'}\n  \
             key: {external: true, name: '${STACK_NAME}_key_${SECRET_KEY_VERSION}'}\n\
             volumes:\n  data:",
        );
    world.first.write("tiny/compose.yml", &compose);
    world.first.write("tiny/conf.txt", V1);
    world.first.write("tiny/recipe.yml", &recipe_yml(""));
    release_anew(world);
    world.first.write(
        &format!("potluck/servers/simulated/{APP}.env"),
        "TYPE=tiny:1.0.0+1\nVALUE=1\nSECRET_TOKEN_VERSION=v1\nSECRET_KEY_VERSION=v1\n",
    );
    let made = world.first.run(&["app", "secret", "generate", APP]);
    good(&made);
    assert!(made.stderr.contains("Made key, token on simulated."), "{made}\n{compose}");
    deploy(world);
}

#[test]
fn a_rotation_of_secrets_that_is_killed() {
    let command = &["app", "secret", "rotate", APP, "token", "key"];
    let name = "rotation of secrets";
    crash(&Case { name, ready: with_secrets, command, ends: Ends::Deployed, grant: GRANT });
}

/// With a provider to sign in at, and a plugin that says what that changes.
fn with_provider(world: &mut World) {
    let plugin = "plugins:\n  - name: sso\n    component: std:oidc\n    options: {redirect: \
                  [\"/{VALUE}\"], settings: {OIDC_ID: \"{client_id}\"}, secrets: {oidc: \
                  \"{client_secret}\"}, overlays: [compose.oidc.yml]}\n    grants: [{secret: \
                  oidc}]\n";
    let overlay = "services:\n  web:\n    environment: {OIDC_ID: '${OIDC_ID}'}\n    secrets: \
                   [oidc]\n  door:\n    image: example.invalid/door:1\nsecrets:\n  oidc: \
                   {external: true, name: '${STACK_NAME}_oidc_${SECRET_OIDC_VERSION}'}\n";
    world.first.write("tiny/compose.yml", &compose(V1));
    world.first.write("tiny/compose.oidc.yml", overlay);
    world.first.write("tiny/conf.txt", V1);
    world.first.write("tiny/recipe.yml", &recipe_yml("").replace("plugins:\n", plugin));
    release_anew(world);
    let every = fs::read(world.first.path("tiny/plugins/every.wasm")).unwrap();
    for (path, text) in [
        ("recipes/idp/compose.yml", "services: {app: {image: 'example.invalid/idp:1'}}\n"),
        (
            "recipes/idp/recipe.yml",
            "plugins:\n  - {name: idp, component: plugins/every.wasm, options: {issuer: \
             'http://127.0.0.1:9'}}\n",
        ),
        ("servers/simulated/idp.example.env", "TYPE=idp\nDOMAIN=idp.example\n"),
        ("recipes/idp/plugins/every.wasm", ""),
    ] {
        world.first.write(&format!("potluck/{path}"), text);
    }
    fs::write(world.first.path("potluck/recipes/idp/plugins/every.wasm"), every).unwrap();
    good(&world.first.run(&["app", "deploy", PROVIDER, "-n"]));
    good(&world.first.run(&[&["app", "deploy", APP, "-n"][..], SIGN_ON].concat()));
    fs::write(world.volume().join("page"), "soup").unwrap();
}

/// Where people sign in.
const PROVIDER: &str = "idp.example";
const SIGN_ON: &[&str] = &["--grant", "every exec: web", "--grant", "sso secret: oidc"];

/// The same with a provider outside, which registers clients. Both folders have the key that
/// opens their tokens.
fn with_house(world: &mut World) {
    with_provider(world);
    let house = Provider::new();
    let add = ["provider", "add", "house", "--issuer", &house.issuer, "--dynamic"];
    good(&world.first.run(&["key", "new"]));
    good(&world.first.run(&add));
    let copied = Command::new("cp")
        .arg("-a")
        .args([world.first.path("home/."), world.second.path("home")])
        .status();
    assert!(copied.unwrap().success());
    world.house = Some(house);
}

#[test]
fn a_connection_to_a_provider_outside_that_is_killed() {
    let command = &["sso", "connect", APP, "house", "-n"];
    let (name, ready) = ("connection outside", with_house);
    crash(&Case { name, ready, command, ends: Ends::Deployed, grant: SIGN_ON });
}

#[test]
fn another_address_at_a_provider_outside_that_is_killed() {
    let ready = |world: &mut World| {
        with_house(world);
        good(&world.first.run(&["sso", "connect", APP, "house", "-n"]));
        let path = format!("potluck/servers/simulated/{APP}.env");
        let env = fs::read_to_string(world.first.path(&path)).unwrap();
        world.first.write(&path, &env.replace("VALUE=1", "VALUE=2"));
    };
    let command = &["sso", "connect", APP, "-n"];
    let name = "another address outside";
    crash(&Case { name, ready, command, ends: Ends::Deployed, grant: SIGN_ON });
}

#[test]
fn a_disconnection_from_a_provider_outside_that_is_killed() {
    let ready = |world: &mut World| {
        with_house(world);
        good(&world.first.run(&["sso", "connect", APP, "house", "-n"]));
    };
    let command = &["sso", "disconnect", APP, "-n"];
    let name = "disconnection outside";
    crash(&Case { name, ready, command, ends: Ends::Deployed, grant: SIGN_ON });
}

#[test]
fn a_connection_that_is_killed() {
    let command = &["sso", "connect", APP, PROVIDER, "-n"];
    let (name, ready) = ("connection", with_provider);
    crash(&Case { name, ready, command, ends: Ends::Deployed, grant: SIGN_ON });
}

#[test]
fn a_disconnection_that_is_killed() {
    let ready = |world: &mut World| {
        with_provider(world);
        good(&world.first.run(&["sso", "connect", APP, PROVIDER, "-n"]));
    };
    let command = &["sso", "disconnect", APP, "-n"];
    let name = "disconnection";
    crash(&Case { name, ready, command, ends: Ends::Deployed, grant: SIGN_ON });
}

#[test]
fn another_secret_of_a_client_that_is_killed() {
    let ready = |world: &mut World| {
        with_provider(world);
        good(&world.first.run(&["sso", "connect", APP, PROVIDER, "-n"]));
    };
    let command = &["sso", "rotate", APP, "-n"];
    let name = "client's other secret";
    crash(&Case { name, ready, command, ends: Ends::Deployed, grant: SIGN_ON });
}

/// While an operation is unfinished.
fn no_change_of_secrets(world: &World) {
    world.first.write("more", "value");
    for command in [
        &["app", "secret", "generate", APP, "key"][..],
        &["app", "secret", "insert", APP, "key", "v7", "--file", "more"],
        &["app", "secret", "rotate", APP, "key"],
        &["app", "secret", "adopt", APP, "-y"],
        &["app", "secret", "restore", APP],
        &["app", "cmd", APP, "count"],
    ] {
        let refused = world.first.run(command);
        // What changes nothing takes no lease.
        let expected = if command.contains(&"generate") { 0 } else { 5 };
        assert_eq!(refused.code, expected, "{command:?}: {refused}");
        let says = refused.stderr.contains(" did not end: ");
        assert_eq!(expected == 5, says, "{command:?}: {refused}");
    }
    let held = world.first.json(&["app", "history", APP, "--json"]);
    assert_eq!(held["unfinished"]["running"], false, "{held}");
}

#[test]
fn an_unfinished_rotation_is_undone_in_its_own_folder_too() {
    let Some(mut base) = World::new() else { return };
    with_secrets(&mut base);
    good(&base.first.run(&["key", "new", "--name", "anna"]));
    let copies = |world: &World| {
        let folder = world.first.path(&format!("potluck/servers/simulated/{APP}.secrets"));
        let mut names: Vec<String> = match fs::read_dir(folder) {
            Ok(entries) => {
                entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect()
            }
            Err(_) => Vec::new(),
        };
        names.sort();
        names
    };
    let (before, said) = (base.server(), World::says(&base.first));
    let every = std::env::var("POTLUCK_CRASH_EVERY").ok().and_then(|it| it.parse().ok());
    let every: usize = every.unwrap_or(4);
    let (mut unfinished, mut moment) = (0, 0);
    loop {
        let world = base.copied();
        world.script(&format!("crash: {moment}\n"));
        let rotated = world.first.run(&["app", "secret", "rotate", APP, "token", "key"]);
        world.script("");
        if rotated.code == 0 {
            break;
        }
        assert_eq!(rotated.code, KILLED, "{rotated}");
        moment += every;
        let told = world.first.json(&["app", "history", APP, "--json"]);
        if told["unfinished"].is_null() {
            continue;
        }
        unfinished += 1;
        if unfinished == 2 {
            no_change_of_secrets(&world);
        }
        let aborted = world.first.run(&["app", "abort", APP, "-y"]);
        good(&aborted);
        assert_eq!(world.server(), before, "{moment}: {aborted}");
        assert_eq!(World::says(&world.first), said, "{moment}: {aborted}");
        assert_eq!(copies(&world), [""; 0], "{moment}: {aborted}");
        let rotated = world.first.run(&["app", "secret", "rotate", APP, "token", "key"]);
        good(&rotated);
        assert_eq!(copies(&world), ["key_v2.age", "token_v2.age"], "{moment}: {rotated}");
        good(&world.first.run(&["app", "deploy", APP, "-n"]));
    }
    assert!(unfinished > 2, "{unfinished} of {moment} moments left it unfinished");
}

/// An upgrade that is killed while its services are sent.
fn half_upgraded() -> Option<World> {
    let mut world = World::new()?;
    deploy(&mut world);
    world.script("crash: 16\n");
    let killed = world.first.run(&["app", "deploy", APP, V2, "-n"]);
    assert_eq!(killed.code, KILLED, "{killed}");
    world.script("");
    good(&world.first.run(&["app", "unlock", APP, "--yes", "--reason", "it was killed"]));
    let told = world.first.json(&["app", "history", APP, "--json"]);
    let step = told["unfinished"]["step"].as_u64().unwrap();
    assert_eq!(told["unfinished"]["steps"][usize::try_from(step).unwrap()]["name"], "services");
    Some(world)
}

#[test]
fn an_app_that_cannot_be_brought_back_is_free_nevertheless() {
    let Some(world) = half_upgraded() else { return };
    let path = world.first.path("potluck/state/simulated/simulated/swarm.json");
    let mut state = world.state();
    state["services"] = serde_json::json!([]);
    // Without these it cannot be made again.
    state["configs"].as_array_mut().unwrap().retain(|config| {
        config["Spec"]["Name"].as_str().is_some_and(|name| name.starts_with("potluck."))
    });
    fs::write(path, state.to_string()).unwrap();
    let aborted = world.first.run(&["app", "abort", APP, "--yes"]);
    assert_eq!(aborted.code, 1, "{aborted}");
    for words in ["c_example_web was removed since", "cannot be made again"] {
        assert!(aborted.stderr.contains(words), "{aborted}");
    }
    let told = world.first.json(&["app", "show", APP, "--json"]);
    assert_eq!(told["ended"]["outcome"], "failed", "{told}");
    good(&world.first.run(&["app", "deploy", APP, V2, "-n"]));
}

#[test]
fn a_service_that_was_removed_meanwhile_is_made_again() {
    let Some(world) = half_upgraded() else { return };
    let path = world.first.path("potluck/state/simulated/simulated/swarm.json");
    let mut state = world.state();
    state["services"] = serde_json::json!([]);
    fs::write(path, state.to_string()).unwrap();
    let aborted = world.first.run(&["app", "abort", APP, "--yes"]);
    good(&aborted);
    assert!(aborted.stderr.contains("c_example_web was removed since: it is made"), "{aborted}");
    let server = world.server();
    assert!(server["service \"c_example_web\""].to_string().contains("web:1"), "{server:?}");
    good(&world.first.run(&["app", "deploy", APP, V2, "-n"]));
}

#[test]
fn no_command_passes_over_an_operation_that_did_not_end() {
    let Some(world) = half_upgraded() else { return };
    for command in [
        &["app", "deploy", APP, "-n"][..],
        &["app", "deploy", APP, V2, "-n"],
        &["app", "undeploy", APP, "-y"],
        &["app", "rm", APP, "-y", "--no-backup"],
        &["app", "rm", APP, "-y", "--force", "--no-backup"],
        &["backup", "create", APP],
        &["app", "cmd", APP, "count"],
        &["plugin", "run", "every", "lifecycle.after-deploy", "--app", APP],
    ] {
        let refused = world.first.run(command);
        assert_eq!(refused.code, 5, "{command:?}: {refused}");
        for words in ["did not end: it came to step ", "app resume", "app abort"] {
            assert!(refused.stderr.contains(words), "{command:?}: {refused}");
        }
    }
    for command in [&["app", "ps", APP][..], &["app", "deploy", APP, V2, "-n", "--dry-run"]] {
        let told = world.first.run(command);
        assert!(told.stderr.contains("did not end: it came to step "), "{command:?}: {told}");
    }
    let listed = world.first.json(&["app", "ls", "--status", "--json"]);
    assert_eq!(listed[0]["unfinished"], true, "{listed}");
    // Without consent, nothing happens.
    for command in ["resume", "abort"] {
        let asked = world.first.run(&["app", command, APP]);
        assert_eq!(asked.code, 6, "{asked}");
    }
    good(&world.first.run(&["app", "abort", APP, "-y"]));
    let listed = world.first.json(&["app", "ls", "--status", "--json"]);
    assert_eq!(listed[0]["unfinished"], false, "{listed}");
}

#[test]
fn a_removal_names_each_thing_that_goes_before_it_asks() {
    let Some(mut world) = World::new() else { return };
    deploy(&mut world);
    good(&world.first.run(&["app", "undeploy", APP, "-y"]));
    let asked = world.first.run(&["app", "rm", APP, "--no-backup"]);
    assert_eq!(asked.code, 6, "{asked}");
    for words in ["Deletes the volumes c_example_data.", "Deletes the settings and the lock file"] {
        assert!(asked.stderr.contains(words), "{asked}");
    }
    assert!(world.volume().join("page").exists());
    good(&world.first.run(&["app", "rm", APP, "-y", "--no-backup"]));
    assert!(!world.volume().exists());
}

#[test]
fn what_an_undone_undeploy_knew_of_the_app_is_kept() {
    let Some(mut world) = World::new() else { return };
    deploy(&mut world);
    let before = World::says(&world.first);
    world.script("crash: 5\n");
    let killed = world.first.run(&["app", "undeploy", APP, "-y"]);
    assert_eq!(killed.code, KILLED, "{killed}");
    world.script("");
    good(&world.first.run(&["app", "abort", APP, "-y"]));
    assert_eq!(World::says(&world.first), before);
    assert!(before.contains("recipe:"), "{before}");
}

#[test]
fn a_backup_that_was_complete_when_its_process_was_killed_is_kept() {
    let Some(mut base) = World::new() else { return };
    deploy(&mut base);
    let complete = |world: &World| -> Vec<String> {
        let listed = world.first.json(&["backup", "snapshots", APP, "--json"]);
        let ids = listed.as_array().unwrap().iter().map(|set| set["id"].as_str().unwrap().into());
        ids.collect()
    };
    let mut kept = 0;
    for moment in [6, 8, 9, 10, 11, 12, 13, 14] {
        let world = base.copied();
        world.script(&format!("crash: {moment}\n"));
        let killed = world.first.run(&["backup", "create", APP]);
        world.script("");
        let before = match killed.code {
            KILLED if world.first.path("potluck/state/backups").exists() => complete(&world),
            _ => continue,
        };
        let next = world.first.run(&["backup", "create", APP]);
        good(&next);
        let after = complete(&world);
        assert!(before.iter().all(|set| after.contains(set)), "{moment}: {before:?} {after:?}");
        assert_eq!(after.len(), before.len() + 1, "{moment}: {next}");
        kept += before.len();
    }
    assert!(kept > 0, "no moment left a complete backup behind");
}
