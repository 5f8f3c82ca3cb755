//! `potluck app secret rm`

use crate::{
    app,
    cli::{
        arguments::AppArg,
        exit::Exit,
        failure::{Failure, Outcome},
        grants::{Answers, PlanQuestion},
        prompt,
        session::{Session, wait},
    },
    recipe::Version,
    secrets::{self, SecretVersion},
};

/// Remove secrets from an app's server.
///
/// Without VERSION it is the version that the settings ask for. A version that a
/// service uses can't be removed: deploy the app with another one, or undeploy it
/// first.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck app secret rm wiki.example.org smtp_password
  potluck app secret rm wiki.example.org smtp_password v1
  potluck app secret rm wiki.example.org --all --yes

Without a terminal, --yes is needed; else the exit code is 6.")]
pub struct Args {
    #[command(flatten)]
    app: AppArg,

    /// The secret, as the recipe calls it
    #[arg(value_name = "NAME", required_unless_present = "all", conflicts_with = "all")]
    name: Option<String>,

    /// Which of its versions [default: what the settings say]
    #[arg(value_name = "VERSION", conflicts_with = "all")]
    version: Option<String>,

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
    let (app, doomed) = wait("interrupted", async {
        let app = app::load(&operating.context, &entry, &Version::Newest).await?;
        let engine = app.engine.as_ref();
        let all = secrets::versions(engine, &entry.name, &app.name, &super::survey(&app)).await?;
        let doomed = match &args.name {
            None => all.iter().collect(),
            Some(name) => vec![secrets::find_version(&all, name, args.version.as_deref())?],
        };
        // Before anybody is asked, and before some are gone.
        if let Some(used) = doomed.iter().find(|version| !version.used_by.is_empty()) {
            let (name, services) = (used.full_name.clone(), used.used_by.clone());
            return Err(secrets::Error::InUse { name, services }.into());
        }
        let doomed: Vec<_> = doomed.into_iter().filter_map(SecretVersion::stored).collect();
        Ok((app, doomed))
    })?;
    let what = match doomed.as_slice() {
        [one] if args.name.is_some() => format!("the secret {} of {}", one.full_name, entry.name),
        _ => format!("all secrets of {}", entry.name),
    };
    if !args.yes {
        operating.pause();
        if !session.ui.is_interactive() {
            return Err(Failure::consent(format!("removing {what} needs your consent"))
                .hint("pass `--yes`"));
        }
        let question = format!("Remove {what} from {}? There is no way back.", entry.server);
        if !prompt::confirm(&session.ui, &question, prompt::Enter::No)? {
            return Err(Failure::interrupted("nothing was changed"));
        }
    }
    let removed = wait("interrupted: some secrets may be removed", async {
        let mut removed = Vec::new();
        for secret in doomed {
            secrets::remove_stored(app.engine.as_ref(), &secret).await?;
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
