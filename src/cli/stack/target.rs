//! Which engine a stack command uses: the same as docker, or a server of
//! the operator's folder.

use std::{env, sync::Arc};

use crate::{
    cli::{failure::Failure, session::Session},
    engine::{
        self, Engine,
        docker_config::{DEFAULT_CONTEXT, Tls, endpoint_of},
    },
    home::ServerName,
};

/// The engine that a command uses.
#[derive(Debug, clap::Args)]
#[group(multiple = false)]
pub struct TargetArg {
    /// The engine's endpoint: unix:///path/to/socket, ssh://host, tcp://host:port
    ///
    /// With $DOCKER_TLS_VERIFY by the certificates of $DOCKER_CERT_PATH, else of docker's folder.
    /// Without any of the three, docker's order applies: $DOCKER_HOST,
    /// $DOCKER_CONTEXT, the context that `docker context use` chose, the local
    /// socket.
    #[arg(short = 'H', long, value_name = "ENDPOINT")]
    host: Option<String>,

    /// A docker context
    #[arg(long, value_name = "NAME")]
    context: Option<String>,

    /// A server of the operator's folder, or `simulated`
    #[arg(long, value_name = "NAME")]
    server: Option<ServerName>,
}

impl TargetArg {
    /// The engine; to be called where work waits.
    ///
    /// # Errors
    /// When there is no such context or server, or its endpoint is of a kind
    /// that is not supported.
    pub fn engine(&self, session: &Session) -> Result<Arc<dyn Engine>, Failure> {
        if let Some(server) = &self.server {
            let home = session.home()?;
            return crate::cli::session::engine(&home, server);
        }
        Ok(engine::connect_as_docker(&self.endpoint(session)?)?)
    }

    /// Docker's order (docker/cli, `cli/command/cli.go`, `resolveContextName`).
    fn endpoint(&self, session: &Session) -> Result<String, Failure> {
        let set = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let tls = match set("DOCKER_TLS_VERIFY") {
            None => Tls::No,
            Some(_) => Tls::Wanted(match set("DOCKER_CERT_PATH") {
                // Docker takes a path from where it is called.
                Some(folder) => std::path::absolute(&folder)
                    .map_err(|error| Failure::io(format!("finding {folder}"), &error))?,
                None => session.docker_config().folder().to_owned(),
            }),
        };
        if let Some(host) = &self.host {
            return Ok(endpoint_of(host, tls)?);
        }
        let context = match &self.context {
            Some(context) => context.clone(),
            None if set("DOCKER_HOST").is_some() => DEFAULT_CONTEXT.to_owned(),
            None => match set("DOCKER_CONTEXT") {
                Some(context) => context,
                None => {
                    let current = session.docker_config().current_context().map(str::to_owned);
                    current.unwrap_or_else(|| DEFAULT_CONTEXT.to_owned())
                }
            },
        };
        if context == DEFAULT_CONTEXT {
            return Ok(endpoint_of(&set("DOCKER_HOST").unwrap_or_default(), tls)?);
        }
        Ok(session.docker_config().endpoint(&context)?)
    }
}
