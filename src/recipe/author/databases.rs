//! New major versions of databases: the data that the old one wrote has to be moved, or cannot
//! be used by the old one any more, so that they are never chosen by the way.

use super::{reference::Reference, tag::leading};
use crate::recipe::family::{self, Family, Kind, Majors};

/// Since this version the image of PostgreSQL keeps its data in a folder of the version's own
/// (docker-library/postgres, pull request 1259).
const POSTGRES_MOVED: u64 = 18;

/// A step from one major version of a database to another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MajorStep {
    /// `PostgreSQL`
    pub database: &'static str,
    /// `16`
    pub from: String,
    pub to: String,
    advice: String,
}

impl MajorStep {
    /// None within a major version, and for what is not a database.
    pub fn of(image: &Reference, tag: &str) -> Option<Self> {
        let family = family::of(&image.written())?;
        let majors = family.majors.as_ref()?;
        let from = version(family, majors, &image.tag)?;
        let to = version(family, majors, tag)?;
        if from == to {
            return None;
        }
        let mut advice = majors.advice.to_owned();
        if family.kind == Kind::Postgres && from[0] < POSTGRES_MOVED && to[0] >= POSTGRES_MOVED {
            advice += "; from 18 on the image keeps it in /var/lib/postgresql/18/docker, so mount \
                       the volume at /var/lib/postgresql";
        }
        let shown =
            |numbers: &[u64]| numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(".");
        Some(MajorStep { database: family.name, from: shown(&from), to: shown(&to), advice })
    }

    /// What must be done, as a sentence without its dot.
    pub fn warning(&self) -> String {
        let MajorStep { database, from, to, advice } = self;
        format!("{to} is a new major version of {database} after {from}: {advice}")
    }
}

/// The numbers that are the same within a major version.
fn version(family: &Family, majors: &Majors, tag: &str) -> Option<Vec<u64>> {
    if family.kind == Kind::Postgres {
        // Images of its extensions: `0.8.1-pg17`, `pg17-v0.4.3`.
        let behind = tag.split(['-', '_']).find_map(|part| part.strip_prefix("pg"));
        if let Some(number) = behind.and_then(|number| number.split('.').next()?.parse().ok()) {
            return Some(vec![number]);
        }
    }
    let mut numbers = leading(tag)?;
    // 9.5 and 9.6 were major versions.
    let is_old = family.kind == Kind::Postgres && numbers[0] < 10;
    numbers.truncate(majors.numbers + usize::from(is_old));
    Some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn major_versions_of_databases_are_known() {
        for (image, tag, expected) in [
            ("postgres:16-alpine", "17-alpine", Some("PostgreSQL 16 17")),
            ("postgres:16.3", "16.4", None),
            ("postgres:9.5", "9.6", Some("PostgreSQL 9.5 9.6")),
            ("pgvector/pgvector:0.8.0-pg16", "0.8.1-pg16", None),
            ("pgvector/pgvector:0.8.0-pg16", "0.8.1-pg17", Some("PostgreSQL 16 17")),
            ("ghcr.io/a/postgres:14-x0.4.3", "15-x0.4.3", Some("PostgreSQL 14 15")),
            ("mariadb:10.6.1", "10.11.2", Some("MariaDB 10.6 10.11")),
            ("mariadb:11.4.1", "11.4.9", None),
            ("mysql:8.0", "8.4", Some("MySQL 8.0 8.4")),
            ("redis:7.2-alpine", "8.0-alpine", Some("Redis 7 8")),
            ("valkey/valkey:8.0", "8.1", None),
            ("mongo:7.0", "8.0", Some("MongoDB 7.0 8.0")),
            ("elasticsearch:8.1.0", "9.0.0", Some("Elasticsearch 8 9")),
            ("clickhouse/clickhouse-server:24.8", "25.3", Some("ClickHouse 24 25")),
            ("nginx:1", "2", None),
            ("postgres:latest", "17", None),
        ] {
            let step = MajorStep::of(&Reference::parse(image).unwrap(), tag);
            let found = step.map(|step| format!("{} {} {}", step.database, step.from, step.to));
            assert_eq!(found.as_deref(), expected, "{image} {tag}");
        }
    }

    #[test]
    fn the_new_place_of_postgres_is_named_once() {
        for (from, to, expected) in [("16", "17", false), ("17", "18", true), ("18", "19", false)] {
            let image = Reference::parse(&format!("postgres:{from}")).unwrap();
            let warning = MajorStep::of(&image, to).unwrap().warning();
            assert_eq!(warning.contains("/var/lib/postgresql/18/docker"), expected, "{warning}");
            assert!(warning.contains("dump"), "{warning}");
        }
    }
}
