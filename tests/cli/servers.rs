//! Servers: made, checked and tidied.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use serde_json::Value;

use crate::support::{
    cli::{Lab, Run},
    common::skip,
};

/// What the fresh machine has of its own; everything else comes with the packages.
const PROGRAMS: &[&str] =
    &["sh", "mkdir", "mv", "grep", "id", "sleep", "cp", "touch", "cat", "mount", "unshare"];

const APT_GET: &str = r#"#!/bin/sh
echo "apt-get $*" >> "$LAB/log"
if [ -e "$LAB/broken" ]; then echo 'E: You have no space left' >&2; exit 100; fi
case "$*" in
*docker.io*) cp "$LAB/packages/docker" "$LAB/packages/dockerd" "$LAB/bin/" ;;
*unattended*) touch "$LAB/upgrades" ;;
esac
"#;

const DOCKER: &str = r#"#!/bin/sh
case "$1" in
info)
    [ -e "$LAB/started" ] || exit 1
    case "$*" in *ControlAvailable*) if [ -e "$LAB/swarm" ]; then echo true; else echo false; fi ;; esac ;;
swarm) echo "docker $*" >> "$LAB/log"; touch "$LAB/swarm" ;;
network)
    if [ "$2" = inspect ]; then [ -e "$LAB/proxy" ] && echo swarm; exit
    else echo "docker $*" >> "$LAB/log"; touch "$LAB/proxy"; fi ;;
*) exit 1 ;;
esac
"#;

/// A machine that runs whatever ssh is told, in a `/etc` of its own and with few programs.
const SSH: &str = r#"#!/bin/sh
while [ $# -gt 0 ] && [ "$1" != -- ]; do shift; done
[ $# -gt 0 ] || exit 255
shift 2
export SSH_CONNECTION='10.0.0.9 40000 10.0.0.2 22' LAB PATH="$LAB/bin"
exec unshare -m sh -c '
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$LAB/upper,workdir=$LAB/work" /etc || exit 255
mount --bind "$LAB/os-release" /etc/os-release 2> /dev/null
exec sh -c "$1"' sh "$*"
"#;

/// A lab with a fresh machine behind `ssh`; none, said loudly, where it cannot be had.
fn machine() -> Option<Lab> {
    let lab = Lab::new();
    let script = |path: &str, text: &str| {
        lab.write(path, text);
        fs::set_permissions(lab.path(path), PermissionsExt::from_mode(0o755)).unwrap();
    };
    script("ssh/ssh", SSH);
    script("bin/apt-get", APT_GET);
    script("bin/apt-cache", "#!/bin/sh\nexit 100\n");
    script("bin/dpkg-query", "#!/bin/sh\n[ -e \"$LAB/upgrades\" ] && echo install ok installed\n");
    script("bin/service", "#!/bin/sh\ntouch \"$LAB/started\"\n");
    script("packages/docker", DOCKER);
    script("packages/dockerd", "#!/bin/sh\n");
    for folder in ["upper/docker", "work"] {
        fs::create_dir_all(lab.path(folder)).unwrap();
    }
    for program in PROGRAMS {
        let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).output();
        let found = String::from_utf8(found.unwrap().stdout).unwrap();
        std::os::unix::fs::symlink(found.trim(), lab.path(&format!("bin/{program}"))).unwrap();
    }
    lab.write("os-release", "ID=debian\nPRETTY_NAME='Debian GNU/Linux 12 (bookworm)'\n");
    let mut ssh = Command::new(lab.path("ssh/ssh"));
    let output = ssh.env("LAB", lab.path("")).args(["--", "x", "true"]).output().unwrap();
    if !output.status.success() {
        skip("no mount of its own for a machine that is made into a server; it needs root");
        return None;
    }
    // The engine of this machine may have settings of its own.
    if fs::exists("/etc/docker/daemon.json").unwrap() {
        skip("this machine has a /etc/docker/daemon.json");
        return None;
    }
    Some(lab)
}

fn provision(lab: &Lab, more: &[&str]) -> Run {
    let path = format!("{}:{}", lab.path("ssh").display(), std::env::var("PATH").unwrap());
    let mut command = lab.command();
    command.env("PATH", path).env("LAB", lab.path(""));
    let arguments = [&["server", "provision", "fresh.example.org"], more].concat();
    lab.tidy(&command.args(arguments).output().unwrap())
}

fn standings(run: &Run) -> Vec<(String, String)> {
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    let text = |step: &Value, key: &str| step[key].as_str().unwrap().to_owned();
    let steps = report["steps"].as_array().unwrap().iter();
    steps.map(|step| (text(step, "step"), text(step, "standing"))).collect()
}

#[test]
fn a_fresh_machine_is_made_into_a_server_step_by_step() {
    let Some(lab) = machine() else { return };
    let dry = ["--dry-run", "--json", "--unattended-upgrades"];
    let run = provision(&lab, &dry);
    assert_eq!(run.code, 0, "{run}");
    let steps = ["logs", "engine", "start", "swarm", "network", "updates"];
    let all = |standing: &str| steps.map(|step| (step.to_owned(), standing.to_owned())).to_vec();
    assert_eq!(standings(&run), all("planned"), "{run}");
    assert!(!lab.path("log").exists(), "a dry run changes nothing");

    let run = provision(&lab, &["-n"]);
    assert_eq!(run.code, 6, "{run}");
    assert!(run.stderr.contains("at 10.0.0.2") && run.stderr.contains("--yes"), "{run}");
    assert!(!lab.path("log").exists(), "nothing was agreed to");

    lab.write("broken", "");
    let run = provision(&lab, &["--yes"]);
    assert_eq!(run.code, 1, "{run}");
    assert!(run.stderr.contains("the step `engine` failed: E: You have no space left"), "{run}");
    assert!(!lab.path("potluck/servers/fresh.example.org").exists(), "{run}");
    fs::remove_file(lab.path("broken")).unwrap();

    // No engine is behind these programs: it is not added, and says why.
    let run = provision(&lab, &["--yes", "--unattended-upgrades"]);
    assert_eq!(run.code, 1, "{run}");
    assert!(run.stderr.contains("cannot reach the Docker engine"), "{run}");
    let log = fs::read_to_string(lab.path("log")).unwrap();
    assert!(log.contains("docker swarm init --advertise-addr 10.0.0.2"), "{log}");
    assert!(log.contains("docker network create --driver overlay --attachable proxy"), "{log}");
    let logs = fs::read_to_string(lab.path("upper/docker/daemon.json")).unwrap();
    let logs: Value = serde_json::from_str(&logs).unwrap();
    assert_eq!(logs["log-driver"], "local");

    let run = provision(&lab, &dry);
    assert_eq!(standings(&run), all("done"), "{run}");
    assert_eq!(log, fs::read_to_string(lab.path("log")).unwrap());
}

#[test]
fn a_machine_that_cannot_become_a_server_is_left_alone() {
    let Some(lab) = machine() else { return };
    lab.write("os-release", "ID=alpine\nPRETTY_NAME='Alpine \u{1b}[2JLinux'\n");
    let run = provision(&lab, &["--yes"]);
    assert_eq!(run.code, 1, "{run}");
    assert!(run.stderr.contains("works on Debian and its derivatives only"), "{run}");
    assert!(!run.stderr.contains('\u{1b}') && !lab.path("log").exists(), "{run}");

    lab.write("os-release", "ID=debian\n");
    let run = provision(&lab, &["--yes", "--advertise-addr", "a'; reboot; '"]);
    assert_eq!(run.code, 1, "{run}");
    assert!(run.stderr.contains("which address"), "{run}");
    lab.write("ssh/ssh", "#!/bin/sh\necho 'Permission denied (publickey).' >&2\nexit 255\n");
    let run = provision(&lab, &["--yes"]);
    assert_eq!(run.code, 1, "{run}");
    assert!(run.stderr.contains("over SSH: Permission denied (publickey)."), "{run}");
    let run = lab.run(&["server", "provision", "-oProxyCommand=x"]);
    assert_eq!(run.code, 2, "{run}");
    let run = lab.run(&["server", "provision", "ssh://-x"]);
    assert_eq!(run.code, 2, "{run}");
    // Another server has the name.
    lab.write(
        "potluck/servers/fresh.example.org/server.yml",
        "endpoint: ssh://other.example.org\n",
    );
    let run = provision(&lab, &["--yes"]);
    assert_eq!(run.code, 1, "{run}");
    assert!(run.stderr.contains("has the endpoint ssh://other.example.org"), "{run}");
}

#[test]
fn what_an_app_has_on_a_simulated_server_is_not_pruned() {
    let lab = Lab::with_content();
    for command in [
        &["server", "prune", "simulated", "-a", "--volumes", "--yes"][..],
        &["app", "undeploy", "t.example", "--no-input"],
        &["server", "prune", "simulated", "--volumes", "--yes"],
    ] {
        let run = lab.run(command);
        assert_eq!(run.code, 0, "{run}");
        assert!(!run.stderr.contains("volume t_example_content"), "{run}");
    }
    let run = lab.run(&["app", "volume", "ls", "t.example", "--json"]);
    assert!(run.stdout.contains("t_example_content"), "{run}");
    let run = lab.run(&["server", "prune", "nowhere"]);
    assert_eq!(run.code, 1, "{run}");
}

#[test]
fn a_domain_is_looked_up_only_where_it_could_lead_to_the_server() {
    // A simulated server has no address, whatever the domain is.
    let lab = Lab::new();
    lab.tiny_recipe();
    let run = lab.run(&["app", "new", "./tiny", "--domain", "t.coop.org", "--server=simulated"]);
    assert_eq!(run.code, 0, "{run}");
    let run = lab.run(&["app", "check", "t.coop.org"]);
    assert!(!run.stdout.contains("domain-elsewhere"), "{run}");
    let run = lab.run(&["app", "deploy", "t.coop.org", "-D", "--dry-run"]);
    assert!(!run.stderr.contains("leads to") && run.code != 2, "{run}");
}
