//! What a folder does not know: a colleague upgraded an app, undeployed it, or brought its
//! data back.

use crate::support::{
    cli::{Lab, Run},
    common::skip,
    operator::good,
};

use std::{fs, path::Path, process::Command};

const APP: &str = "o.example";
const GRANT: &[&str] = &["--grant", "every exec: web"];

/// Two folders with one app on one simulated server; its second version migrates its data.
struct World {
    first: Lab,
    second: Lab,
}

impl World {
    fn new() -> Option<Self> {
        let every = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/every-role.wasm");
        let Ok(every) = fs::read(every) else {
            skip("tests/fixtures/every-role.wasm is not there; plugins/build.sh makes it");
            return None;
        };
        let world = World { first: Lab::new(), second: Lab::new() };
        let lab = &world.first;
        lab.write("tiny/.env.sample", "TYPE=tiny\n");
        fs::create_dir_all(lab.path("tiny/plugins")).unwrap();
        fs::write(lab.path("tiny/plugins/every.wasm"), every).unwrap();
        for (version, steps) in [("1.0.0+1", ""), ("2.0.0+1", "split, once-join")] {
            lab.write(
                "tiny/compose.yml",
                &format!(
                    "services:\n  web:\n    image: example.invalid/web:{}\n    volumes: \
                     ['data:/data']\n    deploy: {{update_config: {{monitor: 1ms}}}}\nvolumes:\n  \
                     data:\n",
                    &version[..1]
                ),
            );
            lab.write(
                "tiny/recipe.yml",
                &format!(
                    "plugins:\n  - {{name: every, component: plugins/every.wasm, grants: [{{exec: \
                     web}}], options: {{journal: web, steps: [{steps}]}}}}\n  - {{name: files, \
                     component: \"std:files\", options: {{volumes: {{data: }}}}}}\n"
                ),
            );
            lab.release(version);
        }
        let new = ["app", "new", "./tiny", "--domain", APP, "--server=simulated", "-n"];
        good(&lab.run(&[&new[..], &["--version", "1.0.0+1"]].concat()));
        let script = "potluck/state/simulated/simulated/script.yml";
        lab.write(script, "exec:\n  - {service: web, matches: '*'}\n");
        good(&lab.run(&[&["app", "deploy", APP, "-n"], GRANT].concat()));
        world.pull();
        Some(world)
    }

    /// The second folder has what the first has, and both see one server and one repository.
    fn pull(&self) {
        self.second.pull(&self.first);
        fs::create_dir_all(self.second.path("potluck/state")).unwrap();
        for part in ["potluck/state/simulated", "potluck/state/backups", "tiny"] {
            fs::create_dir_all(self.first.path(part)).unwrap();
            let link = self.second.path(part);
            let _ = fs::remove_file(&link);
            std::os::unix::fs::symlink(self.first.path(part), link).unwrap();
        }
    }
}

fn upgrade(lab: &Lab) -> Run {
    lab.run(&["app", "upgrade", APP, "-n", "--offline"])
}

#[test]
fn a_migration_that_a_colleague_ran_is_not_run_again() {
    let Some(world) = World::new() else { return };
    let upgraded = upgrade(&world.first);
    good(&upgraded);
    assert!(upgraded.stderr.contains("every: migrate once-join"), "{upgraded}");
    for command in
        [&["app", "upgrade", APP, "-n", "--offline"][..], &["app", "deploy", APP, "2.0.0+1", "-n"]]
    {
        // As it was before.
        let again = World { first: Lab::new(), second: Lab::new() };
        let copied = Command::new("cp")
            .arg("-a")
            .args([world.second.path("."), again.second.path(".")])
            .status();
        assert!(copied.unwrap().success());
        let run = again.second.run(command);
        good(&run);
        assert!(!run.stderr.contains("every: migrate"), "{command:?}: {run}");
        assert!(!run.stderr.contains("is in the backup"), "{command:?}: {run}");
        let next = again.second.run(&["app", "upgrade", APP, "-n", "--offline"]);
        assert!(next.stderr.contains("is at 2.0.0+1"), "{command:?}: {next}");
    }
}

#[test]
fn going_back_over_a_colleagues_upgrade_is_asked_about() {
    let Some(world) = World::new() else { return };
    good(&upgrade(&world.first));
    let run = world.second.run(&["app", "deploy", APP, "1.0.0+1", "-n", "--overwrite"]);
    assert_eq!(run.code, 6, "{run}");
    assert!(run.stderr.contains("--downgrade"), "{run}");
}

#[test]
fn an_upgrade_does_not_start_what_is_undeployed() {
    let Some(world) = World::new() else { return };
    good(&world.first.run(&["app", "undeploy", APP, "-y"]));
    let run = upgrade(&world.first);
    assert_eq!(run.code, 1, "{run}");
    assert!(run.stderr.contains("not deployed"), "{run}");
    let all = world.first.run(&["app", "upgrade", "--all", "-n", "--offline", "--json"]);
    good(&all);
    let rows: serde_json::Value = serde_json::from_str(&all.stdout).unwrap();
    assert_eq!(rows[0]["outcome"], "not-deployed", "{all}");
}

#[test]
fn data_that_came_back_is_not_called_migrated() {
    let Some(world) = World::new() else { return };
    good(&upgrade(&world.first));
    let refused = world.first.run(&["app", "rollback", APP, "-n"]);
    assert_eq!(refused.code, 6, "{refused}");
    let back = [&["app", "rollback", APP, "r1", "--data", "-n"], GRANT].concat();
    good(&world.first.run(&back));
    // A failed upgrade of which the history alone knows is before that, too.
    let again = world.first.run(&["app", "rollback", APP, "r1", "-n"]);
    good(&again);
}

#[test]
fn a_tag_that_was_moved_keeps_no_other_from_being_fetched() {
    let Some(world) = World::new() else { return };
    let lab = &world.first;
    lab.write("tiny/moved", "");
    lab.release("2.0.0+1");
    lab.write("tiny/new", "");
    lab.release("3.0.0+1");
    let run = lab.run(&["app", "upgrade", APP, "-n", "--dry-run"]);
    good(&run);
    assert!(run.stderr.contains("the tag 2.0.0+1 of `tiny` was moved upstream"), "{run}");
    assert!(run.stderr.contains("1.0.0+1 → 3.0.0+1"), "{run}");
}
