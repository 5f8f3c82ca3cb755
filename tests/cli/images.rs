//! Newer images for recipes, from real registries and from ones that mean harm.

use std::{
    fs,
    io::{Read, Write},
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::support::{
    cli::{Lab, Run},
    registry::{Pushed, Readers, Registry, USER, basic},
    signing::{Keys, git, repository, save},
};

/// A lab with the clone of a recipe, `wiki`, of these texts.
fn with(compose: &str, sample: &str) -> (Lab, PathBuf) {
    let lab = Lab::new();
    let place = lab.path("potluck/recipes/wiki");
    repository(&place, compose);
    fs::write(place.join(".env.sample"), sample).unwrap();
    save(&place, "the images");
    (lab, place)
}

/// `compose.yml` with these services and images.
fn compose(images: &[(&str, String)]) -> String {
    let services: String = images
        .iter()
        .map(|(service, image)| format!("  {service}:\n    image: {image}\n"))
        .collect();
    format!("# The wiki.\nservices:\n{services}")
}

fn read(place: &std::path::Path, path: &str) -> String {
    fs::read_to_string(place.join(path)).unwrap()
}

fn done(lab: &Lab, arguments: &[&str]) -> Run {
    let run = lab.run(arguments);
    assert_eq!(run.code, 0, "{arguments:?}: {run}");
    run
}

fn row<'a>(report: &'a Value, service: &str) -> &'a Value {
    let mut rows = report["images"].as_array().unwrap().iter();
    rows.find(|row| row["service"] == service).unwrap_or_else(|| panic!("{service}: {report}"))
}

/// So many days ago.
fn days_ago(days: i64) -> String {
    (Timestamp::now() - SignedDuration::from_hours(24 * days)).to_string()
}

/// Pushes tags that differ in nothing else.
fn push_all(registry: &Registry, repository: &str, tags: &[&str]) {
    for tag in tags {
        registry.push(repository, tag, &Pushed::default());
    }
}

#[test]
fn tags_in_the_sample_are_seen_and_written_there() {
    let Some(registry) = Registry::start(Readers::Anyone) else { return };
    let host = &registry.host;
    push_all(&registry, "org/wiki", &["1.0.0", "1.0.1", "1.1.0", "1.2.0", "2.0.0"]);
    push_all(&registry, "org/worker", &["1.0.0-fpm", "1.1.0-fpm"]);
    push_all(&registry, "org/cache", &["3.1", "3.2", "4.0"]);
    let text = compose(&[
        ("app", format!("\"{host}/org/wiki:${{WIKI_VERSION:-1.0.0}}\" # the wiki")),
        ("worker", format!("{host}/org/worker:${{WIKI_VERSION}}-fpm")),
        ("cache", format!("${{CACHE:-{host}/org/cache:3.1}}")),
    ]);
    let sample = "TYPE=wiki\n# Which wiki.\nexport WIKI_VERSION='1.0.0' # length=3\n#CACHE=x\n";
    let (lab, place) = with(&text, sample);
    let report = lab.json(&["recipe", "upgrade", "wiki", "--minor", "--json"]);
    assert_eq!(row(&report, "app")["file"], ".env.sample");
    assert_eq!(row(&report, "app")["variable"], "WIKI_VERSION");
    // What both have: no 1.2.0-fpm exists.
    assert_eq!(row(&report, "app")["chosen"], "1.1.0");
    assert_eq!(row(&report, "worker")["chosen"], "1.1.0-fpm");
    assert_eq!(row(&report, "cache")["chosen"], "3.2");
    assert_eq!(read(&place, ".env.sample"), sample.replace("1.0.0", "1.1.0"));
    let expected = text.replace("-1.0.0}", "-1.1.0}").replace("cache:3.1", "cache:3.2");
    assert_eq!(read(&place, "compose.yml"), expected);
    // The version of the recipe has it, too.
    let report = lab.json(&["recipe", "sync", "wiki", "1.0.0+1.1.0", "--json"]);
    assert_eq!(report["after"], "1.0.0+1.1.0");
    let report = lab.json(&["recipe", "sync", "wiki", "--major", "--dry-run", "--json"]);
    assert_eq!(report["after"], "1.0.0+1.1.0");
}

#[test]
fn a_new_major_version_of_a_database_is_taken_only_if_asked_for() {
    let Some(registry) = Registry::start(Readers::Anyone) else { return };
    let host = &registry.host;
    push_all(&registry, "org/wiki", &["1.0.0", "2.0.0"]);
    push_all(&registry, "org/postgres", &["16.1", "16.4", "18.0"]);
    let text = compose(&[
        ("app", format!("{host}/org/wiki:1.0.0")),
        ("db", format!("{host}/org/postgres:16.1")),
    ]);
    let (lab, place) = with(&text, "");
    let run = done(&lab, &["recipe", "upgrade", "wiki", "--major"]);
    assert!(run.stderr.contains("18 is a new major version of PostgreSQL after 16"), "{run}");
    assert!(run.stderr.contains("--database-majors"), "{run}");
    let now = text.replace("wiki:1.0.0", "wiki:2.0.0").replace(":16.1", ":16.4");
    assert_eq!(read(&place, "compose.yml"), now);
    let taken = ["recipe", "upgrade", "wiki", "--major", "--database-majors", "--sync", "--json"];
    let report = lab.json(&taken);
    let warning = row(&report, "db")["warning"].as_str().unwrap();
    assert!(warning.contains("dump") && warning.contains("/var/lib/postgresql"), "{warning}");
    let note = read(&place, "release/next");
    assert_eq!(note, format!("- db: {host}/org/postgres 16.4 → 18.0. {warning}.\n"));
    assert!(read(&place, "compose.yml").contains("postgres:18.0"));
    assert_eq!(report["label"]["after"], "1.0.0+2.0.0");
}

#[test]
fn a_digest_is_that_of_the_tag() {
    let Some(registry) = Registry::start(Readers::Anyone) else { return };
    let host = &registry.host;
    let pushed =
        |build| Pushed { build, platforms: &["linux/arm64", "linux/amd64"], ..Pushed::default() };
    let old = registry.push("org/wiki", "1.0.0", &pushed(1));
    let new = registry.push("org/wiki", "1.1.0", &pushed(2));
    let text = compose(&[
        ("app", format!("{host}/org/wiki:1.0.0@{old}")),
        ("db", format!("{host}/org/wiki:1.0.0")),
    ]);
    let (lab, place) = with(&text, "");
    let now = || read(&place, "compose.yml");
    done(&lab, &["recipe", "upgrade", "wiki", "--minor"]);
    let text = text.replace(&format!("1.0.0@{old}"), &format!("1.1.0@{new}"));
    let text = text.replace("wiki:1.0.0\n", "wiki:1.1.0\n");
    assert_eq!(now(), text);
    // The tag moves.
    let moved = registry.push("org/wiki", "1.1.0", &pushed(3));
    let report = lab.json(&["recipe", "upgrade", "wiki", "--json"]);
    assert_eq!(row(&report, "app")["rebuilt"], true, "{report}");
    assert_eq!(row(&report, "db")["rebuilt"], false, "{report}");
    assert_eq!(now(), text);
    let report = lab.json(&["recipe", "upgrade", "wiki", "--patch", "--json", "--sync"]);
    assert_eq!(row(&report, "app")["new_digest"], moved, "{report}");
    assert_eq!(report["note"], format!("- app: {host}/org/wiki 1.1.0, built anew\n"));
    let text = text.replace(&new, &moved);
    assert!(now().starts_with(&text[..text.find("  db").unwrap() - 1]), "{}", now());
    done(&lab, &["recipe", "upgrade", "wiki", "--pin"]);
    assert!(
        now().contains(&format!("  db:\n    image: {host}/org/wiki:1.1.0@{moved}\n")),
        "{}",
        now()
    );
}

#[test]
fn a_young_tag_is_left_out() {
    let Some(registry) = Registry::start(Readers::Anyone) else { return };
    let host = &registry.host;
    let (old, new, today) = (days_ago(40), days_ago(10), days_ago(0));
    for (tag, created) in [
        ("1.0.0", old.as_str()),
        ("1.0.1", &new),
        ("1.0.2", "1970-01-01T00:00:00Z"),
        ("1.0.3", "2099-01-01T00:00:00Z"),
        ("1.0.4", &today),
    ] {
        let image = Pushed { created: Some(created), ..Pushed::default() };
        registry.push("org/wiki", tag, &image);
    }
    let (lab, place) = with(&compose(&[("app", format!("{host}/org/wiki:1.0.0"))]), "");
    let all = ["recipe", "upgrade", "wiki", "--patch", "--min-age", "3d"];
    let report = lab.json(&[&all[..], &["--dry-run", "--json"]].concat());
    let app = row(&report, "app");
    assert_eq!(app["chosen"], "1.0.1", "{report}");
    assert_eq!(app["too_young"], serde_json::json!(["1.0.4", "1.0.3", "1.0.2"]));
    assert_eq!(app["created"].as_str().unwrap()[..10], new[..10]);
    let run = done(&lab, &all);
    assert!(run.stderr.contains("wiki:1.0.2 is unknown (it says 1970-01-01T00:00:00Z)"), "{run}");
    assert!(run.stdout.contains(&new[..10]), "{run}");
    assert!(read(&place, "compose.yml").contains("wiki:1.0.1"));
    // Without a least age the newest counts, whatever it says of its age.
    let report = lab.json(&["recipe", "upgrade", "wiki", "--patch", "--json"]);
    assert_eq!(row(&report, "app")["chosen"], "1.0.4");
}

#[test]
fn tag_label_and_note_are_written_together_or_not_at_all() {
    let Some(registry) = Registry::start(Readers::Anyone) else { return };
    let host = &registry.host;
    push_all(&registry, "org/wiki", &["v1.0.0"]);
    let labels = [
        ("org.opencontainers.image.source", "https://github.com/org/wiki"),
        ("org.opencontainers.image.version", "v1.1.0"),
    ];
    registry.push("org/wiki", "v1.1.0", &Pushed { labels: &labels, ..Pushed::default() });
    let text = compose(&[("app", format!("{host}/org/wiki:${{WIKI}}"))]);
    let (lab, place) = with(&text, "WIKI=v1.0.0\n");
    git(&place, &["tag", "-a", "-m", "first", "1.0.0+v1.0.0"]);
    let before = lab.files();
    let all = ["recipe", "upgrade", "wiki", "--minor", "--sync"];
    let run = done(&lab, &[&all[..], &["--dry-run"]].concat());
    let link = "https://github.com/org/wiki/releases/tag/v1.1.0";
    for said in ["the label would say 1.1.0+v1.1.0", link, "dry run"] {
        assert!(run.stderr.contains(said), "{said}: {run}");
    }
    assert_eq!(lab.files(), before);

    // The note cannot be written: its folder is a file.
    fs::write(place.join("release"), "").unwrap();
    let before = lab.files();
    let run = lab.run(&all);
    assert_eq!(run.code, 1, "{run}");
    assert!(run.stderr.contains("release/next"), "{run}");
    assert_eq!(lab.files(), before);
    fs::remove_file(place.join("release")).unwrap();

    done(&lab, &all);
    assert_eq!(read(&place, ".env.sample"), "WIKI=v1.1.0\n");
    assert!(read(&place, "compose.yml").contains("version=1.1.0+v1.1.0\""));
    let note = format!("- app: {host}/org/wiki v1.0.0 → v1.1.0 ({link})\n");
    assert_eq!(read(&place, "release/next"), note);
    // A second time, there is nothing to do.
    let report = lab.json(&[&all[..], &["--json"]].concat());
    assert_eq!(report["label"], Value::Null, "{report}");
    // It waits for its release, and is raised no further by a smaller change.
    push_all(&registry, "org/wiki", &["v1.1.1"]);
    let report = lab.json(&[&all[..], &["--json"]].concat());
    assert_eq!(report["label"]["after"], "1.1.0+v1.1.1");
    assert_eq!(report["note"], format!("- app: {host}/org/wiki v1.0.0 → v1.1.1\n"));
    // How far it is raised can be said.
    push_all(&registry, "org/wiki", &["v1.1.2"]);
    let said = ["recipe", "upgrade", "wiki", "--patch", "--sync=major", "--json"];
    assert_eq!(lab.json(&said)["label"]["after"], "2.0.0+v1.1.2");
}

#[test]
fn labels_of_images_are_foreign_text() {
    let Some(registry) = Registry::start(Readers::Anyone) else { return };
    let host = &registry.host;
    push_all(&registry, "org/wiki", &["1.0", "1.1"]);
    let labels = [
        ("org.opencontainers.image.source", "javascript:alert(1)"),
        ("org.opencontainers.image.url", "https://wiki.example.org/\u{1b}[31m\n- evil: 1"),
    ];
    registry.push("org/wiki", "1.2", &Pushed { labels: &labels, ..Pushed::default() });
    let (lab, place) = with(&compose(&[("app", format!("{host}/org/wiki:1.0"))]), "");
    let run = done(&lab, &["recipe", "upgrade", "wiki", "--minor", "--sync"]);
    assert!(!run.stderr.contains('\u{1b}') && !run.stdout.contains('\u{1b}'), "{run}");
    let note = read(&place, "release/next");
    assert_eq!(note.lines().count(), 1, "{note}");
    assert!(note.contains("(https://wiki.example.org/%1B[31m"), "{note}");
}

#[test]
fn a_private_registry_is_asked_with_the_credentials_that_docker_has() {
    let Some(registry) = Registry::start(Readers::OneUser) else { return };
    let host = &registry.host;
    push_all(&registry, "org/wiki", &["1.0", "1.1"]);
    let (lab, place) =
        with(&compose(&[("app", format!("{host}/org/wiki:1.0@sha256:{}", "0".repeat(64)))]), "");
    let all = ["recipe", "upgrade", "wiki", "--minor"];
    let run = lab.run(&all);
    assert_eq!(run.code, 1, "{run}");
    assert!(run.stderr.contains("refuses the tags of org/wiki: 401"), "{run}");
    assert!(run.stderr.contains(&format!("docker login {host}")), "{run}");
    let wrong = r#"{"auths": {"HOST": {"auth": "YW5uYTp3cm9uZw=="}}}"#.replace("HOST", host);
    lab.write("home/.docker/config.json", &wrong);
    assert_eq!(lab.run(&all).code, 1);
    let right = wrong.replace("YW5uYTp3cm9uZw==", &basic());
    lab.write("home/.docker/config.json", &right);
    let report = lab.json(&[&all[..], &["--dry-run", "--json"]].concat());
    assert_eq!(row(&report, "app")["chosen"], "1.1", "{report}");
    // The same by a helper program.
    lab.write(
        "home/.docker/config.json",
        &format!("{{\"credHelpers\": {{\"{host}\": \"tests\"}}}}"),
    );
    let helper = lab.path("bin/docker-credential-tests");
    let answer = format!("{{\"Username\":\"{}\",\"Secret\":\"{}\"}}", USER.0, USER.1);
    lab.write(
        "bin/docker-credential-tests",
        &format!("#!/bin/sh\nread -r host\n[ \"$host\" = {host} ] && echo '{answer}'\n"),
    );
    fs::set_permissions(&helper, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", lab.path("bin").display(), std::env::var("PATH").unwrap());
    let output = lab.command().env("PATH", path).args(all).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(read(&place, "compose.yml").contains("wiki:1.1@sha256:"));
    // One that fails is a warning: the images of others can still be asked for.
    let run = lab.run(&all);
    assert!(run.stderr.contains("docker-credential-tests"), "{run}");
}

/// A server that gives an answer to each request, and keeps the requests.
struct Fake {
    host: String,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    /// `answer` makes status line, headers and body of the head of a request.
    fn new(answer: impl Fn(&str) -> (String, Vec<u8>) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let hearing = Arc::clone(&heard);
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let mut connection = connection.unwrap();
                let mut head = Vec::new();
                let mut part = [0; 1024];
                while !head.windows(4).any(|end| end == b"\r\n\r\n") {
                    match connection.read(&mut part) {
                        Ok(0) | Err(_) => break,
                        Ok(length) => head.extend_from_slice(&part[..length]),
                    }
                }
                let head = String::from_utf8_lossy(&head).into_owned();
                let (said, body) = answer(&head);
                hearing.lock().unwrap().push(head);
                let head = format!(
                    "HTTP/1.1 {said}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                let _ = connection.write_all(&[head.as_bytes(), &body].concat());
            }
        });
        Fake { host, heard }
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

fn ok(body: impl Into<Vec<u8>>) -> (String, Vec<u8>) {
    ("200 OK".into(), body.into())
}

const TAGS: &str = r#"{"tags": ["1.0", "1.1"]}"#;

/// What an upgrade says of the registry; nothing is changed.
fn refused(host: &str) -> Value {
    let text = compose(&[("app", format!("{host}/org/wiki:1.0"))]);
    let (lab, place) = with(&text, "");
    let run = lab.run(&["recipe", "upgrade", "wiki", "--minor", "--json"]);
    assert_eq!(run.code, 1, "{run}");
    assert_eq!(read(&place, "compose.yml"), text);
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    row(&report, "app")["error"].clone()
}

#[test]
fn credentials_go_to_nobody_else() {
    let other = Fake::new(|_| ok(TAGS));
    let there = format!("http://{}/v2/org/wiki/tags/list", other.host);
    let fake = Fake::new(move |head| {
        if !head.to_lowercase().contains("authorization") {
            let challenge = "401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"";
            return (challenge.into(), Vec::new());
        }
        (format!("307 Temporary Redirect\r\nLocation: {there}"), Vec::new())
    });
    let (lab, _) = with(&compose(&[("app", format!("{}/org/wiki:1.0", fake.host))]), "");
    let config = format!("{{\"auths\": {{\"{}\": {{\"auth\": \"{}\"}}}}}}", fake.host, basic());
    lab.write("home/.docker/config.json", &config);
    let report = lab.json(&["recipe", "upgrade", "wiki", "--dry-run", "--json"]);
    assert_eq!(row(&report, "app")["newer"], serde_json::json!(["1.1"]), "{report}");
    assert!(fake.heard().iter().any(|head| head.contains(&basic())));
    assert!(!other.heard().is_empty());
    for head in other.heard() {
        assert!(!head.to_lowercase().contains("authorization"), "{head}");
    }
    // Nor to one that only it was redirected to, which asks for them.
    let asking = Fake::new(|_| {
        ("401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"".into(), Vec::new())
    });
    let there = format!("http://{}/", asking.host);
    let fake =
        Fake::new(move |_| (format!("307 Temporary Redirect\r\nLocation: {there}"), Vec::new()));
    let config = config.replace(
        "auths\": {\"",
        &format!("auths\": {{\"{}\": {{\"auth\": \"{}\"}}, \"", fake.host, basic()),
    );
    let (lab, _) = with(&compose(&[("app", format!("{}/org/wiki:1.0", fake.host))]), "");
    lab.write("home/.docker/config.json", &config);
    assert_eq!(lab.run(&["recipe", "upgrade", "wiki", "--minor"]).code, 1);
    for head in asking.heard().iter().chain(&fake.heard()) {
        assert!(!head.to_lowercase().contains("authorization"), "{head}");
    }
}

#[test]
fn a_token_is_fetched_with_the_password_or_an_identity_token() {
    for (entry, expected) in [
        (
            format!("{{\"auth\": \"{}\"}}", basic()),
            format!("authorization: basic {}", basic().to_lowercase()),
        ),
        ("{\"identitytoken\": \"long lived\"}".to_owned(), "post /token ".to_owned()),
    ] {
        let tokens = Fake::new(|_| ok("{\"access_token\": \"short\"}"));
        let realm = format!("http://{}/token", tokens.host);
        let fake = Fake::new(move |head| {
            match head.contains("Bearer short") || head.contains("bearer short") {
                true => ok(TAGS),
                false => (
                    format!(
                        "401 Unauthorized\r\nWWW-Authenticate: Bearer realm=\"{realm}\",service=\"r\",scope=\"repository:org/wiki:pull\""
                    ),
                    Vec::new(),
                ),
            }
        });
        let (lab, _) = with(&compose(&[("app", format!("{}/org/wiki:1.0", fake.host))]), "");
        lab.write(
            "home/.docker/config.json",
            &format!("{{\"auths\": {{\"{}\": {entry}}}}}", fake.host),
        );
        let report = lab.json(&["recipe", "upgrade", "wiki", "--dry-run", "--json"]);
        assert_eq!(row(&report, "app")["newer"], serde_json::json!(["1.1"]), "{report}");
        let asked = tokens.heard().concat().to_lowercase();
        assert!(asked.contains(&expected), "{expected}: {asked}");
        assert!(
            !fake.heard().concat().contains(&basic()),
            "the registry itself gets the token only"
        );
    }
}

#[test]
fn a_registry_that_means_harm_is_bounded() {
    // A token from an address that anyone on the way can read.
    let fake = Fake::new(|_| {
        let challenge = "Bearer realm=\"http://tokens.example.invalid/token\"";
        (format!("401 Unauthorized\r\nWWW-Authenticate: {challenge}"), Vec::new())
    });
    assert!(refused(&fake.host).as_str().unwrap().contains("401"));
    // Redirects without end, and to an address without TLS.
    let fake = Fake::new(|_| ("302 Found\r\nLocation: /again".into(), Vec::new()));
    assert!(refused(&fake.host).as_str().unwrap().contains("redirects too often"));
    let fake = Fake::new(|_| ("302 Found\r\nLocation: http://192.0.2.1/x".into(), Vec::new()));
    assert!(refused(&fake.host).as_str().unwrap().contains("without https"));
    // Tags without end.
    let fake = Fake::new(|_| {
        let next = "200 OK\r\nLink: </v2/org/wiki/tags/list?n=1000&last=x>; rel=\"next\"";
        (next.into(), TAGS.into())
    });
    assert!(refused(&fake.host).as_str().unwrap().contains("too many tags"));
    // A page that is elsewhere: the same registry is asked.
    let other = Fake::new(|_| ok(TAGS));
    let there = format!("http://{}/v2/org/wiki/tags/list?last=1", other.host);
    let fake = Fake::new(move |head| match head.contains("last=1") {
        true => ok(r#"{"tags": ["1.2"]}"#),
        false => (format!("200 OK\r\nLink: <{there}>; rel=\"next\""), TAGS.into()),
    });
    let (lab, _) = with(&compose(&[("app", format!("{}/org/wiki:1.0", fake.host))]), "");
    let report = lab.json(&["recipe", "upgrade", "wiki", "--dry-run", "--json"]);
    assert_eq!(row(&report, "app")["newer"], serde_json::json!(["1.2", "1.1"]), "{report}");
    assert_eq!(other.heard(), Vec::<String>::new());
    // An answer that is too long, and one that is something else.
    let fake = Fake::new(|_| ok(vec![b' '; 9 << 20]));
    assert!(refused(&fake.host).as_str().unwrap().contains("longer than 8 MiB"));
    let fake = Fake::new(|_| ok("<html>"));
    assert!(refused(&fake.host).as_str().unwrap().contains("unexpected"));
}

#[test]
fn names_of_tags_cannot_do_anything() {
    let tags = serde_json::json!({"tags": [
        "1.1\u{1b}[31m", "1.2\n- evil", "1.3/../../x", "1.4@sha256:0", "1.5 # x", "1.6\"", "1.1",
    ]});
    let fake = Fake::new(move |head| match head.contains("/tags/list") {
        true => ok(tags.to_string()),
        false => ("404 Not Found".into(), Vec::new()),
    });
    let (lab, place) = with(&compose(&[("app", format!("{}/org/wiki:1.0", fake.host))]), "");
    let run = done(&lab, &["recipe", "upgrade", "wiki", "--minor"]);
    assert!(!format!("{run}").contains('\u{1b}') && !format!("{run}").contains("evil"), "{run}");
    assert!(run.stderr.contains("when") && run.stderr.contains("404"), "{run}");
    assert!(read(&place, "compose.yml").contains("wiki:1.1\n"));
}

#[test]
fn content_that_does_not_have_its_digest_is_not_believed() {
    let fake = Fake::new(|head| {
        if head.contains("/tags/list") {
            return ok(TAGS);
        }
        if head.contains("/blobs/") {
            return ok(r#"{"created": "2020-01-01T00:00:00Z"}"#);
        }
        ok(format!("{{\"config\": {{\"digest\": \"sha256:{}\"}}}}", "0".repeat(64)))
    });
    let (lab, _) = with(&compose(&[("app", format!("{}/org/wiki:1.0", fake.host))]), "");
    let run = lab.run(&["recipe", "upgrade", "wiki", "--minor", "--min-age", "1d"]);
    assert_eq!(run.code, 1, "{run}");
    assert!(run.stderr.contains("has another digest"), "{run}");
}

/// The configuration of Renovate that the documents show.
fn documented() -> Value {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/cli.md");
    let text = fs::read_to_string(path).unwrap();
    let section = text.split("### With Renovate").nth(1).unwrap();
    let block = section.split("```json").nth(1).unwrap().split("```").next().unwrap();
    serde_json::from_str(block).unwrap()
}

#[test]
fn what_renovate_changed_is_put_into_label_and_note() {
    let text = compose(&[
        ("app", "example/wiki:${WIKI_VERSION:-1.0.0}".into()),
        ("db", "mariadb:10.6".into()),
    ]);
    let (lab, place) = with(&text, "WIKI_VERSION=1.0.0\n");
    git(&place, &["tag", "-a", "-m", "first", "1.0.0+1.0.0"]);
    // As Renovate clones: without the content of other versions.
    git(&place, &["config", "uploadpack.allowFilter", "true"]);
    let clone = lab.path("renovate/wiki");
    fs::create_dir_all(clone.parent().unwrap()).unwrap();
    let url = format!("file://{}", place.display());
    git(&lab.path("renovate"), &["clone", "--quiet", "--filter=blob:none", &url, "wiki"]);
    fs::write(clone.join("compose.yml"), text.replace("10.6", "10.11").replace("1.0.0", "1.0.1"))
        .unwrap();
    fs::write(clone.join(".env.sample"), "WIKI_VERSION=1.0.1\n").unwrap();
    let config = documented();
    let command = config["postUpgradeTasks"]["commands"][0].as_str().unwrap();
    let words: Vec<&str> = command.split(' ').collect();
    assert_eq!(words[0], "potluck");
    let run = |words: &[&str]| {
        let output = lab.command().current_dir(&clone).args(words).output().unwrap();
        lab.tidy(&output)
    };
    let ran = run(&words[1..]);
    assert_eq!(ran.code, 0, "{ran}");
    assert!(ran.stderr.contains("10.11 is a new major version of MariaDB after 10.6"), "{ran}");
    assert!(
        read(&clone, "compose.yml").contains("version=2.0.0+1.0.1\""),
        "{}",
        read(&clone, "compose.yml")
    );
    let note = read(&clone, "release/next");
    assert!(
        note.starts_with("- app: example/wiki 1.0.0 → 1.0.1\n- db: mariadb 10.6 → 10.11. "),
        "{note}"
    );
    // What it changes is what Renovate commits.
    let changed = git(&clone, &["status", "--porcelain", "--untracked-files=all"]);
    let changed: Vec<_> =
        changed.lines().map(|line| line.trim_start().split_once(' ').unwrap().1.trim()).collect();
    let filters = config["postUpgradeTasks"]["fileFilters"].as_array().unwrap();
    for path in changed.iter().filter(|path| **path != ".env.sample") {
        assert!(filters.iter().any(|filter| filter == path), "{path} is in no filter");
    }
    // Once more, and nothing is different.
    let before = lab.files();
    assert_eq!(run(&words[1..]).code, 0);
    assert_eq!(lab.files(), before);
    // A clone without tags: what the label of the commit says counts as released.
    git(&clone, &["checkout", "--quiet", "."]);
    fs::remove_dir_all(clone.join("release")).unwrap();
    git(&clone, &["tag", "-d", "1.0.0+1.0.0"]);
    done(&lab, &["recipe", "sync", "renovate/wiki", "3.1.0+1.0.0"]);
    save(&clone, "the label");
    fs::write(clone.join(".env.sample"), "WIKI_VERSION=1.1.0\n").unwrap();
    let report = lab.json(&["recipe", "sync", "./renovate/wiki", "--from", "HEAD", "--json"]);
    assert_eq!(report["after"], "3.2.0+1.1.0", "{report}");
    assert_eq!(report["note"], "- app: example/wiki 1.0.0 → 1.1.0\n");
    let run = lab.run(&["recipe", "sync", "renovate/wiki", "--from", "nothing"]);
    assert_eq!(run.code, 1, "{run}");
    assert!(run.stderr.contains("no commit `nothing`"), "{run}");
}

#[test]
fn a_folder_is_worked_on_wherever_it_is() {
    let lab = Lab::new();
    let place = lab.path("build/wiki");
    repository(&place, &compose(&[("app", "example/wiki:1.0.0".into())]));
    save(&place, "the image");
    let keys = Keys::new();
    let config = format!(
        "[user]\n\tname = Anna\n\temail = anna@example.org\n\tsigningKey = {}\n[gpg]\n\tformat = ssh\n[tag]\n\tgpgSign = true\n",
        keys.of("anna").display()
    );
    lab.write("home/.gitconfig", &config);
    fs::write(place.join("compose.yml"), compose(&[("app", "example/wiki:1.1.0".into())])).unwrap();
    let run = |words: &[&str]| {
        let output = lab.command().current_dir(&place).args(words).output().unwrap();
        lab.tidy(&output)
    };
    for words in [
        &["recipe", "diff", "."][..],
        &["recipe", "sync", ".", "--from", "HEAD"],
        &["recipe", "release", ".", "--yes"],
    ] {
        let ran = run(words);
        assert_eq!(ran.code, 0, "{words:?}: {ran}");
    }
    assert_eq!(git(&place, &["status", "--porcelain"]), "");
    // git itself believes the signature.
    let signers = lab.path("signers");
    fs::write(&signers, keys.line("anna")).unwrap();
    let signers = format!("gpg.ssh.allowedSignersFile={}", signers.display());
    git(&place, &["-c", "gpg.format=ssh", "-c", &signers, "tag", "-v", "0.1.0+1.1.0"]);
    assert_eq!(read(&place, "release/0.1.0+1.1.0"), "- app: example/wiki 1.0.0 → 1.1.0\n");
    assert!(!lab.path("potluck/recipes").exists(), "nothing is added to the operator's folder");
    for words in [
        &["recipe", "sync", "https://git.example.org/wiki", "-z"],
        &["recipe", "sync", "./none", "-z"],
    ] {
        assert_ne!(run(&words[..]).code, 0, "{words:?}");
    }
}
