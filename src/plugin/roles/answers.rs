//! Checks of what plugins answer about signing in, mail and changes: names and
//! URLs are valid, and no answer asks for what the plugin may not do.

use std::collections::BTreeSet;

use url::Url;

use crate::{
    home::Grant,
    plugin::{
        Changes, Client, ClientRequest, Encryption, Error, Hooks, Relay,
        bindings::{changes, mail_types, sso_types},
        hooks::Call,
    },
    secrets::MAX_SIZE,
};

/// Entries of a list.
const MANY: usize = 200;
/// Bytes of a name, a URL, an address.
const SHORT: usize = 2048;
/// Bytes of a setting's value.
const VALUE: usize = 64 << 10;
/// Settings that identify the app: a plugin that could set them could
/// impersonate another app.
const FIXED: [&str; 5] = ["TYPE", "RECIPE", "DOMAIN", "STACK_NAME", "COMPOSE_FILE"];

impl Hooks {
    pub(super) fn changes(&self, call: Call, asked: changes::Changes) -> Result<Changes, Error> {
        let wrong = |message: String| Err(self.answer(call, message));
        let lists = [
            asked.settings.len(),
            asked.secrets.len(),
            asked.overlays_on.len(),
            asked.overlays_off.len(),
        ];
        if lists.into_iter().any(|length| length > MANY) {
            return wrong(format!("more than {MANY} changes of one kind"));
        }
        let mut names = BTreeSet::new();
        for (key, value) in &asked.settings {
            if !setting_name(key) {
                return wrong(format!("{key:?} is not the name of a setting"));
            }
            if FIXED.contains(&key.as_str()) {
                return wrong(format!("plugins cannot change the setting `{key}`"));
            }
            if !names.insert(key) {
                return wrong(format!("the setting `{key}` is changed twice"));
            }
            let value = value.as_deref().unwrap_or_default();
            if value.len() > VALUE || value.contains(|c: char| c.is_control()) {
                return wrong(format!("the value for `{key}` is not one line of text"));
            }
        }
        let mut names = BTreeSet::new();
        for (name, value) in &asked.secrets {
            self.store.data().revealed.remember(value);
            // Names that could not be granted are not granted either.
            let grant = Grant::Secret(name.clone());
            if !self.store.data().surroundings.grants.contains(&grant) {
                return Err(self.denied(call, &grant));
            }
            if !names.insert(name) {
                return wrong(format!("the secret `{name}` is set twice"));
            }
            if value.is_empty() || value.len() > MAX_SIZE {
                return wrong(format!("the secret `{name}` has between 1 and {MAX_SIZE} bytes"));
            }
        }
        let mut names = BTreeSet::new();
        for overlay in asked.overlays_on.iter().chain(&asked.overlays_off) {
            if !overlay_name(overlay) {
                return wrong(format!("{overlay:?} is not an overlay, `compose.NAME.yml`"));
            }
            if !names.insert(overlay) {
                return wrong(format!("the overlay `{overlay}` is named twice"));
            }
        }
        Ok(Changes {
            settings: asked.settings,
            secrets: asked.secrets.into_iter().map(|(name, value)| (name, value.into())).collect(),
            overlays_on: asked.overlays_on,
            overlays_off: asked.overlays_off,
        })
    }

    pub(super) fn client_request(
        &self,
        call: Call,
        asked: sso_types::ClientRequest,
    ) -> Result<ClientRequest, Error> {
        let wrong = |message: String| Err(self.answer(call, message));
        let stack = &self.store.data().surroundings.facts.stack;
        if asked.client != *stack {
            return wrong(format!("the client is {:?}, not the app's own `{stack}`", asked.client));
        }
        if asked.redirect_uris.is_empty() {
            return wrong("it names no redirect URI".into());
        }
        let uris = asked.redirect_uris.iter().chain(&asked.post_logout_uris);
        if uris.clone().count() > MANY || asked.scopes.len() > MANY {
            return wrong(format!("more than {MANY} URIs or scopes"));
        }
        for uri in uris.chain(&asked.home_url) {
            if !returns_to(uri) {
                return wrong(format!("{uri:?} is not an absolute URI that people can return to"));
            }
        }
        if let Some(bad) = asked.scopes.iter().find(|scope| !token(scope)) {
            return wrong(format!("{bad:?} is not a scope"));
        }
        Ok(ClientRequest {
            client: asked.client,
            display_name: self.line(&asked.display_name),
            home_url: asked.home_url,
            redirect_uris: asked.redirect_uris,
            post_logout_uris: asked.post_logout_uris,
            scopes: asked.scopes,
            public: asked.public,
        })
    }

    pub(super) fn client(
        &self,
        call: Call,
        given: sso_types::Client,
        public: bool,
    ) -> Result<Client, Error> {
        let wrong = |message: String| Err(self.answer(call, message));
        if let Some(secret) = &given.client_secret {
            self.store.data().revealed.remember(secret);
        }
        // OpenID Connect Discovery 1.0, 3: no query and no fragment.
        let issuer = Url::parse(&given.issuer).ok().filter(|url| {
            matches!(url.scheme(), "http" | "https")
                && url.query().is_none()
                && url.fragment().is_none()
                && url.username().is_empty()
                && url.password().is_none()
        });
        if issuer.is_none() || given.issuer.len() > SHORT {
            return wrong(format!("{:?} is not an issuer", given.issuer));
        }
        if !printable(&given.client_id) {
            return wrong("the client's id is not a printable name".into());
        }
        match &given.client_secret {
            None if !public => {
                return wrong("it gives no secret for a client that is not public".into());
            }
            Some(secret) if !printable(secret) => {
                return wrong("the client's secret is not one line of text".into());
            }
            _ => {}
        }
        if given.groups_claim.as_ref().is_some_and(|claim| !token(claim)) {
            return wrong("the claim for groups is not a name".into());
        }
        Ok(Client {
            issuer: given.issuer,
            client_id: given.client_id,
            client_secret: given.client_secret.map(Into::into),
            groups_claim: given.groups_claim,
        })
    }

    pub(super) fn relay(&self, call: Call, given: mail_types::Relay) -> Result<Relay, Error> {
        let wrong = |message: String| Err(self.answer(call, message));
        if let Some(password) = &given.password {
            self.store.data().revealed.remember(password);
        }
        if given.host.len() > SHORT || url::Host::parse(&given.host).is_err() {
            return wrong(format!("{:?} is not a host", given.host));
        }
        if given.port == 0 {
            return wrong("the relay's port is 0".into());
        }
        if !address(&given.sender) {
            return wrong(format!("{:?} is not an address to send from", given.sender));
        }
        for text in given.username.iter().chain(&given.password) {
            if !printable(text) {
                return wrong("the relay's user name or password is not one line of text".into());
            }
        }
        Ok(Relay {
            host: given.host,
            port: given.port,
            encryption: match given.encryption {
                mail_types::Encryption::None => Encryption::None,
                mail_types::Encryption::Starttls => Encryption::StartTls,
                mail_types::Encryption::Tls => Encryption::Tls,
            },
            username: given.username,
            password: given.password.map(Into::into),
            sender: given.sender,
        })
    }
}

fn setting_name(key: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !key.is_empty()
        && key.len() <= 128
        && !key.starts_with(|c: char| c.is_ascii_digit())
        && key.chars().all(word)
}

/// A file of the recipe's own folder that compose reads on top of `compose.yml`.
fn overlay_name(name: &str) -> bool {
    let stem = name
        .strip_prefix("compose.")
        .and_then(|rest| rest.strip_suffix(".yml").or_else(|| rest.strip_suffix(".yaml")));
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    stem.is_some_and(|stem| !stem.is_empty() && stem.chars().all(plain)) && name.len() <= 200
}

/// An absolute URI without a fragment (RFC 6749, 3.1.2), of a kind that does not
/// run in the browser.
fn returns_to(uri: &str) -> bool {
    // `Url` passes over tabs and line breaks.
    uri.len() <= SHORT
        && !uri.contains(|c: char| c.is_control() || c.is_whitespace())
        && Url::parse(uri).is_ok_and(|url| {
            url.fragment().is_none()
                && !matches!(url.scheme(), "javascript" | "data" | "vbscript" | "file" | "blob")
        })
}

/// A scope (RFC 6749, 3.3), a claim: printable ASCII without blanks.
fn token(text: &str) -> bool {
    !text.is_empty() && text.len() <= 200 && text.bytes().all(|b| b.is_ascii_graphic() && b != b'"')
}

fn printable(text: &str) -> bool {
    !text.is_empty() && text.len() <= SHORT && !text.contains(|c: char| c.is_control())
}

fn address(text: &str) -> bool {
    printable(text)
        && !text.contains(char::is_whitespace)
        && text
            .rsplit_once('@')
            .is_some_and(|(name, domain)| !name.is_empty() && !domain.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_names() {
        for (check, good, bad) in [
            (
                setting_name as fn(&str) -> bool,
                &["A", "OIDC_ID", "_x9"][..],
                &["", "9A", "A-B", "A=B", "A\n", "Ä"][..],
            ),
            (
                overlay_name,
                &["compose.oidc.yml", "compose.a-b.c.yaml"],
                &["compose.yml", "compose..yml/", "../compose.x.yml", "compose.x/y.yml", "x.yml"],
            ),
            (
                returns_to,
                &["https://wiki.example.org/cb?x=1", "app.example://cb", "http://localhost:1/"],
                &[
                    "",
                    "/cb",
                    "https://a/#x",
                    "https://a/\nb",
                    "https://a/ b",
                    "javascript:alert(1)",
                    "data:text/html,x",
                ],
            ),
            (token, &["openid", "https://x/y"], &["", "a b", "a\"b", "é"]),
            (address, &["wiki@example.org"], &["", "wiki", "@x", "a@", "a b@c", "a@b\r\nBcc: c"]),
        ] {
            for text in good {
                assert!(check(text), "{text:?}");
            }
            for text in bad {
                assert!(!check(text), "{text:?}");
            }
        }
    }
}
