//! Example recipes with the apps themselves on the real swarm: sites that are built from
//! their sources, a wiki that is upgraded and taken back, and the entrance, with a
//! certificate of an authority.

use crate::support::{
    cli::{Lab, Run},
    common::{Cleanup, PATIENCE, endpoint, ports, real_engine},
    operator::{docker, domain, folder, good, has_images, machine, two_releases},
};

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use potluck::home::StackName;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// One app of a recipe, on a port of its own.
struct World {
    lab: Lab,
    domain: String,
    stack: StackName,
    port: u16,
    _cleanup: Cleanup,
}

impl World {
    /// Its settings and secrets, nothing deployed. `version` is that of a recipe with releases.
    fn new(lab: Lab, recipe: &str, version: Option<&str>, overlays: &str, more: &[&str]) -> Self {
        let (domain, stack) = domain("commons");
        let port = ports();
        let settings = [
            format!("COMPOSE_FILE=compose.yml:{overlays}compose.test.yml"),
            format!("PORT={port}"),
            format!("SITE_URL=http://{domain}:{port}"),
        ];
        let mut new = vec!["app", "new", recipe];
        new.extend(version);
        new.extend(["--server", "here", "-n", "--domain", &domain]);
        for setting in settings.iter().map(String::as_str).chain(more.iter().copied()) {
            new.extend(["--set", setting]);
        }
        good(&lab.run(&new));
        good(&lab.run(&["app", "secret", "generate", &domain, "-n"]));
        let cleanup = Cleanup::new(&stack);
        World { lab, domain, stack, port, _cleanup: cleanup }
    }

    fn app(&self, verb: &str, more: &[&str]) -> Run {
        self.lab.run(&[&["app", verb, &self.domain, "-n"][..], more].concat())
    }

    /// Runs a program in a service, with this as its input.
    fn inside(&self, service: &str, command: &[&str], input: &str) -> Run {
        let arguments = [&["app", "run", &self.domain, service, "--"][..], command].concat();
        let run = self.lab.run_with(&arguments, input.as_bytes());
        good(&run);
        run
    }

    fn page(&self, path: &str) -> String {
        let address = format!("http://127.0.0.1:{}{path}", self.port);
        let got = Command::new("curl").args(["-sL", &address]).output().unwrap();
        String::from_utf8_lossy(&got.stdout).into_owned()
    }

    /// Waits until a page says this.
    fn says(&self, path: &str, words: &str) {
        wait_for(words, || self.page(path).contains(words));
    }

    /// Takes everything off the server, the volumes included.
    fn lose(&self, volumes: &[&str]) {
        good(&self.app("undeploy", &[]));
        let of_stack = format!("label=com.docker.stack.namespace={}", self.stack);
        wait_for("the containers' end", || {
            docker(&["ps", "-aq", "--filter", &of_stack]).is_empty()
        });
        for volume in volumes {
            let name = format!("{}_{volume}", self.stack);
            assert_eq!(docker(&["volume", "rm", &name]).trim(), name);
        }
    }
}

fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(300));
    }
}

fn example(name: &str) -> PathBuf {
    Path::new(ROOT).join("recipes-examples").join(name)
}

/// A folder with files of these texts, called `site`.
fn sources(lab: &Lab, files: &[(&str, &str)]) -> String {
    for (name, text) in files {
        lab.write(&format!("site/{name}"), text);
    }
    lab.path("site").to_str().unwrap().to_owned()
}

/// Built from what somebody puts there; what cannot be built changes nothing; what is lost is
/// built again from a backup.
async fn a_site(generator: &str, files: &[(&str, &str)], page: &str, broken: (&str, &str)) {
    if real_engine().await.is_none() || !has_images(&[&format!("{generator}:1"), "nginx:1"]) {
        return;
    }
    let recipe = example(generator);
    let image = format!("IMAGE=potluck-test/{generator}:1");
    let world = World::new(folder(), recipe.to_str().unwrap(), None, "", &[&image]);
    good(&world.app("deploy", &[]));
    world.says("/", "It is built");

    let put = |files: &[(&str, &str)]| {
        let site = sources(&world.lab, files);
        good(&world.lab.run(&["app", "cp", &world.domain, &site, "build:/source/"]));
    };
    world.inside("build", &["rm", "-rf", "/source/site"], "");
    put(files);
    world.says("/", "Soup weekly");
    world.says(page, "Two leeks");
    assert!(world.page("/no/such/page").contains("404"));

    put(&[broken]);
    wait_for("the failed build", || {
        world.app("logs", &["build"]).stdout.contains("the build failed")
    });
    world.says(page, "Two leeks");
    put(files);

    good(&world.lab.run(&["backup", "create", &world.domain]));
    world.lose(&["source", "site"]);
    good(&world.lab.run(&["backup", "restore", &world.domain, "--yes"]));
    world.says(page, "Two leeks");
}

#[tokio::test(flavor = "multi_thread")]
async fn pelican_builds_a_site_that_comes_back_from_a_backup() {
    let settings = "SITENAME = 'Soup weekly'\nTIMEZONE = 'UTC'\n";
    let files = [
        ("pelicanconf.py", settings),
        ("content/leek.md", "Title: Leek\nDate: 2026-01-02\n\nTwo leeks.\n"),
    ];
    a_site("pelican", &files, "/leek.html", ("pelicanconf.py", "SITENAME = (\n")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jekyll_builds_a_site_that_comes_back_from_a_backup() {
    let files = [
        ("_config.yml", "title: Soup weekly\ntheme: minima\nplugins: [jekyll-feed]\n"),
        ("index.md", "---\nlayout: home\n---\n"),
        ("_posts/2026-01-02-leek.md", "---\nlayout: post\ntitle: Leek\n---\nTwo leeks.\n"),
        // Its gems are the image's, whatever this says.
        ("Gemfile", "gem 'no-such-gem'\n"),
    ];
    a_site("jekyll", &files, "/2026/01/02/leek.html", ("_config.yml", "title: [\n")).await;
}

/// The wiki's two releases, of MediaWiki 1.39 and 1.43.
const OLD: &str = "0.1.0+1.39.17";
const NEW: &str = "0.2.0+1.43.11";
const GRANTS: [&str; 8] = [
    "--grant",
    "database exec: db",
    "--grant",
    "database secret: db_password",
    "--grant",
    "mail exec: app",
    "--grant",
    "mail secret: smtp_password",
];

impl World {
    fn edit(&self, title: &str, text: &str) {
        self.inside("app", &["php", "maintenance/edit.php", "--user", "Admin", title], text);
    }

    fn wiki_is(&self, version: &str, words: &str) {
        let page = self.page("/wiki/Leek");
        assert!(page.contains(&format!("MediaWiki {version}")) && page.contains(words), "{page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make campaign commons"]
async fn a_wiki_is_upgraded_after_a_backup_and_goes_back_with_its_data_only() {
    let images = ["mediawiki:1.39", "mediawiki:1.43", "mariadb:1"];
    if real_engine().await.is_none() || !has_images(&images) {
        return;
    }
    let lab = folder();
    let older = [(NEW, OLD), ("wiki:1.43.11", "wiki:1.39.17"), ("wiki:1.43", "wiki:1.39")];
    two_releases("mediawiki", &lab.path("mediawiki"), [OLD, NEW], &older);
    let more = ["SITE_NAME=Soup wiki", "EXTENSIONS=Cite ParserFunctions"];
    let world = World::new(lab, "./mediawiki", Some(OLD), "", &more);
    good(&world.app("deploy", &GRANTS));
    world.edit("Leek", "Two leeks and {{#expr: 20+3}} potatoes");
    world.wiki_is("1.39", "Two leeks and 23 potatoes");
    // A program among the uploads is neither run nor shown.
    world.inside("app", &["tee", "images/x.php"], "<?php echo 6*7;");
    let page = world.page("/images/x.php");
    assert!(page.contains("Forbidden") && !page.contains("42"), "{page}");

    good(&world.app("upgrade", &[]));
    world.wiki_is("1.43", "Two leeks and 23 potatoes");
    world.edit("Later", "Written on the newer one");

    // The older one finds tables that are too new, and the newer one runs on.
    let refused = world.app("rollback", &[]);
    assert_ne!(refused.code, 0, "{refused}");
    world.wiki_is("1.43", "Two leeks and 23 potatoes");
    good(&world.app("rollback", &["--data"]));
    world.wiki_is("1.39", "Two leeks and 23 potatoes");
    assert!(!world.page("/wiki/Later").contains("Written on"));

    world.lose(&["data", "images"]);
    good(&world.lab.run(&["backup", "restore", &world.domain, "--yes"]));
    world.says("/wiki/Leek", "Two leeks and 23 potatoes");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make campaign commons"]
async fn matomo_counts_a_visit_that_comes_back_from_a_backup() {
    if real_engine().await.is_none() || !has_images(&["matomo:1", "mariadb:1"]) {
        return;
    }
    let recipe = example("matomo");
    let world = World::new(folder(), recipe.to_str().unwrap(), None, "", &[]);
    // Without a browser's name it is a robot, which is not counted.
    let browser = "user-agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Firefox/140.0";
    good(&world.app("deploy", &[&GRANTS[..4], &GRANTS[6..]].concat()));
    let seen = format!(
        "http://127.0.0.1:{}/matomo.php?idsite=1&rec=1&url=https://www.example.org/leek",
        world.port
    );
    let seen = Command::new("curl").args(["-sf", "-H", browser, &seen]).output().unwrap();
    assert!(seen.status.success(), "{seen:?}");
    let counted = |world: &World| {
        let php = r#"
            $password = trim(file_get_contents('/run/secrets/db_password'));
            $db = new mysqli(getenv('DB_HOST'), 'matomo', $password, 'matomo');
            $visits = $db->query('SELECT COUNT(*) FROM matomo_log_visit')->fetch_row();
            $people = $db->query("SELECT login FROM matomo_user WHERE superuser_access = 1");
            echo $visits[0], ' ', $people->fetch_row()[0];"#;
        world.inside("app", &["php", "-r", php], "").stdout.trim().to_owned()
    };
    assert_eq!(counted(&world), "1 admin");

    good(&world.lab.run(&["backup", "create", &world.domain]));
    world.lose(&["data", "database"]);
    good(&world.lab.run(&["backup", "restore", &world.domain, "--yes"]));
    assert_eq!(counted(&world), "1 admin");
    world.says("/index.php?module=Login", "Sign in");
}

fn attempt(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(["-H", &endpoint()]).args(arguments).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// An authority on the network `proxy`.
struct Authority {
    name: String,
    /// The network is ours to remove.
    network: bool,
}

impl Authority {
    fn new(http_port: u16) -> Self {
        let mine = |line: &str| line == "proxy";
        let known = docker(&["network", "ls", "--format", "{{.Name}}"]);
        let network = !known.lines().any(mine);
        if network {
            docker(&["network", "create", "--driver", "overlay", "--attachable", "proxy"]);
        }
        let name = format!("authority-{}", std::process::id());
        let settings = [
            format!("NAME={name}"),
            format!("HTTP_PORT={http_port}"),
            format!("ADDRESS={}", machine()),
        ];
        let mut run = vec!["run", "-d", "--name", &name, "--network", "proxy"];
        for setting in &settings {
            run.extend(["-e", setting]);
        }
        run.push("potluck-test/pebble:1");
        docker(&run);
        let authority = Authority { name, network };
        wait_for("the authority", || authority.root().contains("BEGIN CERTIFICATE"));
        authority
    }

    /// What a script writes there, whether or not it succeeds.
    fn inside(&self, script: &str) -> String {
        attempt(&["exec", &self.name, "sh", "-c", script])
    }

    /// Who vouches for what it issues.
    fn root(&self) -> String {
        self.inside("wget -qO- --no-check-certificate https://127.0.0.1:15000/roots/0 2>/dev/null")
    }

    /// A page by https, if its certificate is of this authority.
    fn page(&self, domain: &str, port: u16) -> String {
        let machine = machine();
        self.inside(&format!(
            "wget -qO /tmp/root --no-check-certificate https://127.0.0.1:15000/roots/0 2>/dev/null
             printf 'GET / HTTP/1.0\\r\\nHost: {domain}\\r\\n\\r\\n' |
             timeout 10 openssl s_client -quiet -ign_eof -verify_return_error -verify_hostname {domain} \
               -CAfile /tmp/root -servername {domain} -connect {machine}:{port} 2>/dev/null"
        ))
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        attempt(&["rm", "-f", &self.name]);
        if self.network {
            attempt(&["network", "rm", "proxy"]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn traefik_fetches_a_certificate_and_serves_it_after_a_restore() {
    let images = ["traefik:1", "docker-socket-proxy:1", "pebble:1", "busybox:1"];
    if real_engine().await.is_none() || !has_images(&images) {
        return;
    }
    let (http, https) = (ports(), ports());
    let authority = Authority::new(http);
    let settings = [
        format!("HTTP_PORT={http}"),
        format!("HTTPS_PORT={https}"),
        format!("ACME_SERVER=https://{}:14000/dir", authority.name),
        "SECRET_ACME_CA_VERSION=v1".to_owned(),
    ];
    let settings = settings.each_ref().map(String::as_str);
    let recipe = example("traefik");
    let entrance =
        World::new(folder(), recipe.to_str().unwrap(), None, "compose.acme.yml:", &settings);
    let ca = authority.inside("cat /run/pebble/ca.pem");
    let insert = ["app", "secret", "insert", &entrance.domain, "acme_ca"];
    good(&entrance.lab.run_with(&insert, ca.as_bytes()));
    let without = entrance.app("deploy", &[]);
    assert_eq!(without.code, 6, "{without}");
    assert!(without.stderr.contains("--grant 'socket docker-socket'"), "{without}");
    good(&entrance.app("deploy", &["--grant", "socket docker-socket"]));

    let recipe = example("static-html");
    let own = ["LETS_ENCRYPT_ENV=own", "EXTRA_DOMAINS="];
    let site = World::new(folder(), recipe.to_str().unwrap(), None, "compose.traefik.yml:", &own);
    good(&site.app("deploy", &[]));
    let served = || authority.page(&site.domain, https).contains("It is served");
    wait_for("a page with a certificate of the authority", served);
    // What says nothing of its encryption is led to it.
    let address = format!("http://127.0.0.1:{http}/");
    let host = format!("Host: {}", site.domain);
    let led = Command::new("curl").args(["-sI", "-H", &host, &address]).output().unwrap();
    let led = String::from_utf8_lossy(&led.stdout).into_owned();
    assert!(led.contains(&format!("Location: https://{}/", site.domain)), "{led}");

    good(&entrance.lab.run(&["backup", "create", &entrance.domain]));
    entrance.lose(&["certificates"]);
    // Without the authority only what was saved can be served.
    docker(&["pause", &authority.name]);
    good(&entrance.lab.run(&["backup", "restore", &entrance.domain, "--yes"]));
    docker(&["unpause", &authority.name]);
    wait_for("the page after the restore", served);
    let logs = Command::new("docker").args(["logs", &authority.name]).output().unwrap();
    let logs = String::from_utf8_lossy(&[logs.stdout, logs.stderr].concat()).into_owned();
    let fetched = logs.matches("Issued certificate").count();
    assert_eq!(fetched, 1, "the certificate was fetched again");
}
