//! `potluck app secret show`

use std::io::IsTerminal;

use zeroize::Zeroizing;

use crate::{
    cli::{
        arguments::{AppArg, IdentityArg},
        exit::Exit,
        failure::Outcome,
        session::Session,
    },
    home::EnvFile,
    secrets::escrow::{self, Folder, Recipients, Stem},
};

/// Print the value of a secret that is kept.
///
/// It is read from the encrypted copy in the folder, with your private key; neither the
/// server nor the recipe is needed. Without VERSION it is the one that the settings ask
/// for.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck app secret show wiki.example.org admin_password
  potluck app secret show wiki.example.org tls_key v1 > key.pem
  potluck app secret show wiki.example.org admin_password --identity ~/.ssh/id_ed25519

At a terminal a line break is added; to a pipe or a file the value goes as it is.")]
pub struct Args {
    #[command(flatten)]
    app: AppArg,

    /// The secret, as the recipe calls it
    #[arg(value_name = "NAME")]
    name: String,

    /// Which of its versions [default: what the settings say]
    #[arg(value_name = "VERSION")]
    version: Option<String>,

    #[command(flatten)]
    identity: IdentityArg,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let entry = session.app(&home, &args.app)?;
    let folder = Folder::of(&home, &entry);
    let files = folder.files()?;
    let kept: Vec<Stem> =
        files.into_iter().filter(|file| file.unfinished.is_none()).map(|file| file.stem).collect();
    // Settings that cannot be read only leave open which version is meant.
    let env = match home.env(&entry) {
        Ok(env) => env,
        Err(error) => {
            session.ui.warn(error);
            EnvFile::parse("none", "")?
        }
    };
    let stem = escrow::pick(&kept, &args.name, args.version.as_deref(), &env)?;
    let identity = session.identity(&args.identity)?;
    let value = escrow::open(&folder, &stem, &identity)?;
    tell_readers(session, &home, &folder, &stem, &identity)?;
    session.ui.out_bytes(&value)?;
    if std::io::stdout().is_terminal() && !value.ends_with(b"\n") {
        session.ui.out_bytes(&Zeroizing::new(b"\n".to_vec()))?;
    }
    Ok(Exit::DONE)
}

/// Says who else can read it.
fn tell_readers(
    session: &Session,
    home: &crate::home::Home,
    folder: &Folder,
    stem: &Stem,
    identity: &escrow::Identity,
) -> Result<(), crate::cli::failure::Failure> {
    let recipients = Recipients::read(&home.recipients_path())?;
    let own = |tag: &escrow::Tag| {
        recipients.all().iter().any(|one| one.tag() == *tag && identity.is_of(one))
    };
    let readers = escrow::readers_of(folder, stem)?;
    let Some(readers) = readers else { return Ok(()) };
    let others = readers.iter().filter(|tag| !own(tag));
    let mut names: Vec<&str> =
        others.map(|tag| recipients.name_of(tag).unwrap_or("a removed key")).collect();
    names.sort_unstable();
    names.dedup();
    match names.as_slice() {
        [] => session.ui.say(format_args!("{stem}: nobody else can read it.")),
        names => session.ui.say(format_args!("{stem}: {} can read it, too.", names.join(", "))),
    }
    Ok(())
}
