//! `potluck backup stats`

use indicatif::HumanBytes;

use crate::{
    backup::{self, StatsReport},
    cli::{
        arguments::JsonArg,
        failure::Outcome,
        grants::{Answers, PlanQuestion},
        session::{Session, wait_cancelling},
        table::Table,
    },
};

/// Show how much the repositories hold, and of which apps.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
JSON: a list of {server, repository, stored, uncompressed, apps}; an app is {app, backups,
incomplete, newest, oldest, bytes}.")]
pub struct Args {
    #[command(flatten)]
    servers: super::ServersArg,

    #[command(flatten)]
    json: JsonArg,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let servers = args.servers.chosen(&home)?;
    let operating = session.context(&home, Answers::new(&session.ui, PlanQuestion::Yes))?;
    let options = super::options();
    let reports = wait_cancelling(&options.cancel, async {
        let mut reports = Vec::new();
        for server in &servers {
            reports.push(backup::stats(&operating.context, server, &options).await?);
        }
        Ok(reports)
    })?;
    drop(operating);
    session.report(&reports, &args.json, |reports| {
        for StatsReport { server, repository, stored, uncompressed, apps } in reports {
            let before = match uncompressed {
                Some(bytes) => format!(", {} before compression", HumanBytes(*bytes)),
                None => String::new(),
            };
            session.ui.say(format_args!("{server}: {repository}, {}{before}", HumanBytes(*stored)));
            let mut table =
                Table::new(&["APP", "BACKUPS", "INCOMPLETE", "NEWEST", "OLDEST", "SIZE"]);
            let time = |time: Option<jiff::Timestamp>| {
                time.map_or("-".into(), |it| it.strftime("%Y-%m-%d %H:%M:%SZ").to_string())
            };
            for app in apps {
                table.row([
                    app.app.clone(),
                    app.backups.to_string(),
                    app.incomplete.to_string(),
                    time(app.newest),
                    time(app.oldest),
                    app.bytes.map_or("-".into(), |bytes| HumanBytes(bytes).to_string()),
                ]);
            }
            table.print(&session.ui)?;
        }
        Ok(())
    })
}
