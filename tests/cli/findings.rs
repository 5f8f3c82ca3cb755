//! What is wrong is said at once, the cause first, and the same by every command.

use crate::support::cli;

use cli::Lab;
use insta::assert_snapshot;
use serde_json::{Value, json};

/// The codes of the findings of a report, or of an error.
fn codes(report: &Value) -> Vec<&str> {
    let findings = report.get("findings").unwrap_or(&report["error"]["findings"]);
    findings.as_array().unwrap().iter().map(|f| f["code"].as_str().unwrap()).collect()
}

/// What a command that fails says to a program.
fn failing(lab: &Lab, arguments: &[&str]) -> Value {
    let run = lab.run(arguments);
    assert_ne!(run.code, 0, "{run}");
    let report = serde_json::from_str(&run.stdout).unwrap_or_else(|e| panic!("{e}: {run}"));
    if let Some(error) = Value::as_object(&report).unwrap().get("error") {
        assert_eq!(error["exit_code"], run.code, "{run}");
        assert!(!error["message"].as_str().unwrap().is_empty(), "{run}");
    }
    report
}

/// A recipe whose secret takes its version from a key that its sample lacks.
fn without_version(lab: &Lab) {
    lab.write(
        "r/compose.yml",
        "services:\n  app:\n    image: potluck-test/busybox:1\n    secrets: [smtp_password]\n\
         secrets:\n  smtp_password:\n    external: true\n    \
         name: ${STACK_NAME}_smtp_password_${SECRET_SMTP_PASSWORD_VERSION}\n",
    );
    lab.write("r/.env.sample", "TYPE=r\nDOMAIN=s.example\n");
    let new = ["app", "new", "./r", "--server", "simulated", "--domain", "s.example", "-q"];
    assert_eq!(lab.run(&new).code, 0);
}

#[test]
fn a_secret_whose_version_is_not_set_is_one_finding() {
    let lab = Lab::new();
    without_version(&lab);
    assert_snapshot!(lab.run(&["app", "check", "s.example"]), @r"
    exit code 1
    --- stdout
    error[secret-version-missing]: SECRET_SMTP_PASSWORD_VERSION: missing or empty in the settings: the name of the secret `smtp_password` ends in it
      fix: add the line `SECRET_SMTP_PASSWORD_VERSION=v1` to the settings (`potluck app config s.example`)
    --- stderr
    Found 1 error.
    ");
    assert_snapshot!(lab.run(&["app", "deploy", "s.example", "-n"]), @r"
    exit code 1
    --- stderr
    error: s.example cannot be deployed:
      SECRET_SMTP_PASSWORD_VERSION: missing or empty in the settings: the name of the secret `smtp_password` ends in it [secret-version-missing]
        fix: add the line `SECRET_SMTP_PASSWORD_VERSION=v1` to the settings (`potluck app config s.example`)
    ");
    for command in ["check", "deploy"] {
        let report = failing(&lab, &["app", command, "s.example", "--json", "-n"]);
        assert_eq!(codes(&report), ["secret-version-missing"], "{report}");
    }
    let rows = lab.json(&["app", "secret", "ls", "s.example", "--json"]);
    assert_eq!(rows[0]["name"], "smtp_password");
    assert!(rows[0]["problem"].as_str().unwrap().contains("SECRET_SMTP_PASSWORD_VERSION"));

    // A sample that has the key says how the secret is made; one mistake is one finding.
    lab.write(
        "r/.env.sample",
        "TYPE=r\nDOMAIN=s.example\nSECRET_SMTP_PASSWORD_VERSION=v3 # length=8\n",
    );
    let report = failing(&lab, &["app", "check", "s.example", "--json"]);
    assert_eq!(codes(&report), ["secret-version-missing"], "{report}");
    let fix = report["findings"][0]["fix"].as_str().unwrap();
    assert!(fix.contains("`SECRET_SMTP_PASSWORD_VERSION=v3 # length=8`"), "{fix}");
    let line = "SECRET_SMTP_PASSWORD_VERSION=v3 # length=8\n";
    let file = lab.path("potluck/servers/simulated/s.example.env");
    let env = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{env}{line}")).unwrap();
    assert_eq!(lab.run(&["app", "secret", "generate", "s.example"]).code, 0);
    assert_eq!(lab.run(&["app", "deploy", "s.example", "-n"]).code, 0);
}

#[test]
fn a_recipe_without_a_service_app_is_a_warning_everywhere() {
    let lab = Lab::new();
    lab.write("web/compose.yml", "services:\n  web:\n    image: potluck-test/busybox:1\n");
    lab.write("web/.env.sample", "TYPE=web\nDOMAIN=w.example\n");
    let words = "no service is called `app`";
    let lint = lab.run(&["recipe", "lint", "web"]);
    assert_eq!(lint.code, 0, "{lint}");
    assert!(
        lint.stdout.contains(&format!("warning[no-app-service]: compose.yml: {words}")),
        "{lint}"
    );
    assert_eq!(lab.run(&["recipe", "lint", "web", "--strict"]).code, 1);
    let new = lab.run(&["app", "new", "./web", "--server=simulated", "--domain=w.example"]);
    assert_eq!(new.code, 0, "{new}");
    assert!(new.stderr.contains(&format!("warning: compose.yml: {words}")), "{new}");
    assert!(!new.stderr.contains("can't be deployed"), "{new}");
    let check = lab.run(&["app", "check", "w.example"]);
    assert_eq!(check.code, 0, "{check}");
    assert!(check.stdout.contains("warning[no-app-service]"), "{check}");
    let strict = lab.run(&["app", "deploy", "w.example", "-n", "--strict"]);
    assert_eq!(strict.code, 1, "{strict}");
    assert!(strict.stderr.contains("[no-app-service]"), "{strict}");
    let deploy = lab.run(&["app", "deploy", "w.example", "-n"]);
    assert_eq!(deploy.code, 0, "{deploy}");
    assert!(deploy.stderr.contains(words), "{deploy}");
    let page = include_str!("../../docs/lint.md");
    assert!(page.contains("| `no-app-service` | warning |"));
}

#[test]
fn nothing_that_is_wrong_hides_another() {
    let lab = Lab::with_tiny_app();
    let file = lab.path("potluck/servers/simulated/t.example.env");
    let env = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, env.replace("TITLE=\n", "")).unwrap();
    let compose = std::fs::read_to_string(lab.path("tiny/compose.yml")).unwrap();
    let compose = compose.replace("services:\n", "services:\n  odd:\n    image: busybox\n");
    lab.write(
        "tiny/compose.yml",
        &compose.replacen("image: busybox\n", "image: busybox\n    networks: [nowhere]\n", 1),
    );
    lab.write("tiny/recipe.yml", "plugin: []");
    let report = failing(&lab, &["app", "check", "t.example", "--json"]);
    let found = codes(&report);
    for code in ["setting-missing", "compose-invalid", "manifest-invalid", "unpinned-image"] {
        assert!(found.contains(&code), "{code}: {report}");
    }
    assert_eq!(found[0], "setting-missing", "the cause first: {report}");
    let report = failing(&lab, &["recipe", "lint", "tiny", "--json"]);
    let found = codes(&report);
    for code in ["compose-invalid", "manifest-invalid", "unpinned-image"] {
        assert!(found.contains(&code), "{code}: {report}");
    }

    // The server is one thing, the files are another.
    lab.write("tiny/recipe.yml", "");
    lab.write("potluck/servers/simulated/server.yml", "endpoint: unix:///nowhere.sock\n");
    let report = failing(&lab, &["app", "check", "t.example", "--json"]);
    assert!(codes(&report).contains(&"compose-invalid"), "{report}");
    lab.write("tiny/compose.yml", &compose);
    let report = failing(&lab, &["app", "check", "t.example", "--json"]);
    assert_eq!(
        codes(&report),
        ["server-unavailable", "setting-missing", "unpinned-image"],
        "{report}"
    );

    // All files that are not there, all lines that cannot be read.
    std::fs::write(&file, format!("{env}COMPOSE_FILE=one.yml:two.yml\n")).unwrap();
    let report = failing(&lab, &["app", "check", "t.example", "--json"]);
    assert_eq!(
        codes(&report),
        ["server-unavailable", "compose-unreadable", "compose-unreadable"],
        "{report}"
    );
    std::fs::write(&file, format!("{env}A='\nB C\n")).unwrap();
    let report = failing(&lab, &["app", "check", "t.example", "--json"]);
    assert_eq!(codes(&report), ["settings-invalid"; 2], "{report}");
}

#[test]
fn a_deploy_says_all_that_stops_it() {
    let lab = Lab::with_tiny_app();
    let compose = std::fs::read_to_string(lab.path("tiny/compose.yml")).unwrap();
    let app = "  app:\n";
    assert!(compose.contains(app), "{compose}");
    let more =
        format!("{app}    labels: [com.docker.x=y]\n    networks: [proxy]\n    configs: [c]\n");
    let top = "networks: {proxy: {external: true}}\nconfigs: {c: {external: true}}\n";
    let port = "    image: busybox:1\n    ports: [\"80:80\"]\n";
    let second = format!("  b:\n{port}  c:\n{port}");
    let compose = compose.replace(app, &format!("{second}{more}"));
    lab.write("tiny/compose.yml", &format!("{compose}{top}"));
    let report = failing(&lab, &["app", "deploy", "t.example", "-n", "--json"]);
    let mut found = codes(&report);
    found.sort_unstable();
    assert_eq!(
        found,
        [
            "config-missing",
            "name-reserved",
            "network-missing",
            "port-taken",
            "secret-missing",
            "secret-missing"
        ],
        "{report}"
    );
    let check = failing(&lab, &["app", "check", "t.example", "--json"]);
    for code in &found {
        assert!(codes(&check).contains(code), "{code}: {check}");
    }
    let lint = failing(&lab, &["recipe", "lint", "tiny", "--json"]);
    for code in ["name-reserved", "port-taken"] {
        assert!(codes(&lint).contains(&code), "{code}: {lint}");
    }
}

/// The tiny app, without these lines of its settings, and with these ones.
fn settings(lab: &Lab, without: &[&str], with: &str) {
    let file = lab.path("potluck/servers/simulated/t.example.env");
    let env = std::fs::read_to_string(&file).unwrap();
    let kept = env.lines().filter(|line| !without.iter().any(|key| line.starts_with(key)));
    std::fs::write(&file, kept.map(|line| format!("{line}\n")).collect::<String>() + with).unwrap();
}

#[test]
fn check_and_deploy_find_the_same_settings_missing_in_the_same_words() {
    let lab = Lab::with_tiny_app();
    assert_eq!(lab.run(&["app", "secret", "generate", "t.example", "-q"]).code, 0);
    lab.run_with(&["app", "secret", "insert", "t.example", "mail_password"], b"x\n");
    assert_eq!(lab.run(&["app", "deploy", "t.example", "-n"]).code, 0);
    settings(&lab, &["TITLE"], "");
    let words = "TITLE: not in the settings; the recipe's sample has `TITLE=`";
    let check = lab.run(&["app", "check", "t.example"]);
    assert_eq!(check.code, 0, "{check}");
    assert!(check.stdout.contains(&format!("warning[setting-missing]: {words}")), "{check}");
    let deploy = lab.run(&["app", "deploy", "t.example", "-n", "--force"]);
    assert_eq!(deploy.code, 0, "{deploy}");
    assert!(deploy.stderr.contains(&format!("warning: {words}")), "{deploy}");
    let strict =
        failing(&lab, &["app", "deploy", "t.example", "-n", "--force", "--strict", "--json"]);
    assert!(codes(&strict).contains(&"setting-missing"), "{strict}");
}

#[test]
fn a_deploy_whose_files_cannot_be_read_says_all_that_check_says_the_cause_first() {
    let lab = Lab::with_tiny_app();
    let compose = std::fs::read_to_string(lab.path("tiny/compose.yml")).unwrap();
    let port = "  app:\n    ports: [{target: 80, published: '${PORT}'}]\n";
    lab.write("tiny/compose.yml", &compose.replacen("  app:\n", port, 1));
    let sample = std::fs::read_to_string(lab.path("tiny/.env.sample")).unwrap();
    lab.write("tiny/.env.sample", &format!("{sample}PORT=8080\n"));
    settings(&lab, &["TITLE", "SECRET_TOKEN_VERSION"], "");
    let check = failing(&lab, &["app", "check", "t.example", "--json"]);
    let deploy = failing(&lab, &["app", "deploy", "t.example", "-n", "--json"]);
    for report in [&check, &deploy] {
        assert_eq!(
            codes(report),
            ["setting-missing", "setting-missing", "setting-missing", "compose-invalid"],
            "{report}"
        );
    }
    let said = lab.run(&["app", "deploy", "t.example", "-n"]).stderr;
    let (cause, effect) = (said.find("PORT: not in the settings"), said.find("needs a number"));
    assert!(cause.is_some() && cause < effect, "{said}");

    // Where nothing else is wrong, the lines of the file are shown.
    let broken = compose.replacen("  app:\n", "  app:\n    networks: [nowhere]\n", 1);
    lab.write("tiny/compose.yml", &broken);
    settings(&lab, &[], "PORT=1\nTITLE=\nSECRET_TOKEN_VERSION=v1\n");
    let said = lab.run(&["app", "deploy", "t.example", "-n"]).stderr;
    assert!(said.contains("networks: [nowhere]"), "{said}");

    // Beside what stops it, what may be wrong.
    lab.write("tiny/compose.yml", &compose);
    settings(&lab, &["TITLE"], "");
    let deploy = failing(&lab, &["app", "deploy", "t.example", "-n", "--json"]);
    assert_eq!(codes(&deploy), ["secret-missing", "secret-missing", "setting-missing"], "{deploy}");
    let said = lab.run(&["app", "deploy", "t.example", "-n"]).stderr;
    assert!(said.contains("warning: TITLE: not in the settings"), "{said}");
}

#[test]
fn a_compose_file_that_is_not_there_has_the_same_fix_everywhere() {
    let lab = Lab::with_tiny_app();
    settings(&lab, &[], "COMPOSE_FILE=compose.nope.yml\n");
    let check = failing(&lab, &["app", "check", "t.example", "--json"]);
    let deploy = failing(&lab, &["app", "deploy", "t.example", "-n", "--json"]);
    for key in ["position", "message", "fix"] {
        assert_eq!(check["findings"][0][key], deploy["error"]["findings"][0][key], "{deploy}");
    }
    assert_eq!(codes(&check), ["compose-unreadable"]);
    let said = lab.run(&["app", "deploy", "t.example", "-n"]).stderr;
    assert!(said.contains("compose.nope.yml") && said.contains("COMPOSE_FILE"), "{said}");
}

#[test]
fn settings_that_are_no_text_are_one_finding_and_lines_come_in_their_order() {
    let lab = Lab::with_tiny_app();
    let file = lab.path("potluck/servers/simulated/t.example.env");
    let env = std::fs::read(&file).unwrap();
    std::fs::write(&file, [&b"\xff\xfe\n\x80 1\n\x81 2\n"[..], &env].concat()).unwrap();
    let check = failing(&lab, &["app", "check", "t.example", "--json"]);
    assert_eq!(codes(&check), ["settings-invalid"], "{check}");
    let deploy = lab.run(&["app", "deploy", "t.example", "-n"]);
    let check = lab.run(&["app", "check", "t.example"]);
    for said in [&deploy.stderr, &check.stdout] {
        assert!(said.contains("it is not UTF-8 text (byte 1)"), "{said}");
        assert!(said.contains("as UTF-8 text, or bring it back"), "{said}");
    }

    let lines: String = (1..13).map(|n| format!("line {n}\n")).collect();
    std::fs::write(&file, lines.as_bytes()).unwrap();
    for command in ["check", "deploy"] {
        let report = failing(&lab, &["app", command, "t.example", "--json"]);
        let findings = report["findings"].as_array().or(report["error"]["findings"].as_array());
        let places = findings.unwrap().iter().map(|f| f["position"].as_str().unwrap());
        let numbers: Vec<&str> = places.map(|place| place.rsplit(':').next().unwrap()).collect();
        assert_eq!(numbers.len(), 12, "{report}");
        assert_eq!((numbers[1], numbers[9], numbers[11]), ("2", "10", "12"), "{report}");
    }
}

#[test]
fn a_timeout_that_is_no_number_is_said() {
    let lab = Lab::with_tiny_app();
    let compose = std::fs::read_to_string(lab.path("tiny/compose.yml")).unwrap();
    let clock = "services:\n  clock:\n    image: potluck-test/busybox:1\n    deploy: {labels: \
                 ['coop-cloud.${STACK_NAME}.timeout=${TIMEOUT}']}\n";
    lab.write("tiny/compose.yml", &compose.replacen("services:\n", clock, 1));
    assert_eq!(lab.run(&["app", "secret", "generate", "t.example", "-q"]).code, 0);
    lab.run_with(&["app", "secret", "insert", "t.example", "mail_password"], b"x\n");
    for (written, odd) in [("soon", true), ("0", true), ("", false), ("120", false)] {
        settings(&lab, &["TIMEOUT"], &format!("TIMEOUT={written}\n"));
        let words = format!("`{written}` is not a number of seconds above 0");
        let check = lab.run(&["app", "check", "t.example"]);
        assert_eq!(check.code, 0, "{check}");
        assert_eq!(check.stdout.contains(&words), odd, "{check}");
        assert_eq!(check.stdout.contains("warning[timeout-invalid]"), odd, "{check}");
        let deploy = lab.run(&["app", "deploy", "t.example", "-n", "--force"]);
        assert_eq!(deploy.code, 0, "{deploy}");
        assert_eq!(deploy.stderr.contains(&words), odd, "{deploy}");
    }
}

#[test]
fn a_secret_that_is_there_need_not_be_made() {
    let lab = Lab::with_tiny_app();
    settings(&lab, &["SECRET_TOKEN_VERSION"], "SECRET_TOKEN_VERSION=v1 # length=abc\n");
    lab.run_with(&["app", "secret", "insert", "t.example", "mail_password"], b"x\n");
    let check = failing(&lab, &["app", "check", "t.example", "--json"]);
    assert!(codes(&check).contains(&"secret-setting-invalid"), "{check}");
    let deploy = failing(&lab, &["app", "deploy", "t.example", "-n", "--json"]);
    assert!(codes(&deploy).contains(&"secret-setting-invalid"), "{deploy}");
    settings(&lab, &["SECRET_TOKEN_VERSION"], "SECRET_TOKEN_VERSION=v1\n");
    assert_eq!(lab.run(&["app", "secret", "generate", "t.example", "-q"]).code, 0);
    settings(&lab, &["SECRET_TOKEN_VERSION"], "SECRET_TOKEN_VERSION=v1 # length=abc\n");
    let check = lab.run(&["app", "check", "t.example"]);
    assert_eq!(check.code, 0, "{check}");
    assert!(check.stdout.contains("warning[secret-setting-invalid]"), "{check}");
    let deploy = lab.run(&["app", "deploy", "t.example", "-n"]);
    assert_eq!(deploy.code, 0, "{deploy}");
    assert!(deploy.stderr.contains("abc"), "{deploy}");
}

#[test]
fn a_command_that_fails_prints_json_where_that_was_asked_for() {
    let lab = Lab::new();
    lab.write("bad.yml", "services: {a: {imgae: x}, b: {imgae: y}}");
    let report = failing(&lab, &["stack", "config", "-c", "bad.yml", "--json"]);
    assert_eq!(codes(&report), ["compose-invalid"; 2]);
    assert_eq!(report["error"]["findings"][0]["position"], "bad.yml:1:16");
    // A sentence and a place, not the drawing that people are shown.
    let error = &report["error"];
    assert_eq!(
        error["message"],
        "bad.yml:1:16: services.a.imgae: unknown key (and 1 more, see `findings`)"
    );
    assert_eq!((&error["file"], &error["line"]), (&json!("bad.yml"), &json!(1)), "{error}");
    assert_eq!((&error["column"], &error["exit_code"]), (&json!(16), &json!(1)), "{error}");
    assert_eq!(error["hints"], json!(["did you mean `image`?"]));
    let shown = lab.run(&["stack", "config", "-c", "bad.yml"]).stderr;
    assert!(shown.contains("1 | services: {a: {imgae: x}"), "{shown}");
    for arguments in [
        &["stack", "lint", "-c", "none.yml"][..],
        &["stack", "config", "-c", "none.yml"],
        &["recipe", "lint", "nowhere"],
        &["recipe", "inspect", "nowhere"],
        &["app", "check", "nobody.example"],
        &["app", "deploy", "nobody.example"],
        &["app", "ps", "nobody.example"],
        &["app", "logs", "nobody.example"],
        &["app", "config", "nobody.example"],
        &["app", "secret", "ls", "nobody.example"],
        &["app", "secret", "generate", "nobody.example"],
        &["backup", "snapshots", "nobody.example"],
        &["plugin", "grants", "nobody.example"],
        &["plugin", "inspect", "nowhere"],
        &["app", "new", "nowhere", "--server=simulated", "--domain=a.example"],
    ] {
        let report = failing(&lab, &[arguments, &["--json"]].concat());
        assert_eq!(report["error"]["findings"], json!([]), "{arguments:?}: {report}");
        // Without it, standard output is for data only.
        assert_eq!(lab.run(arguments).stdout, "", "{arguments:?}");
    }
}

#[test]
fn a_blank_at_an_end_of_a_name_is_told_with_the_variable_that_brings_it() {
    let lab = Lab::new();
    let compose = "services:\n  app:\n    image: potluck-test/busybox:1\n    networks: [proxy]\n\
                   networks:\n  proxy:\n    external: true\n    name: ${NET}\n";
    lab.write("compose.yml", compose);
    let wanted = |finding: &&Value| finding["code"] == "blank-at-edge";
    let only = |report: &Value| {
        let all = report["findings"].as_array().unwrap_or_else(|| report.as_array().unwrap());
        let found: Vec<&Value> = all.iter().filter(wanted).collect();
        assert_eq!(found.len(), 1, "{report}");
        found[0].clone()
    };
    let lint = ["stack", "lint", "-c", "compose.yml", "--json"];
    let output = lab.command().args(lint).env("NET", "proxy\r").output().unwrap();
    let found = only(&serde_json::from_slice(&output.stdout).unwrap());
    assert_eq!(found["severity"], "warning", "{found}");
    assert_eq!(found["position"], "compose.yml:8:11", "{found}");
    assert_eq!(
        found["message"],
        "`proxy` ends with a carriage return, of a file with Windows line ends, which comes from \
         NET: docker keeps it, as part of the value"
    );
    let clean = lab.command().args(lint).env("NET", "proxy").output().unwrap();
    assert!(!String::from_utf8_lossy(&clean.stdout).contains("blank-at-edge"));

    lab.write("r/compose.yml", compose);
    lab.write("r/.env.sample", "TYPE=r\nDOMAIN=s.example\nNET=\"proxy \"\n");
    let new = ["app", "new", "./r", "--server", "simulated", "--domain", "s.example", "-q"];
    assert_eq!(lab.run(&new).code, 0);
    let check = lab.run(&["app", "check", "s.example", "--json"]);
    let found = only(&serde_json::from_str(&check.stdout).unwrap());
    assert_eq!(
        found["message"],
        "`proxy` ends with a space, which comes from NET: docker keeps it, as part of the value"
    );
    assert_eq!(found["fix"], "remove the blank where NET is set");
}

/// What is said of one cause by each command that reads the files.
#[test]
fn a_variable_that_is_set_nowhere_is_told_with_the_one_that_was_meant() {
    let lab = Lab::new();
    lab.write(
        "s.yml",
        "services: {a: {image: 'x:1', environment: {P: '${DB_PASSWROD}', H: '${HOME}'}}}",
    );
    let run = lab.command().env("DB_PASSWORD", "x").args(["stack", "lint", "-c", "s.yml"]).unwrap();
    let shown = String::from_utf8(run.stdout).unwrap();
    let warning = "warning[variable-unset]: s.yml:1:47: services.a.environment.P: the variable \
                   `DB_PASSWROD` is set nowhere and has no default: it is empty\n  fix: did you \
                   mean `DB_PASSWORD`?\n";
    assert!(shown.contains(warning), "{shown}");
    assert_eq!(shown.matches("variable-unset").count(), 1, "{shown}");

    // Potluck sets some of them itself, and a sample lists what may be left out.
    let lab = Lab::new();
    lab.write(
        "r/compose.yml",
        "services:\n  app:\n    image: potluck-test/busybox:1\n    environment:\n      A: \
         ${DOMAIN}${STACK_NAME}\n      B: ${OPTIONAL}\n      C: ${ADMIN_MIAL}\n      D: ${CONF}\n",
    );
    lab.write("r/.env.sample", "TYPE=r\nDOMAIN=u.example\nADMIN_MAIL=a@b.c\n#OPTIONAL=x\n");
    lab.write("r/abra.sh", "export CONF=v1\n");
    let new = ["app", "new", "./r", "--server", "simulated", "--domain", "u.example", "-q"];
    assert_eq!(lab.run(&new).code, 0);
    for command in [&["recipe", "lint", "./r"], &["app", "check", "u.example"]] {
        let run = lab.run(command);
        assert_eq!(run.code, 0, "{run}");
        let warning = "compose.yml:7:10: services.app.environment.C: the variable `ADMIN_MIAL`";
        assert!(run.stdout.contains(warning), "{run}");
        assert!(run.stdout.contains("did you mean `ADMIN_MAIL`?"), "{run}");
        assert_eq!(run.stdout.matches("variable-unset").count(), 1, "{run}");
    }
    assert_eq!(lab.run(&["app", "deploy", "u.example", "-n", "--strict"]).code, 1);
    assert_eq!(lab.run(&["app", "deploy", "u.example", "-n"]).code, 0);
}

#[test]
fn a_name_that_is_too_long_is_one_finding() {
    let lab = Lab::new();
    let name = "a".repeat(70);
    lab.write("s.yml", &format!("services: {{{name}: {{image: 'x:1'}}}}"));
    let report = failing(&lab, &["stack", "lint", "-c", "s.yml", "wiki", "--json"]);
    let long = |code: &&str| matches!(*code, "name-too-long" | "compose-invalid");
    let found = codes(&report).into_iter().filter(long).collect::<Vec<_>>();
    assert_eq!(found, ["name-too-long"], "{report}");
}
