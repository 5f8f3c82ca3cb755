//! A swarm confined to one app: the check of ownership, in the one place
//! that every operation on an app passes through.
//!
//! Every call that changes an object, runs a program in it, or reads its logs or volumes
//! consults the app's record first. Lists of the app's stack show only what the record has,
//! whatever labels say; lists of the whole swarm are passed through, because names in them
//! have to be compared. The record is written before the objects that it names are created,
//! so that a crash in between leaves nothing without an owner.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, PoisonError},
};

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use tokio::sync::{MappedMutexGuard, Mutex, MutexGuard};

use super::{
    claimant::Claimant,
    fence::Fence,
    mixup::Mixup,
    others::Others,
    record::{self, Owned, Owner, Record, Unreadable},
    whereabouts::seen_on,
};
use crate::{
    engine::{
        Archive, Container, ContainerReport, Distribution, Engine, Error, Exec, ExecSession,
        Foreign, Kind, LogLine, LogQuery, Manager, Mounting, NodePort, RegistryAuth, STACK_LABEL,
        Scope, Volume, api, if_there, label,
    },
    home::{AppName, StackName},
    secrets::APP_LABEL,
};

/// Number of attempts if somebody else keeps changing the record; then it is an error.
const TRIES: usize = 5;

/// The relation of an app to the stack of its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The swarm has nothing of that name.
    Free,
    /// Recorded as this app's.
    Ours,
    /// Deployed from this folder by an older potluck, without a record.
    Earlier,
    /// It exists, and only labels say who owns it.
    Unrecorded,
    /// Recorded as another's.
    Other(Owner),
    /// Not recorded, with a name that the operator did not choose.
    Unnamed,
}

impl State {
    /// The owned objects, for changes: the record has to be written afterwards.
    fn owned_mut(&mut self) -> &mut Owned {
        self.changed = true;
        Arc::make_mut(&mut self.owned)
    }
}

impl Standing {
    /// Whether the app may use the stack without a question.
    pub(crate) fn is_settled(&self) -> bool {
        matches!(self, Standing::Free | Standing::Ours | Standing::Earlier)
    }
}

/// A swarm, confined to one app.
#[derive(Debug)]
pub struct Confined {
    inner: Arc<dyn Engine>,
    claimant: Claimant,
    state: Mutex<Option<State>>,
    /// Known containers, tasks and sessions of the app; containers with their service.
    seen: std::sync::Mutex<HashMap<String, Option<String>>>,
    /// That of the operation that changes it.
    fence: std::sync::Mutex<Option<Arc<dyn Fence>>>,
}

#[derive(Debug, Clone)]
struct State {
    standing: Standing,
    record: Option<Record>,
    owned: Arc<Owned>,
    /// What was removed since the record was written.
    gone: BTreeSet<(Kind, String)>,
    /// Whether the record has to be written.
    changed: bool,
}

/// What a deploy needs, compared with what exists.
#[derive(Debug, Default)]
pub(crate) struct Review {
    /// Names without an existing object.
    pub missing: Vec<(Kind, String)>,
    /// Objects with a needed name that are not recorded as the app's.
    pub strangers: Owned,
}

/// One wanted object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub kind: Kind,
    pub name: String,
    /// Created outside of the deploy (a secret): an existing one is used
    /// unless it belongs to another app.
    pub made_outside: bool,
}

impl Confined {
    pub(crate) fn new(inner: Arc<dyn Engine>, claimant: Claimant) -> Self {
        Confined {
            inner,
            claimant,
            state: Mutex::default(),
            seen: std::sync::Mutex::default(),
            fence: std::sync::Mutex::default(),
        }
    }

    /// Lets changes through only as long as this says so.
    pub(crate) fn fence(&self, fence: Option<Arc<dyn Fence>>) {
        *self.fence.lock().unwrap_or_else(PoisonError::into_inner) = fence;
    }

    /// Whether an operation has it.
    pub(crate) fn is_fenced(&self) -> bool {
        self.fence.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    pub(crate) fn app(&self) -> &AppName {
        &self.claimant.app
    }

    pub(crate) fn stack(&self) -> &StackName {
        &self.claimant.stack
    }

    async fn may_change(&self) -> Result<(), Error> {
        let fence = self.fence.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match fence {
            Some(fence) => fence.may_change().await,
            None => Ok(()),
        }
    }

    /// Reads the record anew when it is next asked for: someone else may have changed it.
    pub(crate) async fn forget(&self) {
        *self.state.lock().await = None;
    }

    /// The swarm itself, for what potluck keeps there of its own.
    pub(crate) fn beneath(&self) -> Arc<dyn Engine> {
        Arc::clone(&self.inner)
    }

    /// A volume of the app, on the node that this engine speaks for.
    pub(crate) async fn volume_on(&self, node: &dyn Engine, name: &str) -> Result<Volume, Error> {
        let volume = node.volume(name).await?;
        self.own_name(Kind::Volume, name).await?;
        Ok(volume)
    }

    /// Creates a volume of the app there, or returns the one that exists.
    pub(crate) async fn create_volume_on(
        &self,
        node: &dyn Engine,
        name: &str,
        labels: BTreeMap<String, String>,
    ) -> Result<Volume, Error> {
        self.claim_one(Kind::Volume, name).await?;
        self.may_change().await?;
        node.create_volume(name, labels).await
    }

    /// The swarm without the check, to read what runs: also if nothing is
    /// recorded yet.
    ///
    /// # Errors
    /// [`Error::Foreign`] if the stack is recorded as another app's.
    pub async fn readable(&self) -> Result<&dyn Engine, Error> {
        match self.standing().await? {
            Standing::Other(owner) => Err(self.claimant.belongs_to(&owner)),
            _ => Ok(&*self.inner),
        }
    }

    /// The relation of the app to its stack. Asks the swarm once.
    pub(crate) async fn standing(&self) -> Result<Standing, Error> {
        Ok(self.state().await?.standing.clone())
    }

    /// Fails unless the stack is this app's, or has no owner.
    ///
    /// # Errors
    /// [`Error::Foreign`].
    pub(crate) async fn require(&self) -> Result<(), Error> {
        self.owned().await.map(drop)
    }

    /// What the app owns.
    ///
    /// # Errors
    /// [`Error::Foreign`] if the stack is another app's.
    pub(crate) async fn owned(&self) -> Result<Arc<Owned>, Error> {
        let state = self.state().await?;
        match &state.standing {
            Standing::Free | Standing::Ours | Standing::Earlier => Ok(Arc::clone(&state.owned)),
            Standing::Other(owner) => Err(self.claimant.belongs_to(owner)),
            Standing::Unrecorded => Err(self.claimant.unrecorded()),
            Standing::Unnamed => Err(self.claimant.unnamed()),
        }
    }

    /// The mismatch, if the app's record has another recipe than the settings.
    pub(crate) fn mixup(&self, owner: &Owner) -> Option<Mixup> {
        self.claimant.mixup(owner)
    }

    /// As [`Confined::mixup`], of the record that the swarm has.
    pub(crate) async fn recorded_mixup(&self) -> Result<Option<Mixup>, Error> {
        let state = self.state().await?;
        Ok(state.record.as_ref().and_then(|record| self.claimant.mixup(&record.owner)))
    }

    /// The record's id, if there is one; to be stored in the app's lock file.
    pub(crate) async fn record_id(&self) -> Result<Option<String>, Error> {
        Ok(self.state().await?.record.as_ref().map(|record| record.owner.id.clone()))
    }

    /// Unrecorded objects with the stack's name, for the question whether to
    /// take them over.
    pub(crate) async fn found(&self) -> Result<Owned, Error> {
        self.look().await
    }

    /// Takes over what was agreed to; the record is written by
    /// [`Confined::claim`].
    pub(crate) async fn adopt(&self, found: &Owned) -> Result<(), Error> {
        let mut state = self.state().await?;
        state.owned_mut().merge(found);
        if state.standing != Standing::Ours {
            state.standing = Standing::Earlier;
        }
        Ok(())
    }

    /// Compares what a deploy needs with what exists.
    ///
    /// # Errors
    /// [`Error::Foreign`] for another app's objects.
    pub(crate) async fn review(&self, wanted: &[Wanted]) -> Result<Review, Error> {
        let owned = self.owned().await?;
        let (others, networks, secrets) = futures_util::try_join!(
            Others::read(&*self.inner, &self.claimant.stack),
            self.inner.networks(Scope::All),
            self.inner.secrets(Scope::All),
        )?;
        let mut review = Review::default();
        for want in wanted {
            let named = |there: &There| there.name == want.name;
            let there = match want.kind {
                Kind::Service => others.services.iter().filter_map(There::service).find(named),
                Kind::Network => networks.iter().filter_map(There::network).find(named),
                Kind::Secret => secrets.iter().filter_map(There::secret).find(named),
                _ => self.look_up(want.kind, &want.name).await?,
            };
            let known = there.as_ref().is_some_and(|t| owned.has(want.kind, &want.name, &t.id));
            if known {
                continue;
            }
            if let Some(holder) = others.holder(&self.claimant.stack, want.kind, &want.name) {
                return Err(self.foreign(
                    want.kind,
                    &want.name,
                    &format!("it is the name of one of {holder}"),
                ));
            }
            match there {
                None if !owned.has_name(want.kind, &want.name) => {
                    review.missing.push((want.kind, want.name.clone()));
                }
                // Made and removed behind our back: it may be made again.
                None => {}
                Some(there) => {
                    if let Some(other) = there.of_another(&self.claimant) {
                        return Err(self.foreign(
                            want.kind,
                            &want.name,
                            &format!("it is {other}'s"),
                        ));
                    }
                    // A secret says for which app it was made; one that says
                    // nothing was made by hand, under this app's name.
                    if want.made_outside {
                        self.note(want.kind, &want.name, &there.id).await?;
                    } else {
                        review.strangers.put(want.kind, &want.name, &there.id);
                    }
                }
            }
        }
        Ok(review)
    }

    /// Records that these names are the app's, before anything is created under them;
    /// creates the record if there is none. Only names that [`Confined::review`] found to
    /// be missing may be claimed.
    ///
    /// # Errors
    /// [`Error::Foreign`] when somebody else made the record in the meantime.
    pub(crate) async fn claim(&self, names: &[(Kind, String)]) -> Result<(), Error> {
        self.require().await?;
        let mut state = self.state().await?;
        for (kind, name) in names {
            if !state.owned.has_name(*kind, name) {
                state.owned_mut().claim(*kind, name);
            }
        }
        if state.changed || state.record.is_none() {
            self.write(&mut state).await?;
        }
        Ok(())
    }

    /// Updates the record with what was created and removed.
    ///
    /// # Errors
    /// What the engine says.
    pub(crate) async fn settle(&self) -> Result<(), Error> {
        let mut state = self.state().await?;
        if state.record.is_none() {
            return Ok(());
        }
        let unseen: Vec<String> = state
            .owned
            .names(Kind::Volume)
            .filter(|name| state.owned.claimed(Kind::Volume, name))
            .map(str::to_owned)
            .collect();
        if !unseen.is_empty() {
            let found = seen_on(&*self.inner, &self.claimant.stack, &state.owned, &unseen).await?;
            found.iter().for_each(|(name, node)| state.owned_mut().put(Kind::Volume, name, node));
        }
        if state.changed || !state.gone.is_empty() {
            self.write(&mut state).await?;
        }
        Ok(())
    }

    /// Removes the record of an app, once nothing else is left of it.
    ///
    /// # Errors
    /// What the engine says.
    pub(crate) async fn release(&self) -> Result<(), Error> {
        let record = self.state().await?.record.take();
        // The next caller reads it from the swarm.
        *self.state.lock().await = None;
        let Some(record) = record else { return Ok(()) };
        if_there(self.inner.remove_config(&record.config).await)?;
        Ok(())
    }

    /// Removes the record of this app's earlier recipe, after consent.
    pub(crate) async fn disown_recipe(&self) -> Result<(), Error> {
        let mut state = self.state().await?;
        let same_app = matches!(&state.standing, Standing::Other(owner)
            if owner.app == self.claimant.app.as_str());
        if let (true, Some(record)) = (same_app, state.record.take()) {
            self.inner.remove_config(&record.config).await?;
            state.standing = Standing::Earlier;
            *state.owned_mut() = record.owned;
        }
        Ok(())
    }

    /// The state of the stack; read from the swarm on first use.
    async fn state(&self) -> Result<MappedMutexGuard<'_, State>, Error> {
        let mut guard = self.state.lock().await;
        if guard.is_none() {
            *guard = Some(self.read().await?);
        }
        Ok(MutexGuard::map(guard, |state| state.as_mut().expect("filled above, under this lock")))
    }

    async fn read(&self) -> Result<State, Error> {
        let state = |standing, record, owned| State {
            standing,
            record,
            owned: Arc::new(owned),
            gone: BTreeSet::new(),
            changed: false,
        };
        if let Some(record) = self.fetch().await? {
            if self.claimant.is(&record.owner) {
                let owned = record.owned.clone();
                return Ok(state(Standing::Ours, Some(record), owned));
            }
            let other = Standing::Other(record.owner.clone());
            return Ok(state(other, Some(record), Owned::default()));
        }
        let found = self.look().await?;
        let standing = if !self.claimant.named {
            Standing::Unnamed
        } else if self.claimant.earlier {
            Standing::Earlier
        } else if found.is_empty() {
            Standing::Free
        } else {
            Standing::Unrecorded
        };
        let owned = if standing == Standing::Earlier { found } else { Owned::default() };
        Ok(state(standing, None, owned))
    }

    async fn fetch(&self) -> Result<Option<Record>, Error> {
        let name = record::name(&self.claimant.stack);
        let found = if_there(self.inner.config(&name).await)?;
        let Some(config) = found else { return Ok(None) };
        let unreadable = |reason: String, hint: Option<String>| {
            let what = format!("the stack `{}`", self.claimant.stack);
            Error::Foreign(Box::new(Foreign { what, reason, hint }))
        };
        Record::read(&config).map(Some).map_err(|error| match error {
            Unreadable::Newer => unreadable(
                "a newer potluck wrote its owner record".into(),
                Some("install the newest potluck".into()),
            ),
            Unreadable::Broken(reason) => unreadable(
                format!("its owner record cannot be read: {reason}"),
                Some(format!(
                    "{}; without it potluck asks before it takes the stack over",
                    match self.inner.simulated() {
                        Some(server) => format!(
                            "it is a config in state/simulated/{server}/swarm.json, in potluck's \
                             folder"
                        ),
                        None => format!("look at it with `docker config inspect --pretty {name}`"),
                    }
                )),
            ),
        })
    }

    /// Objects with the stack's label. Secrets that were made for this app
    /// before its first deploy do not indicate another owner.
    async fn look(&self) -> Result<Owned, Error> {
        let scope = Scope::Stack(&self.claimant.stack);
        let (services, networks, secrets, configs, volumes) = futures_util::try_join!(
            self.inner.services(scope),
            self.inner.networks(scope),
            self.inner.secrets(scope),
            self.inner.configs(scope),
            self.inner.volumes(Scope::All),
        )?;
        let mut found = Owned::default();
        let services = services.iter().filter_map(There::service).map(|t| (Kind::Service, t));
        let networks = networks.iter().filter_map(There::network).map(|t| (Kind::Network, t));
        let secrets = secrets.iter().filter_map(There::secret).map(|t| (Kind::Secret, t));
        let configs = configs.iter().filter_map(There::config).map(|t| (Kind::Config, t));
        for (kind, there) in services.chain(networks).chain(secrets).chain(configs) {
            found.put(kind, &there.name, &there.id);
        }
        for volume in &volumes {
            let of = |key, value: &str| volume.labels.get(key).is_some_and(|v| v == value);
            if of(STACK_LABEL, self.claimant.stack.as_str())
                || of(APP_LABEL, self.claimant.app.as_str())
            {
                found.claim(Kind::Volume, &volume.name);
            }
        }
        Ok(found)
    }

    /// A config or volume of that name.
    async fn look_up(&self, kind: Kind, name: &str) -> Result<Option<There>, Error> {
        let there = match kind {
            Kind::Config => self.inner.config(name).await.map(|config| There::config(&config)),
            Kind::Volume => self.inner.volume(name).await.map(|volume| There::volume(&volume)),
            _ => return Ok(None),
        };
        Ok(if_there(there)?.flatten())
    }

    /// Writes the record; creates it if there is none.
    async fn write(&self, state: &mut State) -> Result<(), Error> {
        for _ in 0..TRIES {
            self.may_change().await?;
            // Each time: what somebody else wrote meanwhile may name them still.
            let owned = Arc::make_mut(&mut state.owned);
            state.gone.iter().for_each(|(kind, name)| owned.drop_name(*kind, name));
            let written = match &state.record {
                None => {
                    let owner = self.new_owner()?;
                    let spec = record::spec(&self.claimant.stack, &owner, &state.owned);
                    self.inner.create_config(spec).await.map(drop)
                }
                Some(record) => {
                    let spec = record::spec(&self.claimant.stack, &record.owner, &state.owned);
                    self.inner.update_config(&record.config, record.version, spec).await
                }
            };
            let again = match written {
                Ok(()) => false,
                Err(Error::OutOfSequence { .. } | Error::Exists { .. }) => true,
                Err(error) if error.is_not_found() => true,
                Err(error) => return Err(error),
            };
            // The version to change it by next time; or what somebody else wrote.
            state.record = self.fetch().await?;
            if let Some(record) = &state.record {
                if !self.claimant.is(&record.owner) {
                    return Err(self.claimant.belongs_to(&record.owner));
                }
                if again {
                    let mut merged = record.owned.clone();
                    merged.merge(&state.owned);
                    state.owned = Arc::new(merged);
                }
            }
            if !again {
                state.standing = Standing::Ours;
                state.changed = false;
                state.gone.clear();
                return Ok(());
            }
        }
        Err(Error::OutOfSequence { service: record::name(&self.claimant.stack) })
    }

    fn new_owner(&self) -> Result<Owner, Error> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|error| Error::Io {
            action: "reading the operating system's randomness".into(),
            source: error.into(),
        })?;
        Ok(Owner {
            app: self.claimant.app.to_string(),
            recipe: self.claimant.recipe.as_ref().map(ToString::to_string).unwrap_or_default(),
            id: hex::encode(random),
        })
    }

    /// Notes that an object is the app's; the record is updated at the
    /// next [`Confined::settle`].
    pub(crate) async fn note(&self, kind: Kind, name: &str, id: &str) -> Result<(), Error> {
        self.state().await?.owned_mut().put(kind, name, id);
        Ok(())
    }

    /// Checks that the object with this id is the app's, and returns its name.
    async fn own(&self, kind: Kind, id: &str) -> Result<String, Error> {
        let owned = self.owned().await?;
        if let Some(name) = owned.name_of(kind, id) {
            return Ok(name.to_owned());
        }
        // Made under a claimed name by a process that ended before it told the
        // id, or asked for by name.
        let Some(there) = self.resolve(kind, id).await? else {
            return Err(Error::NotFound { kind, name: id.to_owned() });
        };
        let made_for_it =
            kind == Kind::Secret && there.app.as_deref() == Some(self.claimant.app.as_str());
        if made_for_it || owned.has(kind, &there.name, &there.id) {
            Ok(there.name)
        } else {
            Err(self.unrecorded(kind, &there.name))
        }
    }

    /// Checks that a name is the app's.
    async fn own_name(&self, kind: Kind, name: &str) -> Result<(), Error> {
        let owned = self.owned().await?;
        if owned.has_name(kind, name) { Ok(()) } else { Err(self.unrecorded(kind, name)) }
    }

    async fn resolve(&self, kind: Kind, id: &str) -> Result<Option<There>, Error> {
        Ok(match kind {
            Kind::Service => There::service(&self.inner.service(id).await?),
            Kind::Network => {
                let all = self.inner.networks(Scope::All).await?;
                all.iter().filter_map(There::network).find(|there| there.id == id)
            }
            Kind::Secret => {
                let all = self.inner.secrets(Scope::All).await?;
                all.iter().filter_map(There::secret).find(|there| there.id == id)
            }
            Kind::Config => {
                let all = self.inner.configs(Scope::Stack(&self.claimant.stack)).await?;
                all.iter().filter_map(There::config).find(|there| there.id == id)
            }
            _ => None,
        })
    }

    fn unrecorded(&self, kind: Kind, name: &str) -> Error {
        self.foreign(kind, name, &format!("it is not recorded as {}'s", self.claimant.app))
    }

    fn foreign(&self, kind: Kind, name: &str, reason: &str) -> Error {
        let app = &self.claimant.app;
        let look = match self.inner.simulated() {
            Some(server) => format!("`potluck stack ls --server {server}` shows the stacks there"),
            None => format!("`docker {kind} inspect {name}` shows what it is"),
        };
        Error::Foreign(Box::new(Foreign {
            what: format!("the {kind} `{name}`"),
            reason: reason.to_owned(),
            hint: Some(format!(
                "{look}; if it is {app}'s, `potluck app deploy {app}` asks and takes it over"
            )),
        }))
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, HashMap<String, Option<String>>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn told_of(&self, kind: Kind, id: &str) -> Result<(), Error> {
        if self.seen().contains_key(id) { Ok(()) } else { Err(self.unrecorded(kind, id)) }
    }

    /// Claims a name before something is created, as a deploy does.
    async fn claim_one(&self, kind: Kind, name: &str) -> Result<(), Error> {
        let owned = self.owned().await?;
        if owned.has_name(kind, name) {
            return Ok(());
        }
        let wanted = [Wanted { kind, name: name.to_owned(), made_outside: false }];
        let review = self.review(&wanted).await?;
        if !review.strangers.is_empty() {
            return Err(self.unrecorded(kind, name));
        }
        self.claim(&review.missing).await
    }

    /// Notes the result of creating something.
    async fn made(
        &self,
        kind: Kind,
        name: &str,
        result: Result<String, Error>,
    ) -> Result<String, Error> {
        let mut state = self.state().await?;
        match &result {
            Ok(id) => {
                state.owned_mut().put(kind, name, id);
                state.gone.remove(&(kind, name.to_owned()));
            }
            // It was there: nobody but its maker may say whose it is.
            Err(Error::Exists { .. }) if state.owned.claimed(kind, name) => {
                state.owned_mut().drop_name(kind, name);
            }
            Err(_) => {}
        }
        result
    }

    async fn removed(&self, kind: Kind, name: String) -> Result<(), Error> {
        self.state().await?.gone.insert((kind, name));
        Ok(())
    }
}

/// An object on the swarm.
#[derive(Debug)]
struct There {
    name: String,
    id: String,
    /// The stack and the app that its labels name.
    stack: Option<String>,
    app: Option<String>,
}

type Labels = std::collections::HashMap<String, String>;

impl There {
    fn new(name: Option<&String>, id: Option<&String>, labels: Option<&Labels>) -> Option<Self> {
        let label = |key| label(labels, key).map(str::to_owned);
        Some(There {
            name: name?.clone(),
            id: id?.clone(),
            stack: label(STACK_LABEL),
            app: label(APP_LABEL),
        })
    }

    fn service(service: &api::Service) -> Option<Self> {
        let spec = service.spec.as_ref()?;
        Self::new(spec.name.as_ref(), service.id.as_ref(), spec.labels.as_ref())
    }

    fn network(network: &api::Network) -> Option<Self> {
        Self::new(network.name.as_ref(), network.id.as_ref(), network.labels.as_ref())
    }

    fn secret(secret: &api::Secret) -> Option<Self> {
        let spec = secret.spec.as_ref()?;
        Self::new(spec.name.as_ref(), secret.id.as_ref(), spec.labels.as_ref())
    }

    fn config(config: &api::Config) -> Option<Self> {
        let spec = config.spec.as_ref()?;
        Self::new(spec.name.as_ref(), config.id.as_ref(), spec.labels.as_ref())
    }

    fn volume(volume: &Volume) -> Option<Self> {
        let labels = volume.labels.clone().into_iter().collect();
        // A volume has no id.
        Self::new(Some(&volume.name), Some(&volume.name), Some(&labels))
    }

    /// The owner in its labels, if that is not the claimant.
    fn of_another(&self, claimant: &Claimant) -> Option<String> {
        let other = |label: &Option<String>, own: &str| label.clone().filter(|found| found != own);
        let app = other(&self.app, claimant.app.as_str()).map(|app| format!("the app {app}"));
        app.or_else(|| {
            let stack = other(&self.stack, claimant.stack.as_str())?;
            Some(format!("the stack `{stack}`"))
        })
    }
}

#[async_trait]
impl Engine for Confined {
    fn endpoint(&self) -> &str {
        self.inner.endpoint()
    }

    fn simulated(&self) -> Option<&str> {
        self.inner.simulated()
    }

    async fn manager(&self) -> Result<Manager, Error> {
        self.inner.manager().await
    }

    async fn node_id(&self) -> Result<String, Error> {
        self.inner.node_id().await
    }

    /// Not confined: only [`Confined::volume_on`] and its like use it.
    async fn of_node(&self, node: &str) -> Result<Option<Arc<dyn Engine>>, Error> {
        self.inner.of_node(node).await
    }

    async fn services(&self, scope: Scope<'_>) -> Result<Vec<api::Service>, Error> {
        let Scope::Stack(_) = scope else { return self.inner.services(scope).await };
        let (mut all, owned) = futures_util::try_join!(self.inner.services(scope), self.owned())?;
        all.retain(|service| owns(&owned, Kind::Service, There::service(service)));
        Ok(all)
    }

    async fn service(&self, id: &str) -> Result<api::Service, Error> {
        let (service, owned) = futures_util::try_join!(self.inner.service(id), self.owned())?;
        if owns(&owned, Kind::Service, There::service(&service)) {
            Ok(service)
        } else {
            Err(self.unrecorded(Kind::Service, id))
        }
    }

    async fn create_service(
        &self,
        spec: api::ServiceSpec,
        auth: Option<&RegistryAuth>,
    ) -> Result<String, Error> {
        let name = spec.name.clone().unwrap_or_default();
        self.claim_one(Kind::Service, &name).await?;
        self.may_change().await?;
        let result = self.inner.create_service(spec, auth).await;
        self.made(Kind::Service, &name, result).await
    }

    async fn update_service(
        &self,
        id: &str,
        version: u64,
        spec: api::ServiceSpec,
        auth: Option<&RegistryAuth>,
    ) -> Result<(), Error> {
        self.own(Kind::Service, id).await?;
        self.may_change().await?;
        self.inner.update_service(id, version, spec, auth).await
    }

    async fn remove_service(&self, id: &str) -> Result<(), Error> {
        let name = self.own(Kind::Service, id).await?;
        self.may_change().await?;
        self.inner.remove_service(id).await?;
        self.removed(Kind::Service, name).await
    }

    async fn networks(&self, scope: Scope<'_>) -> Result<Vec<api::Network>, Error> {
        let Scope::Stack(_) = scope else { return self.inner.networks(scope).await };
        let (mut all, owned) = futures_util::try_join!(self.inner.networks(scope), self.owned())?;
        all.retain(|network| owns(&owned, Kind::Network, There::network(network)));
        Ok(all)
    }

    async fn network(&self, name: &str) -> Result<api::Network, Error> {
        self.inner.network(name).await
    }

    async fn create_network(&self, request: api::NetworkCreateRequest) -> Result<String, Error> {
        let name = request.name.clone();
        self.claim_one(Kind::Network, &name).await?;
        self.may_change().await?;
        let result = self.inner.create_network(request).await;
        self.made(Kind::Network, &name, result).await
    }

    async fn remove_network(&self, id: &str) -> Result<(), Error> {
        let name = self.own(Kind::Network, id).await?;
        self.may_change().await?;
        self.inner.remove_network(id).await?;
        self.removed(Kind::Network, name).await
    }

    async fn secrets(&self, scope: Scope<'_>) -> Result<Vec<api::Secret>, Error> {
        let Scope::Stack(_) = scope else { return self.inner.secrets(scope).await };
        let (mut all, owned) = futures_util::try_join!(self.inner.secrets(scope), self.owned())?;
        all.retain(|secret| owns(&owned, Kind::Secret, There::secret(secret)));
        Ok(all)
    }

    /// Secrets are made before an app's first deploy, when there is no record
    /// yet; they say for which app they were made.
    async fn create_secret(&self, spec: api::SecretSpec) -> Result<String, Error> {
        let name = spec.name.clone().unwrap_or_default();
        self.require().await?;
        let others = Others::read(&*self.inner, &self.claimant.stack).await?;
        if let Some(holder) = others.holder(&self.claimant.stack, Kind::Secret, &name) {
            let reason = format!("it is the name of one of {holder}");
            return Err(self.foreign(Kind::Secret, &name, &reason));
        }
        let claimed = self.owned().await?.has_name(Kind::Secret, &name);
        self.may_change().await?;
        let result = self.inner.create_secret(spec).await;
        let id = self.made(Kind::Secret, &name, result).await?;
        if !claimed {
            self.settle().await?;
        }
        Ok(id)
    }

    async fn remove_secret(&self, id: &str) -> Result<(), Error> {
        let name = self.own(Kind::Secret, id).await?;
        self.may_change().await?;
        self.inner.remove_secret(id).await?;
        self.removed(Kind::Secret, name).await
    }

    async fn update_secret(
        &self,
        id: &str,
        version: u64,
        spec: api::SecretSpec,
    ) -> Result<(), Error> {
        self.own(Kind::Secret, id).await?;
        self.may_change().await?;
        self.inner.update_secret(id, version, spec).await
    }

    async fn secret_matches(&self, id: &str, spec: api::SecretSpec) -> Result<Option<bool>, Error> {
        self.own(Kind::Secret, id).await?;
        self.inner.secret_matches(id, spec).await
    }

    async fn configs(&self, scope: Scope<'_>) -> Result<Vec<api::Config>, Error> {
        let Scope::Stack(_) = scope else { return self.inner.configs(scope).await };
        let (mut all, owned) = futures_util::try_join!(self.inner.configs(scope), self.owned())?;
        all.retain(|config| owns(&owned, Kind::Config, There::config(config)));
        Ok(all)
    }

    async fn config(&self, name: &str) -> Result<api::Config, Error> {
        self.inner.config(name).await
    }

    async fn create_config(&self, spec: api::ConfigSpec) -> Result<String, Error> {
        let name = spec.name.clone().unwrap_or_default();
        self.claim_one(Kind::Config, &name).await?;
        self.may_change().await?;
        let result = self.inner.create_config(spec).await;
        self.made(Kind::Config, &name, result).await
    }

    async fn remove_config(&self, id: &str) -> Result<(), Error> {
        let name = self.own(Kind::Config, id).await?;
        self.may_change().await?;
        self.inner.remove_config(id).await?;
        self.removed(Kind::Config, name).await
    }

    async fn update_config(
        &self,
        id: &str,
        version: u64,
        spec: api::ConfigSpec,
    ) -> Result<(), Error> {
        self.own(Kind::Config, id).await?;
        self.may_change().await?;
        self.inner.update_config(id, version, spec).await
    }

    async fn tasks(&self, service: &str) -> Result<Vec<api::Task>, Error> {
        self.own(Kind::Service, service).await?;
        let tasks = self.inner.tasks(service).await?;
        self.seen().extend(tasks.iter().filter_map(|task| Some((task.id.clone()?, None))));
        Ok(tasks)
    }

    async fn tasks_of(&self, services: &[String]) -> Result<Vec<api::Task>, Error> {
        let (mut all, owned) =
            futures_util::try_join!(self.inner.tasks_of(services), self.owned())?;
        all.retain(|task| {
            let service = task.service_id.as_deref().unwrap_or_default();
            owned.name_of(Kind::Service, service).is_some()
        });
        Ok(all)
    }

    async fn port_holder(
        &self,
        ports: &[NodePort],
        except: &str,
    ) -> Result<Option<(NodePort, String)>, Error> {
        // Tells a name, as lists of the whole swarm do.
        self.inner.port_holder(ports, except).await
    }

    async fn nodes(&self) -> Result<Vec<api::Node>, Error> {
        self.inner.nodes().await
    }

    async fn containers(&self, service: &str) -> Result<Vec<Container>, Error> {
        self.own_name(Kind::Service, service).await?;
        let containers = self.inner.containers(service).await?;
        let known = containers.iter().map(|it| (it.id.clone(), Some(service.to_owned())));
        self.seen().extend(known);
        Ok(containers)
    }

    async fn has_containers(&self, service: &str) -> Result<bool, Error> {
        self.own_name(Kind::Service, service).await?;
        self.inner.has_containers(service).await
    }

    async fn container_report(&self, task: &str) -> Result<Option<ContainerReport>, Error> {
        self.told_of(Kind::Task, task)?;
        self.inner.container_report(task).await
    }

    async fn create_exec(&self, container: &str, exec: &Exec) -> Result<String, Error> {
        self.told_of(Kind::Container, container)?;
        self.may_change().await?;
        let service = self.seen().get(container).cloned().flatten();
        let fence = self.fence.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let (Some(fence), Some(service)) = (fence, service) {
            fence.starting(&service, container).await?;
        }
        let id = self.inner.create_exec(container, exec).await?;
        self.seen().insert(id.clone(), None);
        Ok(id)
    }

    async fn start_exec(
        &self,
        container: &str,
        id: &str,
        exec: &Exec,
    ) -> Result<ExecSession, Error> {
        self.told_of(Kind::Container, id)?;
        // No version guards this request: the colleague who took over may have run the
        // program already.
        self.may_change().await?;
        self.inner.start_exec(container, id, exec).await
    }

    async fn has_programs(&self, container: &str) -> Result<bool, Error> {
        self.inner.has_programs(container).await
    }

    async fn pause(&self, service: &str, container: &str) -> Result<(), Error> {
        self.own_name(Kind::Service, service).await?;
        self.told_of(Kind::Container, container)?;
        self.may_change().await?;
        let fence = self.fence.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(fence) = fence {
            fence.pausing(service, container).await?;
        }
        self.inner.pause(service, container).await
    }

    /// Asks no lease: nobody wants it to stay frozen.
    async fn unpause(&self, service: &str, container: &str) -> Result<bool, Error> {
        self.own_name(Kind::Service, service).await?;
        self.inner.unpause(service, container).await
    }

    async fn resize(&self, session: &str, rows: u16, columns: u16) -> Result<(), Error> {
        self.told_of(Kind::Container, session)?;
        self.inner.resize(session, rows, columns).await
    }

    async fn put_archive(
        &self,
        container: &str,
        folder: &str,
        tar: Archive,
        bytes: u64,
    ) -> Result<(), Error> {
        self.told_of(Kind::Container, container)?;
        self.may_change().await?;
        self.inner.put_archive(container, folder, tar, bytes).await
    }

    async fn get_archive(
        &self,
        container: &str,
        path: &str,
    ) -> Result<BoxStream<'static, Result<bytes::Bytes, Error>>, Error> {
        self.told_of(Kind::Container, container)?;
        self.inner.get_archive(container, path).await
    }

    async fn service_logs(
        &self,
        service: &str,
        query: &LogQuery,
    ) -> Result<BoxStream<'static, Result<LogLine, Error>>, Error> {
        self.own(Kind::Service, service).await?;
        self.inner.service_logs(service, query).await
    }

    async fn task_logs(
        &self,
        task: &str,
        query: &LogQuery,
    ) -> Result<BoxStream<'static, Result<LogLine, Error>>, Error> {
        self.told_of(Kind::Task, task)?;
        self.inner.task_logs(task, query).await
    }

    async fn volumes(&self, scope: Scope<'_>) -> Result<Vec<Volume>, Error> {
        let Scope::Stack(_) = scope else { return self.inner.volumes(scope).await };
        let (mut all, owned) = futures_util::try_join!(self.inner.volumes(scope), self.owned())?;
        all.retain(|volume| owned.has_name(Kind::Volume, &volume.name));
        Ok(all)
    }

    async fn volume(&self, name: &str) -> Result<Volume, Error> {
        self.volume_on(&*self.inner, name).await
    }

    async fn create_volume(
        &self,
        name: &str,
        labels: BTreeMap<String, String>,
    ) -> Result<Volume, Error> {
        self.create_volume_on(&*self.inner, name, labels).await
    }

    async fn remove_volume(&self, name: &str) -> Result<(), Error> {
        self.own_name(Kind::Volume, name).await?;
        self.may_change().await?;
        self.inner.remove_volume(name).await?;
        self.removed(Kind::Volume, name.to_owned()).await
    }

    async fn volume_users(&self, name: &str) -> Result<Vec<Mounting>, Error> {
        self.inner.volume_users(name).await
    }

    async fn volumes_folder(&self) -> Result<crate::engine::VolumesFolder, Error> {
        self.inner.volumes_folder().await
    }

    async fn distribution(
        &self,
        image: &str,
        auth: Option<&RegistryAuth>,
    ) -> Result<Distribution, Error> {
        self.inner.distribution(image, auth).await
    }
}

fn owns(owned: &Owned, kind: Kind, there: Option<There>) -> bool {
    there.is_some_and(|there| owned.has(kind, &there.name, &there.id))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::{
        engine::simulated::Simulated,
        home::{AppEntry, EnvFile, ServerName, lock_file::LockFile},
    };

    /// Of a lease that is lost after so many changes.
    #[derive(Debug)]
    struct LostAfter(AtomicUsize);

    #[async_trait]
    impl Fence for LostAfter {
        async fn may_change(&self) -> Result<(), Error> {
            let lost = |left: usize| left.checked_sub(1);
            match self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, lost) {
                Ok(_) => Ok(()),
                Err(_) => Err(Error::LeaseLost { stack: "t_example".into() }),
            }
        }

        async fn starting(&self, _: &str, _: &str) -> Result<(), Error> {
            Ok(())
        }

        async fn pausing(&self, _: &str, _: &str) -> Result<(), Error> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_program_that_was_made_ready_is_not_started_once_the_lease_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let inner = Arc::new(Simulated::open(None, folder.path().into()).unwrap());
        let container =
            api::TaskSpecContainerSpec { image: Some("x:1".into()), ..Default::default() };
        let labels = HashMap::from([(STACK_LABEL.to_owned(), "t_example".to_owned())]);
        let spec = api::ServiceSpec {
            name: Some("t_example_web".into()),
            labels: Some(labels),
            task_template: Some(api::TaskSpec {
                container_spec: Some(container),
                placement: Some(Default::default()),
                ..Default::default()
            }),
            ..Default::default()
        };
        inner.create_service(spec, None).await.unwrap();
        let mut found = None;
        for _ in 0..20 {
            found = found.or(inner.containers("t_example_web").await.unwrap().pop());
        }
        let container = found.expect("it runs").id;
        let name = AppName::new("t.example").unwrap();
        let entry = AppEntry { name, server: ServerName::new("here").unwrap() };
        let env = EnvFile::parse("f", "TYPE=tiny\n").unwrap();
        let exec = Exec { argv: vec!["true".into()], ..Exec::default() };
        for (allowed, is_started) in [(0, false), (1, false), (2, true)] {
            let claimant = Claimant::new(&entry, &env, &LockFile::default()).unwrap();
            let confined = Confined::new(inner.clone(), claimant);
            confined.seen().insert(container.clone(), None);
            confined.fence(Some(Arc::new(LostAfter(allowed.into()))));
            let started = confined.exec(&container, &exec).await;
            let is_lost = matches!(started, Err(Error::LeaseLost { .. }));
            assert_eq!((started.is_ok(), is_lost), (is_started, !is_started), "{allowed}");
        }
    }
}
