//! The files of a schedule, from what the command line says of it.

use std::{
    env, fs,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use jiff::{Timestamp, Zoned, tz::TimeZone};
use serde::Serialize;

use super::{
    super::{run, status},
    places::{Kind, Place, PlannedFile},
};
use crate::{
    backup::schedule::{Error, Expression, Gaps, Schedule, calendar, cron, systemd},
    cli::{
        arguments::duration,
        failure::Failure,
        session::{Session, user_home},
        upgrade::run as upgrade,
    },
};

/// How many of the next times are shown.
const SHOWN: usize = 3;
/// Every night, when little else happens.
const NIGHT: &str = "30 3 * * *";
/// Of a run, unless the command line says otherwise.
const JITTER: Duration = Duration::from_secs(15 * 60);
/// Where programs are, if the environment does not say it.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// When it is run, and by what.
#[derive(Debug, Args)]
pub struct ScheduleArgs {
    /// When, as cron writes it: minute, hour, day of the month, month, day of the week
    #[arg(value_name = "WHEN", default_value = NIGHT)]
    when: String,

    /// Use a timer of systemd [default where systemd runs]
    #[arg(long, conflicts_with = "cron")]
    systemd: bool,

    /// Use cron: a file in /etc/cron.d for root, else your crontab
    #[arg(long)]
    cron: bool,

    /// Begin up to this much later, at random [default: 15m, and 0s for a look that tells]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    jitter: Option<Duration>,

    /// The time zone of WHEN, such as Europe/Brussels [default: this machine's]
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,

    /// The schedule's name [default: potluck-backup, potluck-status or potluck-upgrade]
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub name: Option<String>,

    /// Write the files into this folder and start nothing, as for another machine
    #[arg(long, value_name = "FOLDER")]
    pub into: Option<PathBuf>,

    /// Arguments for the command that is run
    #[arg(last = true, value_name = "ARGUMENT")]
    arguments: Vec<String>,
}

/// What is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Job {
    /// `backup run`.
    Backup,
    /// `backup status --notify`.
    Status,
    /// `upgrade run`.
    Upgrade,
}

impl Job {
    fn words(self) -> [&'static str; 2] {
        match self {
            Job::Backup => ["backup", "run"],
            Job::Status => ["backup", "status"],
            Job::Upgrade => ["upgrade", "run"],
        }
    }

    /// Where its arguments are.
    fn help(self) -> &'static str {
        match self {
            Job::Backup => "`potluck backup run --help` lists them",
            Job::Status => "`potluck backup status --help` lists them",
            Job::Upgrade => "`potluck upgrade run --help` lists them",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Job::Backup => "potluck-backup",
            Job::Status => "potluck-status",
            Job::Upgrade => "potluck-upgrade",
        }
    }

    fn about(self) -> &'static str {
        match self {
            Job::Backup => "Backups",
            Job::Status => "Look at the backups",
            Job::Upgrade => "Upgrades",
        }
    }
}

/// A schedule, and what carries it out.
#[derive(Debug, Serialize)]
pub struct Planned {
    pub name: String,
    pub kind: Kind,
    pub when: String,
    pub zone: String,
    /// The next times, in that zone.
    pub next: Vec<String>,
    /// Days of the next year on which it does not run: clocks are put forward, and leave its
    /// time out.
    pub left_out: Vec<String>,
    /// For systemd, what `OnCalendar=` says.
    pub on_calendar: Vec<String>,
    pub files: Vec<PlannedFile>,
    #[serde(skip)]
    pub place: Place,
}

impl Planned {
    /// # Errors
    /// What is wrong with the arguments, in words.
    pub fn of(args: &ScheduleArgs, job: Job, session: &Session) -> Result<Self, Failure> {
        let kind = match (args.systemd, args.cron) {
            (true, _) => Kind::Systemd,
            (_, true) => Kind::Cron,
            _ if Path::new("/run/systemd/system").is_dir() => Kind::Systemd,
            _ => Kind::Cron,
        };
        let here = zone_here();
        let zone = match &args.time_zone {
            Some(wanted) if kind == Kind::Cron && *wanted != here => {
                return Err(Error::CronZone { here, wanted: wanted.clone() }.into());
            }
            Some(wanted) => wanted.clone(),
            None => here,
        };
        let name = args.name.clone().unwrap_or_else(|| job.name().into());
        let is_look = job == Job::Status;
        let jitter = args.jitter.unwrap_or(if is_look { Duration::ZERO } else { JITTER });
        if job != Job::Backup && kind == Kind::Cron && args.jitter.is_some_and(|it| !it.is_zero()) {
            return Err(Failure::usage("only backups have jitter with cron")
                .hint("leave --jitter out, or use --systemd"));
        }
        // `backup run` waits by itself where cron cannot.
        let jitter =
            if job == Job::Upgrade && kind == Kind::Cron { Duration::ZERO } else { jitter };
        let home = session.home()?;
        let schedule = Schedule {
            name: name.clone(),
            expression: Expression::parse(&args.when)?,
            zone: zone.clone(),
            jitter: jitter.as_secs(),
            arguments: arguments(args, job)?,
            about: job.about(),
            program: env::current_exe()
                .map_err(|error| Failure::io("the place of potluck itself is unknown", &error))?,
            folder: home.root().to_owned(),
            path: path(),
            home: user_home(),
        };
        let place = Place::of(kind, &name, args.into.as_deref())?;
        let files = match &place {
            Place::Timer { service, timer, .. } => vec![
                PlannedFile { path: Some(service.clone()), content: systemd::service(&schedule)? },
                PlannedFile { path: Some(timer.clone()), content: systemd::timer(&schedule)? },
            ],
            Place::CronFile(path) => vec![PlannedFile {
                path: Some(path.clone()),
                content: cron::entry(&schedule, cron::Whose::System)?,
            }],
            Place::Crontab => vec![PlannedFile {
                path: None,
                content: cron::entry(&schedule, cron::Whose::User)?,
            }],
        };
        Ok(Planned {
            next: next(&schedule.expression, &zone, SHOWN, kind)?,
            left_out: match kind {
                Kind::Systemd => left_out(&schedule.expression, &zone)?,
                Kind::Cron => Vec::new(),
            },
            on_calendar: match kind {
                Kind::Systemd => calendar::on_calendar(&schedule.expression, &zone),
                Kind::Cron => Vec::new(),
            },
            when: schedule.expression.as_str().to_owned(),
            name,
            kind,
            zone,
            files,
            place,
        })
    }

    /// When it runs, in words.
    pub fn say(&self, session: &Session) {
        let Planned { when, zone, next, left_out, .. } = self;
        session.ui.say(format_args!("`{when}` in the time zone {zone}; the next times:"));
        for time in next {
            session.ui.say(format_args!("  {time}"));
        }
        if !left_out.is_empty() {
            session.ui.warn(format_args!(
                "systemd does not run it on {}: clocks are put forward then, and its time does not \
                 exist",
                left_out.join(", ")
            ));
            session.ui.hint("choose a time that every day has, such as '30 3 * * *'");
        }
    }
}

/// What is run, with its arguments, which are read as they will be then.
fn arguments(args: &ScheduleArgs, job: Job) -> Result<Vec<String>, Failure> {
    if args.arguments.iter().any(|it| it.starts_with("--jitter")) {
        return Err(Failure::usage("--jitter is the schedule's").hint("write it before `--`"));
    }
    let command = clap::Command::new("potluck");
    let command = match job {
        Job::Backup => <run::Args as Args>::augment_args(command),
        Job::Status => <status::Args as Args>::augment_args(command),
        Job::Upgrade => <upgrade::Args as Args>::augment_args(command),
    };
    let words = job.words().join(" ");
    let given = std::iter::once("potluck").chain(args.arguments.iter().map(String::as_str));
    command.try_get_matches_from(given).map_err(|error| {
        let said = error.kind().to_string();
        Failure::usage(format!("`{words}` does not take these arguments: {said}")).hint(job.help())
    })?;
    let mut arguments = job.words().map(str::to_owned).to_vec();
    if job == Job::Status && !args.arguments.iter().any(|it| it == "--notify") {
        arguments.push("--notify".into());
    }
    arguments.extend(args.arguments.iter().cloned());
    if let Some(bad) = arguments.iter().find(|it| it.contains(|c: char| c.is_control())) {
        return Err(Failure::usage(format!("`{bad}` has control characters")));
    }
    Ok(arguments)
}

/// The next times of an expression in a zone.
///
/// # Errors
/// [`Error::Zone`], [`Error::Never`].
pub fn next(
    expression: &Expression,
    zone: &str,
    count: usize,
    kind: Kind,
) -> Result<Vec<String>, Error> {
    let gaps = match kind {
        Kind::Systemd => Gaps::LeftOut,
        Kind::Cron => Gaps::Moved,
    };
    let times = expression.next(&now_in(zone)?, count, gaps)?;
    Ok(times.iter().map(|time| time.strftime("%a %Y-%m-%d %H:%M %Z").to_string()).collect())
}

fn left_out(expression: &Expression, zone: &str) -> Result<Vec<String>, Error> {
    Ok(expression.gaps(&now_in(zone)?).iter().map(ToString::to_string).collect())
}

fn now_in(zone: &str) -> Result<Zoned, Error> {
    let unknown = |_| Error::Zone { zone: zone.to_owned() };
    Ok(Timestamp::now().to_zoned(TimeZone::get(zone).map_err(unknown)?))
}

/// The zone that cron and systemd use here, whatever `TZ` says to this process.
fn zone_here() -> String {
    let link = fs::read_link("/etc/localtime").ok();
    let linked = link
        .as_deref()
        .and_then(Path::to_str)
        .and_then(|path| path.split_once("zoneinfo/").map(|(_, zone)| zone.to_owned()));
    let written = || fs::read_to_string("/etc/timezone").ok().map(|zone| zone.trim().to_owned());
    let zone = linked.or_else(written).filter(|zone| TimeZone::get(zone).is_ok());
    match zone.as_deref() {
        None | Some("Etc/UTC" | "Etc/UCT" | "UCT" | "Zulu") => "UTC".into(),
        Some(zone) => zone.into(),
    }
}

/// The environment's, as far as cron can take it.
fn path() -> String {
    let mut folders: Vec<String> = Vec::new();
    for folder in env::split_paths(&env::var_os("PATH").unwrap_or_default()) {
        if let Some(folder) = folder.to_str()
            && folder.starts_with('/')
            && !folder.contains(|c: char| c.is_control() || c == ':')
            && !folders.iter().any(|known| known == folder)
        {
            folders.push(folder.to_owned());
        }
    }
    if folders.is_empty() { PATH.into() } else { folders.join(":") }
}

/// What cron takes as the name of a file, and systemd as that of a unit.
pub fn name(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    match !text.is_empty() && text.len() <= 64 && !text.starts_with('-') && text.chars().all(fits) {
        true => Ok(text.to_owned()),
        false => Err("write up to 64 letters, digits, `-` and `_`".into()),
    }
}
