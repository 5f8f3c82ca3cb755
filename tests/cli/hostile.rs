//! Hostile plugins at the prompt: Ctrl-C, grants and limits that cannot be had,
//! components that are not what was agreed to. On the simulated server.

use crate::support::cli;
use crate::support::hostile;

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, ChildStderr, Command, Stdio},
};

use cli::*;
use hostile::*;

const APP: &str = "t.example";
const BESIDE: &str =
    "services:\n  app:\n    image: potluck-test/busybox:1\n    command: [sleep, '1000']\n";

/// A recipe with these plugins, all of one component, and an app of it.
fn lab(plugins: &str, component: &[u8]) -> Lab {
    let lab = Lab::new();
    recipe(&lab, plugins, component);
    let run = lab.run(&["app", "new", "./tiny", "--domain", APP, "--server=simulated"]);
    assert_eq!(run.code, 0, "{run}");
    lab
}

fn recipe(lab: &Lab, plugins: &str, component: &[u8]) {
    lab.write("tiny/compose.yml", BESIDE);
    lab.write("tiny/.env.sample", "TYPE=tiny\nDOMAIN=tiny.example.org\n");
    lab.write("tiny/recipe.yml", &format!("plugins:\n{plugins}"));
    std::fs::write(lab.path("tiny/helper.wasm"), component).unwrap();
}

fn helper(more: &str) -> String {
    format!("  - name: helper\n    component: helper.wasm\n{more}")
}

const EXEC: &str = "    grants:\n      - exec: app\n";

/// Says `text` in its first hook.
fn says(text: &str) -> Vec<u8> {
    let mut data = Data::new();
    let log = data.log(1, text);
    lifecycle(&[LOG], &data.items(), &format!("{log} (i32.const 64)"))
}

/// Says `begun` and does this.
fn begins(guest: Guest, data: Data, body: &str) -> Vec<u8> {
    begins_in(("lifecycle", "check"), guest, data, body)
}

fn begins_in(
    (role, hook): (&'static str, &'static str),
    mut guest: Guest,
    mut data: Data,
    body: &str,
) -> Vec<u8> {
    let log = data.log(1, "begun");
    guest = guest.import("report", "log").items(&data.items());
    guest.hook(role, hook, &format!("{log} {body}")).binary()
}

const LOOPS: &str = "(loop $on (br $on)) unreachable";

/// Presses Ctrl-C when the hook has begun; what was said and the exit code.
fn interrupted(lab: &Lab, arguments: &[&str]) -> (String, Option<i32>) {
    interrupted_when(lab, arguments, |_, stderr, said| {
        while !said.contains("begun") {
            assert_ne!(stderr.read_line(said).unwrap(), 0, "{said}");
        }
    })
}

fn interrupted_when(
    lab: &Lab,
    arguments: &[&str],
    begun: impl FnOnce(&mut Child, &mut BufReader<ChildStderr>, &mut String),
) -> (String, Option<i32>) {
    let mut child: Child = Command::new(env!("CARGO_BIN_EXE_potluck"))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", lab.path("home"))
        .env("POTLUCK_DIR", lab.path("potluck"))
        .env("NO_COLOR", "1")
        .current_dir(lab.path(""))
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    begun(&mut child, &mut stderr, &mut said);
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    stderr.read_to_string(&mut said).unwrap();
    (said, child.wait().unwrap().code())
}

/// It ended by Ctrl-C and by none of its limits, and says what it leaves.
fn ends_by_ctrl_c(lab: &Lab, arguments: &[&str], leaves: &str) {
    let (said, code) = interrupted(lab, arguments);
    assert_eq!(code, Some(130), "{said}");
    assert!(said.contains(&format!("interrupted: {leaves}")), "{said}");
    assert!(!said.contains("limit"), "{said}");
}

/// So does a deploy before its plan, and nothing is in the way of the next one.
fn ends_at_once(lab: &Lab, arguments: &[&str]) {
    ends_by_ctrl_c(lab, arguments, "nothing of the app was changed");
    std::fs::write(lab.path("tiny/helper.wasm"), says("hello")).unwrap();
    let mut again = arguments.to_vec();
    again.push("--force");
    let run = lab.run(&again);
    assert_eq!(run.code, 0, "{run}");
    assert!(run.stderr.contains("hello"), "{run}");
}

#[test]
fn ctrl_c_ends_a_hook_that_loops() {
    let loops = begins(Guest::new(&["lifecycle"]), Data::new(), LOOPS);
    let lab = lab(&helper(""), &loops);
    ends_at_once(&lab, &["app", "deploy", APP, "-n"]);
}

/// Whether a process has a thread that compiles.
#[cfg(target_os = "linux")]
fn compiles(process: &Child) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{}/task", process.id())).unwrap();
    threads.flatten().any(|thread| {
        // A thread may end meanwhile.
        let name = std::fs::read_to_string(thread.path().join("comm"));
        name.is_ok_and(|name| name.trim() == "plugin-compile")
    })
}

#[cfg(target_os = "linux")]
#[test]
fn ctrl_c_ends_a_compilation_that_takes_minutes() {
    let lab = lab(&helper(""), &slow_to_compile());
    let (said, code) = interrupted_when(&lab, &["app", "deploy", APP, "-n"], |child, _, _| {
        while !compiles(child) {
            assert!(child.try_wait().unwrap().is_none(), "it ended before");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    });
    assert_eq!(code, Some(130), "{said}");
    assert!(said.contains("interrupted: nothing of the app was changed"), "{said}");
}

#[test]
fn ctrl_c_behind_the_plan_says_what_goes_on() {
    let at = ("lifecycle", "before-deploy");
    let loops = begins_in(at, Guest::new(&["lifecycle"]), Data::new(), LOOPS);
    let lab = lab(&helper(""), &loops);
    let leaves = "what was begun may be unfinished";
    ends_by_ctrl_c(&lab, &["app", "deploy", APP, "-n"], leaves);
}

/// A plugin with one command, `work`.
fn with_command(body: &str) -> Vec<u8> {
    let mut data = Data::new();
    let spec = [data.string("work"), data.string(""), data.list(&[])].concat();
    let [specs, count] = data.list(&[spec]);
    let specs = data.words(&[specs, count]);
    let guest =
        Guest::new(&["commands"]).hook("commands", "specs", &format!("(i32.const {specs})"));
    begins_in(("commands", "run"), guest, data, body)
}

#[test]
fn ctrl_c_ends_a_command_that_loops() {
    let lab = lab(&helper(""), &with_command(LOOPS));
    let command = &["app", "cmd", APP, "work"];
    ends_by_ctrl_c(&lab, command, "the command may have changed something already");
    std::fs::write(lab.path("tiny/helper.wasm"), with_command("(i32.const 64)")).unwrap();
    let run = lab.run(command);
    assert_eq!(run.code, 0, "{run}");
}

#[test]
fn ctrl_c_ends_one_hook_that_loops() {
    let lab = lab(&helper(""), &begins(Guest::new(&["lifecycle"]), Data::new(), LOOPS));
    let command = &["plugin", "run", "helper", "check", "after=1.0.0", "--app", APP];
    ends_by_ctrl_c(&lab, command, "the hook may have changed something already");
    std::fs::write(lab.path("tiny/helper.wasm"), says("hello")).unwrap();
    let run = lab.run(command);
    assert_eq!(run.code, 0, "{run}");
    assert!(run.stderr.contains("hello"), "{run}");
}

#[test]
fn ctrl_c_ends_a_hook_that_waits() {
    // A server that takes the request and never answers.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let mut data = Data::new();
    let (method, url) = (data.string("GET"), data.string(&origin));
    // No headers, no body, and as long as there is.
    let send = data.call("send", &[method, url], &[0, 0, 0, 0, 1, u32::MAX]);
    let waits = begins(
        Guest::new(&["lifecycle"]).import("http", "send"),
        data,
        &format!("{send} (i32.const 64)"),
    );
    let lab = lab(&helper(&format!("    grants:\n      - http: {origin}\n")), &waits);
    let grant = format!("http: {origin}");
    ends_at_once(&lab, &["app", "deploy", APP, "-n", "--grant", &grant]);
}

#[test]
fn a_grant_that_is_no_origin_is_refused() {
    let lab = lab(&helper(EXEC), &says("hello"));
    for (origin, why) in [
        ("https://*.example.org", "no wildcards"),
        ("https://sso.example.org/path", "has no path"),
        ("https://user:pass@sso.example.org", "no user name or password"),
        ("ftp://sso.example.org", "begins with http:// or https://"),
        ("sso.example.org", "begins with http:// or https://"),
        ("https://sso.example.org:0", "port 0"),
        ("https://sso.example.org:70000", "invalid port"),
        ("https://sso.example.org\\@evil.example", "no blanks"),
    ] {
        let grant = format!("http: {origin}");
        let run = lab.run(&["app", "deploy", APP, "-n", "--grant", &grant]);
        assert_eq!(run.code, 2, "{run}");
        assert!(run.stderr.contains("is not a grant") && run.stderr.contains(why), "{run}");
        assert!(!run.stderr.contains("hello"), "nothing ran: {run}");
    }
}

#[test]
fn a_recipe_that_asks_for_no_origin_is_refused() {
    let lab = lab(&helper(EXEC), &says("hello"));
    for origin in ["https://*.example.org", "https://sso.example.org/path", "file:///etc"] {
        let grants = format!("    grants:\n      - http: '{origin}'\n");
        recipe(&lab, &helper(&grants), &says("hello"));
        let run = lab.run(&["app", "deploy", APP, "-n"]);
        assert_ne!(run.code, 0, "{run}");
        assert!(run.stderr.contains("line 5") && run.stderr.contains(origin), "{run}");
        assert!(!run.stderr.contains("hello"), "nothing ran: {run}");
    }
}

#[test]
fn a_limit_above_the_ceiling_is_refused() {
    let lab = lab(&helper(""), &says("hello"));
    for (limits, message) in [
        ("{memory_mib: 99999}", "the limit on memory (MiB) is between 1 and 2048, not 99999"),
        (
            "{timeout_seconds: 864000}",
            "the limit on time (seconds) is between 1 and 86400, not 864000",
        ),
        ("{memory_mib: 0}", "between 1 and 2048, not 0"),
        ("{calls: 99999}", "unknown key"),
        ("{output_mib: 99999}", "unknown key"),
        ("{memory_mib: -1}", "line 4"),
    ] {
        recipe(&lab, &helper(&format!("    limits: {limits}\n")), &says("hello"));
        let run = lab.run(&["app", "deploy", APP, "-n"]);
        assert_ne!(run.code, 0, "{run}");
        assert!(run.stderr.contains(message), "{limits}: {run}");
        assert!(!run.stderr.contains("hello"), "nothing ran: {run}");
    }
    recipe(
        &lab,
        &helper("    limits: {memory_mib: 2048, timeout_seconds: 86400}\n"),
        &says("hello"),
    );
    let run = lab.run(&["app", "deploy", APP, "-n"]);
    assert_eq!(run.code, 0, "{run}");
}

fn deploy(lab: &Lab, more: &[&str]) -> Run {
    let mut arguments = vec!["app", "deploy", APP, "-n"];
    arguments.extend(more);
    lab.run(&arguments)
}

#[test]
fn a_plugin_takes_anothers_name() {
    // The grant was given to `helper`; under another name the same component
    // asks anew.
    let lab = lab(&helper(EXEC), &says("hello"));
    assert_eq!(deploy(&lab, &["--grant", "exec: app"]).code, 0);
    let renamed = format!("  - name: other\n    component: helper.wasm\n{EXEC}");
    recipe(&lab, &renamed, &says("howdy"));
    let run = deploy(&lab, &[]);
    assert_eq!(run.code, 6, "{run}");
    assert!(run.stderr.contains("other") && !run.stderr.contains("howdy"), "{run}");
}

#[test]
fn a_plugin_beside_a_granted_one_is_asked_for() {
    let lab = lab(&helper(EXEC), &says("hello"));
    assert_eq!(deploy(&lab, &["--grant", "exec: app"]).code, 0);
    let both = format!("{}  - name: other\n    component: helper.wasm\n{EXEC}", helper(EXEC));
    recipe(&lab, &both, &says("howdy"));
    let run = deploy(&lab, &[]);
    assert_eq!(run.code, 6, "{run}");
    assert!(!run.stderr.contains("howdy"), "neither of them ran: {run}");
    let grants = lab.json(&["plugin", "grants", APP, "--json"]);
    assert_eq!((&grants[0]["agreed"], &grants[1]["agreed"]), (&true.into(), &false.into()));
}

#[test]
fn a_standing_flag_is_not_for_a_plugin_that_turns_up() {
    let lab = lab(&helper(EXEC), &says("hello"));
    let standing = &["--grant", "exec: app"];
    assert_eq!(deploy(&lab, standing).code, 0);
    let other = format!("  - name: other\n    component: helper.wasm\n{EXEC}");
    // Beside the one it was meant for, and in its place.
    for plugins in [format!("{}{other}", helper(EXEC)), other] {
        recipe(&lab, &plugins, &says("howdy"));
        let run = deploy(&lab, standing);
        assert_eq!(run.code, 6, "{run}");
        assert!(!run.stderr.contains("howdy"), "nothing of it ran: {run}");
        let hint = "to agree, add --grant 'other exec: app'; `exec: app` alone could be meant for \
                    `helper` and `other`\n";
        assert!(run.stderr.contains(hint), "{run}");
        let dry = deploy(&lab, &["--dry-run", "--grant", "exec: app"]);
        assert!(dry.stderr.contains("not agreed to yet: other"), "{dry}");
    }
    // What stands there keeps standing beside the flag that says whom it is for.
    recipe(
        &lab,
        &format!("{}  - name: other\n    component: helper.wasm\n{EXEC}", helper(EXEC)),
        &says("howdy"),
    );
    let run = deploy(&lab, &[standing, &["--grant", "other exec: app"][..]].concat());
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(deploy(&lab, standing).code, 0);
}

#[test]
fn a_flag_is_for_the_plugin_that_it_names() {
    let both = format!("{}  - name: other\n    component: helper.wasm\n{EXEC}", helper(EXEC));
    let lab = lab(&both, &says("hello"));
    let run = deploy(&lab, &["--grant", "exec: app"]);
    assert_eq!(run.code, 6, "{run}");
    assert!(run.stderr.contains("--grant 'helper exec: app' --grant 'other exec: app'; "), "{run}");
    let run = deploy(&lab, &["--grant", "helper exec: app"]);
    assert_eq!(run.code, 6, "{run}");
    assert!(run.stderr.contains("to agree, add --grant 'other exec: app'\n"), "{run}");
    let run = deploy(&lab, &["--grant", "helper exec: app", "--grant", "other exec: app"]);
    assert_eq!(run.code, 0, "{run}");
}

#[test]
fn a_component_that_changed_is_refused_whatever_the_flags() {
    let lab = lab(&helper(EXEC), &says("hello"));
    lab.release("1.0.0+1");
    let version = &["1.0.0+1", "--grant", "exec: app"][..];
    let run = deploy(&lab, version);
    assert_eq!(run.code, 0, "{run}");
    // The same version, another component: asking for as much, for less, and for
    // more.
    for grants in [EXEC, "", "    grants:\n      - exec: app\n      - http: https://x.example\n"] {
        recipe(&lab, &helper(grants), &says(&format!("howdy {}", grants.len())));
        lab.release("1.0.0+1");
        for more in [&[][..], &["--force"]] {
            // A flag that fits nothing is an error of its own.
            let flags = if grants.is_empty() { &version[..1] } else { version };
            let run = deploy(&lab, &[flags, more].concat());
            assert_eq!(run.code, 6, "{run}");
            assert!(run.stderr.contains("changed although the version is still 1.0.0+1"), "{run}");
            assert!(!run.stderr.contains("howdy"), "nothing of it ran: {run}");
        }
    }
}

#[test]
fn a_component_that_is_not_the_pinned_one_is_refused() {
    let pin = format!("    sha256: {}\n", "ab".repeat(32));
    let lab = lab(&helper(&pin), &says("hello"));
    let run = deploy(&lab, &[]);
    assert_ne!(run.code, 0, "{run}");
    assert!(run.stderr.contains(&"ab".repeat(32)), "{run}");
    assert!(!run.stderr.contains("hello"), "{run}");
}
