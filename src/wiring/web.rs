//! Requests to providers: bounded in time and size, without redirects.

use std::time::Duration;

use jiff::{Timestamp, fmt::rfc2822::DateTimeParser};
use reqwest::{Client, ClientBuilder, Method, RequestBuilder, header, redirect::Policy};
use serde::de::DeserializeOwned;
use url::{Origin, Url};
use zeroize::Zeroizing;

use super::{Error, Inside};
use crate::plugin::reason;

/// For one request, answer included.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes of an answer. Discovery documents and key sets have a few thousand.
const LONGEST: usize = 1 << 20;
/// Bytes of what is said of an answer that is an error.
const SHOWN: usize = 300;

/// Asks providers.
pub struct Web<'a> {
    client: Client,
    /// It asks only this origin, from within an app's network.
    through: Option<(&'a Inside, Origin)>,
}

/// What is asked for where a page is no use.
const JSON: &str = "application/json, text/html;q=0.5";

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// The clock of who answered.
    pub date: Option<Timestamp>,
    pub location: Option<String>,
    pub body: Vec<u8>,
}

fn builder() -> ClientBuilder {
    Client::builder()
        .redirect(Policy::none())
        .referer(false)
        .timeout(TIMEOUT)
        .user_agent(concat!("potluck/", env!("CARGO_PKG_VERSION")))
}

impl<'a> Web<'a> {
    /// # Errors
    /// [`Error::NoClient`] where this machine has no certificates.
    pub fn new() -> Result<Self, Error> {
        Self::of(builder(), None)
    }

    /// The same from within an app's network. It asks nothing but the origin of this address:
    /// what a provider names besides could be a neighbour of the app.
    ///
    /// # Errors
    /// [`Error::NoClient`].
    pub fn through(inside: &'a Inside, url: &Url) -> Result<Self, Error> {
        let socket = inside.socket(url).map_err(|error| Error::NoClient(error.to_string()))?;
        Self::of(builder().unix_socket(socket), Some((inside, url.origin())))
    }

    fn of(builder: ClientBuilder, through: Option<(&'a Inside, Origin)>) -> Result<Self, Error> {
        let client = builder.build().map_err(|error| Error::NoClient(reason(&error)))?;
        Ok(Web { client, through })
    }

    /// Sends a request, with a token and a JSON document where there are any.
    ///
    /// # Errors
    /// [`Error::Silent`], [`Error::Address`]; answers that are errors are answers.
    pub async fn send(
        &self,
        method: Method,
        url: &Url,
        token: Option<&Zeroizing<String>>,
        json: Option<&serde_json::Value>,
    ) -> Result<Answer, Error> {
        self.exchange(method, url, token, json, JSON).await
    }

    /// Opens a page, as a person's browser does.
    ///
    /// # Errors
    /// As [`Web::send`].
    pub async fn page(&self, url: &Url) -> Result<Answer, Error> {
        self.exchange(Method::GET, url, None, None, "text/html").await
    }

    /// Sends a form, with the name and the password of a client where the form has them not.
    ///
    /// # Errors
    /// As [`Web::send`].
    pub async fn form(
        &self,
        url: &Url,
        fields: &[(&str, &str)],
        client: Option<(&str, &str)>,
    ) -> Result<Answer, Error> {
        let mut request = self.request(Method::POST, url)?;
        if let Some((name, password)) = client {
            request = request.basic_auth(name, Some(password));
        }
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        let form = form.extend_pairs(fields).finish();
        let kind = "application/x-www-form-urlencoded";
        self.answer(url, request.header(header::CONTENT_TYPE, kind).body(form), JSON).await
    }

    async fn exchange(
        &self,
        method: Method,
        url: &Url,
        token: Option<&Zeroizing<String>>,
        json: Option<&serde_json::Value>,
        accept: &'static str,
    ) -> Result<Answer, Error> {
        let mut request = self.request(method, url)?;
        if let Some(token) = token {
            request = request.bearer_auth(token.as_str());
        }
        if let Some(json) = json {
            request =
                request.header(header::CONTENT_TYPE, "application/json").body(json.to_string());
        }
        self.answer(url, request, accept).await
    }

    fn request(&self, method: Method, url: &Url) -> Result<RequestBuilder, Error> {
        if !matches!(url.scheme(), "http" | "https") {
            let reason = "it is neither http nor https".into();
            return Err(Error::Address { url: url.to_string(), reason });
        }
        if self.through.as_ref().is_some_and(|(_, only)| *only != url.origin()) {
            let reason = "it is at another place than the issuer, which alone is asked".into();
            return Err(Error::Address { url: shown(url), reason });
        }
        Ok(self.client.request(method, url.clone()))
    }

    async fn answer(
        &self,
        url: &Url,
        request: RequestBuilder,
        accept: &'static str,
    ) -> Result<Answer, Error> {
        let silent = |reason: String| {
            let inside = self.through.as_ref().and_then(|(inside, _)| inside.reason());
            Error::Silent { url: shown(url), reason: inside.unwrap_or(reason) }
        };
        let request = request.header(header::ACCEPT, accept);
        let mut response = request.send().await.map_err(|error| silent(reason(&error)))?;
        let text = |name| response.headers().get(name)?.to_str().ok();
        let date =
            text(header::DATE).and_then(|date| DateTimeParser::new().parse_timestamp(date).ok());
        let location = text(header::LOCATION).map(str::to_owned);
        let status = response.status().as_u16();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| silent(reason(&error)))? {
            if body.len() + chunk.len() > LONGEST {
                return Err(silent(format!("its answer has more than {LONGEST} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status, date, location, body })
    }

    /// Reads a JSON document.
    ///
    /// # Errors
    /// As [`Web::send`]; [`Error::Status`] and [`Error::Odd`].
    pub async fn json<T: DeserializeOwned>(
        &self,
        url: &Url,
        expected: &'static str,
    ) -> Result<(T, Option<Timestamp>), Error> {
        let answer = self.send(Method::GET, url, None, None).await?;
        if answer.status != 200 {
            return Err(answer.status_error(url));
        }
        Ok((answer.read(url, expected)?, answer.date))
    }
}

impl Answer {
    /// Its document.
    ///
    /// # Errors
    /// [`Error::Odd`].
    pub fn read<T: DeserializeOwned>(&self, url: &Url, expected: &'static str) -> Result<T, Error> {
        serde_json::from_slice(&self.body).map_err(|error| Error::Odd {
            url: shown(url),
            expected,
            // The document may have a secret.
            reason: format!("line {}, column {}", error.line(), error.column()),
        })
    }

    /// That it is an error.
    pub fn status_error(&self, url: &Url) -> Error {
        Error::Status { url: shown(url), status: self.status, said: self.said() }
    }

    /// The beginning of what it says, without markup.
    pub fn said(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let mut plain = String::new();
        let mut in_tag = false;
        for c in text.chars() {
            match c {
                '<' => in_tag = true,
                '>' => {
                    in_tag = false;
                    plain.push(' ');
                }
                c if !in_tag => plain.push(c),
                _ => {}
            }
            if plain.len() >= SHOWN {
                break;
            }
        }
        plain.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// An address without its query, which may have a token.
pub(super) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    let _ = url.set_password(None);
    let _ = url.set_username("");
    url.to_string()
}
