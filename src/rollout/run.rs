//! Rolls out one stack: the part that apps and plain compose files
//! have in common.
//!
//! live state → images → work → apply → converge → (go back) → prune. What
//! surrounds it (consent, hooks, records) is the caller's.

use std::{collections::BTreeMap, time::Duration};

use futures_util::future;
use jiff::Timestamp;

use crate::{
    compose::Stack,
    engine::{
        Distribution, Engine, Scope,
        api::ServiceSpecUpdateConfigFailureActionEnum as FailureAction,
        docker_config::DockerConfig, label, node_ports,
    },
    progress::{Event, Sink},
};

use super::{
    Error,
    converge::{Target, converge},
    error::{Failed, FailedService, Fate, Problem, Subject, Taken},
    glance::Glance,
    live::Live,
    send::{
        apply::{self, Applied, Sent},
        auths::{Auths, SendAuth},
    },
    state::{
        State, condition,
        ports::{self, Published, published},
        reached::Reached,
        since::Since,
        wanted::is_job,
    },
    undo,
    work::{Action, Jobs, Policy, ServiceWork, Work, contents, image_of, images_to_resolve},
};

/// The deadline where neither the operator nor the stack names one; what
/// recipes write into their timeout label.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(300);
/// The longest one: a label says what its recipe wants, and clocks have an end.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// One stack that is rolled out to a swarm.
pub(crate) struct Rollout<'a> {
    pub engine: &'a dyn Engine,
    /// Ids of its services when they were deployed last, if that is known.
    pub known: &'a [String],
    pub stack: &'a Stack,
    pub progress: &'a dyn Sink,
    /// Where credentials for registries come from.
    pub docker: &'a DockerConfig,
    pub auth: SendAuth,
    pub policy: Policy,
    pub limit: Duration,
    /// Whether services that do not come up get their old specs back.
    pub on_failure: OnFailure,
    /// Whose failures they are.
    pub subject: Subject,
    /// What is done to it, for messages: `deploy`, `rollback`.
    pub doing: &'static str,
}

/// What happens if services fail to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnFailure {
    /// The previous version is restored, if it ever ran.
    GoBack(Before),
    /// Swarm does what the compose file tells it (`failure_action`).
    Leave,
}

/// Whether the previous version is restored if the deploy fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WayBack {
    Open,
    Closed,
}

/// What is known about the version before the deploy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Before {
    /// It has come up.
    Good,
    /// It is from a deploy that failed, or whose end was not seen: usable if all of it
    /// has started since.
    Attempt,
    /// Somebody else deployed it: usable if any of it has started.
    Foreign,
}

/// The registries' answers about images. Asked once per deploy, because a
/// registry that does not answer costs seconds.
pub(crate) struct Images {
    found: BTreeMap<String, Distribution>,
    warnings: Vec<String>,
}

impl Rollout<'_> {
    /// What is there now, and whether file secrets that somebody else made have
    /// the contents that are wanted.
    pub async fn live(&self) -> Result<Live, Error> {
        let (mut live, glance) = futures_util::try_join!(
            Live::read(self.engine, self.stack),
            Glance::take(self.engine, self.known),
        )?;
        live.glance = glance;
        let asked: Vec<(&str, String)> = contents::unproven(&self.stack.secrets, &live);
        let answers = asked
            .iter()
            .map(|(name, id)| self.engine.secret_matches(id, self.stack.secrets[*name].clone()));
        let answers = future::try_join_all(answers).await?;
        live.same_secrets = asked
            .iter()
            .zip(answers)
            .filter_map(|((name, _), same)| Some(((*name).to_owned(), same?)))
            .collect();
        Ok(live)
    }

    /// Asks the registries what has to be known.
    pub async fn images(&self, live: &Live) -> Result<Images, Error> {
        let wanted = images_to_resolve(self.stack, live, self.policy.images);
        let images = wanted.iter().map(String::as_str);
        let (auths, mut warnings) = Auths::read(self.docker, self.auth, images).await?;
        let (found, unanswered) = apply::resolve_images(self.engine, &wanted, &auths).await;
        warnings.extend(unanswered);
        Ok(Images { found, warnings })
    }

    /// What has to be done.
    pub fn work(&self, live: &Live, images: &Images) -> Work {
        let mut work = Work::compute(self.stack, live, &images.found, &self.policy);
        for service in &mut work.services {
            if service.action != Action::Keep {
                continue;
            }
            if self.policy.jobs == Jobs::Rerun && is_job(&service.spec) {
                service.action = Action::Update(vec!["jobs run again at each deploy".into()]);
            } else if self.auth == SendAuth::Always {
                // The swarm does not show those that it has.
                service.action = Action::Update(vec!["credentials for its registry".into()]);
            }
        }
        work.warnings.extend_from_slice(&images.warnings);
        work
    }

    /// Sends what differs.
    ///
    /// # Errors
    /// Only as long as nothing was changed; later failures of services are in the result.
    pub async fn send(&self, live: &Live, work: &Work) -> Result<Applied, Error> {
        self.progress.step("apply");
        self.look_for_ports(work).await?;
        let sent = work.services.iter().filter(|s| s.action != Action::Keep);
        let images = sent.filter_map(|s| image_of(&s.spec));
        let (auths, warnings) = Auths::read(self.docker, self.auth, images).await?;
        for message in warnings {
            self.progress.warn(message);
        }
        apply::apply(self.engine, self.stack, (work, live), &auths, self.progress).await
    }

    /// Fails if another service publishes a port that is new with this deploy: swarm would
    /// say so only when networks, configs and other services were sent.
    async fn look_for_ports(&self, work: &Work) -> Result<(), Error> {
        let sent: Vec<&ServiceWork> =
            work.services.iter().filter(|service| service.action != Action::Keep).collect();
        let wanted: Vec<(&str, Published)> = sent
            .iter()
            .flat_map(|service| {
                let before = service.before.as_ref().and_then(|before| before.spec.as_ref());
                let had = before.map(published).unwrap_or_default();
                let new = published(&service.spec).into_iter();
                new.filter(move |port| !had.contains(port)).map(|port| (&*service.key, port))
            })
            .collect();
        if wanted.is_empty() {
            return Ok(());
        }
        // What is sent may give up a port that it has.
        let moving: Vec<&str> =
            sent.iter().filter_map(|s| s.before.as_ref()?.id.as_deref()).collect();
        for service in self.engine.services(Scope::All).await? {
            let (Some(id), Some(spec)) = (service.id.as_deref(), &service.spec) else { continue };
            if moving.contains(&id) {
                continue;
            }
            let held = published(spec);
            if let Some((key, port)) =
                wanted.iter().find(|(_, port)| held.iter().any(|it| it.excludes(port)))
            {
                return Err(Error::PortHeld {
                    port: port.to_string(),
                    service: (*key).to_owned(),
                    holder: spec.name.clone().unwrap_or_default(),
                });
            }
        }
        Ok(())
    }

    /// What is known of ports of nodes that are new with this deploy and that another
    /// service has. Swarm takes both and looks for nodes with room for each, so it is
    /// not a mistake by itself.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn shared_ports(&self, work: &Work) -> Result<Vec<String>, Error> {
        let mut warnings = Vec::new();
        let own = format!("{}_", self.stack.name);
        for service in work.services.iter().filter(|service| service.action != Action::Keep) {
            let before = service.before.as_ref();
            let had = before.and_then(|it| it.spec.as_ref()).map(node_ports).unwrap_or_default();
            let id = before.and_then(|before| before.id.as_deref()).unwrap_or_default();
            for port in node_ports(&service.spec) {
                if port.port <= 0 || had.contains(&port) {
                    continue;
                }
                // What is wrong within the stack is lint's.
                if let Some((_, holder)) = self.engine.port_holder(&[port], id).await?
                    && !holder.starts_with(&own)
                {
                    let nodes = self.engine.nodes().await?.len();
                    warnings.push(ports::shared(port, &service.key, &holder, nodes));
                }
            }
        }
        Ok(warnings)
    }

    /// Sends what differs and waits until it runs; what follows when it does not is
    /// [`OnFailure`]'s, with `way_back` as [`Self::way_back`] said it. Returns what was
    /// sent.
    pub async fn carry_out(
        &self,
        live: &Live,
        work: &Work,
        way_back: WayBack,
        detach: bool,
    ) -> Result<Applied, Error> {
        let is_closed = way_back == WayBack::Closed;
        let held = (is_closed && self.on_failure != OnFailure::Leave).then(|| unreturning(work));
        let asked = work;
        let work = held.as_ref().unwrap_or(asked);
        let mut applied = self.send(live, work).await?;
        let mut services = std::mem::take(&mut applied.refused);
        if services.is_empty() && !detach {
            self.progress.step("converge");
            match self.wait(work, &applied).await {
                Ok(reached) => applied.reached = reached,
                Err(late) => services = late,
            }
        }
        if held.is_some()
            && !detach
            && let Err(error) = undo::tell_to_return(self.engine, &applied.sent, asked).await
        {
            if services.is_empty() {
                return Err(error.into());
            }
            self.progress.warn(format!(
                "`failure_action` could not be set back to the recipe's value: {error}"
            ));
        }
        if services.is_empty() {
            return Ok(applied);
        }
        let by_swarm =
            services.iter().all(|s| matches!(&s.problem, Problem::Stuck(State::RolledBack { .. })));
        let untouched = applied.sent.is_empty()
            && !live.services.is_empty()
            && services.iter().all(|s| matches!(s.problem, Problem::Refused(_)));
        // Where nothing was refused, each service that fails speaks for itself.
        let refused = services.iter().any(|s| matches!(s.problem, Problem::Refused(_)));
        let failed = |fate| Failed {
            taken: if refused { taken(&applied, fate) } else { Box::default() },
            ..self.failed(services)
        };
        if untouched {
            return Err(Error::Untouched(failed(Fate::Stays)));
        }
        match self.on_failure {
            OnFailure::Leave if by_swarm => Err(Error::SwarmRolledBack(failed(Fate::Undone))),
            OnFailure::Leave => Err(Error::Failed(failed(Fate::Stays))),
            // There is nothing good to go back to.
            OnFailure::GoBack(_) if is_closed || applied.sent.is_empty() => {
                Err(Error::Failed(failed(Fate::Stays)))
            }
            OnFailure::GoBack(_) => match self.go_back(&applied).await {
                Ok(()) => Err(Error::RolledBack(failed(Fate::Undone))),
                Err(undo) => {
                    Err(Error::UndoFailed { failed: failed(Fate::Unknown), undo: undo.into() })
                }
            },
        }
    }

    /// Whether the previous version is restored if the deploy fails.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn way_back(&self, live: &Live) -> Result<WayBack, Error> {
        if live.services.is_empty() {
            return Ok(WayBack::Closed);
        }
        let is_open = match self.on_failure {
            OnFailure::GoBack(Before::Good) => true,
            OnFailure::GoBack(Before::Attempt) => self.came_up(live).await?.all(|up| up),
            OnFailure::GoBack(Before::Foreign) => self.came_up(live).await?.any(|up| up),
            OnFailure::Leave => false,
        };
        Ok(if is_open { WayBack::Open } else { WayBack::Closed })
    }

    /// For each existing service, whether it has started successfully.
    async fn came_up(&self, live: &Live) -> Result<impl Iterator<Item = bool>, Error> {
        let now = Timestamp::now();
        let mut up = Vec::new();
        for service in live.services.values() {
            let tasks = self.engine.tasks(service.id.as_deref().unwrap_or_default()).await?;
            up.push(condition::came_up(service, &tasks, now));
        }
        Ok(up.into_iter())
    }

    /// Restores the previous version, and waits until it runs.
    ///
    /// # Errors
    /// What could not be restored, for people.
    pub async fn go_back(&self, applied: &Applied) -> Result<(), String> {
        self.progress.step("roll back");
        let undone = undo::undo(self.engine, &applied.sent, self.limit, self.progress).await;
        undone.map_err(|failed| failed.to_string())
    }

    /// Checks that everything runs, if nothing has to be sent.
    pub async fn check_running(&self, live: &Live, work: &Work) -> Result<Reached, Error> {
        if let Some(reached) = self.all_run(live, work) {
            return Ok(reached);
        }
        self.wait(work, &Applied::default()).await.map_err(|s| Error::Failed(self.failed(s)))
    }

    /// What all services came to, where a glance shows that.
    fn all_run(&self, live: &Live, work: &Work) -> Option<Reached> {
        let mut reached = Reached::default();
        let mut seen = Vec::new();
        for service in &work.services {
            let state = live.glance.good(service.before.as_ref()?)?;
            reached.add(&service.key, &state);
            seen.push((service.key.clone(), state.to_string()));
        }
        for (service, state) in seen {
            self.progress.event(Event::Service { service, state });
        }
        Some(reached)
    }

    /// Removes what is no longer needed; to be called once the rest
    /// runs.
    pub async fn prune(&self, work: &Work) {
        if !work.stale.is_empty() {
            self.progress.step("prune");
            apply::prune(self.engine, &work.stale, self.progress).await;
        }
    }

    pub fn failed(&self, services: Vec<FailedService>) -> Failed {
        Failed {
            what: format!("the {} of {}", self.doing, self.subject),
            subject: self.subject.clone(),
            services,
            taken: Box::default(),
        }
    }

    /// Waits for what was sent, and checks that the rest runs.
    async fn wait(&self, work: &Work, applied: &Applied) -> Result<Reached, Vec<FailedService>> {
        let mut targets: Vec<Target> = applied
            .sent
            .iter()
            .map(|sent| Target {
                key: sent.key.clone(),
                id: sent.id.clone(),
                spec: sent.spec.clone(),
                since: sent.since.clone(),
            })
            .collect();
        let kept = work.services.iter().filter(|s| s.action == Action::Keep);
        targets.extend(kept.filter_map(|kept| {
            let before = kept.before.as_ref()?;
            Some(Target {
                key: kept.key.clone(),
                id: before.id.clone()?,
                spec: before.spec.clone()?,
                since: Since::Unchanged,
            })
        }));
        converge(self.engine, &targets, self.limit, self.progress).await
    }
}

/// What the swarm accepted, by service.
fn taken(applied: &Applied, fate: Fate) -> Box<[Taken]> {
    let taken =
        |sent: &Sent| Taken { service: sent.key.clone(), is_new: sent.before.is_none(), fate };
    let mut all: Vec<Taken> = applied.sent.iter().map(taken).collect();
    all.sort();
    all.into()
}

/// The same, but swarm does not roll back to a version that never ran: it would stop the
/// new tasks, and report the cause of the previous spec. As for new services, the tasks get
/// time to start.
fn unreturning(work: &Work) -> Work {
    let mut work = work.clone();
    for service in work.services.iter_mut().filter(|service| service.before.is_some()) {
        if let (Some(update), false) =
            (service.spec.update_config.as_mut(), service.action == Action::Keep)
            && update.failure_action == Some(FailureAction::ROLLBACK)
        {
            update.failure_action = Some(FailureAction::CONTINUE);
        }
    }
    work
}

/// Option, else the stack's own timeout label on any service, else the default.
pub(crate) fn timeout(stack: &Stack, option: Option<Duration>) -> Duration {
    let from_label = || {
        let seconds = timeout_labels(stack).find_map(|(_, label)| seconds(label));
        seconds.map(Duration::from_secs)
    };
    option.or_else(from_label).unwrap_or(DEFAULT_TIMEOUT).min(LONGEST_TIMEOUT)
}

/// The first timeout label that says nothing, with its service, where none says
/// something.
pub(crate) fn odd_timeout(stack: &Stack) -> Option<(&str, &str)> {
    let mut labels = timeout_labels(stack).peekable();
    let first = labels.peek().copied()?;
    labels.all(|(_, label)| seconds(label).is_none()).then_some(first)
}

fn timeout_labels(stack: &Stack) -> impl Iterator<Item = (&str, &str)> {
    let key = format!("coop-cloud.{}.timeout", stack.name);
    let labels = stack.services.iter().filter_map(move |service| {
        Some((&*service.key, label(service.spec.labels.as_ref(), &key)?.trim()))
    });
    labels.filter(|(_, label)| !label.is_empty())
}

fn seconds(label: &str) -> Option<u64> {
    label.parse().ok().filter(|seconds| *seconds > 0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{compose::StackService, engine::api, home::StackName};

    #[test]
    fn a_timeout_has_an_end() {
        let stack = |label: &str| {
            let labels = [("coop-cloud.a_example.timeout".to_owned(), label.to_owned())];
            let spec = api::ServiceSpec {
                labels: Some(labels.into_iter().collect()),
                ..Default::default()
            };
            let service = StackService { key: "app".into(), spec, depends_on: Vec::new() };
            Stack {
                name: StackName::new("a_example").unwrap(),
                networks: BTreeMap::new(),
                external_networks: Vec::new(),
                secrets: BTreeMap::new(),
                external_secrets: Vec::new(),
                configs: BTreeMap::new(),
                external_configs: Vec::new(),
                volumes: Vec::new(),
                services: vec![service],
            }
        };
        let longest = LONGEST_TIMEOUT.as_secs();
        for (label, option, seconds) in [
            ("120", None, 120),
            ("120", Some(5), 5),
            ("soon", None, 300),
            ("0", None, 300),
            ("18446744073709551615", None, longest),
            ("", Some(u64::MAX), longest),
        ] {
            let found = timeout(&stack(label), option.map(Duration::from_secs));
            assert_eq!(found.as_secs(), seconds, "{label} {option:?}");
        }
    }
}
