//! Volumes whose containers are against whoever saves and restores them.

use std::{fs, path::Path, process::Command};

use super::{
    Guest, QUIET, attack,
    common::{self, BUSYBOX, endpoint},
    world::{NEIGHBOURS, docker},
};

/// `QUIET` that asks for a path of its volume to be saved.
fn labelled(path: &str) -> String {
    let labels = format!(
        "deploy:\n      labels:\n        backupbot.backup: \"true\"\n        \
         backupbot.backup.volumes.data.path: \"{path}\"\n      endpoint_mode: dnsrr"
    );
    QUIET.replace("deploy: {endpoint_mode: dnsrr}", &labels)
}

fn deploy(guest: &Guest, compose: &str) {
    guest.compose(compose);
    guest.new_app();
    guest.ok(&["app", "deploy", "APP", "-n"]);
}

fn saving_is_refused(path: &'static str, script: &'static str, words: &'static str) {
    attack(|guest| {
        deploy(guest, &labelled(path));
        guest.sh(&guest.text(script));
        guest.refused(&["backup", "create", "APP"], 1, words);
        assert!(!guest.everything_saved().contains(NEIGHBOURS));
    });
}

#[test]
fn a_path_to_save_leaves_the_volume() {
    saving_is_refused("../../VICTIM_data/_data", "true", "not a path inside the volume");
}

#[test]
fn a_path_to_save_is_absolute() {
    saving_is_refused("/etc", "true", "`etc` does not exist in it");
}

#[test]
fn a_path_to_save_leads_through_a_link() {
    let volumes = "ln -s /var/lib/docker/volumes/VICTIM_data /data/s";
    saving_is_refused("s/_data", volumes, "`s` is a symbolic link");
}

#[test]
fn a_link_in_the_volume_is_saved_as_a_link() {
    attack(|guest| {
        deploy(guest, QUIET);
        guest.sh(&guest.text("ln -s OUTSIDE/f /data/l; ln -s OUTSIDE /data/d; mkfifo /data/p"));
        guest.ok(&["backup", "create", "APP"]);
        let saved = guest.everything_saved();
        assert!(!saved.contains(&guest.secret), "{saved}");
        guest.ok(&["backup", "restore", "APP", "--yes"]);
        assert_eq!(
            guest.sh("test -L /data/l && test -L /data/d && test -p /data/p && echo so"),
            "so\n"
        );
    });
}

/// The container swaps a folder for a link to the neighbour's volume all the
/// time.
#[test]
fn a_folder_is_swapped_for_a_link_while_it_is_saved() {
    attack(|guest| {
        deploy(guest, &labelled("s/ok"));
        let target = guest.beside("target");
        fs::create_dir_all(&target).unwrap();
        std::os::unix::fs::symlink(guest.victims_volume(), target.join("ok")).unwrap();
        fs::write(target.join("f"), &guest.secret).unwrap();
        let script = format!(
            "cd /data; mkdir -p s/ok; echo mine >s/ok/f; ln -s {} l; (while :; do mv -T s t; mv -T l s; \
             mv -T s l; mv -T t s; done) >/dev/null 2>&1 &",
            target.display()
        );
        guest.sh(&script);
        for _ in 0..8 {
            guest.run(&["backup", "create", "APP"]);
        }
        let saved = guest.everything_saved();
        assert!(!saved.contains(NEIGHBOURS) && !saved.contains(&guest.secret), "{saved}");
    });
}

#[test]
fn a_place_is_a_link_when_it_is_restored() {
    attack(|guest| {
        deploy(guest, &labelled("s/ok"));
        guest.sh("mkdir -p /data/s/ok; echo x >/data/s/ok/f");
        guest.ok(&["backup", "create", "APP"]);
        guest.sh("rm -rf /data/s; ln -s /etc /data/s");
        for _ in 0..2 {
            let words = "`s` in it is a symbolic link now, not a folder";
            let run = guest.refused(&["backup", "restore", "APP", "--yes"], 1, words);
            assert!(run.stderr.contains("rename or remove `s`"), "{run}");
            assert_eq!(guest.replicas(), "1", "the app stopped");
        }
        assert!(!Path::new("/etc/ok").exists());
        guest.sh("rm /data/s");
        guest.ok(&["backup", "restore", "APP", "--yes"]);
        assert_eq!(guest.sh("cat /data/s/ok/f"), "x\n");
    });
}

/// Removed when dropped.
struct Container(String);

impl Drop for Container {
    fn drop(&mut self) {
        let _ = Command::new("docker").args(["-H", &endpoint(), "rm", "-f", &self.0]).output();
    }
}

/// Another's container mounts the volume, and swaps folders in it for links to
/// the neighbour's data while it is restored.
#[test]
fn another_container_swaps_folders_while_a_volume_is_restored() {
    attack(|guest| {
        deploy(guest, &labelled("s/ok"));
        guest.sh("mkdir -p /data/s/ok; echo x >/data/s/ok/secret.txt");
        guest.ok(&["backup", "create", "APP"]);
        let name = format!("{}-flip", guest.stack);
        let mount = format!("{}_data:/v", guest.stack);
        let script = format!(
            "cd /v; ln -s {} l; while :; do mv -T s t; mv -T l s; mv -T s l; mv -T t s; done",
            guest.victims_volume().parent().unwrap().display()
        );
        docker(&["run", "-d", "--name", &name, "-v", &mount, BUSYBOX, "sh", "-c", &script]);
        let container = Container(name.clone());
        for _ in 0..3 {
            let run = guest.run(&["backup", "restore", "APP", "--yes"]);
            assert_eq!(run.code, 1, "{run}");
            assert!(
                run.stderr.contains(&format!("`docker stop {name}`"))
                    || run.stderr.contains("not a folder")
                    || run.stderr.contains("s/ok"),
                "{run}"
            );
            assert_eq!(guest.replicas(), "1", "the app stopped");
        }
        drop(container);
    });
}

/// What leads elsewhere says that it is this machine's.
#[test]
fn a_forwarded_engine_names_folders_of_this_machine() {
    attack(|guest| {
        deploy(guest, QUIET);
        let socket = guest.beside("engine.sock");
        common::forward(&socket, Path::new(endpoint().strip_prefix("unix://").unwrap()));
        guest.move_server(&format!("unix://{}", socket.display()));
        // A container of that engine is the only way then.
        let words = "lacks the image `restic/restic";
        guest.refused(&["backup", "create", "APP"], 1, words);
    });
}

/// A volume that its own options make a mount of the machine's folder.
#[test]
fn a_volume_is_a_mount_of_a_folder_outside() {
    attack(|guest| {
        guest.compose(QUIET);
        guest.new_app();
        let label = format!("com.docker.stack.namespace={}", guest.stack);
        let device = guest.text("device=OUTSIDE");
        let name = format!("{}_data", guest.stack);
        docker(&[
            "volume",
            "create",
            "--label",
            &label,
            "-o",
            "type=none",
            "-o",
            "o=bind",
            "-o",
            &device,
            &name,
        ]);
        // Made by somebody else under the app's name, so it is asked for first.
        guest.refused(&["app", "deploy", "APP", "-n"], 6, &format!("volume `{name}`"));
        guest.ok(&["app", "deploy", "APP", "-n", "--takeover"]);
        guest.refused(&["backup", "create", "APP"], 1, "its files are not in the volume");
    });
}
