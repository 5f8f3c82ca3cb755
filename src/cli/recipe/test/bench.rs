//! Where a test happens: a folder of its own, with its own servers, in which commands are typed
//! as a person would type them.

use std::{
    env, fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use super::{
    answers::script,
    copy::{Copied, Overlay, SECRETS},
    origin::Origin,
    sweep::{self, DIGITS, MARK},
    unanswered::Unanswered,
};
use crate::{
    acceptance::Server,
    cli::{
        failure::Failure,
        session::{Session, engine},
        shell,
        ui::clean,
    },
    engine::Engine,
    home::{BackupSettings, Home, ServerName, ServerSettings},
};

/// The servers of a test, as the test calls them.
pub const SERVER: &str = "test";
pub const EMPTY: &str = "empty";

/// The overlay of the test's own.
const OVERLAY: &str = "compose.potluck-test.yml";

/// The servers that a test happens on.
pub struct Place {
    server: ServerSettings,
    /// One that has nothing of the app.
    empty: Option<ServerSettings>,
}

impl Place {
    /// The operator's servers of these names, or simulated ones.
    pub fn of(
        session: &Session,
        server: Option<&ServerName>,
        empty: Option<&ServerName>,
    ) -> Result<Self, Failure> {
        let simulated =
            || ServerSettings { endpoint: Some("simulated".into()), ..ServerSettings::default() };
        let Some(server) = server else {
            return Ok(Place { server: simulated(), empty: Some(simulated()) });
        };
        let home = session.home()?;
        let read = |name: &ServerName| -> Result<ServerSettings, Failure> {
            let theirs = home.server(name)?;
            let helper_image = theirs.backup.and_then(|backup| backup.helper_image);
            // Not their repositories: a test's backups go with it.
            let backup = BackupSettings { helper_image, ..BackupSettings::default() };
            Ok(ServerSettings {
                endpoint: Some(home.endpoint(name)?),
                nodes: theirs.nodes,
                backup: Some(backup).filter(|backup| backup.helper_image.is_some()),
                networks: theirs.networks,
                ..ServerSettings::default()
            })
        };
        Ok(Place { server: read(server)?, empty: empty.map(read).transpose()? })
    }

    pub fn server(&self) -> Server {
        match self.server.endpoint.as_deref() {
            Some("simulated") => Server::Simulated,
            _ => Server::Real,
        }
    }
}

/// What a command ended with.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// Why a stage cannot go on.
#[derive(Debug)]
pub enum Stop {
    Failed(String),
    /// Only a real server, or an answer of the recipe's own, could show it.
    NotShown(String),
    NotApplicable(String),
    Interrupted,
}

/// One app of a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct App {
    pub domain: String,
    pub server: &'static str,
}

pub struct Bench {
    folder: Option<TempDir>,
    pub recipe: Copied,
    pub server: Server,
    pub has_empty: bool,
    settings: Vec<String>,
    /// Whether what the recipe's plugins and services ask for is granted.
    agrees: bool,
    program: PathBuf,
    patience: Duration,
    cancel: CancellationToken,
    /// Beginning of the names of what is made.
    prefix: String,
    /// What was typed in this stage.
    typed: Vec<String>,
    /// How many networks were made that others would have made.
    networks: usize,
}

impl Bench {
    pub fn new(
        recipe: Copied,
        place: Place,
        settings: Vec<String>,
        patience: Duration,
        cancel: CancellationToken,
    ) -> Result<Self, Failure> {
        let broken = |error| Failure::io("making the test's folder failed", &error);
        let folder = tempfile::Builder::new().prefix(MARK).tempdir().map_err(broken)?;
        let program = env::current_exe().map_err(broken)?;
        let home = folder.path().join("potluck");
        let server = place.server();
        let has_empty = place.empty.is_some();
        for (name, settings) in [(SERVER, Some(&place.server)), (EMPTY, place.empty.as_ref())] {
            let Some(settings) = settings else { continue };
            let text = serde_saphyr::to_string(settings)
                .map_err(|error| Failure::new(format!("writing a server's settings: {error}")))?;
            let servers = home.join("servers").join(name);
            fs::create_dir_all(&servers).map_err(broken)?;
            fs::write(servers.join("server.yml"), text).map_err(broken)?;
            if server == Server::Simulated {
                let state = home.join("state/simulated").join(name);
                fs::create_dir_all(&state).map_err(broken)?;
                fs::write(state.join("script.yml"), script(&recipe)?).map_err(broken)?;
            }
        }
        fs::create_dir_all(folder.path().join("home")).map_err(broken)?;
        let unique = folder.path().file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        let unique: String =
            unique.chars().rev().filter(char::is_ascii_alphanumeric).take(DIGITS).collect();
        let mut all = recipe.settings()?;
        for given in &settings {
            let Some((key, value)) = given.split_once('=') else {
                return Err(Failure::usage(format!("`{given}` is not KEY=VALUE")));
            };
            all.push((key.to_owned(), value.to_owned()));
        }
        let mut bench = Bench {
            folder: Some(folder),
            recipe,
            server,
            has_empty,
            settings: all.into_iter().map(|(key, value)| format!("{key}={value}")).collect(),
            // A simulated server has nothing that could be reached.
            agrees: server == Server::Simulated,
            program,
            patience,
            cancel,
            prefix: format!("{MARK}{unique}"),
            typed: vec![],
            networks: 0,
        };
        bench.overlay()?;
        bench.recipe.write(&bench.path().join(bench.recipe.name.as_str()))?;
        Ok(bench)
    }

    /// Grants what the recipe's plugins and services ask for.
    pub fn agree(&mut self) {
        self.agrees = true;
    }

    /// Adds an overlay with which a simulated swarm does not wait as long as a real one would,
    /// and with which services change where the recipe is upgraded onto itself.
    fn overlay(&mut self) -> Result<(), Failure> {
        let hurries = self.server == Server::Simulated;
        if !hurries && !matches!(self.recipe.origin, Origin::Itself(_)) {
            return Ok(());
        }
        let given = self.settings.iter().rev().find_map(|it| it.strip_prefix("COMPOSE_FILE="));
        let behind = match given {
            Some(files) => files.to_owned(),
            None => self.recipe.compose_file()?,
        };
        // Files without a service are for the first command to refuse.
        if self.recipe.has_services(&behind) {
            self.settings.push(format!("COMPOSE_FILE={behind}:{OVERLAY}"));
            self.recipe.overlay = Some(Overlay { name: OVERLAY.to_owned(), behind, hurries });
        }
        Ok(())
    }

    pub fn path(&self) -> &Path {
        self.folder.as_ref().map_or(Path::new("."), TempDir::path)
    }

    /// What was typed since the last time.
    pub fn typed(&mut self) -> Vec<String> {
        std::mem::take(&mut self.typed)
    }

    pub fn is_cancelled(&self) -> bool {
        self.cancel.is_cancelled()
    }

    /// Types a command, whatever it ends with.
    pub async fn run(&mut self, arguments: &[&str]) -> Result<Ran, Stop> {
        if self.cancel.is_cancelled() {
            return Err(Stop::Interrupted);
        }
        self.carry_out(arguments, &self.cancel.clone()).await
    }

    async fn carry_out(
        &mut self,
        arguments: &[&str],
        cancel: &CancellationToken,
    ) -> Result<Ran, Stop> {
        self.typed.push(format!(
            "potluck {}",
            arguments.iter().map(|it| shell::word(it)).collect::<Vec<_>>().join(" ")
        ));
        let failed =
            |error: std::io::Error| Stop::Failed(format!("potluck cannot be run: {error}"));
        let child = Command::new(&self.program)
            .args(arguments)
            .current_dir(self.path())
            .env("POTLUCK_DIR", self.path().join("potluck"))
            .env("XDG_CONFIG_HOME", self.path().join("home"))
            .env("XDG_DATA_HOME", self.path().join("home"))
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let ended = child.wait_with_output();
        tokio::pin!(ended);
        let (output, late) = tokio::select! {
            output = &mut ended => (output, None),
            () = cancel.cancelled() => (interrupted(pid, ended).await, Some(Stop::Interrupted)),
            () = tokio::time::sleep(self.patience) => {
                let took = self.patience.as_secs();
                let why = format!("it took longer than {took} s: {}", self.typed.last().map_or("", String::as_str));
                (interrupted(pid, ended).await, Some(Stop::Failed(why)))
            }
        };
        let output = output.map_err(failed)?;
        if let Some(stop) = late {
            return Err(stop);
        }
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let code = output.status.code().unwrap_or(-1);
        Ok(Ran { code, stdout: text(output.stdout), stderr: text(output.stderr) })
    }

    /// Types a command that has to succeed.
    pub async fn good(&mut self, arguments: &[&str]) -> Result<Ran, Stop> {
        let ran = self.run(arguments).await?;
        match ran.code {
            0 => Ok(ran),
            _ => Err(self.stopped(&ran)),
        }
    }

    /// Types a command whose answer is JSON.
    pub async fn json(&mut self, arguments: &[&str]) -> Result<Value, Stop> {
        let ran = self.good(&[arguments, &["--json"]].concat()).await?;
        serde_json::from_str(&ran.stdout)
            .map_err(|error| Stop::Failed(format!("its answer is not JSON: {error}")))
    }

    /// Why a command failed, in its own words.
    pub fn stopped(&self, ran: &Ran) -> Stop {
        let from = ran.stderr.find("error: ").unwrap_or_default();
        let said = ran.stderr[from..].trim();
        let said = if said.is_empty() { "it said nothing" } else { said };
        let why = format!("exit code {}: {}", ran.code, clean_lines(said));
        match Unanswered::of(&ran.stderr) {
            Some(unanswered) if self.server == Server::Simulated => {
                Stop::NotShown(clean_lines(&unanswered.to_string()))
            }
            _ => Stop::Failed(why),
        }
    }

    /// Makes and deploys an app, in a version of the test's repository.
    pub async fn install(&mut self, name: &str, version: &str) -> Result<App, Stop> {
        let app = self.app(name, SERVER);
        let settings = with_ports(&self.settings)?;
        let folder = format!("./{}", self.recipe.name);
        let mut arguments = vec![
            "app".to_owned(),
            "new".into(),
            folder,
            version.into(),
            "--server".into(),
            SERVER.into(),
            "--domain".into(),
            app.domain.clone(),
            "--secrets".into(),
            "--no-input".into(),
        ];
        for setting in settings {
            arguments.extend(["--set".into(), setting]);
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        self.good(&arguments).await?;
        self.insert_secrets(&app).await?;
        self.deploy(SERVER, &["app", "deploy", &app.domain, "--no-input"]).await?;
        Ok(app)
    }

    /// Inserts the secrets that are the operator's to insert: what the recipe has for its tests,
    /// or a value without a meaning.
    async fn insert_secrets(&mut self, app: &App) -> Result<(), Stop> {
        let rows = self.json(&["app", "secret", "ls", &app.domain, "--server", SERVER]).await?;
        let is_missing = |row: &&Value| {
            row["current"] == true && row["id"].is_null() && row["generate"] == false
        };
        let missing = rows.as_array().into_iter().flatten().filter(is_missing);
        let names: Vec<&str> = missing.filter_map(|row| row["name"].as_str()).collect();
        for name in names {
            let failed = |error: String| Stop::Failed(format!("the secret `{name}`: {error}"));
            let given = format!("{SECRETS}/{name}");
            let value = match self.recipe.files.exists(&given) {
                true => {
                    self.recipe.files.text(&given).map_err(|error| failed(error.to_string()))?
                }
                false => format!("made-for-a-test-{name}"),
            };
            let file = "secret.txt";
            fs::write(self.path().join(file), value).map_err(|error| failed(error.to_string()))?;
            let at = ["app", "secret", "insert", &app.domain, name, "--server", SERVER];
            self.good(&[&at[..], &["--file", file]].concat()).await?;
        }
        Ok(())
    }

    /// Types a command that deploys on a server, makes the networks that it lacks, and agrees to
    /// what the recipe's plugins and services ask for.
    pub async fn deploy(&mut self, server: &'static str, arguments: &[&str]) -> Result<Ran, Stop> {
        let mut agreed: Vec<String> = vec![];
        // Networks, then consent; each is asked for once.
        for _ in 0..3 {
            let more = agreed.iter().flat_map(|flag| flag.iter_words());
            let all: Vec<&str> = arguments.iter().copied().chain(more).collect();
            let ran = self.run(&all).await?;
            let missing = missing_networks(&ran.stderr);
            let asked = asked(&ran.stderr);
            match ran.code {
                0 => return Ok(ran),
                6 if !asked.is_empty() && !self.agrees => {
                    return Err(Stop::Failed(format!(
                        "it asks for {}: --yes agrees to that on your server",
                        asked.join(", ")
                    )));
                }
                6 if !asked.is_empty() && agreed.is_empty() => agreed = asked,
                1 if !missing.is_empty() => {
                    for network in missing {
                        self.network(server, &network).await?;
                    }
                }
                _ => return Err(self.stopped(&ran)),
            }
        }
        Err(Stop::Failed("it asks for consent again and again".into()))
    }

    /// Makes a network that others would have made, as that of a proxy.
    async fn network(&mut self, server: &'static str, name: &str) -> Result<(), Stop> {
        let text = format!(
            "services: {{none: {{image: none, deploy: {{replicas: 0}}}}}}\n\
             networks: {{default: {{name: {name}, attachable: true}}}}\n"
        );
        let stack = format!("{}-network-{}", self.prefix, self.networks);
        self.networks += 1;
        self.stack(server, &stack, &text).await
    }

    /// Deploys a plain stack.
    pub async fn stack(
        &mut self,
        server: &'static str,
        name: &str,
        text: &str,
    ) -> Result<(), Stop> {
        let file = format!("{name}.yml");
        fs::write(self.path().join(&file), text)
            .map_err(|error| Stop::Failed(format!("writing {file}: {error}")))?;
        self.good(&["stack", "deploy", "--server", server, "-c", &file, name]).await?;
        Ok(())
    }

    /// The name of an app of this test.
    pub fn app(&self, name: &str, server: &'static str) -> App {
        App { domain: format!("{}-{name}.example", self.prefix), server }
    }

    /// The name of a stack of this test.
    pub fn stack_name(&self, name: &str) -> String {
        format!("{}-{name}", self.prefix)
    }

    /// Removes an app with all that it has.
    pub async fn remove(&mut self, app: &App) -> Result<(), Stop> {
        let at = ["--server", app.server, "--yes"];
        // One that is not deployed fails this, which is no matter: the next says whether it is gone.
        self.run(&[&["app", "undeploy", &app.domain][..], &at].concat()).await?;
        self.good(&[&["app", "rm", &app.domain][..], &at, &["--no-backup"]].concat()).await?;
        Ok(())
    }

    /// The engine of a server of the test.
    pub fn engine(&self, server: &'static str) -> Result<Arc<dyn Engine>, Stop> {
        let failed = |error: String| Stop::Failed(error);
        let name = ServerName::new(server).map_err(|error| failed(error.to_string()))?;
        let home = Home::new(self.path().join("potluck"));
        engine(&home, &name).map_err(|failure| failed(failure.message.unwrap_or_default()))
    }

    /// The servers on which something is made that stays when the folder is gone.
    fn real_servers(&self) -> Vec<&'static str> {
        match self.server {
            Server::Simulated => vec![],
            Server::Real if self.has_empty => vec![SERVER, EMPTY],
            Server::Real => vec![SERVER],
        }
    }

    /// Removes what earlier tests left that were killed; what there is to say of them.
    pub async fn clear_older(&self) -> Vec<String> {
        let mut said = vec![];
        for server in self.real_servers() {
            let Ok(engine) = self.engine(server) else { continue };
            match sweep::older(engine.as_ref(), &format!("{}-", self.prefix)).await {
                Ok(lines) => said.extend(lines),
                // The first command says what is wrong with the server.
                Err(_) => continue,
            }
        }
        said
    }

    /// Removes all that was made, by its names; what was not is said. A simulated swarm goes with
    /// its folder.
    pub async fn clear(&self) -> Vec<String> {
        let mut left = vec![];
        for server in self.real_servers() {
            match self.engine(server) {
                Ok(engine) => {
                    left.extend(sweep::clear(engine.as_ref(), &format!("{}-", self.prefix)).await);
                }
                Err(_) => left.push(format!("everything that begins with {}", self.prefix)),
            }
        }
        left
    }

    /// Keeps the folder, and all that was made.
    pub fn keep(&mut self) -> PathBuf {
        self.folder.take().map(|folder| folder.keep().join("potluck")).unwrap_or_default()
    }
}

/// A flag and its value.
trait Words {
    fn iter_words(&self) -> [&str; 2];
}

impl Words for String {
    fn iter_words(&self) -> [&str; 2] {
        ["--grant", self]
    }
}

/// Interrupts a program, and waits for its end.
async fn interrupted<T>(pid: Option<Pid>, ended: impl Future<Output = T>) -> T {
    if let Some(pid) = pid {
        // It may have ended just now.
        let _ = kill_process(pid, Signal::INT);
    }
    ended.await
}

/// What a setting has in place of a port: each mark is another one.
const PORTS: [&str; 4] = ["{port}", "{port2}", "{port3}", "{port4}"];

/// The settings with ports that nothing listens on just now.
fn with_ports(settings: &[String]) -> Result<Vec<String>, Stop> {
    let none = |error| Stop::Failed(format!("no port is free: {error}"));
    let mut all = settings.to_vec();
    // Held until the last one is found, so that each is another.
    let mut held = vec![];
    for mark in PORTS {
        if !all.iter().any(|setting| setting.contains(mark)) {
            continue;
        }
        let listener = TcpListener::bind("127.0.0.1:0").map_err(none)?;
        let port = listener.local_addr().map_err(none)?.port().to_string();
        held.push(listener);
        all = all.iter().map(|setting| setting.replace(mark, &port)).collect();
    }
    Ok(all)
}

/// What a refused deploy says that it would be agreed to with: the words behind `--grant`.
fn asked(said: &str) -> Vec<String> {
    let mut found = vec![];
    for part in said.split("--grant '").skip(1) {
        if let Some((grant, _)) = part.split_once('\'')
            && !found.iter().any(|other| other == grant)
        {
            found.push(grant.to_owned());
        }
    }
    found
}

/// Networks that a refused deploy says do not exist.
fn missing_networks(said: &str) -> Vec<String> {
    let line = |line: &str| {
        let rest = line.trim().strip_prefix("network ")?;
        rest.contains("[network-missing]").then(|| rest.split(':').next())?.map(str::to_owned)
    };
    said.lines().filter_map(line).collect()
}

fn clean_lines(text: &str) -> String {
    text.lines().map(clean).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_deploy_asks_for_is_read_from_its_hint() {
        let said = "error: consent\nhint: to agree, add --grant 'db exec: db' --grant 'app host: /x' --grant 'db exec: db'";
        assert_eq!(asked(said), ["db exec: db", "app host: /x"]);
        let said = "error: x cannot be deployed:\n  network proxy: the external network does not exist on the server [network-missing]\n  network y: no";
        assert_eq!(missing_networks(said), ["proxy"]);
    }

    #[test]
    fn each_mark_is_another_port() {
        let settings = ["A={port}", "URL=http://x:{port}", "B={port2}", "C=1"].map(str::to_owned);
        let filled = with_ports(&settings).unwrap();
        let port = |at: usize, before: &str| -> u16 {
            filled[at].strip_prefix(before).unwrap().parse().unwrap()
        };
        assert_eq!(port(0, "A="), port(1, "URL=http://x:"));
        assert_ne!(port(0, "A="), port(2, "B="));
        assert_eq!(filled[3], "C=1");
    }
}
