//! One outgoing request, and the request that follows from a redirection.

use reqwest::{
    Method,
    header::{self, HeaderMap, HeaderName, HeaderValue},
};
use url::Url;

use crate::plugin::{HttpError, HttpRequest, bindings::http};

/// Bytes of a request's body.
pub(super) const BODY: usize = 8 << 20;
/// Headers of one request.
const HEADERS: usize = 100;

/// Headers that decide where a message goes or ends.
const OURS: [HeaderName; 8] = [
    header::HOST,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::CONNECTION,
    header::UPGRADE,
    header::TE,
    header::TRAILER,
    header::EXPECT,
];

/// One request of a chain of redirects.
pub(super) struct Next {
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    pub body: bytes::Bytes,
}

impl Next {
    pub fn parse(request: http::Request) -> Result<Self, HttpError> {
        let invalid = |message: String| Err(HttpError::Invalid(message));
        let url = match Url::parse(&request.url) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => url,
            Ok(url) => return invalid(format!("`{}` is neither http nor https", url.scheme())),
            Err(error) => return invalid(format!("{:?} is not a URL: {error}", request.url)),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return invalid("the URL holds a user name or password; use a header".into());
        }
        let Ok(method) = Method::from_bytes(request.method.as_bytes()) else {
            return invalid(format!("{:?} is not a method", request.method));
        };
        if method == Method::CONNECT {
            return invalid("the method CONNECT is not for plugins".into());
        }
        if request.body.len() > BODY {
            return invalid(format!("the body has more than {BODY} bytes"));
        }
        if request.headers.len() > HEADERS {
            return invalid(format!("more than {HEADERS} headers"));
        }
        let mut headers = HeaderMap::new();
        for (name, value) in request.headers {
            let parsed = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(&value));
            let (Ok(name), Ok(value)) = parsed else {
                return invalid(format!("{name:?} is not a header with a plain value"));
            };
            if OURS.contains(&name) {
                return invalid(format!("only the host sets the header `{name}`"));
            }
            headers.append(name, value);
        }
        Ok(Next { method, url, headers, body: request.body.into() })
    }

    /// The form for other modules. Values that are not ASCII are the
    /// guest's own text.
    pub fn plain(&self) -> HttpRequest {
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        HttpRequest {
            method: self.method.to_string(),
            url: self.url.to_string(),
            headers: self.headers.iter().map(|(n, v)| (n.to_string(), text(v))).collect(),
            body: self.body.to_vec(),
        }
    }

    /// The request that this answer leads to, if it is a redirect
    /// (RFC 9110, 15.4): 303 is read with GET, and so are 301 and 302 after a
    /// POST, as everyone does.
    pub fn redirect(&self, response: &reqwest::Response) -> Result<Option<Next>, HttpError> {
        let status = response.status().as_u16();
        let Some(location) = response.headers().get(header::LOCATION) else { return Ok(None) };
        if !matches!(status, 301 | 302 | 303 | 307 | 308) {
            return Ok(None);
        }
        let failed = |message: &str| HttpError::Failed(message.into());
        let location = location.to_str().map_err(|_| failed("a redirect to no URL"))?;
        let url = self.url.join(location).map_err(|_| failed("a redirect to no URL"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(failed("a redirect away from http"));
        }
        if self.url.scheme() == "https" && url.scheme() == "http" {
            return Err(failed("a redirect from https to http"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(failed("a redirect with a user name or password"));
        }
        let mut headers = self.headers.clone();
        if url.origin() != self.url.origin() {
            for secret in [header::AUTHORIZATION, header::COOKIE, header::PROXY_AUTHORIZATION] {
                headers.remove(secret);
            }
        }
        let to_get = match status {
            303 => self.method != Method::HEAD,
            301 | 302 => self.method == Method::POST,
            _ => false,
        };
        let (method, body) = if to_get {
            headers.remove(header::CONTENT_TYPE);
            (Method::GET, bytes::Bytes::new())
        } else {
            (self.method.clone(), self.body.clone())
        };
        Ok(Some(Next { method, url, headers, body }))
    }
}
