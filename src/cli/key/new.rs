//! `potluck key new`

use crate::{
    cli::{
        arguments::IdentityArg,
        exit::Exit,
        failure::{Failure, Outcome},
        session::{Session, operator},
    },
    secrets::escrow::{self, Identity, Recipient},
};

/// Make your key, and keep secrets for it from now on.
///
/// The private key goes to a file that you alone can read; an existing one is used. The
/// public key goes to `recipients` in the folder. Copy the private key to a safe place, for
/// example on paper: without it, and without anybody else's, no kept secret can be read.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck key new
  potluck key new --name 'anna, laptop'
  potluck key new --identity ~/.ssh/id_ed25519

If secrets are kept already, someone who can read them has to run `potluck key add` with
your public key; only then can you.")]
pub struct Args {
    /// Whose key it is [default: your account and this machine]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    #[command(flatten)]
    identity: IdentityArg,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let path = session.identity_path(&args.identity)?;
    let is_below = std::path::absolute(&path).is_ok_and(|path| path.starts_with(home.root()));
    if is_below {
        return Err(Failure::usage(format!(
            "{} is in the folder that the team shares; a private key is not",
            path.display()
        ))
        .hint("name a file elsewhere with `--identity`"));
    }
    let identity = match path.exists() {
        true => session.identity(&args.identity)?,
        false => {
            let made = Identity::create(&path)?;
            session.ui.say(format_args!("Made the private key {}.", path.display()));
            made
        }
    };
    let name = args.name.clone().unwrap_or_else(own_name);
    let mut left = 0;
    for key in identity.public() {
        let recipient = Recipient::parse(key, Some(&name))?;
        let (is_new, done) = escrow::add(&home, recipient, Some(&identity))?;
        match is_new {
            true => session.ui.say(format_args!("Added {name} to the recipients.")),
            false => session.ui.say("Your key is a recipient already."),
        }
        super::tell_resealed(session, &escrow::Resealed { failed: Vec::new(), ..done });
        left = done.failed.len();
        session.ui.out(key)?;
    }
    if left > 0 {
        session.ui.warn(format_args!(
            "{} cannot be read with your key yet",
            crate::cli::ui::counted(left, "kept secret")
        ));
        session.ui.hint(
            "someone who can read them runs `potluck key add` with the key above, once they have \
             your change of the recipients",
        );
    }
    super::tell_next(session, &home);
    Ok(Exit::DONE)
}

/// Tells apart the keys that one person has on several machines, and people who all work as
/// `root`.
fn own_name() -> String {
    const LONGEST: usize = 64;
    let operator = operator();
    let name = format!("{}@{}", operator.user, operator.host);
    if name.len() <= LONGEST { name } else { operator.user }
}
