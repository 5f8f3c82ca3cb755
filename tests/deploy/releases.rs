//! What ran well is recorded, and comes back without the recipe; a folder that is behind
//! says so; what somebody changed by hand is seen.

use crate::support::{
    cli::{Lab, Run},
    common::{BUSYBOX, Cleanup, endpoint, real_engine},
    operator::{SLEEP, docker, domain, folder, good},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::{Compression, read::ZlibDecoder, write::ZlibEncoder};
use serde_json::{Value, json};
use std::{fs, io::Write};

const V1: &str = "1.0.0+1";
const V2: &str = "2.0.0+1";

/// Two folders that know one app.
struct World {
    first: Lab,
    second: Lab,
    domain: String,
    stack: String,
    _cleanup: Option<Cleanup>,
}

fn compose(version: &str) -> String {
    format!(
        "services:
  web:
    image: {BUSYBOX}
    command: {SLEEP}
    environment: {{VERSION: '{version}', VALUE: \"${{VALUE}}\"}}
    configs: [{{source: page, target: /page}}]
    deploy: {{endpoint_mode: dnsrr, update_config: {{monitor: 1s}}}}
configs:
  page:
    name: ${{STACK_NAME}}_page_${{PAGE}}
    file: page.txt
"
    )
}

impl World {
    fn simulated() -> Self {
        Self::new("r.example".into(), "r_example".into(), "simulated", None)
    }

    async fn real(room: &str) -> Option<Self> {
        real_engine().await?;
        let (domain, stack) = domain(room);
        let cleanup = Cleanup::new(&stack);
        Some(Self::new(domain, stack.to_string(), &endpoint(), Some(cleanup)))
    }

    fn new(domain: String, stack: String, endpoint: &str, cleanup: Option<Cleanup>) -> Self {
        let (first, second) = (folder(), folder());
        for version in [V1, V2] {
            first.write("tiny/.env.sample", "TYPE=tiny\nVALUE=1\nPAGE=v1\n");
            first.write("tiny/compose.yml", &compose(version));
            first.write("tiny/page.txt", &format!("page of {version}\n"));
            first.release(version);
        }
        let server = if endpoint == "simulated" { "simulated" } else { "here" };
        let server = format!("--server={server}");
        let recipe = first.path("tiny").display().to_string();
        for lab in [&first, &second] {
            let new = ["app", "new", &recipe, "--version", V1, "--domain", &domain, &server];
            good(&lab.run(&new));
        }
        World { first, second, domain, stack, _cleanup: cleanup }
    }

    fn app(&self, lab: &Lab, arguments: &[&str]) -> Run {
        let mut all = vec!["app", arguments[0], &self.domain];
        all.extend(&arguments[1..]);
        all.push("-n");
        lab.run(&all)
    }

    fn set(&self, lab: &Lab, setting: &str) {
        good(&lab.run(&["app", "config", &self.domain, "--set", setting]));
    }

    fn history(&self) -> Value {
        self.first.json(&["app", "history", &self.domain, "--json"])
    }

    fn releases(&self) -> Vec<Value> {
        self.history()["releases"].as_array().unwrap().clone()
    }
}

#[test]
fn a_release_comes_back_without_its_recipe() {
    let world = World::simulated();
    good(&world.app(&world.first, &["deploy"]));
    world.set(&world.first, "PAGE=v2");
    world.set(&world.first, "VALUE=2");
    good(&world.app(&world.first, &["deploy", V2]));
    let releases = world.releases();
    assert_eq!(releases.len(), 2);
    assert_eq!((&releases[0]["release"], &releases[0]["version"]), (&json!("r2"), &json!(V2)));
    let operations = world.history()["operations"].clone();
    assert_eq!(operations[0]["settings"], json!(["PAGE", "VALUE"]));

    fs::remove_dir_all(world.first.path("tiny")).unwrap();
    fs::remove_dir_all(world.first.path("potluck/recipes")).unwrap();
    let dry = world.app(&world.first, &["rollback", "--dry-run"]);
    good(&dry);
    assert!(dry.stderr.contains("goes back to r1, version 1.0.0+1, deployed by"), "{dry}");
    assert!(dry.stderr.contains("_page_v1"), "{dry}");
    assert_eq!(world.releases().len(), 2, "a dry run recorded something");

    let run = world.app(&world.first, &["rollback", "--json"]);
    good(&run);
    assert_eq!(serde_json::from_str::<Value>(&run.stdout).unwrap()["version"], V1);
    let settings = world.first.path(&format!("potluck/servers/simulated/{}.env", world.domain));
    let settings = fs::read_to_string(settings).unwrap();
    assert!(settings.contains(&format!("TYPE=tiny:{V1}")), "{settings}");
    let operations = world.history()["operations"].clone();
    assert_eq!((&operations[0]["what"], &operations[0]["after"]), (&json!("rollback"), &json!(V1)));
    assert_eq!(world.releases()[0]["replays"], "r1");
    let drift = world.first.json(&["app", "drift", &world.domain, "--json"]);
    assert_eq!(drift[0]["changes"], json!([]), "{drift}");

    // There is nothing before the first one.
    let again = world.app(&world.first, &["rollback"]);
    assert_eq!(again.code, 1, "{again}");
    assert!(again.stderr.contains("has no release before what runs"), "{again}");
    assert!(again.stderr.contains("r2, version 2.0.0+1"), "{again}");
    let named = world.app(&world.first, &["rollback", V2]);
    good(&named);
    assert_eq!(world.releases()[0]["version"], V2);
}

#[test]
fn the_last_ten_are_kept_with_their_configs() {
    let world = World::simulated();
    let configs = || {
        let swarm = world.first.path("potluck/state");
        let mut names: Vec<String> = Vec::new();
        for entry in walk(&swarm) {
            let text = fs::read_to_string(entry).unwrap_or_default();
            for part in text.split('"').filter(|part| part.starts_with("r_example_page_")) {
                names.push(part.to_owned());
            }
        }
        names.sort();
        names.dedup();
        names
    };
    for page in 1..=12 {
        world.set(&world.first, &format!("PAGE=v{page}"));
        good(&world.app(&world.first, &["deploy"]));
    }
    let releases = world.releases();
    let names: Vec<&str> = releases.iter().map(|it| it["release"].as_str().unwrap()).collect();
    assert_eq!(names, ["r12", "r11", "r10", "r9", "r8", "r7", "r6", "r5", "r4", "r3"]);
    let kept = configs();
    assert!(!kept.contains(&"r_example_page_v1".to_owned()), "{kept:?}");
    assert!(kept.contains(&"r_example_page_v3".to_owned()), "{kept:?}");
    let drift = world.first.json(&["app", "drift", "--all", "--json"]);
    assert_eq!(drift[0]["changes"], json!([]), "{drift}");
    good(&world.app(&world.first, &["rollback", "r3"]));

    // What changes nothing records nothing.
    let before = world.releases();
    assert_eq!(before[0]["replays"], "r3");
    good(&world.app(&world.first, &["rollback", "r13"]));
    assert_eq!(world.releases(), before);

    // An undeployed app has nothing to go back to.
    good(&world.app(&world.first, &["undeploy"]));
    let gone = world.app(&world.first, &["rollback", "r13"]);
    assert_eq!(gone.code, 1, "{gone}");
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        match entry.path().is_dir() {
            true => files.extend(walk(&entry.path())),
            false => files.push(entry.path()),
        }
    }
    files
}

#[tokio::test]
async fn a_folder_that_is_behind_does_not_overwrite_a_colleague() {
    let Some(world) = World::real("behind").await else { return };
    let World { first, second, .. } = &world;
    good(&world.app(first, &["deploy"]));
    // The same settings: nothing of the colleague's is lost.
    good(&world.app(second, &["deploy"]));
    world.set(second, "VALUE=theirs");
    good(&world.app(second, &["deploy", V2]));

    let dry = world.app(first, &["deploy", "--dry-run"]);
    good(&dry);
    assert!(dry.stderr.contains("this folder does not know what runs of"), "{dry}");
    let run = world.app(first, &["deploy"]);
    assert_eq!(run.code, 6, "{run}");
    assert!(
        run.stderr.contains("it brings the version 1.0.0+1; it has other values for VALUE"),
        "{run}"
    );
    assert!(run.stderr.contains("--overwrite") && run.stderr.contains("git pull"), "{run}");

    let lock = |lab: &Lab| lab.path(&format!("potluck/servers/here/{}.lock.yml", world.domain));
    let settings = |lab: &Lab| lab.path(&format!("potluck/servers/here/{}.env", world.domain));
    fs::copy(lock(second), lock(first)).unwrap();
    fs::copy(settings(second), settings(first)).unwrap();
    world.set(first, "VALUE=ours");
    good(&world.app(first, &["deploy"]));

    let run = world.app(second, &["deploy"]);
    assert_eq!(run.code, 6, "{run}");
    good(&world.app(second, &["deploy", "--overwrite"]));
    let service = format!("{}_web", world.stack);
    let environment = docker(&[
        "service",
        "inspect",
        "-f",
        "{{json .Spec.TaskTemplate.ContainerSpec.Env}}",
        &service,
    ]);
    assert!(environment.contains("VALUE=theirs"), "{environment}");
}

#[tokio::test]
async fn what_was_changed_by_hand_is_seen_and_goes() {
    let Some(world) = World::real("drift").await else { return };
    let World { first, second, domain, stack, .. } = &world;
    let none = second.json(&["app", "drift", domain, "--json"]);
    assert_eq!(none[0]["release"], Value::Null, "{none}");
    good(&world.app(first, &["deploy"]));
    good(&world.app(second, &["drift", "--exit-code"]));
    let service = format!("{stack}_web");
    docker(&["service", "update", "--detach", "--quiet", "--env-add", "BY=hand", &service]);
    docker(&["service", "scale", "--detach", &format!("{service}=2")]);
    let run = world.app(second, &["drift", "--exit-code"]);
    assert_eq!(run.code, 7, "{run}");
    assert!(run.stderr.contains("was changed since r1, version 1.0.0+1, deployed by"), "{run}");
    assert!(run.stderr.contains("BY") && run.stderr.contains("replicas"), "{run}");
    let run = world.app(second, &["rollback", "r1"]);
    good(&run);
    good(&world.app(second, &["drift", "--exit-code"]));

    // What was added has the stack's label, and is nobody's.
    let label = format!("com.docker.stack.namespace={stack}");
    let added = format!("{stack}_added");
    docker(&[
        "service", "create", "--detach", "--quiet", "--name", &added, "--label", &label, BUSYBOX,
        "true",
    ]);
    let run = world.app(second, &["drift", "--exit-code"]);
    docker(&["service", "rm", &added]);
    assert_eq!(run.code, 7, "{run}");
    assert!(run.stderr.contains(&added) && run.stderr.contains("made by hand"), "{run}");
}

/// The release of a number, changed, as somebody else may have written it.
fn forge(world: &World, number: u64, change: impl FnOnce(&mut Value)) {
    let World { first, stack, .. } = world;
    let first_one = format!("potluck.{stack}.r1");
    let data = docker(&["config", "inspect", "--format", "{{json .Spec.Data}}", &first_one]);
    let data: String = serde_json::from_str(&data).unwrap();
    let packed = STANDARD.decode(data).unwrap();
    let mut release: Value = serde_json::from_reader(ZlibDecoder::new(&*packed)).unwrap();
    release["number"] = json!(number);
    release["operation"] = json!("forged");
    change(&mut release);
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::default());
    packed.write_all(release.to_string().as_bytes()).unwrap();
    let file = first.path("forged");
    fs::write(&file, packed.finish().unwrap()).unwrap();
    let of = format!("org.potluck.release-of={stack}");
    let name = format!("potluck.{stack}.r{number}");
    let (kind, file) = ("org.potluck.kind=release", file.display().to_string());
    docker(&["config", "create", "--label", kind, "--label", &of, &name, &file]);
}

#[tokio::test]
async fn releases_that_somebody_else_wrote_reach_nothing_unasked() {
    let Some(world) = World::real("forged").await else { return };
    let World { first, stack, .. } = &world;
    good(&world.app(first, &["deploy"]));
    let web = "/services/0/spec/TaskTemplate";
    let refused = |number: u64, reason: &str, change: &dyn Fn(&mut Value)| {
        forge(&world, number, change);
        let run = world.app(first, &["rollback", &format!("r{number}")]);
        docker(&["config", "rm", &format!("potluck.{stack}.r{number}")]);
        assert_ne!(run.code, 0, "{reason}: {run}");
        assert!(run.stderr.contains(reason), "{reason}: {run}");
    };
    refused(7, "docker-socket", &|release| {
        let mount = json!([{"Type": "bind", "Source": "/var/run/docker.sock", "Target": "/s"}]);
        release.pointer_mut(web).unwrap()["ContainerSpec"]["Mounts"] = mount;
    });
    refused(7, "networks beside those of its task", &|release| {
        release.pointer_mut(web).unwrap()["Networks"] = json!([]);
        release["services"][0]["spec"]["Networks"] = json!([{"Target": "ingress"}]);
    });
    refused(7, "a seccomp profile", &|release| {
        let unconfined = json!({"Seccomp": {"Mode": "unconfined"}});
        release.pointer_mut(web).unwrap()["ContainerSpec"]["Privileges"] = unconfined;
    });
    refused(7, "the release that it brings back is not an earlier one", &|release| {
        release["replays"] = json!(7);
    });
    refused(7, "names no recipe", &|release| release["pin"]["version"] = json!("--upload-pack=x"));
    refused(u64::MAX, "its number is not that of its name", &|_| ());

    // Nor do they keep anyone from working.
    forge(&world, u64::MAX, |_| ());
    let other = world.app(first, &["rollback", "r9"]);
    assert!(other.stderr.contains("has no release r9"), "{other}");
    world.set(first, "VALUE=2");
    let timeout = ["deploy", "--timeout", "18446744073709551615"];
    assert_eq!(world.app(first, &timeout).code, 2);
    good(&world.app(first, &["deploy"]));
    assert_eq!(world.releases()[0]["release"], "r2");
    docker(&["config", "rm", &format!("potluck.{stack}.r{}", u64::MAX)]);
}

#[test]
fn a_rollback_from_what_nobody_waited_for_goes_to_the_last_release() {
    let world = World::simulated();
    good(&world.app(&world.first, &["deploy"]));
    world.set(&world.first, "VALUE=2");
    good(&world.app(&world.first, &["deploy"]));
    good(&world.app(&world.first, &["deploy", V2, "--detach"]));
    let drift = world.app(&world.first, &["drift"]);
    assert!(drift.stderr.contains("which nobody waited for (--detach)"), "{drift}");
    let run = world.app(&world.first, &["rollback"]);
    good(&run);
    assert!(run.stderr.contains("goes back to r2, version 1.0.0+1"), "{run}");
}

#[test]
fn a_release_that_lacks_a_config_says_so() {
    let world = World::simulated();
    good(&world.app(&world.first, &["deploy"]));
    world.set(&world.first, "PAGE=v2");
    good(&world.app(&world.first, &["deploy"]));
    let swarm = world.first.path("potluck/state/simulated/simulated/swarm.json");
    let mut state: Value = serde_json::from_slice(&fs::read(&swarm).unwrap()).unwrap();
    let configs = state["configs"].as_array_mut().unwrap();
    configs.retain(|config| config["Spec"]["Name"] != "r_example_page_v1");
    fs::write(&swarm, state.to_string()).unwrap();
    let run = world.app(&world.first, &["rollback"]);
    assert_eq!(run.code, 1, "{run}");
    assert!(run.stderr.contains("it needs what is gone: the config `r_example_page_v1`"), "{run}");
}

#[test]
fn a_database_does_not_get_the_files_of_another_major_version() {
    let lab = folder();
    for (release, image) in [("1.0.0+15", "postgres:15.3"), ("2.0.0+16", "postgres:16-alpine")] {
        lab.write("tiny/.env.sample", "TYPE=tiny\n");
        let compose = format!(
            "services:\n  db:\n    image: {image}\n    volumes: ['data:/var/lib/postgresql/data']\n    \
             deploy: {{update_config: {{monitor: 1ms}}}}\nvolumes:\n  data:\n"
        );
        lab.write("tiny/compose.yml", &compose);
        lab.release(release);
    }
    let new = ["--version", "1.0.0+15", "--domain", "d.example", "--server=simulated"];
    good(&lab.run(&[&["app", "new", "./tiny"][..], &new].concat()));
    good(&lab.run(&["app", "deploy", "d.example", "-n"]));
    let dry = lab.run(&["app", "upgrade", "d.example", "--dry-run"]);
    good(&dry);
    assert!(dry.stderr.contains("db: PostgreSQL 15 → 16, on the volume `d_example_data`"), "{dry}");
    let run = lab.run(&["app", "upgrade", "d.example", "-n"]);
    assert_eq!(run.code, 1, "{run}");
    assert!(run.stderr.contains("a database of another major version"), "{run}");
    assert!(run.stderr.contains("a volume of another name"), "{run}");
}

#[tokio::test]
async fn a_restart_replaces_tasks_and_changes_nothing_else() {
    let Some(world) = World::real("restart").await else { return };
    let missing = world.app(&world.first, &["restart"]);
    assert_eq!(missing.code, 1, "{missing}");
    good(&world.app(&world.first, &["deploy"]));
    let service = format!("{}_web", world.stack);
    let task = || docker(&["service", "ps", "-q", "--filter", "desired-state=running", &service]);
    let before = task();
    let run = world.app(&world.second, &["restart", "--json"]);
    good(&run);
    assert_eq!(
        serde_json::from_str::<Value>(&run.stdout).unwrap(),
        json!({"app": world.domain, "services": ["web"]})
    );
    assert_ne!(task(), before);
    good(&world.app(&world.first, &["drift", "--exit-code"]));
    assert_eq!(world.history()["operations"][0]["what"], "restart");
    let unknown = world.app(&world.first, &["restart", "wbe"]);
    assert_eq!(unknown.code, 1, "{unknown}");
    assert!(unknown.stderr.contains("wbe") && unknown.stderr.contains("web"), "{unknown}");
}
