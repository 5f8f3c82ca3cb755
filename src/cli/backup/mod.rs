//! `potluck backup`

mod at;
mod check;
mod create;
mod download;
mod drill;
mod evidence;
mod forget;
mod hold;
mod key;
mod ls;
mod prune;
mod restore;
mod rm;
mod run;
pub mod schedule;
mod show;
mod snapshots;
mod stats;
mod status;

use std::path::Path;

use clap::{Args, Subcommand};

use self::at::At;
pub use self::{run::is_excepted, status::max_age};
use super::{
    arguments::AppArg,
    deferred::Deferred,
    exit::Exit,
    failure::{Failure, Outcome},
    session::Session,
    ui::Ui,
};
use crate::{
    backup::{Error, HANDED_ON, Of, Options, Trust, Which},
    home::{AppEntry, AppName, CopyName, Fingerprint, Home, ServerName, VolumeWriters},
};

#[derive(Debug, Subcommand)]
#[command(
    arg_required_else_help = true,
    after_long_help = "\
Examples:
  potluck backup create wiki.example.org
  potluck backup snapshots wiki.example.org
  potluck backup restore wiki.example.org
  potluck backup run
  potluck backup status
  potluck backup schedule install '30 3 * * *'
  potluck backup forget --all
  potluck backup check --read-data 30
  potluck backup drill --sample 2"
)]
pub enum Command {
    Create(create::Args),
    Snapshots(snapshots::Args),
    Restore(Box<restore::Args>),
    Run(run::Args),
    Status(status::Args),
    /// Have all apps backed up regularly, by systemd or cron.
    ///
    /// A schedule is a systemd timer with its service, or an entry for cron, that runs
    /// `potluck backup run`, or `potluck backup status --notify`.
    #[command(subcommand)]
    Schedule(Deferred<schedule::Command>),
    Show(show::Args),
    Ls(ls::Args),
    Download(download::Args),
    Hold(hold::Args),
    Rm(rm::Args),
    Forget(forget::Args),
    Prune(prune::Args),
    Check(check::Args),
    Stats(stats::Args),
    Drill(drill::Args),
    Evidence(evidence::Args),
    /// Change the passwords of repositories.
    #[command(subcommand)]
    Key(Deferred<key::Command>),
}

pub fn run(command: &Command, session: &Session) -> Outcome {
    match command {
        Command::Create(args) => create::run(args, session),
        Command::Snapshots(args) => snapshots::run(args, session),
        Command::Restore(args) => restore::run(args, session),
        Command::Run(args) => run::run(args, session),
        Command::Status(args) => status::run(args, session),
        Command::Schedule(Deferred(command)) => schedule::run(command, session),
        Command::Show(args) => show::run(args, session),
        Command::Ls(args) => ls::run(args, session),
        Command::Download(args) => download::run(args, session),
        Command::Hold(args) => hold::run(args, session),
        Command::Rm(args) => rm::run(args, session),
        Command::Forget(args) => forget::run(args, session),
        Command::Prune(args) => prune::run(args, session),
        Command::Check(args) => check::run(args, session),
        Command::Stats(args) => stats::run(args, session),
        Command::Drill(args) => drill::run(args, session),
        Command::Evidence(args) => evidence::run(args, session),
        Command::Key(Deferred(command)) => key::run(command, session),
    }
}

/// The variables of our environment that restic may see.
pub(in crate::cli) fn options() -> Options {
    let environment =
        HANDED_ON.iter().filter_map(|name| Some((name.into(), std::env::var_os(name)?))).collect();
    Options { environment, ..Options::default() }
}

/// The apps that a command is about.
#[derive(Debug, Args)]
struct AppsArg {
    /// The apps, by their domains
    #[arg(value_name = "APP", required_unless_present = "all", conflicts_with = "all")]
    apps: Vec<AppName>,

    /// All apps, or all of a server's
    #[arg(long)]
    all: bool,

    /// Only on this server
    #[arg(short, long, value_name = "NAME")]
    server: Option<ServerName>,
}

impl AppsArg {
    fn chosen(&self, home: &Home) -> Result<Vec<AppEntry>, Failure> {
        if let Some(server) = &self.server {
            home.server(server)?;
        }
        if self.all {
            let mut entries = home.apps()?;
            entries.retain(|entry| self.server.as_ref().is_none_or(|it| entry.server == *it));
            return match entries.is_empty() {
                true => Err(Failure::new("there are no apps").hint("`potluck app ls` lists them")),
                false => Ok(entries),
            };
        }
        named(home, &self.apps, self.server.as_ref())
    }
}

/// The servers whose repositories a command is about.
#[derive(Debug, Args)]
struct ServersArg {
    /// The servers of these apps [default: all servers that hold backups]
    #[arg(value_name = "APP")]
    apps: Vec<AppName>,

    /// This server
    #[arg(short, long, value_name = "NAME")]
    server: Option<ServerName>,
}

impl ServersArg {
    fn chosen(&self, home: &Home) -> Result<Vec<ServerName>, Failure> {
        let mut servers: Vec<ServerName> = match (&self.server, self.apps.is_empty()) {
            (Some(server), true) => {
                home.server(server)?;
                return Ok(vec![server.clone()]);
            }
            (server, false) => {
                let entries = named(home, &self.apps, server.as_ref())?;
                entries.into_iter().map(|entry| entry.server).collect()
            }
            (None, true) => {
                let mut servers = home.servers()?;
                let mut kept = Vec::new();
                for server in servers.drain(..) {
                    if has_repository(home, &server)? {
                        kept.push(server);
                    }
                }
                kept
            }
        };
        servers.sort();
        servers.dedup();
        match servers.is_empty() {
            true => {
                Err(Failure::new("no server has backups")
                    .hint("`potluck backup create APP` takes one"))
            }
            false => Ok(servers),
        }
    }
}

/// What services do while a backup reads the volumes that they write.
#[derive(Debug, Args)]
struct WritersArg {
    /// What services do while a volume is read that they write: run, pause or stop
    /// [default: `writers` in server.yml, else run]
    #[arg(long, value_name = "HOW")]
    writers: Option<VolumeWriters>,
}

impl WritersArg {
    fn options(&self) -> Options {
        Options { writers: self.writers, ..options() }
    }
}

/// The copy that a command reads.
#[derive(Debug, Args)]
struct FromArg {
    /// Read this copy, as `copies` in server.yml names it, instead of the server's own
    /// repository
    #[arg(long, value_name = "COPY")]
    from: Option<CopyName>,

    #[command(flatten)]
    taken: TakenArg,
}

impl FromArg {
    fn options(&self, options: Options) -> Options {
        self.taken.options(options.of(self.from.as_ref()), Of::Own)
    }
}

/// On which server a backup was taken.
#[derive(Debug, Args)]
struct TakenArg {
    /// Read backups that were taken of an app of this name on that server, whose repository is
    /// the same [default: the app's own server]
    #[arg(long, value_name = "SERVER")]
    of_server: Option<ServerName>,
}

impl TakenArg {
    fn options(&self, options: Options, otherwise: Of) -> Options {
        Options { sets_of: self.of_server.clone().map_or(otherwise, Of::Server), ..options }
    }
}

/// The repositories that a command looks after.
#[derive(Debug, Args)]
struct PlacesArg {
    /// Only in this copy, as `copies` in server.yml names it [default: in the server's own
    /// repository and in all copies]
    #[arg(long, value_name = "COPY")]
    from: Option<CopyName>,
}

impl PlacesArg {
    /// The places of a server, none for its own repository.
    fn of(&self, home: &Home, server: &ServerName) -> Result<Vec<Option<CopyName>>, Failure> {
        if let Some(copy) = &self.from {
            return Ok(vec![Some(copy.clone())]);
        }
        let copies = home.backup(server)?.copies.into_keys().map(Some);
        Ok(std::iter::once(None).chain(copies).collect())
    }

    /// The places of several.
    fn of_all(
        &self,
        home: &Home,
        servers: &[ServerName],
    ) -> Result<Vec<(ServerName, Option<CopyName>)>, Failure> {
        let mut all = Vec::new();
        for server in servers {
            all.extend(self.of(home, server)?.into_iter().map(|copy| (server.clone(), copy)));
        }
        Ok(all)
    }
}

/// `swarm.example.org`, `swarm.example.org, the copy vault`.
fn place(server: &str, copy: Option<&str>) -> String {
    match copy {
        None => server.to_owned(),
        Some(copy) => format!("{server}, the copy {copy}"),
    }
}

/// Whether a server names a repository, or has potluck's own.
fn has_repository(home: &Home, server: &ServerName) -> Result<bool, Failure> {
    let names = home.server(server)?.backup.is_some_and(|backup| backup.names_repository());
    Ok(names || Path::new(&home.backup(server)?.repository).join("config").exists())
}

fn named(
    home: &Home,
    apps: &[AppName],
    server: Option<&ServerName>,
) -> Result<Vec<AppEntry>, Failure> {
    let mut entries = Vec::new();
    for app in apps {
        entries.push(match server {
            Some(server) => home.app_on(app, server)?,
            None => home.app(app)?,
        });
    }
    Ok(entries)
}

/// Whose backups are believed.
#[derive(Debug, Args)]
pub(in crate::cli) struct TrustArg {
    /// Believe only backups that the owner of this key signed, also one that `signers` lacks
    #[arg(long, value_name = "FINGERPRINT")]
    signer: Option<Fingerprint>,

    /// Accept a backup that is not signed by a machine of the team: anyone who has
    /// the repository's password could have made it
    #[arg(long)]
    unsigned: bool,
}

impl TrustArg {
    pub(in crate::cli) fn options(&self) -> Options {
        let trust = Trust { signer: self.signer.clone(), unsigned: self.unsigned };
        Options { trust, ..options() }
    }
}

/// Does something for one after the other. One that fails keeps no other from being done;
/// an interruption does.
async fn each<'a, T, R>(
    all: &'a [T],
    work: impl AsyncFn(&'a T) -> Result<R, Error>,
) -> Result<Vec<(&'a T, Result<R, Error>)>, Failure> {
    let mut done = Vec::new();
    for one in all {
        match work(one).await {
            Err(error @ (Error::Cancelled { .. } | Error::Interrupted)) => return Err(error.into()),
            result => done.push((one, result)),
        }
    }
    Ok(done)
}

/// A backup of an app.
#[derive(Debug, Args)]
struct SetArg {
    /// The backup, the beginning of its name, or `latest` [default: the newest]
    #[arg(value_name = "BACKUP", conflicts_with = "at")]
    backup: Option<String>,

    /// The newest backup at or before this time that is believed
    ///
    /// `2026-11-26T03:00:00Z`; or, in the time zone of this machine, `2026-11-26` (the end of
    /// that day), `2026-11-26 03:00`, `yesterday`; or `36h` for that long ago.
    #[arg(long, value_name = "TIME")]
    at: Option<At>,
}

impl SetArg {
    /// Which one is meant; a time is said with its zone.
    fn which(&self, ui: &Ui) -> Which {
        if let Some(at) = &self.at {
            at.tell(ui);
            return at.which();
        }
        self.backup.as_deref().map_or(Which::Latest, set_of_name)
    }
}

/// restic's word for the newest is no name.
fn set_of_name(name: &str) -> Which {
    match name {
        "latest" => Which::Latest,
        name => Which::Named(name.to_owned()),
    }
}

/// An item of a backup.
#[derive(Debug, Args)]
struct ItemArg {
    #[command(flatten)]
    app: AppArg,

    /// The backup, the beginning of its name, or `latest`
    #[arg(value_name = "BACKUP")]
    backup: String,

    /// The item, as `potluck backup show` names it
    #[arg(value_name = "ITEM")]
    item: String,
}

impl ItemArg {
    fn which(&self) -> Which {
        set_of_name(&self.backup)
    }

    /// A place within it: all of it where no path is given.
    fn at<'a>(&'a self, path: Option<&'a Path>) -> (&'a str, &'a Path) {
        (&self.item, path.unwrap_or(Path::new("")))
    }
}

/// How a command about several ends.
fn ended(bad: usize, all: usize, what: &str) -> Outcome {
    match bad {
        0 => Ok(Exit::DONE),
        bad => {
            let failure = Failure::new(format!("{bad} of {all} {what}"));
            Err(if bad == all { failure } else { failure.exit(Exit::PARTLY) })
        }
    }
}
