//! An afternoon's switch from abra: a server that was deployed by hand as abra deploys, the
//! folder `~/.abra`, a week of operations with potluck, and back to abra's files.

use crate::support::{
    cli::{Lab, Run},
    common::{BUSYBOX, Cleanup, endpoint, eventually, real_engine, remove_stack},
    operator::{SLEEP, docker, domain, good},
};

use std::{
    collections::BTreeMap,
    fs,
    process::{Command, Stdio},
};

use potluck::home::StackName;

const ABRA: &str = "home/.abra";
const V1: &str = "1.0.0+1.0";
const V2: &str = "1.1.0+1.1";

/// The recipe as Co-op Cloud writes them.
fn compose(version: &str) -> String {
    format!(
        r#"version: "3.8"
services:
  app:
    image: {BUSYBOX}
    command: {SLEEP}
    stop_grace_period: 0s
    networks: [internal]
    environment:
      - DOMAIN
      - TITLE
    configs:
      - source: app_conf
        target: /conf
    secrets: [admin_password]
    volumes: ["content:/content"]
    deploy:
      endpoint_mode: dnsrr
      labels:
        - "coop-cloud.${{STACK_NAME}}.version={version}"
        - "coop-cloud.${{STACK_NAME}}.timeout=${{TIMEOUT:-60}}"
        - "traefik.enable=true"
        - "traefik.http.routers.${{STACK_NAME}}.rule=Host(`${{DOMAIN}}`)"
        - "backupbot.backup=${{ENABLE_BACKUPS:-true}}"
  db:
    image: {BUSYBOX}
    command: {SLEEP}
    stop_grace_period: 0s
    networks: [internal]
    volumes: ["data:/data"]
    deploy:
      endpoint_mode: dnsrr
      labels:
        backupbot.backup.pre-hook: "cp /data/rows /data/dump.txt"
        backupbot.backup.volumes.data.path: "dump.txt"
        backupbot.restore.post-hook: "cp /data/dump.txt /data/rows"
networks:
  internal:
volumes:
  content:
  data:
configs:
  app_conf:
    name: ${{STACK_NAME}}_app_conf_${{APP_CONF_VERSION}}
    file: app.conf.tmpl
    template_driver: golang
secrets:
  admin_password:
    external: true
    name: ${{STACK_NAME}}_admin_password_${{SECRET_ADMIN_PASSWORD_VERSION}}
"#
    )
}

/// A workstation and a server with abra's work.
struct Abra {
    lab: Lab,
    domain: String,
    stack: StackName,
    _cleanup: Cleanup,
}

impl Abra {
    /// None, said loudly, where there is no engine.
    async fn new() -> Option<Self> {
        real_engine().await?;
        let (domain, stack) = domain("switch");
        let cleanup = Cleanup::new(&stack);
        let lab = Lab::new();
        for (version, of_conf) in [(V1, "v1"), (V2, "v2")] {
            lab.write("tiny/compose.yml", &compose(version));
            lab.write(
                "tiny/.env.sample",
                "TYPE=tiny\n\nDOMAIN=tiny.example.com\n#EXTRA_DOMAINS=', `www.tiny.example.com`'\n\
                 LETS_ENCRYPT_ENV=production\n\nTITLE=\nMOTTO=none\nENABLE_BACKUPS=true\n\
                 COMPOSE_FILE=\"compose.yml\"\n\nSECRET_ADMIN_PASSWORD_VERSION=v1 # length=24\n",
            );
            lab.write(
                "tiny/app.conf.tmpl",
                &format!("conf {of_conf} of {{{{ env \"DOMAIN\" }}}}: {{{{ env \"MOTTO\" }}}}\n"),
            );
            lab.write(
                "tiny/abra.sh",
                &format!(
                    "export APP_CONF_VERSION={of_conf}\n\nset_title() {{\n  echo \"$1\"\n}}\n"
                ),
            );
            lab.write(&format!("tiny/release/{V2}"), "The motto is in the title now.\n");
            lab.release(version);
        }
        let recipes = lab.path(&format!("{ABRA}/recipes"));
        fs::create_dir_all(&recipes).unwrap();
        let clone = Command::new("git")
            .args(["clone", "-q"])
            .arg(lab.path("tiny"))
            .arg(recipes.join("tiny"))
            .status();
        assert!(clone.unwrap().success());
        let settings = format!(
            "TYPE=tiny:{V1}\n\nDOMAIN={domain}\nLETS_ENCRYPT_ENV=production\n\nTITLE=\"Our \
             wiki\"\nMOTTO=\"soup for all\"\nENABLE_BACKUPS=true\n\
             COMPOSE_FILE=\"compose.yml\"\n\nSECRET_ADMIN_PASSWORD_VERSION=v1 # length=24\n"
        );
        lab.write(&format!("{ABRA}/servers/here/{domain}.env"), &settings);
        let abra = Abra { lab, domain, stack, _cleanup: cleanup };
        abra.checkout(V1);
        let mut secret = Command::new("docker")
            .args(["-H", &endpoint(), "secret", "create"])
            .args([&format!("{}_admin_password_v1", abra.stack), "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut secret.stdin.take().unwrap(), b"of abra").unwrap();
        assert!(secret.wait().unwrap().success());
        Some(abra)
    }

    /// potluck with abra's folder.
    fn run(&self, arguments: &[&str]) -> Run {
        self.lab.run(&[&["--potluck-dir", ABRA], arguments].concat())
    }

    fn json(&self, arguments: &[&str]) -> serde_json::Value {
        self.lab.json(&[&["--potluck-dir", ABRA], arguments, &["--json"]].concat())
    }

    fn recipe(&self) -> std::path::PathBuf {
        self.lab.path(&format!("{ABRA}/recipes/tiny"))
    }

    fn git(&self, arguments: &[&str]) -> String {
        let output = Command::new("git").arg("-C").arg(self.recipe()).args(arguments).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn checkout(&self, version: &str) {
        self.git(&["checkout", "-q", version]);
    }

    /// The settings as abra reads them: each line, without its comment and its quotes.
    fn settings(&self) -> BTreeMap<String, String> {
        let path = self.lab.path(&format!("{ABRA}/servers/here/{}.env", self.domain));
        let text = fs::read_to_string(path).unwrap();
        let lines = text.lines().map(|line| line.split(" #").next().unwrap_or_default().trim());
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines
            .map(|line| {
                let (key, value) = line.split_once('=').unwrap();
                (key.to_owned(), value.trim_matches('"').to_owned())
            })
            .collect()
    }

    /// `abra app deploy`: versions from abra.sh, all settings for the service `app`, abra's
    /// own labels, and docker's stack.
    fn deploy(&self) {
        let settings = self.settings();
        let version = settings["TYPE"].split_once(':').unwrap().1.to_owned();
        self.checkout(&version);
        let stack = self.stack.as_str();
        let abra_sh = fs::read_to_string(self.recipe().join("abra.sh")).unwrap();
        let exports = abra_sh.lines().filter_map(|line| line.strip_prefix("export "));
        let exports = exports.filter_map(|export| export.split_once('='));
        let mut all: BTreeMap<&str, &str> = exports.collect();
        all.extend(settings.iter().map(|(key, value)| (key.as_str(), value.as_str())));
        all.insert("STACK_NAME", stack);
        let exposed: String =
            all.iter().map(|(key, value)| format!("      {key}: '{value}'\n")).collect();
        self.lab.write(
            "abra.yml",
            &format!(
                "version: '3.8'\nservices:\n  app:\n    environment:\n{exposed}    deploy:\n      \
                 labels:\n        coop-cloud.{stack}.recipe: tiny\n        coop-cloud.{stack}.chaos: \
                 'false'\n"
            ),
        );
        let deployed = Command::new("docker")
            .args(["-H", &endpoint(), "stack", "deploy", "--detach=false", "--quiet"])
            .arg("-c")
            .arg(self.recipe().join("compose.yml"))
            .arg("-c")
            .arg(self.lab.path("abra.yml"))
            .arg(stack)
            .envs(all)
            .output()
            .unwrap();
        assert!(deployed.status.success(), "{}", String::from_utf8_lossy(&deployed.stderr));
    }

    /// Ids of the tasks that run, by service.
    async fn tasks(&self) -> BTreeMap<String, String> {
        eventually("each service to run one task", || async {
            let format = "{{.Name}} {{.ID}}";
            let filter = ["--filter", "desired-state=running", "--no-trunc", "--format", format];
            let said = docker(&[&["stack", "ps", self.stack.as_str()][..], &filter].concat());
            let rows = said.lines().filter_map(|line| line.split_once(' '));
            let prefix = format!("{}_", self.stack);
            let by_service: BTreeMap<String, String> = rows
                .filter_map(|(name, id)| {
                    let key = name.strip_prefix(&prefix)?.split('.').next()?;
                    Some((key.to_owned(), id.to_owned()))
                })
                .collect();
            (by_service.len() == 2).then_some(by_service)
        })
        .await
    }

    fn inside(&self, service: &str, script: &str) -> String {
        let run = self.run(&["app", "run", &self.domain, service, "--", "sh", "-c", script]);
        good(&run);
        run.stdout
    }

    fn restic(&self, arguments: &[&str]) -> String {
        let done = Command::new("restic")
            .args(arguments)
            .env("RESTIC_REPOSITORY", self.lab.path("store"))
            .env("RESTIC_PASSWORD", "sesame")
            .env("RESTIC_CACHE_DIR", self.lab.path("cache"))
            .output()
            .unwrap();
        assert!(done.status.success(), "{arguments:?}: {done:?}");
        String::from_utf8(done.stdout).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_abra_is_switched_used_for_a_week_and_given_back() {
    let Some(abra) = Abra::new().await else { return };
    let domain = abra.domain.as_str();
    abra.deploy();
    let of_abra = abra.tasks().await;
    // The backups of abra's server: restic, of the folders of its volumes.
    abra.restic(&["init", "-q"]);
    abra.lab.write("volumes/content/page", "as abra saved it");
    abra.restic(&["backup", "-q", abra.lab.path("volumes").to_str().unwrap()]);
    let earlier = abra.restic(&["snapshots", "--json"]);

    // The afternoon. What is here is seen before anything is touched.
    abra.lab.write("sesame", "sesame");
    abra.lab.write(
        &format!("{ABRA}/servers/here/server.yml"),
        &format!(
            "endpoint: {}\nbackup:\n  repository: {}\n  password-file: {}\n",
            endpoint(),
            abra.lab.path("store").display(),
            abra.lab.path("sesame").display()
        ),
    );
    let listed = abra.json(&["app", "ls", "--status"]);
    assert_eq!((&listed[0]["app"], &listed[0]["status"]), (&domain.into(), &"deployed".into()));
    let checked = abra.run(&["app", "check", domain]);
    // Until it is taken over.
    assert!(checked.code == 1 && checked.stdout.contains("takes it over"), "{checked}");
    // abra handed it over without the recipe naming it.
    assert!(checked.stdout.contains("reads MOTTO of the settings"), "{checked}");
    let refused = abra.run(&["app", "deploy", domain, "-n"]);
    assert_eq!(refused.code, 6, "{refused}");
    assert!(refused.stderr.contains("--takeover"), "{refused}");
    assert_eq!(abra.tasks().await, of_abra);
    let grant = ["--grant", "backupbot exec: db"];
    let take = [&["app", "deploy", domain, "-n", "--takeover"][..], &grant].concat();
    good(&abra.run(&take));
    let taken = abra.tasks().await;
    assert_eq!(taken["db"], of_abra["db"], "what did not change was not restarted");
    assert_eq!(abra.inside("app", "cat /run/secrets/admin_password; echo $MOTTO"), "of abra\n");
    good(&abra.run(&["app", "deploy", domain, "-n"]));
    assert_eq!(abra.tasks().await, taken);
    good(&abra.run(&["key", "new"]));
    let adopted = abra.run(&["app", "secret", "adopt", domain, "--yes"]);
    good(&adopted);
    let secrets = abra.json(&["app", "secret", "ls", domain]);
    assert_eq!(secrets[0]["kept"], true, "{secrets}");

    // Monday: a backup, which is the first.
    abra.inside("app", "echo soup >/content/page");
    abra.inside("db", "echo rows >/data/rows");
    good(&abra.run(&["backup", "create", domain]));
    let kept: serde_json::Value =
        serde_json::from_str(&abra.restic(&["snapshots", "--json"])).unwrap();
    let theirs: serde_json::Value = serde_json::from_str(&earlier).unwrap();
    assert!(kept.as_array().unwrap().contains(&theirs[0]), "{kept}");
    let status = abra.json(&["status"]);
    assert_eq!((&status["ok"], &status["apps"][0]["severity"]), (&true.into(), &"fine".into()));
    assert_eq!(status["apps"][0]["newest"], V2);

    // Tuesday: a setting, and a word of abra's that means a function of its shell.
    good(&abra.run(&["app", "env", "set", domain, "TITLE=The wiki"]));
    good(&abra.run(&["app", "deploy", domain, "-n"]));
    assert_eq!(
        abra.inside("app", "echo $TITLE; cat /conf"),
        format!("The wiki\nconf v1 of {domain}: \n")
    );
    let function = abra.run(&["app", "cmd", domain, "app", "set_title"]);
    assert!(function.code != 0 && function.stderr.contains("recipe port tiny"), "{function}");

    // Wednesday: the newer version, with its note, and a backup before.
    let upgraded = abra.run(&["app", "upgrade", domain, "-n"]);
    good(&upgraded);
    assert!(upgraded.stderr.contains("The motto is in the title now."), "{upgraded}");
    assert!(abra.inside("app", "cat /conf").starts_with("conf v2 of"));

    // Thursday: files in and out, a restart, the password anew.
    abra.lab.write("logo", "a pot");
    good(&abra.run(&["app", "cp", domain, "logo", "app:/content/logo"]));
    let archive = abra.run(&["app", "cp", domain, "app:/content", "-"]);
    assert!(archive.code == 0 && archive.stdout.contains("a pot"), "{archive}");
    good(&abra.run(&["app", "restart", domain, "app"]));
    good(&abra.run(&["app", "secret", "rotate", domain, "admin_password"]));
    good(&abra.run(&["app", "deploy", domain, "-n"]));
    assert_ne!(abra.inside("app", "cat /run/secrets/admin_password"), "of abra");

    // Friday: data is lost, and comes back.
    good(&abra.run(&["backup", "create", domain]));
    abra.inside("app", "rm -r /content/page");
    abra.inside("db", "echo spoiled >/data/rows");
    good(&abra.run(&["backup", "restore", domain, "latest", "--yes"]));
    assert_eq!(abra.inside("app", "cat /content/page"), "soup\n");
    assert_eq!(abra.inside("db", "cat /data/rows"), "rows\n");

    // The weekend: a change that is in no version yet, labelled as abra does, and back from it.
    let label = |name: &str| {
        let format = format!("{{{{index .Spec.Labels \"coop-cloud.{}.{name}\"}}}}", abra.stack);
        let service = format!("{}_app", abra.stack);
        docker(&["service", "inspect", &service, "--format", &format]).trim().to_owned()
    };
    abra.checkout(V2);
    let template = abra.recipe().join("app.conf.tmpl");
    fs::write(&template, "conf of the weekend of {{ env \"DOMAIN\" }}\n").unwrap();
    good(&abra.run(&["app", "deploy", domain, "-n", "-C"]));
    assert!(abra.inside("app", "cat /conf").starts_with("conf of the weekend"));
    assert_eq!(label("chaos"), "true");
    assert!(label("chaos-version").ends_with("+U"), "{}", label("chaos-version"));
    good(&abra.run(&["recipe", "reset", "tiny", "--yes"]));
    good(&abra.run(&["app", "rollback", domain, "-n"]));
    assert!(abra.inside("app", "cat /conf").starts_with("conf v2 of"));
    assert_ne!(label("chaos"), "true");
    // And to the version before, with what the team did.
    good(&abra.run(&["app", "deploy", domain, V1, "-n", "--downgrade"]));
    let done = abra.json(&["log"]);
    let done = done["operations"].as_array().unwrap().iter();
    let done: Vec<&str> = done.map(|line| line["what"].as_str().unwrap()).collect();
    for what in ["deploy", "backup", "upgrade", "restart", "rotate", "restore", "rollback"] {
        assert!(done.contains(&what), "{what}: {done:?}");
    }

    // And back to abra's files: it finds what it knows, and deploys it.
    assert_eq!(abra.git(&["status", "--porcelain"]), "");
    let settings = abra.settings();
    assert!(settings["TYPE"].starts_with("tiny:1."), "{settings:?}");
    assert_eq!(settings["SECRET_ADMIN_PASSWORD_VERSION"], "v2");
    assert_eq!(settings["TITLE"], "The wiki");
    let of_potluck = abra.tasks().await;
    abra.deploy();
    let back = abra.tasks().await;
    assert_eq!(back["db"], of_potluck["db"], "what did not change was not restarted");
    assert_eq!(abra.inside("app", "echo $MOTTO; cat /content/page"), "soup for all\nsoup\n");
    // Each sees what the other did.
    let drift = abra.run(&["app", "drift", domain, "--exit-code"]);
    assert_eq!(drift.code, 7, "{drift}");

    good(&abra.run(&["app", "undeploy", domain, "--yes"]));
    good(&abra.run(&["app", "rm", domain, "--yes", "--no-backup"]));
    let engine = real_engine().await.unwrap();
    remove_stack(engine.as_ref(), &abra.stack).await;
}
