//! `profiles` of the Compose specification: services that are left out unless
//! one of their profiles is on. Docker refuses them in a stack.

use std::collections::{BTreeMap, BTreeSet};

use crate::compose::model::{File, FileObject, Service};

/// Profiles as `COMPOSE_PROFILES` lists them, separated by commas.
pub fn parse(text: &str) -> BTreeSet<String> {
    text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// Removes the services whose profiles are not active, and the secrets and
/// configs that only they use. All others are kept, used or not, because docker creates them all.
pub fn select(file: &mut File, on: &BTreeSet<String>) {
    let stays = |service: &Service| {
        service.profiles.is_empty()
            || on.contains("*")
            || service.profiles.iter().any(|profile| on.contains(profile))
    };
    // Nearly always; what follows makes the whole tree anew.
    if file.services.values().all(stays) {
        return;
    }
    let (stay, off): (BTreeMap<_, _>, BTreeMap<_, _>) =
        std::mem::take(&mut file.services).into_iter().partition(|(_, service)| stays(service));
    keep(&mut file.secrets, &off, &stay, |service| {
        service.secrets.iter().map(|secret| secret.it.source.as_str()).collect()
    });
    keep(&mut file.configs, &off, &stay, |service| {
        let mounted = service.configs.iter().map(|config| config.it.source.as_str());
        mounted.chain([service.credential_spec.config.as_str()]).collect()
    });
    file.services = stay;
}

/// Keeps the objects that a remaining service uses, or that none uses.
fn keep(
    objects: &mut BTreeMap<String, FileObject>,
    off: &BTreeMap<String, Service>,
    stay: &BTreeMap<String, Service>,
    used_by: impl Fn(&Service) -> Vec<&str>,
) {
    let uses = |services: &BTreeMap<String, Service>, name: &str| {
        services.values().any(|service| used_by(service).contains(&name))
    };
    objects.retain(|name, _| !uses(off, name) || uses(stay, name));
}
