//! What `plugin new` and `recipe port` make builds and passes its own tests as
//! it is.

use crate::support::cli;
use crate::support::common::skip;

use std::{fs, path::Path, process::Command};

use cli::Lab;

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

/// `plugin build` as on an operator's machine: with the toolchain of this one.
fn build(lab: &Lab, arguments: &[&str]) -> std::process::Output {
    let mut command = lab.command();
    for name in ["CARGO_HOME", "RUSTUP_HOME"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
        .args(["plugin", "build"])
        .args(arguments)
        .env("HOME", std::env::var_os("HOME").unwrap_or_default())
        .timeout(std::time::Duration::from_secs(900))
        .output()
        .unwrap()
}

#[test]
fn what_plugins_share_is_compiled_once_and_no_component_is_anothers() {
    let lab = Lab::new();
    // Cargo's folder of this repository, where it is compiled already.
    fs::create_dir_all(lab.path("potluck/cache")).unwrap();
    std::os::unix::fs::symlink(target(), lab.path("potluck/cache/builds")).unwrap();
    let mut made = Vec::new();
    for (folder, role) in [("one", "lifecycle"), ("two", "commands")] {
        lab.write(&format!("{folder}/compose.yml"), "services: {app: {image: busybox}}\n");
        let plugin = format!("{folder}/plugins/same-name");
        let run = lab.run(&["plugin", "new", "same-name", "--role", role, "--output", &plugin]);
        assert_eq!(run.code, 0, "{run}");
        let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("plugins/Cargo.lock");
        fs::copy(lock, lab.path(&plugin).join("Cargo.lock")).unwrap();
        made.push((plugin, role));
    }
    // One of that name may be left of an earlier run.
    for (round, (plugin, role)) in made.iter().chain(&made).enumerate() {
        let output = build(&lab, &[plugin, "--json"]);
        let text = String::from_utf8_lossy(&output.stderr);
        if text.contains("Rust's target wasm32-unknown-unknown is missing") {
            return skip::skip(
                "no toolchain for Rust guests (rustup target add wasm32-unknown-unknown)",
            );
        }
        assert!(output.status.success(), "{text}");
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["roles"], serde_json::json!([role]), "{report}");
        assert!(round == 0 || !text.contains("Compiling wit-bindgen"), "{text}");
        assert!(!lab.path(plugin).join("target").exists());
    }
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
    // The newest interface that it uses.
    let plays = |wanted: &str| report["roles"].as_array().unwrap().iter().any(|it| it == wanted);
    let newest = match (plays("sso-provider"), plays("backup")) {
        (true, _) => "0.4.0",
        (false, true) => "0.3.0",
        (false, false) => "0.2.0",
    };
    assert_eq!(report["wit_version"], newest, "{report}");
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
fn a_store_is_left_to_a_plugin_of_potlucks_own() {
    let lab = Lab::new();
    lab.write(
        "blog/compose.yml",
        "services:\n  app:\n    image: wordpress:6\n  db:\n    image: mariadb:10.6\n    deploy:\n      \
         labels:\n        backupbot.backup.pre-hook: mysqldump\nsecrets: {db_password: {external: \
         true}}\n",
    );
    let fits = "`std:mariadb` saves and restores the data of the service db (mariadb:10.6)";
    let run = lab.run(&["recipe", "port", "./blog"]);
    assert!(run.code == 1 && run.stderr.contains(fits), "{run}");
    lab.write("blog/abra.sh", "export A=1\n");
    let run = lab.run(&["recipe", "port", "./blog"]);
    for words in [fits, "options: {service: db, secret: db_password}", "[exec: db, secret: "] {
        assert!(run.code == 0 && run.stderr.contains(words), "{words}: {run}");
    }
    let report: serde_json::Value =
        serde_json::from_str(&lab.run(&["recipe", "port", "./blog", "--json"]).stdout).unwrap();
    assert_eq!(report["standard"][0]["component"], "std:mariadb", "{report}");
    // What is proposed is a manifest that lint knows how to read.
    let entry = report["standard"][0]["recipe_yml"].as_str().unwrap();
    lab.write("blog/recipe.yml", &format!("plugins:\n{entry}"));
    let lint = lab.run(&["recipe", "lint", "./blog"]);
    assert!(!lint.stdout.contains("manifest-invalid"), "{lint}");
}

#[test]
fn a_function_for_backups_ran_where_its_database_is() {
    let lab = Lab::new();
    for image in ["${IMAGE:-busybox:1}", "mariadb:11"] {
        let services =
            format!("services:\n  app: {{image: 'busybox:1'}}\n  db: {{image: '{image}'}}\n");
        lab.write("r/compose.yml", &services);
        lab.write("r/abra.sh", "abra_backup_db() {\n  _abra_backup_mysql \"db\" \"app\"\n}\n");
        let run =
            lab.run(&["recipe", "port", "./r", "--output", &format!("p{}", image.len()), "--json"]);
        let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
        let function = &report["functions"][0];
        assert_eq!(function["service"], "db", "{report}");
        assert_eq!(function["grants"], serde_json::json!(["exec: db"]), "{report}");
        let fits = &report["standard"][0];
        assert_eq!((&fits["service"], &fits["component"]), (&"db".into(), &"std:mariadb".into()));
    }
}

#[test]
fn what_counts_for_nothing_in_abra_sh_is_named() {
    let lab = Lab::new();
    lab.write("plain/compose.yml", "services:\n  app:\n    image: nginx:1\n");
    lab.write("plain/.env.sample", "TYPE=plain\n");
    lab.write(
        "plain/abra.sh",
        "export A=v1\nif true\nthen\n  export B=v2\nfi\nf() {\n  export C=v3\n}\nset -a\nD=v4\nE+=v5\n",
    );
    let run = lab.run(&["recipe", "port", "./plain"]);
    assert_eq!(run.code, 0, "{run}");
    for words in [
        "abra.sh:4: the export of `B`",
        "abra.sh:7: the export of `C`",
        "abra.sh:11: the export of `E`",
        "Exports, read as data already: A, D.",
    ] {
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
    assert_eq!(found, ["warning", "warning", "info"], "{report}");
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

/// A folder with these programs and no others.
fn programs(lab: &Lab, folder: &str, programs: &[(&str, &str)]) -> std::path::PathBuf {
    for (name, script) in programs {
        lab.write(&format!("{folder}/{name}"), script);
        let file = lab.path(folder).join(name);
        fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    lab.path(folder)
}

#[test]
fn each_part_of_a_toolchain_that_is_missing_is_named() {
    let lab = Lab::new();
    assert_eq!(lab.run(&["plugin", "new", "a"]).code, 0);
    let rustc = "#!/bin/sh\ncase $1 in --print) echo /nowhere ;; *) echo 'host: here' ;; esac\n";
    let cargo = "#!/bin/sh\necho cargo 1\n";
    for (folder, found, what, install) in [
        ("no-cargo", &[("rustc", rustc)][..], "cargo is missing", "rustup"),
        (
            "no-target",
            &[("rustc", rustc), ("cargo", cargo)],
            "Rust's target wasm32-unknown-unknown is missing",
            "rustup target add",
        ),
    ] {
        let path = programs(&lab, folder, found);
        let output = lab
            .command()
            .args(["plugin", "build", "a"])
            .env("PATH", &path)
            .env("WEB_RUSTC", "/nowhere/rustc")
            .output()
            .unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains(&format!("error: {what}\n")) && text.contains(install), "{text}");
        assert!(text.contains("hint: ") && !text.contains("No such file"), "{text}");
    }
}

#[test]
fn a_failing_build_says_why_once() {
    let lab = Lab::new();
    for arguments in [&["plugin", "new", "a"][..], &["plugin", "new", "b", "--lang", "python"]] {
        assert_eq!(lab.run(arguments).code, 0);
    }
    let failed = "#!/bin/sh\n[ \"$1\" != --version ] || exit 0\necho 'error: no luck' >&2\n";
    let sysroot = lab.path("sysroot");
    for folder in ["wasm32-unknown-unknown/lib", "here/bin"] {
        fs::create_dir_all(sysroot.join("lib/rustlib").join(folder)).unwrap();
    }
    lab.write("sysroot/lib/rustlib/here/bin/wasm-component-ld", "");
    let rustc = format!(
        "#!/bin/sh\ncase $1 in --print) echo {} ;; *) echo 'host: here' ;; esac\n",
        sysroot.display()
    );
    let (cargo, python) = (format!("{failed}exit 101\n"), format!("{failed}exit 1\n"));
    let silent = "#!/bin/sh\n[ \"$1\" = --version ] || exit 3\n";
    let path = programs(
        &lab,
        "failing",
        &[("rustc", &rustc), ("cargo", &cargo), ("python3", &python), ("componentize-py", silent)],
    );
    let build = |plugin: &str| {
        let output = lab.command().args(["plugin", "build", plugin]).env("PATH", &path).output();
        let output = output.unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    for plugin in ["a", "b"] {
        assert_eq!(build(plugin), (Some(1), "error: no luck\n".to_owned()));
    }
    // What says nothing is told of.
    programs(&lab, "failing", &[("python3", silent)]);
    let (code, text) = build("b");
    assert_eq!((code, text.as_str()), (Some(1), "error: python3 failed: exit status: 3\n"));
}

#[test]
fn a_module_that_does_not_load_is_shown_without_pythons_own_frames() {
    let lab = Lab::new();
    let run = lab.run(&["plugin", "new", "greeter", "--lang", "python"]);
    assert_eq!(run.code, 0, "{run}");
    let folder = lab.path("greeter");
    let silent = "#!/bin/sh\n[ \"$1\" = --version ] || exit 3\n";
    let tool = programs(&lab, "tool", &[("componentize-py", silent)]).join("componentize-py");
    let built = |module: &str| {
        fs::write(folder.join("greeter.py"), module).unwrap();
        let output = Command::new("python3")
            .args(["-m", "potluck", "build", "greeter", "--componentize-py"])
            .arg(&tool)
            .current_dir(&folder)
            .env("PYTHONPATH", ".potluck")
            .output()
            .ok()?;
        Some((output.status.code(), String::from_utf8(output.stderr).unwrap()))
    };
    let whole = fs::read_to_string(folder.join("greeter.py")).unwrap();
    for (module, last) in [
        ("def broken(:\n", "SyntaxError: invalid syntax"),
        ("import nowhere\n", "ModuleNotFoundError: No module named 'nowhere'"),
        ("raise SystemExit(4)\n", "SystemExit: 4"),
        ("x = 1\n", "hint: derive a class from potluck.Lifecycle, say"),
        (whole.as_str(), "made no component"),
    ] {
        let Some((code, text)) = built(module) else {
            skip::skip("python3 is not there");
            return;
        };
        assert_eq!(code, Some(1), "{text}");
        assert_eq!(text.matches("error: ").count(), 1, "{text}");
        assert!(text.trim_end().ends_with(last), "{text}");
        assert!(!text.contains("importlib") && text.lines().count() <= 6, "{text}");
    }
}

#[test]
fn a_new_plugin_is_told_in_json() {
    let lab = Lab::new();
    let json = lab.json(&[
        "plugin", "new", "wiki", "--lang", "python", "--role", "commands", "--role", "backup",
        "--json",
    ]);
    assert_eq!(json["plugin"], "wiki");
    assert_eq!((&json["folder"], &json["language"]), (&"wiki".into(), &"python".into()));
    assert_eq!(json["roles"], serde_json::json!(["backup", "commands"]));
    let files = json["files"].as_array().unwrap();
    assert!(files.iter().any(|file| file == "wiki.py"), "{json}");
    for file in files {
        assert!(lab.path("wiki").join(file.as_str().unwrap()).is_file(), "{file}");
    }
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
    let component = || {
        let built = build(&lab, &["my-greeter"]);
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        fs::metadata(plugin.join(".potluck/built/my_greeter.wasm")).unwrap().modified().unwrap()
    };
    let first = component();
    assert_eq!(component(), first, "what did not change is not made again");
    let module = fs::read_to_string(plugin.join("my_greeter.py")).unwrap();
    fs::write(plugin.join("my_greeter.py"), module + "\nCHANGED = True\n").unwrap();
    assert_ne!(component(), first);
    let run = lab.run(&["plugin", "test", "my-greeter"]);
    assert_eq!(run.code, 0, "{run}");
    assert!(run.stdout.ends_with("1 passed, 0 failed\n"), "{run}");
}
