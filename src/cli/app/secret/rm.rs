//! `potluck app secret rm`

use crate::{
    app,
    cli::{
        arguments::{AppArg, LockArg},
        exit::Exit,
        failure::{Failure, Outcome},
        grants::{Answers, PlanQuestion},
        prompt,
        session::{Session, wait},
        ui::clean,
    },
    operation,
    recipe::Version,
    secrets::{self, SecretVersion},
};

/// Remove secrets from an app's server, and the copies that are kept of them.
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

    #[command(flatten)]
    lock: LockArg,

    /// The secret, as the recipe calls it
    #[arg(value_name = "NAME", required_unless_present = "all", conflicts_with = "all")]
    name: Option<String>,

    /// Which of its versions [default: what the settings say]
    #[arg(value_name = "VERSION", conflicts_with = "all")]
    version: Option<String>,

    /// All of them, in every version
    #[arg(short, long)]
    all: bool,

    /// Don't ask
    #[arg(short, long)]
    yes: bool,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let entry = session.app(&home, &args.app)?;
    let guard = session.guard(&home, &entry, "a removal of secrets", &args.lock)?;
    let operating =
        session.context(&home, Answers::new(&session.ui, PlanQuestion::Yes))?.waiting(&args.lock);
    let (app, keeper, doomed, needing) = wait("interrupted", async {
        let app = app::load(&operating.context, &entry, &Version::Newest).await?;
        let keeper = super::keeper(&home, &app)?;
        let all = super::versions(&home, &app).await?;
        let doomed = match &args.name {
            None => all.iter().collect(),
            Some(name) => vec![secrets::find_version(&all, name, args.version.as_deref())?],
        };
        // Before anybody is asked, and before some are gone.
        if let Some(used) = doomed.iter().find(|version| !version.used_by.is_empty()) {
            let (name, services) = (used.full_name.clone(), used.used_by.clone());
            return Err(secrets::Error::InUse { name, services }.into());
        }
        let is_there = |row: &&SecretVersion| row.id.is_some() || row.kept;
        let doomed: Vec<_> = doomed.into_iter().filter(is_there).cloned().collect();
        let names: Vec<_> = doomed.iter().map(|version| version.full_name.clone()).collect();
        let needing = operation::releases_needing(&app, &names).await?;
        Ok((app, keeper, doomed, needing))
    })?;
    let what = match doomed.as_slice() {
        [one] if args.name.is_some() => format!("the secret {} of {}", one.full_name, entry.name),
        _ => format!("all secrets of {}", entry.name),
    };
    operating.pause();
    if !needing.is_empty() {
        session.ui.warn(format_args!(
            "{} could not come back by `potluck app rollback` afterwards: the secrets of a release \
             are part of it",
            clean(&needing.join(", "))
        ));
    }
    let needs = format!("removing {what} needs your consent");
    let question = format!("Remove {what} from {}? There is no way back.", entry.server);
    prompt::agree(&session.ui, args.yes, &needs, &question)?;
    let removed = wait("interrupted: some secrets may be removed", async {
        let mut removed = Vec::new();
        if doomed.is_empty() {
            return Ok(removed);
        }
        let (context, doing) = (&operating.context, "a removal of secrets");
        operation::change_secrets(context, &guard, &app, doing, async |changed| {
            for version in doomed {
                if let Some(secret) = version.stored() {
                    secrets::remove_stored(app.engine.as_ref(), &secret).await?;
                }
                changed.removed.push(version.full_name.clone());
                // Last: a copy without its secret is offered for removal again.
                keeper.forget(&version.full_name)?;
                removed.push(version.full_name);
            }
            Ok::<_, Failure>(removed)
        })
        .await
    })?;
    drop(operating);
    if removed.is_empty() {
        session.ui.say(format_args!("{} has no secrets on {}.", entry.name, entry.server));
    } else {
        session.ui.say(format_args!("Removed {}.", removed.join(", ")));
    }
    Ok(Exit::DONE)
}
