//! An operator at work on this machine's swarm: a folder, recipes, apps, words.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::{fs, path::Path, process::Command};

use super::{
    cli::{Lab, Run},
    common::{BUSYBOX, endpoint, skip, unique_stack},
};
use potluck::home::StackName;

pub const SLEEP: &str = r#"["sh", "-c", "trap exit TERM; while :; do sleep 0.2; done"]"#;

/// A domain that no other test has; its stack.
pub fn domain(room: &str) -> (String, StackName) {
    let stack = unique_stack(room);
    (format!("{}.example", stack.as_str()), StackName::new(format!("{stack}_example")).unwrap())
}

/// A folder with the server `here`, which is this machine's swarm.
pub fn folder() -> Lab {
    folder_of(&endpoint())
}

/// The same, whose helper containers are of the test image.
pub fn folder_with_helper() -> Lab {
    let lab = folder();
    let image = "helper-image: potluck-test/helper:1";
    let settings = format!("endpoint: {}\nbackup:\n  {image}\n", endpoint());
    lab.write("potluck/servers/here/server.yml", &settings);
    lab
}

/// Whether these test images are there; one that is missing is said loudly.
pub fn has_images(names: &[&str]) -> bool {
    names.iter().all(|name| {
        let image = format!("potluck-test/{name}");
        let found = Command::new("docker").args(["image", "inspect", &image]).output().unwrap();
        if !found.status.success() {
            skip(&format!("the image {image} is missing: make images"));
        }
        found.status.success()
    })
}

/// Whether the plugin of an example recipe is built; else that is said loudly.
pub fn has_plugin(recipe: &str) -> bool {
    let file = format!("recipes-examples/{recipe}/plugins/{recipe}.wasm");
    let is_there = Path::new(env!("CARGO_MANIFEST_DIR")).join(file).exists();
    if !is_there {
        skip(&format!("the plugin {recipe}.wasm is missing: make plugins"));
    }
    is_there
}

/// The address of this machine that containers reach, too.
pub fn machine() -> String {
    let gateway = "{{(index .IPAM.Config 0).Gateway}}";
    docker(&["network", "inspect", "docker_gwbridge", "-f", gateway]).trim().to_owned()
}

/// A folder with the server `here`, which is reached so.
pub fn folder_of(endpoint: &str) -> Lab {
    let lab = Lab::new();
    let added = lab.run(&["server", "add", "here", endpoint]);
    assert_eq!(added.code, 0, "{added}");
    lab
}

/// The folder of somebody else who pulled what this one has, and reaches the same backups;
/// whoever was at work on the app is told to be gone.
pub fn colleague(of: &Lab, domain: &str) -> Lab {
    let lab = folder();
    lab.pull(of);
    let backups = "potluck/state/backups";
    std::fs::create_dir_all(of.path(backups)).unwrap();
    std::fs::create_dir_all(lab.path("potluck/state")).unwrap();
    std::os::unix::fs::symlink(of.path(backups), lab.path(backups)).unwrap();
    good(&lab.run(&["app", "unlock", domain, "--yes", "--reason", "it was killed"]));
    lab
}

/// Writes a recipe, and an app of it.
pub fn app(lab: &Lab, recipe: &str, services: &str, sample: &str, domain: &str) {
    lab.write(&format!("{recipe}/compose.yml"), services);
    lab.write(&format!("{recipe}/.env.sample"), &format!("TYPE={recipe}\nDOMAIN=\n{sample}"));
    let made = new(lab, recipe, domain, &[]);
    assert_eq!(made.code, 0, "{made}");
}

pub fn new(lab: &Lab, recipe: &str, domain: &str, more: &[&str]) -> Run {
    let folder = format!("./{recipe}");
    let mut arguments = vec!["app", "new", &folder, "--domain", domain, "--server", "here"];
    arguments.extend(more);
    lab.run(&arguments)
}

/// An example recipe as a repository with two releases, the newer being as its files are. In
/// its compose files the older has the second text of each pair where that has the first.
pub fn two_releases(example: &str, to: &Path, versions: [&str; 2], older: &[(&str, &str)]) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes-examples").join(example);
    let run = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().unwrap();
        assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
    };
    run("cp", &["-r", from.to_str().unwrap(), to.to_str().unwrap()]);
    let git = |arguments: &[&str]| {
        let start = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-C"];
        run("git", &[&start[..], &[to.to_str().unwrap()], arguments].concat());
    };
    git(&["init", "-q"]);
    let files = ["compose.yml", "compose.test.yml"].map(|name| to.join(name));
    let texts = files.clone().map(|file| fs::read_to_string(file).unwrap());
    for (file, text) in files.iter().zip(&texts) {
        let text = older.iter().fold(text.clone(), |text, (new, old)| text.replace(new, old));
        fs::write(file, text).unwrap();
    }
    for version in versions {
        git(&["add", "--all", "--force"]);
        git(&["commit", "-qm", version]);
        git(&["tag", version]);
        for (file, text) in files.iter().zip(&texts) {
            fs::write(file, text).unwrap();
        }
    }
}

pub fn one_service(more: &str) -> String {
    format!(
        "services:\n  app:\n    image: {BUSYBOX}\n    command: {SLEEP}\n    deploy: {{endpoint_mode: \
         dnsrr}}\n{more}"
    )
}

pub fn docker(arguments: &[&str]) -> String {
    docker_at(&endpoint(), arguments)
}

pub fn docker_at(endpoint: &str, arguments: &[&str]) -> String {
    let output = Command::new("docker").args(["-H", endpoint]).args(arguments).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "docker {arguments:?}: {stderr}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub fn good(run: &Run) {
    assert_eq!(run.code, 0, "{run}");
}

pub fn refused(run: &Run, code: i32, words: &[&str]) {
    assert_eq!(run.code, code, "{run}");
    for word in words {
        assert!(run.stderr.contains(word), "{word:?} is missing: {run}");
    }
}
