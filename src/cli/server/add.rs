//! `potluck server add`

use std::{collections::BTreeMap, path::PathBuf};

use crate::{
    cli::{
        exit::Exit,
        failure::{Failure, Outcome},
        session::{Session, wait},
        ui::clean,
    },
    engine::{
        self, Error, Manager,
        docker_config::{Tls, endpoint_of},
    },
    home::{Home, LOCAL_ENDPOINT, ServerName, ServerSettings},
};

/// Add a server.
///
/// Checks that a Docker Swarm manager answers at the endpoint before anything is
/// written. The settings go to servers/NAME/server.yml in the operator's folder.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck server add --local
      this machine, under the name `default`
  potluck server add swarm.example.org
      over SSH, like `ssh swarm.example.org`
  potluck server add lab ssh://admin@10.0.0.5:2222
  potluck server add far tcp://10.0.0.6:2376 --certificates ~/.docker
      an engine with `--tlsverify`, by ca.pem, cert.pem and key.pem of that folder
  potluck server add far --context far
      as docker's context of that name reaches it
  potluck server add practice simulated
      a swarm that exists only in a file, to try things out")]
pub struct Args {
    /// What to call the server; usually its SSH host name
    #[arg(value_name = "NAME", required_unless_present = "local")]
    name: Option<ServerName>,

    /// unix:///path/to/socket, ssh://user@host:port, tcp://host:port or simulated
    /// [default: ssh://NAME]
    #[arg(value_name = "ENDPOINT", conflicts_with = "local")]
    endpoint: Option<String>,

    /// This machine's own Docker engine; NAME is then `default` unless given
    #[arg(short = 'l', long)]
    local: bool,

    /// The folder with ca.pem, cert.pem and key.pem for tcp://
    #[arg(long, value_name = "FOLDER", requires = "endpoint")]
    certificates: Option<PathBuf>,

    /// The endpoint of this docker context
    #[arg(long, value_name = "CONTEXT", conflicts_with_all = ["endpoint", "local"])]
    context: Option<String>,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let name = match &args.name {
        Some(name) => name.clone(),
        None => ServerName::new("default")?,
    };
    let endpoint = endpoint(args, session, &name)?;
    if home.servers()?.contains(&name) {
        return again(session, &home, &name, &endpoint);
    }
    match wait("nothing was added", ask(&home, &endpoint, &name, session.offline))? {
        Some(manager) => session.ui.say(format_args!(
            "{} answers: Docker {}, API {}",
            clean(&manager.node_name),
            clean(&manager.version),
            clean(&manager.api_version)
        )),
        None => session.ui.say("Not checked whether it answers."),
    }
    home.write_server(
        &name,
        &ServerSettings { endpoint: Some(endpoint.clone()), ..ServerSettings::default() },
    )?;
    session.ui.say(format_args!("Added the server {name} ({endpoint})."));
    Ok(Exit::DONE)
}

/// As the command line says.
fn endpoint(args: &Args, session: &Session, name: &ServerName) -> Result<String, Failure> {
    if let Some(context) = &args.context {
        let endpoint = session.docker_config().endpoint(context)?;
        return Ok(endpoint);
    }
    let Some(endpoint) = &args.endpoint else {
        return Ok(if args.local { LOCAL_ENDPOINT.into() } else { format!("ssh://{name}") });
    };
    let Some(folder) = &args.certificates else { return Ok(endpoint.clone()) };
    let whole = std::path::absolute(folder)
        .map_err(|e| Failure::io(format!("finding {}", folder.display()), &e))?;
    Ok(endpoint_of(endpoint, Tls::Wanted(whole))?)
}

/// The engine that answers; none with `--offline`. The form of the endpoint is
/// always checked.
async fn ask(
    home: &Home,
    endpoint: &str,
    name: &ServerName,
    offline: bool,
) -> Result<Option<Manager>, Failure> {
    let answer = match engine::connect(endpoint, BTreeMap::new(), &home.state(), name.as_str()) {
        Err(Error::Unreachable { .. }) | Ok(_) if offline => return Ok(None),
        Ok(engine) => engine.manager().await,
        Err(error) => Err(error),
    };
    answer.map(Some).map_err(|error| {
        let unsure = matches!(error, Error::Unreachable { .. } | Error::NotManager { .. });
        let failure = Failure::from(error);
        if unsure {
            failure.hint("pass `--offline` to add it without asking it first")
        } else {
            failure
        }
    })
}

/// The hint about a server of this name with another endpoint: abra's servers
/// have a folder without a `server.yml`.
fn other_endpoint(home: &Home, name: &ServerName, endpoint: &str) -> String {
    let file = format!("servers/{name}/server.yml");
    let change = match home.root().join(&file).exists() {
        true => format!("change `endpoint` in {file}"),
        false => format!("create {file} with `endpoint: {endpoint}`"),
    };
    format!("choose another name, or {change}")
}

/// Adding an existing server with the same endpoint succeeds.
fn again(session: &Session, home: &Home, name: &ServerName, endpoint: &str) -> Outcome {
    let known = home.endpoint(name)?;
    if known == endpoint {
        session.ui.say(format_args!("The server {name} exists already ({known})."));
        return Ok(Exit::DONE);
    }
    Err(Failure::new(format!("the server `{name}` exists already, with the endpoint {known}"))
        .hint(other_endpoint(home, name, endpoint)))
}
