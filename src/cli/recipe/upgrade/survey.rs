//! Asking registries: each question once.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};

use super::job::{Job, SHOWN};
use crate::{
    cli::{failure::Failure, session::Session},
    hint::Hint,
    recipe::author::{
        Choice, Facts, Reference, Registry, RegistryError, built, is_old_enough, offers,
        release_notes,
    },
};

/// What is known of images.
pub struct Survey<'a> {
    session: &'a Session,
    registry: Registry,
    now: Timestamp,
    /// By registry and repository.
    tags: BTreeMap<(String, String), Result<Vec<String>, String>>,
    /// By image, without its digest.
    facts: BTreeMap<Reference, Result<Facts, String>>,
    /// What to do about errors.
    pub hints: BTreeSet<String>,
}

impl<'a> Survey<'a> {
    pub async fn new(session: &'a Session, jobs: &[Job]) -> Result<Self, Failure> {
        let mut hosts: Vec<&str> = Vec::new();
        for it in jobs.iter().flat_map(|job| &job.spot.uses) {
            if !hosts.contains(&it.image.host.as_str()) {
                hosts.push(&it.image.host);
            }
        }
        let docker = session.docker_config();
        let made = Registry::new(&docker, hosts).await;
        let (registry, warnings) = made.map_err(|error| Failure::of(&error))?;
        for warning in warnings {
            session.ui.warn(warning);
        }
        let (tags, facts, hints) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        Ok(Survey { session, registry, now: Timestamp::now(), tags, facts, hints })
    }

    /// Which newer images there are, and whether the tag has another digest now.
    pub async fn offer(&mut self, job: &mut Job) {
        let mut all = Vec::new();
        for it in &job.spot.uses {
            match self.tags(&it.image).await {
                Ok(tags) => all.push(tags),
                Err(error) => return job.fail(error),
            }
        }
        let all: Vec<&[String]> = all.iter().map(Vec::as_slice).collect();
        job.offers = offers(&job.spot, &all);
        if job.spot.uses.iter().any(|it| it.image.digest.is_some()) {
            match self.pinned(&job.now()).await {
                Ok(now) => job.rebuilt = Some(now).filter(|now| *now != job.now()),
                Err(error) => job.fail(error),
            }
        }
    }

    /// Leaves out of what may be taken what is younger than it has to be: all of it down to the
    /// first that is old enough, or of as many as are shown.
    pub async fn sift(&mut self, job: &mut Job, least: Duration, is_asking: bool) {
        let least = SignedDuration::try_from(least).unwrap_or(SignedDuration::MAX);
        let mut old = Vec::new();
        for choice in std::mem::take(&mut job.open).into_iter().take(SHOWN) {
            match self.is_old(&choice, least).await {
                Ok(true) => old.push(choice),
                Ok(false) => job.too_young.push(choice[0].tag.clone()),
                Err(error) => return job.fail(error),
            }
            if !old.is_empty() && !is_asking {
                break;
            }
        }
        job.open = old;
        if let Some(rebuilt) = job.rebuilt.take() {
            match self.is_old(&rebuilt, least).await {
                Ok(true) => job.rebuilt = Some(rebuilt),
                Ok(false) => job.too_young.push(rebuilt[0].tag.clone()),
                Err(error) => job.fail(error),
            }
        }
    }

    /// Digests for what was chosen, when it was built, and where its release notes are.
    pub async fn describe(&mut self, job: &mut Job, pin: bool) {
        let chosen = job.chosen.clone().unwrap_or_else(|| job.now());
        if pin || job.chosen.is_some() && job.spot.uses.iter().any(|it| it.image.digest.is_some()) {
            match self.pinned(&chosen).await {
                Ok(pinned) => job.chosen = Some(pinned).filter(|pinned| *pinned != job.now()),
                Err(error) => {
                    job.chosen = None;
                    return job.fail(error);
                }
            }
        }
        let Some(chosen) = &job.chosen else { return };
        let image = chosen[0].clone();
        match self.facts(&image).await {
            Ok(facts) => {
                job.created = built(&facts.created, self.now);
                job.link = release_notes(&facts.labels, &image.tag);
            }
            // The image can be pulled nevertheless.
            Err(error) => self
                .session
                .ui
                .warn(format_args!("when {} was built is unknown: {error}", image.written())),
        }
    }

    fn failed(&mut self, error: &RegistryError) -> String {
        self.hints.extend(error.hint());
        error.to_string()
    }

    async fn tags(&mut self, image: &Reference) -> Result<Vec<String>, String> {
        let key = (image.host.clone(), image.path.clone());
        if !self.tags.contains_key(&key) {
            let tags = self.registry.tags(image).await;
            let tags = tags.map_err(|error| self.failed(&error));
            self.tags.insert(key.clone(), tags);
        }
        self.tags[&key].clone()
    }

    async fn facts(&mut self, image: &Reference) -> Result<Facts, String> {
        let key = image.with(&image.tag, None);
        if !self.facts.contains_key(&key) {
            let facts = self.registry.facts(&key).await;
            let facts = facts.map_err(|error| self.failed(&error));
            self.facts.insert(key.clone(), facts);
        }
        self.facts[&key].clone()
    }

    /// The same tags, with the digests that they have now.
    async fn pinned(&mut self, choice: &Choice) -> Result<Choice, String> {
        let mut pinned = Vec::new();
        for image in choice {
            let digest = self.registry.digest(image).await;
            let digest = digest.map_err(|error| self.failed(&error))?;
            pinned.push(image.with(&image.tag, Some(&digest)));
        }
        Ok(pinned)
    }

    /// Whether all images of a choice are as old as they have to be.
    async fn is_old(&mut self, choice: &Choice, least: SignedDuration) -> Result<bool, String> {
        for image in choice {
            let facts = self.facts(image).await?;
            let created = built(&facts.created, self.now);
            if created.is_none() {
                let said = facts.created.first().map(|at| format!(" (it says {at})"));
                self.session.ui.warn(format_args!(
                    "the age of {} is unknown{}: it is left out",
                    image.written(),
                    said.unwrap_or_default()
                ));
            }
            if !is_old_enough(created, least, self.now) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
