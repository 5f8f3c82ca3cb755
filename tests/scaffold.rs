//! What `plugin new` and `recipe port` make builds and passes its own tests as
//! it is.

mod cli_support;
#[path = "common/skip.rs"]
mod skip;

use std::{fs, path::Path, process::Command};

use cli_support::Lab;

/// Where this repository's own plugins are built, so that what they share with
/// new ones is there already.
fn target() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap()
}

/// Runs a new plugin's tests natively, with the versions that this repository's
/// plugins are built with.
fn cargo_test(plugin: &Path) {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::copy(repository.join("plugins/Cargo.lock"), plugin.join("Cargo.lock")).unwrap();
    let target = target().join("plugins-host");
    let output = Command::new(env!("CARGO"))
        .args(["test", "--quiet"])
        .current_dir(plugin)
        .env("CARGO_TARGET_DIR", target)
        .env("RUSTFLAGS", "-Dwarnings")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("1 passed"), "{text}");
}

/// Builds the component, where this machine has a toolchain for it; whether it has.
fn builds(lab: &Lab, plugin: &str, roles: usize) -> bool {
    let mut command = lab.command();
    for name in ["CARGO_HOME", "RUSTUP_HOME"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    let home = std::env::var_os("HOME").unwrap_or_default();
    let output = command
        .args(["plugin", "build", plugin, "--json"])
        .env("HOME", home)
        .env("CARGO_TARGET_DIR", target())
        .timeout(std::time::Duration::from_secs(900))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    if text.contains("Rust's target wasm32-unknown-unknown is missing") {
        skip::skip("no toolchain for Rust guests (rustup target add wasm32-unknown-unknown)");
        return false;
    }
    assert!(output.status.success(), "{text}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["roles"].as_array().unwrap().len(), roles, "{report}");
    assert_eq!(report["wit_version"], "0.2.0", "{report}");
    let component = fs::read(lab.path(plugin).join(format!("{plugin}.wasm"))).unwrap();
    let here = lab.path("").into_os_string().into_encoded_bytes();
    let is_named = component.windows(here.len()).any(|bytes| bytes == here);
    assert!(!is_named, "the component holds a path of this machine");
    true
}

#[test]
fn a_new_plugin_of_every_role_passes_its_own_test() {
    let lab = Lab::new();
    let roles = [
        "lifecycle",
        "migration",
        "backup",
        "sso-provider",
        "sso-client",
        "mail-provider",
        "mail-client",
        "commands",
    ];
    let mut arguments = vec!["plugin", "new", "all-roles"];
    for role in roles {
        arguments.extend(["--role", role]);
    }
    let run = lab.run(&arguments);
    assert_eq!(run.code, 0, "{run}");
    cargo_test(&lab.path("all-roles"));
    if builds(&lab, "all-roles", roles.len()) {
        let run = lab.run(&["plugin", "test", "all-roles"]);
        assert_eq!(run.code, 0, "{run}");
        assert!(run.stdout.ends_with("1 passed, 0 failed\n"), "{run}");
    }
    let again = lab.run(&arguments);
    assert_eq!(again.code, 1, "{again}");
    assert!(again.stderr.contains("all-roles exists already"), "{again}");
}

#[test]
fn a_ported_recipe_passes_its_own_test() {
    let lab = Lab::new();
    lab.write(
        "cloud/compose.yml",
        "services:\n  app:\n    image: nextcloud:31\n  db:\n    image: postgres:17\n",
    );
    lab.write("cloud/README.md", "`abra app cmd <domain> app run_occ maintenance:mode`\n");
    lab.write(
        "cloud/abra.sh",
        "export PHP_CONF_VERSION=v3\n\
         # Runs \"occ\", Nextcloud's own tool.\n\
         run_occ() {\n  su -s /bin/sh www-data -c \"/var/www/html/occ $1\"\n}\n\
         db_shell() { psql -U nextcloud; }\n\
         make_key() { abra app secret insert $1 key v1 \"$(openssl rand -hex 8)\"; }\n\
         static() { wp \"$@\"; }\n",
    );
    let run = lab.run(&["recipe", "port", "./cloud", "--json"]);
    assert_eq!(run.code, 0, "{run}");
    let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(report["exports"], serde_json::json!({"PHP_CONF_VERSION": "v3"}));
    let grants: Vec<_> =
        report["functions"].as_array().unwrap().iter().map(|f| &f["grants"]).collect();
    assert_eq!(
        serde_json::to_value(grants).unwrap(),
        serde_json::json!([
            ["exec: app"],
            ["exec: app", "exec: db"],
            ["secret: key"],
            ["exec: app"]
        ])
    );
    let plugin = lab.path("cloud/plugins/cloud");
    let library = fs::read_to_string(plugin.join("src/lib.rs")).unwrap();
    assert!(library.contains("/// su -s /bin/sh www-data"), "{library}");
    cargo_test(&plugin);
    // Only looked at: the operator's folder has no new recipe.
    assert!(lab.run(&["recipe", "ls"]).stdout.is_empty());
}

#[test]
fn a_recipe_without_functions_needs_no_port() {
    let lab = Lab::new();
    lab.write("plain/compose.yml", "services:\n  app:\n    image: nginx:1\n");
    let run = lab.run(&["recipe", "port", "./plain"]);
    assert_eq!(run.code, 1, "{run}");
    assert!(run.stderr.contains("the recipe plain has no abra.sh"), "{run}");
    lab.write("plain/abra.sh", "export A=1\n");
    let run = lab.run(&["recipe", "port", "./plain"]);
    assert_eq!(run.code, 0, "{run}");
    assert!(run.stderr.contains("Exports, read as data already: A."), "{run}");
    assert!(run.stderr.contains("nothing to port"), "{run}");
    let run = lab.run(&["recipe", "port", "./plain", "--json"]);
    assert_eq!(run.code, 0, "{run}");
    let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(report["exports"], serde_json::json!({"A": "1"}));
    assert!(report["folder"].is_null() && report["recipe_yml"].is_null(), "{report}");
    assert!(!lab.path("plain/plugins").exists());
}

#[test]
fn what_counts_for_nothing_in_abra_sh_is_named() {
    let lab = Lab::new();
    lab.write("plain/compose.yml", "services:\n  app:\n    image: nginx:1\n");
    lab.write("plain/.env.sample", "TYPE=plain\n");
    lab.write(
        "plain/abra.sh",
        "export A=v1\nif true\nthen\n  export B=v2\nfi\nf() {\n  export C=v3\n}\n",
    );
    let run = lab.run(&["recipe", "port", "./plain"]);
    assert_eq!(run.code, 0, "{run}");
    for words in ["abra.sh:4: the export of `B`", "abra.sh:7: the export of `C`"] {
        assert!(run.stderr.contains(words), "{run}");
    }
    let run = lab.run(&["recipe", "lint", "./plain", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    let found: Vec<_> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["code"] == "abra-sh-export")
        .map(|finding| finding["severity"].as_str().unwrap())
        .collect();
    assert_eq!(found, ["warning", "info"], "{report}");
}

#[test]
fn a_toolchain_that_is_missing_is_said_with_how_to_install_it() {
    let lab = Lab::new();
    for arguments in [&["plugin", "new", "a"][..], &["plugin", "new", "b", "--lang", "python"]] {
        let run = lab.run(arguments);
        assert_eq!(run.code, 0, "{run}");
        assert!(run.stderr.contains("potluck plugin test"), "{run}");
    }
    let empty = lab.path("empty");
    fs::create_dir(&empty).unwrap();
    for (plugin, what, hint) in
        [("a", "rustc is missing", "rustup"), ("b", "python3 is missing", "install Python 3.11")]
    {
        let output = lab.command().args(["plugin", "build", plugin]).env("PATH", &empty).output();
        let text = String::from_utf8(output.unwrap().stderr).unwrap();
        assert!(text.contains(what) && text.contains(hint), "{text}");
    }
    let run = lab.run(&["plugin", "build", "empty"]);
    assert_eq!(run.code, 1, "{run}");
    assert!(run.stderr.contains("potluck plugin new NAME"), "{run}");
}

#[test]
fn names_and_roles_that_cannot_be_are_refused() {
    let lab = Lab::new();
    for (arguments, words) in [
        (&["plugin", "new", "../x"][..], "lower-case letters"),
        (&["plugin", "new", "x", "--role", "backups"], "did you mean `backup`?"),
    ] {
        let run = lab.run(arguments);
        assert_eq!(run.code, 2, "{run}");
        assert!(run.stderr.contains(words), "{run}");
    }
    for (name, language) in [("json", "python"), ("class", "python"), ("potluck-sdk", "rust")] {
        let run = lab.run(&["plugin", "new", name, "--lang", language]);
        assert_eq!(run.code, 1, "{run}");
        assert!(run.stderr.contains("a plugin cannot be called"), "{run}");
        assert!(!lab.path(name).exists());
    }
}

#[test]
fn a_new_plugin_in_python_passes_its_own_tests() {
    let lab = Lab::new();
    let run = lab.run(&[
        "plugin",
        "new",
        "my-greeter",
        "--lang",
        "python",
        "--role",
        "lifecycle",
        "--role",
        "commands",
    ]);
    assert_eq!(run.code, 0, "{run}");
    let plugin = lab.path("my-greeter");
    let tests = Command::new("python3")
        .args(["-m", "unittest"])
        .current_dir(&plugin)
        .env("PYTHONPATH", ".potluck")
        .output();
    let Ok(tests) = tests else {
        skip::skip("python3 is not there");
        return;
    };
    let text = String::from_utf8_lossy(&tests.stderr);
    assert!(tests.status.success() && text.contains("Ran 1 test"), "{text}");

    // The component, where the toolchain of the examples is there.
    let cache = std::env::var_os("XDG_CACHE_HOME").map(std::path::PathBuf::from);
    let home = std::path::PathBuf::from(std::env::var_os("HOME").unwrap_or_default());
    let cache = cache.unwrap_or_else(|| home.join(".cache"));
    let tools = cache.join("potluck/examples/tools/componentize-py-0.25.1");
    if !tools.join("bin/componentize-py").is_file() {
        skip::skip("componentize-py is not there; plugins/examples/build.sh brings it");
        return;
    }
    std::os::unix::fs::symlink(tools, plugin.join(".venv")).unwrap();
    // It is compiled to see that it loads: CPython takes a while.
    let built = lab
        .command()
        .args(["plugin", "build", "my-greeter"])
        .timeout(std::time::Duration::from_secs(900))
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let run = lab.run(&["plugin", "test", "my-greeter"]);
    assert_eq!(run.code, 0, "{run}");
    assert!(run.stdout.ends_with("1 passed, 0 failed\n"), "{run}");
}
