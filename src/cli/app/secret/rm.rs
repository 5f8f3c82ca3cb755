//! `potluck app secret rm`

use crate::{
    cli::{
        arguments::AppArg,
        exit::Exit,
        failure::{Failure, Outcome},
        grants::{Answers, PlanQuestion},
        prompt,
        session::{Session, wait},
    },
    operation,
    recipe::Version,
    secrets,
};

/// Remove secrets from an app's server.
///
/// A secret that a service uses can't be removed: undeploy the app first.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck app secret rm wiki.example.org smtp_password
  potluck app secret rm wiki.example.org --all --yes

Without a terminal, --yes is needed; else the exit code is 6.")]
pub struct Args {
    #[command(flatten)]
    app: AppArg,

    /// The secret, as the recipe calls it
    #[arg(value_name = "NAME", required_unless_present = "all", conflicts_with = "all")]
    name: Option<String>,

    /// All of them, in every version
    #[arg(long)]
    all: bool,

    /// Don't ask
    #[arg(short, long)]
    yes: bool,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let entry = session.app(&home, &args.app)?;
    let operating = session.context(&home, Answers::new(&session.ui, PlanQuestion::Yes))?;
    let app = wait("interrupted", async {
        let app = operation::load(&operating.context, &entry, &Version::Newest).await?;
        if let Some(name) = &args.name {
            secrets::find(&super::plans(&app)?, name)?;
        }
        Ok(app)
    })?;
    let what = match &args.name {
        Some(name) => format!("the secret {name} of {}", entry.name),
        None => format!("all secrets of {}", entry.name),
    };
    if !args.yes {
        operating.pause();
        if !session.ui.is_interactive() {
            return Err(Failure::consent(format!("removing {what} needs your consent"))
                .hint("pass `--yes`"));
        }
        let question = format!("Remove {what} from {}? There is no way back.", entry.server);
        if !prompt::confirm(&session.ui, &question, false)? {
            return Err(Failure::interrupted("nothing was changed"));
        }
    }
    let removed = wait("interrupted: some secrets may be removed", async {
        let engine = app.engine.as_ref();
        let plans = super::plans(&app)?;
        if let Some(name) = &args.name {
            let plan = secrets::find(&plans, name)?;
            secrets::remove(engine, plan).await?;
            return Ok(vec![plan.full_name.clone()]);
        }
        let mut removed = Vec::new();
        for secret in secrets::stored(engine, &entry.name, &app.name, &plans).await? {
            secrets::remove_stored(engine, &secret).await?;
            removed.push(secret.full_name);
        }
        Ok(removed)
    })?;
    drop(operating);
    if removed.is_empty() {
        session.ui.say(format_args!("{} has no secrets on {}.", entry.name, entry.server));
    } else {
        session.ui.say(format_args!("Removed {}.", removed.join(", ")));
    }
    Ok(Exit::DONE)
}
