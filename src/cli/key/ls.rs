//! `potluck key ls`

use serde::Serialize;

use crate::{
    cli::{
        arguments::{IdentityArg, JsonArg},
        failure::Outcome,
        session::Session,
        table::Table,
    },
    secrets::escrow::{self, Recipient, Recipients},
};

/// List the keys for which secrets are encrypted.
///
/// READS counts the kept secrets that each can read. After a merge in git it may be fewer
/// than all; `potluck key add` with the same key encrypts the others for it, too.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
JSON: a list of {name, recipient, kind, yours, reads, secrets}. `kind` is age, ssh-ed25519 or
ssh-rsa; `yours` is null where you have no key; `reads` of all `secrets` that are kept it
can read.")]
pub struct Args {
    #[command(flatten)]
    json: JsonArg,

    #[command(flatten)]
    identity: IdentityArg,
}

#[derive(Serialize)]
struct Row {
    name: String,
    recipient: String,
    kind: String,
    yours: Option<bool>,
    reads: usize,
    secrets: usize,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let recipients = Recipients::read(&home.recipients_path())?;
    let identity = match session.identity_if_any(&args.identity) {
        Ok(identity) => identity,
        Err(failure) if args.identity.identity.is_some() => return Err(failure),
        // The list needs none.
        Err(failure) => {
            session.ui.warn(failure.message.unwrap_or_default());
            None
        }
    };
    let (secrets, counts) = escrow::counts(&home)?;
    let row = |one: &Recipient| Row {
        name: one.name.clone(),
        recipient: one.key().to_owned(),
        kind: one.kind().to_owned(),
        yours: identity.as_ref().map(|identity| identity.is_of(one)),
        reads: counts.get(&one.tag()).copied().unwrap_or_default(),
        secrets,
    };
    let rows: Vec<Row> = recipients.all().iter().map(row).collect();
    session.report(&rows, &args.json, |rows| {
        if rows.is_empty() {
            session.ui.say("There are no recipients, so secrets are on their servers only.");
            session.ui.hint("run `potluck key new`");
            return Ok(());
        }
        let mut table = Table::new(&["NAME", "KEY", "READS", "YOURS"]);
        for row in rows {
            let reads = format!("{} of {}", row.reads, row.secrets);
            let yours = if row.yours == Some(true) { "yes" } else { "" };
            table.row([row.name.as_str(), &shortened(&row.recipient), &reads, yours]);
        }
        table.print(&session.ui)?;
        if rows.iter().any(|row| row.reads < row.secrets) {
            session.ui.warn("not everyone in the list can read every kept secret");
            session.ui.hint(
                "someone who can read them runs `potluck key add RECIPIENT` with a key of the list",
            );
        }
        Ok(())
    })
}

/// An RSA key is as long as a paragraph; both ends tell keys apart.
fn shortened(key: &str) -> String {
    const LONGEST: usize = 80;
    const END: usize = 16;
    match key.len() > LONGEST {
        true => format!("{}…{}", &key[..LONGEST - END], &key[key.len() - END..]),
        false => key.to_owned(),
    }
}
