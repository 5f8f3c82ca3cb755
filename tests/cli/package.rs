//! The Debian package: built of this program, installed in a clean root, used there, removed.

use std::{path::Path, process::Command};

use crate::support::common::skip;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn has(program: &str) -> bool {
    Command::new("sh")
        .args(["-c", &format!("command -v {program}")])
        .output()
        .is_ok_and(|output| output.status.success())
}

fn run(command: &mut Command) -> (bool, String) {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout) + &text(&output.stderr))
}

#[test]
fn the_package_is_installed_used_and_removed_in_a_clean_root() {
    if !["dpkg-deb", "objdump", "mmdebstrap"].into_iter().all(has) {
        return skip(
            "there is no dpkg-deb, objdump or mmdebstrap (Debian packages are made on Debian)",
        );
    }
    if !rustix::process::geteuid().is_root() {
        return skip("a clean root is made by root");
    }
    let folder = tempfile::tempdir().unwrap();
    let (is_good, said) = run(Command::new(Path::new(ROOT).join("scripts/deb.sh"))
        .arg(folder.path())
        .env("POTLUCK_BINARY", env!("CARGO_BIN_EXE_potluck"))
        // It is thrown away.
        .env("DEB_COMPRESSION", "-Zgzip"));
    assert!(is_good, "{said}");
    let package =
        said.lines().find(|line| line.ends_with(".deb")).unwrap_or_else(|| panic!("{said}"));

    let units = Path::new(ROOT).join("packaging/systemd");
    if has("systemd-analyze") {
        let aside = tempfile::tempdir().unwrap();
        for name in ["potluck-nightly.service", "potluck-nightly.timer"] {
            let text = std::fs::read_to_string(units.join(name)).unwrap();
            // Here it is somewhere else.
            let text = text.replace("/usr/bin/potluck", env!("CARGO_BIN_EXE_potluck"));
            std::fs::write(aside.path().join(name), text).unwrap();
        }
        let (is_good, said) = run(Command::new("systemd-analyze")
            .args(["--user", "--man=no", "verify", "potluck-nightly.timer"])
            .env("SYSTEMD_UNIT_PATH", format!("{}:", aside.path().display()))
            .env("XDG_RUNTIME_DIR", aside.path()));
        assert!(is_good, "{said}");
    }

    let hook = format!("DEB='{package}' '{ROOT}/tests/package/in-root.sh' \"$1\"");
    let (is_good, said) = run(Command::new("mmdebstrap")
        .args(["--quiet", "--variant=apt", "--include=ca-certificates"])
        .arg(format!("--customize-hook={hook}"))
        .args(["bookworm", "/dev/null"]));
    let found: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("found: ")).collect();
    assert_eq!(
        (is_good, found),
        (
            true,
            vec![
                concat!("potluck ", env!("CARGO_PKG_VERSION")),
                "Status: install ok installed",
                "wiki.example.org deployed",
                "after removal: ",
                "the folder stays",
            ]
        ),
        "{said}"
    );
}
