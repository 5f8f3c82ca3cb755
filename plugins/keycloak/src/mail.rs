//! A realm's mail. Keycloak keeps it in its database; the password is in its vault, so that
//! neither the database nor the plugin has it, and what is there can be compared.

use potluck_sdk::{Failure, Result, report, settings};
use serde_json::{Map, Value, json};

use crate::{get, kcadm};

/// The file REALM_smtp of the vault. By it, what potluck wrote is known; Keycloak shows it as it
/// is, and hides passwords (`StripSecretsUtils.maskNonVaultValue`).
const PASSWORD: &str = "${vault.smtp}";

/// Whether the overlay's file is the one that the vault looks for.
pub(crate) fn check(realm: &str) -> Result {
    match settings::get("SMTP_HOST").is_some_and(|host| !host.is_empty()) && realm.contains('_') {
        true => Err(Failure::new(format!("the realm `{realm}` cannot send mail")).hint(
            "its name has `_`, which the vault's files have twice (guide \"Using a vault\")",
        )),
        false => Ok(()),
    }
}

/// The fields of `smtpServer`, which are texts.
fn wanted() -> Result<Option<Value>> {
    let Some(host) = settings::get("SMTP_HOST").filter(|host| !host.is_empty()) else {
        return Ok(None);
    };
    let encryption = settings::require("SMTP_ENCRYPTION")?;
    if !["none", "starttls", "tls"].contains(&encryption.as_str()) {
        return Err(Failure::new(format!("SMTP_ENCRYPTION is `{encryption}`"))
            .hint("it is `none`, `starttls` or `tls`"));
    }
    let user = settings::get_or("SMTP_USER", "");
    let is = |wanted: bool| if wanted { "true" } else { "false" };
    let mut server = json!({
        "host": host,
        "port": settings::require("SMTP_PORT")?,
        "from": settings::require("SMTP_FROM")?,
        "ssl": is(encryption == "tls"),
        "starttls": is(encryption == "starttls"),
        "auth": is(!user.is_empty()),
        "password": PASSWORD,
    });
    if !user.is_empty() {
        server["user"] = user.into();
    }
    Ok(Some(server))
}

/// Makes the realm send as the settings say. What somebody set in Keycloak stays where they say
/// nothing, and as far as it is no part of them, such as the name that people see.
pub(crate) fn bring(realm: &str) -> Result {
    let place = format!("realms/{realm}");
    let found: Value = get(&[&place])?;
    let found = match &found["smtpServer"] {
        Value::Object(fields) => fields.clone(),
        _ => Map::new(),
    };
    let server = match wanted()? {
        None if found.get("password").is_some_and(|it| it == PASSWORD) => json!({}),
        None => return Ok(()),
        Some(wanted) => {
            let mut all = found.clone();
            all.retain(|key, _| key != "user");
            all.extend(wanted.as_object().cloned().into_iter().flatten());
            if all == found {
                return Ok(());
            }
            all.into()
        }
    };
    let sends = server.get("host").is_some();
    kcadm(&["update", &place, "-f", "-"], Some(&json!({"smtpServer": server})))?;
    report::info(match sends {
        true => format!("the realm {realm} sends mail through the relay"),
        false => format!("the realm {realm} sends no mail any more"),
    });
    Ok(())
}
