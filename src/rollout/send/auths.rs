//! Credentials that go along to the swarm, so that its nodes can pull images of
//! private registries, and the engine can ask these for digests.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future;

use crate::{
    compose::value::image::Image,
    engine::{RegistryAuth, api, docker_config::DockerConfig},
};

use crate::rollout::{Error, work::image_of};

/// Which credentials go along.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SendAuth {
    /// None; the swarm keeps those that it has for a service.
    Never,
    /// Known credentials, but only with tasks that are created anyway: swarm treats changed
    /// credentials, which may be tokens of a few minutes, as a new task and would restart
    /// it. A failing helper is a warning.
    #[default]
    WhereKnown,
    /// With every service, and an explicit empty value if there are
    /// none (`docker stack deploy --with-registry-auth`).
    Always,
}

/// The credentials that a deploy needs, by registry.
#[derive(Debug, Default)]
pub(crate) struct Auths {
    mode: SendAuth,
    by_registry: BTreeMap<String, RegistryAuth>,
}

/// What an update does to a service's tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tasks {
    /// They are made, or made anew.
    New,
    Kept,
}

impl Auths {
    /// Asks docker's configuration, each registry once.
    ///
    /// # Errors
    /// What the configuration says, with [`SendAuth::Always`]; otherwise that is
    /// a warning.
    pub async fn read<'a>(
        config: &DockerConfig,
        mode: SendAuth,
        images: impl IntoIterator<Item = &'a str>,
    ) -> Result<(Self, Vec<String>), Error> {
        let mut auths = Auths { mode, by_registry: BTreeMap::new() };
        let mut warnings = Vec::new();
        if mode == SendAuth::Never {
            return Ok((auths, warnings));
        }
        let registries: BTreeSet<String> = images.into_iter().filter_map(registry_of).collect();
        let answers = registries.iter().map(|registry| config.credentials(registry));
        for (registry, answer) in registries.iter().zip(future::join_all(answers).await) {
            match answer {
                Ok(Some(auth)) => {
                    auths.by_registry.insert(registry.clone(), auth);
                }
                Ok(None) => {}
                Err(error) if mode == SendAuth::Always => return Err(error.into()),
                Err(error) => warnings.push(error.to_string()),
            }
        }
        Ok((auths, warnings))
    }

    /// What to ask the registry of an image with.
    pub fn for_lookup(&self, image: &str) -> Option<RegistryAuth> {
        let known = registry_of(image).and_then(|r| self.by_registry.get(&r)).cloned();
        match self.mode {
            SendAuth::Always => known.or_else(|| Some(RegistryAuth::none())),
            SendAuth::Never | SendAuth::WhereKnown => known,
        }
    }

    /// What to send with a service.
    pub fn for_service(&self, spec: &api::ServiceSpec, tasks: Tasks) -> Option<RegistryAuth> {
        match self.mode {
            SendAuth::WhereKnown if tasks == Tasks::Kept => None,
            _ => self.for_lookup(image_of(spec)?),
        }
    }
}

fn registry_of(image: &str) -> Option<String> {
    Some(Image::parse(image)?.domain)
}
