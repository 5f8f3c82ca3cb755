//! Recipes made from what projects publish for Docker Compose, deployed unedited on the real
//! swarm. Databases are real ones; for each app stands one that reads what the app's image
//! reads, connects with the account that it was given, writes to its folders, and serves only
//! then (`tests/images/standin`). `tests/fixtures/upstream/contracts.yml` says what each needs.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::support::{
    cli::{Lab, Run},
    common::{Cleanup, PATIENCE, ports, real_engine},
    operator::{domain, folder, has_images},
};

const IMAGES: [&str; 4] = ["standin:1", "stores:1", "mariadb:1", "nginx:1"];

/// What the services of one project's recipe need.
struct Project {
    name: String,
    /// Settings that a person has to give.
    answers: BTreeMap<String, String>,
    services: BTreeMap<String, Value>,
}

fn upstream() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/upstream")
}

fn projects() -> Vec<Project> {
    let text = fs::read_to_string(upstream().join("contracts.yml")).unwrap();
    let all: BTreeMap<String, BTreeMap<String, Value>> = serde_saphyr::from_str(&text).unwrap();
    let project = |(name, mut services): (String, BTreeMap<String, Value>)| {
        let answers = services.remove("answers").unwrap_or_default();
        let answers = answers.as_object().cloned().unwrap_or_default();
        let answers = answers.into_iter().map(|(key, it)| (key, it.as_str().unwrap().to_owned()));
        Project { name, answers: answers.collect(), services }
    };
    all.into_iter().map(project).collect()
}

impl Project {
    /// A file that puts images of this machine in the place of the project's.
    fn overlay(&self) -> String {
        let mut text = String::from("services:\n");
        for (service, contract) in &self.services {
            // Where containers run in containers, virtual addresses lead nowhere.
            let _ = writeln!(text, "  {service}:\n    deploy: {{endpoint_mode: dnsrr}}");
            if let Some(files) = contract["nofile"].as_u64() {
                let _ = writeln!(text, "    ulimits: {{nofile: {{soft: {files}, hard: {files}}}}}");
            }
            match contract["image"].as_str() {
                Some(image) => {
                    let _ = writeln!(text, "    image: potluck-test/{image}:1");
                    if let Some(command) = contract["command"].as_str() {
                        let _ = writeln!(text, "    command: [{command}]");
                    }
                }
                None => {
                    let json = contract.to_string().replace('$', "$$").replace('\'', "''");
                    let _ = writeln!(text, "    image: potluck-test/standin:1");
                    let _ = writeln!(text, "    environment: {{STANDIN: '{json}'}}");
                }
            }
        }
        text
    }

    /// From the project's files to a backup of its data; what went wrong, at the first step.
    fn goes(&self) -> Result<Duration, String> {
        let began = Instant::now();
        let lab = folder();
        let from = upstream().join(&self.name);
        let arguments = ["recipe", "new", &self.name, "--from", from.to_str().unwrap()];
        let who = ["-N", "Anna", "-e", "anna@example.org"];
        is_good("recipe new", &lab.run(&[&arguments[..], &who].concat()))?;
        // As a folder without history, which is deployed as it is.
        let recipe = lab.path(&self.name);
        fs::rename(lab.path("potluck/recipes").join(&self.name), &recipe).unwrap();
        fs::remove_dir_all(recipe.join(".git")).unwrap();
        fs::write(recipe.join("compose.standin.yml"), self.overlay()).unwrap();

        let (domain, stack) = domain(&self.name);
        let port = ports();
        let port_file = recipe.join("compose.port.yml");
        let has_port = port_file.exists();
        if has_port {
            let text = fs::read_to_string(&port_file).unwrap();
            fs::write(&port_file, text.replace("mode: ingress", "mode: host")).unwrap();
        }
        let overlays = if has_port { "compose.port.yml:" } else { "" };
        let mut settings = vec![
            format!("COMPOSE_FILE=compose.yml:{overlays}compose.standin.yml"),
            format!("PORT={port}"),
        ];
        settings.extend(self.answers.iter().map(|(key, value)| format!("{key}={value}")));
        let folder = format!("./{}", self.name);
        let mut new = vec!["app", "new", &folder, "--server", "here", "-n", "--domain", &domain];
        for setting in &settings {
            new.extend(["--set", setting]);
        }
        is_good("app new", &lab.run(&new))?;
        is_good("secrets", &lab.run(&["app", "secret", "generate", &domain, "-n"]))?;
        let _cleanup = Cleanup::new(&stack);
        let deploy = ["app", "deploy", &domain, "-n"];
        let asked = lab.run(&deploy);
        let grants = grants(&asked.stderr);
        let grants = grants.iter().flat_map(|grant| ["--grant", grant]);
        let deploy: Vec<&str> = deploy.into_iter().chain(grants).collect();
        if asked.code != 0 {
            is_good("app deploy", &lab.run(&deploy))?;
        }
        self.serves(&lab, &domain, has_port.then_some(port))?;
        is_good("backup create", &lab.run(&["backup", "create", &domain]))?;
        Ok(began.elapsed())
    }

    /// Whether people reach it, and each stand-in found what it needs.
    fn serves(&self, lab: &Lab, domain: &str, port: Option<u16>) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        let mut open: BTreeSet<&String> =
            self.services.iter().filter(|(_, it)| it["image"].is_null()).map(|it| it.0).collect();
        let mut page = port.map(|port| format!("http://127.0.0.1:{port}/"));
        while !open.is_empty() || page.is_some() {
            let mut said = String::new();
            open.retain(|service| {
                let run = lab.run(&["app", "logs", domain, service]);
                let met = run.stdout.contains("the contract is met");
                if !met {
                    said = run.to_string();
                }
                !met
            });
            page = page.filter(|address| {
                let got = Command::new("curl").args(["-sL", address]).output().unwrap();
                !got.status.success() || got.stdout.is_empty()
            });
            if Instant::now() > deadline {
                return Err(format!("not served: {open:?} {page:?}: {said}"));
            }
            std::thread::sleep(Duration::from_millis(500));
        }
        Ok(())
    }
}

fn is_good(what: &str, run: &Run) -> Result<(), String> {
    if run.code == 0 { Ok(()) } else { Err(format!("{what}: {run}")) }
}

/// What a refused deploy asks people to agree to.
fn grants(said: &str) -> Vec<String> {
    let parts = said.split("--grant '").skip(1);
    let mut found: Vec<String> =
        parts.filter_map(|part| Some(part.split_once('\'')?.0.to_owned())).collect();
    found.dedup();
    found
}

/// Each of these projects; those that do not go are told at once.
fn all_go(projects: &[Project]) {
    let mut table = String::from("| project | deployed, served and backed up |\n|---|---|\n");
    let mut wrong = vec![];
    for project in projects {
        let result = project.goes();
        let shown = match &result {
            Ok(took) => format!("yes, {} s", took.as_secs()),
            Err(_) => "no".to_owned(),
        };
        let _ = writeln!(table, "| {} | {shown} |", project.name);
        println!("{}: {shown}", project.name);
        wrong.extend(result.err().map(|error| format!("{}: {error}", project.name)));
    }
    println!("{table}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn each_project_of_the_fixtures_has_a_contract() {
    let named: BTreeSet<String> = projects().into_iter().map(|project| project.name).collect();
    let there = fs::read_dir(upstream()).unwrap().map(|entry| entry.unwrap());
    let there = there.filter(|entry| entry.path().is_dir());
    assert_eq!(named, there.map(|entry| entry.file_name().into_string().unwrap()).collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_is_deployed_and_backed_up_as_it_was_made() {
    if real_engine().await.is_none() || !has_images(&IMAGES) {
        return;
    }
    let projects: Vec<_> = projects().into_iter().filter(|it| it.name == "paperless").collect();
    assert_eq!(projects.len(), 1);
    all_go(&projects);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make campaign upstream"]
async fn all_projects_are_deployed_and_backed_up_as_they_were_made() {
    if real_engine().await.is_none() || !has_images(&IMAGES) {
        return;
    }
    let only = std::env::var("POTLUCK_UPSTREAM_ONLY").unwrap_or_default();
    let projects: Vec<_> =
        projects().into_iter().filter(|it| only.is_empty() || only.contains(&it.name)).collect();
    all_go(&projects);
}
