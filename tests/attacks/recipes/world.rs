//! A neighbour that must not notice anything, tripwires that must stay silent,
//! and recipes of an attacker's making that are run through the real program.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    net::TcpListener,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{ChildStdin, Command, Stdio},
    sync::{
        LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use super::{
    cli::{Lab, Run},
    common::{self, BUSYBOX, PATIENCE, endpoint},
};

/// Where the neighbour is. A guest has a name of its own for the same swarm, and
/// with it a repository of its own: restic's locks keep no attack waiting.
pub const NEIGHBOURS_SERVER: &str = "here";

/// The neighbour: a database with a volume, a secret and a config.
const VICTIM: &str = r#"
services:
  db:
    image: BUSYBOX
    command: ["sh", "-c", "echo NEIGHBOUR >/data/secret.txt; cp /run/secrets/pw /data/pw; trap exit TERM; while :; do sleep 0.5; done"]
    stop_grace_period: 0s
    volumes: [data:/data]
    secrets: [{source: db_password, target: pw}]
    configs: [{source: settings, target: /settings}]
    deploy: {endpoint_mode: dnsrr}
volumes: {data: {}}
configs: {settings: {file: settings}}
secrets:
  db_password: {external: true, name: "${STACK_NAME}_db_password_${SECRET_DB_PASSWORD_VERSION}"}
"#;

/// What the neighbour's data says, and nobody else may learn.
pub const NEIGHBOURS: &str = "data of the neighbour alone";

/// The operator's folder, with the neighbour in it; one for all attacks, as one
/// operator has all apps.
struct World {
    lab: Lab,
    /// The neighbour's name in Docker.
    victim: String,
    /// Whoever cleans up reads from it, and begins when this program is gone.
    _alive: ChildStdin,
}

fn world() -> Option<&'static World> {
    // What fails once is not tried again by each attack.
    static WORLD: LazyLock<Option<World>> = LazyLock::new(World::new);
    WORLD.as_ref()
}

impl World {
    fn new() -> Option<Self> {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(common::real_engine())?;
        if !rustix::process::geteuid().is_root() {
            common::skip("recipes do not attack: not root, so that no volume can be looked at");
            return None;
        }
        let lab = Lab::new();
        let domain = format!("victim{}.example.org", std::process::id());
        let victim = domain.replace('.', "_");
        let alive = clean_up_afterwards(&lab.path(""), std::process::id());
        let compose = VICTIM.replace("BUSYBOX", BUSYBOX).replace("NEIGHBOUR", NEIGHBOURS);
        lab.write("victim/compose.yml", &compose);
        lab.write("victim/settings", "the neighbour's settings\n");
        let sample = "TYPE=victim\nDOMAIN=x\nSECRET_DB_PASSWORD_VERSION=v1 # length=20\n";
        lab.write("victim/.env.sample", sample);
        for arguments in [
            &["server", "add", NEIGHBOURS_SERVER, "--local"][..],
            &[
                "app",
                "new",
                "./victim",
                "--server",
                NEIGHBOURS_SERVER,
                "--domain",
                &domain,
                "-n",
                "--secrets",
            ],
            &["app", "deploy", &domain, "-n"],
        ] {
            let run = lab.run(arguments);
            assert_eq!(run.code, 0, "{arguments:?}\n{run}");
        }
        let world = World { lab, victim, _alive: alive };
        world.wait_for_data();
        Some(world)
    }

    fn wait_for_data(&self) {
        let file = self.volume().join("pw");
        let deadline = Instant::now() + PATIENCE;
        while fs::read(&file).is_ok_and(|pw| pw.is_empty()) || !file.exists() {
            assert!(Instant::now() < deadline, "the neighbour does not begin");
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }

    fn volume(&self) -> PathBuf {
        docker(&["volume", "inspect", "-f", "{{.Mountpoint}}", &format!("{}_data", self.victim)])
            .trim()
            .into()
    }

    /// All of the neighbour that an attack could change.
    fn fingerprint(&self) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        let label = format!("label=com.docker.stack.namespace={}", self.victim);
        for kind in ["service", "secret", "config", "network", "volume"] {
            // By name: a secret that is external in the file carries no label.
            let name = format!("name={}_", self.victim);
            let ids = docker(&[kind, "ls", "-q", "--filter", &name]);
            let mut ids: Vec<&str> = ids.split_whitespace().collect();
            ids.sort_unstable();
            assert!(!ids.is_empty(), "the neighbour has no {kind}");
            for id in ids {
                let shown = match kind {
                    // Containers that come and go are its own tasks', below.
                    "network" => "{{.ID}} {{.Name}} {{json .Labels}} {{json .IPAM}}",
                    "volume" => "{{json .}}",
                    _ => "{{.ID}} {{json .Version}} {{json .Spec}}",
                };
                all.insert(format!("{kind} {id}"), docker(&[kind, "inspect", "-f", shown, id]));
            }
        }
        let running = docker(&["ps", "-q", "--no-trunc", "--filter", &label]);
        assert_eq!(running.lines().count(), 1, "the neighbour's task");
        all.insert("containers".into(), running);
        for (path, content) in tree(&self.volume()) {
            all.insert(format!("volume's {}", path.display()), content);
        }
        let settings = self.lab.path(&format!("potluck/servers/{NEIGHBOURS_SERVER}"));
        for (path, content) in tree(&settings) {
            if path.to_string_lossy().starts_with("victim") {
                all.insert(format!("settings' {}", path.display()), content);
            }
        }
        all
    }
}

/// Content, owner, mode and time of every file.
fn tree(folder: &Path) -> Vec<(PathBuf, String)> {
    fn walk(top: &Path, folder: &Path, all: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let meta = fs::symlink_metadata(&path).unwrap();
            let content = match meta.file_type() {
                kind if kind.is_dir() => String::new(),
                kind if kind.is_symlink() => format!("{:?}", fs::read_link(&path).unwrap()),
                kind if kind.is_file() => {
                    let mut hash = DefaultHasher::new();
                    fs::read(&path).unwrap().hash(&mut hash);
                    format!("{:x}", hash.finish())
                }
                other => format!("{other:?}"),
            };
            let facts = format!(
                "{content} {}:{} {:o} {}.{}",
                meta.uid(),
                meta.gid(),
                meta.mode(),
                meta.mtime(),
                meta.mtime_nsec()
            );
            all.push((path.strip_prefix(top).unwrap().to_owned(), facts));
            if meta.is_dir() {
                walk(top, &path, all);
            }
        }
    }
    let mut all = Vec::new();
    walk(folder, folder, &mut all);
    all.sort();
    all
}

pub fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(["-H", &endpoint()]).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "docker {arguments:?}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Tests end without a word, so a shell waits for the end of this program and
/// then removes every stack of its own, and the folder.
#[expect(clippy::zombie_processes, reason = "it outlives this program")]
fn clean_up_afterwards(folder: &Path, process: u32) -> ChildStdin {
    let script = r#"
        cat >/dev/null
        for domain in victim guest; do
            for stack in $(docker stack ls --format '{{.Name}}' | grep "^$domain$1[-_]"); do
                docker stack rm "$stack"
            done
        done
        n=0
        while [ $n -lt 60 ]; do
            n=$((n + 1)) left=
            for kind in secret config volume network; do
                for name in $(docker $kind ls --format '{{.Name}}' | grep -E "^(victim|guest)$1[-_]|^potluck[.](victim|guest)$1[-_]"); do
                    docker $kind rm "$name" || left=1
                done
            done
            [ -n "$left" ] || break
            sleep 1
        done
        rm -rf "$2"
    "#;
    let mut shell = Command::new("sh")
        .args(["-c", script, "sh", &process.to_string()])
        .arg(folder)
        .env("DOCKER_HOST", endpoint())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    shell.stdin.take().unwrap()
}

/// Makes the guest's app.
pub const NEW: &[&str] = &["app", "new", "RECIPE", "--server", "SERVER", "--domain", "APP", "-n"];

/// An attacker's recipe, and what it tries to reach.
pub struct Guest {
    world: &'static World,
    /// Of the recipe, and of its folder.
    name: String,
    pub domain: String,
    /// Its name in Docker.
    pub stack: String,
    /// Stands in files that are none of the recipe's.
    pub secret: String,
    port: TcpListener,
    runs: RefCell<Vec<Run>>,
}

/// Plays one attack: the neighbour is what it was afterwards, and no tripwire
/// was touched.
pub fn attack(play: impl FnOnce(&Guest)) {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let Some(world) = world() else { return };
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let domain = format!("guest{}-{number}.example.org", std::process::id());
    let guest = Guest {
        world,
        name: format!("guest{number}"),
        stack: domain.replace('.', "_"),
        domain,
        secret: format!("outside of guest {number}"),
        port: TcpListener::bind("127.0.0.1:0").unwrap(),
        runs: RefCell::default(),
    };
    guest.port.set_nonblocking(true).unwrap();
    let lab = &world.lab;
    lab.write(&format!("outside/{number}/f"), &guest.secret);
    lab.write(&format!("outside/{number}/compose.yml"), &guest.text(super::QUIET));
    let program = format!("#!/bin/sh\n: >'{}'\n", guest.mark().display());
    lab.write(&format!("outside/{number}/run"), &program);
    let run = guest.outside().join("run");
    fs::set_permissions(&run, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    guest.write(".env.sample", &format!("TYPE={}\nDOMAIN=x\n", guest.name));
    guest.ok(&["server", "add", &guest.name, &endpoint()]);
    let (neighbour, outside) = (world.fingerprint(), tree(&guest.outside()));

    play(&guest);

    let changed: Vec<_> = differences(&neighbour, &world.fingerprint());
    assert!(changed.is_empty(), "the neighbour changed: {changed:#?}");
    assert_eq!(tree(&guest.outside()), outside, "what is outside changed");
    assert!(!guest.mark().exists(), "the program ran");
    assert!(guest.port.accept().is_err(), "the port was reached");
    for run in guest.runs.borrow().iter() {
        for secret in [guest.secret.as_str(), NEIGHBOURS] {
            assert!(!run.to_string().contains(secret), "what is outside was shown\n{run}");
        }
        guest.looks_like_ours(run);
    }
    guest.remove();
}

fn differences(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<String> {
    let names = before.keys().chain(after.keys().filter(|name| !before.contains_key(*name)));
    names
        .filter(|name| before.get(*name) != after.get(*name))
        .map(|name| format!("{name}: {:?} -> {:?}", before.get(name), after.get(name)))
        .collect()
}

impl Guest {
    /// Names of the attack in a text: `BUSYBOX`, the neighbour's stack `VICTIM`,
    /// `OUTSIDE` for a folder that is none of the recipe's, `PROGRAM` for one that
    /// must not run, `PORT` for a port that must not be reached.
    pub fn text(&self, text: &str) -> String {
        text.replace("BUSYBOX", BUSYBOX)
            .replace("VICTIM", &self.world.victim)
            .replace("OUTSIDE", self.outside().to_str().unwrap())
            .replace("PROGRAM", self.outside().join("run").to_str().unwrap())
            .replace("PORT", &self.port.local_addr().unwrap().port().to_string())
    }

    /// The recipe's folder.
    pub fn folder(&self) -> PathBuf {
        self.world.lab.path(&self.name)
    }

    /// A folder with a file `f` that says `secret`, and nothing of the recipe.
    pub fn outside(&self) -> PathBuf {
        self.world.lab.path(&format!("outside/{}", self.name.trim_start_matches("guest")))
    }

    /// The neighbour's data.
    pub fn victims_volume(&self) -> PathBuf {
        self.world.volume()
    }

    pub fn mark(&self) -> PathBuf {
        self.world.lab.path(&format!("{}-mark", self.name))
    }

    /// A path beside the recipe, for what an attack needs.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.world.lab.path(&format!("{}-{name}", self.name))
    }

    /// Writes a file of the recipe.
    pub fn write(&self, below: &str, text: &str) {
        self.world.lab.write(&format!("{}/{below}", self.name), &self.text(text));
    }

    pub fn compose(&self, text: &str) {
        self.write("compose.yml", text);
    }

    /// Adds a line to the app's settings, as whoever shares the folder could.
    pub fn append_setting(&self, line: &str) {
        let folder = self.world.lab.path(&format!("potluck/servers/{}", self.name));
        let file = folder.join(format!("{}.env", self.domain));
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, format!("{text}{}\n", self.text(line))).unwrap();
    }

    /// A link in the recipe.
    pub fn link(&self, target: &str, name: &str) {
        std::os::unix::fs::symlink(self.text(target), self.folder().join(name)).unwrap();
    }

    /// Runs potluck; `APP`, `RECIPE` and `SERVER` are the guest's.
    pub fn run(&self, arguments: &[&str]) -> Run {
        let recipe = format!("./{}", self.name);
        let named: Vec<&str> = arguments
            .iter()
            .map(|argument| match *argument {
                "APP" => self.domain.as_str(),
                "RECIPE" => recipe.as_str(),
                "SERVER" => self.name.as_str(),
                other => other,
            })
            .collect();
        let run = self.world.lab.run(&named);
        let Run { code, stdout, stderr } = &run;
        let kept = Run { code: *code, stdout: stdout.clone(), stderr: stderr.clone() };
        self.runs.borrow_mut().push(kept);
        run
    }

    pub fn new_app(&self) {
        self.ok(NEW);
    }

    /// The guest's server is reached there from now on.
    pub fn move_server(&self, endpoint: &str) {
        let file = format!("potluck/servers/{}/server.yml", self.name);
        self.world.lab.write(&file, &format!("endpoint: {endpoint}\n"));
    }

    pub fn ok(&self, arguments: &[&str]) -> Run {
        let run = self.run(arguments);
        assert_eq!(run.code, 0, "{arguments:?}\n{run}");
        run
    }

    /// The command ends with this exit code and these words, and nothing of the
    /// guest's runs that did not before.
    pub fn refused(&self, arguments: &[&str], code: i32, words: &str) -> Run {
        let services = || self.ids("service");
        let before = services();
        let run = self.run(arguments);
        assert_eq!(run.code, code, "{arguments:?}\n{run}");
        assert!(run.stderr.contains(&self.text(words)), "{words}\n{run}");
        assert_eq!(services(), before, "services were made or removed");
        run
    }

    /// A new app of the recipe, whose deploy is refused.
    pub fn deploy_is_refused(&self, words: &str) {
        self.new_app();
        self.refused(&["app", "deploy", "APP", "-n"], 1, words);
    }

    /// A script in the guest's service.
    pub fn sh(&self, script: &str) -> String {
        self.ok(&["app", "run", "APP", "app", "--", "sh", "-c", script]).stdout
    }

    pub fn replicas(&self) -> String {
        let name = format!("{}_app", self.stack);
        docker(&["service", "inspect", "-f", "{{.Spec.Mode.Replicated.Replicas}}", &name])
            .trim()
            .to_owned()
    }

    /// Everything that all backups of the guest hold, read by a plain restic.
    pub fn everything_saved(&self) -> String {
        let own = self.world.lab.path(&format!("potluck/state/backups/{}", self.name));
        let restic = |arguments: &[&str]| {
            let output = Command::new("restic")
                .args(["--no-cache", "--no-lock"])
                .arg("-r")
                .arg(own.join("repository"))
                .arg("--password-file")
                .arg(own.join("password"))
                .args(arguments)
                .output()
                .unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            output.stdout
        };
        let tag = format!("app:{}", self.domain);
        let listed = restic(&["snapshots", "--json", "--tag", &tag]);
        let all: serde_json::Value = serde_json::from_slice(&listed).unwrap();
        let mut content = String::new();
        for snapshot in all.as_array().into_iter().flatten() {
            let target = self.beside("restored");
            restic(&[
                "restore",
                "--target",
                target.to_str().unwrap(),
                snapshot["id"].as_str().unwrap(),
            ]);
            for (path, _) in tree(&target) {
                let path = target.join(path);
                if fs::symlink_metadata(&path).unwrap().is_file() {
                    content += &String::from_utf8_lossy(&fs::read(path).unwrap());
                }
            }
            fs::remove_dir_all(&target).unwrap();
        }
        content
    }

    fn ids(&self, kind: &str) -> Vec<String> {
        let label = format!("label=com.docker.stack.namespace={}", self.stack);
        let ids = docker(&[kind, "ls", "-q", "--filter", &label]);
        ids.split_whitespace().map(str::to_owned).collect()
    }

    /// What the swarm keeps of the guest holds nothing from outside.
    pub fn configs_hold_nothing_from_outside(&self) {
        use base64::Engine as _;
        for id in self.ids("config") {
            let data = docker(&["config", "inspect", "-f", "{{json .Spec.Data}}", &id]);
            let data = base64::engine::general_purpose::STANDARD
                .decode(data.trim().trim_matches('"'))
                .unwrap();
            let data = String::from_utf8_lossy(&data);
            assert!(!data.contains(&self.secret) && !data.contains(NEIGHBOURS), "{data}");
        }
    }

    /// Nothing that was printed drives a terminal or turns the direction of
    /// writing.
    fn looks_like_ours(&self, run: &Run) {
        for text in [&run.stdout, &run.stderr] {
            let foul = |c: &char| {
                (c.is_control() && !matches!(c, '\n' | '\t'))
                    || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
            };
            let found = text.chars().find(foul);
            assert!(found.is_none(), "{found:?} was printed\n{run}");
        }
    }

    /// Removes what the attack left on the swarm.
    fn remove(&self) {
        self.configs_hold_nothing_from_outside();
        common::docker_stack_rm(&self.stack);
        let deadline = Instant::now() + PATIENCE;
        let label = format!("label=com.docker.stack.namespace={}", self.stack);
        while !docker(&["ps", "-aq", "--filter", &label]).trim().is_empty() {
            assert!(Instant::now() < deadline, "{} stays", self.stack);
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        for id in self.ids("volume") {
            docker(&["volume", "rm", &id]);
        }
    }
}
