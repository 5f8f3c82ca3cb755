//! Why an operation on an app failed.
//!
//! Variants with an exit code of their own say so; all others end with
//! 1.

use std::fmt;

use jiff::Timestamp;

use crate::{
    hint::Hint,
    home::{ConnectionKind, GivenGrant, GivenReach, Grant, ServerName},
    owner::{
        journal::{Journal, Step, What},
        lease::Holder,
    },
    plugin::{Role, grants::Reason},
    rollout,
    text::line,
};

use super::questions::{Ambiguous, ReachWish, Wish};

/// An app that another operation has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    pub app: String,
    pub holder: Holder,
    /// When it last renewed its lease, by its own clock.
    pub renewed: Timestamp,
}

/// An operation on an app that did not end: its process was killed, or lost its swarm.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Unfinished {
    pub app: String,
    pub operation: String,
    pub what: What,
    /// In words: what, by whom, since when.
    pub told: String,
    pub began: Timestamp,
    pub steps: Vec<Step>,
    /// The index of the step that began last; none before the first.
    pub step: Option<usize>,
    /// The step from which on it cannot be undone; none where it always can.
    pub no_return: Option<String>,
    /// Whether that step has begun.
    pub past_return: bool,
    /// Whether undoing it has begun.
    pub aborting: bool,
    /// Whether a process has the app's lease: it is at work, or died within the last minute.
    pub running: bool,
    /// Full names of services of which it has containers paused, or which it stopped for a
    /// backup: some of them may run again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<String>,
    /// Of a move, the server that the app leaves: two have it meanwhile.
    #[serde(skip)]
    pub server: Option<ServerName>,
}

impl Unfinished {
    pub(crate) fn of(kept: &Journal) -> Self {
        let point = kept.entry.point_of_no_return();
        Unfinished {
            app: kept.entry.app.clone(),
            operation: kept.entry.operation.clone(),
            what: kept.entry.what,
            told: kept.entry.told(),
            began: kept.entry.began,
            steps: kept.entry.steps.clone(),
            step: kept.reached.step,
            no_return: point.map(|(_, step)| step.name.clone()),
            past_return: kept.is_past_return(),
            aborting: kept.reached.aborting,
            running: false,
            holds: {
                let paused = kept.reached.paused.iter().map(|program| &program.service);
                let mut holds: Vec<String> = paused
                    .chain(&kept.reached.stopped)
                    .map(|name| line(name).into_owned())
                    .collect();
                holds.sort();
                holds.dedup();
                holds
            },
            server: kept.entry.moves.as_ref().map(|moves| moves.from.clone()),
        }
    }

    /// The name of the step that began last.
    pub fn reached(&self) -> Option<&str> {
        Some(&self.steps.get(self.step?)?.name)
    }

    /// What to type.
    pub fn next(&self) -> String {
        let app = match &self.server {
            Some(server) => format!("{} --server {server}", self.app),
            None => self.app.clone(),
        };
        let resume = format!("`potluck app resume {app}` finishes it");
        let abort = format!("`potluck app abort {app}` undoes it");
        match (self.aborting, self.past_return) {
            (true, _) => abort,
            (false, true) => resume,
            (false, false) => format!("{resume}, {abort}; both say first what they will do"),
        }
    }
}

impl fmt::Display for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: ", self.told, if self.running { "is running" } else { "did not end" })?;
        match (self.aborting, self.reached(), self.step) {
            (true, ..) => f.write_str("undoing it was begun"),
            (false, Some(name), Some(index)) => {
                let steps = self.steps.len();
                write!(f, "it came to step {} of {steps}, `{}`", index + 1, line(name))
            }
            _ => f.write_str("its first step had not begun"),
        }?;
        if !self.holds.is_empty() && !self.running {
            let holds = self.holds.join(", ");
            write!(f, "; {holds} may still be paused or stopped by it")?;
        }
        Ok(())
    }
}

/// Why a provider outside gives no other secret when it is asked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoRotation {
    /// Somebody made the client.
    ByHand,
    /// RFC 7592 has no request for that.
    Registered,
    /// A relay's account is what its file says.
    Relay,
}

impl fmt::Display for NoRotation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NoRotation::ByHand => "its client was made by hand",
            NoRotation::Registered => "RFC 7592 has no request for that",
            NoRotation::Relay => "the account's password is in a file of yours",
        })
    }
}

/// Why an operation on an app failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error(transparent)]
    Home(#[from] crate::home::Error),
    #[error(transparent)]
    Recipe(#[from] crate::recipe::Error),
    #[error(transparent)]
    Compose(#[from] crate::compose::Problems),
    #[error(transparent)]
    Engine(#[from] crate::engine::Error),
    /// A file that was to be copied into a container, or out of it.
    #[error("{} was not copied: {}", line(.path), line(.reason))]
    NotCopied { path: String, reason: String },
    #[error(transparent)]
    Plugin(#[from] crate::plugin::Error),
    #[error(transparent)]
    Secrets(#[from] crate::secrets::Error),
    #[error(transparent)]
    Rollout(rollout::Error),
    /// Exit code 5: another operation is at work on the app, here or elsewhere.
    #[error("{}: {}", .0.app, .0.holder)]
    Taken(Box<Taken>),
    #[error("the lease `{name}` cannot be read: {reason}")]
    BadLease { name: String, reason: String },
    /// Exit code 5: an operation on the app did not end.
    #[error("{}", .0)]
    Unfinished(Box<Unfinished>),
    #[error("`{name}` cannot be read: {reason}")]
    BadJournal { name: String, reason: String },
    /// A drill would show nothing without what it may not have.
    #[error("{app} cannot be sealed off: {}", .reasons.join("; "))]
    NotSealed { app: String, reasons: Vec<String> },
    /// No backup set can be taken before an upgrade.
    #[error("no backup was taken, so {app} is not upgraded and nothing was changed: {reason}")]
    NoSafety { app: String, reason: String, hint: Option<String> },
    /// The data of a rollback did not come back.
    #[error("the data of {app} did not come back from the backup {set}: {reason}")]
    DataNotBack { app: String, set: String, reason: String, hint: Option<String> },
    /// The data could not be restored beside what is there.
    #[error(
        "the disk of {place} has {free} bytes free, and bringing the data of {app} back would take \
         {needed}, so it is not upgraded and nothing was changed"
    )]
    NoRoom { app: String, needed: u64, free: u64, place: String },
    /// An upgrade failed, and everything is as before.
    #[error("{}\n{}", laid(source), undone(app, set.as_deref()))]
    UpgradeUndone {
        app: String,
        /// The set whose data came back, where that was needed.
        set: Option<String>,
        source: Box<Error>,
    },
    /// An upgrade failed, and so did its undoing.
    #[error("{}\nundoing the upgrade of {app} failed as well: {}", laid(source), line(undo))]
    UpgradeNotUndone { app: String, set: String, undo: String, source: Box<Error> },
    /// No release is kept that is meant.
    #[error("{}", no_release(app, wanted.as_deref()))]
    NoRelease {
        app: String,
        /// None for the one before.
        wanted: Option<String>,
        /// Those that there are, for people, newest first.
        known: Vec<String>,
    },
    /// The data of an app was migrated since a release.
    #[error("{0}")]
    DataMigrated(Box<DataMigrated>),
    /// A database would have to use the files of another major version.
    #[error(
        "{app} would get a database of another major version on the files of the old one, which \
         it cannot use:\n{}",
        listed(jumps)
    )]
    DatabaseJump { app: String, jumps: Vec<String> },
    /// A secret or a config that a release needs is gone.
    #[error("{release} of {app} cannot come back, because it needs what is gone: {}", gone.join(", "))]
    ReleaseIncomplete { app: String, release: String, gone: Vec<String> },
    /// No backup has the data of a release's time, or no recipe could restore it.
    #[error("no backup is known with the data of {app} at the time of {release}")]
    NoDataOf { app: String, release: String },
    #[error("{app} has {services} services, whose specs do not fit into the operation's journal")]
    JournalTooLarge { app: String, services: usize },
    /// No operation on the app is unfinished.
    #[error("{app} has no unfinished operation")]
    NothingUnfinished { app: String },
    /// Its point of no return is passed.
    #[error("{told} cannot be undone any more: `{step}` has begun")]
    PastReturn { app: String, told: String, step: String },
    /// This folder does not know of it yet.
    #[error("{app} was moved to {} by {} at {}", line(.server), line(.by), .at.strftime("%Y-%m-%d %H:%M:%S UTC"))]
    MovedAway { app: String, server: String, by: String, at: Timestamp },
    /// Undoing it has begun.
    #[error("{told} is being undone, and cannot be finished any more")]
    Undoing { app: String, told: String },
    /// What the unfinished operation brings is not what this folder would bring.
    #[error("{told} cannot be finished from here: {reason}")]
    OtherGoal { app: String, told: String, reason: String },
    #[error("a program of the unfinished operation still runs in `{service}`")]
    StillRunning { app: String, service: String },
    #[error("{app} could not be brought back to what it was: {reason}")]
    NotUndone { app: String, reason: String },
    /// Exit code 6: somebody else changed the app between the plan and its first step.
    #[error("{app} was changed by someone else meanwhile, and the plan with it; nothing was done")]
    PlanChanged { app: String },
    #[error(transparent)]
    Name(#[from] crate::home::names::InvalidName),
    /// Exit code 6: plugins want what was not granted, or services what was not
    /// agreed to.
    #[error("{}", needed(.wishes, .reach))]
    NeedsConsent {
        wishes: Vec<Wish>,
        /// What services would reach beyond the app.
        reach: Vec<ReachWish>,
        /// Grants on the command line without a plugin's name.
        ambiguous: Vec<Ambiguous>,
    },
    #[error("the grants of {app} changed while you were being asked; no plugin was run")]
    GrantsChanged { app: String },
    /// Exit code 6: an older release than the one that runs.
    #[error("{0}")]
    NeedsDowngrade(Box<super::Downgrade>),
    /// What a provider is or says.
    #[error(transparent)]
    Wiring(#[from] crate::wiring::Error),
    /// No plugin of an app's recipe plays the role that a connection needs.
    #[error(
        "{app} cannot be connected for {kind}: no plugin of its recipe `{recipe}` plays the role `{role}`"
    )]
    NoRole { app: String, recipe: String, kind: ConnectionKind, role: Role },
    /// Neither the command nor the server names a provider.
    #[error("no provider is named, and the server `{server}` has no default for {kind}")]
    NoProvider { server: String, kind: ConnectionKind },
    #[error("{app} cannot be its own provider")]
    OwnProvider { app: String },
    /// An app or a provider that has nothing for this kind of connection.
    #[error("`{provider}` has nothing for {kind}")]
    NotOfKind { provider: String, kind: ConnectionKind },
    #[error("{app} is not connected for {kind}")]
    NotConnected { app: String, kind: ConnectionKind },
    /// A client that was made by hand, for a provider that makes its own.
    #[error(
        "{provider} makes its clients itself: `--client-id` is for those that are made by hand"
    )]
    NotByHand { provider: String },
    /// Another secret is given by somebody, not by potluck.
    #[error("{provider} gives no other secret by itself: {way}")]
    NoRotation { provider: String, way: NoRotation },
    /// There is nothing that another one could be given for.
    #[error("the client of {app} has no secret")]
    NoSecret { app: String },
    #[error("`{}` is not an address to send mail from", line(sender))]
    NotASender { sender: String },
    /// People would be sent to another app with what lets them in here.
    #[error("{app} asks for {}, which is an address of {other}", line(address))]
    OthersAddress { app: String, address: String, other: String },
    /// People would be sent to a place that nobody named.
    #[error("{app} asks for {}, whose host no operator named", line(address))]
    NobodysAddress { app: String, address: String },
    /// Both would lose their mail when one is disconnected.
    #[error("{other} sends from {} already, over the same account", line(sender))]
    OthersSender { sender: String, other: String },
    /// The client has to be made by hand.
    #[error("{}", by_hand(.provider, .enter))]
    ByHand { app: String, provider: String, enter: Vec<String> },
    /// What people could not sign in with.
    #[error(
        "{provider} is not usable for {app}, and nothing of {app} was changed:\n{}",
        listed(found)
    )]
    NotUsable { app: String, provider: String, found: Vec<String> },
    /// A plugin asks for something else than it did when it was asked before.
    #[error("the plugin `{plugin}` of {app} asks for other changes than the plan had: {what}")]
    OtherChanges { app: String, plugin: String, what: String },
    #[error("the {what} in {} cannot be used: {reason}", line(path))]
    PrivateFile { what: &'static str, path: String, reason: String },
    /// The registration of a client at a provider cannot be kept, or not be read.
    #[error("the registration of {app} cannot be managed: {reason}")]
    Registration { app: String, reason: String },
    /// A client that only a person can change.
    #[error(
        "the client `{}` at {} cannot be brought to the app: {reason}",
        line(client),
        line(provider)
    )]
    Unmanaged { provider: String, client: String, reason: String },
    /// Somebody else deployed it since.
    #[error("{0}")]
    NeedsPull(Box<super::Behind>),
    /// Exit code 6: services would start without their data.
    #[error("the deploy would start services without their data; nothing was changed:\n{}", listed(.moved))]
    DataLeft { app: String, moved: Vec<String> },
    /// Exit code 6: only labels say that it is the app's.
    #[error("{0}")]
    NeedsTakeover(Box<super::Takeover>),
    /// A grant on the command line that does not fit the app or its recipe.
    #[error("`{grant}` cannot be granted: {reason}")]
    BadGrant { grant: Box<GivenGrant>, reason: String, nearest: Option<String> },
    /// A reach on the command line that no service asks for.
    #[error("`{reach}` cannot be granted: {reason}")]
    BadReach { reach: Box<GivenReach>, reason: String, nearest: Option<String> },
    /// Exit code 6: the plan was shown and not agreed to.
    #[error("the plan for {app} was not agreed to; nothing was changed")]
    Declined { app: String },
    /// A step of a data migration failed. Exit code 4 where what ran before is
    /// back.
    #[error("{0}")]
    Migration(Box<MigrationFailed>),
    #[error(
        "the upgrade to {after} migrates data, which needs running services: it cannot be detached"
    )]
    DetachedMigration { after: String },
    /// The settings name a recipe that is unknown, and another is deployed.
    #[error("{mixup}; no recipe is called `{}`", .mixup.written)]
    OtherRecipe { mixup: Box<crate::owner::Mixup> },
    #[error("{app}'s settings name no recipe")]
    NoRecipe { app: String },
    #[error("{app} is not deployed")]
    NotDeployed { app: String },
    #[error("{app} is not deployed: there is nothing to remove from its server")]
    NothingToUndeploy { app: String },
    #[error("{app} is still deployed")]
    StillDeployed { app: String },
    #[error("the app has no service `{service}`; it has {known}", known = .known.join(", "))]
    UnknownService { service: String, known: Vec<String> },
    #[error("`{service}` has no number of replicas: it runs on every node, or to an end")]
    NotScalable { service: String },
    #[error(
        "the component of the plugin `{plugin}` has the sha256 {found}, but recipe.yml pins {pinned}"
    )]
    PluginPin { plugin: String, pinned: String, found: String },
    #[error("the plugin `{plugin}`: {source}")]
    PluginLimit {
        plugin: String,
        #[source]
        source: crate::plugin::limits::InvalidLimit,
    },
}

impl Error {
    /// What the engine said, where that is the error.
    pub(crate) fn of_engine(&self) -> Option<&crate::engine::Error> {
        match self {
            Error::Engine(error) | Error::Secrets(crate::secrets::Error::Engine(error)) => {
                Some(error)
            }
            Error::Migration(failed) => failed.source.of_engine(),
            _ => None,
        }
    }
}

/// Errors of the swarm are one error, whatever asked for it.
impl From<rollout::Error> for Error {
    fn from(error: rollout::Error) -> Self {
        match error {
            rollout::Error::Engine(error) => Error::Engine(error),
            error => Error::Rollout(error),
        }
    }
}

/// A release whose code may be unable to use the data as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataMigrated {
    pub app: String,
    pub release: String,
    pub version: String,
    /// What migrated it since, for people.
    pub migrated: Vec<String>,
    /// The backup set with the data of that release, where there is one.
    pub set: Option<String>,
}

impl fmt::Display for DataMigrated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DataMigrated { app, release, version, migrated, .. } = self;
        let since = migrated.join("; ");
        write!(f, "the data of {app} was migrated since {release} (version {version}): {since}")
    }
}

impl DataMigrated {
    /// What to type next.
    fn next(&self) -> String {
        let DataMigrated { app, release, set, .. } = self;
        let keeps = "--keep-data starts the old version on the migrated data, which it may be unable \
                     to read, or damage";
        match set {
            Some(_) => format!(
                "`potluck app rollback {app} {release} --data` brings the data of that time back, \
                 too, and loses what was written since; {keeps}"
            ),
            None => format!("no backup was taken right after that release; {keeps}"),
        }
    }
}

/// A step of a data migration that failed.
#[derive(Debug)]
pub struct MigrationFailed {
    pub app: String,
    /// Versions of the recipe.
    pub before: String,
    pub after: String,
    /// `plugin: id`.
    pub step: String,
    /// The release or commit to name for the next try; none for a plain folder.
    pub release: Option<String>,
    pub source: Error,
    pub left: Left,
}

/// How a failed migration leaves the app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Left {
    /// The previous version is running again, on data that it can use.
    Back,
    /// The new version runs on data that is migrated in part, because the old
    /// one cannot run on it.
    PartlyMigrated,
    /// The same, and data of a backup is about to take its place.
    ToBeUndone,
    /// Going back failed.
    NotBack(String),
}

impl fmt::Display for MigrationFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let MigrationFailed { app, before, after, step, source, left, .. } = self;
        let said = source.to_string();
        let said = if source.is_laid_out() { said.into() } else { line(&said) };
        let versions = format!("from {before} to {after}");
        writeln!(
            f,
            "the upgrade of {app} {} failed in its migration\n  {}: {said}",
            line(&versions),
            line(step)
        )?;
        match left {
            Left::Back => f.write_str("the previous version is running again"),
            Left::PartlyMigrated => f.write_str(
                "the new version runs on partly migrated data; the old version cannot use this \
                 data",
            ),
            Left::ToBeUndone => f.write_str("the old version cannot use this data"),
            Left::NotBack(undo) => write!(f, "rolling back failed as well: {}", line(undo)),
        }
    }
}

fn needed(wishes: &[Wish], reach: &[ReachWish]) -> String {
    let only_labels = !wishes.is_empty() && wishes.iter().all(|wish| wish.is_implied);
    let what = match (wishes.is_empty(), reach.is_empty()) {
        (false, true) if only_labels => "the recipe's backups need your consent",
        (false, false) if only_labels => "the recipe and its backups need your consent",
        (false, true) => "the recipe's plugins need your consent",
        (true, _) => "the recipe reaches beyond its app and needs your consent",
        (false, false) => "the recipe and its plugins need your consent",
    };
    let plugins = wishes.iter().map(ToString::to_string);
    let services = reach.iter().map(ToString::to_string);
    format!("{what}:\n{}", plugins.chain(services).collect::<Vec<_>>().join("\n"))
}

/// The flags to add, each with its plugin: without a name, a flag could
/// later apply to another plugin.
fn to_agree(wishes: &[Wish], reach: &[ReachWish], ambiguous: &[Ambiguous]) -> String {
    let flag = |wish: &Wish, grant: &Grant| format!("--grant '{} {grant}'", wish.plugin);
    let mut flags: Vec<String> = wishes
        .iter()
        .flat_map(|wish| wish.question.missing().map(|grant| flag(wish, grant)))
        .collect();
    let of_service = |wish: &ReachWish| -> Vec<String> {
        wish.missing().map(|reach| format!("--grant '{} {reach}'", wish.service)).collect()
    };
    flags.extend(reach.iter().flat_map(of_service));
    let look = wishes.iter().any(|wish| wish.question.reason == Reason::ChangedInPlace);
    if flags.is_empty() || look {
        return "run the command in a terminal and agree".into();
    }
    let mut hint = format!("to agree, add {}", flags.join(" "));
    for Ambiguous { grant, plugins } in ambiguous {
        let plugins: Vec<String> = plugins.iter().map(|plugin| format!("`{plugin}`")).collect();
        hint += &format!("; `{grant}` alone could be meant for {}", plugins.join(" and "));
    }
    hint
}

impl MigrationFailed {
    /// What to type next.
    fn next(&self) -> String {
        let MigrationFailed { app, release, source, left, .. } = self;
        let first = source.hint().map(|hint| format!("{hint}; then ")).unwrap_or_default();
        let version = release.as_ref().map(|release| format!(" {release}")).unwrap_or_default();
        let again = format!("{first}`potluck app deploy {app}{version}` resumes at this step");
        match left {
            Left::Back => again,
            Left::ToBeUndone => format!("`potluck app history {app}` shows what became of it"),
            Left::PartlyMigrated => format!(
                "{again}, or `potluck backup restore {app}` restores the data of an earlier backup"
            ),
            Left::NotBack(_) => format!("{again}; `potluck app ps {app}` shows what runs"),
        }
    }
}

/// A line each, indented.
fn listed(lines: &[String]) -> String {
    lines.iter().map(|it| format!("  {}", line(it))).collect::<Vec<_>>().join("\n")
}

impl Hint for Error {
    fn is_laid_out(&self) -> bool {
        match self {
            Error::Compose(error) => error.is_laid_out(),
            Error::Plugin(error) => error.is_laid_out(),
            Error::Rollout(error) => error.is_laid_out(),
            Error::NeedsConsent { .. }
            | Error::NeedsTakeover(_)
            | Error::DataLeft { .. }
            | Error::UpgradeUndone { .. }
            | Error::DatabaseJump { .. }
            | Error::UpgradeNotUndone { .. }
            | Error::ByHand { .. }
            | Error::NotUsable { .. }
            | Error::Migration(_) => true,
            _ => false,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Error::Home(e) => e.hint(),
            Error::Recipe(e) => e.hint(),
            Error::Compose(e) => e.hint(),
            Error::Engine(e) => e.hint(),
            Error::Plugin(e) => e.hint(),
            Error::Secrets(e) => e.hint(),
            Error::Rollout(e) => e.hint(),
            Error::PluginLimit { source, .. } => source.hint(),
            Error::BadGrant { nearest: Some(nearest), .. }
            | Error::BadReach { nearest: Some(nearest), .. } => {
                Some(format!("did you mean `{nearest}`?"))
            }
            Error::NeedsConsent { wishes, reach, ambiguous } => {
                Some(to_agree(wishes, reach, ambiguous))
            }
            Error::GrantsChanged { .. } => Some("run the command again".into()),
            Error::Taken(taken) => Some(format!(
                "wait until it has ended, or pass `--lock-wait 10m`. It last renewed its lease at \
                 {}: if its process died, a command takes over about a minute later. `potluck app \
                 unlock {} --reason TEXT` ends it by force",
                taken.renewed.strftime("%H:%M:%S UTC"),
                taken.app
            )),
            Error::BadLease { name, .. } => Some(format!(
                "use the newest potluck; if nobody is at work on the app, `docker config rm {name}` \
                 removes it"
            )),
            Error::Unfinished(unfinished) => Some(unfinished.next()),
            Error::BadJournal { name, .. } => Some(format!(
                "use the newest potluck; `docker config inspect --pretty {name}` shows it, and if \
                 nobody is at work on the app, `docker config rm {name}` removes it"
            )),
            Error::NoSafety { app, hint, .. } => {
                let without = format!(
                    "`potluck app upgrade {app} --no-backup` upgrades without one: then data \
                     cannot come back"
                );
                Some(match hint {
                    Some(hint) => format!("{hint}; {without}"),
                    None => without,
                })
            }
            Error::DataNotBack { app, hint, .. } => {
                let next = format!("`potluck app history {app}` shows how the rollback ended");
                Some(hint.as_ref().map_or(next.clone(), |hint| format!("{hint}; {next}")))
            }
            Error::NoRoom { app, .. } => Some(format!(
                "free some space; `potluck app upgrade {app} --no-backup` upgrades without a way \
                 back for the data"
            )),
            Error::UpgradeUndone { app, .. } => Some(format!(
                "once its cause is mended, `potluck app upgrade {app}` tries again, with a new \
                 backup; `potluck app history {app}` shows this one"
            )),
            Error::UpgradeNotUndone { app, set, .. } => Some(format!(
                "the previous data is in the backup {set}: `potluck backup restore {app} {set}`, \
                 once `potluck app errors {app}` shows what is wrong"
            )),
            Error::NoRelease { app, known, .. } => Some(match known.as_slice() {
                [] => format!(
                    "a release is recorded by each deploy that changed something; `potluck app \
                     deploy {app} VERSION` deploys an older version of the recipe"
                ),
                known => format!("there are: {}", known.join("; ")),
            }),
            Error::DataMigrated(migrated) => Some(migrated.next()),
            Error::DatabaseJump { app, .. } => Some(format!(
                "in the recipe, give the database of the new version a volume of another name (the \
                 old one is kept), take a dump with `potluck backup create {app}` first, and \
                 restore it with `potluck backup restore {app}` once the new version runs"
            )),
            Error::ReleaseIncomplete { app, .. } => Some(format!(
                "`potluck app history {app}` lists other releases; `potluck app deploy {app} VERSION` \
                 deploys a version from its recipe"
            )),
            Error::NoDataOf { app, release } => Some(format!(
                "an upgrade takes one before it changes anything; `potluck backup snapshots {app}` \
                 lists what there is, and `potluck app rollback {app} {release} --keep-data` goes \
                 back without it"
            )),
            Error::NothingUnfinished { app } => {
                Some(format!("`potluck app history {app}` shows what was done"))
            }
            Error::PastReturn { app, .. } => {
                Some(format!("`potluck app resume {app}` finishes it"))
            }
            Error::MovedAway { app, .. } => Some(format!(
                "pull what the one who moved it has; if another app is to have its place here, \
                 `potluck app rm {app}` first"
            )),
            Error::Undoing { app, .. } => Some(format!("`potluck app abort {app}` undoes it")),
            Error::NotSealed { .. } => Some(
                "a drill has nothing of the host; restore this app by hand on another server to \
                 see that its backup is good (`potluck backup restore --to-server`)"
                    .into(),
            ),
            Error::OtherGoal { app, .. } => Some(format!(
                "get the settings and the recipe that it was begun with (`git pull` in the folder \
                 of the one who began it), or undo it with `potluck app abort {app}`"
            )),
            Error::StillRunning { app, .. } => Some(format!(
                "wait until it has ended, and run the command again; or `potluck app abort {app} \
                 --restart-tasks` restarts its task, which ends it, and undoes the operation"
            )),
            Error::NotUndone { app, .. } => Some(format!(
                "`potluck app ps {app}` shows what runs; `potluck app deploy {app}` deploys what its \
                 settings say"
            )),
            Error::PlanChanged { .. } => Some("run the command again, and look at its plan".into()),
            Error::NeedsDowngrade(downgrade) => Some(match downgrade.released {
                true => format!(
                    "to go back anyway, add --downgrade; to stay with what was deployed, \
                     `potluck app deploy {} {}`",
                    downgrade.app, downgrade.before
                ),
                false => "to go back anyway, add --downgrade".to_owned(),
            }),
            Error::NeedsPull(behind) => Some(format!(
                "pull their settings and lock file first (`git pull`), then `potluck app plan {0}`; \
                 `potluck app deploy {0} --overwrite` overwrites what they deployed",
                behind.app
            )),
            Error::DataLeft { app, .. } => Some(format!(
                "bring the node back, or let the constraints name it; to deploy anyway, add \
                 --leave-data: they start with empty volumes, and the old ones are kept where they \
                 are (`potluck app deploy {app} --leave-data`)"
            )),
            Error::NeedsTakeover(takeover) => Some(match &takeover.mixup {
                Some(mixup) => format!(
                    "{}; if you moved {} to {}, run `potluck app deploy {1} --takeover`, or agree \
                     at a terminal",
                    mixup.correct(),
                    takeover.app,
                    mixup.written
                ),
                None => format!(
                    "if they are this app's, run `potluck app deploy {} --takeover`, or agree at a \
                     terminal",
                    takeover.app
                ),
            }),
            Error::Wiring(error) => error.hint(),
            Error::NoRole { role, .. } => Some(format!(
                "its recipe needs a plugin for that: `std:{}` does with a map of settings, see \
                 docs/std-plugins.md",
                if *role == Role::MailClient { "smtp" } else { "oidc" }
            )),
            Error::NoProvider { server, kind } => Some(format!(
                "name one, or write `providers: {{{kind}: NAME}}` into server.yml of {server}; \
                 `potluck provider ls` lists those that there are"
            )),
            Error::NotOfKind { kind, .. } => Some(format!(
                "it takes an app whose recipe has a plugin with the role `{kind}-provider`, or a \
                 file in `providers/` with `{kind}:`"
            )),
            Error::NotConnected { app, kind } => {
                Some(format!("`potluck {kind} connect {app} PROVIDER` connects it"))
            }
            Error::ByHand { app, provider, .. } => Some(format!(
                "then `potluck sso connect {app} {provider} --client-id ID --client-secret-file \
                 FILE`"
            )),
            Error::NoRotation { provider, way } => Some(match way {
                NoRotation::ByHand => format!(
                    "make another secret for the client at {provider}, then pass it: \
                     `--client-secret-file FILE`"
                ),
                NoRotation::Registered => format!(
                    "give the client another secret at {provider} itself, then connect the app \
                     again: `potluck sso connect APP`"
                ),
                NoRotation::Relay => format!(
                    "change the password at {provider} and in that file, which \
                     `providers/{provider}.yml` names, then connect the app again: `potluck mail \
                     connect APP`"
                ),
            }),
            Error::NoSecret { .. } => Some("it signs people in with PKCE alone".into()),
            Error::OtherChanges { .. } => Some(
                "its recipe is at fault, or the provider made another client: then `--new-client` \
                 takes that"
                    .into(),
            ),
            Error::OthersAddress { .. } => {
                Some("its recipe or its settings are at fault: an app asks for its own".into())
            }
            Error::NobodysAddress { app, .. } => Some(format!(
                "if it is this app's, name the host in its settings: `potluck app config {app}`"
            )),
            Error::OthersSender { .. } => {
                Some("choose another one for this app: `--sender ADDRESS`".into())
            }
            Error::PrivateFile { path, .. } => {
                Some(format!("the value alone, in a file of yours alone: `chmod 600 {path}`"))
            }
            Error::Registration { .. } => Some(
                "its token is kept with the app's secrets: `potluck key ls` lists who reads them, \
                 `potluck key new` makes a key"
                    .into(),
            ),
            Error::Unmanaged { client, .. } => Some(format!(
                "change it there by hand, and give it as `--client-id {} --client-secret-file \
                 FILE`; or `--new-client` makes another one, with which everyone who signs in may \
                 get a second account",
                line(client)
            )),
            Error::OtherRecipe { mixup } => Some(mixup.correct()),
            Error::Migration(failed) => Some(failed.next()),
            Error::DetachedMigration { .. } => Some("run it again without --detach".into()),
            Error::NoRecipe { .. } => {
                Some("write `TYPE=recipe` into them (`potluck app config`)".into())
            }
            Error::NotDeployed { app } => Some(format!("run `potluck app deploy {app}`")),
            Error::NothingToUndeploy { app } => Some(format!(
                "`potluck app ls --status` shows what is deployed; `potluck app rm {app}` removes \
                 its settings, and what secrets and volumes are left"
            )),
            Error::StillDeployed { app } => Some(format!("run `potluck app undeploy {app}` first")),
            _ => None,
        }
    }
}

fn no_release(app: &str, wanted: Option<&str>) -> String {
    match wanted {
        Some(wanted) => format!("{app} has no release {wanted}"),
        None => format!("{app} has no release before what runs"),
    }
}

/// An error with its own layout, or in one line.
fn laid(error: &Error) -> String {
    let said = error.to_string();
    if error.is_laid_out() { said } else { line(&said).into_owned() }
}

fn by_hand(provider: &str, enter: &[String]) -> String {
    format!("make a client at {provider} by hand, with this:\n{}", listed(enter))
}

fn undone(app: &str, set: Option<&str>) -> String {
    match set {
        Some(set) => format!(
            "the upgrade of {app} was undone: the version before runs again, with its data from \
             the backup {set}, which is kept"
        ),
        None => format!(
            "the upgrade of {app} was undone: the version before runs again, on its data as it is"
        ),
    }
}
