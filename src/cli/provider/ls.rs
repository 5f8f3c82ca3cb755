//! `potluck provider ls`

use serde::Serialize;

use crate::{
    cli::{arguments::JsonArg, exit::Exit, failure::Outcome, session::Session, table::Table},
    home::provider::Registration,
};

/// List the providers that are no apps.
///
/// Apps whose recipes play the role need no adding: name them.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
JSON: a list of {name, issuer, registration, relay}; `registration` is `by-hand` or `dynamic`,
`relay` HOST:PORT; null where it has none. Files that cannot be read are left out, with exit
code 3.")]
pub struct Args {
    #[command(flatten)]
    json: JsonArg,
}

#[derive(Serialize)]
struct Row {
    name: String,
    issuer: Option<String>,
    registration: Option<Registration>,
    relay: Option<String>,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let (mut rows, mut exit) = (Vec::new(), Exit::DONE);
    for name in home.providers()? {
        // One file that can't be read hides no other provider.
        let settings = match home.provider(&name) {
            Ok(settings) => settings,
            Err(error) => {
                session.ui.warn(error);
                exit = Exit::PARTLY;
                continue;
            }
        };
        rows.push(Row {
            name: name.to_string(),
            registration: settings.sso.as_ref().map(|sso| sso.registration),
            issuer: settings.sso.map(|sso| sso.issuer),
            relay: settings.mail.map(|mail| mail.place()),
        });
    }
    session.report(&rows, &args.json, |rows| {
        if rows.is_empty() && exit == Exit::DONE {
            session.ui.say("There are no providers but the apps that play the role.");
            session.ui.hint("`potluck provider add NAME --issuer URL` adds one");
            return Ok(());
        }
        let mut table = Table::new(&["NAME", "ISSUER", "CLIENTS", "RELAY"]);
        for row in rows {
            let clients = match row.registration {
                Some(Registration::ByHand) => "by hand",
                Some(Registration::Dynamic) => "dynamic",
                None => "",
            };
            let of = |text: &Option<String>| text.clone().unwrap_or_default();
            table.row([&row.name, &of(&row.issuer), clients, &of(&row.relay)]);
        }
        table.print(&session.ui)
    })?;
    Ok(exit)
}
