//! What maintainers do: new recipes, changes in clones, versions, releases, the catalogue.

use std::{
    fs,
    io::{Read, Write},
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
};

use crate::support::{
    cli::Lab,
    signing::{Keys, git, host, save},
};

const WHO: [&str; 4] = ["-N", "Anna", "-e", "anna@example.org"];

fn done(lab: &Lab, arguments: &[&str]) -> String {
    let run = lab.run(arguments);
    assert_eq!(run.code, 0, "{arguments:?}: {run}");
    format!("{}{}", run.stdout, run.stderr)
}

fn refused(lab: &Lab, arguments: &[&str], code: i32) -> String {
    let run = lab.run(arguments);
    assert_eq!(run.code, code, "{arguments:?}: {run}");
    run.stderr
}

/// With a new recipe, `wiki`.
fn with_recipe() -> (Lab, PathBuf) {
    let lab = Lab::new();
    done(&lab, &[&["recipe", "new", "wiki"], &WHO[..]].concat());
    let place = lab.path("potluck/recipes/wiki");
    (lab, place)
}

fn release(lab: &Lab, more: &[&str]) -> serde_json::Value {
    let all = [&["recipe", "release", "wiki", "--yes", "--json"], &WHO[..], more].concat();
    lab.json(&all)
}

#[test]
fn what_is_linted_is_said_where_it_is_not_the_files_as_they_are() {
    let (lab, place) = with_recipe();
    let write = |image: &str| {
        let text = fs::read_to_string(place.join("compose.yml")).unwrap();
        let at = text.find("image: ").unwrap();
        let end = at + text[at..].find('\n').unwrap();
        fs::write(place.join("compose.yml"), format!("{}{image}{}", &text[..at], &text[end..]))
            .unwrap();
    };
    let unpinned = |more: &[&str]| {
        let run = lab.run(&[&["recipe", "lint", "wiki"], more].concat());
        (format!("{run}").contains("unpinned-image"), run.stderr)
    };
    // Nothing was released: the files are all that there is.
    write("image: nginx");
    assert!(unpinned(&[]).0);
    write("image: nginx:1.28.0-alpine");
    release(&lab, &["--minor"]);
    assert_eq!(unpinned(&[]), (false, "Nothing is wrong with wiki.\n".to_owned()));
    write("image: nginx");
    let (found, said) = unpinned(&[]);
    assert!(!found && said.contains("without the 1 changed file of wiki that it lacks"), "{said}");
    assert!(said.contains("`--chaos`"), "{said}");
    assert!(unpinned(&["--chaos"]).0);
    assert!(!unpinned(&["0.1.0+1.28.0-alpine"]).0);
    git(&place, &["-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "-qam", "x"]);
    let (found, said) = unpinned(&[]);
    assert!(!found && said.contains("without the commits of wiki that it lacks"), "{said}");
}

#[test]
fn a_release_does_not_name_files_that_it_lacks() {
    let (lab, place) = with_recipe();
    fs::write(place.join("compose.extra.yml"), "services: {}\n").unwrap();
    let sample = fs::read_to_string(place.join(".env.sample")).unwrap();
    fs::write(place.join(".env.sample"), sample + "COMPOSE_FILE=compose.yml:compose.extra.yml\n")
        .unwrap();
    let words = [&["recipe", "release", "wiki", "--minor", "--yes"], &WHO[..]].concat();
    let refusal = refused(&lab, &words, 1);
    assert!(refusal.contains("such as compose.extra.yml: commit those"), "{refusal}");
    assert_eq!(git(&place, &["tag"]), "");
    save(&place, "another file");
    release(&lab, &["--minor"]);
    assert_eq!(git(&place, &["show", "HEAD:compose.extra.yml"]), "services: {}");
}

#[test]
fn a_new_recipe_passes_lint_deploys_and_can_be_released() {
    let (lab, place) = with_recipe();
    assert_eq!(
        git(&place, &["log", "--format=%an <%ae> %s"]),
        "Anna <anna@example.org> Begin the recipe"
    );
    assert_eq!(git(&place, &["status", "--porcelain"]), "");
    let report = lab.json(&["recipe", "lint", "wiki", "--strict", "--json"]);
    assert_eq!(report["ok"], true, "{report}");
    done(
        &lab,
        &[
            "app",
            "new",
            "wiki",
            "--domain",
            "t.example",
            "-s",
            "simulated",
            "--set",
            "COMPOSE_FILE=compose.yml:compose.port.yml",
            "--set",
            "PORT=8080",
        ],
    );
    let taken = refused(&lab, &[&["recipe", "new", "wiki"], &WHO[..]].concat(), 1);
    assert!(taken.contains("exists already"), "{taken}");

    let report = release(&lab, &["--minor"]);
    assert_eq!(report["version"], "0.1.0+1.28.0-alpine");
    assert_eq!(report["note"], "The first release.");
    assert_eq!(report["signed"], false);
    assert_eq!(git(&place, &["status", "--porcelain"]), "");
    assert_eq!(git(&place, &["cat-file", "-t", "0.1.0+1.28.0-alpine"]), "tag");
    assert_eq!(git(&place, &["rev-parse", "HEAD"]), report["commit"].as_str().unwrap());
    assert_eq!(
        git(&place, &["log", "-1", "--format=%s"]),
        "chore: publish 0.1.0+1.28.0-alpine release"
    );
    git(&place, &["fsck", "--strict"]);
    assert!(!place.join("release/next").exists());
    let versions = done(&lab, &["recipe", "versions", "wiki"]);
    assert!(versions.contains("0.1.0+1.28.0-alpine"), "{versions}");
}

#[test]
fn without_a_name_for_git_nothing_is_left() {
    let lab = Lab::new();
    lab.write("home/.gitconfig", "[user]\n\tuseConfigOnly = true\n");
    let said = refused(&lab, &["recipe", "new", "wiki"], 1);
    assert!(said.contains("--git-name"), "{said}");
    assert!(!lab.path("potluck/recipes/wiki").exists());
}

#[test]
fn what_is_not_committed_is_shown_and_dropped_with_consent() {
    let (lab, place) = with_recipe();
    assert!(done(&lab, &["recipe", "diff", "wiki"]).contains("Everything in wiki is committed"));
    let compose = fs::read_to_string(place.join("compose.yml")).unwrap();
    fs::write(place.join("compose.yml"), compose.replace("128M", "256M")).unwrap();
    fs::write(place.join("new\u{1b}[31m.yml"), "a: 1\n").unwrap();
    fs::write(place.join(".gitignore"), "/notes\n").unwrap();
    git(&place, &["add", ".gitignore"]);
    fs::write(place.join("notes"), "mine").unwrap();
    fs::remove_file(place.join("README.md")).unwrap();
    let diff = done(&lab, &["recipe", "diff", "wiki"]);
    assert!(
        diff.contains("-          memory: 128M") && diff.contains("+          memory: 256M"),
        "{diff}"
    );
    assert!(!diff.contains('\u{1b}'), "{diff}");
    let files = &lab.json(&["recipe", "diff", "wiki", "--json"])["files"];
    let how: Vec<_> =
        files.as_array().unwrap().iter().map(|it| it["how"].as_str().unwrap()).collect();
    assert_eq!(how, ["new", "removed", "changed", "new"], "{files}");

    let before = fs::read_to_string(place.join("compose.yml")).unwrap();
    done(&lab, &["recipe", "reset", "wiki", "--dry-run"]);
    let said = refused(&lab, &["recipe", "reset", "wiki", "-n"], 6);
    assert!(said.contains("--yes"), "{said}");
    assert_eq!(fs::read_to_string(place.join("compose.yml")).unwrap(), before);
    done(&lab, &["recipe", "reset", "wiki", "--yes"]);
    assert_eq!(fs::read_to_string(place.join("compose.yml")).unwrap(), compose);
    assert!(place.join("README.md").exists() && place.join("notes").exists());
    assert!(!place.join(".gitignore").exists());
    assert_eq!(git(&place, &["status", "--porcelain"]), "?? notes");
}

#[test]
fn the_label_gets_the_next_version_and_nothing_else_changes() {
    let (lab, place) = with_recipe();
    release(&lab, &["1.0.0+1.28.0-alpine"]);
    let text = || fs::read_to_string(place.join("compose.yml")).unwrap();
    let before = text();
    assert!(before.contains("version=1.0.0+1.28.0-alpine\""), "{before}");
    done(&lab, &["recipe", "sync", "wiki", "-z", "--dry-run"]);
    assert_eq!(text(), before);
    let report = lab.json(&["recipe", "sync", "wiki", "-x", "--json"]);
    assert_eq!(report["after"], "2.0.0+1.28.0-alpine");
    assert_eq!(text(), before.replace("1.0.0+1.28.0", "2.0.0+1.28.0"));
    let said = refused(&lab, &["recipe", "sync", "wiki", "0.9.0+1"], 2);
    assert!(said.contains("is not a version later than 1.0.0+1.28.0-alpine"), "{said}");
    // A step that waits for its release is not taken back by a smaller one.
    let run = lab.run(&["recipe", "sync", "wiki", "--patch"]);
    assert!(
        run.code == 0 && run.stderr.contains("the label waits for 2.0.0+1.28.0-alpine"),
        "{run}"
    );
    assert_eq!(text(), before.replace("1.0.0+1.28.0", "2.0.0+1.28.0"));
    // What the label says already is what is released.
    assert_eq!(release(&lab, &[])["version"], "2.0.0+1.28.0-alpine");
    let said = refused(&lab, &["recipe", "sync", "wiki", "-n"], 2);
    assert!(said.contains("--minor"), "{said}");
}

#[test]
fn a_folder_that_is_no_clone_or_no_recipe_is_told_what_it_lacks() {
    let lab = Lab::new();
    lab.write("plain/compose.yml", "services: {app: {image: 'nginx:1'}}\n");
    fs::create_dir(lab.path("empty")).unwrap();
    for command in ["sync", "release", "upgrade", "diff"] {
        let said = refused(&lab, &["recipe", command, "./plain"], 1);
        assert!(said.contains("plain is not a git repository"), "{said}");
        assert!(said.contains("`git init`"), "{said}");
        let said = refused(&lab, &["recipe", command, "./empty"], 1);
        assert!(said.contains("empty has no compose.yml"), "{said}");
        assert!(said.contains("`potluck recipe new NAME --from FOLDER`"), "{said}");
    }
    let run = lab.run(&["recipe", "versions", "./plain"]);
    assert!(run.code == 0 && format!("{run}").contains("plain has no releases"), "{run}");
}

#[test]
fn what_is_still_to_decide_is_said_before_a_release() {
    let (lab, place) = with_recipe();
    let readme = fs::read_to_string(place.join("README.md")).unwrap();
    let open = "\n## To decide\n\n- [ ] **app**: the version. To do: name it.\n- [x] mail\n";
    fs::write(place.join("README.md"), readme + open).unwrap();
    let run = lab.run(&["recipe", "release", "wiki", "--minor", "--dry-run"]);
    assert!(run.stderr.contains("README.md: still to decide: app: the version."), "{run}");
    assert!(!run.stderr.contains("mail"), "{run}");
}

#[test]
fn a_release_takes_what_was_changed_and_leaves_out_what_git_does_not_know() {
    let (lab, place) = with_recipe();
    release(&lab, &["--minor"]);
    fs::write(place.join("README.md"), "# wiki\n").unwrap();
    fs::write(place.join("scratch.txt"), "mine\n").unwrap();
    // Something else in the index stays there.
    fs::write(place.join("staged.txt"), "later\n").unwrap();
    git(&place, &["add", "staged.txt"]);
    let dry = done(&lab, &["recipe", "release", "wiki", "-z", "--dry-run"]);
    assert!(
        dry.contains("commit   README.md") && dry.contains("scratch.txt is new to git"),
        "{dry}"
    );
    assert!(refused(&lab, &["recipe", "release", "wiki", "-z", "-n"], 6).contains("--yes"));
    let head = git(&place, &["rev-parse", "HEAD"]);
    let report = release(&lab, &["-z", "--message", "Mind the gap."]);
    assert_eq!(report["version"], "0.1.1+1.28.0-alpine");
    let note = fs::read_to_string(place.join("release/0.1.1+1.28.0-alpine")).unwrap();
    assert_eq!(note, "Mind the gap.\n");
    assert_eq!(git(&place, &["rev-parse", "HEAD^"]), head);
    assert_eq!(git(&place, &["status", "--porcelain"]), "A  staged.txt\n?? scratch.txt");
    let said = refused(&lab, &["recipe", "release", "wiki", "0.1.1+1.28.0-alpine", "-n"], 2);
    assert!(said.contains("not a version later"), "{said}");
    // A mistake that would stop a deploy stops it.
    let text = fs::read_to_string(place.join("compose.yml")).unwrap();
    fs::write(place.join("compose.yml"), text.replace("image:", "imgae:")).unwrap();
    assert_eq!(lab.run(&["recipe", "release", "wiki", "9.0.0+1", "--yes"]).code, 1);
    assert_eq!(git(&place, &["tag"]).lines().count(), 2);
}

#[test]
fn a_release_is_signed_as_git_is_configured_and_published_where_it_came_from() {
    let (lab, place) = with_recipe();
    let keys = Keys::new();
    let ran = lab.path("ran");
    let (upstream, config) = host(&lab.path(""), "wiki.git");
    let signs = format!(
        "{config}[gpg]\n\tformat = ssh\n[tag]\n\tgpgSign = true\n[user]\n\tsigningKey = {}\n",
        keys.of("anna").display()
    );
    lab.write("home/.gitconfig", &signs);
    git(&place, &["remote", "add", "origin", "ssh://git@git.example.org/wiki.git"]);
    // Neither the clone's hooks nor its configuration run anything.
    let touch = format!("touch {}", ran.display());
    for key in ["gpg.ssh.program", "core.fsmonitor", "core.sshCommand", "filter.x.clean"] {
        git(&place, &["config", key, &touch]);
    }
    fs::create_dir_all(place.join(".git/hooks")).unwrap();
    for hook in ["pre-commit", "post-commit", "pre-push", "reference-transaction"] {
        let path = place.join(".git/hooks").join(hook);
        fs::write(&path, format!("#!/bin/sh\n{touch}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    fs::write(place.join("README.md"), "# wiki\n").unwrap();
    let report = release(&lab, &["--minor", "--publish"]);
    assert_eq!(report["signed"], true, "{report}");
    assert_eq!(report["published"], true, "{report}");
    assert!(!ran.exists(), "a program of the clone ran");
    let there = git(&upstream, &["rev-parse", "main", "0.1.0+1.28.0-alpine^{commit}"]);
    let commit = report["commit"].as_str().unwrap();
    assert_eq!(there, format!("{commit}\n{commit}"));
    // The team that believes this key deploys it.
    lab.write("potluck/recipe-signers", &keys.line("anna"));
    let rows = lab.json(&["recipe", "versions", "wiki", "--json"]);
    assert_eq!(rows[0]["signed"]["by"], "anna", "{rows}");
}

/// A registry that has these tags, in two parts, for anyone with a token.
fn registry(tags: &[&str]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let (first, second) = tags.split_at(tags.len() / 2);
    let part = |tags: &[&str]| serde_json::json!({"name": "wiki", "tags": tags}).to_string();
    let (first, second, own) = (part(first), part(second), host.clone());
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let mut asked = Vec::new();
            let mut part = [0; 1024];
            while !asked.windows(4).any(|end| end == b"\r\n\r\n") {
                match connection.read(&mut part) {
                    Ok(0) | Err(_) => break,
                    Ok(length) => asked.extend_from_slice(&part[..length]),
                }
            }
            let asked = String::from_utf8_lossy(&asked).to_lowercase();
            let line = asked.lines().next().unwrap_or_default();
            let (status, more, body) = if line.contains("/token?") {
                assert!(line.contains("scope=repository%3aorg%2fwiki%3apull"), "{line}");
                ("200 OK", String::new(), "{\"token\":\"x\"}".to_owned())
            } else if !asked.contains("authorization: bearer x") {
                let realm = format!(
                    "WWW-Authenticate: Bearer realm=\"http://{own}/token\",service=\"r\",\
                     scope=\"repository:org/wiki:pull\"\r\n"
                );
                ("401 Unauthorized", realm, "{}".to_owned())
            } else if line.contains("/v2/org/wiki/tags/list") && line.contains("last=") {
                ("200 OK", String::new(), second.clone())
            } else if line.contains("/v2/org/wiki/tags/list") {
                let next = "Link: </v2/org/wiki/tags/list?n=1000&last=x>; rel=\"next\"\r\n";
                ("200 OK", next.to_owned(), first.clone())
            } else {
                ("404 Not Found", String::new(), "{}".to_owned())
            };
            let length = body.len();
            let _ = write!(
                connection,
                "HTTP/1.1 {status}\r\n{more}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            );
        }
    });
    host
}

#[test]
fn newer_tags_of_the_same_kind_are_written_where_the_old_ones_stood() {
    let (lab, place) = with_recipe();
    let host = registry(&[
        "1.0.0-alpine",
        "1.0.1-alpine",
        "1.1.0-alpine",
        "latest",
        "1.2.0",
        "2.0.0-alpine",
        "2.1.0-alpine-rc1",
    ]);
    let text = format!(
        "# The wiki.\nservices:\n  app:\n    image: \"{host}/org/wiki:1.0.0-alpine\" # see #12\n  \
         worker:\n    image: {host}/org/wiki:1.0.0-alpine\n  db:\n    image: {host}/org/db:5\n  \
         own:\n    image: x:${{TAG}}\n"
    );
    fs::write(place.join("compose.yml"), &text).unwrap();
    let now = || fs::read_to_string(place.join("compose.yml")).unwrap();
    let run = lab.run(&["recipe", "upgrade", "wiki", "--dry-run", "--json"]);
    // One of its repositories does not exist.
    assert_eq!(run.code, 3, "{run}");
    let rows: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    let row = |service: &str| {
        let mut images = rows["images"].as_array().unwrap().iter();
        images.find(|row| row["service"] == service).unwrap()
    };
    let newer = serde_json::json!(["2.0.0-alpine", "1.1.0-alpine", "1.0.1-alpine"]);
    assert_eq!(row("app")["newer"], newer, "{rows}");
    assert!(row("db")["error"].as_str().unwrap().contains("404"), "{rows}");
    assert!(rows["images"].as_array().unwrap().iter().all(|row| row["service"] != "own"));
    assert_eq!(now(), text);
    // Nothing is chosen where nobody can be asked.
    lab.run(&["recipe", "upgrade", "wiki", "-n"]);
    assert_eq!(now(), text);
    lab.run(&["recipe", "upgrade", "wiki", "--patch"]);
    assert_eq!(now(), text.replace("1.0.0-alpine", "1.0.1-alpine"));
    lab.run(&["recipe", "upgrade", "wiki", "--minor"]);
    assert_eq!(now(), text.replace("1.0.0-alpine", "1.1.0-alpine"));
    lab.run(&["recipe", "upgrade", "wiki", "--major"]);
    assert_eq!(now(), text.replace("1.0.0-alpine", "2.0.0-alpine"));
}

#[test]
fn a_registry_that_is_silent_is_told() {
    let (lab, place) = with_recipe();
    let text = "services:\n  app:\n    image: 127.0.0.1:9/org/wiki:1.0\n";
    fs::write(place.join("compose.yml"), text).unwrap();
    let said = refused(&lab, &["recipe", "upgrade", "wiki", "--minor"], 1);
    assert!(said.contains("127.0.0.1:9 does not answer"), "{said}");
    assert_eq!(lab.run(&["--offline", "recipe", "upgrade", "wiki"]).code, 2);
}

#[test]
fn the_catalogue_has_the_versions_of_all_clones_and_what_readmes_say() {
    let (lab, place) = with_recipe();
    release(&lab, &["--minor"]);
    git(&place, &["remote", "add", "origin", "https://anna@git.example.org/org/wiki.git"]);
    lab.write("linked/compose.yml", "services: {app: {image: 'a:1'}}\n");
    done(&lab, &["recipe", "fetch", "./linked"]);
    done(&lab, &["catalogue", "generate", "--dry-run"]);
    assert!(!lab.path("potluck/catalogue/recipes.json").exists());
    lab.write("potluck/catalogue/recipes.json", "{\"other\": {\"name\": \"other\"}}");
    done(&lab, &["catalogue", "generate"]);
    let text = fs::read_to_string(lab.path("potluck/catalogue/recipes.json")).unwrap();
    let list: serde_json::Value = serde_json::from_str(&text).unwrap();
    let names: Vec<_> = list.as_object().unwrap().keys().collect();
    assert_eq!(names, ["other", "wiki"]);
    let wiki = &list["wiki"];
    assert_eq!(wiki["category"], "Apps");
    assert_eq!(wiki["default_branch"], "main");
    assert_eq!(wiki["repository"], "https://git.example.org/org/wiki.git");
    assert_eq!(wiki["features"]["image"]["rating"], "4");
    assert_eq!(
        wiki["versions"],
        serde_json::json!([{"0.1.0+1.28.0-alpine": {"app": {"image": "nginx", "tag": "1.28.0-alpine"}}}])
    );
    lab.write("potluck/catalogue/recipes.json", "[");
    let said = refused(&lab, &["catalogue", "generate"], 1);
    assert!(said.contains("is not a catalogue"), "{said}");
}

#[test]
fn the_catalogue_is_cloned_and_brought_up_to_date() {
    let lab = Lab::new();
    let said = refused(&lab, &["catalogue", "sync"], 2);
    assert!(said.contains("catalogue sync URL"), "{said}");
    let theirs = lab.path("theirs");
    fs::create_dir(&theirs).unwrap();
    git(&theirs, &["init", "--quiet", "--initial-branch=main"]);
    let save = |text: &str| {
        fs::write(theirs.join("recipes.json"), text).unwrap();
        git(&theirs, &["add", "--all"]);
        git(&theirs, &["commit", "--quiet", "-m", "x"]);
    };
    save("{\"a\": {}}");
    let url = format!("file://{}", theirs.display());
    assert_eq!(lab.json(&["catalogue", "sync", &url, "--json"])["recipes"], 1);
    save("{\"a\": {}, \"b\": {}}");
    assert_eq!(lab.json(&["catalogue", "sync", "--json"])["recipes"], 2);
    let clone = lab.path("potluck/catalogue");
    assert_eq!(git(&clone, &["status", "--porcelain"]), "");
    assert!(done(&lab, &["catalogue", "sync"]).contains("up to date"));
    fs::write(clone.join("recipes.json"), "{}").unwrap();
    save("{}");
    let said = refused(&lab, &["catalogue", "sync"], 1);
    assert!(said.contains("something is not committed there"), "{said}");
    // A folder of this machine is not pushed to: git would run its hooks.
    let said = refused(&lab, &[&["catalogue", "generate", "-p"], &WHO[..]].concat(), 1);
    assert!(said.contains("git would run programs in that folder"), "{said}");
}
