//! An app made from its backup alone: on a server that holds nothing of it, out of a folder
//! that has nothing but a key and a password.

use crate::support::{
    cli::{Lab, Run},
    common::{self, BUSYBOX, Cleanup, docker_stack_rm, endpoint, remove_stack},
    hostile::guests,
    operator::{SLEEP, docker, domain, folder, good, refused},
};

use std::fs;

use potluck::{
    home::StackName,
    plugin::{BackupItem, Belief, Command},
};

/// A recipe whose plugin dumps a database and takes files, with two secrets.
fn compose() -> String {
    format!(
        r#"
services:
  app:
    image: {BUSYBOX}
    command: {SLEEP}
    stop_grace_period: 0s
    volumes: ["content:/content"]
    secrets: [token]
    environment:
      TITLE: ${{TITLE}}
    configs:
      - source: page
        target: /page
    deploy: {{endpoint_mode: dnsrr}}
  db:
    image: {BUSYBOX}
    command: {SLEEP}
    stop_grace_period: 0s
    volumes: ["data:/data"]
    secrets: [db_password]
    deploy: {{endpoint_mode: dnsrr}}
volumes:
  content:
  data:
configs:
  page:
    file: page.txt
secrets:
  token:
    external: true
    name: ${{STACK_NAME}}_token_${{SECRET_TOKEN_VERSION}}
  db_password:
    external: true
    name: ${{STACK_NAME}}_db_password_${{SECRET_DB_PASSWORD_VERSION}}
"#
    )
}

const SAMPLE: &str = "\
TYPE=tiny
DOMAIN=
TITLE=
SECRET_TOKEN_VERSION=v1 # length=24 charset=hex
SECRET_DB_PASSWORD_VERSION=v3 # generate=false
";

fn shell(script: &str) -> Command {
    common::app::shell(script)
}

fn plan() -> Vec<BackupItem> {
    vec![
        BackupItem::Volume { name: "content".into(), paths: Vec::new(), exclude: Vec::new() },
        BackupItem::Dump {
            name: "db.txt".into(),
            service: "db".into(),
            take: shell("cat /data/db.txt"),
            put_back: shell("cat >/data/db.txt.new && mv /data/db.txt.new /data/db.txt"),
            belief: Belief::default(),
        },
    ]
}

/// An app that was backed up, and is gone with its server.
pub(super) struct Lost {
    pub before: Lab,
    pub domain: String,
    pub stack: StackName,
    set: String,
    signer: String,
    token: String,
    _cleanup: Cleanup,
}

/// None, said loudly, where there is no engine.
async fn lost(room: &str) -> Option<Lost> {
    let lost = backed_up(room).await?;
    let engine = common::real_engine().await?;
    docker_stack_rm(lost.stack.as_str());
    remove_stack(engine.as_ref(), &lost.stack).await;
    for secret in ["token_v1", "db_password_v3"] {
        docker(&["secret", "rm", &format!("{}_{secret}", lost.stack)]);
    }
    assert_eq!(left(&lost.stack), "");
    Some(lost)
}

/// An app with a backup, on a server called `here`, which runs. None, said loudly, where there
/// is no engine.
pub(super) async fn backed_up(room: &str) -> Option<Lost> {
    common::real_engine().await?;
    let (domain, stack) = domain(room);
    let cleanup = Cleanup::new(&stack);
    let before = folder();
    before.write("store-password", "sesame\n");
    before.write(
        "potluck/servers/here/server.yml",
        &format!(
            "endpoint: {}\nbackup:\n  repository: {}\n  password-file: {}\n",
            endpoint(),
            before.path("store").display(),
            before.path("store-password").display()
        ),
    );
    good(&before.run(&["key", "new"]));
    before.write("tiny/compose.yml", &compose());
    before.write("tiny/.env.sample", SAMPLE);
    before.write("tiny/page.txt", "the page\n");
    fs::create_dir_all(before.path("tiny/plugins")).unwrap();
    fs::write(before.path("tiny/plugins/guest.wasm"), guests::talking_backup(&plan())).unwrap();
    before.write(
        "tiny/recipe.yml",
        "plugins:\n  - name: guest\n    component: plugins/guest.wasm\n    grants:\n      - exec: db\n",
    );
    before.release("1.0.0+1");
    let new = [
        "app",
        "new",
        "./tiny",
        "--domain",
        &domain,
        "--server",
        "here",
        "--set",
        "TITLE=Our wiki",
        "--secrets",
    ];
    good(&before.run(&new));
    good(&before.run_with(&["app", "secret", "insert", &domain, "db_password", "v3"], b"by hand"));
    good(&before.run(&["app", "deploy", &domain, "--grant", "guest exec: db", "-n"]));
    let lab = &before;
    run(
        lab,
        &domain,
        "app",
        "mkdir -p /content/sub && echo picture >/content/sub/p && chown 33:33 /content/sub && chmod 700 /content",
    );
    run(lab, &domain, "db", "echo rows >/data/db.txt");
    let token = run(lab, &domain, "app", "cat /run/secrets/token");
    good(&before.run(&["backup", "create", &domain]));
    let sets = before.json(&["backup", "snapshots", &domain, "--json"]);
    let set = sets[0]["id"].as_str().unwrap().to_owned();
    let signer = fs::read_dir(before.path("potluck/signers")).unwrap().next().unwrap().unwrap();
    let signer = signer.file_name().into_string().unwrap().replace(".yml", "");
    Some(Lost { before, domain, stack, set, signer, token, _cleanup: cleanup })
}

/// Everything of a stack that is on the server.
pub(super) fn left(stack: &StackName) -> String {
    let mut left = String::new();
    for kind in ["service", "secret", "config", "network", "volume"] {
        let filter = format!("name={stack}");
        let names = docker(&[kind, "ls", "--filter", &filter, "--format", "{{.Name}}"]);
        left.push_str(&names);
    }
    left
}

/// For its owner alone.
fn close(path: &std::path::Path) {
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
}

pub(super) fn run(lab: &Lab, domain: &str, service: &str, script: &str) -> String {
    let run = lab.run(&["app", "run", domain, service, "--", "sh", "-c", script]);
    good(&run);
    run.stdout
}

impl Lost {
    /// A folder with nothing but the key and the repository's password.
    fn bare(&self) -> Lab {
        let lab = Lab::new();
        fs::create_dir_all(lab.path("home/.config/potluck")).unwrap();
        let identity = "home/.config/potluck/identity";
        fs::copy(self.before.path(identity), lab.path(identity)).unwrap();
        fs::copy(self.before.path("store-password"), lab.path("password")).unwrap();
        close(&lab.path("password"));
        lab
    }

    fn command<'a>(&'a self, store: &'a str, endpoint: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        let mut command = vec![
            "backup",
            "restore",
            "--to-server",
            "new",
            "--endpoint",
            endpoint,
            "--repository",
            store,
            "--password-file",
            "password",
            &self.domain,
        ];
        command.extend(more);
        command
    }

    fn run(&self, lab: &Lab, more: &[&str]) -> Run {
        let store = self.before.path("store").display().to_string();
        lab.run(&self.command(&store, &endpoint(), more))
    }

    /// The app is as it was, as `lab` has it.
    pub fn assert_back(&self, lab: &Lab, domain: &str) {
        let seen = run(
            lab,
            domain,
            "app",
            "stat -c '%a %u:%g' /content /content/sub; cat /content/sub/p /page; echo $TITLE",
        );
        assert_eq!(seen, "700 0:0\n755 33:33\npicture\nthe page\nOur wiki\n");
        assert_eq!(
            run(lab, domain, "db", "cat /data/db.txt /run/secrets/db_password"),
            "rows\nby hand"
        );
        assert_eq!(run(lab, domain, "app", "cat /run/secrets/token"), self.token);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_comes_back_on_bare_metal_with_one_command() {
    let Some(lost) = lost("bare").await else { return };
    let lab = lost.bare();
    let (before, signer) = (lab.files(), lost.signer.as_str());
    let is_untouched = |lab: &Lab| {
        let made = lab.files().into_iter().map(|(path, _)| path);
        let made: Vec<_> = made
            .filter(|path| before.iter().all(|(known, _)| known != path))
            .filter(|path| {
                let path = path.to_str().unwrap();
                !path.contains("/potluck/state/locks/") && !path.contains("/potluck/cache/")
            })
            .collect();
        assert!(made.is_empty(), "{made:?}");
        assert_eq!(left(&lost.stack), "");
    };

    // What keeps it from coming, each before anything is made.
    let other = format!("{}0", &signer[..31]);
    let other = if other == signer { format!("{}1", &signer[..31]) } else { other };
    for (more, code, words) in [
        (&["--yes"][..], 1, &["signed by", signer, "--signer"][..]),
        (&["--yes", "--signer", &other], 1, &["signed by", "not by"]),
        (&["--signer", signer], 6, &["--yes"]),
        (
            &["--signer", signer, "--yes", "--at", "2020-01-01"],
            1,
            &["no complete backup", "2020-01-01"],
        ),
        (&["--signer", signer, "--yes", "--new-secrets", "tokem"], 1, &["no secret called tokem"]),
        (&["--signer", signer, "--yes", "--identity", "none"], 1, &["no key at", "none"]),
    ] {
        refused(&lost.run(&lab, more), code, words);
        is_untouched(&lab);
    }
    let nobody = Lab::new();
    fs::copy(lab.path("password"), nobody.path("password")).unwrap();
    refused(
        &lost.run(&nobody, &["--signer", signer, "--yes"]),
        1,
        &[
            "2 of the secrets",
            "db_password",
            "token",
            "no key",
            "--new-secrets token",
            "docker secret create",
        ],
    );
    let planned = lost.run(&lab, &["--signer", signer, "--dry-run", "--json"]);
    good(&planned);
    let planned: serde_json::Value = serde_json::from_str(&planned.stdout).unwrap();
    assert_eq!(planned["set"], lost.set.as_str());
    assert_eq!(planned["recipe_from"], "backup");
    assert_eq!(planned["secrets"], serde_json::json!(["db_password_v3", "token_v1"]));
    is_untouched(&lab);

    let volume = format!("{}_data", lost.stack);
    docker(&["volume", "create", &volume]);
    let kept = lost.run(&lab, &["--signer", signer, "--yes"]);
    refused(&kept, 1, &["has volumes already", &volume, "docker volume rm"]);
    docker(&["volume", "rm", &volume]);
    is_untouched(&lab);

    // The one command.
    let made = lost.run(&lab, &["--signer", signer, "--at", "now", "--yes"]);
    good(&made);
    for words in [
        "Looking for the newest backup",
        "(UTC)",
        "guest: after-restore",
        "checked: the files are there",
        "Made ",
    ] {
        assert!(made.stderr.contains(words), "{words}: {made}");
    }
    lost.assert_back(&lab, &lost.domain);
    let env = |lab: &Lab, server: &str| {
        fs::read_to_string(lab.path(&format!("potluck/servers/{server}/{}.env", lost.domain)))
    };
    assert_eq!(env(&lab, "new").unwrap(), env(&lost.before, "here").unwrap());
    for same in ["recipients", "tiny"] {
        let there =
            if same == "tiny" { "potluck/recipes/tiny/page.txt" } else { "potluck/recipients" };
        assert!(lab.path(there).is_file(), "{same}");
    }

    // It is an app like any other, with what was made as its first release.
    let history = lab.json(&["app", "history", &lost.domain, "--json"]);
    assert_eq!(history["releases"].as_array().unwrap().len(), 1, "{history}");
    good(&lab.run(&["app", "drift", &lost.domain]));
    refused(
        &lost.run(&lab, &["--signer", signer, "--yes"]),
        1,
        &["exists already", "backup restore"],
    );
    good(&lab.run(&["app", "deploy", &lost.domain, "-n"]));
    good(&lab.run(&["backup", "create", &lost.domain]));
    // Whose signer was named once.
    let earlier = ["backup", "restore", &lost.domain, &lost.set, "--yes"];
    refused(&lab.run(&earlier), 1, &["on the server here", "--of-server here"]);
    good(&lab.run(&[&earlier[..], &["--of-server", "here"]].concat()));
    lost.assert_back(&lab, &lost.domain);
    // Somebody else's folder that knows nothing of it.
    refused(
        &lost.run(&lost.bare(), &[&lost.set, "--signer", signer, "--yes"]),
        1,
        &["the server new has objects of", "--to-app"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_that_is_killed_is_finished_or_undone() {
    let Some(lost) = lost("killed").await else { return };
    let lab = lost.bare();
    let store = lost.before.path("store").display().to_string();
    let more = ["--signer", &lost.signer, "--yes"];
    let command = |endpoint: &str| {
        lost.command(&store, endpoint, &more).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let command = command(&endpoint());
    let command: Vec<&str> = command.iter().map(String::as_str).collect();

    for (words, finishes) in
        [("store secrets", false), ("dump db.txt", false), ("start data stores", true)]
    {
        lab.run_killed_at(&command, &[words]);
        good(&lab.run(&["app", "unlock", &lost.domain, "--yes", "--reason", "it was killed"]));
        refused(&lab.run(&command), 1, &["exists already", "app resume", "app abort"]);
        if finishes {
            let resumed = lab.run(&["app", "resume", &lost.domain, "--yes"]);
            good(&resumed);
            assert!(resumed.stderr.contains("Finished the rebuild of"), "{resumed}");
            lost.assert_back(&lab, &lost.domain);
            continue;
        }
        let undone = lab.run(&["app", "abort", &lost.domain, "--yes"]);
        good(&undone);
        assert_eq!(left(&lost.stack), "", "{words}");
        let unknown = lab.run(&["app", "show", &lost.domain]);
        refused(&unknown, 1, &["no app is called"]);
        assert!(!lab.path(&format!("potluck/servers/new/{}.secrets", lost.domain)).exists());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_under_another_name_has_its_own_everything() {
    let Some(lost) = lost("copied").await else { return };
    let lab = lost.bare();
    good(&lost.run(&lab, &["--signer", &lost.signer, "--yes"]));
    let (other, stack) = domain("copy");
    let _cleanup = Cleanup::new(&stack);
    let copied = lab.run(&["backup", "restore", &lost.domain, "--to-app", &other, "--yes"]);
    good(&copied);
    assert!(copied.stderr.contains("gives the new domain to the settings: DOMAIN"), "{copied}");
    lost.assert_back(&lab, &other);
    lost.assert_back(&lab, &lost.domain);

    // Now that it exists, only its data is replaced, and that is asked.
    run(&lab, &other, "app", "echo other >/content/sub/p");
    let into = ["backup", "restore", &lost.domain, "--to-app", &other];
    refused(&lab.run(&into), 6, &["Restoring the data of", "replaces the volumes", "--yes"]);
    assert_eq!(run(&lab, &other, "app", "cat /content/sub/p"), "other\n");
    good(&lab.run(&[&into[..], &["--yes"]].concat()));
    lost.assert_back(&lab, &other);
    for secret in ["token_v1", "db_password_v3"] {
        assert!(left(&stack).contains(&format!("{stack}_{secret}")));
    }
    good(&lab.run(&["app", "undeploy", &other, "--yes"]));
    good(&lab.run(&["app", "rm", &other, "--yes", "--no-backup"]));
    lost.assert_back(&lab, &lost.domain);
}
