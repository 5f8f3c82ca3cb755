//! `potluck app secret export`

use crate::{
    app,
    cli::{
        arguments::{AppArg, IdentityArg},
        exit::Exit,
        failure::{Failure, Outcome},
        grants::{Answers, PlanQuestion},
        session::{Session, wait},
    },
    recipe::Version,
    secrets::escrow::{self, Document, Entry, Folder, Recipient, Recipients, Stem},
};

/// Print an app's secrets, encrypted, to take them elsewhere.
///
/// All secrets that the settings ask for, as one text: encrypted for the people that
/// `potluck key ls` lists, or with --to for someone else, such as the team that takes the
/// app over. `potluck app secret import` reads it, and so does `age -d`. With --plain it is
/// not encrypted: for paper, and for nothing else.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck app secret export wiki.example.org > wiki.age
  potluck app secret export wiki.example.org --to age1lggyhqrw2nlhcxprm67z43rta597azn8gk… > wiki.age
  potluck app secret export wiki.example.org --plain | lpr

The text is a JSON object {format, app, secrets}; `secrets` is a list of {name, version} and
{value} or, for one that is not text, {base64}.")]
pub struct Args {
    #[command(flatten)]
    app: AppArg,

    /// Encrypt for this public key instead; may be repeated
    #[arg(long, value_name = "RECIPIENT")]
    to: Vec<String>,

    /// Don't encrypt
    #[arg(long, conflicts_with = "to")]
    plain: bool,

    #[command(flatten)]
    identity: IdentityArg,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let entry = session.app(&home, &args.app)?;
    let mut readers = Vec::new();
    for key in &args.to {
        readers.push(Recipient::parse(key, None)?);
    }
    if readers.is_empty() {
        readers = Recipients::read(&home.recipients_path())?.all().to_vec();
    }
    let identity = session.identity(&args.identity)?;
    let operating = session.context(&home, Answers::new(&session.ui, PlanQuestion::Yes))?;
    let (plans, stack) = wait("interrupted", async {
        let app = app::load(&operating.context, &entry, &Version::Newest).await?;
        Ok((super::survey(&app).complete()?, app.name))
    })?;
    drop(operating);
    let folder = Folder::of(&home, &entry);
    let mut entries = Vec::new();
    let mut missing = Vec::new();
    for plan in &plans {
        let stem = Stem::of(&plan.full_name, &stack)?;
        match folder.has(&stem)? {
            true => {
                let value = escrow::open(&folder, &stem, &identity)?;
                entries.push(Entry::new(&plan.name, &plan.version, &value));
            }
            false => missing.push(plan.name.as_str()),
        }
    }
    if entries.is_empty() {
        return Err(Failure::new(format!("no secret of {} is kept", entry.name))
            .hint(format!("`potluck app secret adopt {}` keeps those that exist", entry.name)));
    }
    let document = Document::new(entry.name.as_str(), entries);
    match args.plain {
        true => session.ui.out_bytes(&document.to_text()?)?,
        false => session.ui.out_bytes(&document.to_sealed(&readers)?)?,
    }
    for name in &missing {
        session.ui.warn(format_args!("{name} is left out: no copy of it is kept"));
    }
    Ok(if missing.is_empty() { Exit::DONE } else { Exit::PARTLY })
}
