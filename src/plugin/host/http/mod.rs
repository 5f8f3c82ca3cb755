//! `http`: requests to granted origins, `http: https://sso.example.org`.
//!
//! The origin of every request and of every redirect must be granted. The addresses of a
//! name are checked when the connection is made, on exactly the addresses that are
//! connected to, so that a second answer of the name server cannot bypass the check.
//! Redirects are followed here; proxies of the environment are not used.

mod addresses;
mod connect;
mod metadata;
mod networks;
mod next;

use std::{error::Error as _, time::Duration};

use url::Url;
use wasmtime::component::{HasSelf, Linker};

pub(in crate::plugin) use self::addresses::place;
pub use self::{
    connect::Client,
    networks::{Network, here},
};
use self::{
    connect::{Closed, NotSent},
    next::Next,
};
use super::State;
use crate::{
    home::Grant,
    plugin::{HttpError, HttpRequest, HttpResponse, Surroundings, bindings::http},
};

/// Redirects of one request: browsers allow more, for people.
const REDIRECTS: usize = 5;
/// Time for one request, redirects included, unless the guest says otherwise.
const TIMEOUT: Duration = Duration::from_secs(30);

pub fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    http::add_to_linker::<_, HasSelf<State>>(linker, |state| state)
}

impl http::Host for State {
    async fn send(
        &mut self,
        request: http::Request,
    ) -> wasmtime::Result<Result<http::Response, http::Error>> {
        self.call()?;
        let asked = request.timeout_ms.map(|ms| Duration::from_millis(ms.into()));
        let timeout = asked.unwrap_or(TIMEOUT);
        let asked = HttpRequest {
            method: request.method.clone(),
            url: request.url.clone(),
            headers: request.headers.clone(),
            body: request.body.clone(),
        };
        let answer = match tokio::time::timeout(timeout, self.follow(request)).await {
            Ok(answer) => answer,
            Err(_) => Err(HttpError::TimedOut),
        };
        self.surroundings.outside.answered(&asked, &answer);
        Ok(answer.map(Into::into).map_err(Into::into))
    }
}

impl State {
    /// Sends a request and follows its redirects.
    async fn follow(&mut self, request: http::Request) -> Result<HttpResponse, HttpError> {
        let mut next = Next::parse(request)?;
        for _ in 0..=REDIRECTS {
            self.allowed(&next.url)?;
            let limit = self.account.limits().output;
            let response = match self.surroundings.outside.answer(&next.plain()).await {
                Some(answer) => given(answer?)?,
                None => match self.client().send(&next).await {
                    Ok(response) => response,
                    Err(NotSent::Closed(closed)) => return Err(self.closed(closed)),
                    Err(NotSent::Unknown(error)) => {
                        let why = format!("the addresses of this machine are unknown: {error}");
                        return Err(HttpError::Failed(why));
                    }
                    Err(NotSent::Failed(error)) => return Err(HttpError::Failed(chain(&error))),
                },
            };
            match next.redirect(&response)? {
                Some(after) => next = after,
                None => return read(response, limit).await,
            }
        }
        Err(HttpError::Failed(format!("more than {REDIRECTS} redirects")))
    }

    /// Whether this URL's origin is granted, and its address open if it is one.
    fn allowed(&mut self, url: &Url) -> Result<(), HttpError> {
        let grant = Grant::Http(url.origin().ascii_serialization());
        self.granted(grant).map_err(HttpError::Denied)
    }

    fn client(&mut self) -> &mut Client {
        let Surroundings { grants, outside, .. } = &self.surroundings;
        self.http.get_or_insert_with(|| Client::new(grants, outside))
    }

    /// The error about a closed address, for the guest and the operator.
    fn closed(&mut self, closed: Closed) -> HttpError {
        let message = closed.to_string();
        self.refused(closed.grant(), || format!("was denied an address: {message}"));
        HttpError::Denied(message)
    }
}

/// An answer that did not come over the network.
fn given(answer: HttpResponse) -> Result<reqwest::Response, HttpError> {
    let mut response = hyper::http::Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        response = response.header(name, value);
    }
    let response = response.body(answer.body).map_err(|e| HttpError::Failed(e.to_string()))?;
    Ok(response.into())
}

impl From<HttpResponse> for http::Response {
    fn from(response: HttpResponse) -> Self {
        let HttpResponse { status, headers, body } = response;
        http::Response { status, headers, body }
    }
}

impl From<HttpError> for http::Error {
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::Denied(why) => http::Error::Denied(why),
            HttpError::TimedOut => http::Error::TimedOut,
            HttpError::Invalid(why) => http::Error::Invalid(why),
            HttpError::Failed(why) => http::Error::Failed(why),
        }
    }
}

/// Reads an answer to its end, or to the limit.
async fn read(mut response: reqwest::Response, limit: usize) -> Result<HttpResponse, HttpError> {
    let headers = response
        .headers()
        .iter()
        .map(|(name, value)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        })
        .collect();
    let status = response.status().as_u16();
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > limit => {
                return Err(HttpError::Failed(format!("the answer has more than {limit} bytes")));
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Ok(HttpResponse { status, headers, body }),
            Err(error) => return Err(HttpError::Failed(chain(&error))),
        }
    }
}

/// An error with its causes, without the URL, which may hold a token.
pub(crate) fn chain(error: &reqwest::Error) -> String {
    let mut message = if error.is_connect() {
        "no connection".to_owned()
    } else if error.is_timeout() {
        "no answer in time".to_owned()
    } else {
        "the request failed".to_owned()
    };
    let mut source = error.source();
    while let Some(error) = source {
        message.push_str(": ");
        message.push_str(&error.to_string());
        source = error.source();
    }
    message
}

#[cfg(test)]
mod name_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tls_tests;
