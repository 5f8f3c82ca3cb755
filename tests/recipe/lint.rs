//! Lint finds what breaks between a recipe's files, and nothing in the example
//! recipes.

use std::{fs, path::Path, process::Command};

use potluck::{
    lint::{Finding, Severity, rules},
    recipe::{Error, Store, Version, lint::lint},
};

/// A recipe with these files, linted.
fn linted(files: &[(&str, &str)]) -> Vec<Finding> {
    let folder = tempfile::tempdir().unwrap();
    let recipe = folder.path().join("wiki");
    fs::create_dir(&recipe).unwrap();
    for (name, text) in files {
        let path = recipe.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    lint_folder(&recipe)
}

fn lint_folder(folder: &Path) -> Vec<Finding> {
    let place = tempfile::tempdir().unwrap();
    let store = Store::new(place.path().join("recipes"));
    lint(&store.look(folder.to_str().unwrap(), &Version::Newest).unwrap())
}

const COMPOSE: &str = "
services:
  app:
    image: example/wiki:1.0
    secrets: [db_password]
secrets:
  db_password:
    external: true
    name: ${STACK_NAME}_db_password_${SECRET_DB_PASSWORD_VERSION}
";
const SAMPLE: &str =
    "TYPE=wiki\nCOMPOSE_FILE=compose.yml\nSECRET_DB_PASSWORD_VERSION=v1 # length=32\n";

#[test]
fn a_sound_recipe_has_no_errors() {
    let findings = linted(&[("compose.yml", COMPOSE), (".env.sample", SAMPLE)]);
    assert!(findings.iter().all(|f| f.severity != Severity::Error), "{findings:#?}");
}

#[test]
fn what_is_wrong_is_found() {
    let plugin = "plugins: [{name: p, component: p.wasm, grants: [exec: db]}]";
    let pinned = format!("plugins: [{{name: p, component: p.wasm, sha256: {}}}]", "0".repeat(64));
    let long = COMPOSE.replace("_db_password_", "_a_very_long_name_of_a_secret_");
    for (code, files) in [
        ("sample-missing", vec![("compose.yml", COMPOSE)]),
        ("sample-invalid", vec![("compose.yml", COMPOSE), (".env.sample", "TYPE='wiki\n")]),
        ("sample-without-type", vec![("compose.yml", COMPOSE), (".env.sample", "A=1\n")]),
        ("compose-unreadable", vec![(".env.sample", SAMPLE)]),
        (
            "compose-invalid",
            vec![("compose.yml", "services: {app: {imgae: x}}"), (".env.sample", SAMPLE)],
        ),
        (
            "no-app-service",
            vec![("compose.yml", "services: {web: {image: x:1}}"), (".env.sample", SAMPLE)],
        ),
        ("secret-without-key", vec![("compose.yml", COMPOSE), (".env.sample", "TYPE=wiki\n")]),
        ("secret-name-long", vec![("compose.yml", &long), (".env.sample", SAMPLE)]),
        (
            "component-missing",
            vec![("compose.yml", COMPOSE), (".env.sample", SAMPLE), ("recipe.yml", plugin)],
        ),
        (
            "grant-unknown-service",
            vec![
                ("compose.yml", COMPOSE),
                (".env.sample", SAMPLE),
                ("recipe.yml", plugin),
                ("p.wasm", "x"),
            ],
        ),
        (
            "option-invalid",
            vec![
                ("compose.yml", COMPOSE),
                (".env.sample", SAMPLE),
                ("recipe.yml", "plugins: [{name: p, component: 'std:files'}]"),
            ],
        ),
        (
            "option-unknown-name",
            vec![
                ("compose.yml", COMPOSE),
                (".env.sample", SAMPLE),
                (
                    "recipe.yml",
                    "plugins: [{name: p, component: 'std:files', options: {volumes: [none]}}]",
                ),
            ],
        ),
        (
            "grant-needed",
            vec![
                ("compose.yml", COMPOSE),
                (".env.sample", SAMPLE),
                (
                    "recipe.yml",
                    "plugins: [{name: p, component: 'std:sqlite', options: {files: [/a.db]}}]",
                ),
            ],
        ),
        (
            "registry-none",
            vec![
                ("compose.yml", "services: {app: {image: 'example.invalid/app:0'}}"),
                (".env.sample", SAMPLE),
            ],
        ),
        (
            "component-differs",
            vec![
                ("compose.yml", COMPOSE),
                (".env.sample", SAMPLE),
                ("recipe.yml", &pinned),
                ("p.wasm", "x"),
            ],
        ),
    ] {
        let findings = linted(&files);
        assert!(findings.iter().any(|finding| finding.code == code), "{code}: {findings:#?}");
    }
}

#[test]
fn a_grant_for_a_secret_that_is_not_there_is_told() {
    let plugin = "plugins: [{name: p, component: p.wasm, grants: [secret: db_pasword]}]";
    let findings = linted(&[
        ("compose.yml", COMPOSE),
        (".env.sample", SAMPLE),
        ("recipe.yml", plugin),
        ("p.wasm", "x"),
    ]);
    let wrong = findings.iter().find(|f| f.code == "grant-unknown-secret").unwrap();
    assert_eq!(
        wrong.message,
        "plugin `p`: it asks for `secret: db_pasword`, but the recipe has no secret of this name"
    );
    assert_eq!(wrong.fix.as_deref(), Some("the secrets are db_password"));
}

#[test]
fn an_overlay_is_read_with_the_keys_that_the_sample_comments_out() {
    let overlay = "
services:
  app: {secrets: [smtp_password]}
  mail: {image: example/mail:1}
secrets:
  smtp_password:
    external: true
    name: ${STACK_NAME}_smtp_password_${SECRET_SMTP_PASSWORD_VERSION}
";
    let sample = format!("{SAMPLE}#SECRET_SMTP_PASSWORD_VERSION=v1\n");
    let plugin =
        "plugins: [{name: p, component: p.wasm, grants: [exec: mail, secret: smtp_password]}]";
    let files = |sample| {
        linted(&[
            ("compose.yml", COMPOSE),
            ("compose.smtp.yml", overlay),
            (".env.sample", sample),
            ("recipe.yml", plugin),
            ("p.wasm", "x"),
        ])
    };
    let errors = |findings: Vec<Finding>| {
        let errors = findings.into_iter().filter(|f| f.severity == Severity::Error);
        errors.map(|finding| finding.code).collect::<Vec<_>>()
    };
    let found = files(&sample);
    assert!(found.iter().all(|f| f.code != "grant-unknown-secret"), "{found:#?}");
    assert_eq!(errors(found), Vec::<&str>::new());
    assert_eq!(errors(files(SAMPLE)), ["secret-without-key"]);
}

#[test]
fn an_overlay_is_read_with_the_values_that_the_sample_comments_out() {
    let overlay = "services: {app: {ports: [{target: 80, published: '${PORT}'}]}}";
    let files = |sample| {
        linted(&[("compose.yml", COMPOSE), ("compose.port.yml", overlay), (".env.sample", sample)])
    };
    let codes = |findings: Vec<Finding>| -> Vec<&str> {
        let bad = findings.iter().filter(|finding| finding.severity < Severity::Info);
        bad.map(|finding| finding.code).collect()
    };
    let sample = format!("{SAMPLE}# Where it listens:\n#PORT=8080\n");
    assert_eq!(codes(files(&sample)), Vec::<&str>::new());
    assert_eq!(codes(files(SAMPLE)), ["compose-invalid"]);
}

#[test]
fn what_an_overlay_or_a_plugin_uses_is_no_definition_too_many() {
    let base = "services: {app: {image: 'x:1'}}\nvolumes: {data: , lost: }\n\
                secrets: {key: {external: true}, other: {external: true}}\n";
    let overlay = "services: {app: {volumes: ['data:/d']}}\nnetworks: {mail: }\n";
    let plugin = "plugins: [{name: p, component: p.wasm, grants: [\"secret: key\"]}]";
    let unused: Vec<_> = linted(&[
        ("compose.yml", base),
        ("compose.mail.yml", overlay),
        (".env.sample", "TYPE=wiki\n"),
        ("recipe.yml", plugin),
    ])
    .into_iter()
    .filter(|finding| finding.code == "unused-definition")
    .map(|finding| finding.path.unwrap())
    .collect();
    assert_eq!(unused, ["networks.mail", "volumes.lost", "secrets.other"]);
}

#[test]
fn an_overlay_does_not_repeat_what_the_base_has() {
    let overlay = "services: {app: {deploy: {labels: {a: b}}}}";
    let findings = linted(&[
        ("compose.yml", COMPOSE),
        ("compose.a.yml", overlay),
        ("compose.b.yml", overlay),
        (".env.sample", SAMPLE),
    ]);
    let codes: Vec<&str> = findings.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, ["no-memory-limit", "update-pauses-by-default", "no-healthcheck"]);
}

#[test]
fn errors_name_the_recipes_file_and_not_the_copy() {
    let compose = format!("{COMPOSE}configs: {{page: {{file: page.html}}}}\n");
    let compose =
        compose.replace("secrets: [db_password]", "configs: [page]\n    env_file: app.env");
    let findings = linted(&[("compose.yml", &compose), (".env.sample", SAMPLE)]);
    let messages: Vec<&str> = findings.iter().map(|finding| finding.message.as_str()).collect();
    let all = messages.join("\n");
    assert!(all.contains("app.env cannot be read"), "{all}");
    assert!(!all.contains(std::env::temp_dir().to_str().unwrap()), "{all}");

    let compose = compose.replace("env_file: app.env", "");
    let findings = linted(&[("compose.yml", &compose), (".env.sample", SAMPLE)]);
    let wrong = findings.iter().find(|finding| finding.code == "compose-invalid").unwrap();
    assert!(wrong.message.contains("the file page.html cannot be read"), "{wrong:#?}");
}

/// A recipe of two services, the database with these labels.
fn labelled(app: &str, db: &str) -> String {
    format!(
        "services:
  app:
    image: example/wiki:1.0
    volumes: ['content:/content']
    deploy:
      labels: {{{app}}}
  db:
    image: example/db:1.0
    volumes: ['data:/data']
    deploy:
      labels: {{{db}}}
volumes: {{content: , data: }}
"
    )
}

#[test]
fn labels_that_no_backup_can_follow_are_told() {
    use Severity::{Info, Warning};
    let on = "backupbot.backup: 'true'";
    let off = "backupbot.backup: 'false'";
    for (app, db, expected) in [
        (on, "backupbot.backup.command: dump-all", vec![("backup-refused", Warning, 11)]),
        (on, "backupbot.backup.path: '/data/x,/elsewhere'", vec![("backup-refused", Warning, 11)]),
        (on, "backupbot.backup.volumes.date: 'false'", vec![("backup-labels", Warning, 11)]),
        ("", "backupbot.backup.pre-hook: dump", vec![("backup-labels", Warning, 11)]),
        (on, off, vec![("backup-labels", Warning, 11)]),
        (on, on, vec![("backup-labels", Info, 11)]),
        (on, "backupbot.backup.pre-hook: dump, backupbot.backup.volumes.data: 'false'", vec![]),
        (on, "backupbot.backup.path: /data/x", vec![]),
        (off, "", vec![]),
        ("", "", vec![]),
    ] {
        let compose = labelled(app, db);
        let findings = linted(&[("compose.yml", &compose), (".env.sample", "TYPE=wiki\n")]);
        let found: Vec<_> = findings
            .iter()
            .filter(|finding| finding.code.starts_with("backup-"))
            .map(|f| (f.code, f.severity, f.position.as_ref().unwrap().line))
            .collect();
        assert_eq!(found, expected, "{app} / {db}: {findings:#?}");
    }
}

#[test]
fn a_plugin_that_makes_the_backups_is_left_to_it() {
    let compose = labelled("", "backupbot.backup: 'true', backupbot.backup.command: dump");
    let plugin = "plugins: [{name: db, component: 'std:mariadb', grants: [exec: db], \
                  options: {service: db}}]";
    for (manifest, expected) in [(Some(plugin), 0), (None, 1)] {
        let mut files = vec![("compose.yml", compose.as_str()), (".env.sample", "TYPE=wiki\n")];
        files.extend(manifest.map(|text| ("recipe.yml", text)));
        let findings = linted(&files);
        let refused = findings.iter().filter(|finding| finding.code == "backup-refused").count();
        assert_eq!(refused, expected, "{findings:#?}");
    }
}

#[test]
fn functions_for_backups_are_told_with_what_does_it() {
    let script = "export X=v1\n\nabra_backup_db() {\n  _abra_backup_mysql db app\n}\n\
                  abra_restore_files() {\n  cp a b\n}\nset_admin_pass() {\n  true\n}\n";
    let findings =
        linted(&[("compose.yml", COMPOSE), (".env.sample", SAMPLE), ("abra.sh", script)]);
    let found: Vec<_> = findings
        .iter()
        .filter(|finding| finding.code == "abra-sh-backup")
        .map(|finding| (finding.to_string(), finding.fix.clone().unwrap()))
        .collect();
    let text =
        |line, name| format!("abra.sh:{line}: nothing runs `{name}`: `abra.sh` is only read");
    assert_eq!(
        found,
        [
            (text(3, "abra_backup_db"), "use the plugin `std:mariadb` in recipe.yml".to_owned()),
            (text(6, "abra_restore_files"), rules::ABRA_SH_BACKUP.fix.to_owned()),
        ]
    );
}

#[test]
fn a_mount_from_the_recipes_own_folder_is_an_error() {
    let compose =
        format!("{COMPOSE}\n").replace("secrets: [db_password]", "volumes: ['./data:/data']");
    let findings = linted(&[("compose.yml", &compose), (".env.sample", SAMPLE)]);
    let wrong = findings.iter().find(|finding| finding.severity == Severity::Error).unwrap();
    assert_eq!(wrong.code, rules::BIND_INSIDE_RECIPE.code, "{findings:#?}");
    assert!(wrong.message.starts_with("`./data`"), "{}", wrong.message);
}

/// Runs git without the settings of whoever runs the tests.
fn git(folder: &Path, arguments: &[&str]) {
    let mut git = Command::new("git");
    git.arg("-C").arg(folder).args(["-c", "user.name=t", "-c", "user.email=t@example.org"]);
    git.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    assert!(git.args(arguments).status().unwrap().success(), "git {arguments:?}");
}

#[test]
fn a_look_at_a_recipe_takes_nothing_in() {
    let place = tempfile::tempdir().unwrap();
    let store = Store::new(place.path().join("recipes"));
    let recipe = place.path().join("wiki");
    fs::create_dir(&recipe).unwrap();
    fs::write(recipe.join("compose.yml"), COMPOSE).unwrap();
    git(&recipe, &["init", "--quiet"]);
    git(&recipe, &["add", "."]);
    git(&recipe, &["commit", "--quiet", "-m", "x"]);
    git(&recipe, &["tag", "1.0.0+1"]);
    fs::write(recipe.join("compose.yml"), "changed").unwrap();

    let text = |source: &str, version: Version| {
        let checkout = store.look(source, &version).unwrap();
        assert_eq!(checkout.recipe.as_str(), "wiki");
        checkout.text("compose.yml").unwrap()
    };
    let folder = recipe.to_str().unwrap();
    let released = || Version::Named("1.0.0+1".into());
    assert_eq!(text(folder, Version::Newest), "changed");
    assert_eq!(text(folder, released()), COMPOSE);
    let url = format!("file://{folder}");
    assert_eq!(text(&url, Version::Newest), COMPOSE);
    assert!(!store.folder.exists());

    assert!(matches!(store.look("wiki-of-nobody", &Version::Newest), Err(Error::Unknown { .. })));
    store.add(folder).unwrap();
    assert_eq!(text("wiki", Version::Newest), COMPOSE);
}

#[test]
fn the_examples_have_notes_only_but_for_unbuilt_components() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes-examples");
    for entry in fs::read_dir(examples).unwrap() {
        let findings = lint_folder(&entry.unwrap().path());
        let wrong: Vec<_> = findings
            .iter()
            .filter(|f| f.severity != Severity::Info && f.code != rules::COMPONENT_MISSING.code)
            .collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}

/// A recipe that has what a connection changes, and no plugin that says so.
#[test]
fn what_looks_like_sign_on_or_mail_has_a_plugin_for_it() {
    let sample = format!("{SAMPLE}#SMTP_HOST=mail.example.org\n");
    let overlay = "services: {app: {environment: {OIDC: '1'}}}\n";
    let found = |recipe: &str| {
        let files = [
            ("compose.yml", COMPOSE),
            ("compose.oidc.yml", overlay),
            (".env.sample", sample.as_str()),
            ("recipe.yml", recipe),
        ];
        let findings = linted(&files).into_iter();
        let of_rule = findings.filter(|it| it.code == rules::NOT_CONNECTED.code);
        of_rule.map(|it| it.message).collect::<Vec<_>>()
    };
    let (sso, mail) = (
        "`compose.oidc.yml` looks like sign-on, and no plugin connects it",
        "`SMTP_HOST` looks like mail, and no plugin connects it",
    );
    assert_eq!(found(""), [mail, sso]);
    let plugins = "plugins:\n  - {name: mail, component: 'std:smtp', options: {}}\n  - {name: sso, \
                   component: 'std:oidc', options: {redirect: [/x]}}\n";
    let built = lint_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes-examples/isso"));
    assert!(built.iter().all(|it| it.code != rules::NOT_CONNECTED.code), "{built:#?}");
    assert!(found(plugins).is_empty());
}
