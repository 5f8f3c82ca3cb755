//! Requests for one repository, with what the registry wants to know of who asks.

use std::{collections::BTreeMap, sync::Mutex};

use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, header};
use serde::Deserialize;
use url::Url;
use zeroize::Zeroizing;

use super::{
    challenge::Challenge,
    error::RegistryError,
    wire::{self, base, is_private},
};
use crate::{
    engine::docker_config::{DockerConfig, Login},
    recipe::author::reference::Reference,
};

/// Asks registries.
pub struct Registry {
    client: Client,
    /// Follows no redirects: what is posted would go along.
    posting: Client,
    /// By registry.
    logins: BTreeMap<String, Login>,
    /// What was let in, by registry and repository.
    passes: Mutex<BTreeMap<(String, String), Pass>>,
}

/// What a request is let in with.
#[derive(Clone)]
enum Pass {
    Token(Zeroizing<String>),
    Basic(Login),
}

#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

impl Registry {
    /// Knows the credentials that docker's configuration has for these registries. A helper
    /// program that fails is a warning: most images are public.
    ///
    /// # Errors
    /// [`RegistryError::Silent`] where this machine has no certificates.
    pub async fn new(
        docker: &DockerConfig,
        hosts: impl IntoIterator<Item = &str>,
    ) -> Result<(Self, Vec<String>), RegistryError> {
        let (mut logins, mut warnings) = (BTreeMap::new(), Vec::new());
        for host in hosts {
            match docker.login(host).await {
                Ok(login) => logins.extend(login.map(|login| (host.to_owned(), login))),
                Err(error) => warnings.push(error.to_string()),
            }
        }
        let registry = Registry {
            client: wire::client(wire::redirects())?,
            posting: wire::client(reqwest::redirect::Policy::none())?,
            logins,
            passes: Mutex::default(),
        };
        Ok((registry, warnings))
    }

    /// The answer to a request for a path below `/v2/` and the repository; `what` is for
    /// messages.
    ///
    /// # Errors
    /// [`RegistryError`]; [`RegistryError::Refused`] for an answer that is not a success.
    pub(super) async fn ask(
        &self,
        image: &Reference,
        method: &Method,
        url: &Url,
        accept: &str,
        what: &str,
    ) -> Result<Response, RegistryError> {
        let key = (image.host.clone(), image.path.clone());
        let known = self.passes.lock().ok().and_then(|passes| passes.get(&key).cloned());
        let request =
            || self.client.request(method.clone(), url.clone()).header(header::ACCEPT, accept);
        let send = async |pass: Option<&Pass>| {
            let sent = with(request(), pass).send().await;
            sent.map_err(|e| RegistryError::silent(&image.host, &e))
        };
        let mut answer = send(known.as_ref()).await?;
        // A token of before may have run out, too.
        if answer.status() == StatusCode::UNAUTHORIZED
            && let Some(pass) = self.pass(image, &answer).await?
        {
            answer = send(Some(&pass)).await?;
            if let Ok(mut passes) = self.passes.lock() {
                passes.insert(key, pass);
            }
        }
        if answer.status().is_success() {
            return Ok(answer);
        }
        Err(RegistryError::Refused {
            host: image.host.clone(),
            repository: image.path.clone(),
            what: what.to_owned(),
            status: answer.status(),
            is_known: self.logins.contains_key(&image.host),
        })
    }

    /// What a registry lets us in with; none where it wants what we do not have.
    async fn pass(
        &self,
        image: &Reference,
        answer: &Response,
    ) -> Result<Option<Pass>, RegistryError> {
        // Only the registry itself says how it is asked, not whom it redirected to.
        if answer.url().origin() != base(&image.host)?.origin() {
            return Ok(None);
        }
        let login = self.logins.get(&image.host);
        match Challenge::of(answer) {
            Some(Challenge::Basic) => {
                let login = login.filter(|login| login.basic().is_some());
                Ok(login.filter(|_| is_private(answer.url())).cloned().map(Pass::Basic))
            }
            Some(Challenge::Bearer { realm, service, scope }) if is_private(&realm) => {
                if let Some(token) = login.and_then(Login::registry_token) {
                    return Ok(Some(Pass::Token(Zeroizing::new(token.to_owned()))));
                }
                let fields = [("service", service), ("scope", scope)];
                let fields: Vec<_> =
                    fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
                let request = match login.and_then(Login::identity_token) {
                    Some(token) => self.posted(realm, &fields, token),
                    None => self.fetched(realm, &fields, login),
                };
                let answer = request.send().await;
                let answer = answer.map_err(|e| RegistryError::silent(&image.host, &e))?;
                if !answer.status().is_success() {
                    return Ok(None);
                }
                let token: Token = wire::json(&image.host, answer).await?;
                let token = token.token.or(token.access_token);
                Ok(token.map(|token| Pass::Token(Zeroizing::new(token))))
            }
            _ => Ok(None),
        }
    }

    /// A token for anyone, or for a user with a password.
    fn fetched(
        &self,
        mut realm: Url,
        fields: &[(&str, String)],
        login: Option<&Login>,
    ) -> RequestBuilder {
        realm.query_pairs_mut().extend_pairs(fields);
        let request = self.client.get(realm);
        match login.and_then(Login::basic) {
            Some((user, password)) => request.basic_auth(user, Some(password)),
            None => request,
        }
    }

    /// A token for who has an identity token (distribution, "Oauth2 Token Authentication").
    fn posted(&self, realm: Url, fields: &[(&str, String)], token: &str) -> RequestBuilder {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "refresh_token").append_pair("client_id", "potluck");
        form.append_pair("refresh_token", token).extend_pairs(fields);
        self.posting
            .post(realm)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form.finish())
    }
}

fn with(request: RequestBuilder, pass: Option<&Pass>) -> RequestBuilder {
    match pass {
        None => request,
        Some(Pass::Token(token)) => request.bearer_auth(token.as_str()),
        Some(Pass::Basic(login)) => match login.basic() {
            Some((user, password)) => request.basic_auth(user, Some(password)),
            None => request,
        },
    }
}
