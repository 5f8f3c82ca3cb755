//! A backup on trial, on this machine's swarm: what a good one and a bad one come to, what
//! a hostile app reaches meanwhile, and what a drill that was killed leaves.

use crate::support::{
    cli::{Lab, Run},
    common::{self, BUSYBOX, Cleanup, ports, skip},
    hostile::guests,
    operator::{SLEEP, docker, domain, folder, good, refused},
};

use std::{
    collections::BTreeSet,
    fs,
    io::Write,
    net::{TcpListener, UdpSocket},
    path::PathBuf,
    sync::{Arc, Mutex},
};

use potluck::{
    home::StackName,
    plugin::{BackupItem, Belief},
};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::Value;

/// Takes a list of targets, tries to reach each, and fails if it did.
const ATTACK: &str = r#"
cat >/data/new && mv /data/new /data/db.txt
hit=
while read kind what port; do
  case $kind in
    file) if [ -e "$what" ]; then hit="$hit $kind:$what"; fi ;;
    name) if timeout 5 nslookup "$what" 2>/dev/null | grep -q '^Name:'; then hit="$hit $kind:$what"; fi ;;
    ask) timeout 5 nslookup "$what" >/dev/null 2>&1 ;;
    tcp) if timeout 5 nc -w 3 "$what" "$port" </dev/null 2>/dev/null | grep -q .; then hit="$hit $kind:$what:$port"; fi ;;
    cap) if ip route add 198.51.100.0/24 dev lo 2>/dev/null; then hit="$hit $kind:$what"; fi ;;
  esac
done </data/db.txt
echo "reached:$hit" >&2
[ -z "$hit" ]
"#;

fn compose(resolver: &str, port: u16) -> String {
    format!(
        r#"
services:
  web:
    image: {BUSYBOX}
    command: ["nc", "-ll", "-p", "8080", "-e", "echo", "live"]
    stop_grace_period: 0s
    volumes: ["content:/content"]
    secrets: [token]
    ports: [{{target: 8080, published: {port}, mode: host}}]
    networks: {{default: {{aliases: [live-web]}}}}
    deploy:
      endpoint_mode: dnsrr
      labels: {{traefik.enable: "true"}}
  db:
    image: {BUSYBOX}
    command: {SLEEP}
    stop_grace_period: 0s
    volumes: ["data:/data", "${{OUTSIDE}}:/outside"]
    dns: ["{resolver}"]
    extra_hosts: ["pinned:{resolver}"]
    cap_add: [NET_ADMIN]
    deploy: {{endpoint_mode: dnsrr}}
volumes:
  content:
  data:
secrets:
  token:
    external: true
    name: ${{STACK_NAME}}_token_${{SECRET_TOKEN_VERSION}}
"#
    )
}

const SAMPLE: &str = "TYPE=tiny\nDOMAIN=\nOUTSIDE=\nSECRET_TOKEN_VERSION=v1 # length=24\n";

/// What listens on the host: on all of its addresses, and as a resolver.
struct Outside {
    port: u16,
    gateway: String,
    other: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Outside {
    fn new(port: u16) -> Option<Self> {
        let gateway_of = |network: &str| {
            let format = "{{range .IPAM.Config}}{{.Gateway}} {{.Subnet}}{{end}}";
            let said = docker(&["network", "inspect", network, "--format", format]);
            // An engine that has started no container there yet names its subnet alone.
            match said.trim().split_once(' ') {
                Some((gateway, _)) if !gateway.is_empty() => gateway.to_owned(),
                _ => {
                    let (subnet, _) = said.trim().split_once('/').unwrap();
                    format!("{}.1", subnet.rsplit_once('.').unwrap().0)
                }
            }
        };
        let (gateway, other) = (gateway_of("docker_gwbridge"), gateway_of("bridge"));
        let Ok(resolver) = UdpSocket::bind((gateway.as_str(), 53)) else {
            skip("a drill's resolver is not tested here: port 53 is taken");
            return None;
        };
        let listener = TcpListener::bind(("0.0.0.0", port)).unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let _ = stream.and_then(|mut stream| stream.write_all(b"outside\n"));
            }
        });
        let asked = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&asked);
        std::thread::spawn(move || {
            let mut query = [0; 512];
            while let Ok((bytes, _)) = resolver.recv_from(&mut query) {
                heard.lock().unwrap().push(String::from_utf8_lossy(&query[..bytes]).into_owned());
            }
        });
        Some(Outside { port, gateway, other, asked })
    }

    /// Whether anybody asked for this name since the last look.
    fn was_asked(&self, name: &str) -> bool {
        std::mem::take(&mut *self.asked.lock().unwrap()).iter().any(|query| query.contains(name))
    }
}

/// An app that runs and was backed up.
struct Live {
    lab: Lab,
    domain: String,
    stack: StackName,
    /// What the app is called in a drill.
    drilled: StackName,
    _cleanup: [Cleanup; 2],
}

/// None, said loudly, where there is no engine.
async fn live(room: &str, resolver: &str, port: u16) -> Option<Live> {
    common::real_engine().await?;
    let (domain, stack) = domain(room);
    let cleanup = Cleanup::new(&stack);
    let lab = folder();
    good(&lab.run(&["key", "new"]));
    lab.write("tiny/compose.yml", &compose(resolver, port));
    lab.write("tiny/.env.sample", SAMPLE);
    lab.write("outside/mark", "of the host\n");
    let plan = [
        BackupItem::Volume { name: "content".into(), paths: Vec::new(), exclude: Vec::new() },
        BackupItem::Dump {
            name: "db.txt".into(),
            service: "db".into(),
            take: common::app::shell("cat /data/db.txt"),
            put_back: common::app::shell(ATTACK),
            belief: Belief::default(),
        },
    ];
    fs::create_dir_all(lab.path("tiny/plugins")).unwrap();
    fs::write(lab.path("tiny/plugins/guest.wasm"), guests::talking_backup(&plan)).unwrap();
    lab.write(
        "tiny/recipe.yml",
        "plugins:\n  - name: guest\n    component: plugins/guest.wasm\n    grants:\n      - exec: db\n",
    );
    lab.release("1.0.0+1");
    let outside = format!("OUTSIDE={}", lab.path("outside").display());
    let new = ["app", "new", "./tiny", "--domain", &domain, "--server", "here", "--secrets"];
    good(&lab.run(&[&new[..], &["--set", &outside]].concat()));
    // With all that it asks for.
    let asked = lab.run(&["app", "deploy", &domain, "-n"]);
    let root = lab.path("").display().to_string();
    let grants: BTreeSet<String> = asked
        .stderr
        .split("--grant '")
        .skip(1)
        .filter_map(|rest| rest.split('\'').next())
        .map(|grant| grant.replace("[LAB]", root.trim_end_matches('/')))
        .collect();
    let mut deploy = vec!["app", "deploy", domain.as_str(), "-n"];
    deploy.extend(grants.iter().flat_map(|grant| ["--grant", grant.as_str()]));
    good(&lab.run(&deploy));
    run(&lab, &domain, "web", "mkdir -p /content/sub && echo picture >/content/sub/p", b"");
    run(&lab, &domain, "db", "cat >/data/db.txt", b"file /nothing\n");
    good(&lab.run(&["backup", "create", &domain]));
    let planned = lab.json(&["backup", "drill", &domain, "--dry-run", "--json"]);
    let drilled = planned[0]["plan"]["drilled_as"].as_str().unwrap().replace('.', "_");
    let drilled = StackName::new(drilled).unwrap();
    let cleanup = [cleanup, Cleanup::new(&drilled)];
    Some(Live { lab, domain, stack, drilled, _cleanup: cleanup })
}

fn run(lab: &Lab, domain: &str, service: &str, script: &str, input: &[u8]) -> Run {
    let run = lab.run_with(&["app", "run", domain, service, "--", "sh", "-c", script], input);
    good(&run);
    run
}

/// Everything of a stack that is on the server.
fn objects(stack: &StackName) -> Vec<String> {
    let mut names = Vec::new();
    for kind in ["service", "secret", "config", "network", "volume"] {
        let filter = format!("name={stack}");
        let found = docker(&[kind, "ls", "--filter", &filter, "--format", "{{.Name}}"]);
        names.extend(found.lines().map(|name| format!("{kind} {name}")));
    }
    names.sort();
    names
}

/// Specs, data, and files by their paths.
type State = (Vec<String>, String, Vec<(PathBuf, Vec<u8>)>);

impl Live {
    /// The app as the swarm has it, its data, and its files in the folder.
    fn state(&self) -> State {
        let prefix = format!("{}_", self.stack);
        let names = objects(&self.stack);
        let mut specs = names.clone();
        for name in names.iter().filter(|name| !name.starts_with("volume")) {
            let (kind, name) = name.split_once(' ').unwrap();
            // The lease and the journal of what is done to the app are not it.
            if name.starts_with(&prefix) {
                specs.push(docker(&[kind, "inspect", name]));
            }
        }
        let script = "cat /content/sub/p; ls -laR /content; hostname; cat /run/secrets/token";
        let data = run(&self.lab, &self.domain, "web", script, b"").stdout
            + &run(&self.lab, &self.domain, "db", "cat /data/db.txt; hostname", b"").stdout;
        let files = self.lab.files().into_iter().filter(|(path, _)| {
            let path = path.to_str().unwrap();
            path.contains("/potluck/servers/") || path.contains("/potluck/recipes/")
        });
        (specs, data, files.collect())
    }

    fn drill(&self) -> Run {
        self.lab.run(&["backup", "drill", &self.domain])
    }

    fn evidence(&self) -> Vec<Value> {
        let shown = self.lab.run(&["backup", "evidence", &self.domain, "--json"]);
        serde_json::from_str::<Value>(&shown.stdout).unwrap().as_array().unwrap().clone()
    }

    /// The data of the database, in a new backup.
    fn with_targets(&self, targets: &str) {
        run(&self.lab, &self.domain, "db", "cat >/data/db.txt", targets.as_bytes());
        good(&self.lab.run(&["backup", "create", &self.domain]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_app_reaches_in_a_drill_nothing_of_what_it_reaches_live() {
    if common::real_engine().await.is_none() {
        return;
    }
    let port = ports();
    let Some(outside) = Outside::new(port) else { return };
    let published = port + 1;
    let Some(live) = live("drilled", &outside.gateway, published).await else { return };
    let format = "{{range .NetworksAttachments}}{{range .Addresses}}{{.}} {{end}}{{end}}";
    let tasks = docker(&[
        "service",
        "ps",
        &format!("{}_web", live.stack),
        "--filter",
        "desired-state=running",
        "-q",
    ]);
    let addresses = docker(&["inspect", "--type", "task", tasks.trim(), "--format", format]);
    let address = addresses.split('/').next().unwrap().to_owned();
    let Outside { port, gateway, other, .. } = &outside;
    let probe = format!("probe-{}", live.stack);
    let targets = [
        ("file", "/outside/mark".to_owned()),
        ("name", format!("{}_web", live.stack)),
        ("name", "live-web".to_owned()),
        ("tcp", format!("{address} 8080")),
        ("tcp", format!("{gateway} {published}")),
        ("tcp", format!("{gateway} {port}")),
        ("tcp", format!("{other} {port}")),
        ("cap", "NET_ADMIN".to_owned()),
    ];
    let mut list: String = targets.iter().map(|(kind, what)| format!("{kind} {what}\n")).collect();
    list.push_str(&format!("ask {probe}.example\n"));

    // Live, all of it is reached: so the attempts are good ones.
    outside.was_asked(&probe);
    let script = format!("({ATTACK}) 2>&1; true");
    let reached = run(&live.lab, &live.domain, "db", &script, list.as_bytes()).stdout;
    for (kind, what) in &targets {
        let hit = format!(" {kind}:{}", what.replace(' ', ":"));
        assert!(reached.contains(&hit), "{hit} is not reached live: {reached}");
    }
    assert!(outside.was_asked(&probe), "nobody asked the resolver");

    live.with_targets(&list);
    let before = live.state();
    let drilled = live.drill();
    // The attack is how the dump is loaded: it fails if anything is reached.
    good(&drilled);
    assert!(drilled.stdout.contains(": good: "), "{drilled}");
    assert!(!outside.was_asked(&probe), "the drill asked the host's resolver");
    assert_eq!(live.state(), before);
    assert_eq!(objects(&live.drilled), [""; 0]);

    let filed = live.evidence();
    let evidence = &filed[0]["evidence"];
    assert_eq!(filed[0]["distrust"], Value::Null);
    assert_eq!(evidence["ok"], true);
    for words in [
        "the manifest is signed",
        "volume content: restored, read again, equal to the backup (8 bytes)",
        &format!("dump db.txt: loaded whole ({} bytes)", list.len()),
        "services run: db, web",
        "the files are there",
    ] {
        assert!(evidence["checks"].to_string().contains(words), "{words}: {evidence}");
    }
    let left_out = evidence["left_out"].to_string();
    for words in [
        "db: added capabilities",
        "db: extra hosts",
        "(empty instead)",
        "web: labels for other programs",
        "web: published ports",
    ] {
        assert!(left_out.contains(words), "{words}: {left_out}");
    }
    let steps: Vec<&str> = evidence["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["step"].as_str().unwrap())
        .collect();
    assert_eq!(steps, ["prepare", "secrets", "data", "services", "checks", "remove"]);

    // Were anything reached, the drill would have failed: what is in every container is.
    live.with_targets("file /bin/sh\n");
    let before = live.state();
    let failed = live.drill();
    refused(&failed, 1, &[]);
    assert!(failed.stdout.contains("FAILED: "), "{failed}");
    assert!(failed.stdout.contains("reached: file:/bin/sh"), "{failed}");
    assert_eq!(live.state(), before);
    assert_eq!(objects(&live.drilled), [""; 0]);
    let filed = live.evidence();
    assert_eq!(filed[1]["evidence"]["ok"], false);
    refused(&live.lab.run(&["backup", "evidence", &live.domain]), 1, &["a drill that failed"]);
    let status = live.lab.run(&["backup", "status", &live.domain]);
    assert!(status.stdout.contains("the last drill"), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_drill_leaves_the_next_one_removes() {
    let Some(live) = live("drill-killed", "192.0.2.1", ports()).await else { return };
    let before = live.state();
    let service = format!("{}_db", live.drilled);
    let at_work = |signal: Signal| {
        live.lab.run_telling(&["backup", "drill", &live.domain], |pid| {
            let pid = Pid::from_raw(pid.cast_signed()).unwrap();
            let filter = format!("name={service}");
            while docker(&["service", "ls", "-q", "--filter", &filter]).is_empty() {
                // One that ended by itself is a mistake of the test.
                test_kill_process(pid).unwrap();
            }
            kill_process(pid, signal).unwrap();
        })
    };
    // Told to end, it cleans up.
    let ended = at_work(Signal::TERM);
    assert_eq!(ended.code, 130, "{ended}");
    assert_eq!(objects(&live.drilled), [""; 0]);
    assert_eq!(live.evidence().len(), 0);

    let killed = at_work(Signal::KILL);
    assert_eq!(killed.code, -1, "{killed}");
    assert_ne!(objects(&live.drilled), [""; 0]);
    assert_eq!(live.state(), before);

    let planned = live.lab.run(&["backup", "drill", &live.domain, "--dry-run"]);
    refused(&planned, 1, &["an earlier drill of", "was killed", "potluck backup drill"]);
    let again = live.drill();
    good(&again);
    assert!(again.stderr.contains("removed what an earlier drill left"), "{again}");
    assert_eq!(objects(&live.drilled), [""; 0]);
    assert_eq!(live.state(), before);
    assert_eq!(live.evidence().len(), 1);
}
