//! A person at a browser: headless Chromium, driven through chromedriver by the W3C's
//! WebDriver protocol.
//!
//! Every step waits for the page to be as far, and a step that fails leaves a picture of the
//! page. The browser, its driver and its profile end when it is dropped.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::{
    fmt::Display,
    io::{self, BufRead, BufReader, Read, Write},
    net::TcpStream,
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    thread::sleep,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};

use super::common::{PATIENCE, skip};

/// The key that the protocol has for an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Between two looks at a page.
const LOOK: Duration = Duration::from_millis(100);

/// One window, without anything kept from others.
pub struct Browser {
    driver: Child,
    port: u16,
    session: String,
    _profile: tempfile::TempDir,
}

/// What the driver said instead of doing it.
#[derive(Debug)]
struct Refused {
    /// The protocol's word, `no such element`.
    error: String,
    message: String,
}

impl Refused {
    /// A page that is still on its way can be otherwise in a moment.
    fn may_pass(&self) -> bool {
        [
            "no such element",
            "stale element reference",
            "element not interactable",
            "element click intercepted",
            "unknown error",
        ]
        .contains(&self.error.as_str())
    }
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Refused { error: "no answer".into(), message: error.to_string() }
    }
}

impl Browser {
    /// A browser that finds each of these names on this machine; none after saying so where
    /// there is no Chromium.
    ///
    /// # Panics
    /// When Chromium is there and does not start.
    pub fn start(names: &[&str]) -> Option<Self> {
        Self::start_as_if_with_tls(names, &[])
    }

    /// The same, and treats sites of plain HTTP at these origins as if they had TLS: some apps
    /// have cookies for nothing else.
    ///
    /// # Panics
    /// As [`Browser::start`].
    pub fn start_as_if_with_tls(names: &[&str], origins: &[&str]) -> Option<Self> {
        for program in ["chromium", "chromedriver"] {
            let found = Command::new(program)
                .arg("--version")
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status();
            if !found.is_ok_and(|status| status.success()) {
                skip(&format!("{program} is missing (packages chromium and chromium-driver)"));
                return None;
            }
        }
        let profile = tempfile::Builder::new().prefix("potluck-browser-").tempdir().unwrap();
        let mut driver = Command::new("chromedriver")
            .args(["--port=0", "--log-level=SEVERE"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Chromium is in it, too.
            .process_group(0)
            .spawn()
            .unwrap();
        let port = port_of(&mut driver);
        let mut browser = Browser { driver, port, session: String::new(), _profile: profile };

        let rules: Vec<_> = names.iter().map(|name| format!("MAP {name} 127.0.0.1")).collect();
        let mut arguments = vec![
            "--headless=new".to_owned(),
            // Chromium's sandbox does not work for root.
            "--no-sandbox".into(),
            "--disable-gpu".into(),
            "--disable-dev-shm-usage".into(),
            "--no-first-run".into(),
            "--disable-background-networking".into(),
            "--disable-component-update".into(),
            // Plain HTTP is what the tests serve.
            "--disable-features=HttpsUpgrades,HttpsFirstBalancedModeAutoEnable".into(),
            "--window-size=1000,800".into(),
            format!("--user-data-dir={}", browser._profile.path().display()),
        ];
        if !rules.is_empty() {
            arguments.push(format!("--host-resolver-rules={}", rules.join(", ")));
        }
        if !origins.is_empty() {
            let origins = origins.join(",");
            arguments.push(format!("--unsafely-treat-insecure-origin-as-secure={origins}"));
        }
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "pageLoadStrategy": "normal",
            "timeouts": {"pageLoad": 60_000, "script": 30_000, "implicit": 0},
            "goog:loggingPrefs": {"browser": "ALL"},
            "goog:chromeOptions": {"args": arguments},
        }}});
        let session = browser.send("POST", "/session", &wanted);
        let session = session.unwrap_or_else(|error| panic!("Chromium does not start: {error:?}"));
        browser.session = session["sessionId"].as_str().unwrap().to_owned();
        Some(browser)
    }

    /// Opens an address, and waits until the page is there. Whatever answers is a page, also
    /// an error.
    ///
    /// # Panics
    /// When nothing answers in time.
    pub fn go(&self, url: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.command("POST", "/url", &json!({ "url": url })) {
                Ok(_) => return,
                Err(error) if Instant::now() > deadline => {
                    self.fail(format!("{url} did not open: {}", error.message))
                }
                Err(_) => sleep(LOOK),
            }
        }
    }

    /// Where it is now.
    pub fn url(&self) -> String {
        let url = self.patiently("the address", || self.command("GET", "/url", &Value::Null));
        url.as_str().unwrap_or_default().to_owned()
    }

    /// The page as it is read; empty between two pages.
    pub fn text(&self) -> String {
        self.script("return document.body ? document.body.innerText : ''")
            .ok()
            .and_then(|text| text.as_str().map(str::to_owned))
            .unwrap_or_default()
    }

    /// The text of the first element, as soon as it is there.
    pub fn text_of(&self, css: &str) -> String {
        let text = self.patiently(css, || {
            let element = self.find(css)?;
            self.command("GET", &format!("/element/{element}/text"), &Value::Null)
        });
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Whether the page has such an element now.
    pub fn has(&self, css: &str) -> bool {
        self.find(css).is_ok()
    }

    /// Waits until the page has such an element.
    pub fn wait_for(&self, css: &str) {
        self.patiently(css, || self.find(css));
    }

    /// Waits until the page has one of these, and says which.
    ///
    /// # Panics
    /// When none comes in time.
    pub fn wait_for_any(&self, css: &[&str]) -> usize {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = css.iter().position(|css| self.has(css)) {
                return at;
            }
            if Instant::now() > deadline {
                self.fail(format!("none of {css:?} came"));
            }
            sleep(LOOK);
        }
    }

    /// Whether an address comes that begins so, before something that is asked on the way.
    ///
    /// # Panics
    /// When neither comes in time.
    pub fn comes_to(&self, url: &str, before: &str) -> bool {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if self.url().starts_with(url) {
                return true;
            }
            if self.has(before) {
                return false;
            }
            if Instant::now() > deadline {
                self.fail(format!("neither {url} nor {before} came"));
            }
            sleep(LOOK);
        }
    }

    /// Waits until the page has this text.
    ///
    /// # Panics
    /// When it does not come in time.
    pub fn wait_for_text(&self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.text().contains(text) {
            if Instant::now() > deadline {
                self.fail(format!("the page does not say {text:?}"));
            }
            sleep(LOOK);
        }
    }

    /// Waits until the address begins so.
    ///
    /// # Panics
    /// When it does not come in time.
    pub fn wait_for_url(&self, start: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.url().starts_with(start) {
            if Instant::now() > deadline {
                self.fail(format!("it did not come to {start}"));
            }
            sleep(LOOK);
        }
    }

    /// Types into a field, instead of what was in it.
    pub fn type_into(&self, css: &str, text: &str) {
        self.patiently(css, || {
            let element = self.find(css)?;
            self.command("POST", &format!("/element/{element}/clear"), &json!({}))?;
            self.command("POST", &format!("/element/{element}/value"), &json!({ "text": text }))
        });
    }

    /// Clicks, and waits for the page that follows, if one does.
    pub fn click(&self, css: &str) {
        self.patiently(css, || {
            let element = self.find(css)?;
            self.command("POST", &format!("/element/{element}/click"), &json!({}))
        });
    }

    /// Pages run no JavaScript of theirs from now on, or do again.
    ///
    /// # Panics
    /// When Chromium does not do so.
    pub fn without_scripts(&self, without: bool) {
        let command = "Emulation.setScriptExecutionDisabled";
        let asked = json!({ "cmd": command, "params": { "value": without } });
        let done = self.command("POST", "/goog/cdp/execute", &asked);
        done.unwrap_or_else(|error| panic!("{command}: {error:?}"));
    }

    /// What pages wrote to the console since the last time, and what the browser said of them.
    ///
    /// # Panics
    /// When the driver does not tell.
    pub fn console(&self) -> Vec<String> {
        let entries = self.command("POST", "/se/log", &json!({ "type": "browser" })).unwrap();
        let message = |entry: &Value| entry["message"].as_str().unwrap_or_default().to_owned();
        entries.as_array().into_iter().flatten().map(message).collect()
    }

    /// How many of these elements are seen.
    pub fn seen(&self, css: &str) -> usize {
        let asked = json!({"using": "css selector", "value": css});
        let found = self.patiently(css, || self.command("POST", "/elements", &asked));
        let is_seen = |element: &&Value| {
            let id = element[ELEMENT].as_str().unwrap_or_default();
            let seen = self.command("GET", &format!("/element/{id}/displayed"), &Value::Null);
            seen.is_ok_and(|seen| seen == true)
        };
        found.as_array().into_iter().flatten().filter(is_seen).count()
    }

    /// Makes the window as wide as a phone's, or as any other.
    pub fn resize(&self, width: u32, height: u32) {
        let asked = json!({ "width": width, "height": height });
        self.patiently("the window", || self.command("POST", "/window/rect", &asked));
    }

    /// Prefers dark pages, as their reader's system says.
    ///
    /// # Panics
    /// When Chromium does not.
    pub fn prefer_dark(&self) {
        let features = json!([{ "name": "prefers-color-scheme", "value": "dark" }]);
        let command = "Emulation.setEmulatedMedia";
        let asked = json!({ "cmd": command, "params": { "features": features } });
        let done = self.command("POST", "/goog/cdp/execute", &asked);
        done.unwrap_or_else(|error| panic!("{command}: {error:?}"));
    }

    /// What an expression of JavaScript is in the page.
    ///
    /// # Panics
    /// When it fails.
    pub fn value(&self, expression: &str) -> Value {
        self.script(&format!("return {expression}"))
            .unwrap_or_else(|error| self.fail(error.message))
    }

    /// Runs JavaScript in the page; `return` is what comes back.
    fn script(&self, script: &str) -> Result<Value, Refused> {
        self.command("POST", "/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Forgets cookies and passwords of all sites, like another person's browser.
    ///
    /// # Panics
    /// When Chromium does not.
    pub fn forget(&self) {
        let tell = |command: &str| {
            let asked = json!({ "cmd": command, "params": {} });
            let done = self.command("POST", "/goog/cdp/execute", &asked);
            done.unwrap_or_else(|error| panic!("{command}: {error:?}"))
        };
        self.go("about:blank");
        let deadline = Instant::now() + PATIENCE;
        loop {
            tell("Network.clearBrowserCookies");
            // What a page sends as it is left is answered after that, also with a cookie.
            sleep(5 * LOOK);
            let kept = tell("Network.getAllCookies");
            if kept["cookies"].as_array().is_some_and(Vec::is_empty) {
                break;
            }
            assert!(Instant::now() < deadline, "cookies come again and again: {kept}");
        }
        tell("Network.clearBrowserCache");
    }

    /// Ends the test with what was missing, the page's address and text, and a picture of it.
    ///
    /// # Panics
    /// Always.
    #[track_caller]
    pub fn fail(&self, what: impl Display) -> ! {
        let picture = self.picture().map(|path| path.display().to_string());
        let url = self.command("GET", "/url", &Value::Null);
        panic!(
            "{what}\nat {}\npicture: {}\n{}",
            url.ok().and_then(|url| url.as_str().map(str::to_owned)).unwrap_or_default(),
            picture.unwrap_or_else(|| "none".into()),
            self.text()
        )
    }

    /// Keeps a picture of the page among the files that the system throws away.
    pub fn picture(&self) -> Option<PathBuf> {
        static TAKEN: AtomicUsize = AtomicUsize::new(0);
        let taken = self.command("GET", "/screenshot", &Value::Null).ok()?;
        let number = TAKEN.fetch_add(1, Ordering::Relaxed);
        let name = format!("potluck-browser-{}-{number}.png", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, STANDARD.decode(taken.as_str()?).ok()?).ok()?;
        Some(path)
    }

    fn find(&self, css: &str) -> Result<String, Refused> {
        let asked = json!({"using": "css selector", "value": css});
        let found = self.command("POST", "/element", &asked)?;
        Ok(found[ELEMENT].as_str().unwrap_or_default().to_owned())
    }

    #[track_caller]
    fn patiently<T>(&self, what: &str, mut attempt: impl FnMut() -> Result<T, Refused>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match attempt() {
                Ok(value) => return value,
                Err(error) if error.may_pass() && Instant::now() < deadline => sleep(LOOK),
                Err(error) => self.fail(format!("{what}: {} ({})", error.error, error.message)),
            }
        }
    }

    fn command(&self, method: &str, path: &str, body: &Value) -> Result<Value, Refused> {
        self.send(method, &format!("/session/{}{path}", self.session), body)
    }

    /// One request and its answer, over a connection of its own.
    fn send(&self, method: &str, path: &str, body: &Value) -> Result<Value, Refused> {
        let body = if method == "POST" { body.to_string() } else { String::new() };
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.port,
            body.len()
        )?;
        let mut answer = BufReader::new(stream);
        let (mut line, mut length) = (String::new(), 0);
        loop {
            line.clear();
            answer.read_line(&mut line)?;
            if let Some(number) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = number.trim().parse().unwrap_or_default();
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        answer.read_exact(&mut body)?;
        let mut body: Value = serde_json::from_slice(&body).map_err(io::Error::from)?;
        let value = body["value"].take();
        match value["error"].as_str() {
            None => Ok(value),
            Some(error) => Err(Refused {
                error: error.to_owned(),
                message: value["message"].as_str().unwrap_or_default().to_owned(),
            }),
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() {
            let _ = self.command("DELETE", "", &Value::Null);
        }
        if let Ok(id) = i32::try_from(self.driver.id())
            && let Some(group) = Pid::from_raw(id)
        {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.driver.wait();
    }
}

/// The port that the driver chose.
fn port_of(driver: &mut Child) -> u16 {
    let mut said = BufReader::new(driver.stdout.take().unwrap());
    let mut line = String::new();
    while said.read_line(&mut line).is_ok_and(|read| read > 0) {
        if let Some((_, port)) = line.trim_end().trim_end_matches('.').rsplit_once("on port ")
            && let Ok(port) = port.parse()
            && line.contains("successfully")
        {
            // What it says later must not fill the pipe.
            std::thread::spawn(move || io::copy(&mut said, &mut io::sink()));
            return port;
        }
        line.clear();
    }
    panic!("chromedriver does not say its port")
}
