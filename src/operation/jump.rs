//! Databases whose major version changes on the volume that they have: their files are of
//! the old one, and the new one refuses them, or spoils them.

use crate::{
    engine::api,
    recipe::database::Database,
    rollout::work::{Work, image_of},
    text::line,
};

/// Databases that the work takes to a version which cannot use their files, one line each.
pub(super) fn jumps(work: &Work) -> Vec<String> {
    let jump = |before: &api::ServiceSpec, after: &api::ServiceSpec, key: &str| {
        let volume = shared_volume(before, after)?;
        let (from, to) = (image_of(before)?, image_of(after)?);
        let told = told(from, to)?;
        Some(format!("{key}: {told}, on the volume `{}`", line(volume)))
    };
    let services = work.services.iter();
    services.filter_map(|it| jump(it.before.as_ref()?.spec.as_ref()?, &it.spec, &it.key)).collect()
}

/// What is wrong with going from one image to another; none if nothing is known to be.
fn told(from: &str, to: &str) -> Option<String> {
    let (from, to) = (Database::of(from)?, Database::of(to)?);
    let told = || format!("{} {} → {}", to.family.name, from.version(), to.version());
    (!to.bears_files_of(&from)).then(told)
}

/// A named volume that both have.
fn shared_volume<'a>(before: &'a api::ServiceSpec, after: &api::ServiceSpec) -> Option<&'a str> {
    volumes(before).find(|volume| volumes(after).any(|other| other == *volume))
}

fn volumes(spec: &api::ServiceSpec) -> impl Iterator<Item = &str> {
    let container = spec.task_template.as_ref().and_then(|task| task.container_spec.as_ref());
    let mounts = container.and_then(|container| container.mounts.as_ref()).into_iter().flatten();
    mounts
        .filter(|mount| mount.typ == Some(api::MountType::VOLUME))
        .filter_map(|mount| mount.source.as_deref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_databases_files_do_not_bear_is_told() {
        for (from, to, said) in [
            ("postgres:15", "postgres:16-alpine", Some("PostgreSQL 15 → 16")),
            ("postgres:15.3", "docker.io/library/postgres:15.9", None),
            ("mariadb:11.4", "mariadb:10.11", Some("MariaDB 11.4 → 10.11")),
            ("postgres:latest", "postgres:16", None),
            ("registry.example:5000/wiki", "registry.example:5000/wiki:2", None),
        ] {
            assert_eq!(told(from, to).as_deref(), said, "{from} {to}");
        }
    }
}
