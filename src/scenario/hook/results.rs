//! Results of hooks, as a scenario expects them; and which parts of them are secret.

use serde_json::{Map, Value, json};

use crate::{
    plugin::{
        BackupItem, Belief, Changes, Client, ClientRequest, Command, Encryption, Ending, Names,
        Relay,
    },
    scenario::calls,
};

pub(super) fn item(item: &BackupItem) -> Value {
    match item {
        BackupItem::Volume { name, paths, exclude } => {
            json!({"volume": name, "paths": paths, "exclude": exclude})
        }
        BackupItem::Dump { name, service, take, put_back, belief } => {
            let mut value = json!({
                "dump": name, "service": service, "take": command(take), "put_back": command(put_back),
            });
            // What a plugin does not say is not in its result.
            if let Some(map) = value.as_object_mut() {
                map.extend(told(belief));
            }
            value
        }
        BackupItem::Custom { name } => json!({"custom": name}),
    }
}

fn told(belief: &Belief) -> Map<String, Value> {
    let mut told = Map::new();
    let ending = match &belief.ending {
        Ending::Any => None,
        Ending::Known => Some(json!("known")),
        Ending::Line(text) => Some(json!({"line": text})),
        Ending::Bytes(bytes) => Some(json!({"bytes": hex::encode(bytes)})),
        Ending::Unmarked => Some(json!("unmarked")),
    };
    told.extend(ending.map(|ending| ("ending".to_owned(), ending)));
    if belief.may_shrink {
        told.insert("may_shrink".into(), json!(true));
    }
    if let Some(Names { listing, between, all }) = &belief.names {
        let mut names = json!({"listing": command(listing), "all": all});
        if let (Some(map), Some(between)) = (names.as_object_mut(), between) {
            map.insert("between".into(), json!([between.0, between.1]));
        }
        told.insert("names".into(), names);
    }
    told
}

fn command(command: &Command) -> Value {
    let mut value = calls::run("", command, &[]);
    if let Some(map) = value.as_object_mut() {
        map.shift_remove("service");
    }
    value
}

pub(super) fn client(client: &Client) -> Value {
    json!({
        "issuer": client.issuer,
        "client_id": client.client_id,
        "client_secret": client.client_secret.as_ref().map(|secret| secret.0.as_str()),
        "groups_claim": client.groups_claim,
    })
}

pub(super) fn request(request: &ClientRequest) -> Value {
    json!({
        "client": request.client,
        "display_name": request.display_name,
        "home_url": request.home_url,
        "redirect_uris": request.redirect_uris,
        "post_logout_uris": request.post_logout_uris,
        "scopes": request.scopes,
        "public": request.public,
    })
}

pub(super) fn relay(relay: &Relay) -> Value {
    json!({
        "host": relay.host,
        "port": relay.port,
        "encryption": match relay.encryption {
            Encryption::None => "none",
            Encryption::StartTls => "starttls",
            Encryption::Tls => "tls",
        },
        "username": relay.username,
        "password": relay.password.as_ref().map(|password| password.0.as_str()),
        "sender": relay.sender,
    })
}

pub(super) fn changes(changes: &Changes) -> Value {
    let settings = changes.settings.iter().map(|(key, value)| (key.clone(), json!(value)));
    let secrets = changes.secrets.iter().map(|(key, value)| (key.clone(), json!(value.0.as_str())));
    let mut map = Map::new();
    map.insert("settings".into(), Value::Object(settings.collect()));
    map.insert("secrets".into(), Value::Object(secrets.collect()));
    map.insert("overlays_on".into(), json!(changes.overlays_on));
    map.insert("overlays_off".into(), json!(changes.overlays_off));
    Value::Object(map)
}

/// Keys of arguments and results whose values are secret.
const SECRET: [&str; 2] = ["client_secret", "password"];

/// A result with `***` in place of secret values.
pub fn masked(mut result: Value) -> Value {
    let hide = |value: &mut Value| {
        if value.is_string() {
            *value = "***".into();
        }
    };
    if let Some(map) = result.as_object_mut() {
        for key in SECRET {
            map.get_mut(key).map(hide);
        }
        if let Some(secrets) = map.get_mut("secrets").and_then(Value::as_object_mut) {
            secrets.values_mut().for_each(hide);
        }
    }
    result
}

/// The secret values of arguments or of a result, by key.
pub fn secrets_in(values: &Map<String, Value>) -> Vec<(String, String)> {
    let own = values.iter().filter(|(key, _)| SECRET.contains(&key.as_str()));
    let changed = values.get("secrets").and_then(Value::as_object).into_iter().flatten();
    own.chain(changed)
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_masked_is_also_known_by_its_value() {
        let result = json!({"password": "a", "host": "b", "secrets": {"c": "d"}, "port": 1});
        assert_eq!(
            secrets_in(result.as_object().unwrap()),
            [("password".to_owned(), "a".to_owned()), ("c".to_owned(), "d".to_owned())]
        );
        assert_eq!(
            masked(result),
            json!({"password": "***", "host": "b", "secrets": {"c": "***"}, "port": 1})
        );
    }
}
