//! New major versions of databases: the data that the old one wrote has to be moved, or cannot
//! be used by the old one any more, so that they are never chosen by the way.

use super::reference::Reference;
use crate::recipe::{database::Database, family::Kind};

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
        let image = image.written();
        let from = Database::of(&image)?;
        let to = Database::tagged(&image, tag)?;
        if from.major == to.major {
            return None;
        }
        let mut advice = from.majors.advice.to_owned();
        let is_before = |database: &Database| database.major < vec![POSTGRES_MOVED];
        if from.family.kind == Kind::Postgres && is_before(&from) && !is_before(&to) {
            advice += "; from 18 on the image keeps it in /var/lib/postgresql/18/docker, so mount \
                       the volume at /var/lib/postgresql";
        }
        let (database, from, to) = (from.family.name, from.version(), to.version());
        Some(MajorStep { database, from, to, advice })
    }

    /// What must be done, as a sentence without its dot.
    pub fn warning(&self) -> String {
        let MajorStep { database, from, to, advice } = self;
        format!("{to} is a new major version of {database} after {from}: {advice}")
    }
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
