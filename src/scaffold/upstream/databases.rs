//! Which database of a server an app uses, where the server's own variables do not say it: an
//! app that makes its database itself names it in its address, or beside its host.

use std::collections::BTreeMap;

use crate::recipe::family::Kind;

use super::{
    draft::{Draft, Service},
    project::Project,
};

/// Variables with which a server makes a database, each also as `…_FILE`.
const OWN: &[&str] = &["POSTGRES_DB", "MARIADB_DATABASE", "MYSQL_DATABASE"];
/// Ends of the names of variables that hold a host, and of those beside them that hold the
/// database's name.
const HOSTS: &[&str] = &["HOSTNAME", "HOST", "SERVER"];
const NAMES: &[&str] = &["DATABASE_NAME", "DATABASE", "DBNAME", "DB_NAME", "NAME", "DB"];

/// What to dump, by the service of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Database {
    /// The server says it.
    Own,
    /// The name that its clients use.
    Named(String),
    Unknown,
}

/// For each database server its database. To be called while passwords and hosts are where the
/// upstream has them.
pub fn find(draft: &Draft, project: &Project) -> BTreeMap<usize, Database> {
    let is_store =
        |service: &Service| matches!(service.kind(), Some(Kind::Postgres | Kind::Mariadb));
    let stores = draft.services.iter().enumerate().filter(|(_, service)| is_store(service));
    let found = stores.map(|(index, store)| {
        let says = |name: &&str| {
            store.env.iter().any(|it| it.key == **name || it.key == format!("{name}_FILE"))
        };
        let database = if OWN.iter().any(says) {
            Database::Own
        } else {
            let clients = draft.services.iter().filter(|service| !is_store(service));
            let named = clients.filter_map(|client| of_client(client, &store.key, project)).next();
            named.map_or(Database::Unknown, Database::Named)
        };
        (index, database)
    });
    found.collect()
}

/// The database that a service uses of a server, by the name of its host.
fn of_client(client: &Service, host: &str, project: &Project) -> Option<String> {
    let value = |key: &str| {
        let found = client.env.iter().find(|it| it.key.eq_ignore_ascii_case(key))?;
        let written = found.value.clone().unwrap_or_else(|| format!("${{{key}}}"));
        Some(project.resolved(&written).trim_matches(['"', '\'']).to_owned())
    };
    let good = |name: &String| {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
        !name.is_empty() && name.chars().all(is_plain)
    };
    for variable in &client.env {
        let Some(text) = value(&variable.key) else { continue };
        if let Some(name) = in_address(&text, host).filter(good) {
            return Some(name);
        }
        let is_host = text.split(':').next() == Some(host);
        let upper = variable.key.to_ascii_uppercase();
        let prefix = HOSTS.iter().find_map(|end| upper.strip_suffix(end)).filter(|_| is_host);
        let beside = |prefix: &str| NAMES.iter().find_map(|end| value(&format!("{prefix}{end}")));
        if let Some(name) = prefix.and_then(beside).filter(good) {
            return Some(name);
        }
    }
    None
}

/// The path of an address of this host: `postgres://user:password@db:5432/wiki?x=y`.
fn in_address(text: &str, host: &str) -> Option<String> {
    let (_, rest) = text.split_once("://")?;
    let (server, path) = rest.split_once('/')?;
    let server = server.rsplit_once('@').map_or(server, |(_, server)| server);
    let is_it = server.split(':').next() == Some(host);
    is_it.then(|| path.split(['?', '#']).next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_name_a_database() {
        for (text, name) in [
            ("postgres://me:p@db:5432/wiki?ssl=no", Some("wiki")),
            ("mysql://db/wiki", Some("wiki")),
            ("postgres://me:p@other/wiki", None),
            ("redis://db:6379", None),
            ("db", None),
        ] {
            assert_eq!(in_address(text, "db").as_deref(), name, "{text}");
        }
    }
}
