//! What tests have in common in which people sign in to one app through another.

use super::{
    common::{Cleanup, ports},
    operator::domain,
};

/// Who can sign in at the provider.
pub const ACCOUNTS: &str = r#"[
    {"login": "ada", "password": "pw of ada", "name": "Ada L.", "email": "ada@example.org",
     "groups": ["editors", "family"]},
    {"login": "bob", "password": "pw of bob", "name": "Bob", "email": "bob@example.org",
     "groups": ["family"]}
]"#;

/// An app that a browser reaches.
pub struct App {
    pub domain: String,
    /// Where it is reached: its domain, which only the browser knows, or this machine's address.
    pub host: String,
    pub port: u16,
    _cleanup: Cleanup,
}

impl App {
    pub fn new(room: &str) -> Self {
        let (domain, stack) = domain(room);
        App { host: domain.clone(), domain, port: ports(), _cleanup: Cleanup::new(&stack) }
    }

    pub fn url(&self) -> String {
        format!("http://{}:{}", self.host, self.port)
    }
}
