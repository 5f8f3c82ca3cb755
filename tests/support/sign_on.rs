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

/// With it, apps register themselves.
pub const INITIAL_TOKEN: &str = "the-initial-access-token-of-the-provider";

/// An example of a provider, and what its pages are like.
#[derive(Debug, Clone, Copy)]
pub struct Provider {
    pub recipe: &'static str,
    pub login: &'static str,
    /// The button that lets an app know who somebody is.
    pub consent: &'static str,
    /// It remembers a person's consent, whichever browser they come with.
    pub remembers: bool,
    /// The button that signs somebody out there, too.
    pub sign_out: &'static str,
    /// What people see whom an unknown app has sent.
    pub unknown: &'static str,
    /// It says so only to people who have signed in.
    pub asks_first: bool,
    /// Loses the clients, as a restore of an older backup does.
    pub lose: &'static [&'static str],
}

pub const OIDC_PROVIDER: Provider = Provider {
    recipe: "oidc-provider",
    login: "input[name=login]",
    consent: "button[name=consent]",
    remembers: false,
    sign_out: "button[name=logout]",
    unknown: "No client is called",
    asks_first: false,
    lose: &["rm", "-r", "/data/Client"],
};

pub const LEMONLDAP_NG: Provider = Provider {
    recipe: "lemonldap-ng",
    login: "input[name=user]",
    consent: "button.positive",
    remembers: true,
    sign_out: "button.positive",
    unknown: "This application is not known",
    asks_first: true,
    // Each is a whole configuration; the first one is from before there were any clients.
    lose: &["sh", "-c", "rm $(grep -l oidcRPMetaDataOptionsClientID /data/conf/lmConf-*.json)"],
};

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
