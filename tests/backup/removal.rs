//! An app is not deleted for good without a complete and recent backup, unless that is said:
//! on the real swarm, with real restic.

use crate::support::{
    cli::Lab,
    common::{Cleanup, real_engine},
    operator::*,
};

use potluck::home::StackName;

const DATA: &str =
    "    environment: {VALUE: \"${VALUE}\"}\n    volumes: ['data:/data']\nvolumes: {data: }\n";

/// An app that keeps data, deployed from a folder of its own.
struct Kept {
    lab: Lab,
    domain: String,
    stack: StackName,
    _cleanup: Cleanup,
}

impl Kept {
    async fn new(room: &str, services: &str, recipe: &str) -> Option<Self> {
        real_engine().await?;
        let (domain, stack) = domain(room);
        let cleanup = Cleanup::new(&stack);
        let lab = folder();
        if !recipe.is_empty() {
            lab.write("kept/recipe.yml", recipe);
        }
        app(&lab, "kept", services, "VALUE=1\n", &domain);
        Some(Kept { lab, domain, stack, _cleanup: cleanup })
    }

    fn run(&self, arguments: &[&str]) -> crate::support::cli::Run {
        let of = |word: &&str| if *word == "APP" { self.domain.clone() } else { (*word).into() };
        let words: Vec<String> = arguments.iter().map(of).collect();
        self.lab.run(&words.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn has_volume(&self) -> bool {
        self.has("data")
    }

    fn has(&self, volume: &str) -> bool {
        let name = format!("name={}_{volume}", self.stack);
        !docker(&["volume", "ls", "-q", "--filter", &name]).trim().is_empty()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_with_data_is_removed_only_with_a_recent_backup() {
    let Some(kept) = Kept::new("rm-backup", &one_service(DATA), "").await else { return };
    good(&kept.run(&["app", "deploy", "APP", "-n"]));
    good(&kept.run(&["app", "run", "APP", "app", "--", "sh", "-c", "echo soup >/data/page"]));

    // No backup at all: told while there is time, refused before anything is asked.
    let undeployed = kept.run(&["app", "undeploy", "APP", "-y"]);
    good(&undeployed);
    for words in ["no backup: there is no repository at", "potluck backup create"] {
        assert!(undeployed.stderr.contains(words), "{undeployed}");
    }
    for more in [&[][..], &["-y"], &["-y", "--force"], &["-y", "--max-age", "9d"]] {
        let kept_back = kept.run(&[&["app", "rm", "APP"][..], more].concat());
        let words = [
            "has data to lose, and no backup: there is no repository at",
            "(a backup saves volume/data)",
            "takes one; to remove it with no such backup, add `--no-backup`",
        ];
        refused(&kept_back, 6, &words);
        assert!(!kept_back.stderr.contains("Deletes"), "{kept_back}");
        assert!(kept.has_volume());
    }

    // A good one, of the age that it had when the app was undeployed.
    good(&kept.run(&["app", "deploy", "APP", "-n"]));
    good(&kept.run(&["backup", "create", "APP"]));
    let undeployed = kept.run(&["app", "undeploy", "APP", "-y"]);
    good(&undeployed);
    assert!(!undeployed.stderr.contains("Note: "), "{undeployed}");
    let old = kept.run(&["app", "rm", "APP", "-y", "--max-age", "0s"]);
    refused(&old, 6, &["was ", "old when the app was undeployed, and may be 0 s old", "--max-age"]);
    let asked = kept.run(&["app", "rm", "APP"]);
    refused(&asked, 6, &["has its data, and is kept", "Deletes the volumes", "needs your consent"]);

    // Deployed since: what the backup has is not what the app had last.
    good(&kept.run(&["app", "config", "APP", "--set", "VALUE=2"]));
    good(&kept.run(&["app", "deploy", "APP", "-n"]));
    let undeployed = kept.run(&["app", "undeploy", "APP", "-y"]);
    good(&undeployed);
    assert!(undeployed.stderr.contains("was taken before the deploy that ended at"));
    let before = kept.run(&["app", "rm", "APP", "-y"]);
    refused(&before, 6, &["was taken before the deploy that ended at", "potluck backup create"]);

    // Volumes are saved without services, too.
    good(&kept.run(&["backup", "create", "APP"]));
    // A repository whose files are gone holds no backup.
    let data = kept.lab.path("potluck/state/backups");
    let packs = find_packs(&data);
    let aside = kept.lab.path("aside");
    std::fs::rename(&packs, &aside).unwrap();
    refused(&kept.run(&["app", "rm", "APP", "-y"]), 1, &["missing or cut off", "--no-backup"]);
    assert!(kept.has_volume());
    std::fs::rename(&aside, &packs).unwrap();
    let removed = kept.run(&["app", "rm", "APP", "-y"]);
    good(&removed);
    assert!(removed.stderr.contains("has its data, and is kept"), "{removed}");
    assert!(!kept.has_volume());
}

/// The folder with the files of a restic repository that hold data.
fn find_packs(folder: &std::path::Path) -> std::path::PathBuf {
    let mut left = vec![folder.to_owned()];
    while let Some(folder) = left.pop() {
        if folder.join("config").is_file() && folder.join("data").is_dir() {
            return folder.join("data");
        }
        let entries = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        left.extend(entries.filter(|path| path.is_dir()));
    }
    panic!("no repository is in {}", folder.display());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_says_that_a_dump_needs_the_running_app() {
    let recipe = "plugins:\n  - {name: db, component: \"std:postgres\", grants: [{exec: app}], \
                  options: {service: app, database: wiki}}\n";
    let Some(kept) = Kept::new("rm-dump", &one_service(DATA), recipe).await else { return };
    good(&kept.run(&["app", "deploy", "APP", "-n", "--grant", "db exec: app"]));
    let undeployed = kept.run(&["app", "undeploy", "APP", "-y"]);
    good(&undeployed);
    let words = "takes one, which is possible only while the app runs";
    assert!(undeployed.stderr.contains(words), "{undeployed}");
    let words = ["(a backup saves dump/", "a backup needs the app's services: `potluck app deploy"];
    refused(&kept.run(&["app", "rm", "APP", "-y"]), 6, &words);
    // Where nobody knows what would be saved, nothing is taken to be safe.
    std::fs::remove_file(kept.lab.path("kept/compose.yml")).unwrap();
    refused(&kept.run(&["app", "rm", "APP", "-y"]), 6, &["has data to lose, and no backup"]);
    let removed = kept.run(&["app", "rm", "APP", "-y", "--no-backup"]);
    good(&removed);
    assert!(removed.stderr.contains("is not looked at (--no-backup)"), "{removed}");
    assert!(!kept.has_volume());
}

#[tokio::test(flavor = "multi_thread")]
async fn volumes_that_no_backup_has_outlive_their_app() {
    let services =
        one_service("    volumes: ['data:/data', 'more:/more']\nvolumes: {data: , more: }\n");
    let recipe = "plugins: [{name: files, component: 'std:files', options: {volumes: [data]}}]\n";
    let Some(kept) = Kept::new("rm-without", &services, recipe).await else { return };
    good(&kept.run(&["app", "deploy", "APP", "-n"]));
    let write = "echo soup >/data/page; echo leek >/more/page";
    good(&kept.run(&["app", "run", "APP", "app", "--", "sh", "-c", write]));
    good(&kept.run(&["backup", "create", "APP"]));
    good(&kept.run(&["app", "undeploy", "APP", "-y"]));

    let by_name = kept.run(&["app", "volume", "rm", "APP", "more", "-y"]);
    refused(&by_name, 6, &["no backup has ", "_more", "`--no-backup` removes them anyway"]);
    assert!(kept.has("more"));
    let removed = kept.run(&["app", "rm", "APP", "-y"]);
    good(&removed);
    let said = &removed.stderr;
    for words in ["has what its recipe backs up", "_more, so they stay on", "server prune"] {
        assert!(said.contains(words), "{removed}");
    }
    let deletes = said.lines().find(|line| line.starts_with("Deletes the volumes")).unwrap();
    assert!(deletes.contains("_data") && !deletes.contains("_more"), "{removed}");
    assert!(!kept.has("data") && kept.has("more"));
}
