//! `potluck sso ls`, `potluck mail ls`

use crate::{
    cli::{
        arguments::JsonArg,
        exit::Exit,
        failure::Outcome,
        grants::{Answers, PlanQuestion},
        session::Session,
        table::Table,
    },
    home::ConnectionKind,
    operation,
};

/// List the apps whose people sign in elsewhere.
///
/// As they were connected last, from the files of this folder; `potluck sso check` looks
/// whether it is so.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
JSON: a list of {app, server, provider, provider_server, since, id}; `id` is the client's,
`provider_server` null for a provider that is no app. Files that cannot be read are left out, with
exit code 3.")]
pub struct SsoArgs {
    #[command(flatten)]
    pub json: JsonArg,
}

/// List the apps that send mail through a relay.
///
/// As they were connected last, from the files of this folder; `potluck mail check` looks
/// whether it is so.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
JSON: a list of {app, server, provider, provider_server, since, id}; `id` is the address that
mail is sent from, `provider_server` null for a relay that is no app. Files that cannot be read are left out,
with exit code 3.")]
pub struct MailArgs {
    #[command(flatten)]
    pub json: JsonArg,
}

pub fn run(json: JsonArg, kind: ConnectionKind, session: &Session) -> Outcome {
    let home = session.home()?;
    let operating = session.context(&home, Answers::new(&session.ui, PlanQuestion::Yes))?;
    let (rows, unread) = operation::connections(&operating.context, kind)?;
    drop(operating);
    let all_read = unread.is_empty();
    for error in unread {
        session.ui.warn(error);
    }
    let reported = session.report(&rows, &json, |rows| {
        if rows.is_empty() {
            session.ui.say(format_args!("No app is connected for {}.", kind.noun()));
            session.ui.hint(format_args!("`potluck {kind} connect APP PROVIDER` connects one"));
            return Ok(());
        }
        let title = if kind == ConnectionKind::Sso { "CLIENT" } else { "SENDER" };
        let mut table = Table::new(&["APP", "SERVER", "PROVIDER", title, "SINCE"]);
        for row in rows {
            let since = row.since.strftime("%Y-%m-%d").to_string();
            table.row([&row.app, &row.server, &row.provider, &row.id, &since]);
        }
        table.print(&session.ui)
    })?;
    Ok(if all_read { reported } else { Exit::PARTLY })
}
