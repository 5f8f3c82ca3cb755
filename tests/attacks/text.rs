//! Text that others wrote, through every field that there is: a recipe's compose
//! files, sample, manifest and scripts, names in git, a plugin's words, an
//! engine's answers. Whatever is printed, every byte of it is looked at: nothing
//! drives the terminal, nothing is hidden, and no line is one that potluck did not
//! begin.

use crate::support::cli;
use crate::support::hostile;

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    process::Command,
};

use cli::{Lab, Run};
use hostile::{Data, LOG, lifecycle};
use serde_json::{Value, json};

/// What no line may begin with: it is in the payload behind line breaks.
const FAKES: [&str; 4] = ["error: fake", "hint: fake", "+ create service FORGED", "Plan: FORGED"];
/// Bytes of a line: one foreign text and what we say around it, or a list of
/// flags.
const LONGEST: usize = 25_000;

fn payload() -> String {
    let fakes = FAKES.join("\n  ");
    let marks = "\u{1b}[2J\u{1b}]0;title\u{7}\r\u{9b}31m\u{85}\u{202e}\u{2066}\u{2028}\u{2029}\
                 \u{200b}\u{200f}\u{2060}\u{feff}\u{ad}\u{e0041}\u{fdd0}\u{7f}";
    format!("x{marks}\n{fakes}\r\n{}\n{}", FAKES.join("\r\n"), "y".repeat(30_000))
}

/// The same without line breaks, where those end what is read.
fn flat() -> String {
    payload().replace(['\n', '\r'], " ")
}

/// In double quotes, as YAML and JSON read it.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            ' '..='~' => out.push(c),
            c => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| {
                out.push_str(&format!("\\u{unit:04x}"));
            }),
        }
    }
    out + "\""
}

/// YAML has no pairs of surrogates.
fn yaml(text: &str) -> String {
    quoted(&text.replace('\u{e0041}', ""))
}

fn is_foul(c: char) -> bool {
    let hidden = [
        '\u{ad}',
        '\u{61c}',
        '\u{200b}',
        '\u{200e}',
        '\u{200f}',
        '\u{2028}',
        '\u{2029}',
        '\u{202a}',
        '\u{202b}',
        '\u{202c}',
        '\u{202d}',
        '\u{202e}',
        '\u{2060}',
        '\u{2066}',
        '\u{2067}',
        '\u{2068}',
        '\u{2069}',
        '\u{feff}',
        '\u{fdd0}',
        '\u{e0041}',
    ];
    (c.is_control() && c != '\n' && c != '\t') || hidden.contains(&c)
}

/// Looks at all that was printed.
fn is_clean(what: &str, run: &Run) {
    for (stream, text) in [("stdout", &run.stdout), ("stderr", &run.stderr)] {
        if let Some(foul) = text.chars().find(|c| is_foul(*c)) {
            panic!("{what}: {foul:?} on {stream}: {:?}", around(text, foul));
        }
        for line in text.lines() {
            let begun = line.trim_start_matches([' ', '\t', '|', '"']);
            let fake = FAKES.iter().find(|fake| begun.starts_with(**fake));
            assert!(fake.is_none(), "{what}: a forged line on {stream}: {line:.200}");
            assert!(line.len() < LONGEST, "{what}: {} bytes on {stream}", line.len());
        }
    }
    assert_ne!(run.code, 101, "{what}: {}", run.stderr);
    assert!(!run.stderr.contains("panicked"), "{what}: {}", run.stderr);
}

fn around(text: &str, foul: char) -> String {
    let at: usize = text.chars().position(|c| c == foul).unwrap_or_default();
    text.chars().skip(at.saturating_sub(80)).take(160).collect()
}

/// The same of data for programs, and of all texts in it.
fn is_clean_json(what: &str, run: &Run) {
    let text = Run {
        code: run.code,
        // Long values are data.
        stdout: String::new(),
        stderr: run.stderr.clone(),
    };
    is_clean(what, &text);
    assert!(!run.stdout.chars().any(is_foul), "{what}: {:.2000}", run.stdout);
    if run.stdout.is_empty() {
        return;
    }
    let value = serde_json::from_str(&run.stdout).unwrap_or_else(|e| panic!("{what}: {e}"));
    walk(what, &value);
}

fn walk(what: &str, value: &Value) {
    let clean = |text: &str| {
        let foul = text.chars().find(|c| is_foul(*c) || *c == '\n');
        assert_eq!(foul, None, "{what}: {text:.300}");
    };
    match value {
        Value::String(text) => clean(text),
        Value::Array(all) => all.iter().for_each(|one| walk(what, one)),
        Value::Object(members) => members.iter().for_each(|(name, member)| {
            clean(name);
            walk(what, member);
        }),
        _ => {}
    }
}

const APP: &str = "t.example";

/// Every command that shows something of a recipe or an app.
const ALL: [&str; 21] = [
    "recipe lint ./tiny",
    "recipe lint ./tiny --strict",
    "plugin inspect ./tiny",
    "recipe port ./tiny --output ported",
    "app new ./tiny --domain t.example --server=simulated",
    "app check t.example",
    "app deploy t.example --dry-run",
    "app deploy t.example --dry-run --verbose",
    "app secret ls t.example",
    "app secret generate t.example --show",
    "app deploy t.example --no-input",
    "app ps t.example",
    "app ls",
    "app cmd t.example",
    "plugin ls t.example",
    "plugin grants t.example",
    "app logs t.example",
    "app deploy t.example --dry-run --force",
    "stack ls --server simulated",
    "recipe ls",
    "app undeploy t.example --yes",
];
const ALL_JSON: [&str; 14] = [
    "recipe lint ./tiny",
    "plugin inspect ./tiny",
    "app config t.example",
    "app check t.example",
    "app secret ls t.example",
    "app secret generate t.example",
    "app deploy t.example --dry-run",
    "app deploy t.example --no-input",
    "app ps t.example",
    "app ls",
    "app cmd t.example",
    "plugin ls t.example",
    "plugin grants t.example",
    "recipe ls",
];
/// Those that show a compose file.
const COMPOSED: [&str; 5] = [
    "recipe lint ./tiny",
    "app new ./tiny --domain t.example --server=simulated",
    "app deploy t.example --dry-run",
    "app deploy t.example --no-input --timeout 1s",
    "app ps t.example",
];
const COMPOSED_JSON: [&str; 3] =
    ["recipe lint ./tiny", "app deploy t.example --dry-run", "app ps t.example"];

/// Plays them on the simulated server; what each leaves must be clean. Says in how
/// many something of the payload was to be seen.
fn play(what: &str, lab: &Lab) -> usize {
    play_these(what, lab, &ALL, &ALL_JSON)
}

fn play_these(what: &str, lab: &Lab, plain: &[&str], json: &[&str]) -> usize {
    let mut seen = 0;
    let mut sees = |run: &Run| {
        let both = [&run.stdout, &run.stderr];
        seen += usize::from(both.iter().any(|text| text.contains("error: fake")));
    };
    for words in plain {
        let arguments: Vec<&str> = words.split(' ').collect();
        let run = lab.run(&arguments);
        is_clean(&format!("{what}: {words}"), &run);
        sees(&run);
    }
    for words in json {
        let arguments: Vec<&str> = words.split(' ').chain(["--json"]).collect();
        let run = lab.run(&arguments);
        is_clean_json(&format!("{what}: {words} --json"), &run);
        sees(&run);
    }
    let config = lab.path("potluck/servers/simulated/t.example.env");
    let settings = fs::read_to_string(config).unwrap_or_default();
    for key in settings.lines().filter_map(|line| line.split_once('=')).map(|(key, _)| key) {
        if key.is_empty() || key.starts_with(['#', '-']) || key.contains(char::is_control) {
            continue;
        }
        let run = lab.run(&["app", "config", APP, "--get", key]);
        let value = Run { code: run.code, stdout: String::new(), stderr: run.stderr };
        is_clean(&format!("{what}: --get {key}"), &value);
        assert!(!run.stdout.chars().any(is_foul), "{what}: --get {key}");
        assert!(run.stdout.lines().count() <= 1, "{what}: --get {key}");
    }
    seen
}

fn lab(files: &[(&str, &str)]) -> Lab {
    let lab = Lab::new();
    lab.write("tiny/compose.yml", "services: {app: {image: 'busybox:1'}}\n");
    lab.write("tiny/.env.sample", "TYPE=tiny\nDOMAIN=tiny.example.org\n");
    for (name, text) in files {
        lab.write(&format!("tiny/{name}"), text);
    }
    lab
}

/// The first case seen: lines of a plan that potluck never wrote.
#[test]
fn a_plan_has_no_lines_of_the_recipes() {
    let compose = r#"
services:
  app:
    image: "busybox:1"
    command: ["/no\e[2Jsuch\nerror: fake line\u009b31m"]
    deploy:
      endpoint_mode: dnsrr
      labels: {"a\e[2Jb\nPlan: FORGED\n  - nothing": "y\e[2J\n  + fake line\u202egnp"}
    environment: {"K": "w\n  + create service FORGED\n      image: safe"}
    hostname: h
    x-foo: 1
configs: {}
"#;
    let lab = lab(&[(".env.sample", "TYPE=tui\nDOMAIN=\n")]);
    let new = lab.run(&["app", "new", "./tiny", "--domain", APP, "--server=simulated"]);
    assert_eq!(new.code, 0, "{new}");
    // A new service is shown by its image; what changes of one, in detail.
    for deployed in [false, true] {
        if deployed {
            lab.write("tiny/compose.yml", "services: {app: {image: 'busybox:1'}}\n");
            let run = lab.run(&["app", "deploy", APP, "--no-input"]);
            assert_eq!(run.code, 0, "{run}");
        }
        lab.write("tiny/compose.yml", compose);
        let run = lab.run(&["app", "deploy", APP, "--dry-run"]);
        assert_eq!(run.code, 0, "{run}");
        is_clean("the plan", &run);
        assert!(!deployed || run.stderr.contains("FORGED"), "{run}");
        let lines: Vec<_> = run.stderr.lines().map(str::trim_end).collect();
        let plan = lines.iter().position(|line| *line == "Plan:").expect("there is a plan");
        let begun = |line: &&str| {
            let begins = ["  + create ", "  ~ update ", "  > run ", "      "];
            begins.iter().any(|begin| line.starts_with(begin))
        };
        let others: Vec<_> = lines[plan + 1..].iter().filter(|line| !begun(line)).collect();
        let fails = match deployed {
            false => {
                "If it fails: the services that were started are kept, so that you can look into \
                 them."
            }
            true => "If it fails: the services return to what they run now.",
        };
        assert_eq!(others, [&fails, &"Nothing was changed: this was a dry run."]);
    }
    play("the case", &lab);
}

/// `P` is the payload, as a scalar of its own.
const COMPOSE: &[&str] = &[
    "services: {P: {image: 'busybox:1'}}",
    "services: {app: {image: P}}",
    "services: {app: {image: 'busybox:1', command: [P]}}",
    "services: {app: {image: 'busybox:1', command: P}}",
    "services: {app: {image: 'busybox:1', entrypoint: [P]}}",
    "services: {app: {image: 'busybox:1', environment: {P: a, B: P}}}",
    "services: {app: {image: 'busybox:1', environment: [P]}}",
    "services: {app: {image: 'busybox:1', hostname: P}}",
    "services: {app: {image: 'busybox:1', labels: {P: P}}}",
    "services: {app: {image: 'busybox:1', deploy: {labels: {P: P}}}}",
    "services: {app: {image: 'busybox:1', deploy: {endpoint_mode: P}}}",
    "services: {app: {image: 'busybox:1', deploy: {mode: P}}}",
    "services: {app: {image: 'busybox:1', deploy: {placement: {constraints: [P]}}}}",
    "services: {app: {image: 'busybox:1', deploy: {placement: {preferences: [{spread: P}]}}}}",
    "services: {app: {image: 'busybox:1', deploy: {restart_policy: {condition: P}}}}",
    "services: {app: {image: 'busybox:1', deploy: {update_config: {order: P, delay: P}}}}",
    "services: {app: {image: 'busybox:1', deploy: {resources: {limits: {memory: P, cpus: P}}}}}",
    "services: {app: {image: 'busybox:1', user: P, working_dir: P, stop_signal: P}}",
    "services: {app: {image: 'busybox:1', stop_grace_period: P}}",
    "services: {app: {image: 'busybox:1', cap_add: [P], cap_drop: [P]}}",
    "services: {app: {image: 'busybox:1', sysctls: {P: P}, ulimits: {P: 3}}}",
    "services: {app: {image: 'busybox:1', dns: [P], dns_search: [P], extra_hosts: [P]}}",
    "services: {app: {image: 'busybox:1', logging: {driver: P, options: {P: P}}}}",
    "services: {app: {image: 'busybox:1', ports: [P]}}",
    "services: {app: {image: 'busybox:1', ports: [{target: 1, published: P, mode: P}]}}",
    "services: {app: {image: 'busybox:1', volumes: [P]}}",
    "services: {app: {image: 'busybox:1', volumes: [{type: bind, source: P, target: P}]}}",
    "services: {app: {image: 'busybox:1', volumes: [{type: P}]}}",
    "services: {app: {image: 'busybox:1', volumes: ['v:/x']}}\nvolumes: {v: {driver: P, driver_opts: {P: P}, labels: {P: P}}}",
    "services: {app: {image: 'busybox:1', volumes: ['v:/x']}}\nvolumes: {v: {name: P}}",
    "services: {app: {image: 'busybox:1'}}\nvolumes: {P: {}}",
    "services: {app: {image: 'busybox:1', networks: [P]}}",
    "services: {app: {image: 'busybox:1', networks: {n: {aliases: [P]}}}}\nnetworks: {n: {name: P, driver: P, driver_opts: {P: P}}}",
    "services: {app: {image: 'busybox:1', networks: [n]}}\nnetworks: {n: {external: true, name: P}}",
    "services: {app: {image: 'busybox:1', networks: [n]}}\nnetworks: {n: {ipam: {driver: P, config: [{subnet: P}]}}}",
    "services: {app: {image: 'busybox:1', configs: [c]}}\nconfigs: {c: {name: P, content: P}}",
    "services: {app: {image: 'busybox:1', configs: [{source: c, target: P, uid: P, mode: P}]}}\nconfigs: {c: {content: a}}",
    "services: {app: {image: 'busybox:1', configs: [P]}}",
    "services: {app: {image: 'busybox:1', configs: [c]}}\nconfigs: {c: {file: P}}",
    "services: {app: {image: 'busybox:1', configs: [c]}}\nconfigs: {c: {external: true, name: P}}",
    "services: {app: {image: 'busybox:1', secrets: [s]}}\nsecrets: {s: {file: P}}",
    "services: {app: {image: 'busybox:1', secrets: [s]}}\nsecrets: {s: {external: true, name: P}}",
    "services: {app: {image: 'busybox:1', secrets: [{source: P, target: P}]}}",
    "services: {app: {image: 'busybox:1', healthcheck: {test: [P], interval: P}}}",
    "services: {app: {image: 'busybox:1', env_file: P}}",
    "services: {app: {image: 'busybox:1', depends_on: [P], links: [P], profiles: [P]}}",
    "services: {app: {image: 'busybox:1', extends: {service: P, file: P}}}",
    "services: {app: {image: 'busybox:1', credential_spec: {config: P}}}",
    "services: {app: {image: 'busybox:1', devices: [P], security_opt: [P], runtime: P}}",
    "services: {app: {image: 'busybox:1', network_mode: P, pid: P, ipc: P, isolation: P}}",
    "services: {app: {image: 'busybox:1', build: P, container_name: P, restart: P}}",
    "services: {app: {image: 'busybox:1', P: P}}",
    "services: {app: {image: 'busybox:1', x-foo: P, deploy: {P: 1}}}",
    "services: {app: {image: 'busybox:1'}}\nP: P",
    "services: {app: {image: 'busybox:1'}}\nname: P\nversion: P",
    "services: {app: {image: 'busybox:1'}}\ninclude: [P]",
    "services: {app: {image: 'busybox:1', tty: P, init: P, read_only: P}}",
    "services: {app: {image: 'busybox:1', secrets: [P]}}\nsecrets: {P: {external: true}}",
    "services: {app: {image: 'busybox:1'}}\nconfigs: {P: {file: P}}\nnetworks: {P: {}}",
    "services: P",
    "services: [P]",
    "services: {app: P}",
    "services: {app: !P {image: a}}",
    "services: {app: {image: 'busybox:1', environment: {A: '${B:?P}'}}}",
    "services: {app: {image: 'busybox:1', environment: {A: '${P}', B: '$P'}}}",
    "services: {app: {image: 'busybox:1'}, app: P",
    "services: {app: {image: P\n",
];

fn compose(part: usize) {
    let mut seen = 0;
    for (number, template) in COMPOSE.iter().enumerate().filter(|(n, _)| n % 4 == part) {
        let text = template.replace('P', &yaml(&payload()));
        let lab = lab(&[("compose.yml", &text)]);
        let what = format!("compose {number}, {template}");
        seen += usize::from(play_these(&what, &lab, &COMPOSED, &COMPOSED_JSON) > 0);
    }
    // Not each field is shown, as some are nobody's business; most are.
    assert!(seen > COMPOSE.len() / 4 / 2, "only {seen} fields were shown");
}

#[test]
fn fields_of_a_compose_file_say_nothing_of_their_own() {
    compose(0);
}

#[test]
fn fields_of_a_compose_file_say_nothing_of_their_own_part_2() {
    compose(1);
}

#[test]
fn fields_of_a_compose_file_say_nothing_of_their_own_part_3() {
    compose(2);
}

#[test]
fn fields_of_a_compose_file_say_nothing_of_their_own_part_4() {
    compose(3);
}

#[test]
fn a_sample_says_nothing_of_its_own() {
    let (flat, yaml) = (flat(), quoted(&payload()));
    for (number, sample) in [
        format!("TYPE=tiny\nDOMAIN=\nA=\"{}\"\nB='{flat}'\nC={flat}\n", flat.replace('"', "")),
        format!("TYPE=tiny\nDOMAIN=\nA=\"x\\n{}\"\n", FAKES.join("\\n  ")),
        format!("TYPE=tiny\nDOMAIN=\nA=x # {flat}\n# {flat}\n#B={flat}\n"),
        format!(
            "TYPE=tiny\nDOMAIN=\nSECRET_A_VERSION=v1 # length={flat} charset={flat} {flat}=x\n"
        ),
        format!("TYPE=tiny\nDOMAIN=\nSECRET_A_VERSION={flat}\n"),
        format!("TYPE=tiny\nDOMAIN=\nCOMPOSE_FILE={flat}\nTIMEOUT={flat}\n"),
        format!("TYPE=tiny\nDOMAIN=\nA=${{{flat}}}\nB=$UNKNOWN{flat}\n"),
        format!("TYPE={flat}\nDOMAIN={flat}\n"),
        format!("TYPE=tiny:{flat}\nDOMAIN=\n"),
        format!("RECIPE={flat}\nDOMAIN=\nSTACK_NAME={flat}\n"),
        format!("{flat}=x\nTYPE=tiny\n{flat}\nexport {flat}=y\n"),
        format!("TYPE=tiny\nDOMAIN=\nA=\"{yaml}\nB='open {flat}\n"),
    ]
    .iter()
    .enumerate()
    {
        let compose = "services: {app: {image: 'busybox:1', secrets: [a], environment: {A: '$A', \
                       B: '$B'}}}\nsecrets: {a: {external: true, name: \
                       '${STACK_NAME}_a_${SECRET_A_VERSION}'}}\n";
        play(
            &format!("sample {number}"),
            &lab(&[(".env.sample", sample), ("compose.yml", compose)]),
        );
    }
}

#[test]
fn a_manifest_says_nothing_of_its_own() {
    let p = yaml(&payload());
    for (number, manifest) in [
        "plugins: [{name: P, component: a.wasm}]",
        "plugins: [{name: a, component: P}]",
        "plugins: [{name: a, component: 'std:P'}]",
        "plugins: [{name: a, component: 'std:files', options: {P: P}}]",
        "plugins: [{name: a, component: 'std:files', options: P}]",
        "plugins: [{name: a, component: 'std:files', grants: [P]}]",
        "plugins: [{name: a, component: 'std:files', grants: [{exec: P}]}]",
        "plugins: [{name: a, component: 'std:files', grants: [{secret: P}, {http: P}]}]",
        "plugins: [{name: a, component: 'std:files', grants: [{P: a}]}]",
        "plugins: [{name: a, component: 'std:files', limits: {P: 1}}]",
        "plugins: [{name: a, component: 'std:files', limits: {memory_mib: P}}]",
        "plugins: [{name: a, component: a.wasm, sha256: P}]",
        "plugins: [{P: P}]",
        "P: P",
        "P",
        "plugins: [{name: a, component: &P a.wasm}",
    ]
    .iter()
    .enumerate()
    {
        let text = manifest.replace("std:P", "std:Q").replace('P', &p).replace("'std:Q'", &p);
        play(&format!("manifest {number}, {manifest}"), &lab(&[("recipe.yml", &text)]));
    }
}

#[test]
fn scripts_and_files_of_a_recipe_say_nothing_of_their_own() {
    let flat = flat();
    let short: String = flat.replace('/', "").chars().take(100).collect();
    let script = format!(
        "export A_VERSION={flat}\nexport {flat}=v1\nexport B=\"$(x {flat})\"\n\
         f() {{ docker exec app_{flat} sh -c '{flat}'; }}\n{flat}() {{ :; }}\n"
    );
    let lab = lab(&[("abra.sh", &script), ("release/1.0.0", &payload())]);
    for name in ["compose.{}.yml", "{}.tmpl", "plugins-{}.wasm"] {
        lab.write(&format!("tiny/{}", name.replace("{}", &short)), "services: 1\n");
    }
    lab.write(&format!("tiny/compose.{short}/x.yml"), "x");
    play("scripts and files", &lab);
}

#[test]
fn names_in_git_say_nothing_of_their_own() {
    let lab = lab(&[]);
    // What git lets a reference be called.
    let name: String =
        flat().chars().filter(|c| !c.is_ascii_control() && !" [".contains(*c)).collect();
    let name: String = name.replace(['~', '^', ':', '?', '*', '\\'], "").chars().take(60).collect();
    lab.release("1.0.0+x");
    lab.write("tiny/more", "x");
    lab.release(&format!("2.0.0+{name}"));
    lab.git(&["branch", &name]);
    lab.git(&["-c", "user.name=\u{202e}", "commit", "--allow-empty", "-qm", &payload()]);
    play("names in git", &lab);
    // What is not to be seen is no name of a version.
    let listed = lab.json(&["recipe", "ls", "--json"]);
    assert_eq!(listed[0]["versions"], json!(["1.0.0+x"]), "{listed}");
    for version in ["1.0.0", "2.0.0"] {
        is_clean("a version", &lab.run(&["app", "deploy", APP, version, "--dry-run"]));
        is_clean("a version", &lab.run(&["recipe", "lint", "./tiny", version]));
    }
    // And what a repository says of itself.
    for (file, text) in
        [("HEAD", payload()), ("config", format!("[remote \"origin\"]\n\turl = {}\n", flat()))]
    {
        let place = lab.path(&format!("potluck/recipes/tiny/.git/{file}"));
        if place.parent().is_some_and(|folder| folder.exists()) {
            fs::write(place, text).unwrap();
        }
        for words in [
            "app deploy t.example --dry-run",
            "recipe ls",
            "app new ./tiny --domain u.example --server=simulated",
        ] {
            let arguments: Vec<&str> = words.split(' ').collect();
            is_clean(&format!("git's {file}: {words}"), &lab.run(&arguments));
        }
    }
}

#[test]
fn a_plugin_says_nothing_of_its_own() {
    let p: String = payload().chars().take(600).collect();
    let mut data = Data::new();
    let said: String = (0..4).map(|level| data.log(level, &p)).collect();
    let component = lifecycle(&[LOG], &data.items(), &format!("{said} (i32.const 64)"));
    let manifest = "plugins: [{name: helper, component: helper.wasm, options: {a: P}}]";
    let lab = lab(&[("recipe.yml", &manifest.replace('P', &yaml(&p)))]);
    fs::write(lab.path("tiny/helper.wasm"), component).unwrap();
    assert!(play("a plugin", &lab) > 0);
    fs::write(lab.path("tiny/helper.wasm"), p).unwrap();
    play("no plugin", &lab);
}

/// An engine whose every word is the payload: its messages, or all texts of its
/// answers.
fn engine(lab: &Lab, fails: bool) -> String {
    let place = lab.path("engine.sock");
    let listener = UnixListener::bind(&place).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || serve(stream, fails));
        }
    });
    format!("unix://{}", place.display())
}

fn serve(stream: UnixStream, fails: bool) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut writer = stream;
    loop {
        let mut first = String::new();
        if reader.read_line(&mut first).unwrap_or(0) == 0 {
            return;
        }
        let mut length = 0;
        loop {
            let mut header = String::new();
            if reader.read_line(&mut header).unwrap_or(0) == 0 || header.trim().is_empty() {
                break;
            }
            if let Some(value) = header.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
        }
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
        let (status, answer) = answer(&path, fails);
        let text = answer.to_string();
        let head = format!(
            "HTTP/1.1 {status} X\r\nApi-Version: 1.41\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n",
            text.len()
        );
        if writer.write_all(format!("{head}{text}").as_bytes()).is_err() {
            return;
        }
    }
}

fn answer(path: &str, fails: bool) -> (u16, Value) {
    let p = payload();
    let is = |end: &str| path.split('?').next().unwrap_or_default().ends_with(end);
    if is("/_ping") {
        return (200, json!("OK"));
    }
    if is("/version") {
        return (
            200,
            json!({"ApiVersion": "1.41", "MinAPIVersion": "1.12", "Version": if fails { "20.10" } else { p.as_str() }}),
        );
    }
    if fails {
        return (500, json!({"message": p}));
    }
    let labels = json!({"com.docker.stack.namespace": "t_example", "com.docker.stack.image": p, p.clone(): p});
    let version = json!({"Index": 1});
    if is("/info") {
        return (
            200,
            json!({"ID": p, "Name": p, "ServerVersion": p, "DockerRootDir": p, "OperatingSystem": p,
            "Swarm": {"NodeID": "n", "LocalNodeState": "active", "ControlAvailable": true, "Nodes": 1, "Managers": 1,
                      "RemoteManagers": [{"NodeID": "n", "Addr": p}]}}),
        );
    }
    if is("/services") {
        return (
            200,
            json!([{"ID": "s", "Version": version, "CreatedAt": "2026-01-01T00:00:00Z", "UpdatedAt": "2026-01-01T00:00:00Z",
            "Spec": {"Name": "t_example_app", "Labels": labels, "Mode": {"Replicated": {"Replicas": 1}},
                "TaskTemplate": {"ContainerSpec": {"Image": p, "Command": [p], "Env": [p], "Labels": {p.clone(): p}, "Hostname": p},
                    "Placement": {"Constraints": [p]}, "Networks": [{"Target": p, "Aliases": [p]}]}},
            "UpdateStatus": {"State": "paused", "Message": p}}]),
        );
    }
    if is("/tasks") {
        return (
            200,
            json!([{"ID": "t", "Version": version, "ServiceID": "s", "NodeID": "n", "Slot": 1, "Name": p,
            "CreatedAt": "2026-01-01T00:00:00Z", "UpdatedAt": "2026-01-01T00:00:00Z", "DesiredState": "running",
            "Spec": {"ContainerSpec": {"Image": p}},
            "Status": {"State": "rejected", "Err": p, "Message": p, "Timestamp": "2026-01-01T00:00:00Z"}}]),
        );
    }
    if is("/nodes") {
        return (
            200,
            json!([{"ID": "n", "Version": version, "Spec": {"Name": p, "Role": "manager", "Availability": "active"},
            "Description": {"Hostname": p}, "Status": {"State": "ready", "Message": p, "Addr": p}}]),
        );
    }
    if is("/networks") || is("/secrets") || is("/configs") || is("/volumes") {
        let one = json!({"ID": "o", "Id": "o", "Name": p, "Version": version, "Labels": labels, "Spec": {"Name": p, "Labels": labels},
            "Driver": p, "Scope": "swarm", "Mountpoint": p});
        return (200, if is("/volumes") { json!({"Volumes": [one]}) } else { json!([one]) });
    }
    (404, json!({"message": p}))
}

#[test]
fn an_engine_says_nothing_of_its_own() {
    for fails in [true, false] {
        let lab = lab(&[]);
        let endpoint = engine(&lab, fails);
        let added = lab.run(&["server", "add", "far", "--endpoint", &endpoint]);
        is_clean("server add", &added);
        lab.write("potluck/servers/far/server.yml", &format!("endpoint: {endpoint}\n"));
        let what = |words: &str| format!("engine, fails {fails}: {words}");
        for words in [
            "app new ./tiny --domain t.example --server=far",
            "server ls",
            "app ls",
            "app ps t.example",
            "app check t.example",
            "app deploy t.example --dry-run",
            "app deploy t.example --no-input --timeout 1s",
            "app logs t.example",
            "app secret ls t.example",
            "app run t.example app true",
            "stack ls --server far",
            "stack ps t_example --server far",
            "stack services t_example --server far",
            "stack rm t_example --server far",
            "app undeploy t.example --yes",
            "app rm t.example --yes",
        ] {
            let arguments: Vec<&str> = words.split(' ').collect();
            is_clean(&what(words), &lab.run(&arguments));
        }
        for words in [
            "app ls",
            "app ps t.example",
            "app check t.example",
            "app deploy t.example --dry-run",
            "server ls",
            "stack ls --server far",
            "stack ps t_example --server far",
            "stack services t_example --server far",
        ] {
            let arguments: Vec<&str> = words.split(' ').chain(["--json"]).collect();
            is_clean_json(&what(words), &lab.run(&arguments));
        }
    }
}

/// Data of the person's own files is kept whole for programs, and shown to nobody
/// as something else.
#[test]
fn plain_compose_files_are_printed_as_escapes() {
    let lab = Lab::new();
    let text =
        format!("services: {{app: {{image: 'busybox:1', labels: {{a: {}}}}}}}\n", yaml(&payload()));
    lab.write("compose.yml", &text);
    let run = lab.run(&["stack", "config", "-c", "compose.yml"]);
    assert!(run.code == 0 && !run.stdout.chars().any(is_foul), "{:.2000}", run.stdout);
    let run = lab.run(&["stack", "config", "-c", "compose.yml", "--json"]);
    assert!(run.code == 0 && !run.stdout.chars().any(is_foul), "{:.2000}", run.stdout);
    let value: Value = serde_json::from_str(&run.stdout).unwrap();
    let label = value["services"]["app"]["labels"]["a"].as_str().unwrap();
    assert_eq!(label, payload().replace('\u{e0041}', ""));
}

/// `app config --get` at a terminal, as it was seen.
#[test]
fn a_value_drives_no_terminal() {
    let sample = "TYPE=tiny\nDOMAIN=\nA='\u{1b}[2J\u{9b}31m\u{202e}abc'\nB=plain\n";
    let lab = lab(&[(".env.sample", sample)]);
    let run = lab.run(&["app", "new", "./tiny", "--domain", APP, "--server=simulated"]);
    assert_eq!(run.code, 0, "{run}");
    let program = env!("CARGO_BIN_EXE_potluck");
    let terminal = Command::new("script")
        .args(["--quiet", "--return", "--command"])
        .arg(format!("{program} app config {APP} --get A"))
        .arg("/dev/null")
        .env("POTLUCK_DIR", lab.path("potluck"))
        .env("HOME", lab.path("home"))
        .env("NO_COLOR", "1")
        .output();
    if let Ok(seen) = terminal {
        let seen = String::from_utf8_lossy(&seen.stdout).replace("\r\n", "\n");
        assert!(!seen.chars().any(is_foul) && seen.contains("���abc"), "{seen:?}");
    } else {
        hostile::skip("there is no script(1) to make a terminal with");
    }
    let run = lab.run(&["app", "config", APP, "--get", "A"]);
    assert_eq!(run.stdout, "���abc\n");
    assert!(run.stderr.contains("warning: the value of `A` holds"), "{run}");
    let run = lab.run(&["app", "config", APP, "--get", "B"]);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("plain\n", ""));
}
