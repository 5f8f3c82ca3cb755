//! `recipe new --from`: recipes of what projects publish for Docker Compose.
//!
//! Projects of `tests/fixtures/upstream` become recipes, unedited: each is linted, and read
//! by `docker stack config` where docker is there. No password of a project is in a recipe.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::support::cli::Lab;

const WHO: [&str; 4] = ["-N", "Anna", "-e", "anna@example.org"];

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/upstream")
}

fn projects() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(fixtures())
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// The recipe of a project: where it is, and what the command said.
fn made(lab: &Lab, name: &str, from: &Path) -> (PathBuf, Value) {
    let from = from.to_str().unwrap();
    let said = lab.json(&[&["recipe", "new", name, "--from", from, "--json"], &WHO[..]].concat());
    (lab.path(&format!("potluck/recipes/{name}")), said)
}

fn project(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn texts(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    collect(folder, folder, &mut found);
    found
}

fn collect(top: &Path, folder: &Path, found: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().is_some_and(|name| name == ".git") {
            continue;
        }
        if path.is_dir() {
            collect(top, &path, found);
        } else {
            let name = path.strip_prefix(top).unwrap().display().to_string();
            found.insert(name, fs::read_to_string(&path).unwrap());
        }
    }
}

/// Errors and warnings of `recipe lint`.
fn linted(lab: &Lab, name: &str) -> Vec<(String, String)> {
    let run = lab.run(&["recipe", "lint", name, "--json"]);
    let report: Value = serde_json::from_str(&run.stdout).unwrap_or_else(|_| panic!("{run}"));
    let findings = report["findings"].as_array().unwrap_or_else(|| panic!("{report}")).clone();
    let row = |finding: &Value| {
        let severity = finding["severity"].as_str().unwrap().to_owned();
        (severity != "info").then(|| {
            let code = finding["code"].as_str().unwrap();
            let at = finding["position"].as_str().unwrap_or_default();
            (severity, format!("{code}: {at}: {}", finding["message"].as_str().unwrap()))
        })
    };
    findings.iter().filter_map(row).collect()
}

/// The settings of a new app, as the sample has them.
fn settings(sample: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::from([("STACK_NAME".to_owned(), "wiki_example_org".to_owned())]);
    for line in sample.lines().filter(|line| !line.starts_with('#')) {
        let Some((key, value)) = line.split_once('=') else { continue };
        let value = value.split(" #").next().unwrap().trim_matches(['"', '\'']).to_owned();
        let before = found.get("COMPOSE_FILE").cloned().unwrap_or_default();
        found.insert(key.to_owned(), value.replace("$COMPOSE_FILE", &before));
    }
    found
}

/// What docker says of a recipe, which is what potluck says; none where there is no docker.
fn docker(lab: &Lab, folder: &Path) -> Option<Result<(), String>> {
    let sample = fs::read_to_string(folder.join(".env.sample")).unwrap();
    let mut settings = settings(&sample);
    // What the sample leaves to each app, as `recipe test` gives it.
    if let Ok(given) = fs::read_to_string(folder.join("tests/settings.env")) {
        let lines = given.lines().filter_map(|line| line.split_once('='));
        settings.extend(lines.map(|(key, value)| (key.to_owned(), value.to_owned())));
    }
    let mut command = Command::new("docker");
    command.current_dir(folder).args(["stack", "config"]).env_clear();
    command.env("PATH", std::env::var("PATH").unwrap_or_default()).env("HOME", folder);
    for file in settings["COMPOSE_FILE"].split(':') {
        command.args(["-c", file]);
    }
    let out = command.envs(&settings).output().ok()?;
    let error = String::from_utf8_lossy(&out.stderr).into_owned();
    if error.contains("is not a docker command") || error.contains("unknown command") {
        return None;
    }
    if !out.status.success() {
        return Some(Err(error));
    }
    let files = settings["COMPOSE_FILE"].split(':').flat_map(|file| ["-c", file]);
    let ours = lab
        .command()
        .current_dir(folder)
        .envs(&settings)
        .args(["stack", "config"])
        .args(files)
        .output();
    let ours = String::from_utf8_lossy(&ours.unwrap().stdout).into_owned();
    let theirs = String::from_utf8_lossy(&out.stdout).into_owned();
    let read = |text: &str| {
        serde_saphyr::from_str::<Value>(text).unwrap_or_else(|error| panic!("{error}: {text}"))
    };
    Some(match read(&ours) == read(&theirs) {
        true => Ok(()),
        false => Err(format!("docker reads:\n{theirs}\npotluck reads:\n{ours}")),
    })
}

/// The recipe with the questions that lint asks answered: images have versions.
fn answered(recipe: &Path, name: &str) -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    for (file, text) in texts(recipe) {
        let pinned = text.lines().map(|line| match line.trim().strip_prefix("image: ") {
            Some(image)
                if !image.contains(|c: char| c.is_ascii_digit()) || !image.contains(':') =>
            {
                format!("    image: {}:1.2.3\n", image.split(':').next().unwrap())
            }
            _ => format!("{line}\n"),
        });
        let path = place.path().join(name).join(&file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, pinned.collect::<String>()).unwrap();
    }
    place
}

/// What the projects have as passwords: marked, or known.
fn passwords(folder: &Path) -> Vec<String> {
    let mut found = vec![];
    for text in texts(folder).values() {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
        found.extend(words.filter(|word| word.contains("-upstream-")).map(str::to_owned));
    }
    found.sort();
    found.dedup();
    found
}

#[test]
fn what_projects_publish_becomes_recipes_without_errors() {
    let lab = Lab::new();
    let mut table = String::from(
        "| project | errors | warnings | docker config | after the answers: errors | warnings | docker config | changes | decisions |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    let documented =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/recipes.md")).unwrap();
    let mut wrong = vec![];
    for name in projects() {
        let folder = fixtures().join(&name);
        let (recipe, said) = made(&lab, &name, &folder);
        let findings = linted(&lab, &name);
        let count = |severity: &str| findings.iter().filter(|(it, _)| it == severity).count();
        let config = docker(&lab, &recipe);
        let shown = match &config {
            None => "no docker",
            Some(Ok(())) => "yes",
            Some(Err(_)) => "no",
        };
        let (errors, warnings) = (count("error"), count("warning"));
        let place = answered(&recipe, &name);
        let changed = place.path().join(&name);
        let after = linted(&lab, changed.to_str().unwrap());
        let left = |severity: &str| after.iter().filter(|(it, _)| it == severity).count();
        let config_after =
            docker(&lab, &changed).map_or("no docker", |it| if it.is_ok() { "yes" } else { "no" });
        let number = |key: &str| said[key].as_array().unwrap().len();
        let row = format!(
            "| {name} | {errors} | {warnings} | {shown} | {} | {} | {config_after} | {} | {} |\n",
            left("error"),
            left("warning"),
            number("changes"),
            number("decisions"),
        );
        // Without docker, two of its columns are unknown.
        if config.is_some() && !documented.contains(&row) {
            wrong.push(format!("docs/recipes.md says otherwise: {row}"));
        }
        table.push_str(&row);
        for (severity, finding) in &after {
            wrong.push(format!("{name}: after the answers: {severity}: {finding}"));
        }
        for (severity, finding) in &findings {
            eprintln!("{name}: {severity}: {finding}");
            if severity == "error" {
                wrong.push(format!("{name}: {finding}"));
            }
        }
        if let Some(Err(error)) = config {
            wrong.push(format!("{name}: docker: {error}"));
        }
        let files = texts(&recipe);
        assert!(files["README.md"].contains("<!-- endmetadata -->"));
        for password in passwords(&folder) {
            for (file, text) in &files {
                if text.contains(&password) {
                    wrong.push(format!("{name}: {file} has the password {password}"));
                }
            }
            if said.to_string().contains(&password) {
                wrong.push(format!("{name}: what is said has the password {password}"));
            }
        }
    }
    eprintln!("{table}");
    assert!(projects().len() >= 15);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_project_gives_the_same_recipe_every_time() {
    let lab = Lab::new();
    for name in ["plausible", "n8n", "matomo"] {
        let (first, _) = made(&lab, &format!("{name}-one"), &fixtures().join(name));
        let (second, _) = made(&lab, &format!("{name}-two"), &fixtures().join(name));
        let plain = |files: BTreeMap<String, String>, ending: &str| -> BTreeMap<String, String> {
            files
                .into_iter()
                .map(|(file, text)| (file, text.replace(&format!("{name}-{ending}"), "it")))
                .collect()
        };
        assert_eq!(plain(texts(&first), "one"), plain(texts(&second), "two"));
    }
}

#[test]
fn one_password_of_two_services_is_one_secret() {
    let lab = Lab::new();
    let (recipe, said) = made(&lab, "gitea", &fixtures().join("gitea"));
    let compose = fs::read_to_string(recipe.join("compose.yml")).unwrap();
    assert!(
        compose.contains("GITEA__database__PASSWD__FILE: /run/secrets/db_password"),
        "{compose}"
    );
    assert!(compose.contains("MYSQL_PASSWORD_FILE: /run/secrets/db_password"), "{compose}");
    assert!(
        compose.contains("MYSQL_ROOT_PASSWORD_FILE: /run/secrets/db_root_password"),
        "{compose}"
    );
    assert!(compose.contains("GITEA__database__HOST: ${STACK_NAME}_db:3306"), "{compose}");
    assert!(compose.contains("aliases:\n          - server"), "{compose}");
    let sample = fs::read_to_string(recipe.join(".env.sample")).unwrap();
    assert!(sample.contains("SECRET_DB_PASSWORD_VERSION=v1 # length=32 charset=hex\n"), "{sample}");
    assert!(sample.contains("#SSH_PORT=222\n"), "{sample}");
    let positions =
        said["changes"].as_array().unwrap().iter().filter(|it| it["position"].is_string());
    assert!(positions.count() > 5, "{said}");
}

#[test]
fn an_address_with_a_password_is_filled_in_by_swarm() {
    let lab = Lab::new();
    let (recipe, _) = made(&lab, "outline", &fixtures().join("outline"));
    let template = fs::read_to_string(recipe.join("database_url.tmpl")).unwrap();
    assert_eq!(
        template,
        "postgres://user:{{ secret \"db_password\" }}@{{ env \"STACK_NAME\" }}_postgres:5432/outline"
    );
    let compose = fs::read_to_string(recipe.join("compose.yml")).unwrap();
    assert!(compose.contains("DATABASE_URL_FILE: /run/config/DATABASE_URL"), "{compose}");
}

#[test]
fn a_password_that_an_image_reads_nowhere_is_a_decision() {
    let lab = Lab::new();
    let (recipe, said) = made(&lab, "umami", &fixtures().join("umami"));
    let compose = fs::read_to_string(recipe.join("compose.yml")).unwrap();
    assert!(
        compose.contains(
            "DATABASE_URL: postgresql://umami:${DB_PASSWORD}@${STACK_NAME}_db:5432/umami"
        ),
        "{compose}"
    );
    assert!(
        compose.contains("POSTGRES_PASSWORD: ${DB_PASSWORD:?a long random value for each app}"),
        "{compose}"
    );
    let sample = fs::read_to_string(recipe.join(".env.sample")).unwrap();
    assert!(sample.contains("\nDB_PASSWORD=\n"), "{sample}");
    let decision = said["decisions"]
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["what"].as_str().unwrap().contains("DB_PASSWORD"));
    assert!(decision.is_some(), "{said}");
}

#[test]
fn what_a_swarm_lacks_is_said() {
    let lab = Lab::new();
    let folder = project(&[
        (
            "compose.yml",
            "x-common: &common\n  restart: unless-stopped\n  logging: {driver: local}\n\
             services:\n  web:\n    <<: *common\n    build: .\n    ports: ['8080:80', '53:53/udp']\n    container_name: one\n\
             \x20   privileged: true\n    cap_add: [NET_ADMIN]\n    extra_hosts: ['host.docker.internal:host-gateway']\n\
             \x20   volumes: ['/var/run/docker.sock:/var/run/docker.sock', './app.ini:/etc/app.ini:ro', '/anon', './missing.conf:/etc/m.conf']\n\
             \x20   mem_limit: 512m\n    cpus: 1.5\n    depends_on: {cache: {condition: service_started}}\n\
             \x20   environment: {A_KEY: x, NOT_PASSWORD_FILE: /x, SMTP_PASSWORD: '', 'YES': 'yes'}\n\
             \x20 cache:\n    image: redis:7\n    command: redis-server --requirepass q1w2e3r4t5 --save ''\n\
             \x20 extra:\n    image: busybox\n    profiles: [debug]\n",
        ),
        ("app.ini", "[db]\npassword = z9y8x7w6\nmotd = {{ hello }}\n"),
    ]);
    let (recipe, said) = made(&lab, "odd", folder.path());
    let files = texts(&recipe);
    let compose = &files["compose.yml"];
    for text in ["q1w2e3r4t5", "z9y8x7w6"] {
        assert!(files.values().all(|file| !file.contains(text)), "{text}: {files:#?}");
        assert!(!said.to_string().contains(text), "{said}");
    }
    assert_eq!(
        files["app.ini"],
        "[db]\npassword = {{ secret \"password\" }}\nmotd = {{ \"{{\" }} hello }}\n"
    );
    assert!(compose.contains("template_driver: golang"), "{compose}");
    assert!(compose.contains("memory: 512m") && compose.contains("cpus: \"1.5\""), "{compose}");
    assert!(compose.contains("$$(cat /run/secrets/"), "{compose}");
    let decisions = said["decisions"].to_string();
    for word in [
        "privileged",
        "NET_ADMIN",
        "host-gateway",
        "docker.sock",
        "missing.conf",
        "no image",
        "debug",
        "53/udp",
        "SMTP_PASSWORD",
    ] {
        assert!(decisions.contains(word), "{word}: {decisions}");
    }
    if let Some(config) = docker(&lab, &recipe) {
        config.unwrap();
    }
}

#[test]
fn extends_includes_and_overlays_are_resolved() {
    let lab = Lab::new();
    let folder = project(&[
        (
            "compose.yml",
            "include: [more/compose.yml]\nservices:\n  web:\n    extends: {file: base.yml, service: base}\n    ports: ['80:80']\n",
        ),
        ("compose.override.yml", "services:\n  web:\n    environment: {OVER: there}\n"),
        (
            "base.yml",
            "services:\n  base:\n    image: example/base:1\n    environment: {BASE: one}\n",
        ),
        (
            "more/compose.yml",
            "services:\n  db:\n    image: postgres:17\n    environment: {POSTGRES_PASSWORD: a1b2c3}\n    volumes: ['./data:/var/lib/postgresql/data']\n",
        ),
    ]);
    let (recipe, _) = made(&lab, "parts", folder.path());
    let compose = fs::read_to_string(recipe.join("compose.yml")).unwrap();
    for text in [
        "BASE: one",
        "OVER: there",
        "image: postgres:17",
        "POSTGRES_PASSWORD_FILE: /run/secrets/db_password",
    ] {
        assert!(compose.contains(text), "{text}: {compose}");
    }
    assert!(linted(&lab, "parts").iter().all(|(severity, _)| severity != "error"));
}

#[test]
fn what_cannot_be_read_leaves_nothing_behind() {
    let lab = Lab::new();
    let outside = project(&[("secret.yml", "services: {a: {image: s3cr3t}}\n")]);
    let broken = project(&[("compose.yml", "services: {a: {image: x}, a: {image: y}}\n")]);
    let leads_out = project(&[(
        "compose.yml",
        "services:\n  a:\n    extends: {file: ../secret.yml, service: a}\n",
    )]);
    let linked = project(&[]);
    std::os::unix::fs::symlink(
        outside.path().join("secret.yml"),
        linked.path().join("compose.yml"),
    )
    .unwrap();
    let empty = project(&[]);
    let odd = project(&[("compose.yml", "services: {a: {image: x, environment: {A: '${B'}}}\n")]);
    for (from, code, word) in [
        ("https://example.org/compose.yml", 2, "download"),
        (empty.path().to_str().unwrap(), 1, "no compose file"),
        (linked.path().to_str().unwrap(), 1, "leads out of the project"),
        (odd.path().to_str().unwrap(), 1, "compose.yml:1: `${B`"),
        (broken.path().to_str().unwrap(), 1, "duplicate key"),
        (leads_out.path().to_str().unwrap(), 1, "secret.yml"),
        ("/nowhere/at/all", 1, "cannot be read"),
    ] {
        let run = lab.run(&[&["recipe", "new", "none", "--from", from], &WHO[..]].concat());
        assert_eq!(run.code, code, "{from}: {run}");
        assert!(run.stderr.contains(word), "{from}: {run}");
        assert!(!run.stderr.contains("s3cr3t"), "{run}");
        assert!(!lab.path("potluck/recipes/none").exists(), "{from}");
    }
}

#[test]
fn names_of_others_are_shown_on_one_line() {
    let lab = Lab::new();
    let folder = project(&[(
        "compose.yml",
        "services:\n  \"a\\e[31m\\nfake: line\":\n    image: \"x:1\"\n    container_name: y\n    ports: ['80:80']\n",
    )]);
    let from = folder.path().to_str().unwrap();
    let run = lab.run(&[&["recipe", "new", "hostile", "--from", from], &WHO[..]].concat());
    assert!(!run.stderr.contains('\u{1b}') && !run.stderr.contains("\nfake"), "{run}");
}

#[test]
fn each_change_and_each_decision_is_a_line() {
    let lab = Lab::new();
    let from = fixtures().join("uptime-kuma");
    let run =
        lab.run(&[&["recipe", "new", "kuma", "--from", from.to_str().unwrap()], &WHO[..]].concat());
    assert_eq!(run.code, 0, "{run}");
    let said = run.stderr.replace(lab.path("").to_str().unwrap(), "PLACE/");
    insta::assert_snapshot!("recipe_from_uptime_kuma", said);
    let recipe = lab.path("potluck/recipes/kuma");
    insta::assert_snapshot!(
        "recipe_from_uptime_kuma_compose",
        fs::read_to_string(recipe.join("compose.yml")).unwrap()
    );
}

#[test]
fn what_the_upstream_requires_stops_the_app_until_it_is_set() {
    let lab = Lab::new();
    let folder = project(&[
        (
            "compose.yml",
            "services:\n  web:\n    image: example/wiki:1\n    ports: ['80:80']\n    environment:\n      \
             TITLE: ${TITLE:?what it is called}\n      \
             DATABASE_URL: postgres://wiki:${POSTGRES_PASSWORD}@db/wiki\n  db:\n    \
             image: postgres:17\n    environment: {POSTGRES_PASSWORD: '${POSTGRES_PASSWORD}'}\n",
        ),
        (".env", "POSTGRES_PASSWORD=\n"),
    ]);
    let (recipe, _) = made(&lab, "strict", folder.path());
    // The sample is right as it is: each app fills it in.
    assert!(linted(&lab, "strict").iter().all(|(severity, _)| severity != "error"));
    if let Some(config) = docker(&lab, &recipe) {
        config.unwrap();
    }
    let new = ["app", "new", "strict", "--domain", "s.example", "--server", "simulated"];
    assert_eq!(lab.run(&new).code, 0);
    for command in [&["app", "check", "s.example"][..], &["app", "deploy", "s.example", "--yes"]] {
        let run = lab.run(command);
        assert_eq!(run.code, 1, "{run}");
        let said = format!("{}{}", run.stdout, run.stderr);
        for words in [
            "TITLE must be set: what it is called",
            "POSTGRES_PASSWORD must be set: a long random value for each app",
        ] {
            assert!(said.contains(words), "{words}: {run}");
        }
    }
    let set = ["app", "env", "set", "s.example", "TITLE=Our wiki", "POSTGRES_PASSWORD=q1w2e3r4"];
    assert_eq!(lab.run(&set).code, 0);
    let run = lab.run(&["app", "check", "s.example", "--offline"]);
    assert!(!format!("{run}").contains("must be set"), "{run}");
    let run = lab.run(&["recipe", "test", "strict", "--chaos", "--level", "1"]);
    assert_eq!(run.code, 0, "{run}");
}

#[test]
fn commands_to_type_next_are_whole_in_a_folder_with_blanks() {
    let lab = Lab::new();
    let place = lab.path("my recipes/wiki");
    let place = place.to_str().unwrap();
    let run = lab.run(&[&["recipe", "new", "wiki", "--output", place][..], &WHO].concat());
    assert_eq!(run.code, 0, "{run}");
    assert!(run.stderr.contains("potluck recipe lint '[LAB]/my recipes/wiki'"), "{run}");
    // One that exists gets the file of a CI, and nothing else.
    let before = texts(Path::new(place));
    let add = ["recipe", "new", "wiki", "--output", place, "--ci", "forgejo"];
    let run = lab.run(&add);
    assert_eq!(run.code, 0, "{run}");
    let command = "git -C '[LAB]/my recipes/wiki' add .forgejo/workflows/recipe.yml";
    assert!(run.stderr.contains(command), "{run}");
    let mut after = texts(Path::new(place));
    assert!(after.remove(".forgejo/workflows/recipe.yml").is_some());
    assert_eq!(before, after);
    let run = lab.run(&add);
    assert_eq!(run.code, 1, "{run}");
    assert!(run.stderr.contains("remove it first"), "{run}");
    // A release says what is wrong where none of its services is `app`.
    let compose = lab.path("my recipes/wiki/compose.yml");
    let text = fs::read_to_string(&compose).unwrap();
    fs::write(&compose, text.replacen("  app:", "  web:", 1)).unwrap();
    for command in
        [&["recipe", "release", place, "--minor"][..], &["recipe", "sync", place, "--minor"]]
    {
        let run = lab.run(command);
        assert_eq!(run.code, 1, "{run}");
        assert!(run.stderr.contains("call that one `app` in compose.yml"), "{run}");
    }
}

#[test]
fn keys_limits_and_owners_are_what_docker_reads() {
    let lab = Lab::new();
    let key = "-----BEGIN PRIVATE KEY-----\ns3cr3t\n-----END PRIVATE KEY-----\n";
    let folder = project(&[
        (
            "compose.yml",
            "services:\n  web:\n    image: example/wiki:1\n    ports: ['80:80']\n    pids_limit: 200\n    \
             healthcheck: {disable: true}\n    tmpfs: ['/run:size=16m']\n    \
             secrets: [{source: token, target: /t, mode: 0400, uid: '70', gid: '70'}]\n    \
             configs: [{source: c, target: /c, mode: 0440, gid: '33'}]\n    \
             volumes: ['./tls.key:/tls.key:ro', './01-init.sql:/x/01-init.sql:ro', 'd:/data']\n\
             secrets: {token: {file: ./token}}\nconfigs: {c: {content: x}}\nvolumes: {d: }\n",
        ),
        ("tls.key", key),
        ("01-init.sql", "create role x password 's3cr3t-role';\n"),
        ("token", "s3cr3t"),
    ]);
    let (recipe, said) = made(&lab, "kept", folder.path());
    for (file, text) in texts(&recipe) {
        assert!(!text.contains("s3cr3t"), "{file}: {text}");
    }
    assert!(!said.to_string().contains("s3cr3t"), "{said}");
    let errors = linted(&lab, "kept");
    assert!(errors.iter().all(|(severity, _)| severity != "error"), "{errors:?}");
    if let Some(config) = docker(&lab, &recipe) {
        config.unwrap();
    }
}
