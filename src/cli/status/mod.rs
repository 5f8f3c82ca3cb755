//! `potluck status`

mod slow;
mod told;
mod verdict;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use serde::Serialize;

use self::{
    slow::Slow,
    told::{News, Wrong},
    verdict::{Facts, Taken, judged, of_app, of_server, taken},
};
use super::{
    arguments::{JsonArg, duration},
    backup::{is_excepted, max_age},
    exit::Exit,
    failure::{Failure, Outcome},
    fleet::{self, in_words, recipe_of},
    newest::Newest,
    session::{Session, operator, wait},
    side_by_side::select_any,
    table::Table,
    ui::counted,
};
use crate::{
    backup::{
        nightly::{
            Finding, Record, Severity,
            care::{care, drilled, findings as cared},
        },
        shown,
    },
    home::{AppEntry, Home, LockFile, NightlySettings, ServerName, lock_file::RecipePin},
    notify,
    text::line,
};

/// Show how all servers and apps are: one screen, the worst first.
///
/// Asks all servers side by side: whether they and their nodes answer, whether apps are healthy,
/// what did not end or failed, which versions are behind, how full the disk of the engine is, how
/// long the certificates of the apps' domains are good; and says how old the last backup and
/// the last drill are, as this folder and the servers know it. `potluck backup status` looks into
/// the repositories besides. Nothing is changed.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck status
  potluck status --bad
  potluck status --watch
  potluck status --notify        (from cron, as often as you like)

Exit codes: 0 everything is as it should be, or a warning; 1 something is wrong, a server that
does not answer included.

With --notify, those whom notify.yml names are told of what is newly wrong, and once that all is
well again.

JSON: {ok, at, servers, apps}; a server is {server, version, nodes, ready, disk, apps, severity,
findings}, its version and nodes null where it does not answer, its disk {free, all} in bytes or
null; an app is {app, server, recipe,
deployed, newest, behind, status, without, unfinished, backup, drill, certificate_days, severity,
findings}, its status as `potluck app ls` has it, its backup {set, at, age_seconds} or null, its
drill {at, ok} or null, {chaos} where its files are of no version, its days those of the certificate that ends first, or null; a severity is `fine`, `warning` or `wrong`, a finding {code, severity, message, next}.")]
pub struct Args {
    /// Only these apps, by domain, or a pattern with `*`
    #[arg(value_name = "APP")]
    apps: Vec<String>,

    /// Only on this server
    #[arg(short, long, value_name = "NAME")]
    server: Option<ServerName>,

    /// Leave out what is fine
    #[arg(short, long)]
    bad: bool,

    /// Look again and again, every 30 s or as often as this says
    #[arg(short, long, value_name = "TIME", value_parser = duration, num_args = 0..=1)]
    #[arg(default_missing_value = "30s", require_equals = true, conflicts_with_all = ["json", "notify"])]
    watch: Option<Duration>,

    /// Tell those whom notify.yml names of what is news
    #[arg(long)]
    notify: bool,

    #[command(flatten)]
    json: JsonArg,
}

#[derive(Serialize)]
struct Report {
    ok: bool,
    at: Timestamp,
    servers: Vec<ServerRow>,
    /// The worst first.
    apps: Vec<AppRow>,
}

#[derive(Serialize)]
struct ServerRow {
    server: String,
    /// Of its Docker engine.
    version: Option<String>,
    nodes: Option<usize>,
    ready: Option<usize>,
    /// Where the engine of the endpoint has its data.
    disk: Option<Room>,
    /// How many of its apps are looked at.
    apps: usize,
    severity: Severity,
    findings: Vec<Finding>,
}

#[derive(Serialize)]
struct Room {
    /// Bytes.
    free: u64,
    all: u64,
}

impl Room {
    fn percent(&self) -> u64 {
        self.free.saturating_mul(100).checked_div(self.all).unwrap_or_default()
    }
}

#[derive(Serialize)]
struct AppRow {
    app: String,
    server: String,
    recipe: Option<String>,
    /// The version, or commit, that was handed to the server last.
    deployed: Option<String>,
    /// Whether files were deployed that no version stands for.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    chaos: bool,
    /// The newest release of the recipe, as it is here.
    newest: Option<String>,
    /// Whether there is a newer release than what is deployed.
    behind: bool,
    status: &'static str,
    without: Vec<String>,
    unfinished: bool,
    backup: Option<Backup>,
    drill: Option<Drill>,
    /// For how long the certificate that ends first is good.
    certificate_days: Option<i64>,
    severity: Severity,
    findings: Vec<Finding>,
}

#[derive(Serialize)]
struct Backup {
    set: String,
    at: Timestamp,
    age_seconds: u64,
}

/// The last drill from here, or that left evidence in the folder.
#[derive(Serialize)]
struct Drill {
    at: Timestamp,
    ok: bool,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let Some(pause) = args.watch else {
        let home = session.home()?;
        let report = look(args, session, &home, &mut Slow::default())?;
        if args.notify {
            let is_whole = args.apps.is_empty() && args.server.is_none();
            tell(session, &home, &report, is_whole)?;
        }
        session.report(&report, &args.json, |report| show(args, session, report))?;
        return Ok(if report.ok { Exit::DONE } else { Exit::FAILED });
    };
    let pause = pause.max(Duration::from_secs(1));
    let mut slow = Slow::default();
    loop {
        let began = Instant::now();
        let report = look(args, session, &session.home()?, &mut slow)?;
        session.ui.clear_screen();
        show(args, session, &report)?;
        let at = report.at.strftime("%H:%M:%S UTC");
        session.ui.say(format_args!("{at}; again every {} s, Ctrl-C ends it", pause.as_secs()));
        wait("", async {
            tokio::time::sleep(pause.saturating_sub(began.elapsed())).await;
            Ok(())
        })?;
    }
}

fn look(args: &Args, session: &Session, home: &Home, slow: &mut Slow) -> Result<Report, Failure> {
    let apps = select_any(home, &args.apps, args.server.as_ref())?;
    // Those without apps, too: one that stands by has to answer.
    let servers = match (&args.server, args.apps.is_empty()) {
        (Some(server), true) => vec![server.clone()],
        (None, true) => home.servers()?,
        (_, false) => Vec::new(),
    };
    let settings = home.nightly()?;
    let max_age = max_age(None, &settings)?;
    let drills = home.has_evidence()?;
    let seen = fleet::look(home, apps.iter(), servers, slow.what())?;
    slow.renew(&seen, home, &apps)?;
    let slow = &*slow;
    let now = Timestamp::now();
    let mut newest = Newest::default();
    let look = Looking { session, home, settings: &settings, max_age, drills, slow, now };
    let mut rows: Vec<AppRow> =
        apps.iter().map(|entry| look.app(&seen, entry, &mut newest)).collect();
    rows.sort_by(|a, b| (b.severity, &a.app, &a.server).cmp(&(a.severity, &b.app, &b.server)));
    let servers = seen.0.iter().map(|(name, said)| {
        let told = said.as_ref().map_err(|failure| failure.message.as_deref().unwrap_or_default());
        let mut findings = of_server(name.as_str(), told);
        let disk = slow.disk(name);
        findings.extend(disk.and_then(|disk| judged(&disk.finding)));
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        let of = |count: fn(&fleet::Server) -> usize| said.as_ref().ok().map(count);
        ServerRow {
            server: name.to_string(),
            version: said.as_ref().ok().and_then(|server| server.version.clone()),
            nodes: of(|server| server.nodes.len()),
            ready: of(|server| server.nodes.iter().filter(|it| verdict::is_ready(it)).count()),
            disk: disk.map(|disk| Room { free: disk.free, all: disk.all }),
            apps: apps.iter().filter(|app| app.server == *name).count(),
            severity: worst(&findings),
            findings,
        }
    });
    let servers: Vec<ServerRow> = servers.collect();
    let is_wrong = |severity: Severity| severity == Severity::Wrong;
    let ok = !servers.iter().any(|row| is_wrong(row.severity))
        && !rows.iter().any(|row| is_wrong(row.severity));
    Ok(Report { ok, at: now, servers, apps: rows })
}

/// What all apps are looked at with.
struct Looking<'a> {
    session: &'a Session,
    home: &'a Home,
    settings: &'a NightlySettings,
    max_age: Duration,
    drills: bool,
    slow: &'a Slow,
    now: Timestamp,
}

impl Looking<'_> {
    fn app(&self, seen: &fleet::Seen, entry: &AppEntry, newest: &mut Newest) -> AppRow {
        let Looking { session, home, settings, now, .. } = *self;
        let (lock, unreadable) = match home.lock_file(entry) {
            Ok(lock) => (lock, None),
            Err(error) => (LockFile::default(), Some(error)),
        };
        let (status, mut without) = seen.status(home, entry);
        without.retain(|service| !lock.resting.contains(service));
        let record = Record::read(home, entry).map_err(|error| error.to_string());
        let found = seen.app(home, entry);
        let is_backed_up = !is_excepted(settings, entry);
        let facts = Facts {
            app: entry.name.as_str(),
            status,
            without: &without,
            found,
            lock: &lock,
            record: &record,
            max_age: is_backed_up.then_some(self.max_age),
            now,
        };
        let mut findings = of_app(&facts);
        findings.extend(unreadable.map(|error| Finding {
            code: "lock-file",
            severity: Severity::Wrong,
            message: line(&error.to_string()).into_owned(),
            next: Some(format!("`potluck app check {}`", entry.name)),
        }));
        let recipe = match recipe_of(home, entry) {
            Ok(found) => found.map(|(recipe, _)| recipe),
            Err(error) => {
                findings.push(Finding {
                    code: "settings",
                    severity: Severity::Wrong,
                    message: line(&error.to_string()).into_owned(),
                    next: Some(format!("`potluck app config {}`", entry.name)),
                });
                None
            }
        };
        let drill = drilled(home, entry, self.drills);
        let last_drill = drill.recorded.as_ref().ok().and_then(Clone::clone);
        let last_drill = last_drill.map(|last| Drill { at: last.at, ok: last.ok });
        if is_backed_up {
            // Settings that cannot be read are what `backup status` tells of.
            let backup = home.backup(&entry.server).unwrap_or_default();
            let mut care = care(home, entry, None, &backup);
            care.push(drill);
            findings.extend(cared(care, None, now));
        }
        let certificates = self.slow.certificates(seen, home, entry);
        findings.extend(certificates.iter().filter_map(|it| judged(&it.finding)));
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        let pin = lock.begun.as_ref().or(lock.recipe.as_ref());
        let pin = pin.filter(|_| status != fleet::NOT_DEPLOYED);
        let deployed = pin.and_then(RecipePin::name).cloned();
        let newest = recipe.as_ref().and_then(|recipe| newest.of(session, recipe));
        AppRow {
            app: entry.name.to_string(),
            server: entry.server.to_string(),
            recipe: recipe.map(|recipe| recipe.to_string()),
            behind: deployed.is_some() && newest.is_some() && newest != deployed,
            deployed,
            chaos: pin.is_some_and(|pin| pin.chaos.is_some()),
            newest,
            status,
            unfinished: found.is_some_and(fleet::Found::is_unfinished),
            backup: taken(found, &record).map(|Taken { set, at }| Backup {
                set,
                at,
                age_seconds: now.duration_since(at).as_secs().max(0).unsigned_abs(),
            }),
            drill: last_drill,
            certificate_days: certificates.iter().filter_map(|it| it.days).min(),
            without,
            severity: worst(&findings),
            findings,
        }
    }
}

fn worst(findings: &[Finding]) -> Severity {
    findings.iter().map(|finding| finding.severity).max().unwrap_or(Severity::Fine)
}

/// Each thing that is not fine, with the name of what it is about.
fn said(report: &Report) -> Vec<(&str, &Finding)> {
    let of_servers = report
        .servers
        .iter()
        .flat_map(|row| row.findings.iter().map(|finding| (row.server.as_str(), finding)));
    let of_apps = report
        .apps
        .iter()
        .flat_map(|row| row.findings.iter().map(|finding| (row.app.as_str(), finding)));
    of_servers.chain(of_apps).filter(|(_, it)| it.severity > Severity::Fine).collect()
}

fn told_line((name, finding): &(&str, &Finding)) -> String {
    let next = finding.next.as_ref().map(|next| format!("; {next}")).unwrap_or_default();
    format!("{name}: {}{next}", finding.message)
}

fn summary(report: &Report) -> String {
    let bad = |severity: Severity| severity == Severity::Wrong;
    let servers = report.servers.iter().filter(|row| bad(row.severity)).count();
    let apps = report.apps.iter().filter(|row| bad(row.severity)).count();
    let of = |number: usize, all: usize, noun: &str| format!("{number} of {}", counted(all, noun));
    match report.ok {
        true => format!(
            "{} on {} are as they should be",
            counted(report.apps.len(), "app"),
            counted(report.servers.len(), "server")
        ),
        false => format!(
            "something is wrong with {} and {}",
            of(servers, report.servers.len(), "server"),
            of(apps, report.apps.len(), "app")
        ),
    }
}

fn show(args: &Args, session: &Session, report: &Report) -> Result<(), Failure> {
    let is_shown = |severity: Severity| !args.bad || severity > Severity::Fine;
    let mut table = Table::new(&["SERVER", "DOCKER", "NODES", "DISK", "APPS", "STATUS"]);
    for row in report.servers.iter().filter(|row| is_shown(row.severity)) {
        let nodes = match (row.ready, row.nodes) {
            (Some(ready), Some(nodes)) => format!("{ready}/{nodes}"),
            _ => "-".into(),
        };
        let status = match row.findings.first() {
            Some(finding) => finding.code,
            None => "ready",
        };
        table.row([
            row.server.clone(),
            row.version.clone().unwrap_or_else(|| "-".into()),
            nodes,
            row.disk
                .as_ref()
                .map_or_else(|| "-".into(), |disk| format!("{} % free", disk.percent())),
            row.apps.to_string(),
            status.to_owned(),
        ]);
    }
    table.print(&session.ui)?;
    let mut table = Table::new(&[
        "APP",
        "SERVER",
        "VERSION",
        "NEWEST",
        "BACKUP",
        "DRILL",
        "CERTIFICATE",
        "STATUS",
    ]);
    for row in report.apps.iter().filter(|row| is_shown(row.severity)) {
        let ago = |at: Timestamp| {
            let ago = Duration::try_from(report.at.duration_since(at)).unwrap_or_default();
            format!("{} ago", shown(ago))
        };
        let dash = || "-".to_owned();
        table.row([
            row.app.clone(),
            row.server.clone(),
            match (&row.deployed, row.chaos) {
                (Some(version), true) => format!("{version} (chaos)"),
                (version, _) => version.clone().unwrap_or_else(dash),
            },
            row.newest.clone().filter(|_| row.behind).unwrap_or_default(),
            row.backup.as_ref().map_or_else(dash, |backup| ago(backup.at)),
            row.drill.as_ref().map_or_else(dash, |drill| match drill.ok {
                true => ago(drill.at),
                false => "failed".into(),
            }),
            row.certificate_days.map_or_else(dash, |days| format!("{days} d")),
            in_words(row.status, &row.without, row.unfinished),
        ]);
    }
    table.print(&session.ui)?;
    for (name, finding) in said(report) {
        let told = told_line(&(name, finding));
        match finding.severity {
            Severity::Wrong => session.ui.out(format_args!("wrong: {told}"))?,
            _ => session.ui.out(format_args!("warning: {told}"))?,
        }
    }
    session.ui.say(format_args!("{}.", summary(report)));
    Ok(())
}

/// Tells people of what is news. What could not be told stays news.
fn tell(session: &Session, home: &Home, report: &Report, is_whole: bool) -> Result<(), Failure> {
    let Some(settings) = home.notify()? else {
        session.ui.warn("nobody is notified: there is no notify.yml");
        session.ui.hint("write `mail: [ADDRESS]` into notify.yml in the operator's folder");
        return Ok(());
    };
    let wrong: BTreeMap<String, String> = said(report)
        .iter()
        .filter(|(_, finding)| finding.severity == Severity::Wrong)
        .map(|it| (format!("{} {}", it.0, it.1.code), told_line(it)))
        .collect();
    let names: Wrong = wrong.keys().cloned().collect();
    let known = told::read(home)?;
    // What was not looked at is as people know it.
    let names: Wrong = match is_whole {
        true => names,
        false => {
            let servers = report.servers.iter().map(|row| row.server.as_str());
            let looked: BTreeSet<&str> =
                report.apps.iter().map(|row| row.app.as_str()).chain(servers).collect();
            let is_other =
                |name: &&String| name.split_once(' ').is_some_and(|(of, _)| !looked.contains(of));
            names.into_iter().chain(known.iter().filter(is_other).cloned()).collect()
        }
    };
    let text = match told::news(&known, &names) {
        News::None => {
            told::remember(home, &names)?;
            return Ok(());
        }
        News::Of(new) => {
            let (new, known): (Vec<_>, Vec<_>) =
                wrong.iter().partition(|(name, _)| new.contains(*name));
            let mut text = String::new();
            for (_, told) in &new {
                text += &format!("{told}\n");
            }
            if !known.is_empty() {
                text += "\nknown before:\n";
                for (_, told) in &known {
                    text += &format!("{told}\n");
                }
            }
            text
        }
        News::Well => String::new(),
    };
    let summary = summary(report);
    let subject = format!("potluck on {}: {summary}", operator().host);
    let text = format!("{summary}.\n\n{text}");
    let environment = super::backup::options().environment;
    let failed = wait("interrupted", async {
        Ok(notify::tell(&settings, &subject, &text, &environment).await)
    })?;
    if failed.is_empty() {
        told::remember(home, &names)?;
    }
    for reason in failed {
        session.ui.warn(reason);
    }
    Ok(())
}
