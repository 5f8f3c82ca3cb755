//! `potluck app show`

use serde::Serialize;

use crate::{
    app::Unfinished,
    cli::{
        arguments::{AppArg, JsonArg},
        failure::{Failure, Outcome},
        session::{Session, wait},
        ui::clean,
    },
    operation,
    owner::history::Line,
};

/// Show one operation on an app.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck app show wiki.example.org
  potluck app show wiki.example.org 5f2a

JSON: {ended, unfinished}, one of them null: `ended` is {operation, what, user, host,
began, ended, before, after, set, settings, migrated, detached, chaos, outcome, step, error, by}, `unfinished` is {app,
operation, what, told, began, steps, step, no_return, past_return, aborting, running, holds}, a step
{name, undo}.")]
pub struct Args {
    #[command(flatten)]
    app: AppArg,

    /// The operation, or the beginning of its name [default: the newest]
    #[arg(value_name = "OPERATION")]
    operation: Option<String>,

    #[command(flatten)]
    json: JsonArg,
}

#[derive(Serialize)]
struct Report {
    ended: Option<Line>,
    unfinished: Option<Unfinished>,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let entry = session.app(&home, &args.app)?;
    let on_server = super::on_server(session, &home, &entry)?;
    let (lines, unfinished) =
        wait("interrupted", async { Ok(operation::history(&on_server).await?) })?;
    let wanted = args.operation.as_deref().unwrap_or_default();
    let is_it = |name: &str| name.starts_with(wanted);
    let report = match unfinished.filter(|it| is_it(&it.operation)) {
        Some(unfinished) => Report { ended: None, unfinished: Some(unfinished) },
        None => {
            let found: Vec<Line> =
                lines.into_iter().rev().filter(|it| is_it(&it.operation)).collect();
            if found.len() > 1 && !wanted.is_empty() {
                let what = format!("{} operations on {} begin so", found.len(), entry.name);
                return Err(Failure::usage(what).hint("write more of its name"));
            }
            let line = found.into_iter().next();
            let line = line.ok_or_else(|| {
                let what = match &args.operation {
                    Some(name) => format!("{} has no operation `{}`", entry.name, clean(name)),
                    None => format!("nothing was done to {} yet", entry.name),
                };
                let hint = format!("`potluck app history {}` lists them", entry.name);
                Failure::new(what).hint(hint)
            })?;
            Report { ended: Some(line), unfinished: None }
        }
    };
    session.report(&report, &args.json, |report| {
        let say =
            |title: &str, text: &str| session.ui.out(format_args!("{title:<10} {}", clean(text)));
        if let Some(it) = &report.unfinished {
            say("operation", &it.operation)?;
            say("what", &it.told)?;
            say("result", "unfinished")?;
            for (index, step) in it.steps.iter().enumerate() {
                let state = match it.step {
                    Some(reached) if index < reached => "done",
                    Some(reached) if index == reached => "begun",
                    _ => "",
                };
                say(
                    &format!("step {}", index + 1),
                    &format!("{} ({}) {state}", step.name, step.undo),
                )?;
            }
        }
        if let Some(it) = &report.ended {
            say("operation", &it.operation)?;
            say("what", &it.what.to_string())?;
            say("by", &format!("{} on {}", it.user, it.host))?;
            say("began", &it.began.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())?;
            say("ended", &it.ended.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())?;
            let optional = [
                ("before", &it.before),
                ("after", &it.after),
                ("backup", &it.set),
                ("ended by", &it.by),
                ("step", &it.step),
                ("error", &it.error),
            ];
            say("result", &it.outcome.to_string())?;
            for (title, text) in optional {
                if let Some(text) = text {
                    say(title, text)?;
                }
            }
        }
        Ok(())
    })
}
