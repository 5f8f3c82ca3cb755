//! `app errors`: each cause by its name, with what the program wrote and what to type; on
//! the real swarm, and with failures that a script plays.

use crate::support::cli;
use crate::support::common;
use crate::support::operator;

use std::io::{Read as _, Write as _};

use cli::{Lab, Run};
use common::*;
use operator::*;
use potluck::home::StackName;
use serde_json::Value;

/// An app of one recipe; removed at the end.
struct Ill {
    lab: Lab,
    domain: String,
    stack: StackName,
    _cleanup: Option<Cleanup>,
}

impl Ill {
    async fn real(room: &str, services: &str) -> Option<Self> {
        real_engine().await?;
        let (domain, stack) = domain(room);
        let cleanup = Cleanup::new(&stack);
        let lab = folder();
        app(&lab, "demo", &services.replace("BUSYBOX", BUSYBOX), "", &domain);
        Some(Ill { lab, domain, stack, _cleanup: Some(cleanup) })
    }

    /// On a swarm that plays what a script says.
    fn simulated(services: &str, script: &str) -> Self {
        let (domain, stack) = domain("sim");
        let lab = Lab::new();
        let added = lab.run(&["server", "add", "here", "simulated"]);
        assert_eq!(added.code, 0, "{added}");
        app(&lab, "demo", services, "", &domain);
        lab.write("potluck/state/simulated/here/script.yml", script);
        Ill { lab, domain, stack, _cleanup: None }
    }

    /// With `APP` in the place of its name.
    fn run(&self, arguments: &[&str]) -> Run {
        let arguments: Vec<&str> =
            arguments.iter().map(|a| if *a == "APP" { self.domain.as_str() } else { a }).collect();
        self.lab.run(&arguments)
    }

    fn errors(&self) -> Run {
        self.run(&["app", "errors", "APP"])
    }

    /// The causes as programs read them.
    fn causes(&self) -> Vec<Value> {
        let run = self.run(&["app", "errors", "APP", "--json"]);
        let report: Value = serde_json::from_str(&run.stdout).unwrap();
        assert_eq!(run.code == 0, report["ok"] == true, "{run}");
        assert_eq!(report["app"], self.domain.as_str());
        report["causes"].as_array().unwrap().clone()
    }

    /// Codes of the causes of a service, or of the app.
    fn codes(&self, service: Option<&str>) -> Vec<String> {
        let is_of = |cause: &&Value| cause["service"].as_str() == service;
        let code = |cause: &Value| cause["cause"].as_str().unwrap().to_owned();
        self.causes().iter().filter(is_of).map(code).collect()
    }

    async fn until(&self, service: &str, code: &str) {
        eventually(&format!("{code} of {service}"), || async {
            (self.codes(Some(service)) == [code]).then_some(())
        })
        .await;
    }

    /// The part of the screen that is about a service.
    fn block(&self, service: &str) -> String {
        let run = self.errors();
        assert_eq!(run.code, 1, "{run}");
        let mut lines = run.stdout.lines().skip_while(|l| !l.starts_with(&format!("{service}: ")));
        let first = lines.next().unwrap_or_else(|| panic!("no {service}: {run}"));
        let rest = lines.take_while(|line| line.starts_with("  "));
        std::iter::once(first).chain(rest).collect::<Vec<_>>().join("\n")
    }

    fn says(&self, service: &str, words: &[&str]) {
        let block = self.block(service);
        for word in words {
            assert!(block.contains(word), "{word:?} is missing: {block}");
        }
    }
}

const PLAIN: &str = r#"
services:
  app:
    image: BUSYBOX
    command: [sleep, "3600"]
    stop_grace_period: 0s
    deploy: {endpoint_mode: dnsrr, update_config: {monitor: 1s}}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn all_is_well_until_a_service_is_scaled_to_0() {
    let Some(ill) = Ill::real("well", PLAIN).await else { return };
    let before = ill.errors();
    assert_eq!(before.code, 1, "{before}");
    let deploy = format!("`potluck app deploy {}` deploys it", ill.domain);
    assert!(before.stdout.contains("it is not deployed"), "{before}");
    assert!(before.stdout.contains(&deploy), "{before}");

    good(&ill.run(&["app", "deploy", "APP", "-n"]));
    let well = ill.errors();
    assert_eq!((well.code, well.stdout.as_str()), (0, ""), "{well}");
    let told = format!("All is well with {}: 1 service.\n", ill.domain);
    assert_eq!(well.stderr, told);

    docker(&["service", "scale", "-d", &format!("{}_app=0", ill.stack)]);
    ill.until("app", "scaled-to-0").await;
    ill.says("app", &["scaled to 0", &format!("`potluck app deploy {}`", ill.domain)]);
    good(&ill.run(&["app", "deploy", "APP", "-n"]));
    assert_eq!(ill.errors().code, 0);
}

/// One service for each cause, so that the swarm has them all at once.
const ILL: &str = r#"
services:
  well:
    image: BUSYBOX
    command: [sleep, "3600"]
    stop_grace_period: 0s
    deploy: {endpoint_mode: dnsrr}
  exits:
    image: BUSYBOX
    command: ["sh", "-c", "echo first; echo 'no \x1b[31mdatabase' >&2; sleep 1; exit 3"]
    deploy: {endpoint_mode: dnsrr, restart_policy: {delay: 1s}}
  greedy:
    image: BUSYBOX
    # Docker may miss that the first process of a container was killed for want of memory: a
    # second one is.
    command: ["sh", "-c", "echo eating; sleep 1; sh -c 'x=a; while :; do x=$$x$$x; done'; sleep 2; exit 137"]
    deploy: {endpoint_mode: dnsrr, restart_policy: {condition: none}, resources: {limits: {memory: 16m}}}
  killed:
    image: BUSYBOX
    command: ["sh", "-c", "sleep 1; sh -c 'kill -9 $$PPID' & wait; exit 137"]
    deploy: {endpoint_mode: dnsrr, restart_policy: {condition: none}}
  sick:
    image: BUSYBOX
    command: [sleep, "3600"]
    stop_grace_period: 0s
    healthcheck: {test: "echo no answer on 8080; exit 1", interval: 1s, retries: 1, timeout: 5s}
    deploy: {endpoint_mode: dnsrr, restart_policy: {condition: none}}
  missing:
    image: potluck-none:1
    deploy: {endpoint_mode: dnsrr}
  picky:
    image: BUSYBOX
    command: [sleep, "3600"]
    deploy: {endpoint_mode: dnsrr, placement: {constraints: ["node.labels.nosuch == ssd"]}}
  everywhere:
    image: BUSYBOX
    command: [sleep, "3600"]
    deploy: {mode: global, endpoint_mode: dnsrr, placement: {constraints: ["node.labels.nosuch == ssd"]}}
  large:
    image: BUSYBOX
    command: [sleep, "3600"]
    deploy: {endpoint_mode: dnsrr, resources: {reservations: {memory: 9000g}}}
  unknown:
    image: BUSYBOX
    command: [nosuchprogram]
    deploy: {endpoint_mode: dnsrr, restart_policy: {condition: none}}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn each_cause_has_its_name_its_reason_and_what_to_type() {
    let Some(ill) = Ill::real("ill", ILL).await else { return };
    good(&ill.run(&["app", "deploy", "APP", "-n", "--detach"]));
    for (service, code) in [
        ("exits", "exited"),
        ("greedy", "out-of-memory"),
        ("killed", "exited"),
        ("sick", "unhealthy"),
        ("picky", "no-node"),
        ("everywhere", "no-node"),
        ("large", "no-node"),
        ("unknown", "not-started"),
    ] {
        ill.until(service, code).await;
    }
    eventually("what the registry says", || async {
        let codes = ill.codes(Some("missing"));
        matches!(codes.first()?.as_str(), "registry-unreachable" | "image-denied" | "image-missing")
            .then_some(())
    })
    .await;
    assert_eq!(ill.codes(Some("well")), [""; 0]);
    assert_eq!(ill.codes(None), ["deploy-unfinished"]);

    let domain = &ill.domain;
    let logs = |service: &str| format!("`potluck app logs {domain} {service}`");
    ill.says("exits", &["exited with code 3", "  | first\n", "| no �database", &logs("exits")]);
    let told = "ran out of memory: it was killed at its limit of 16 MiB";
    ill.says("greedy", &[told, "| eating", "resources.limits.memory", "does not start it again"]);
    ill.says("killed", &["exited with code 137 (SIGKILL)", "Docker recorded no want of memory"]);
    ill.says("sick", &["its health check fail", "no answer on 8080", &logs("sick")]);
    ill.says("missing", &["its image `potluck-none:1`", "`docker pull potluck-none:1`"]);
    let label = "`docker node update --label-add nosuch=ssd ";
    ill.says("picky", &["does not satisfy `node.labels.nosuch == ssd`", label]);
    ill.says("everywhere", &["does not satisfy `node.labels.nosuch == ssd`", label]);
    ill.says("large", &["insufficient resources", "of memory, and 9216000 MiB are to be reserved"]);
    ill.says("unknown", &["nosuchprogram", "correct the command"]);
    assert!(!ill.block("unknown").contains(" | "), "it wrote nothing");

    // Also where neither the recipe nor the settings can be read.
    std::fs::remove_dir_all(ill.lab.path("demo")).unwrap();
    ill.lab.write(
        &format!("potluck/servers/here/{domain}.env"),
        "TYPE=demo\nDOMAIN=x\nthis is no setting\n",
    );
    let broken = ill.errors();
    assert_eq!(broken.code, 1, "{broken}");
    assert!(broken.stderr.contains("continuing without it"), "{broken}");
    assert!(broken.stdout.contains("exits: exited with code 3"), "{broken}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_deploy_names_the_command_and_memory_as_the_cause() {
    let services = PLAIN.replace(
        r#"[sleep, "3600"]"#,
        r#"["sh", "-c", "sleep 1; sh -c 'x=a; while :; do x=$$x$$x; done'; sleep 2; exit 137"]"#,
    );
    let limits =
        "resources: {limits: {memory: 16m}}, restart_policy: {condition: none}, update_config";
    // It ends well within the time for which it is watched.
    let services = services.replace("update_config", limits).replace("monitor: 1s", "monitor: 20s");
    let Some(ill) = Ill::real("memory", &services).await else { return };
    let failed = ill.run(&["app", "deploy", "APP", "-n", "--timeout", "60s"]);
    refused(&failed, 1, &["ran out of memory: it was killed at its limit of 16 MiB"]);
    let told = format!("`potluck app errors {}` shows why", ill.domain);
    assert!(failed.stderr.contains(&told), "{failed}");
    let ps = ill.run(&["app", "ps", "APP"]);
    assert!(ps.stdout.contains("ran out of memory"), "{ps}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_is_named_with_who_has_it() {
    let port = ports();
    let listening =
        |port: u16| format!("{PLAIN}    ports: [{{target: 80, published: {port}, mode: host}}]\n");
    let Some(holder) = Ill::real("holds", &listening(port)).await else { return };
    good(&holder.run(&["app", "deploy", "APP", "-n"]));
    let Some(ill) = Ill::real("wants", &listening(port)).await else { return };
    good(&ill.run(&["app", "deploy", "APP", "-n", "--detach"]));
    ill.until("app", "port-taken").await;
    let service = format!("{}_app", holder.stack);
    let told = format!("port {port} is taken by the service `{service}`");
    ill.says("app", &[&told, &format!("`docker service inspect --pretty {service}`")]);

    let listener = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let outside = listener.local_addr().unwrap().port();
    let Some(ill) = Ill::real("outside", &listening(outside)).await else { return };
    good(&ill.run(&["app", "deploy", "APP", "-n", "--detach"]));
    ill.until("app", "port-taken").await;
    let told = format!("`ss -lntup 'sport = :{outside}'`");
    ill.says("app", &["a container or program outside of the swarm", &told]);
}

/// A registry on a port of this machine that has nothing: what it answers to its first
/// question, and to all others.
fn registry(first: &'static str, others: &'static str) -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut connection in listener.incoming().flatten() {
            let mut request = Vec::new();
            let mut part = [0; 1024];
            // The engine tries TLS first, and then waits for an answer.
            let is_plain = |request: &[u8]| request.first().is_none_or(u8::is_ascii_uppercase);
            while is_plain(&request) && !request.ends_with(b"\r\n\r\n") {
                match connection.read(&mut part) {
                    Ok(0) | Err(_) => break,
                    Ok(read) => request.extend(&part[..read]),
                }
            }
            let request = String::from_utf8_lossy(&request).into_owned();
            let is_first = request.starts_with("GET /v2/ ");
            let (head, body) = if is_first { first } else { others }.split_once('|').unwrap();
            let length = body.len();
            let _ = write!(
                connection,
                "HTTP/1.1 {head}\r\nContent-Type: application/json\r\nContent-Length: \
                 {length}\r\nConnection: close\r\n\r\n{body}"
            );
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_is_missing_is_told_from_a_registry_that_refuses_or_is_silent() {
    let unknown = "404 Not Found|{\"errors\":[{\"code\":\"MANIFEST_UNKNOWN\",\"message\":\"manifest \
                   unknown\"}]}";
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let login = "401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"|{}";
    let ports = [registry("200 OK|{}", unknown), registry(login, login), closed];
    let service = |name: &str, port: u16| {
        format!(
            "  {name}:\n    image: 127.0.0.1:{port}/none:1\n    deploy: {{endpoint_mode: dnsrr, \
             restart_policy: {{condition: none}}}}\n"
        )
    };
    let services = ["absent", "closed", "silent"].iter().zip(ports);
    let services: String = services.map(|(name, port)| service(name, port)).collect();
    let Some(ill) = Ill::real("image", &format!("services:\n{services}")).await else { return };
    good(&ill.run(&["app", "deploy", "APP", "-n", "--detach"]));
    ill.until("absent", "image-missing").await;
    ill.until("closed", "image-denied").await;
    ill.until("silent", "registry-unreachable").await;
    ill.says("absent", &["/none:1` does not exist", "correct the image's name or version"]);
    let login = format!("`docker login 127.0.0.1:{}`", ports[1]);
    ill.says("closed", &["gives no access", &login]);
    ill.says("silent", &["connection refused", "swarm tries again by itself"]);
}

const SECRETS: &str = r#"
services:
  app:
    image: BUSYBOX
    command: [sleep, "3600"]
    stop_grace_period: 0s
    secrets: [token, mail]
    configs: [motd]
    networks: [proxy]
    deploy: {endpoint_mode: dnsrr}
secrets:
  token: {external: true, name: "${STACK_NAME}_token_${SECRET_TOKEN_VERSION}"}
  mail: {external: true, name: "${STACK_NAME}_mail_${SECRET_MAIL_VERSION}"}
configs:
  motd: {external: true, name: potluck-none-motd}
networks:
  proxy: {external: true, name: potluck-none-proxy}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_lacks_is_named_with_the_command_that_makes_it() {
    let Some(_engine) = real_engine().await else { return };
    let (domain, stack) = domain("lacks");
    let cleanup = Cleanup::new(&stack);
    let lab = folder();
    let sample = "SECRET_TOKEN_VERSION=v1\nSECRET_MAIL_VERSION=v1 # generate=false\n";
    app(&lab, "demo", &SECRETS.replace("BUSYBOX", BUSYBOX), sample, &domain);
    let ill = Ill { lab, domain, stack, _cleanup: Some(cleanup) };
    assert_eq!(
        ill.codes(None),
        ["config-missing", "network-missing", "secret-missing", "secret-missing", "not-deployed"]
    );
    let run = ill.errors();
    for word in [
        format!("`potluck app secret generate {}`", ill.domain),
        format!("`potluck app secret insert {} mail`", ill.domain),
        "`docker config create potluck-none-motd".to_owned(),
        "`docker network create --driver overlay --attachable potluck-none-proxy`".to_owned(),
        "once the above is mended".to_owned(),
    ] {
        assert!(run.stdout.contains(&word), "{word}: {run}");
    }
}

const PLAYED: &str = r#"
services:
  app:
    image: web:1
    deploy: {restart_policy: {delay: 0s}}
  side:
    image: side:1
    healthcheck: {test: "true"}
"#;

/// Until the swarm, which moves a step each time it is looked at, is where the script leads.
async fn played(script: &str, service: &str, code: &str, words: &[&str]) {
    let ill = Ill::simulated(PLAYED, script);
    good(&ill.run(&["app", "deploy", "APP", "-n", "--detach"]));
    ill.until(service, code).await;
    ill.says(service, words);
    // There is no docker to type commands of.
    assert!(!ill.block(service).contains("`docker "), "{}", ill.block(service));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_script_lets_fail_has_the_same_names() {
    let logs = "`potluck app logs ";
    for (script, service, code, words) in [
        (
            "tasks: [{service: app, exit_code: 3, logs: [one, two]}]",
            "app",
            "exited",
            &["exited with code 3", "  | one\n  | two\n", logs][..],
        ),
        (
            "tasks: [{service: app, out_of_memory: true, logs: [eating]}]",
            "app",
            "out-of-memory",
            &["ran out of memory", "| eating", "resources.limits.memory"],
        ),
        (
            "tasks: [{service: side, unhealthy: true, check_output: no answer}]",
            "side",
            "unhealthy",
            &["its health check failed: no answer"],
        ),
        (
            "tasks: [{service: app, pull_error: 'pull access denied for web'}]",
            "app",
            "image-denied",
            &["gives no access to the image `web:1`"],
        ),
        (
            "tasks: [{service: app, pull_error: 'manifest for web:1 not found: manifest unknown'}]",
            "app",
            "image-missing",
            &["does not exist", "correct the image's name or version"],
        ),
        (
            "tasks: [{service: app, pull_error: 'bind source path does not exist: /srv'}]",
            "app",
            "refused",
            &["refuses it: bind source path does not exist: /srv"],
        ),
        (
            "tasks: [{service: app, no_node: 'insufficient resources on 1 node'}]",
            "app",
            "no-node",
            &["no suitable node (insufficient resources on 1 node)", "reserve less"],
        ),
    ] {
        played(script, service, code, words).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_did_not_finish_is_told_also_without_a_server() {
    let ill = Ill::simulated(PLAYED, "");
    good(&ill.run(&["app", "deploy", "APP", "-n"]));
    assert_eq!(ill.codes(None), [""; 0]);
    let lock = format!("potluck/servers/here/{}.lock.yml", ill.domain);
    let kept = std::fs::read_to_string(ill.lab.path(&lock)).unwrap();
    let more = "begun:\n  version: 1.1.0\nrestoring: 20260101T000000Z-0a0b0c\nupgrade:\n  before: \
                1.0.0\n  after: 1.1.0\n  done:\n    wiki: [one]\n";
    ill.lab.write(&lock, &format!("{kept}{more}"));
    let unfinished = ["restore-unfinished", "migration-unfinished", "deploy-unfinished"];
    assert_eq!(ill.codes(None), unfinished);
    let run = ill.errors();
    for word in [
        format!("`potluck backup restore {} 20260101T000000Z-0a0b0c` completes it", ill.domain),
        format!("`potluck app deploy {} 1.1.0` resumes", ill.domain),
        "a deploy of 1.1.0 did not finish".to_owned(),
    ] {
        assert!(run.stdout.contains(&word), "{word}: {run}");
    }

    ill.lab.write("potluck/state/simulated/here/script.yml", "unreachable: true");
    let codes = ill.codes(None);
    assert_eq!(codes[..3], unfinished);
    assert_eq!(codes[3..], ["server-unavailable"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_operation_is_told_if_it_failed_and_something_is_left() {
    let ill = Ill::simulated(PLAYED, "tasks: [{service: app, exit_code: 3, logs: [boom]}]");
    let failed = ill.run(&["app", "deploy", "APP", "-n", "--timeout", "60s"]);
    assert_eq!(failed.code, 1, "{failed}");
    // It names the deploy once, with what it failed with.
    assert_eq!(ill.codes(None), ["operation-failed"]);
    let run = ill.errors();
    for word in ["the last deploy failed in the step `", "exited with code 3", "`potluck app show "]
    {
        assert!(run.stdout.contains(word), "{word}: {run}");
    }
    ill.lab.write("potluck/state/simulated/here/script.yml", "");
    good(&ill.run(&["app", "deploy", "APP", "-n", "--force"]));
    assert_eq!(ill.codes(None), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_that_swarm_paused_is_told_with_the_end_that_made_it() {
    let services = PLAIN
        .replace(r#"[sleep, "3600"]"#, r#"["sh", "-c", "${CMD:-sleep 3600}"]"#)
        .replace("monitor: 1s", "monitor: 20s, failure_action: pause");
    let Some(ill) = Ill::real("paused", &services).await else { return };
    good(&ill.run(&["app", "deploy", "APP", "-n"]));
    good(&ill.run(&["app", "config", "APP", "--set", "CMD=echo boom; exit 3"]));
    good(&ill.run(&["app", "deploy", "APP", "-n", "--detach"]));
    eventually("that swarm paused it", || async {
        (ill.codes(Some("app")) == ["update-paused", "exited"]).then_some(())
    })
    .await;
    let run = ill.errors();
    for word in ["so swarm paused the update", "| boom", "correct what made it fail"] {
        assert!(run.stdout.contains(word), "{word}: {run}");
    }
}
