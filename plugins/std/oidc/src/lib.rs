//! `std:oidc`: what an app needs to sign its people in through another, by a
//! map of its settings and secrets.

use std::collections::BTreeMap;

use potluck_sdk::{
    Changes, Client, ClientRequest, Context, Failure, Lifecycle, Result, SsoClient, Transition,
    facts, settings,
};
use serde::Deserialize;
use std_common::map::{Map, Text, Words};

/// The plugin.
pub struct Oidc;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    /// Where the app is, for `redirect` and `logout`.
    #[serde(default = "address")]
    url: String,
    /// A setting of the app that says it instead, if the app has it.
    url_setting: Option<String>,
    /// What people see when they sign in; the recipe's name when none.
    name: Option<String>,
    /// Where the provider sends people back to: paths below `url`, or all of it.
    redirect: Vec<String>,
    #[serde(default)]
    logout: Vec<String>,
    #[serde(default = "scopes")]
    scopes: Vec<String>,
    /// The app keeps no secret and uses PKCE.
    #[serde(default)]
    public: bool,
    /// Keys of the app's settings, and what becomes of them.
    #[serde(default)]
    settings: BTreeMap<String, Text>,
    /// Secrets by their key in the compose file.
    #[serde(default)]
    secrets: BTreeMap<String, String>,
    /// Compose overlays that are on while people sign in so.
    #[serde(default)]
    overlays: Vec<String>,
}

fn address() -> String {
    "https://{DOMAIN}".into()
}

fn scopes() -> Vec<String> {
    ["openid", "profile", "email"].map(Into::into).into()
}

impl Options {
    fn read() -> Result<Self> {
        let options: Options = potluck_sdk::options()?;
        if options.redirect.is_empty() {
            return Err(Failure::new("the option `redirect` names no path")
                .hint("it is where the provider sends people back to, `/oauth/callback`"));
        }
        Ok(options)
    }

    fn map(&self) -> Map<'_> {
        let settings = self.settings.iter().map(|(key, text)| (key.as_str(), Some(text)));
        Map { settings: settings.collect(), secrets: &self.secrets, overlays: &self.overlays }
    }

    fn request(self) -> Result<ClientRequest> {
        let facts = facts();
        let own = self.url_setting.as_deref().map(|key| settings::get_or(key, ""));
        let home = match own {
            Some(own) if !own.is_empty() => own,
            _ => filled("url", &self.url)?,
        };
        let home = home.trim_end_matches('/');
        let below = |option: &str, paths: &[String]| -> Result<Vec<String>> {
            let full = paths.iter().map(|path| {
                let path = filled(option, path)?;
                Ok(if path.starts_with('/') { format!("{home}{path}") } else { path })
            });
            full.collect()
        };
        Ok(ClientRequest {
            client: facts.stack,
            display_name: match &self.name {
                Some(name) => filled("name", name)?,
                None => facts.recipe,
            },
            home_url: Some(home.to_owned()),
            redirect_uris: below("redirect", &self.redirect)?,
            post_logout_uris: below("logout", &self.logout)?,
            scopes: self.scopes,
            public: self.public,
        })
    }
}

/// Only the app's settings are known here.
fn filled(option: &str, text: &str) -> Result<String> {
    let filled = Words::default().fill(&Text::Text(text.into()));
    filled.map(Option::unwrap_or_default).context(format!("the option `{option}`"))
}

fn words(client: &Client) -> Words {
    let issuer = client.issuer.trim_end_matches('/');
    let host = issuer.split_once("://").map_or(issuer, |(_, rest)| rest);
    Words::default()
        .open("issuer", Some(&client.issuer))
        .open("issuer_host", host.split('/').next())
        .open("discovery", Some(&format!("{issuer}/.well-known/openid-configuration")))
        .open("client_id", Some(&client.client_id))
        .open("groups_claim", client.groups_claim.as_deref())
        .secret("client_secret", client.client_secret.as_deref())
}

impl Lifecycle for Oidc {
    /// The map must make sense for some client: one like this.
    fn check(_: Transition) -> Result {
        let options = Options::read()?;
        let client = Client {
            issuer: "https://sso.example.org".into(),
            client_id: "app".into(),
            client_secret: Some("secret".into()),
            groups_claim: Some("groups".into()),
        };
        options.map().connect(&words(&client))?;
        options.request().map(drop)
    }
}

impl SsoClient for Oidc {
    fn request() -> Result<ClientRequest> {
        Options::read()?.request()
    }

    fn connect(client: Client) -> Result<Changes> {
        Options::read()?.map().connect(&words(&client))
    }

    fn disconnect() -> Result<Changes> {
        Ok(Options::read()?.map().disconnect())
    }
}

potluck_sdk::export!(Oidc: lifecycle, sso_client);

#[cfg(test)]
mod tests {
    use super::*;
    use potluck_sdk::testing::Script;

    const MAP: &str = r#"{
        "redirect": ["/oauth/callback", "{DOMAIN}.app://back"],
        "logout": ["/"],
        "settings": {"OIDC_ISSUER": "{issuer}", "OIDC_URL": "{discovery}", "OIDC_ID": "{client_id}",
                     "OIDC_GROUPS": "{groups_claim}", "OIDC_ON": 1},
        "secrets": {"oidc_secret": "{client_secret}"},
        "overlays": ["compose.oidc.yml"]
    }"#;

    fn app(options: &str) -> Script {
        Script::new().options(options).setting("DOMAIN", "wiki.example.org")
    }

    fn client(groups: Option<&str>) -> Client {
        Client {
            issuer: "https://sso.example.org/realms/main/".into(),
            client_id: "wiki".into(),
            client_secret: Some("s".into()),
            groups_claim: groups.map(Into::into),
        }
    }

    #[test]
    fn the_request_is_the_apps_own() {
        let request = app(MAP).play(Oidc::request).result.unwrap();
        assert_eq!(
            (request.client.as_str(), request.display_name.as_str()),
            ("app_example_org", "recipe")
        );
        assert_eq!(
            request.redirect_uris,
            ["https://wiki.example.org/oauth/callback", "wiki.example.org.app://back"]
        );
        assert_eq!(request.post_logout_uris, ["https://wiki.example.org/"]);
        assert_eq!(request.home_url.as_deref(), Some("https://wiki.example.org"));
        assert_eq!((request.scopes.len(), request.public), (3, false));
    }

    #[test]
    fn a_setting_of_the_app_may_say_where_it_is() {
        let map = r#"{"redirect": ["/back"], "url_setting": "PUBLIC_URL"}"#;
        let home = |own: Option<&str>| {
            let app = app(map);
            let app = own.into_iter().fold(app, |app, own| app.setting("PUBLIC_URL", own));
            app.play(Oidc::request).result.unwrap().redirect_uris
        };
        let usual = ["https://wiki.example.org/back"];
        assert_eq!((home(None), home(Some(""))), (usual.map(Into::into).into(), home(None)));
        assert_eq!(home(Some("http://wiki.example:81/")), ["http://wiki.example:81/back"]);
    }

    #[test]
    fn a_client_becomes_settings_secrets_and_overlays() {
        let connect = |groups| app(MAP).play(|| Oidc::connect(client(groups))).result.unwrap();
        let changes = connect(Some("groups"));
        let values: Vec<_> =
            changes.settings.iter().map(|(_, value)| value.as_deref().unwrap()).collect();
        let issuer = "https://sso.example.org/realms/main";
        assert_eq!(
            values,
            [
                "groups",
                "wiki",
                &format!("{issuer}/"),
                "1",
                &format!("{issuer}/.well-known/openid-configuration")
            ]
        );
        assert_eq!(changes.secrets, [("oidc_secret".to_owned(), "s".to_owned())]);
        assert_eq!(connect(None).settings[0], ("OIDC_GROUPS".to_owned(), None));
        let off = app(MAP).play(Oidc::disconnect).result.unwrap();
        assert!(off.settings.iter().all(|(_, value)| value.is_none()));
        assert_eq!(off.overlays_off, ["compose.oidc.yml"]);
    }

    #[test]
    fn wrong_options_stop_a_deploy() {
        for (options, part) in [
            ("{}", "missing field `redirect`"),
            (r#"{"redirect": []}"#, "names no path"),
            (r#"{"redirect": ["/x"], "url": "{issuer}"}"#, "the option `url`"),
            (r#"{"redirect": ["/x"], "settings": {"A": "{client_secret}"}}"#, "into a setting"),
            (r#"{"redirect": ["/x"], "settings": {"A": "{id}"}}"#, "nothing is called `{id}`"),
        ] {
            let to = Transition { before: None, after: None };
            let message = app(options).play(|| Oidc::check(to)).result.unwrap_err();
            assert!(message.message().contains(part), "{message}");
        }
        let to = Transition { before: None, after: None };
        app(MAP).play(|| Oidc::check(to)).result.unwrap();
    }
}
