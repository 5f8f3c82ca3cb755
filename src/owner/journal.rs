//! The journal of an operation: one config a stack, `potluck.<stack>.journal`, for as long
//! as the operation is unfinished; pure.
//!
//! Its content, which swarm never changes, is what was decided before the first step: the
//! steps, and what undoing them needs. How far it came is a label, which is updated by
//! version, once as each step begins. Another operator's potluck reads it after a crash, so
//! it is foreign data: typed, for this stack only, without paths, addresses, values or
//! grants.

use std::{collections::HashMap, fmt};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub(crate) use super::packed::TooLarge;
use super::{
    packed::{pack, unpack},
    record::{KIND_LABEL, Unreadable, id_and_version, own_name},
};
use crate::{
    engine::{Kind, api},
    home::{
        ConnectionKind, CopyName, LockFile, ServerName, StackName,
        lock_file::{RecipePin, Upgrade},
    },
    text,
};

/// The label's value on journals.
pub(crate) const JOURNAL_KIND: &str = "journal";
/// How far it came, as JSON.
const REACHED_LABEL: &str = "org.potluck.reached";
/// The newest form of a journal that is understood.
const FORMAT: u32 = 1;
/// Steps of a journal that is read.
const MOST_STEPS: usize = 2000;
/// Characters of each foreign text that are shown.
const SHOWN: usize = 120;

/// What kind of change an operation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    Deploy,
    Upgrade,
    Rollback,
    Undeploy,
    Remove,
    Restart,
    Scale,
    Backup,
    Restore,
    /// An app that is made from a backup, where it did not exist.
    Rebuild,
    /// An app that goes to another server.
    Move,
    Rotate,
    /// Secrets are stored or removed, without a journal.
    Secrets,
    /// Volumes of an undeployed app are removed, without a journal.
    Volumes,
    /// An app is connected to a provider.
    Connect,
    Disconnect,
}

impl What {
    /// For messages.
    pub fn word(self) -> &'static str {
        match self {
            What::Deploy => "deploy",
            What::Upgrade => "upgrade",
            What::Rollback => "rollback",
            What::Undeploy => "undeploy",
            What::Remove => "removal",
            What::Restart => "restart",
            What::Scale => "scaling",
            What::Backup => "backup",
            What::Restore => "restore",
            What::Rebuild => "rebuild",
            What::Move => "move",
            What::Rotate => "rotation of secrets",
            What::Secrets => "change of secrets",
            What::Volumes => "removal of volumes",
            What::Connect => "connection",
            What::Disconnect => "disconnection",
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// How what a step did is undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Undo {
    /// It leaves nothing that has to be undone.
    Nothing,
    /// The plugin receives `deploy-failed` or `after-backup`.
    Tell,
    /// Services get the specs that they had, and what was made for the operation goes.
    Services,
    /// Services that were stopped start again.
    Start,
    /// The data of the backup set that the operation took comes back, and services get the
    /// specs that they had.
    Data,
    /// The new version of a secret is removed.
    Secrets,
    /// The settings get back what they said, in the folder that it was begun in.
    Settings,
    /// What was made at the provider goes, or is again as it was.
    Provider,
    /// The provider keeps what it gave; connecting the app once more brings that to it.
    Connecting,
    /// What was made goes: all of the app, volumes included, because it did not exist before.
    Made,
    /// There is no way back once it began: only finishing.
    Never,
}

impl fmt::Display for Undo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Undo::Nothing => "nothing to undo",
            Undo::Tell => "undone by telling the plugin",
            Undo::Services => "undone by restoring the services' specs",
            Undo::Start => "undone by starting the services again",
            Undo::Data => "undone by restoring the data from the set taken before",
            Undo::Secrets => "undone by removing the new version",
            Undo::Settings => "undone by restoring the settings",
            Undo::Provider => "undone by removing what was made at the provider",
            Undo::Connecting => "repaired by connecting once more",
            Undo::Made => "undone by removing what was made",
            Undo::Never => "cannot be undone",
        })
    }
}

/// A part of an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// `services`, `wordpress: migrate 2`; unique within the operation.
    pub name: String,
    pub undo: Undo,
}

impl Step {
    pub(crate) fn new(name: impl Into<String>, undo: Undo) -> Self {
        Step { name: name.into(), undo }
    }
}

/// A service before the operation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Before {
    pub id: String,
    pub spec: api::ServiceSpec,
}

/// What an app's lock file says of what was deployed; its grants are not among it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Marks {
    recipe: Option<RecipePin>,
    begun: Option<RecipePin>,
    upgrade: Option<Upgrade>,
    restoring: Option<String>,
    resting: Vec<String>,
    release: Option<String>,
}

impl Marks {
    pub fn of(lock: &LockFile) -> Self {
        Marks {
            recipe: lock.recipe.clone(),
            begun: lock.begun.clone(),
            upgrade: lock.upgrade.clone(),
            restoring: lock.restoring.clone(),
            resting: lock.resting.clone(),
            release: lock.release.clone(),
        }
    }

    /// What names the version that was deployed before to git.
    pub fn released(&self) -> Option<&String> {
        self.recipe.as_ref()?.released()
    }

    /// What was deployed before.
    pub fn recipe(&self) -> Option<&RecipePin> {
        self.recipe.as_ref()
    }

    /// The progress of an upgrade before the operation.
    pub fn upgrade(&self) -> Option<&Upgrade> {
        self.upgrade.as_ref()
    }

    /// Puts them into a lock file, and returns whether it differs by that. Steps of a
    /// migration that were done since remain done.
    pub fn put(self, lock: &mut LockFile) -> bool {
        let before = lock.clone();
        lock.recipe = self.recipe;
        lock.begun = self.begun;
        if lock.upgrade.is_none() {
            lock.upgrade = self.upgrade;
        }
        lock.restoring = self.restoring;
        lock.resting = self.resting;
        (lock.release, lock.releasing) = (self.release, None);
        *lock != before
    }
}

/// What was decided before the first step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Tells this operation from any other.
    pub operation: String,
    pub what: What,
    pub app: String,
    pub recipe: String,
    /// The account and the machine that began it.
    pub user: String,
    pub host: String,
    pub began: Timestamp,
    /// The lock of the app on that machine: its folder's.
    #[serde(default)]
    pub place: Option<String>,
    /// The version of the recipe that ran before, as hooks know it.
    #[serde(default)]
    pub before: Option<String>,
    /// The version that it is about.
    #[serde(default)]
    pub after: Option<String>,
    /// What names that version to git.
    #[serde(default)]
    pub pin: Option<RecipePin>,
    /// The version that the settings pinned before.
    #[serde(default)]
    pub pinned: Option<String>,
    /// Whether its operator named that version.
    #[serde(default)]
    pub named: bool,
    /// Whether services are sent that have not changed.
    #[serde(default)]
    pub force: bool,
    /// How long its operator waits for services, in seconds.
    #[serde(default)]
    pub timeout: Option<u64>,
    /// Whether nobody waits for the services.
    #[serde(default)]
    pub detach: bool,
    /// Whether services may start with empty volumes on other nodes.
    #[serde(default)]
    pub leave_data: bool,
    /// The backup set that it makes or restores.
    #[serde(default)]
    pub set: Option<String>,
    /// Digest of the specs that a deploy brings, without which another folder may bring
    /// others.
    #[serde(default)]
    pub wanted: Option<String>,
    pub steps: Vec<Step>,
    /// Names of the steps that migrate data.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub migrations: Vec<String>,
    /// Names of the settings that are others than those of the release before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<String>,
    /// The release that it brings back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replays: Option<u64>,
    /// The stack's services as they were.
    #[serde(default)]
    pub services: Vec<Before>,
    /// Whether they ever ran, so that they may come back by themselves.
    #[serde(default)]
    pub ran: bool,
    /// The app and the server that the set is of, where it is another app's, or is kept for
    /// another server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Source>,
    /// Items of the set that are restored, and paths of one; all of it where there are none.
    #[serde(default)]
    pub part: (Vec<String>, Vec<String>),
    /// Names of secrets that are made anew, because no copy of them can be had.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub new_secrets: Vec<String>,
    /// What did not exist and is made: goes when the operation is undone. Volumes only of a
    /// rebuild.
    #[serde(default)]
    pub made: Vec<(MadeKind, String)>,
    /// The secrets that get a new version.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rotated: Vec<Rotated>,
    /// The connection that is made or undone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<Connects>,
    /// Where the app goes to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moves: Option<Moves>,
    /// Volumes that a removal leaves there, as no backup has them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keeps: Vec<String>,
    /// What the lock file said before, of an operation that changes it.
    #[serde(default)]
    pub marks: Option<Marks>,
}

/// The app whose set is restored; its server names the repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Source {
    pub app: String,
    pub server: String,
    /// The server that the set was taken on, if that is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_on: Option<String>,
    /// The copy that it is read from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy: Option<CopyName>,
}

/// The server that an app goes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Moves {
    pub from: ServerName,
    pub to: ServerName,
    /// Volumes that stay on the server that it leaves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keeps: Vec<String>,
}

/// The two ends of a connection; never a value, nor an address but the one that mail is from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Connects {
    pub kind: ConnectionKind,
    /// The app that plays the role, or a name in `providers/`.
    pub provider: String,
    /// The app's server; none for a provider outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerName>,
    /// Whether the provider had nothing of the app before.
    pub new: bool,
    /// Whether the provider gives another secret.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rotates: bool,
    /// The address that mail is to be sent from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<String>,
    /// Whether it makes another client than the one that it has.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub new_client: bool,
}

/// A secret that gets a new version; never a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rotated {
    /// As the recipe calls it.
    pub name: String,
    /// The setting with its version.
    pub key: String,
    pub from: String,
    pub to: String,
}

/// The kinds of objects that an undone operation removes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum MadeKind {
    Service,
    Network,
    Secret,
    Config,
    Volume,
    /// The encrypted copy of a secret in the folder, by its name and version.
    Kept,
}

impl MadeKind {
    pub fn of(kind: Kind) -> Option<Self> {
        match kind {
            Kind::Service => Some(MadeKind::Service),
            Kind::Network => Some(MadeKind::Network),
            Kind::Secret => Some(MadeKind::Secret),
            Kind::Config => Some(MadeKind::Config),
            Kind::Volume | Kind::Task | Kind::Node | Kind::Container | Kind::Image | Kind::File => {
                None
            }
        }
    }
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Done,
    /// It failed, and what it had changed is as it was before.
    FailedAndUndone,
    /// It failed, and something of it is left.
    Failed,
    /// An operator undid it.
    Aborted,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Outcome::Done => "done",
            Outcome::FailedAndUndone => "failed and undone",
            Outcome::Failed => "failed",
            Outcome::Aborted => "aborted",
        })
    }
}

/// A container in which programs of the operation were started, or which it paused: killing
/// potluck does not end either.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Program {
    pub service: String,
    pub container: String,
}

/// How far an operation came.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Reached {
    /// The step that began last.
    pub step: Option<usize>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub programs: Vec<Program>,
    /// Containers that it paused, some of which may be paused still.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub paused: Vec<Program>,
    /// Full names of services that it stopped for a backup, some of which may be stopped
    /// still.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stopped: Vec<String>,
    /// Once it ended, and only its line of the history may be missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Undoing it began: finishing it is no longer possible.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub aborting: bool,
}

/// A journal as it is on the swarm.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Journal {
    /// The config's id, and the version to change it by.
    pub config: String,
    pub version: u64,
    pub entry: Entry,
    pub reached: Reached,
    spec: api::ConfigSpec,
}

/// The name of a stack's journal.
pub(crate) fn name(stack: &StackName) -> String {
    own_name(stack, ".journal")
}

/// The config that a journal is kept as.
///
/// # Errors
/// [`TooLarge`].
pub(crate) fn spec(stack: &StackName, entry: &Entry) -> Result<api::ConfigSpec, TooLarge> {
    Ok(api::ConfigSpec {
        name: Some(name(stack)),
        labels: Some(labels(&Reached::default())),
        data: Some(pack(entry, FORMAT)?),
        ..Default::default()
    })
}

fn labels(reached: &Reached) -> HashMap<String, String> {
    HashMap::from([
        (KIND_LABEL.to_owned(), JOURNAL_KIND.to_owned()),
        (REACHED_LABEL.to_owned(), serde_json::json!(reached).to_string()),
    ])
}

impl Entry {
    /// Whether its versions may be written into a lock file, and given to git.
    fn names_versions(&self) -> bool {
        let of_marks = self.marks.iter().flat_map(|marks| [&marks.recipe, &marks.begun]);
        of_marks.chain([&self.pin]).flatten().all(RecipePin::is_sound)
    }

    /// The step that has a name.
    pub fn index(&self, name: &str) -> Option<usize> {
        self.steps.iter().position(|step| step.name == name)
    }

    /// The step from which on there is no way back.
    pub fn point_of_no_return(&self) -> Option<(usize, &Step)> {
        self.steps.iter().enumerate().find(|(_, step)| step.undo == Undo::Never)
    }

    /// `the deploy of wiki.example.org to 1.2.0, begun by anna on laptop at …`.
    pub fn told(&self) -> String {
        let [app, user, host] =
            [&self.app, &self.user, &self.host].map(|text| text::line_of(text, SHOWN));
        let to = match (self.what, &self.after, &self.set) {
            (What::Deploy | What::Upgrade | What::Rollback, Some(version), _) => {
                format!(" to {}", text::line_of(version, SHOWN))
            }
            (What::Restore | What::Rebuild, _, Some(set)) => {
                format!(" from {}", text::line_of(set, SHOWN))
            }
            (What::Move, ..) => {
                self.moves.as_ref().map(|it| format!(" to {}", it.to)).unwrap_or_default()
            }
            _ => String::new(),
        };
        let began = self.began.strftime("%Y-%m-%d %H:%M:%S UTC");
        format!("the {} of {app}{to}, begun by {user} on {host} at {began}", self.what)
    }
}

impl Journal {
    /// # Errors
    /// What is no journal of a form that is understood.
    pub fn read(config: &api::Config) -> Result<Self, Unreadable> {
        let broken = |reason: &str| Unreadable::Broken(reason.to_owned());
        let spec = config.spec.as_ref().ok_or_else(|| broken("it has no specification"))?;
        let entry: Entry = unpack(spec, FORMAT)?;
        if entry.steps.len() > MOST_STEPS {
            return Err(broken("it has too many steps"));
        }
        if !entry.names_versions() {
            return Err(broken("it names a version that git cannot have"));
        }
        let reached = spec.labels.as_ref().and_then(|labels| labels.get(REACHED_LABEL));
        let reached = reached.ok_or_else(|| broken("it does not say how far it came"))?;
        let reached: Reached =
            serde_json::from_str(reached).map_err(|error| broken(&error.to_string()))?;
        if reached.step.is_some_and(|step| step >= entry.steps.len()) {
            return Err(broken("it is at a step that it does not have"));
        }
        let (config, version) = id_and_version(config)?;
        Ok(Journal { config, version, entry, reached, spec: spec.clone() })
    }

    /// The same, at another place.
    pub fn at(&self, reached: &Reached) -> api::ConfigSpec {
        api::ConfigSpec { labels: Some(labels(reached)), ..self.spec.clone() }
    }

    /// The step that began last; none before the first.
    pub fn step(&self) -> Option<&Step> {
        self.entry.steps.get(self.reached.step?)
    }

    /// Whether a step began that migrates data.
    pub fn has_migrated(&self) -> bool {
        let index = self.entry.migrations.iter().filter_map(|name| self.entry.index(name)).min();
        index.is_some_and(|index| self.reached.step.is_some_and(|step| step >= index))
    }

    /// Whether a step began that is undone in this way.
    pub fn has_begun(&self, undo: Undo) -> bool {
        let begun = self.reached.step.map_or(0, |step| step + 1);
        self.entry.steps.iter().take(begun).any(|step| step.undo == undo)
    }

    /// Whether its point of no return is passed.
    pub fn is_past_return(&self) -> bool {
        let point = self.entry.point_of_no_return();
        point.is_some_and(|(point, _)| self.reached.step.is_some_and(|step| step >= point))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        Entry {
            operation: "0a".into(),
            what: What::Deploy,
            app: "a.example".into(),
            recipe: "a".into(),
            user: "anna".into(),
            host: "laptop".into(),
            began: "2026-11-26T03:00:00Z".parse().unwrap(),
            place: None,
            before: Some("1".into()),
            after: Some("2".into()),
            pin: None,
            pinned: None,
            named: false,
            force: false,
            timeout: None,
            detach: false,
            leave_data: false,
            set: None,
            from: None,
            new_secrets: Vec::new(),
            part: Default::default(),
            wanted: None,
            steps: vec![
                Step::new("services", Undo::Services),
                Step::new("a: migrate 1", Undo::Never),
                Step::new("verify", Undo::Nothing),
            ],
            migrations: vec!["a: migrate 1".into()],
            settings: Vec::new(),
            replays: None,
            services: vec![Before { id: "s1".into(), spec: api::ServiceSpec::default() }],
            ran: true,
            made: vec![(MadeKind::Config, "a_example_c".into())],
            rotated: Vec::new(),
            connection: None,
            moves: None,
            keeps: Vec::new(),
            marks: Some(Marks::default()),
        }
    }

    fn config(spec: api::ConfigSpec) -> api::Config {
        api::Config {
            id: Some("c1".into()),
            version: Some(api::ObjectVersion { index: Some(7) }),
            spec: Some(spec),
            ..Default::default()
        }
    }

    #[test]
    fn a_journal_reads_as_it_was_written() {
        let stack = StackName::new("a_example").unwrap();
        let spec = spec(&stack, &entry()).unwrap();
        assert_eq!(spec.name.as_deref(), Some("potluck.a_example.journal"));
        let labels = spec.labels.clone().unwrap();
        assert!(!labels.contains_key(crate::engine::STACK_LABEL), "docker would remove it");
        let journal = Journal::read(&config(spec)).unwrap();
        assert_eq!((&journal.entry, journal.version), (&entry(), 7));
        assert_eq!((journal.step(), journal.is_past_return()), (None, false));
        let reached = Reached { step: Some(1), ..Reached::default() };
        let later = Journal::read(&config(journal.at(&reached))).unwrap();
        assert_eq!(later.step().map(|step| &*step.name), Some("a: migrate 1"));
        assert!(later.is_past_return());
        assert_eq!(
            later.entry.told(),
            "the deploy of a.example to 2, begun by anna on laptop at 2026-11-26 03:00:00 UTC"
        );
    }

    #[test]
    fn what_is_no_journal_is_said() {
        let packed = |text: &str| crate::owner::packed::raw(text.as_bytes());
        let of = |data: String| {
            let labels = Some(labels(&Reached::default()));
            let data = Some(data);
            Journal::read(&config(api::ConfigSpec { data, labels, ..Default::default() }))
        };
        for broken in ["", "{}", "[]", r#"{"format":1}"#, r#"{"format":1,"what":"odd"}"#] {
            assert!(matches!(of(packed(broken)), Err(Unreadable::Broken(_))), "{broken}");
            assert!(matches!(of(broken.into()), Err(Unreadable::Broken(_))), "{broken}");
        }
        assert_eq!(of(packed(r#"{"format":2}"#)), Err(Unreadable::Newer));
        let most = usize::try_from(crate::owner::packed::MOST).unwrap();
        let bomb = of(packed(&" ".repeat(most + 1)));
        assert!(matches!(bomb, Err(Unreadable::Broken(_))), "{bomb:?}");
        let stack = StackName::new("a_example").unwrap();
        let good = Journal::read(&config(spec(&stack, &entry()).unwrap())).unwrap();
        let of_option =
            RecipePin { commit: Some("--upload-pack=x".into()), ..RecipePin::default() };
        let marks = Marks { begun: Some(of_option.clone()), ..Marks::default() };
        for odd in
            [Entry { pin: Some(of_option), ..entry() }, Entry { marks: Some(marks), ..entry() }]
        {
            let read = Journal::read(&config(spec(&stack, &odd).unwrap()));
            assert!(matches!(read, Err(Unreadable::Broken(_))), "{odd:?}");
        }
        let beyond = good.at(&Reached { step: Some(3), ..Reached::default() });
        assert!(matches!(Journal::read(&config(beyond)), Err(Unreadable::Broken(_))));
    }
}
