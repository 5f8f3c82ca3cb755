//! Databases by their images: of which major version a tag is, and which changes of it the
//! files that a database wrote bear. Authors are told before they raise a tag, operators
//! before they upgrade an app.

use super::{
    author::leading,
    family::{self, Bears, Family, Kind, Majors},
};
use crate::compose::image::Image;

/// A database of a major version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    pub family: &'static Family,
    pub majors: &'static Majors,
    /// The numbers that are the same within a major version.
    pub major: Vec<u64>,
}

impl Database {
    /// The database that an image runs, if it is one, and its tag says the version.
    pub fn of(image: &str) -> Option<Self> {
        let tag = Image::parse(image)?.tag?;
        Self::tagged(image, &tag)
    }

    /// The same with another tag.
    pub fn tagged(image: &str, tag: &str) -> Option<Self> {
        let family = known(image)?;
        let majors = family.majors.as_ref()?;
        Some(Database { family, majors, major: major(family, majors, tag)? })
    }

    /// `16`
    pub fn version(&self) -> String {
        self.major.iter().map(u64::to_string).collect::<Vec<_>>().join(".")
    }

    /// Whether it may be started with the files of another version; true where nothing is
    /// known of it.
    pub fn bears_files_of(&self, before: &Self) -> bool {
        if self.family.name != before.family.name {
            return true;
        }
        match self.majors.bears {
            Bears::Nothing => self.major == before.major,
            Bears::OneUp => {
                let (from, to) = (before.major.first(), self.major.first());
                to == from || to.copied() == from.and_then(|from| from.checked_add(1))
            }
            Bears::Up => self.major >= before.major,
            Bears::Unknown => true,
        }
    }
}

/// The family of an image. What others call by a database's name is one, too: its variables
/// are other ones, its files are not.
fn known(image: &str) -> Option<&'static Family> {
    if let Some(family) = family::of(image) {
        return Some(family);
    }
    let image = Image::parse(image)?;
    match image.path.rsplit('/').next()? {
        "postgres" | "postgresql" | "postgis" | "pgvector" | "timescaledb" => {
            family::of("postgres")
        }
        "mariadb" => family::of("mariadb"),
        "mysql" | "percona" => family::of("mysql"),
        "mongo" | "mongodb" => family::of("mongo"),
        _ => None,
    }
}

fn major(family: &Family, majors: &Majors, tag: &str) -> Option<Vec<u64>> {
    if family.kind == Kind::Postgres {
        // Images of its extensions: `pg16`, `0.8.1-pg17`, `pg17-v0.4.3`.
        let behind = tag.split(['-', '_']).find_map(|part| part.strip_prefix("pg"));
        if let Some(number) = behind.and_then(|number| number.split('.').next()?.parse().ok()) {
            return Some(vec![number]);
        }
    }
    let mut numbers = leading(tag)?;
    // 9.5 and 9.6 were major versions.
    let is_old = family.kind == Kind::Postgres && numbers.first().is_some_and(|first| *first < 10);
    numbers.truncate(majors.numbers + usize::from(is_old));
    Some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_of_a_database_is_in_its_tag() {
        for (image, expected) in [
            ("postgres:16.3-alpine", Some("PostgreSQL 16")),
            ("postgres:9.6", Some("PostgreSQL 9.6")),
            ("pgvector/pgvector:pg16", Some("PostgreSQL 16")),
            ("timescale/timescaledb:2.14.2-pg16", Some("PostgreSQL 16")),
            ("bitnami/postgresql:15.1.0", Some("PostgreSQL 15")),
            ("mariadb:10.11.2", Some("MariaDB 10.11")),
            ("bitnami/mariadb:11.4", Some("MariaDB 11.4")),
            ("percona/percona-server-mongodb:7.0", None),
            (
                "mongo:7.0@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                Some("MongoDB 7.0"),
            ),
            ("postgres:latest", None),
            ("postgres", None),
            ("registry.example:5000/wiki:2", None),
            ("pgautoupgrade/pgautoupgrade:15", None),
        ] {
            let found =
                Database::of(image).map(|it| format!("{} {}", it.family.name, it.version()));
            assert_eq!(found.as_deref(), expected, "{image}");
        }
    }

    #[test]
    fn the_files_of_a_database_bear_some_changes() {
        for (from, to, bears) in [
            ("postgres:15", "postgres:16-alpine", false),
            ("postgres:15.3", "postgres:15.9", true),
            ("postgres:9.5", "postgres:9.6", false),
            ("bitnami/postgresql:15.1.0", "postgres:16", false),
            ("mariadb:10.6", "mariadb:11.4", true),
            ("mariadb:10.11", "mariadb:10.6", false),
            ("mariadb:11", "mariadb:11.4", true),
            ("mongo:5", "mongo:6.0", true),
            ("mongo:4.4", "mongo:5.0", true),
            ("mongo:5", "mongo:7", false),
            ("mongo:6", "mongo:5", false),
            ("clickhouse:24", "clickhouse:25", true),
            ("postgres:15", "mariadb:11", true),
        ] {
            let [from, to] = [from, to].map(|image| Database::of(image).unwrap());
            assert_eq!(to.bears_files_of(&from), bears, "{from:?} {to:?}");
        }
    }
}
