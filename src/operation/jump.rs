//! Databases whose major version changes on the volume that they have: their files are of
//! the old one, and the new one refuses them, or spoils them.

use crate::{
    engine::api,
    rollout::work::{Work, image_of},
    text::line,
};

/// Which changes of the major version a database's files bear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bears {
    /// None: <https://www.postgresql.org/docs/current/upgrading.html>.
    Nothing,
    /// Upwards, one after the other:
    /// <https://www.mongodb.com/docs/manual/release-notes/7.0-upgrade-standalone/>.
    OneUp,
    /// Upwards: <https://mariadb.com/kb/en/upgrading/>,
    /// <https://dev.mysql.com/doc/refman/8.4/en/upgrade-paths.html>.
    Up,
}

/// Images by the last part of their names.
const KNOWN: [(&str, Bears); 10] = [
    ("postgres", Bears::Nothing),
    ("postgresql", Bears::Nothing),
    ("postgis", Bears::Nothing),
    ("pgvector", Bears::Nothing),
    ("timescaledb", Bears::Nothing),
    ("mariadb", Bears::Up),
    ("mysql", Bears::Up),
    ("percona", Bears::Up),
    ("mongo", Bears::OneUp),
    ("mongodb", Bears::OneUp),
];

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
    let ((name, before), (other, after)) = (version(from)?, version(to)?);
    let bears = |wanted| KNOWN.iter().find(|(name, _)| *name == wanted).map(|(_, bears)| *bears);
    if bears(name)? != bears(other)? {
        return None;
    }
    let fits = match bears(name)? {
        Bears::Nothing => before == after,
        Bears::OneUp => after == before || after == before + 1,
        Bears::Up => after >= before,
    };
    (!fits).then(|| format!("{name} {before} → {after}"))
}

/// The known name of an image, and its major version.
fn version(image: &str) -> Option<(&str, u32)> {
    let image = image.split('@').next()?;
    let (name, tag) = image.rsplit('/').next()?.split_once(':')?;
    KNOWN.iter().find(|(known, _)| *known == name)?;
    // pgvector's `pg16`, timescale's `2.14.2-pg16`.
    let of_server = tag.split(['-', '_']).find_map(|part| part.strip_prefix("pg"));
    let text = of_server.unwrap_or(tag);
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((name, text[..end].parse().ok()?))
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
            ("postgres:15", "postgres:16-alpine", Some("postgres 15 → 16")),
            ("postgres:15.3@sha256:00", "docker.io/library/postgres:15.9", None),
            ("postgres:16", "postgres:15", Some("postgres 16 → 15")),
            ("bitnami/postgresql:15.1.0", "postgres:16", Some("postgresql 15 → 16")),
            ("pgvector/pgvector:pg16", "pgvector/pgvector:0.8.0-pg17", Some("pgvector 16 → 17")),
            ("timescale/timescaledb:2.14.2-pg16", "timescale/timescaledb:2.17.0-pg16", None),
            ("mariadb:10.11", "mariadb:11.4", None),
            ("mariadb:11.4", "mariadb:10.11", Some("mariadb 11 → 10")),
            ("mongo:5", "mongo:6.0", None),
            ("mongo:5", "mongo:7", Some("mongo 5 → 7")),
            // Nothing is known of these.
            ("postgres:latest", "postgres:16", None),
            ("postgres", "postgres:16", None),
            ("postgres:15", "mariadb:11", None),
            ("registry.example:5000/wiki", "registry.example:5000/wiki:2", None),
            ("pgautoupgrade/pgautoupgrade:15", "pgautoupgrade/pgautoupgrade:16", None),
        ] {
            assert_eq!(told(from, to).as_deref(), said, "{from} {to}");
        }
    }
}
