//! `potluck plugin revoke`

use crate::{
    cli::{
        arguments::AppArg,
        exit::Exit,
        failure::{Failure, Outcome},
        session::Session,
    },
    operation,
};

/// Revoke grants of an app's plugins and services.
///
/// Without PLUGIN, all of them lose all grants; without GRANT, that plugin or service does.
/// A plugin doesn't run with less than it asks for: the next command that needs it asks
/// again, or ends with exit code 6 where nobody can be asked.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck plugin revoke blog.example.org
  potluck plugin revoke blog.example.org wordpress
  potluck plugin revoke blog.example.org wordpress 'secret: db_password'")]
pub struct Args {
    #[command(flatten)]
    app: AppArg,

    /// The plugin, by its name in recipe.yml, or the service, by its key
    #[arg(value_name = "PLUGIN")]
    plugin: Option<String>,

    /// `exec: SERVICE`, `secret: NAME` or `http: ORIGIN`; what a service may reach, `host:
    /// PATH`; or a line of the lock file, word for word, if it is none of these
    #[arg(value_name = "GRANT", requires = "plugin")]
    grants: Vec<String>,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let entry = session.app(&home, &args.app)?;
    let revoked = operation::revoke_grants(&home, &entry, args.plugin.as_deref(), &args.grants)?
        .map_err(|error| Failure::from(error).exit(Exit::USAGE))?;
    if revoked.is_empty() {
        session.ui.say(format_args!("No plugin of {} has grants.", entry.name));
        return Ok(Exit::DONE);
    }
    for line in revoked {
        session.ui.say(format_args!("Revoked {line}."));
    }
    Ok(Exit::DONE)
}
