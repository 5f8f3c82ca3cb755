//! What a provider is made of in authentik: flows, a key, and mappings from scopes to claims.

use potluck_sdk::{Context, Failure, Result, report, settings};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{all, api::request};

/// The scope whose claim has the names of a person's groups, and the claim.
pub(crate) const GROUPS: &str = "groups";

/// As much of a provider as is read.
#[derive(Debug, Deserialize)]
pub(crate) struct Provider {
    pub(crate) pk: u64,
    pub(crate) client_id: String,
    pub(crate) client_secret: Option<String>,
    pub(crate) signing_key: Option<String>,
    #[serde(default)]
    pub(crate) property_mappings: Vec<String>,
}

impl Provider {
    pub(crate) fn read(found: &Value) -> Result<Self> {
        Provider::deserialize(found).context("authentik's provider is not understood")
    }
}

/// As much of an application as is read.
#[derive(Debug, Deserialize)]
pub(crate) struct Application {
    pub(crate) provider: Option<u64>,
}

/// What each provider needs, by the ids of the API.
pub(crate) struct Parts {
    pub(crate) authorization_flow: String,
    pub(crate) invalidation_flow: String,
    pub(crate) signing_key: String,
    pub(crate) rsa_keys: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Key {
    pk: String,
    name: String,
}

impl Parts {
    pub(crate) fn find() -> Result<Self> {
        let authorization = settings::get_or(
            "AUTHORIZATION_FLOW",
            "default-provider-authorization-implicit-consent",
        );
        let authorization_flow = flow(&authorization, "AUTHORIZATION_FLOW")?;
        let invalidation_flow = flow("default-provider-invalidation-flow", "none")?;
        // Without a key, tokens are signed with the client's secret, which apps refuse.
        let wanted = settings::get_or("SIGNING_KEY", "authentik Self-signed Certificate");
        let search = [("has_key", "true"), ("key_type", "rsa")];
        let keys = all("/crypto/certificatekeypairs/", &search)?.into_iter().map(Key::deserialize);
        let keys: Vec<Key> = keys.collect::<Result<_, _>>().context("authentik's keys")?;
        let key = keys.iter().find(|it| it.name == wanted).ok_or_else(|| {
            let names: Vec<_> = keys.iter().map(|it| it.name.as_str()).collect();
            Failure::new(format!("authentik has no RSA key pair `{wanted}`"))
                .hint(format!("SIGNING_KEY names one of: {}", names.join(", ")))
        })?;
        Ok(Parts {
            authorization_flow,
            invalidation_flow,
            signing_key: key.pk.clone(),
            rsa_keys: keys.iter().map(|it| it.pk.clone()).collect(),
        })
    }
}

fn flow(slug: &str, setting: &str) -> Result<String> {
    let found = all("/flows/instances/", &[("slug", slug)])?;
    let pk = found.iter().find(|it| it["slug"] == slug).and_then(|it| it["pk"].as_str());
    pk.map(Into::into).ok_or_else(|| {
        let failure = Failure::new(format!("authentik has no flow `{slug}`"));
        match setting {
            "none" => failure.hint("authentik makes it; its worker's log says why it did not"),
            setting => failure.hint(format!("{setting} is the slug of a flow")),
        }
    })
}

/// A provider by the id of its client.
pub(crate) fn provider(client: &str) -> Result<Option<Value>> {
    let found = all("/providers/oauth2/", &[("client_id", client)])?;
    Ok(found.into_iter().find(|it| it["client_id"] == client))
}

/// An application by its slug, also one that the token's owner may not open.
pub(crate) fn application(slug: &str) -> Result<Option<Value>> {
    let search = [("slug", slug), ("superuser_full_list", "true")];
    let found = all("/core/applications/", &search)?;
    Ok(found.into_iter().find(|it| it["slug"] == slug))
}

#[derive(Debug, Deserialize)]
struct Mapping {
    pk: String,
    name: String,
    scope_name: String,
    managed: Option<String>,
    expression: String,
}

/// The mapping that a scope gets, and those that it may take the place of.
pub(crate) struct Scope {
    wanted: String,
    /// Of the same scope: authentik's own and ours.
    standard: Vec<String>,
    /// Of the same scope: made by somebody.
    others: Vec<String>,
}

/// One of ours, by its name: what authentik comes with says nothing of these.
struct Own {
    name: &'static str,
    scope: &'static str,
    description: &'static str,
    expression: &'static str,
}

/// authentik's own claim of groups belongs to the scope `profile`.
const OWN_GROUPS: Own = Own {
    name: "potluck: groups",
    scope: GROUPS,
    description: "Groups",
    expression: "return {\"groups\": [group.name for group in request.user.all_groups()]}",
};

/// Since 2025.10, authentik's own says that no address is verified.
const OWN_EMAIL: Own = Own {
    name: "potluck: verified email",
    scope: "email",
    description: "Email address",
    expression: "return {\"email\": request.user.email, \"email_verified\": True}",
};

/// Whether people's addresses are as good as verified, as whoever runs it says.
pub(crate) fn email_verified() -> Result<bool> {
    match settings::get_or("EMAIL_VERIFIED", "no").as_str() {
        "yes" => Ok(true),
        "no" => Ok(false),
        other => {
            Err(Failure::new(format!("EMAIL_VERIFIED is `{other}`")).hint("it is `yes` or `no`"))
        }
    }
}

/// The mappings of these scopes. Ours are made where they are missing.
pub(crate) fn scopes(asked: &[String]) -> Result<Vec<Scope>> {
    let found = all("/propertymappings/provider/scope/", &[])?;
    let known: Vec<Mapping> = found
        .into_iter()
        .map(Mapping::deserialize)
        .collect::<Result<_, _>>()
        .context("authentik's scopes are not understood")?;
    let verified = email_verified()?;
    asked.iter().map(|scope| mapping(scope, &known, verified)).collect()
}

fn mapping(scope: &str, known: &[Mapping], verified: bool) -> Result<Scope> {
    let managed = format!("goauthentik.io/providers/oauth2/scope-{scope}");
    let own = [OWN_GROUPS, OWN_EMAIL].into_iter().find(|it| it.scope == scope);
    let ours = |it: &Mapping| own.as_ref().is_some_and(|own| own.name == it.name);
    let upstream = |it: &Mapping| it.managed.as_ref() == Some(&managed);
    let of_scope: Vec<&Mapping> = known.iter().filter(|it| it.scope_name == scope).collect();
    let wanted = match &own {
        Some(own) if scope == GROUPS || verified => Some(ensure(own, &of_scope)?),
        _ => of_scope
            .iter()
            .find(|it| upstream(it))
            .or_else(|| of_scope.iter().find(|it| !ours(it)))
            .map(|it| it.pk.clone()),
    };
    let wanted = wanted.ok_or_else(|| {
        Failure::new(format!("authentik has no scope `{scope}`"))
            .hint("make a scope mapping in authentik, under \"Property Mappings\"")
    })?;
    let (standard, others): (Vec<&Mapping>, Vec<&Mapping>) =
        of_scope.into_iter().partition(|it| upstream(it) || ours(it));
    let pks = |all: Vec<&Mapping>| all.into_iter().map(|it| it.pk.clone()).collect();
    Ok(Scope { wanted, standard: pks(standard), others: pks(others) })
}

/// The id of one of ours, made or corrected.
fn ensure(own: &Own, known: &[&Mapping]) -> Result<String> {
    let document = json!({
        "name": own.name,
        "scope_name": own.scope,
        "description": own.description,
        "expression": own.expression,
    });
    let place = "/propertymappings/provider/scope/";
    match known.iter().find(|it| it.name == own.name) {
        Some(found) if found.expression == own.expression => Ok(found.pk.clone()),
        Some(found) => {
            let changes = json!({"expression": own.expression});
            request("PATCH", &format!("{place}{}/", found.pk), Some(&changes))?;
            report::info(format!("authentik's mapping `{}` is corrected", own.name));
            Ok(found.pk.clone())
        }
        None => {
            let made = request("POST", place, Some(&document))?;
            report::info(format!("authentik has the mapping `{}` now", own.name));
            let pk = made["pk"].as_str().context("authentik's mapping is not understood")?;
            Ok(pk.into())
        }
    }
}

/// The mappings of a provider that has `current`: one for each scope. What somebody chose for
/// a scope, or added, stays.
pub(crate) fn mapped(current: &[String], scopes: &[Scope]) -> Vec<String> {
    let mut all = current.to_vec();
    for scope in scopes {
        if all.iter().any(|it| scope.others.contains(it)) {
            continue;
        }
        all.retain(|it| *it == scope.wanted || !scope.standard.contains(it));
        if !all.contains(&scope.wanted) {
            all.push(scope.wanted.clone());
        }
    }
    all
}
