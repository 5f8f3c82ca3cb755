//! Nights of a fleet on simulated servers, with faults by chance: whatever happens is said
//! by everything that reports, of exactly the apps that it happened to, and what is called a
//! backup can be restored. `make campaign week` makes it a week of 200 apps.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write,
};

use potluck::home::{AppEntry, AppGuard, Home};
use serde_json::Value;

use crate::support::{
    cli::Lab,
    monitor::{Monitor, taken, tells},
};

/// No deploy waits for what a simulated update might do later.
const COMPOSE: &str = "services: {app: {image: example.invalid/app:1, volumes: [\"content:/content\"], deploy: {update_config: {monitor: 1ms}}}}\nvolumes: {content: }\n";

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap())
}

/// Numbers by chance that are the same again for the same seed (a linear congruential
/// generator, Knuth's constants).
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

/// What happens to a server in a night.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    Unreachable,
    Password,
    Gone,
    /// Of one app: another operation has it.
    Busy(u64),
    /// Of one app.
    Settings(u64),
    /// potluck is killed at this change of the swarm.
    Killed(u64),
    /// What was in the volume of one app is gone, and stays so.
    Emptied(u64),
    /// Somebody with the repository's password adds a set of one app that says it is newer.
    Forged(u64),
}

struct Fleet {
    lab: Lab,
    home: Home,
    servers: u64,
    apps: u64,
    /// The last night of which each app has a backup.
    good: BTreeMap<String, u64>,
    emptied: BTreeSet<String>,
    forged: BTreeSet<String>,
}

/// How the name of a forged set ends.
const FORGED: &str = "-ffffff";
/// What the apps' data consists of, but for a page that changes every night.
const FILLER: usize = 2 << 20;

fn server(index: u64) -> String {
    format!("s{index}")
}

fn app(server: u64, index: u64) -> String {
    format!("a{index}.s{server}.example")
}

impl Fleet {
    fn new(servers: u64, apps: u64) -> Self {
        let lab = Lab::new();
        lab.write("tiny/compose.yml", COMPOSE);
        lab.write("tiny/.env.sample", "DOMAIN=\n");
        let done = |arguments: &[&str]| {
            let run = lab.run(arguments);
            assert_eq!(run.code, 0, "{run}");
        };
        for at in 0..servers {
            done(&["server", "add", &server(at), "simulated"]);
            let settings = format!("potluck/servers/{}/server.yml", server(at));
            let text = fs::read_to_string(lab.path(&settings)).unwrap();
            lab.write(&settings, &format!("{text}backup: {{keep: {{last: 2}}}}\n"));
            for index in 0..apps {
                let name = app(at, index);
                done(&["app", "new", "./tiny", "--domain", &name, "--server", &server(at)]);
                done(&["app", "deploy", &name, "--no-input"]);
            }
        }
        let home = Home::new(lab.path("potluck"));
        let (good, emptied, forged) = Default::default();
        Fleet { lab, home, servers, apps, good, emptied, forged }
    }

    fn page(&self, at: u64, index: u64) -> String {
        let stack = app(at, index).replace('.', "_");
        format!("potluck/state/simulated/{}/volumes/{stack}_content/_data/page", server(at))
    }

    /// Writes the data of a night.
    fn fill(&self, at: u64, index: u64, text: &str) {
        let page = self.page(at, index);
        if self.emptied.contains(&app(at, index)) {
            return;
        }
        self.lab.write(&page, text);
        let filler = self.lab.path(&page.replace("/page", "/filler"));
        if !filler.exists() {
            fs::write(filler, vec![b'x'; FILLER]).unwrap();
        }
    }

    fn of(&self, at: u64, below: &str) -> String {
        format!("potluck/state/{below}/{}", server(at))
    }

    fn fault(&self, at: u64, chance: &mut Chance) -> Fault {
        let one = chance.below(self.apps);
        match chance.below(14) {
            0 => Fault::Unreachable,
            // There is something to lose once each app was backed up.
            1 | 2 | 6 | 7
                if (0..self.apps).any(|index| !self.good.contains_key(&app(at, index))) =>
            {
                Fault::None
            }
            1 => Fault::Password,
            2 => Fault::Gone,
            3 => Fault::Busy(one),
            4 => Fault::Settings(one),
            5 => Fault::Killed(1 + chance.below(20)),
            6 => Fault::Emptied(one),
            7 => Fault::Forged(one),
            _ => Fault::None,
        }
    }

    fn entry(&self, at: u64, index: u64) -> AppEntry {
        AppEntry { name: app(at, index).parse().unwrap(), server: server(at).parse().unwrap() }
    }

    /// Brings the fault about, or takes it away; an app that is busy stays so while the guard
    /// lives.
    fn set(&self, at: u64, fault: Fault, is_on: bool) -> Option<AppGuard> {
        let script = format!("{}/script.yml", self.of(at, "simulated"));
        let backups = self.of(at, "backups");
        let settings = |index| format!("potluck/servers/{}/{}.env", server(at), app(at, index));
        let swap = |from: String, to: String| {
            let (from, to) = if is_on { (from, to) } else { (to, from) };
            fs::rename(self.lab.path(&from), self.lab.path(&to)).unwrap();
        };
        match fault {
            Fault::None => {}
            Fault::Unreachable => {
                self.lab.write(&script, if is_on { "unreachable: true\n" } else { "" });
            }
            Fault::Killed(moment) => {
                self.lab.write(
                    &script,
                    &if is_on { format!("crash: {moment}\n") } else { String::new() },
                );
            }
            Fault::Password => {
                swap(format!("{backups}/password"), format!("{backups}/aside"));
                if is_on {
                    self.lab.write(&format!("{backups}/password"), "wrong\n");
                }
            }
            Fault::Gone => swap(format!("{backups}/repository"), format!("{backups}/aside")),
            Fault::Settings(index) => {
                swap(settings(index), format!("{}.aside", settings(index)));
                if is_on {
                    self.lab.write(&settings(index), "this is not a setting\n");
                }
            }
            Fault::Busy(index) if is_on => {
                return Some(self.home.guard_app(&self.entry(at, index), "a deploy").unwrap());
            }
            Fault::Busy(_) => {}
            Fault::Emptied(index) if is_on => {
                let page = self.page(at, index);
                for file in [page.replace("/page", "/filler"), page] {
                    let _ = fs::remove_file(self.lab.path(&file));
                }
            }
            Fault::Forged(index) if is_on => self.forge(at, index),
            Fault::Emptied(_) | Fault::Forged(_) => {}
        }
        None
    }

    /// A manifest of nothing, of a few minutes from now.
    fn forge(&self, at: u64, index: u64) {
        let begun = jiff::Timestamp::now() + jiff::SignedDuration::from_mins(5);
        let set = format!("{}{FORGED}", begun.strftime("%Y%m%dT%H%M%SZ"));
        let backups = self.lab.path(&self.of(at, "backups"));
        let mut restic = std::process::Command::new("restic");
        restic.args(["backup", "--stdin", "--stdin-filename", "manifest.json", "--host"]);
        restic.arg(server(at));
        let (of_app, of_set) = (format!("app:{}", app(at, index)), format!("set:{set}"));
        for tag in ["potluck", &of_app, &of_set, "item:manifest", "items:0", "bytes:9000000"] {
            restic.args(["--tag", tag]);
        }
        let manifest = self.lab.path("manifest.json");
        fs::write(&manifest, "{}").unwrap();
        let done = restic
            .env("RESTIC_REPOSITORY", backups.join("repository"))
            .env("RESTIC_PASSWORD_FILE", backups.join("password"))
            .stdin(fs::File::open(manifest).unwrap())
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    /// The apps that cannot be backed up.
    fn hit(&self, at: u64, fault: Fault) -> Vec<String> {
        match fault {
            Fault::None | Fault::Killed(_) | Fault::Emptied(_) | Fault::Forged(_) => Vec::new(),
            Fault::Unreachable | Fault::Password | Fault::Gone => {
                (0..self.apps).map(|index| app(at, index)).collect()
            }
            Fault::Busy(index) | Fault::Settings(index) => vec![app(at, index)],
        }
    }

    fn night(&mut self, night: u64, monitor: &Monitor, chance: &mut Chance) -> String {
        for at in 0..self.servers {
            for index in 0..self.apps {
                self.fill(at, index, &format!("night {night}"));
            }
        }
        let faults: Vec<Fault> = (0..self.servers).map(|at| self.fault(at, chance)).collect();
        let run = ["backup", "run", "--json", "--jobs", "4", "--retries", "0", "--lock-wait", "0s"];
        let mut guards = Vec::new();
        for (at, fault) in faults.iter().enumerate() {
            guards.extend(self.set(at as u64, *fault, true));
            match fault {
                Fault::Emptied(index) => drop(self.emptied.insert(app(at as u64, *index))),
                Fault::Forged(index) => drop(self.forged.insert(app(at as u64, *index))),
                _ => {}
            }
        }
        let mut kills = 0;
        let mut ended = self.lab.run(&run);
        let killers = faults.iter().filter(|fault| matches!(fault, Fault::Killed(_))).count();
        // Somebody starts it again, each time without what killed it.
        while ended.code == -1 {
            kills += 1;
            assert!(kills <= killers, "night {night}: {ended}");
            let killer = faults.iter().enumerate().filter(|(_, it)| matches!(it, Fault::Killed(_)));
            let (at, fault) = killer.clone().nth(kills - 1).unwrap();
            self.set(at as u64, *fault, false);
            // It says nothing more, and perhaps not even that.
            let paths = monitor.paths();
            assert!(paths.iter().all(|path| path == "/check/start"), "{paths:?}");
            ended = self.lab.run(&run);
        }
        let wrong: BTreeSet<String> =
            faults.iter().enumerate().flat_map(|(at, fault)| self.hit(at as u64, *fault)).collect();
        let all = (self.servers * self.apps) as usize;
        let code = match wrong.len() {
            0 => 0,
            count if count == all => 1,
            _ => 3,
        };
        let context = format!("night {night}, {faults:?}: {ended}");
        assert_eq!(ended.code, code, "{context}");
        let report: Value = serde_json::from_str(&ended.stdout).unwrap();
        let rows = report["apps"].as_array().unwrap();
        assert_eq!(rows.len(), all, "{context}");
        let mut failed = BTreeSet::new();
        for row in rows {
            let name = row["app"].as_str().unwrap().to_owned();
            match row["outcome"].as_str().unwrap() {
                "backed-up" => {
                    self.good.insert(name, night);
                }
                "failed" => {
                    assert!(row["error"].is_string() && row["next"].is_string(), "{row}");
                    failed.insert(name);
                }
                other => panic!("{other}: {row}"),
            }
        }
        assert_eq!(failed, wrong, "{context}");

        let last = monitor.heard().pop().unwrap();
        assert_eq!(last.0, if wrong.is_empty() { "/check" } else { "/check/fail" }, "{context}");
        let (told, mail) = (taken(&self.lab, "told"), taken(&self.lab, "mail"));
        let prometheus = fs::read_to_string(self.lab.path("metrics/potluck.prom")).unwrap();
        // A run cannot know what an app should have; the monitor does not believe it.
        let lasting = self.emptied.union(&self.forged).cloned();
        let doubted: BTreeSet<String> = wrong.iter().cloned().chain(lasting).collect();
        let status = self.lab.run(&["backup", "status", "--json"]);
        assert_eq!(status.code, i32::from(!doubted.is_empty()), "{context}\n{status}");
        let status: Value = serde_json::from_str(&status.stdout).unwrap();
        let wrongs =
            status["apps"].as_array().unwrap().iter().filter(|it| it["severity"] == "wrong");
        let wrongs: BTreeSet<String> =
            wrongs.map(|it| it["app"].as_str().unwrap().to_owned()).collect();
        assert_eq!(wrongs, doubted, "{context}\n{status}");
        for name in self.good.keys().chain(&wrong) {
            let is_wrong = wrong.contains(name);
            let said = format!("{name}: FAILED: ");
            for (place, text) in [("command", &told), ("mail", &mail)] {
                assert_eq!(text.contains(&said), is_wrong, "{place}, {name}: {context}");
            }
            let sample = format!("potluck_backup_last_status{{app=\"{name}\"");
            let line = prometheus.lines().find(|line| line.starts_with(&sample)).unwrap();
            assert_eq!(line.ends_with(" 2"), is_wrong, "{line}: {context}");
        }

        drop(guards);
        for (at, fault) in faults.iter().enumerate() {
            self.set(at as u64, *fault, false);
        }
        for name in &self.emptied {
            let forgot = self.lab.run(&["backup", "forget", name]);
            // The manifest, which grows, is counted as well.
            let words = ["is the last with 2.0", "those before it 2.0", "may be forged"];
            assert!(
                forgot.code == 0 || words.iter().any(|it| forgot.stderr.contains(it)),
                "{context}\n{forgot}"
            );
        }
        format!(
            "night {night}: {} of {all} apps with a fault, killed {kills} times\n",
            doubted.len()
        )
    }

    /// What is called a backup brings the data of its night back.
    fn restore_all(&self) {
        for at in 0..self.servers {
            for index in 0..self.apps {
                let name = app(at, index);
                let Some(night) = self.good.get(&name) else { continue };
                self.lab.write(&self.page(at, index), "lost");
                let sets = self.lab.json(&["backup", "snapshots", &name, "--json"]);
                let mut ids: Vec<&str> =
                    sets.as_array().unwrap().iter().filter_map(|set| set["id"].as_str()).collect();
                ids.sort_unstable();
                // Of a few minutes from then: after long nights it is not the newest any more.
                let is_forged = ids.last().is_some_and(|newest| newest.ends_with(FORGED));
                assert!(!is_forged || self.forged.contains(&name), "{name}: {sets}");
                let mut restored = self.lab.run(&["backup", "restore", &name, "--yes"]);
                if is_forged {
                    assert_eq!(restored.code, 1, "{restored}");
                    assert!(restored.stderr.contains("restore another backup"), "{restored}");
                    let good = ids.iter().rfind(|id| !id.ends_with(FORGED)).unwrap();
                    restored = self.lab.run(&["backup", "restore", &name, good, "--yes"]);
                }
                assert_eq!(restored.code, 0, "{restored}");
                if self.emptied.contains(&name) {
                    assert!(!self.lab.path(&self.page(at, index)).exists(), "{name}");
                    let large = |set: &Value| set["bytes"].as_u64() >= Some(FILLER as u64);
                    let kept = sets.as_array().unwrap().iter().any(large);
                    assert!(kept, "{name}: the data from when it was whole is gone: {sets}");
                    continue;
                }
                let page = fs::read_to_string(self.lab.path(&self.page(at, index))).unwrap();
                assert_eq!(page, format!("night {night}"), "{name}");
            }
        }
    }
}

#[test]
fn no_fault_goes_unsaid_and_no_success_is_false() {
    let (servers, apps) = (number("POTLUCK_WEEK_SERVERS", 3), number("POTLUCK_WEEK_APPS", 1));
    let (nights, seed) = (number("POTLUCK_WEEK_NIGHTS", 3), number("POTLUCK_SEED", 53_771));
    let mut fleet = Fleet::new(servers, apps);
    let monitor = Monitor::new("200 OK");
    tells(&fleet.lab, &monitor);
    let mut chance = Chance(seed);
    for night in 1..=nights {
        let said = fleet.night(night, &monitor, &mut chance);
        // Past the harness: a campaign takes long.
        std::io::stderr().write_all(said.as_bytes()).unwrap();
    }
    fleet.restore_all();
}
