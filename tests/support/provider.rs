//! An OpenID provider that answers as it is told: discovery, keys, authorization requests,
//! registration and its management. It signs nobody in.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use serde_json::{Value, json};
use url::Url;

/// A client as it is registered.
#[derive(Debug, Clone)]
pub struct Client {
    pub secret: String,
    pub token: String,
    pub metadata: Value,
}

/// What it has, and how it answers.
#[derive(Debug, Clone, Default)]
pub struct State {
    pub clients: BTreeMap<String, Client>,
    /// Members of the discovery document in place of the usual ones; null leaves one out.
    pub document: serde_json::Map<String, Value>,
    /// The set of keys in place of the usual one.
    pub keys: Option<Value>,
    /// What its clock says, in place of the time.
    pub date: Option<String>,
    /// What a registration needs.
    pub initial_token: Option<String>,
    /// Each answer about a registration has a new token.
    pub rotates: bool,
    /// It demands PKCE.
    pub demands_pkce: bool,
    /// It sends people to any address.
    pub redirects_anywhere: bool,
    /// Programs are told that nobody is signed in; browsers get the page to do it.
    pub tells_programs: bool,
    /// Everything is answered with this status.
    pub broken: Option<u16>,
    /// What is made and changed at `/register` is answered with this status.
    pub told_with: Option<u16>,
    /// It knows RFC 7591 alone: no client can be read, changed or removed.
    pub manages_none: bool,
    /// Clients are said to be managed here.
    pub manages_at: Option<String>,
    /// A client's secret is in the answer that makes it, and in no other.
    pub shows_once: bool,
    /// When secrets stop working, in seconds; 0 for never.
    pub secret_expires: i64,
    /// Requests that arrived, `POST /register`.
    pub asked: Vec<String>,
    made: usize,
}

/// The provider, for as long as the process lives.
pub struct Provider {
    pub issuer: String,
    state: Arc<Mutex<State>>,
}

impl Provider {
    pub fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let provider = Provider { issuer, state: Arc::default() };
        let (issuer, state) = (provider.issuer.clone(), Arc::clone(&provider.state));
        thread::spawn(move || {
            for stream in listener.incoming() {
                // One that hangs up gets no answer.
                let _ = stream.and_then(|stream| answer(&stream, &issuer, &state));
            }
        });
        provider
    }

    /// What it has; may be changed.
    pub fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// A client that somebody makes there by hand.
    pub fn enter(&self, id: &str, redirect_uri: &str) {
        let metadata = json!({"redirect_uris": [redirect_uri]});
        let client = Client { secret: "by-hand".into(), token: String::new(), metadata };
        self.state().clients.insert(id.to_owned(), client);
    }
}

/// One request.
struct Asked {
    method: String,
    url: Url,
    token: Option<String>,
    /// It takes JSON.
    program: bool,
    body: Value,
}

fn read(stream: &TcpStream, issuer: &str) -> std::io::Result<Option<Asked>> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let (mut length, mut token, mut program) = (0, None, false);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if line.trim().is_empty() {
            break;
        }
        let Some((name, value)) = line.split_once(':') else { continue };
        match name.to_lowercase().as_str() {
            "accept" => program = value.contains("json"),
            "content-length" => length = value.trim().parse().unwrap_or(0),
            "authorization" => {
                token = value.trim().strip_prefix("Bearer ").map(str::to_owned);
            }
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let mut words = first.split(' ');
    let (Some(method), Some(path)) = (words.next(), words.next()) else { return Ok(None) };
    let Ok(url) = Url::parse(&format!("{issuer}{path}")) else { return Ok(None) };
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    Ok(Some(Asked { method: method.to_owned(), url, token, program, body }))
}

fn answer(stream: &TcpStream, issuer: &str, state: &Mutex<State>) -> std::io::Result<()> {
    let Some(asked) = read(stream, issuer)? else { return Ok(()) };
    let mut state = state.lock().unwrap();
    state.asked.push(format!("{} {}", asked.method, asked.url.path()));
    let (status, location, body) = match state.broken {
        Some(status) => (status, None, "it is broken".to_owned()),
        None => state.answer(issuer, &asked),
    };
    let is_told = asked.url.path().starts_with("/register") && matches!(status, 200 | 201);
    let status = state.told_with.filter(|_| is_told).unwrap_or(status);
    let date = state.date.clone().unwrap_or_else(now);
    let location = location.map(|to| format!("Location: {to}\r\n")).unwrap_or_default();
    let head = format!(
        "HTTP/1.1 {status} x\r\nDate: {date}\r\n{location}Content-Length: {}\r\nConnection: \
         close\r\n\r\n",
        body.len()
    );
    let mut stream = stream;
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())
}

fn now() -> String {
    jiff::fmt::rfc2822::to_string(&jiff::Zoned::now()).unwrap()
}

type Answer = (u16, Option<String>, String);

impl State {
    fn answer(&mut self, issuer: &str, asked: &Asked) -> Answer {
        let path = asked.url.path().to_owned();
        match (asked.method.as_str(), path.as_str()) {
            ("GET", "/.well-known/openid-configuration") => (200, None, self.discovery(issuer)),
            ("GET", "/keys") => {
                let usual = json!({"keys": [{"kid": "k1", "kty": "RSA"}]});
                (200, None, self.keys.clone().unwrap_or(usual).to_string())
            }
            ("GET", "/authorize") if self.tells_programs => match asked.program {
                true => (401, None, r#"{"error": "9", "result": 0}"#.into()),
                false => (200, None, "<form>login and password</form>".into()),
            },
            ("GET", "/authorize") => self.authorize(&asked.url),
            ("POST", "/register") => self.register(issuer, asked),
            (method, path) => match path.strip_prefix("/register/") {
                Some(id) => self.manage(issuer, method, id, asked),
                None => (404, None, "there is no such page".into()),
            },
        }
    }

    fn discovery(&self, issuer: &str) -> String {
        let mut document = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"),
            "jwks_uri": format!("{issuer}/keys"),
            "registration_endpoint": format!("{issuer}/register"),
            "response_types_supported": ["code"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        });
        for (name, value) in &self.document {
            match value {
                Value::Null => drop(document.as_object_mut().unwrap().remove(name)),
                value => document[name] = value.clone(),
            }
        }
        document.to_string()
    }

    fn authorize(&self, url: &Url) -> Answer {
        let asked: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
        let of = |name: &str| asked.get(name).cloned().unwrap_or_default();
        let Some(client) = self.clients.get(&of("client_id")) else {
            return (400, None, "<h1>invalid_client</h1> the client is unknown".into());
        };
        let to = of("redirect_uri");
        let known = client.metadata["redirect_uris"].as_array().unwrap();
        if !self.redirects_anywhere && !known.contains(&json!(to)) {
            return (400, None, "<h1>error</h1> redirect_uri did not match".into());
        }
        let error = match self.demands_pkce && !asked.contains_key("code_challenge") {
            true => "error=invalid_request&error_description=PKCE+is+required",
            false => "error=login_required",
        };
        (303, Some(format!("{to}?{error}&state={}", of("state"))), String::new())
    }

    fn register(&mut self, issuer: &str, asked: &Asked) -> Answer {
        if self.initial_token.is_some() && asked.token != self.initial_token {
            return (401, None, r#"{"error": "invalid_token"}"#.into());
        }
        let uris = asked.body["redirect_uris"].as_array();
        if uris.is_none_or(|uris| uris.iter().any(|uri| uri.as_str().unwrap().contains('#'))) {
            return (400, None, r#"{"error": "invalid_redirect_uri"}"#.into());
        }
        self.made += 1;
        let id = format!("client-{}", self.made);
        let client = Client {
            secret: format!("secret-{}", self.made),
            token: format!("token-{}", self.made),
            metadata: asked.body.clone(),
        };
        self.clients.insert(id.clone(), client);
        (201, None, self.told(issuer, &id).to_string())
    }

    fn told(&self, issuer: &str, id: &str) -> Value {
        let client = &self.clients[id];
        let mut told = client.metadata.clone();
        told["client_id"] = json!(id);
        told["client_secret"] = json!(client.secret);
        told["client_secret_expires_at"] = json!(self.secret_expires);
        if !self.manages_none {
            let place = self.manages_at.as_deref().unwrap_or(issuer);
            told["registration_client_uri"] = json!(format!("{place}/register/{id}"));
            told["registration_access_token"] = json!(client.token);
        }
        told
    }

    fn manage(&mut self, issuer: &str, method: &str, id: &str, asked: &Asked) -> Answer {
        let known =
            self.clients.get(id).filter(|client| asked.token.as_ref() == Some(&client.token));
        if known.is_none() {
            return (401, None, r#"{"error": "invalid_token"}"#.into());
        }
        if method == "DELETE" {
            self.clients.remove(id);
            return (204, None, String::new());
        }
        if self.rotates {
            self.made += 1;
            self.clients.get_mut(id).unwrap().token = format!("token-{}", self.made);
        }
        if method == "PUT" {
            // It replaces everything (RFC 7592, 2.2).
            if asked.body["client_id"] != json!(id) {
                return (400, None, r#"{"error": "invalid_client_metadata"}"#.into());
            }
            self.clients.get_mut(id).unwrap().metadata = asked.body.clone();
        }
        let mut told = self.told(issuer, id);
        if self.shows_once {
            told.as_object_mut().unwrap().remove("client_secret");
        }
        (200, None, told.to_string())
    }
}
