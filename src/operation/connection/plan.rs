//! What connecting an app would change, known before anything is made at the provider.
//!
//! The app's plugin is asked with what was recorded of the connection, or with stand-ins
//! where nothing is known yet, so that the plan has every setting, secret and overlay; what
//! only the provider can say is called that.

use std::collections::BTreeSet;

use crate::{
    home::{
        Connection, ConnectionKind, EnvFile,
        connection::{Held, HeldClient},
        encryption::Encryption,
    },
    plugin::{Changes, Client, Hidden, Relay},
    rollout::{Change, ChangeAction, ChangeKind},
    text::line,
    wiring::settings::{self, Wanted, Way},
};

use super::{
    client::{Asked, Given},
    provider::Provider,
};

/// Stand for what the provider says. They look like what they stand for, as plugins may check
/// that, and are in no app's settings by chance.
const ISSUER: &str = "https://issuer.potluck.invalid";
const ID: &str = "client-id.potluck.invalid";
const HOST: &str = "relay.potluck.invalid";
const USER: &str = "user.potluck.invalid";
const PORT: u16 = 65_001;
const GROUPS: &str = "groups.potluck.invalid";
pub(super) const SECRET: &str = "secret.potluck.invalid";

/// What the provider is expected to give.
pub(super) fn expected(asked: &Asked, provider: &Provider, recorded: Option<&Connection>) -> Given {
    let secret = || Some(Hidden::from(SECRET.to_owned()));
    match (asked, recorded.map(|it| &it.held)) {
        (Asked::Client(request), known) => {
            let known = match known {
                Some(Held::Client(known)) => Some(known),
                _ => None,
            };
            let of = |get: fn(&HeldClient) -> &String| known.map(get).cloned();
            let issuer = provider.issuer().map(str::to_owned);
            Given::Client(Client {
                issuer: issuer.or_else(|| of(|it| &it.issuer)).unwrap_or_else(|| ISSUER.into()),
                client_id: of(|it| &it.id).unwrap_or_else(|| ID.into()),
                client_secret: secret().filter(|_| !request.public),
                groups_claim: match known {
                    Some(known) => known.groups_claim.clone(),
                    None => Some(GROUPS.into()),
                },
            })
        }
        (Asked::Account(sender), known) => {
            let known = match known {
                Some(Held::Account(known)) => Some(known),
                _ => None,
            };
            let relay = provider.relay();
            let user = relay.map(|relay| relay.username.clone());
            let user = user.or_else(|| known.map(|known| known.username.clone()));
            let user = user.unwrap_or_else(|| Some(USER.into()));
            let port = relay.map(|it| it.port).or(known.map(|it| it.port)).unwrap_or(PORT);
            let encryption = relay.map(|it| it.encryption.unwrap_or(Encryption::usual(it.port)));
            let encryption = encryption.or(known.map(|it| it.encryption));
            let host = relay.map(|it| it.host.clone()).or_else(|| known.map(|it| it.host.clone()));
            Given::Account(Relay {
                host: host.unwrap_or_else(|| HOST.into()),
                port,
                encryption: encryption.unwrap_or(Encryption::StartTls),
                password: secret().filter(|_| user.is_some()),
                username: user,
                sender: sender.clone(),
            })
        }
    }
}

/// What the provider gave, as it is recorded: with a stand-in for the secret.
pub(super) fn as_recorded(held: &Held) -> Given {
    let secret = || Some(Hidden::from(SECRET.to_owned()));
    match held {
        Held::Client(held) => Given::Client(Client {
            issuer: held.issuer.clone(),
            client_id: held.id.clone(),
            client_secret: secret().filter(|_| !held.public),
            groups_claim: held.groups_claim.clone(),
        }),
        Held::Account(held) => Given::Account(Relay {
            host: held.host.clone(),
            port: held.port,
            encryption: held.encryption,
            password: secret().filter(|_| held.username.is_some()),
            username: held.username.clone(),
            sender: held.sender.clone(),
        }),
    }
}

/// Whether a value has something in it that the provider alone can say.
fn is_open(value: &str) -> bool {
    value.contains("potluck.invalid") || value == PORT.to_string()
}

/// What is done at the provider, for people.
pub(super) fn at_provider(
    provider: &str,
    asked: &Asked,
    recorded: Option<&Connection>,
    told: Vec<String>,
) -> Option<Change> {
    let (kind, mut details) = match asked {
        Asked::Client(request) => (ChangeKind::Client, super::outside::enter(request)),
        Asked::Account(sender) => (ChangeKind::Account, vec![format!("sender: {sender}")]),
    };
    details.extend(told);
    let is_known = recorded.is_some();
    let action = match is_known {
        false => ChangeAction::Create,
        true if recorded.is_some_and(|it| is_as_recorded(asked, &it.held)) => return None,
        true => ChangeAction::Update,
    };
    Some(Change { kind, name: format!("at {provider}"), action, details })
}

/// What a rotation does at the provider, for people.
pub(super) fn another_secret(
    provider: &str,
    asked: &Asked,
    recorded: Option<&Connection>,
) -> Change {
    let change = at_provider(provider, asked, recorded, Vec::new());
    let mut change = change.unwrap_or_else(|| Change {
        kind: match asked {
            Asked::Client(_) => ChangeKind::Client,
            Asked::Account(_) => ChangeKind::Account,
        },
        name: format!("at {provider}"),
        action: ChangeAction::Update,
        details: Vec::new(),
    });
    change.details.insert(0, "another secret, in place of the one that it has".into());
    change
}

/// What a rotation means for people while it runs.
pub(super) fn until_deployed(kind: ConnectionKind) -> &'static str {
    match kind {
        ConnectionKind::Sso => "until the app is deployed with the other secret, nobody signs in",
        ConnectionKind::Mail => {
            "until the app is deployed with the other password, it sends no mail"
        }
    }
}

/// Whether the provider was asked for just this.
pub(super) fn is_as_recorded(asked: &Asked, held: &Held) -> bool {
    match (asked, held) {
        (Asked::Client(request), Held::Client(held)) => {
            held.redirect_uris == request.redirect_uris
                && held.post_logout_uris == request.post_logout_uris
                && held.scopes == request.scopes
                && held.public == request.public
        }
        (Asked::Account(sender), Held::Account(held)) => held.sender == *sender,
        _ => false,
    }
}

/// That the app is deployed with what changed, for people.
pub(super) fn deploys() -> Change {
    Change {
        kind: ChangeKind::Service,
        name: "those that these settings are of".into(),
        action: ChangeAction::Update,
        details: vec!["deployed anew, and waited for".into()],
    }
}

/// What a provider holds for an app.
pub(super) fn held_by_provider(kind: ConnectionKind) -> ChangeKind {
    match kind {
        ConnectionKind::Sso => ChangeKind::Client,
        ConnectionKind::Mail => ChangeKind::Account,
    }
}

/// What changes in the app's settings, for people.
pub(super) fn in_settings(wanted: &Wanted, provider: &str) -> Vec<Change> {
    let mut changes = Vec::new();
    let overlay = |name: &String, action| Change {
        kind: ChangeKind::Overlay,
        name: name.clone(),
        action,
        details: Vec::new(),
    };
    changes.extend(wanted.overlays_on.iter().map(|it| overlay(it, ChangeAction::Create)));
    changes.extend(wanted.overlays_off.iter().map(|it| overlay(it, ChangeAction::Remove)));
    for (key, (before, after)) in wanted.changed.iter().filter(|(key, _)| *key != "COMPOSE_FILE") {
        let (action, told) = match (before, after) {
            (_, Some(after)) if is_open(after) => {
                (ChangeAction::Create, format!("what {provider} says"))
            }
            (None, Some(after)) => (ChangeAction::Create, line(after).into_owned()),
            (Some(before), Some(after)) => {
                (ChangeAction::Update, format!("{} → {}", line(before), line(after)))
            }
            (Some(before), None) => (ChangeAction::Remove, line(before).into_owned()),
            (None, None) => continue,
        };
        let action = if before.is_some() && action == ChangeAction::Create {
            ChangeAction::Update
        } else {
            action
        };
        changes.push(Change {
            kind: ChangeKind::Setting,
            name: key.clone(),
            action,
            details: vec![told],
        });
    }
    changes
}

/// The secrets that the plugin makes, or gives another version when they are `rotated`, for
/// people.
pub(super) fn of_secrets(
    changes: &Changes,
    recorded: Option<&Connection>,
    rotated: bool,
) -> Vec<Change> {
    let is_new =
        |name: &String| recorded.is_none_or(|recorded| !recorded.secrets.contains_key(name));
    let names = changes.secrets.iter().map(|(name, _)| name);
    let change = |name: &String| {
        let (action, details) = match is_new(name) {
            true => (ChangeAction::Create, Vec::new()),
            false if rotated => (ChangeAction::Update, vec!["its next version".to_owned()]),
            false => return None,
        };
        Some(Change { kind: ChangeKind::Secret, name: name.clone(), action, details })
    };
    names.filter_map(change).collect()
}

/// The way in that stays without the provider, for a plan.
pub(super) fn way_in(kind: ConnectionKind, app: &str) -> Option<String> {
    (kind == ConnectionKind::Sso).then(|| {
        format!(
            "keep a way in without the provider, such as an administrator's password of {app}: \
             `potluck sso disconnect {app}` brings the old way of signing in back"
        )
    })
}

/// What the plugin asks for beyond what it showed before; where `all_known`, values that it
/// showed count, too.
pub(super) fn beyond(
    expected: &Changes,
    changes: &Changes,
    env: &EnvFile,
    all_known: bool,
) -> Option<String> {
    fn names<T>(list: &[(String, T)]) -> BTreeSet<&String> {
        list.iter().map(|(name, _)| name).collect()
    }
    let known = names(&expected.settings);
    let mut found = Vec::new();
    for (key, value) in &changes.settings {
        if !known.contains(key) && value.as_deref() != env.get(key) {
            found.push(format!("the setting {key}"));
        }
    }
    for (key, value) in changes.settings.iter().filter(|_| all_known) {
        let shown = expected.settings.iter().find(|(known, _)| known == key);
        let shown = shown.and_then(|(_, shown)| shown.as_ref()).filter(|it| !is_open(it));
        if let (Some(shown), Some(value)) = (shown, value)
            && shown != value
        {
            found.push(format!("`{}` as the setting {key}", line(value)));
        }
    }
    let known = names(&expected.secrets);
    found.extend(
        names(&changes.secrets).difference(&known).map(|name| format!("the secret {name}")),
    );
    let overlays = changes.overlays_on.iter().filter(|it| !expected.overlays_on.contains(it));
    found.extend(overlays.map(|it| format!("the overlay {it}")));
    let overlays = changes.overlays_off.iter().filter(|it| !expected.overlays_off.contains(it));
    found.extend(overlays.map(|it| format!("the overlay {it}")));
    (!found.is_empty()).then(|| found.join(", "))
}

/// The settings as they would be.
///
/// # Errors
/// Settings that become too long.
pub(super) fn wanted(
    env: &EnvFile,
    changes: &Changes,
    recorded: Option<&Connection>,
    way: Way,
) -> Result<Wanted, crate::app::Error> {
    Ok(settings::wanted(env, changes, recorded, way).map_err(crate::home::Error::from)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_shown_is_told() {
        let owned = |it: &str| it.to_owned();
        let setting = |key: &str, value: &str| (owned(key), Some(owned(value)));
        let expected = Changes {
            settings: vec![setting("ID", "x")],
            secrets: vec![(owned("secret"), Hidden::from(owned("s")))],
            overlays_on: vec![owned("compose.oidc.yml")],
            overlays_off: vec![],
        };
        let env = EnvFile::parse("a.env", "SAME=1\n").unwrap();
        assert_eq!(beyond(&expected, &expected, &env, true), None);
        let more = Changes {
            settings: vec![setting("ID", "y"), setting("SAME", "1"), setting("MORE", "1")],
            secrets: vec![(owned("db_password"), Hidden::from(owned("s")))],
            overlays_on: vec![owned("compose.other.yml")],
            overlays_off: vec![owned("compose.tls.yml")],
        };
        assert_eq!(
            beyond(&expected, &more, &env, false).unwrap(),
            "the setting MORE, the secret db_password, the overlay compose.other.yml, \
             the overlay compose.tls.yml"
        );
        let other = Changes { settings: vec![setting("ID", "y")], ..expected.clone() };
        assert_eq!(beyond(&expected, &other, &env, true).unwrap(), "`y` as the setting ID");
        let open = Changes { settings: vec![setting("ID", ID)], ..expected.clone() };
        assert_eq!(beyond(&open, &other, &env, true), None);
    }
}
