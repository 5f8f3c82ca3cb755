//! What must work when all else is broken: an app whose recipe, settings or lock
//! file cannot be read is shown and taken down by its stack's name.

use super::*;

/// What is wrong with the app's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Broken {
    Recipe,
    RecipeGone,
    /// The settings name a recipe that nobody has.
    Mistyped,
    /// They name another one, which is here.
    OtherRecipe,
    Settings,
    SettingsNotText,
    LockFile,
}

impl Broken {
    fn apply(self, lab: &Lab, domain: &str) {
        let settings = lab.path(&format!("potluck/servers/here/{domain}.env"));
        match self {
            Broken::Recipe => lab.write("wiki/compose.yml", "services:\n  app:\n    x: [\n"),
            Broken::RecipeGone => {
                // The folder, and potluck's link to it.
                fs::remove_dir_all(lab.path("wiki")).unwrap();
            }
            Broken::Mistyped | Broken::OtherRecipe => {
                let name = if self == Broken::Mistyped { "wik" } else { "evil" };
                let text = fs::read_to_string(&settings).unwrap();
                assert!(text.contains("TYPE=wiki\n"), "{text}");
                fs::write(settings, text.replace("TYPE=wiki", &format!("TYPE={name}"))).unwrap();
                if self == Broken::OtherRecipe {
                    lab.write("evil/compose.yml", &one_service(""));
                    good(&new(lab, "evil", &format!("other-{domain}"), &[]));
                }
            }
            Broken::Settings => {
                let text = fs::read_to_string(&settings).unwrap();
                fs::write(settings, format!("{text}here somebody wrote a note\n")).unwrap();
            }
            Broken::SettingsNotText => fs::write(settings, b"TYPE=wiki\nNAME=\xff\xfe\n").unwrap(),
            Broken::LockFile => {
                let lock = format!("potluck/servers/here/{domain}.lock.yml");
                lab.write(&lock, "recipe: [\n");
            }
        }
    }

    /// What the warning names.
    fn word(self) -> &'static str {
        match self {
            Broken::Recipe => "compose.yml:3:",
            Broken::RecipeGone => "wiki",
            Broken::Mistyped => "say TYPE=wik, deployed is wiki",
            Broken::OtherRecipe => "say TYPE=evil, deployed is wiki",
            Broken::Settings => "this is not an assignment",
            // The app goes by what can be read; nothing of the recipe needs it.
            Broken::SettingsNotText => "not UTF-8",
            Broken::LockFile => "lock.yml",
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_is_looked_at_and_removed_with_any_of_its_files_broken() {
    let Some(engine) = real_engine().await else { return };
    for broken in [
        Broken::Recipe,
        Broken::RecipeGone,
        Broken::Mistyped,
        Broken::OtherRecipe,
        Broken::Settings,
        Broken::SettingsNotText,
        Broken::LockFile,
    ] {
        let (domain, stack) = domain("broken");
        let _cleanup = Cleanup::new(&stack);
        let lab = folder();
        let compose = one_service(
            "    volumes: [data:/d]\n    secrets: [word]\nvolumes: {data: {}}\nsecrets: {word: \
             {external: true, name: '${STACK_NAME}_word_v1'}}\n",
        );
        app(&lab, "wiki", &compose, "SECRET_WORD_VERSION=v1\n", &domain);
        good(&lab.run(&["app", "secret", "generate", &domain]));
        good(&lab.run(&["app", "deploy", &domain, "-n"]));

        broken.apply(&lab, &domain);
        let rows = lab.run(&["app", "ps", &domain]);
        assert!(rows.code == 0 && rows.stdout.contains("running"), "{broken:?}: {rows}");
        let logs = lab.run(&["app", "logs", &domain]);
        assert_eq!(logs.code, 0, "{broken:?}: {logs}");
        assert_eq!(lab.run(&["app", "run", &domain, "app", "true"]).code, 0, "{broken:?}");

        let undeployed = lab.run(&["app", "undeploy", &domain, "--yes"]);
        assert_eq!(undeployed.code, 0, "{broken:?}: {undeployed}");
        for word in ["`before-remove`", broken.word()] {
            assert!(undeployed.stderr.contains(word), "{broken:?}, {word}: {undeployed}");
        }
        let scope = Scope::Stack(&stack);
        assert!(engine.services(scope).await.unwrap().is_empty(), "{broken:?}");
        assert!(engine.networks(scope).await.unwrap().is_empty(), "{broken:?}");
        assert_eq!(engine.volumes(scope).await.unwrap().len(), 1, "{broken:?}");

        let removed = lab.run(&["app", "rm", &domain, "--yes", "--no-backup"]);
        assert_eq!(removed.code, 0, "{broken:?}: {removed}");
        assert_eq!(fingerprint(&engine, &stack).await, "", "{broken:?}");
        let record = engine.config(&format!("potluck.{stack}.owner")).await;
        assert!(record.unwrap_err().is_not_found(), "{broken:?}");
        let list = lab.run(&["app", "ls"]);
        let gone = |line: &str| !line.starts_with(&domain);
        assert!(list.stdout.lines().all(gone), "{broken:?}: {list}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deploy_of_a_mistyped_recipe_says_which_is_deployed() {
    let Some(engine) = real_engine().await else { return };
    let (domain, stack) = domain("mistyped");
    let _cleanup = Cleanup::new(&stack);
    let lab = folder();
    app(&lab, "wiki", &one_service(""), "", &domain);
    good(&lab.run(&["app", "deploy", &domain, "-n"]));
    let before = fingerprint(&engine, &stack).await;

    Broken::Mistyped.apply(&lab, &domain);
    let correct = format!("`potluck app config {domain} --set TYPE=wiki`");
    for arguments in [
        &["app", "deploy", &domain, "-n"][..],
        &["app", "deploy", &domain, "-n", "--takeover"],
        &["app", "deploy", &domain, "--dry-run"],
        &["backup", "create", &domain],
    ] {
        let words = ["say TYPE=wik, deployed is wiki", "did you mean wiki?", &correct];
        refused(&lab.run(arguments), 1, &words);
    }
    // One that is here may be meant: then it is a question, and no other verb
    // works by the wrong recipe.
    good(&lab.run(&["app", "config", &domain, "--set", "TYPE=wiki"]));
    Broken::OtherRecipe.apply(&lab, &domain);
    let words = ["say TYPE=evil, deployed is wiki", "did you mean wiki?", "--takeover"];
    refused(&lab.run(&["app", "deploy", &domain, "-n"]), 6, &words);
    refused(&lab.run(&["backup", "create", &domain]), 1, &["did you mean wiki?"]);
    assert_eq!(fingerprint(&engine, &stack).await, before);

    good(&lab.run(&["app", "config", &domain, "--set", "TYPE=wiki"]));
    good(&lab.run(&["app", "deploy", &domain, "-n"]));
    assert_eq!(fingerprint(&engine, &stack).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_that_only_the_recipe_can_tell_stay_and_are_named() {
    let Some(_engine) = real_engine().await else { return };
    let (domain, stack) = domain("broken-secret");
    let _cleanup = Cleanup::new(&stack);
    let lab = folder();
    app(&lab, "wiki", &one_service(""), "", &domain);
    good(&lab.run(&["app", "deploy", &domain, "-n"]));
    let by_hand = format!("{stack}_word_v1");
    let file = lab.path("word");
    fs::write(&file, "leeks").unwrap();
    docker(&["secret", "create", &by_hand, file.to_str().unwrap()]);
    Broken::Recipe.apply(&lab, &domain);
    good(&lab.run(&["app", "undeploy", &domain, "--yes"]));
    let removed = lab.run(&["app", "rm", &domain, "--yes", "--no-backup"]);
    good(&removed);
    assert!(removed.stderr.contains(&by_hand), "{removed}");
    docker(&["secret", "rm", &by_hand]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stacks_name_that_cannot_be_read_is_not_guessed() {
    let Some(engine) = real_engine().await else { return };
    let (domain, stack) = domain("broken-name");
    let _cleanup = Cleanup::new(&stack);
    let lab = folder();
    app(&lab, "wiki", &one_service(""), "", &domain);
    good(&lab.run(&["app", "deploy", &domain, "-n"]));
    let before = fingerprint(&engine, &stack).await;
    let settings = lab.path(&format!("potluck/servers/here/{domain}.env"));
    let text = fs::read_to_string(&settings).unwrap();
    fs::write(&settings, format!("{text}STACK_NAME='other\n")).unwrap();
    for arguments in [
        &["app", "ps", &domain][..],
        &["app", "undeploy", &domain, "--yes"],
        &["app", "rm", &domain, "--yes", "--no-backup"],
    ] {
        refused(&lab.run(arguments), 1, &[&format!("{domain}.env:")]);
    }
    assert_eq!(fingerprint(&engine, &stack).await, before);
}
