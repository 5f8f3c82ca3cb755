//! `potluck key add`

use crate::{
    cli::{
        arguments::IdentityArg,
        exit::Exit,
        failure::{Failure, Outcome},
        session::Session,
        ui::counted,
    },
    secrets::escrow::{self, Recipient, Recipients, Resealed},
};

/// Let someone read the secrets that are kept.
///
/// The secrets that you can read are encrypted anew, so that they can read them, too. Run
/// it again after a merge in git, if some secrets are not encrypted for everyone; where git
/// reports a conflict in a file `….age`, take either side first.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck key add age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p --name anna
  potluck key add \"$(cat ben.pub)\"

The exit code is 3 if some secrets could not be encrypted anew.")]
pub struct Args {
    /// The public key: `age1…`, `ssh-ed25519 …` or `ssh-rsa …`
    #[arg(value_name = "RECIPIENT")]
    recipient: String,

    /// Whose key it is [default: the comment of an ssh key]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    #[command(flatten)]
    identity: IdentityArg,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let recipient = Recipient::parse(&args.recipient, args.name.as_deref())?;
    let known = Recipients::read(&home.recipients_path())?.find(recipient.key()).is_ok();
    if args.name.is_none() && !known && recipient.kind() == "age" {
        return Err(Failure::usage("whose key is it?").hint("add `--name NAME`"));
    }
    let identity = session.identity_if_any(&args.identity)?;
    let name = recipient.name.clone();
    let (is_new, done) = escrow::add(&home, recipient, identity.as_ref())?;
    match is_new {
        true => session.ui.say(format_args!("Added {name} to the recipients.")),
        false => session.ui.say("This key is a recipient already."),
    }
    match identity.is_some() {
        true => super::tell_resealed(session, &done),
        false if !done.failed.is_empty() => {
            let secrets = counted(done.failed.len(), "kept secret");
            session.ui.warn(format_args!("{secrets} cannot be read by {name} yet"));
            session.ui.hint(
                "someone who has a key runs the same command again; yours is expected at \
                 ~/.config/potluck/identity, or name it with `--identity`",
            );
        }
        false => {}
    }
    super::tell_next(session, &home);
    let Resealed { failed, .. } = done;
    Ok(if failed.is_empty() { Exit::DONE } else { Exit::PARTLY })
}
