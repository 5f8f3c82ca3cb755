//! An app goes to another server: on two real swarms, and killed at every moment on two
//! simulated ones.

use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    process::Command,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use serde_json::Value;

use super::{
    bare::{backed_up, left, run},
    rebuild::{Before, good},
};
use crate::support::{
    cli::{Lab, Run},
    common::BUSYBOX,
    nodes::Alone,
    operator::refused,
};

const APP: &str = "t.example";

/// One moment of so many is tried, unless POTLUCK_CRASH_EVERY says otherwise.
const EVERY: usize = 29;

#[tokio::test(flavor = "multi_thread")]
async fn an_app_moves_to_another_swarm_and_back() {
    let Some(here) = backed_up("move").await else { return };
    let Some(there) = Alone::start().await else { return };
    let (lab, domain) = (&here.before, here.domain.as_str());
    let node = &there.manager;
    let settings = format!("endpoint: {}\n", node.endpoint());
    lab.write("potluck/servers/there/server.yml", &settings);
    let of_node = |kind: &str| {
        let filter = format!("name={}", here.stack);
        node.docker(&[kind, "ls", "--filter", &filter, "--format", "{{.Name}}"])
    };
    let moves =
        |to: &str, more: &[&str]| lab.run(&[&["app", "move", domain, to][..], more].concat());

    for (to, more, code, words) in [
        ("here", &["--yes"][..], 2, &["is on here already"][..]),
        ("nowhere", &["--yes"], 1, &["no server is called `nowhere`"]),
        ("there", &[], 6, &["Moving", "--yes"]),
        ("there", &["--yes", "--identity", "none"], 1, &["no key at"]),
    ] {
        refused(&moves(to, more), code, words);
        here.assert_back(lab, domain);
    }
    let plan = moves("there", &["--dry-run", "--json"]);
    good(&plan);
    let plan: Value = serde_json::from_str(&plan.stdout).unwrap();
    let own = |name: &str| format!("{}_{name}", here.stack);
    assert_eq!(plan["stops"], serde_json::json!(["app"]), "{plan}");
    assert_eq!(plan["runs_on"], serde_json::json!(["db"]), "{plan}");
    let mut removes: Vec<&str> =
        plan["removes"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    removes.sort_unstable();
    assert_eq!(removes, [own("content"), own("data")], "{plan}");
    assert_eq!(plan["there"]["secrets"], serde_json::json!(["db_password_v3", "token_v1"]));

    // What was written since the newest backup comes along.
    run(lab, domain, "db", "echo rows and more >/data/db.txt");
    // There, nothing can start: the app is here again, and nothing is left there.
    node.docker(&["rmi", "-f", BUSYBOX]);
    let failed = moves("there", &["--yes"]);
    assert_eq!(failed.code, 1, "{failed}");
    assert_eq!(run(lab, domain, "db", "cat /data/db.txt"), "rows and more\n");
    assert_eq!(run(lab, domain, "app", "cat /content/sub/p"), "picture\n");
    for kind in ["service", "secret", "config", "network", "volume"] {
        assert_eq!(of_node(kind), "", "{kind}: {failed}");
    }
    assert!(!lab.path(&format!("potluck/servers/there/{domain}.env")).exists(), "{failed}");
    let history = lab.json(&["app", "history", domain, "--json"]);
    let last = &history["operations"][0];
    assert_eq!((&last["what"], &last["outcome"]), (&"move".into(), &"failed-and-undone".into()));

    node.load_image(&lab.path(""), BUSYBOX);
    let moved = moves("there", &["--yes"]);
    good(&moved);
    assert_eq!(left(&here.stack), "", "{moved}");
    let history = lab.json(&["app", "history", domain, "--json"]);
    assert_eq!(history["operations"][0]["what"], "move", "{history}");
    assert_eq!(status(lab, &[])["apps"][0]["backup"]["set"], history["operations"][0]["set"]);
    assert_eq!(run(lab, domain, "db", "cat /data/db.txt"), "rows and more\n");
    run(lab, domain, "db", "echo rows >/data/db.txt");
    here.assert_back(lab, domain);
    assert_eq!(lab.json(&["app", "ls", "--json"])[0]["server"], "there");
    for gone in [".env", ".lock.yml", ".secrets"] {
        assert!(!lab.path(&format!("potluck/servers/here/{domain}{gone}")).exists(), "{gone}");
    }
    good(&lab.run(&["app", "deploy", domain, "-n"]));
    good(&lab.run(&["app", "drift", domain]));

    let disks: Vec<u64> = status(lab, &["--server", "there"])["servers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["disk"]["all"].as_u64().unwrap())
        .collect();
    assert!(disks.len() == 1 && disks[0] > 0, "{disks:?}");

    // And back, with what the other server has of backups by now.
    good(&lab.run(&["backup", "create", domain]));
    let back = moves("here", &["--yes", "--keep-data"]);
    good(&back);
    assert!(back.stderr.contains("server prune there --volumes"), "{back}");
    here.assert_back(lab, domain);
    let mut kept: Vec<String> = of_node("volume").lines().map(str::to_owned).collect();
    kept.sort();
    assert_eq!(kept, [own("content"), own("data")]);
    assert_eq!(of_node("service") + &of_node("secret"), "");
    good(&lab.run(&["server", "prune", "there", "--volumes", "--yes"]));
    assert_eq!(of_node("volume"), "");
}

/// Two folders that know the same two simulated servers.
struct World {
    first: Lab,
    second: Lab,
}

impl World {
    fn new() -> Option<Self> {
        let Before { lab, .. } = Before::new(true)?;
        lab.write("potluck/servers/other/server.yml", "endpoint: simulated\n");
        fs::create_dir_all(lab.path("potluck/state/simulated/other")).unwrap();
        let world = World { first: lab, second: Lab::new() };
        fs::create_dir_all(world.second.path("potluck/state")).unwrap();
        world.share();
        Some(world)
    }

    /// Both see the same servers and the same store, and have the key.
    fn share(&self) {
        let link = self.second.path("potluck/state/simulated");
        let _ = fs::remove_file(&link);
        symlink(self.first.path("potluck/state/simulated"), link).unwrap();
        let identity = "home/.config/potluck/identity";
        fs::create_dir_all(self.second.path(identity).parent().unwrap()).unwrap();
        fs::copy(self.first.path(identity), self.second.path(identity)).unwrap();
        let settings = format!(
            "backup:\n  repository: {}\n  password-file: {}\n",
            self.first.path("store").display(),
            self.first.path("sesame").display()
        );
        self.first.write("potluck/servers/simulated/server.yml", &settings);
        self.second.pull(&self.first);
    }

    fn copied(&self) -> Self {
        let world = World { first: Lab::new(), second: Lab::new() };
        for (from, to) in [(&self.first, &world.first), (&self.second, &world.second)] {
            let copied =
                Command::new("cp").arg("-a").arg(from.path(".")).arg(to.path(".")).status();
            assert!(copied.unwrap().success());
        }
        world.share();
        world
    }

    fn script(&self, server: &str, text: &str) {
        self.first.write(&format!("potluck/state/simulated/{server}/script.yml"), text);
    }

    /// Names of what a server has of the app, its journals and leases included.
    fn has(&self, server: &str) -> Vec<String> {
        let folder = format!("potluck/state/simulated/{server}");
        let state = fs::read(self.first.path(&format!("{folder}/swarm.json"))).unwrap_or_default();
        let state: Value = serde_json::from_slice(&state).unwrap_or_default();
        let mut found = Vec::new();
        for kind in ["services", "configs", "secrets"] {
            for object in state[kind].as_array().into_iter().flatten() {
                let object = object.get("object").unwrap_or(object);
                let wanted = &object["Spec"]["Mode"]["Replicated"]["Replicas"];
                let stopped = if *wanted == 0 { " (stopped)" } else { "" };
                let name = object["Spec"]["Name"].as_str().unwrap();
                // The server's own: what removed apps that are gone.
                if name != "potluck.removals" {
                    found.push(format!("{kind} {name}{stopped}"));
                }
            }
        }
        let volumes = self.first.path(&format!("{folder}/volumes"));
        for volume in fs::read_dir(volumes).into_iter().flatten() {
            let path = volume.unwrap().path();
            if path.ends_with(".containers") {
                continue;
            }
            let page = fs::read_to_string(path.join("_data/page")).unwrap_or_default();
            found.push(format!("volume {} {page}", path.file_name().unwrap().display()));
        }
        found.sort();
        found
    }

    /// The server that has all of the app, where the other one has nothing of it and no
    /// operation is left over.
    fn place(&self, lab: &Lab) -> Result<&'static str, String> {
        let whole = |found: &[String]| {
            let wanted = [
                "secrets t_example_token_v1",
                "services t_example_app",
                "volume t_example_content soup",
            ];
            let is_whole = wanted.iter().all(|name| found.iter().any(|it| it == name));
            let is_over = |it: &String| !it.ends_with(".journal") && !it.ends_with(".lease");
            is_whole && found.iter().all(is_over)
        };
        let (mut here, mut there) = (self.has("simulated"), self.has("other"));
        // Of a process that lost the server: nobody renews it, and the next one takes it.
        if there == ["configs potluck.t_example.lease"] {
            there.clear();
        }
        // It says where the app went.
        if here == ["configs potluck.t_example.history"] {
            here.clear();
        }
        let files = |server: &str| -> Vec<&str> {
            let kept =
                |end: &&&str| lab.path(&format!("potluck/servers/{server}/{APP}{end}")).exists();
            [".env", ".lock.yml", ".secrets"].iter().filter(kept).copied().collect()
        };
        let told = || {
            let (mine, theirs) = (files("simulated"), files("other"));
            Err(format!("here {here:#?} {mine:?}\nthere {there:#?} {theirs:?}"))
        };
        let at = match (whole(&here), whole(&there)) {
            (true, false) if there.is_empty() => "simulated",
            (false, true) if here.is_empty() => "other",
            _ => return told(),
        };
        let other = if at == "other" { "simulated" } else { "other" };
        // A colleague's folder has not pulled yet what came, and keeps copies of secrets until then.
        let mut left = files(other);
        left.retain(|end| at == "simulated" || *end != ".secrets" || !files(at).is_empty());
        match left.is_empty() && (at == "other" || files(at).len() == 3) {
            true => Ok(at),
            false => told(),
        }
    }
}

/// What happens to the process, and who goes on.
fn at_moment(
    base: &World,
    (server, word, moment): (&str, &str, usize),
    abort: bool,
    colleague: bool,
) -> Result<bool, String> {
    let world = base.copied();
    world.script(server, &format!("{word}: {moment}\n"));
    let killed = world.first.run(&["app", "move", APP, "other", "--yes"]);
    world.script(server, "");
    let lab = if colleague { &world.second } else { &world.first };
    if killed.code == 0 {
        return match world.place(&world.first)? {
            "other" => Ok(false),
            at => Err(format!("it says that it moved, and is on {at}: {killed}")),
        };
    }
    for server in ["simulated", "other"] {
        // Whoever has the app is dead, which would take a minute to know.
        let unlock = ["app", "unlock", APP, "--server", server, "--yes", "--reason", "killed"];
        world.first.run(&unlock);
    }
    let verb = |word| ["app", word, APP, "--server", "simulated", "--yes"];
    let mut tried: Vec<Run> = vec![lab.run(&verb(if abort { "abort" } else { "resume" }))];
    let last = |tried: &[Run], words: &str| tried.last().unwrap().stderr.contains(words);
    if last(&tried, "cannot be undone any more") {
        tried.push(lab.run(&verb("resume")));
    }
    // What the killed one wrote is in its folder only.
    if last(&tried, "does not have the files of") {
        world.second.pull(&world.first);
        tried.push(lab.run(&verb("resume")));
    }
    // The other server was lost for that process only.
    let left = format!("potluck app abort {APP} --server other");
    if killed.stderr.contains(&left) {
        let other = |verb: &str, more: &[&str]| {
            let command = ["app", verb, APP, "--server", "other", "--yes"];
            world.first.run(&[&command[..], more].concat())
        };
        tried.push(other("abort", &[]));
        if last(&tried, "no unfinished operation")
            && world.first.path(&format!("potluck/servers/other/{APP}.env")).exists()
        {
            tried.push(other("undeploy", &[]));
            tried.push(other("rm", &["--no-backup"]));
            // As it says.
            let copies = world.first.path(&format!("potluck/servers/other/{APP}.secrets"));
            fs::remove_dir_all(copies).unwrap();
        }
    }
    let told = || tried.iter().map(|run| format!("\n{run}")).collect::<String>();
    let is_over = |run: &Run| run.stderr.contains("no unfinished operation");
    match tried.iter().find(|run| run.code != 0) {
        Some(run) if is_over(run) || run.stderr.contains("cannot be undone any more") => {}
        Some(run) if run.stderr.contains("does not have the files of") => {}
        // All was done, but for the files of the folder.
        Some(run) if run.stderr.contains("no app is called") => {}
        Some(_) => return Err(format!("{killed}{}", told())),
        None => {}
    }
    let at = world.place(lab).map_err(|why| format!("{why}\n{killed}{}", told()))?;
    let undone = abort && tried.len() == 1 && tried[0].code == 0;
    match undone && at != "simulated" {
        true => Err(format!("undone, and on {at}: {killed}{}", told())),
        false => Ok(true),
    }
}

#[test]
fn a_move_that_is_killed_or_loses_a_server_is_finished_or_undone() {
    let Some(base) = World::new() else { return };
    let every = std::env::var("POTLUCK_CRASH_EVERY").ok().and_then(|it| it.parse().ok());
    let every: usize = every.unwrap_or(EVERY);
    let (tried, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for (server, word) in
            [("simulated", "crash"), ("other", "crash"), ("simulated", "lost"), ("other", "lost")]
        {
            let (base, tried, failures) = (&base, &tried, &failures);
            scope.spawn(move || {
                for moment in (every / 2..).step_by(every) {
                    let odd = moment / every % 2 == 1;
                    for (abort, colleague) in [(false, odd), (true, !odd)] {
                        match at_moment(base, (server, word, moment), abort, colleague) {
                            Ok(true) => drop(tried.fetch_add(1, Ordering::Relaxed)),
                            Ok(false) => return,
                            Err(why) => {
                                let mut failures = failures.lock().unwrap();
                                let then = if abort { "abort" } else { "resume" };
                                let who = if colleague { " by a colleague" } else { "" };
                                failures.push(format!(
                                    "{server} {word} at {moment}, {then}{who}: {why}"
                                ));
                                if failures.len() > 3 {
                                    return;
                                }
                            }
                        }
                    }
                }
            });
        }
    });
    println!("move: {} times", tried.load(Ordering::Relaxed));
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    assert!(tried.into_inner() > 0);
}

#[test]
fn what_is_not_in_the_backup_stays_where_it_is() {
    let Some(World { first: lab, second }) = World::new() else { return };
    let yes = ["app", "move", APP, "other", "--yes"];
    // There is nothing to make it of.
    let store = lab.path("store");
    let aside = lab.path("store.aside");
    fs::rename(&store, &aside).unwrap();
    let none = lab.run(&yes);
    assert_eq!(none.code, 1, "{none}");
    fs::rename(&aside, &store).unwrap();
    // It is stopped: nothing could be seen to come.
    good(&lab.run(&["app", "undeploy", APP, "--yes"]));
    let stopped = lab.run(&yes);
    assert!(stopped.code == 1 && stopped.stderr.contains("is not deployed"), "{stopped}");
    good(&lab.run(&["app", "deploy", APP, "-n"]));
    // A copy that stays there cannot be opened: nothing stops for that.
    let before = lab.json(&["log", "--json"])["operations"].as_array().unwrap().len();
    let copies = "potluck/servers/other/t.example.secrets";
    lab.write(&format!("{copies}/token_v1.age"), "garbage");
    let garbled = lab.run(&yes);
    assert!(garbled.code == 1 && garbled.stderr.contains(copies), "{garbled}");
    assert_eq!(lab.json(&["log", "--json"])["operations"].as_array().unwrap().len(), before);
    fs::remove_dir_all(lab.path(copies)).unwrap();
    let moved = lab.run(&[&yes[..], &["--keep-data", "--json"]].concat());
    good(&moved);
    let report: Value = serde_json::from_str(&moved.stdout).unwrap();
    assert_eq!(report["keeps"], serde_json::json!(["t_example_content"]));
    let page = "t_example_content/_data/page";
    for server in ["simulated", "other"] {
        assert_eq!(fs::read_to_string(volumes(&lab, server).join(page)).unwrap(), "soup");
    }
    // Somebody who has not pulled makes no second one.
    let stale = second.run(&["app", "deploy", APP, "-n"]);
    assert!(stale.code == 1 && stale.stderr.contains("was moved to other by"), "{stale}");
    // What stayed has the place.
    good(&lab.run(&["backup", "create", APP]));
    let taken = lab.run(&["app", "move", APP, "simulated", "--yes"]);
    assert!(taken.code == 1 && taken.stderr.contains("has volumes already"), "{taken}");
    assert_eq!(lab.json(&["app", "show", APP, "--json"])["unfinished"], Value::Null);
}

/// What `status` says: on a full disk, that something is wrong.
fn status(lab: &Lab, more: &[&str]) -> Value {
    let run = lab.run(&[&["status", "--json"], more].concat());
    serde_json::from_str(&run.stdout).unwrap_or_else(|_| panic!("{run}"))
}

fn volumes(lab: &Lab, server: &str) -> std::path::PathBuf {
    lab.path(&format!("potluck/state/simulated/{server}/volumes")).join(Path::new(""))
}
