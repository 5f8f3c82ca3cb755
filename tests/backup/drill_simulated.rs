//! Drills on the simulated server: whose turn it is, what is signed, what is refused.

use crate::support::{
    backup::can_mount,
    cli::{Lab, Run},
};

use std::{fs, path::PathBuf};

fn good(run: &Run) {
    assert_eq!(run.code, 0, "{run}");
}

fn recipe(lab: &Lab, name: &str, volumes: &str) {
    lab.write(
        &format!("{name}/compose.yml"),
        &format!(
            "services:\n  app:\n    image: example.invalid/app:1\n    volumes: [{volumes}]\nvolumes:\n  \
             content:\n"
        ),
    );
    lab.write(&format!("{name}/.env.sample"), &format!("TYPE={name}\nDOMAIN=\n"));
}

fn app(lab: &Lab, recipe: &str, name: &str) {
    let recipe = format!("./{recipe}");
    good(&lab.run(&["app", "new", &recipe, "--domain", name, "--server", "simulated"]));
}

fn backed_up(lab: &Lab, recipe: &str, name: &str, more: &[&str]) {
    app(lab, recipe, name);
    good(&lab.run(&[&["app", "deploy", name, "-n"][..], more].concat()));
    fs::write(page(lab, name), noise()).unwrap();
    good(&lab.run(&["backup", "create", name]));
}

/// A file in the app's volume.
fn page(lab: &Lab, name: &str) -> PathBuf {
    let volume = format!("{}_content/_data/page", name.replace('.', "_"));
    lab.path("potluck/state/simulated/simulated/volumes").join(volume)
}

/// The volumes of a server, by their folders.
fn volumes(lab: &Lab, server: &str) -> Vec<String> {
    let folder = lab.path(&format!("potluck/state/simulated/{server}/volumes"));
    let found = fs::read_dir(folder).unwrap();
    let mut found: Vec<String> =
        found.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
    // What containers wrote beside them, the simulation keeps.
    found.retain(|name| !name.starts_with('.'));
    found.sort();
    found
}

/// Bytes that do not compress.
fn noise() -> Vec<u8> {
    let mut x = 88_172_645_463_325_252_u64;
    let mut next = || {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        x.to_le_bytes()[0]
    };
    (0..300_000).map(|_| next()).collect()
}

fn evidence(lab: &Lab, name: &str) -> Vec<PathBuf> {
    let folder = lab.path("potluck/evidence/simulated").join(name);
    let Ok(files) = fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    files
}

/// Without its secrets a backup is no app: a drill says so, and what makes the next one good.
#[test]
fn a_backup_without_copies_of_its_secrets_fails_its_drill() {
    if !can_mount() {
        return;
    }
    let lab = Lab::new();
    recipe(&lab, "tiny", "'content:/content'");
    let compose = fs::read_to_string(lab.path("tiny/compose.yml")).unwrap();
    let secret = "    secrets: [token]\nsecrets:\n  token:\n    external: true\n    name: \
                  ${STACK_NAME}_token_${SECRET_TOKEN_VERSION}\nvolumes:";
    lab.write(
        "tiny/compose.yml",
        &compose.replace("volumes:\n  content", &format!("{secret}\n  content")),
    );
    lab.write("tiny/.env.sample", "TYPE=tiny\nDOMAIN=\nSECRET_TOKEN_VERSION=v1\n");
    app(&lab, "tiny", "a.example");
    good(&lab.run(&["app", "secret", "generate", "a.example"]));
    good(&lab.run(&["app", "deploy", "a.example", "-n"]));
    fs::write(page(&lab, "a.example"), noise()).unwrap();
    good(&lab.run(&["backup", "create", "a.example"]));
    let failed = lab.run(&["backup", "drill", "a.example", "--json"]);
    assert_eq!(failed.code, 1, "{failed}");
    let row = &serde_json::from_str::<serde_json::Value>(&failed.stdout).unwrap()[0];
    assert_eq!((&row["ok"], row["seconds"].to_string().as_str()), (&false.into(), "0.0"), "{row}");
    let next = row["next"].as_str().unwrap();
    assert!(next.contains("`potluck app secret adopt a.example`"), "{row}");
}

#[test]
fn drills_take_turns_and_a_bad_one_keeps_no_other_from_being_made() {
    if !can_mount() {
        return;
    }
    let lab = Lab::new();
    recipe(&lab, "tiny", "'content:/content'");
    backed_up(&lab, "tiny", "a.example", &[]);
    backed_up(&lab, "tiny", "b.example", &[]);
    app(&lab, "tiny", "never.example");

    let planned = lab.run(&["backup", "drill", "a.example", "--dry-run"]);
    good(&planned);
    assert!(planned.stderr.contains("would restore"), "{planned}");
    assert!(!lab.path("potluck/evidence").exists());

    // One line each; one that cannot be drilled is one of three.
    let all = lab.run(&["backup", "drill", "--all"]);
    assert_eq!(all.code, 3, "{all}");
    let lines: Vec<&str> = all.stdout.lines().collect();
    assert_eq!(lines.len(), 3, "{all}");
    assert!(lines[0].starts_with("a.example: good: "), "{all}");
    assert!(lines[1].starts_with("b.example: good: "), "{all}");
    assert!(lines[2].starts_with("never.example: FAILED: "), "{all}");
    assert!(all.stderr.contains("1 of 3 drills failed"), "{all}");
    let only = lab.run(&["backup", "drill", "never.example"]);
    assert_eq!(only.code, 1, "{only}");

    // On another server, which has nothing of it before and after.
    lab.write("potluck/servers/spare/server.yml", "endpoint: simulated\n");
    let spare = lab.json(&["backup", "drill", "a.example", "--on", "spare", "--json"]);
    assert_eq!((&spare[0]["ok"], &spare[0]["on"]), (&true.into(), &"spare".into()), "{spare}");
    assert_eq!(volumes(&lab, "spare"), [""; 0]);
    let unknown = lab.run(&["backup", "drill", "a.example", "--on", "nowhere"]);
    assert_eq!(unknown.code, 1, "{unknown}");

    // The longest ago first, whatever came of it.
    for expected in ["b.example", "never.example", "a.example", "b.example"] {
        let sampled = lab.run(&["backup", "drill", "--sample", "1"]);
        assert!(sampled.stdout.starts_with(expected), "{expected}: {sampled}");
    }
    let turns = ["a.example", "b.example", "never.example"].map(|name| evidence(&lab, name).len());
    assert_eq!(turns, [3, 3, 3]);
    assert!(
        !lab.path("potluck/servers/simulated")
            .read_dir()
            .unwrap()
            .any(|entry| { entry.unwrap().file_name().to_string_lossy().starts_with("drill-") })
    );
    assert_eq!(fs::read(page(&lab, "a.example")).unwrap(), noise());
    assert_eq!(volumes(&lab, "simulated"), ["a_example_content", "b_example_content"]);
    for folder in ["rebuild", "memory", "deployed"] {
        let below = lab.path("potluck/state").join(folder).join("simulated");
        let left = fs::read_dir(below).map(|all| all.map(|it| it.unwrap().file_name()).collect());
        let left: Vec<std::ffi::OsString> = left.unwrap_or_default();
        assert!(left.iter().all(|it| !it.to_string_lossy().starts_with("drill-")), "{left:?}");
    }
}

#[test]
fn evidence_is_believed_only_as_it_was_signed() {
    if !can_mount() {
        return;
    }
    let lab = Lab::new();
    recipe(&lab, "tiny", "'content:/content'");
    backed_up(&lab, "tiny", "a.example", &[]);
    backed_up(&lab, "tiny", "b.example", &[]);
    let none = lab.run(&["backup", "evidence", "a.example"]);
    assert_eq!(none.code, 1, "{none}");
    assert!(none.stderr.contains("potluck backup drill a.example"), "{none}");
    good(&lab.run(&["backup", "drill", "a.example"]));
    good(&lab.run(&["backup", "evidence", "a.example"]));
    let status = lab.run(&["backup", "status", "b.example"]);
    good(&status);

    // Another app's.
    let file = evidence(&lab, "a.example").remove(0);
    let copy = lab.path("potluck/evidence/simulated/b.example").join(file.file_name().unwrap());
    fs::create_dir_all(copy.parent().unwrap()).unwrap();
    fs::copy(&file, &copy).unwrap();
    let shown = lab.run(&["backup", "evidence", "b.example"]);
    assert_eq!(shown.code, 1, "{shown}");
    assert!(shown.stdout.contains("NOT BELIEVED: it is of a.example"), "{shown}");

    // Changed, and of a machine that is not the team's.
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("\\\"ok\\\": true", "\\\"ok\\\":  true")).unwrap();
    let shown = lab.run(&["backup", "evidence", "a.example"]);
    assert_eq!(shown.code, 1, "{shown}");
    assert!(shown.stdout.contains("its signature is not of this text"), "{shown}");
    fs::write(&file, text).unwrap();
    good(&lab.run(&["backup", "evidence", "a.example"]));
    fs::remove_dir_all(lab.path("potluck/signers")).unwrap();
    let shown = lab.run(&["backup", "evidence", "a.example"]);
    assert_eq!(shown.code, 1, "{shown}");
    assert!(shown.stdout.contains("not a signer of the team"), "{shown}");
}

#[test]
fn a_backup_that_is_damaged_fails_its_drill() {
    if !can_mount() {
        return;
    }
    let lab = Lab::new();
    recipe(&lab, "tiny", "'content:/content'");
    backed_up(&lab, "tiny", "a.example", &[]);
    good(&lab.run(&["backup", "drill", "a.example"]));
    // The largest pack has the data of the volume: as long as before, and other bytes.
    let data = lab.path("potluck/state/backups/simulated/repository/data");
    let folders = fs::read_dir(data).unwrap().map(|folder| folder.unwrap().path());
    let packs = folders.flat_map(|it| fs::read_dir(it).unwrap()).map(|it| it.unwrap().path());
    let pack = packs.max_by_key(|pack| fs::metadata(pack).unwrap().len()).unwrap();
    let mut bytes = fs::read(&pack).unwrap();
    bytes[1000..2000].iter_mut().for_each(|byte| *byte ^= 0xff);
    fs::remove_file(&pack).unwrap();
    fs::write(&pack, bytes).unwrap();

    let failed = lab.run(&["backup", "drill", "a.example"]);
    assert_eq!(failed.code, 1, "{failed}");
    assert!(failed.stdout.starts_with("a.example: FAILED: "), "{failed}");
    let shown = lab.run(&["backup", "evidence", "a.example"]);
    assert_eq!(shown.code, 1, "{shown}");
    assert!(shown.stderr.contains("a drill that failed"), "{shown}");
    let status = lab.run(&["backup", "status", "a.example"]);
    assert_eq!(status.code, 1, "{status}");
    assert!(status.stdout.contains("the last drill, "), "{status}");
    assert_eq!(volumes(&lab, "simulated"), ["a_example_content"]);
    assert_eq!(fs::read(page(&lab, "a.example")).unwrap(), noise());
}

#[test]
fn an_app_that_needs_the_host_is_not_drilled() {
    if !can_mount() {
        return;
    }
    let lab = Lab::new();
    recipe(&lab, "socket", "'content:/content', '/var/run/docker.sock:/var/run/docker.sock'");
    backed_up(&lab, "socket", "s.example", &["--grant", "app docker-socket"]);
    let refused = lab.run(&["backup", "drill", "s.example"]);
    assert_eq!(refused.code, 1, "{refused}");
    for words in ["cannot be sealed off", "`app` mounts /var/run/docker.sock of the host"] {
        assert!(refused.stdout.contains(words), "{words}: {refused}");
    }
    assert_eq!(evidence(&lab, "s.example").len(), 1);
}
