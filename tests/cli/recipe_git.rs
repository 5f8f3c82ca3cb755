//! Recipes in git, as they are used: signed versions, files as they are.

use std::fs;

use crate::support::{
    cli::Lab,
    signing::{Keys, git, repository, save},
};

const COMPOSE: &str = "services: {app: {image: 'example.invalid/app:1'}}\n";

/// With an app of a recipe that was cloned, at its first release.
fn cloned() -> Lab {
    let lab = Lab::new();
    repository(&lab.path("wiki"), COMPOSE);
    git(&lab.path("wiki"), &["tag", "-a", "-m", "x", "1.0.0+1"]);
    done(&lab, &["app", "new", "./wiki", "--domain", "t.example", "--server=simulated"]);
    lab
}

fn done(lab: &Lab, arguments: &[&str]) -> String {
    let run = lab.run(arguments);
    assert_eq!(run.code, 0, "{arguments:?}: {run}");
    format!("{}{}", run.stdout, run.stderr)
}

fn failed(lab: &Lab, arguments: &[&str]) -> String {
    let run = lab.run(arguments);
    assert_eq!(run.code, 1, "{arguments:?}: {run}");
    run.stderr
}

#[test]
fn an_unsigned_version_is_deployed_nowhere_and_a_signed_one_says_who_signed() {
    let lab = cloned();
    let keys = Keys::new();
    lab.write("potluck/recipe-signers", &keys.line("anna"));
    for command in [
        &["app", "deploy", "t.example", "-n"][..],
        &["app", "plan", "t.example"],
        &["app", "check", "t.example"],
        &["app", "new", "wiki", "--domain", "u.example", "--server=simulated"],
    ] {
        let run = lab.run(command);
        assert_eq!(run.code, 1, "{run}");
        let said = format!("{}{}", run.stdout, run.stderr);
        assert!(
            said.contains("1.0.0+1 of the recipe `wiki` is not used: it is not signed"),
            "{run}"
        );
        assert!(said.contains("git tag -s"), "{run}");
    }
    keys.git(&lab.path("wiki"), "anna", &["tag", "-s", "-m", "x", "1.1.0+1"]);
    done(&lab, &["recipe", "fetch", "wiki"]);
    let plan = done(&lab, &["app", "deploy", "t.example", "1.1.0+1", "--dry-run"]);
    assert!(plan.contains("signed by: anna (ED25519 SHA256:"), "{plan}");
    done(&lab, &["app", "deploy", "t.example", "1.1.0+1", "-n"]);
    let versions = done(&lab, &["recipe", "versions", "wiki"]);
    assert!(versions.contains("SIGNED BY"), "{versions}");
    assert!(versions.contains("refused: it is not signed"), "{versions}");
    let rows = lab.json(&["recipe", "versions", "wiki", "--json"]);
    assert_eq!(rows[0]["version"], "1.1.0+1");
    assert_eq!(rows[0]["signed"]["by"], "anna");
    assert_eq!(rows[1]["signed"], serde_json::Value::Null);
    assert_eq!(rows[1]["unsigned"], "it is not signed");
}

#[test]
fn a_release_that_became_another_commit_is_refused_though_the_team_signed_both() {
    let lab = cloned();
    let keys = Keys::new();
    lab.write("potluck/recipe-signers", &keys.line("anna"));
    let clone = lab.path("potluck/recipes/wiki");
    let sign = || keys.git(&clone, "anna", &["tag", "-f", "-s", "-m", "x", "1.0.0+1"]);
    sign();
    done(&lab, &["app", "deploy", "t.example", "-n"]);
    fs::write(clone.join("compose.yml"), COMPOSE.replace("app:1", "app:9")).unwrap();
    let commit = save(&clone, "other");
    sign();
    let said = failed(&lab, &["app", "deploy", "t.example", "-n"]);
    assert!(said.contains("its tag was moved since it was deployed"), "{said}");
    assert!(said.contains(&format!("name the commit instead: {commit}")), "{said}");
    // Looking after what runs goes on.
    done(&lab, &["app", "ps", "t.example"]);
    done(&lab, &["app", "deploy", "t.example", &commit, "-n"]);
    assert!(done(&lab, &["app", "services", "t.example"]).contains("app:9"));
}

#[test]
fn a_chaos_deploy_is_labelled_shown_and_left_again() {
    let lab = cloned();
    done(&lab, &["app", "deploy", "t.example", "-n"]);
    let clone = lab.path("potluck/recipes/wiki");
    let head = git(&clone, &["rev-parse", "HEAD"]);
    let name = format!("{}+U", &head[..8]);
    let changed = COMPOSE.replace("app:1", "app:2");
    fs::write(clone.join("compose.yml"), changed).unwrap();
    // Nothing of it without being asked.
    assert!(!done(&lab, &["app", "deploy", "t.example", "-n"]).contains("chaos"));

    let plan = done(&lab, &["app", "deploy", "t.example", "-C", "--dry-run"]);
    assert!(plan.contains(&format!("as they are ({name}); not committed: compose.yml")), "{plan}");
    assert!(plan.contains("app:1"), "{plan}");
    let report = lab.json(&["app", "deploy", "t.example", "--chaos", "-n", "--json"]);
    assert_eq!(report["chaos"], name);
    let listed = done(&lab, &["app", "ls"]);
    assert!(listed.contains(&format!("{name} (chaos)")), "{listed}");
    assert_eq!(lab.json(&["app", "ls", "--json"])[0]["chaos"], true);
    let labels = done(&lab, &["app", "labels", "t.example"]);
    for label in ["coop-cloud.t_example.chaos", "coop-cloud.t_example.chaos-version", &name] {
        assert!(labels.contains(label), "{label}: {labels}");
    }
    // Commands for the running app read the same files.
    assert!(done(&lab, &["app", "services", "t.example"]).contains("app:2"));

    // The settings keep their version.
    done(&lab, &["app", "deploy", "t.example", "-n"]);
    let labels = done(&lab, &["app", "labels", "t.example"]);
    assert!(!labels.contains("chaos"), "{labels}");
    assert!(!done(&lab, &["app", "ls"]).contains("chaos"));
    let run = lab.run(&["app", "deploy", "t.example", "1.0.0+1", "-C"]);
    assert_eq!(run.code, 2, "{run}");
}

#[test]
fn a_team_with_signers_is_told_that_files_as_they_are_are_nobodys() {
    let lab = cloned();
    let keys = Keys::new();
    lab.write("potluck/recipe-signers", &keys.line("anna"));
    let clone = lab.path("potluck/recipes/wiki");
    save(&clone, "mine");
    let plan = done(&lab, &["app", "deploy", "t.example", "-C", "--dry-run"]);
    assert!(plan.contains("no signature covers them"), "{plan}");
    assert!(failed(&lab, &["app", "deploy", "t.example", "main", "-n"]).contains("not signed"));
}

/// A place for repositories of hosts, which git reaches through what takes ssh's place: the
/// command runs here, below the host's folder.
fn with_hosts(lab: &Lab) {
    let place = lab.path("hosts");
    let script = format!(
        "#!/bin/sh\nwhile [ $# -gt 2 ]; do shift; done\necho \"$1\" >> {0}.asked\n\
         cd {0}/\"${{1#*@}}\" || exit 255\neval \"$(echo \"$2\" | sed \"s#'/#'#\")\"\n",
        place.display()
    );
    lab.write("ssh", &script);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(lab.path("ssh"), mode).unwrap();
    let known = format!(
        "[core]\n\tsshCommand = {}\n[url \"ssh://git@web.example.org/\"]\n\
         \tinsteadOf = https://web.example.org/\n[safe]\n\tdirectory = *\n",
        lab.path("ssh").display()
    );
    lab.write("home/.gitconfig", &known);
}

/// What hosts were asked.
fn asked(lab: &Lab) -> usize {
    fs::read_to_string(lab.path("hosts.asked")).unwrap_or_default().lines().count()
}

/// A repository of a host, with a release.
fn hosted(lab: &Lab, host: &str, path: &str, image: &str) {
    let place = lab.path("hosts").join(host).join(path);
    repository(&place, &COMPOSE.replace("app:1", image));
    git(&place, &["tag", "-a", "-m", "x", "1.0.0+1"]);
}

#[test]
fn a_recipe_that_settings_name_by_its_address_is_fetched_once_and_no_fork_takes_its_place() {
    let lab = Lab::new();
    with_hosts(&lab);
    hosted(&lab, "git.example.org", "org/wiki", "app:org");
    hosted(&lab, "git.example.org", "fork/wiki", "app:fork");
    hosted(&lab, "web.example.org", "org/wiki.git", "app:web");
    done(&lab, &["server", "add", "simulated", "simulated"]);
    for (app, kind, image) in [
        ("a.example", "ssh://git@git.example.org/org/wiki:1.0.0+1", "app:org"),
        ("b.example", "git@git.example.org:fork/wiki", "app:fork"),
        ("c.example", "web.example.org/org/wiki:1.0.0+1", "app:web"),
    ] {
        let env = format!("potluck/servers/simulated/{app}.env");
        lab.write(&env, &format!("TYPE={kind}\n"));
        let offline = lab.run(&["app", "deploy", app, "-n", "--offline"]);
        assert_eq!(offline.code, 1, "{offline}");
        assert!(offline.stderr.contains("without `--offline` it is fetched from"), "{offline}");
        done(&lab, &["app", "deploy", app, "-n"]);
        assert!(done(&lab, &["app", "services", app]).contains(image), "{app}");
        // Once it is here, nobody is asked again.
        let before = asked(&lab);
        done(&lab, &["--offline", "app", "deploy", app, "-n", "--force"]);
        assert_eq!(asked(&lab), before, "{app}");
        let text = fs::read_to_string(lab.path(&env)).unwrap();
        assert_eq!(text, format!("TYPE={kind}\n"));
    }
    // The same repository by another of its addresses is the same clone.
    done(
        &lab,
        &["app", "new", "web.example.org/org/wiki", "--domain", "d.example", "-s", "simulated"],
    );
    let text = fs::read_to_string(lab.path("potluck/servers/simulated/d.example.env")).unwrap();
    assert!(text.starts_with("TYPE=web.example.org/org/wiki:1.0.0+1\n"), "{text}");
    let names: Vec<_> = lab.json(&["recipe", "ls", "--json"]).as_array().unwrap().clone();
    let names: Vec<_> = names.iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        ["git_example_org_fork_wiki", "git_example_org_org_wiki", "web_example_org_org_wiki"]
    );
    let by_address = done(&lab, &["recipe", "versions", "web.example.org/org/wiki"]);
    assert!(by_address.contains("app:web"), "{by_address}");
    let inspected = done(&lab, &["recipe", "show", "web.example.org/org/wiki"]);
    assert!(inspected.contains("1.0.0+1"), "{inspected}");
    let said = failed(&lab, &["recipe", "versions", "web.example.org/nobody/wiki"]);
    assert!(said.contains("potluck recipe fetch web.example.org/nobody/wiki"), "{said}");
    let fetched = lab.json(&["recipe", "fetch", "web.example.org/org/wiki", "--json"]);
    assert_eq!(fetched[0]["new"], serde_json::json!([]), "nothing is new: {fetched}");
    // Two addresses that become one name do not mix.
    lab.write("potluck/servers/simulated/e.example.env", "TYPE=web.example.org/org_wiki\n");
    let said = failed(&lab, &["app", "deploy", "e.example", "-n"]);
    assert!(said.contains("the recipe `web_example_org_org_wiki` here is from"), "{said}");
    assert!(said.contains("the settings name https://web.example.org/org_wiki.git"), "{said}");
    // An upgrade fetches from there.
    let place = lab.path("hosts/web.example.org/org/wiki.git");
    fs::write(place.join("compose.yml"), COMPOSE.replace("app:1", "app:web2")).unwrap();
    save(&place, "second");
    git(&place, &["tag", "-a", "-m", "x", "1.1.0+2"]);
    done(&lab, &["app", "upgrade", "c.example", "-n", "--no-backup"]);
    assert!(done(&lab, &["app", "services", "c.example"]).contains("app:web2"));
    let text = fs::read_to_string(lab.path("potluck/servers/simulated/c.example.env")).unwrap();
    assert_eq!(text, "TYPE=web.example.org/org/wiki:1.1.0+2\n");
}

#[test]
fn a_tag_of_no_commit_keeps_nobody_from_the_releases_before_it() {
    let lab = cloned();
    let place = lab.path("potluck/recipes/wiki");
    git(&place, &["tag", "9.0.0+9", "HEAD^{tree}"]);
    let run = lab.run(&["recipe", "versions", "wiki"]);
    assert_eq!(run.code, 3, "{run}");
    assert!(run.stderr.contains("9.0.0+9") && run.stdout.contains("example.invalid/app"), "{run}");
    done(&lab, &["recipe", "lint", "wiki"]);
    done(&lab, &["app", "new", "wiki", "--domain", "late.example", "-s", "simulated"]);
}

#[test]
fn without_git_that_is_said() {
    let lab = cloned();
    let mut run = lab.command();
    run.env("PATH", "/nowhere").args(["recipe", "versions", "wiki"]);
    let run = lab.tidy(&run.output().unwrap());
    assert_eq!(run.code, 1, "{run}");
    assert!(run.stderr.contains("`git` is not on this machine"), "{run}");
    assert!(!run.stderr.contains("damaged") && !run.stderr.contains("clone it again"), "{run}");
}

#[test]
fn a_repository_that_cannot_be_reached_is_told_and_leaves_nothing() {
    let lab = Lab::new();
    with_hosts(&lab);
    done(&lab, &["server", "add", "simulated", "simulated"]);
    lab.write("potluck/servers/simulated/a.example.env", "TYPE=git@nowhere.example.org:x/wiki\n");
    let said = failed(&lab, &["app", "deploy", "a.example", "-n"]);
    assert!(said.contains("cloning git@nowhere.example.org:x/wiki"), "{said}");
    let left = fs::read_dir(lab.path("potluck/recipes")).unwrap().count();
    assert_eq!(left, 0);
}

#[test]
fn two_apps_run_two_versions_of_one_recipe() {
    let lab = cloned();
    let theirs = lab.path("wiki");
    fs::write(theirs.join("compose.yml"), COMPOSE.replace("app:1", "app:2")).unwrap();
    save(&theirs, "second");
    git(&theirs, &["tag", "-a", "-m", "x", "2.0.0+1"]);
    done(&lab, &["recipe", "fetch", "wiki"]);
    done(&lab, &["app", "new", "wiki", "2.0.0+1", "--domain", "u.example", "-s", "simulated"]);
    for _ in 0..2 {
        for (app, image) in [("t.example", "app:1"), ("u.example", "app:2")] {
            done(&lab, &["app", "deploy", app, "-n"]);
            assert!(done(&lab, &["app", "services", app]).contains(image), "{app}");
        }
    }
}
