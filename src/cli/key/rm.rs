//! `potluck key rm`

use crate::{
    cli::{
        arguments::IdentityArg,
        exit::Exit,
        failure::{Failure, Outcome},
        prompt,
        session::Session,
        ui::counted,
    },
    secrets::escrow::{self, Recipient, Recipients, Tag},
};

/// Take away someone's leave to read the secrets that are kept.
///
/// Every kept secret is encrypted anew for those who remain. Before the first is replaced,
/// all are read with your key, which has to be one that remains. The last key can't be
/// removed.
///
/// This takes back nothing that was read: older versions of the files are in git, and
/// values stay known. So the secrets that this person could read are listed, and `potluck
/// app secret rotate` replaces them.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck key rm ben
  potluck key rm age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg --yes

Without a terminal, --yes is needed; else the exit code is 6.")]
pub struct Args {
    /// The person, all of whose keys are meant, or one public key
    #[arg(value_name = "NAME|RECIPIENT")]
    who: String,

    /// Don't ask
    #[arg(short, long)]
    yes: bool,

    #[command(flatten)]
    identity: IdentityArg,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let recipients = Recipients::read(&home.recipients_path())?;
    let gone: Vec<Recipient> = recipients.find(&args.who)?.into_iter().cloned().collect();
    let name = gone.first().map(|one| one.name.clone()).unwrap_or_default();
    let tags: Vec<Tag> = gone.iter().map(Recipient::tag).collect();
    if gone.len() == recipients.all().len() {
        return Err(escrow::Error::LastReader { name }.into());
    }
    let identity = session.identity(&args.identity)?;
    let readable = escrow::readable_by(&home, &tags)?;
    let keys = counted(gone.len(), "key");
    if !args.yes {
        if !session.ui.is_interactive() {
            return Err(Failure::consent(format!("removing {keys} of {name} needs your consent"))
                .hint("pass `--yes`"));
        }
        let question = format!("Remove {keys} of {name} from those who can read the secrets?");
        if !prompt::confirm(&session.ui, &question, prompt::Enter::No)? {
            return Err(Failure::interrupted("nothing was changed"));
        }
    }
    let done = escrow::remove(&home, &gone, &identity)?;
    session.ui.say(format_args!("Removed {keys} of {name}."));
    super::tell_resealed(session, &done);
    super::tell_rotations(session, &readable, &name);
    super::tell_next(session, &home);
    Ok(if done.failed.is_empty() { Exit::DONE } else { Exit::PARTLY })
}
