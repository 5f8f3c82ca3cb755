//! `potluck app secret adopt`

use crate::{
    app,
    cli::{
        arguments::{AppArg, LockArg},
        exit::Exit,
        failure::{Failure, Outcome},
        grants::{Answers, PlanQuestion},
        prompt,
        session::{Session, wait},
    },
    hooks, operation,
    secrets::{SecretVersion, escrow},
};

/// Keep secrets that were made before there were keys, or by abra.
///
/// Swarm gives a value to running tasks only. So each is read once, from `/run/secrets` of
/// a running task of the app, and kept encrypted as if it had been made now. Those that no
/// running task shows are listed: they are lost with the server.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck app secret adopt wiki.example.org
  potluck app secret adopt wiki.example.org --yes

The value is what the program `cat` in the app's container prints. Without a terminal,
--yes is needed; else the exit code is 6. The exit code is 3 if some can't be read.")]
pub struct Args {
    #[command(flatten)]
    app: AppArg,

    #[command(flatten)]
    lock: LockArg,

    /// Don't ask
    #[arg(short, long)]
    yes: bool,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let entry = session.app(&home, &args.app)?;
    let guard = session.guard(&home, &entry, "an adoption of secrets", &args.lock)?;
    let operating =
        session.context(&home, Answers::new(&session.ui, PlanQuestion::Yes))?.waiting(&args.lock);
    let (app, keeper, rows) = wait("interrupted: nothing was changed", async {
        let app = app::load_deployed(&operating.context, &entry).await?;
        let keeper = super::keeper(&home, &app)?;
        if !keeper.keeps() {
            return Err(escrow::Error::NoRecipients.into());
        }
        crate::secrets::mend(app.engine.as_ref(), &keeper).await?;
        let rows = super::versions(&home, &app).await?;
        Ok((app, keeper, rows))
    })?;
    let wanted = hooks::not_kept(&rows);
    if wanted.is_empty() {
        session.ui.say(format_args!("All secrets of {} on {} are kept.", entry.name, entry.server));
        return Ok(Exit::DONE);
    }
    let name = |row: &&SecretVersion| format!("{} {}", row.name, row.version).trim_end().to_owned();
    let names = wanted.iter().map(name).collect::<Vec<_>>().join(", ");
    if !args.yes {
        operating.pause();
        if !session.ui.is_interactive() {
            return Err(Failure::consent(format!(
                "reading {names} of {} from its containers needs your consent",
                entry.name
            ))
            .hint("pass `--yes`"));
        }
        let question =
            format!("Read {names} from running containers of {}, and keep them?", entry.name);
        if !prompt::confirm(&session.ui, &question, prompt::Enter::No)? {
            return Err(Failure::interrupted("nothing was changed"));
        }
    }
    let done = wait("interrupted: some secrets may be kept; run it again for the rest", async {
        let (context, doing) = (&operating.context, "an adoption of secrets");
        operation::change_secrets(context, &guard, &app, doing, async |_| {
            Ok(hooks::adopt(&app, &wanted, &keeper).await?)
        })
        .await
    })?;
    drop(operating);
    if !done.adopted.is_empty() {
        session.ui.say(format_args!("Kept {}.", done.adopted.join(", ")));
    }
    for failed in &done.failed {
        session.ui.warn(format_args!(
            "{} cannot be restored if the server is lost: {}",
            failed.secret, failed.why
        ));
    }
    if !done.failed.is_empty() {
        session.ui.hint(format_args!(
            "deploy the app and try again, or replace them: `potluck app secret rotate {} NAME`",
            entry.name
        ));
    }
    Ok(if done.failed.is_empty() { Exit::DONE } else { Exit::PARTLY })
}
