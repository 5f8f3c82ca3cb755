//! The catalogue for people: made from folders and addresses, as a page in a browser, and
//! searched.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    path::{Path, PathBuf},
    thread,
};

use serde_json::{Value, json};

use crate::support::{
    browser::Browser,
    cli::Lab,
    signing::{git, host, repository, save},
};

const COMPOSE: &str = "services:\n  app:\n    image: example.invalid/app:1\n    healthcheck: {test: \
                       [CMD, 'true']}\n    volumes: ['data:/data', '/srv/x:/x']\n    deploy: \
                       {labels: {coop-cloud.app_example_org.version: 1.0.0+1}}\nvolumes: {data: }\n";
const PLUGINS: &str = "plugins:\n- name: database\n  component: std:postgres\n  options: {service: \
                       app, secret: p}\n  grants: [{exec: app}]\n";
const EVIL: &str = "# evil\n\nBad <script>document.title = 'evil'</script> \u{1b}[2Jtext.\n\n\
                    <!-- metadata -->\n* **Category**: <img src=x onerror=alert(1)>\n\
                    * **Website**: javascript:alert(1)\n* **Backups**: Yes\n<!-- endmetadata -->\n";

fn done(lab: &Lab, arguments: &[&str]) -> String {
    let run = lab.run(arguments);
    assert_eq!(run.code, 0, "{arguments:?}: {run}");
    format!("{}{}", run.stdout, run.stderr)
}

fn list(lab: &Lab) -> Value {
    let text = fs::read_to_string(lab.path("potluck/catalogue/recipes.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// With recipes in folders: one that claims too little, one that is hostile, one without
/// anything.
fn with_folder() -> Lab {
    let lab = Lab::new();
    lab.write("all/wiki/compose.yml", COMPOSE);
    lab.write("all/wiki/compose.smtp.yml", "services: {}\n");
    lab.write("all/wiki/recipe.yml", PLUGINS);
    lab.write(
        "all/wiki/README.md",
        "# wiki\n\nPages for everyone. More.\n\n<!-- metadata -->\n* **Category**: Apps\n* \
         **Backups**: No\n* **Healthcheck**: No\n<!-- endmetadata -->\n",
    );
    lab.write(
        "all/evil/compose.yml",
        "services: {app: {image: 'a:1', volumes: ['data:/x']}}\nvolumes: {data: }\n",
    );
    lab.write("all/evil/README.md", EVIL);
    lab.write("all/plain/compose.yml", "services: {app: {image: 'a:1'}}\n");
    lab
}

#[test]
fn features_are_computed_and_not_claimed() {
    let lab = with_folder();
    let report = lab.json(&["catalogue", "generate", "--from", "all", "--json"]);
    assert_eq!(report["recipes"], json!(["evil", "plain", "wiki"]));
    assert_eq!(report["pages"], 4);
    let list = list(&lab);
    let wiki = &list["wiki"];
    let features = &wiki["features"];
    assert_eq!(features["healthcheck"], "Yes", "{wiki}");
    assert_eq!(features["backups"], "Yes");
    assert_eq!(features["email"], "2");
    assert_eq!(wiki["description"], "Pages for everyone.");
    assert_eq!(wiki["potluck"]["backups"], json!(["std:postgres"]));
    assert_eq!(wiki["potluck"]["reach"][0]["reach"], "host: /srv/x");
    assert_eq!(wiki["potluck"]["plugins"][0]["grants"][0][0], "exec: app");
    assert_eq!(list["evil"]["features"]["backups"], "No");
    assert_eq!(list["evil"]["website"], "");
    assert_eq!(list["plain"]["features"]["backups"], "N/A");

    let page = fs::read_to_string(lab.path("potluck/catalogue/recipes/evil.html")).unwrap();
    assert!(!page.contains("<script") && !page.contains("<img"), "{page}");
    let before = fs::read(lab.path("potluck/catalogue/index.html")).unwrap();
    done(&lab, &["catalogue", "generate", "--from", "all"]);
    assert_eq!(fs::read(lab.path("potluck/catalogue/index.html")).unwrap(), before);
}

#[test]
fn list_and_pages_are_published_where_the_catalogue_came_from() {
    let lab = with_folder();
    let (upstream, config) = host(&lab.path(""), "catalogue.git");
    lab.write("home/.gitconfig", &config);
    let first = lab.path("first");
    repository(&first, "services: {}\n");
    fs::write(first.join("recipes.json"), "{\"other\": {\"name\": \"other\"}}").unwrap();
    save(&first, "a list");
    git(&first, &["push", "--quiet", upstream.to_str().unwrap(), "main"]);
    done(&lab, &["catalogue", "sync", "ssh://git@git.example.org/catalogue.git"]);

    let who = ["-N", "Anna", "-e", "anna@example.org"];
    let publish = [&["catalogue", "generate", "--from", "all", "--publish", "--json"], &who[..]];
    let made = lab.json(&publish.concat());
    let commit = made["commit"].as_str().unwrap();
    assert_eq!(git(&upstream, &["rev-parse", "main"]), commit);
    let there = |path: &str| git(&upstream, &["show", &format!("main:{path}")]);
    let list: Value = serde_json::from_str(&there("recipes.json")).unwrap();
    let names: Vec<_> = list.as_object().unwrap().keys().collect();
    assert_eq!(names, ["evil", "other", "plain", "wiki"]);
    assert!(there("index.html").contains("recipes/wiki.html"));
    assert!(there("recipes/wiki.html").contains("Pages for everyone."));
    // What was not made here stays.
    assert_eq!(there("compose.yml"), "services: {}");

    // Sent again, it is the same, and nothing is said to be published.
    let again = lab.json(&publish.concat());
    assert_eq!(again["commit"], Value::Null);
    assert_eq!(git(&upstream, &["rev-parse", "main"]), commit);
    assert_eq!(git(&upstream, &["rev-list", "--count", "main"]), "3");

    // Somebody else was faster: nothing of theirs is overwritten.
    git(
        &first,
        &["pull", "--quiet", "--rebase", "-X", "theirs", upstream.to_str().unwrap(), "main"],
    );
    fs::write(first.join("recipes.json"), "{}").unwrap();
    let theirs = save(&first, "theirs");
    git(&first, &["push", "--quiet", upstream.to_str().unwrap(), "main"]);
    lab.write("all/late/compose.yml", "services: {app: {image: 'a:1'}}\n");
    let run = lab.run(&publish.concat());
    assert_eq!(run.code, 1, "{run}");
    assert!(run.stderr.contains("pull --rebase"), "{run}");
    assert_eq!(git(&upstream, &["rev-parse", "main"]), theirs);
}

#[test]
fn links_in_the_catalogue_lead_nowhere() {
    let lab = with_folder();
    lab.write("elsewhere/x", "mine");
    fs::create_dir_all(lab.path("potluck/catalogue")).unwrap();
    let folder = lab.path("potluck/catalogue/recipes");
    std::os::unix::fs::symlink(lab.path("elsewhere"), &folder).unwrap();
    let run = lab.run(&["catalogue", "generate", "--from", "all"]);
    assert_eq!(run.code, 1, "{run}");
    assert!(run.stderr.contains("recipes is a symbolic link"), "{run}");
    fs::remove_file(&folder).unwrap();
    let index = lab.path("potluck/catalogue/index.html");
    std::os::unix::fs::symlink(lab.path("elsewhere/x"), &index).unwrap();
    done(&lab, &["catalogue", "generate", "--from", "all"]);
    assert_eq!(fs::read_to_string(lab.path("elsewhere/x")).unwrap(), "mine");
    assert!(!index.is_symlink());
}

#[test]
fn nothing_is_claimed_of_what_cannot_be_read() {
    let lab = with_folder();
    done(&lab, &["catalogue", "generate", "--from", "all"]);
    lab.write("all/wiki/compose.yml", "services: [\n");
    lab.write("all/notes/README.md", "# notes\n");
    let run = lab.run(&["catalogue", "generate", "--from", "all"]);
    assert_eq!(run.code, 3, "{run}");
    for name in ["wiki", "notes"] {
        assert!(run.stderr.contains(&format!("left out: {name}: ")), "{run}");
    }
    // What was known of it before is kept.
    let list = list(&lab);
    assert_eq!(list["wiki"]["potluck"]["services"], 1, "{list}");
    assert!(list["notes"].is_null(), "{list}");
    assert!(!lab.path("potluck/catalogue/recipes/notes.html").exists());
}

#[test]
fn recipes_are_read_at_addresses_and_not_kept() {
    let lab = Lab::new();
    repository(&lab.path("wiki"), COMPOSE);
    git(&lab.path("wiki"), &["tag", "-a", "-m", "x", "1.0.0+1"]);
    let address = format!("file://{}", lab.path("wiki").display());
    lab.write("addresses", &format!("# ours\n{address}\n\nhttps://-x/y\n"));
    let run = lab.run(&["catalogue", "generate", "--list", "addresses", "--json"]);
    assert_eq!(run.code, 3, "{run}");
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(report["recipes"], json!(["wiki"]));
    // It is of this machine.
    let lacking = report["lacking"].to_string();
    assert!(lacking.contains("has no address") && !lacking.contains("release"), "{lacking}");
    let left_out = report["left_out"].to_string();
    assert!(left_out.contains("begins with a dash"), "{left_out}");
    let wiki = &list(&lab)["wiki"];
    assert_eq!(wiki["versions"][0]["1.0.0+1"]["app"]["tag"], "1", "{wiki}");
    assert!(!lab.path("potluck/recipes/wiki").exists());
    lab.write("wrong", "no address\n");
    let run = lab.run(&["catalogue", "generate", "--list", "wrong"]);
    assert!(run.code == 1 && run.stderr.matches("`no address`").count() == 1, "{run}");
    let run = lab.run(&["-o", "catalogue", "generate", "--list", "addresses"]);
    assert_eq!(run.code, 2, "{run}");
    let run = lab.run(&["catalogue", "generate", "--from", "missing"]);
    assert!(run.code == 2 && run.stderr.contains("is not a folder"), "{run}");
}

#[test]
fn recipes_are_found_by_words_and_features() {
    let lab = with_folder();
    let said = done(&lab, &["recipe", "search", "wiki"]);
    assert!(said.contains("catalogue sync URL"), "{said}");
    done(&lab, &["catalogue", "generate", "--from", "all", "--no-pages"]);
    assert!(!lab.path("potluck/catalogue/index.html").exists());
    done(&lab, &["recipe", "fetch", "./all/plain"]);
    lab.write("mine/compose.yml", COMPOSE);
    lab.write("mine/README.md", "# mine\n\nPages of mine.\n");
    done(&lab, &["recipe", "fetch", "./mine"]);

    let found = lab.json(&["recipe", "search", "PAGES", "--json"]);
    let names: Vec<_> = found.as_array().unwrap().iter().map(|it| &it["name"]).collect();
    assert_eq!(names, ["mine", "wiki"]);
    assert_eq!((&found[0]["here"], &found[1]["here"]), (&json!(true), &json!(false)));
    let found = lab.json(&["recipe", "search", "--feature", "backups", "--json"]);
    assert_eq!(found.as_array().unwrap().len(), 1, "{found}");
    assert_eq!(
        found[0]["features"],
        json!(["backups", "commands", "email", "healthcheck", "lifecycle"])
    );
    let said = done(&lab, &["recipe", "search", "text"]);
    assert!(said.contains("evil") && !said.contains('\u{1b}'), "{said}");
    assert!(done(&lab, &["recipe", "search", "zzz"]).contains("No recipe was found"));
    let run = lab.run(&["recipe", "search", "--feature", "backupss"]);
    assert!(run.code == 2 && run.stderr.contains("did you mean `backups`"), "{run}");

    lab.write(
        "potluck/catalogue/recipes.json",
        "{\"chat\": {\"repository\": \"https://git.example.org/org/chat.git\"}, \
         \"bad\": {\"description\": \"chat\", \"repository\": \"https://a.org/$(id)\"}}",
    );
    let said = done(&lab, &["recipe", "search", "chat"]);
    assert!(said.contains("`potluck recipe fetch https://git.example.org/org/chat.git`"), "{said}");
    assert!(!said.contains("$(id)"), "{said}");
}

/// Answers with the files of a folder; ends with the test.
fn served(folder: PathBuf) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let folder = folder.clone();
            thread::spawn(move || {
                let mut stream = stream.unwrap();
                let mut asked = BufReader::new(&stream);
                let mut first = String::new();
                asked.read_line(&mut first)?;
                let mut line = String::new();
                while asked.read_line(&mut line)? > 2 {
                    line.clear();
                }
                let path = first.split(' ').nth(1).unwrap_or("/").trim_start_matches('/');
                let kind = match Path::new(path).extension().and_then(|it| it.to_str()) {
                    Some("html") => "text/html",
                    Some("css") => "text/css",
                    Some("js") => "text/javascript",
                    _ => "application/octet-stream",
                };
                let (status, body) = match fs::read(folder.join(path)) {
                    Ok(body) => ("200 OK", body),
                    Err(_) => ("404 Not Found", Vec::new()),
                };
                write!(
                    stream,
                    "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\
                     Connection: close\r\n\r\n",
                    body.len()
                )?;
                stream.write_all(&body)
            });
        }
    });
    address
}

#[test]
fn a_browser_shows_the_catalogue_with_and_without_javascript() {
    let lab = with_folder();
    done(&lab, &["catalogue", "generate", "--from", "all"]);
    let Some(browser) = Browser::start(&[]) else { return };
    let site = served(lab.path("potluck/catalogue"));
    let file = format!("file://{}/index.html", lab.path("potluck/catalogue").display());

    browser.without_scripts(true);
    browser.go(&format!("{site}/index.html"));
    for text in ["wiki", "Pages for everyone.", "evil", "plain", "Apps (1)", "Other (1)"] {
        assert!(browser.text_of("body").contains(text), "{text}");
    }
    assert_eq!(browser.seen(".recipes > li"), 3);
    assert_eq!(browser.seen("#words"), 0);

    browser.without_scripts(false);
    // From a web server, and as files.
    for place in [format!("{site}/index.html"), file] {
        browser.go(&place);
        browser.type_into("#words", "pages EVERYONE");
        browser.wait_for_text("1 of 3 recipes");
        assert_eq!(browser.seen(".recipes > li"), 1, "{place}");
        assert_eq!(browser.seen("main > section"), 1, "{place}");
        assert_ne!(browser.value("document.title"), "evil");
        // The stylesheet is there.
        assert_eq!(
            browser.value("getComputedStyle(document.querySelector('.recipes')).display"),
            "grid"
        );
    }

    browser.go(&format!("{site}/index.html"));
    browser.click("a[href='recipes/wiki.html']");
    browser.wait_for_text("What it asks for");
    for text in ["exec: app", "host: /srv/x", "its service", "std:postgres", "compose.smtp.yml"] {
        browser.wait_for_text(text);
    }
    let said = browser.text();
    assert!(said.contains("potluck app new wiki --domain wiki.example.org"), "{said}");
    browser.go(&format!("{site}/recipes/evil.html"));
    assert_eq!(browser.value("document.title"), "evil");
    assert_eq!(browser.value("document.scripts.length + document.images.length"), 0);

    // On a phone nothing is wider than the screen.
    browser.resize(500, 900);
    for page in ["index.html", "recipes/wiki.html", "recipes/evil.html"] {
        browser.go(&format!("{site}/{page}"));
        assert_eq!(browser.value("document.documentElement.scrollWidth > innerWidth"), false);
    }
    let background = "getComputedStyle(document.body).backgroundColor";
    let light = browser.value(background);
    browser.prefer_dark();
    assert_ne!(browser.value(background), light);
    assert_eq!(browser.console(), Vec::<String>::new());
    if std::env::var_os("POTLUCK_TEST_PICTURES").is_some() {
        browser.resize(1000, 800);
        for page in ["index.html", "recipes/wiki.html"] {
            browser.go(&format!("{site}/{page}"));
            eprintln!("{page}: {:?}", browser.picture());
        }
    }
}
