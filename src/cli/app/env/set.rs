//! `potluck app env set`

use crate::{
    cli::{
        app::new::confirm_stack,
        arguments::{AppArg, Assignment},
        exit::Exit,
        failure::{Failure, Outcome},
        session::Session,
    },
    home::{AppEntry, Home},
};

/// Change settings of an app.
///
/// Each is changed in its place, comments are kept, and one that was commented out is active
/// again. They take effect with the next `potluck app deploy`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck app env set wiki.example.org TITLE='Our wiki' LANG=nl")]
pub struct Args {
    #[command(flatten)]
    app: AppArg,

    /// What to set
    #[arg(value_name = "KEY=VALUE", required = true)]
    set: Vec<Assignment>,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let entry = session.app(&home, &args.app)?;
    assign(session, &home, &entry, &args.set)?;
    Ok(Exit::DONE)
}

/// Writes settings into an app's file.
///
/// # Errors
/// Settings that cannot be read or written, a name that cannot be one, and a stack that
/// another app has.
pub(in crate::cli::app) fn assign(
    session: &Session,
    home: &Home,
    entry: &AppEntry,
    set: &[Assignment],
) -> Result<(), Failure> {
    let mut env = home.env(entry)?;
    for Assignment { key, value } in set {
        env.set(key, value)?;
    }
    home.check_stack(entry, &entry.stack(&env)?)?;
    if let Some(rivals) = env.rival_recipes() {
        session.ui.warn(rivals);
    }
    // First, as it cannot be done while another command changes the app.
    confirm_stack(home, entry, set)?;
    home.write_env(entry, &env)?;
    session.ui.say(format_args!("Wrote {}.", home.env_path(entry).display()));
    Ok(())
}
