//! Several apps, side by side and without questions: what would be asked is a failure of
//! that app, which can then be upgraded alone.

use std::{sync::Arc, time::Instant};

use futures_util::{StreamExt, stream};
use serde::Serialize;

use super::{
    Args,
    target::{Recipes, Target},
};
use crate::{
    app::{self, Consent, Downgrade, Takeover, Wish},
    backup::Options,
    cli::{
        backup,
        exit::Exit,
        failure::{Failure, Outcome},
        grants::{Answers, PlanQuestion},
        prompt::{self, Enter},
        session::{Operating, Session, wait_cancelling},
        table::Table,
    },
    home::{AppEntry, Home},
    operation::{self, DeployReport},
    progress::{Event, Sink},
    rollout::Plan,
};

/// Apps that are upgraded at a time.
const AT_A_TIME: usize = 4;

const INTERRUPTED: &str =
    "interrupted: `potluck app ls --status` shows which apps have an unfinished operation";

#[derive(Serialize)]
struct Row {
    app: String,
    server: String,
    before: Option<String>,
    after: Option<String>,
    /// Number of the plan's changes.
    changes: Option<usize>,
    /// `newest`, `planned`, `upgraded`, `not-deployed`, `undone` or `failed`.
    outcome: &'static str,
    error: Option<String>,
    seconds: f64,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    for (flag, is_given) in [
        ("--set", !args.set.is_empty()),
        ("--secrets", args.secrets),
        ("--grant", !args.grants.grant.is_empty()),
    ] {
        if is_given {
            let message = format!("{flag} is for one app, and several are to be upgraded");
            let hint = format!("`potluck app upgrade APP {flag} …` upgrades one");
            return Err(Failure::usage(message).hint(hint));
        }
    }
    let home = session.home()?;
    if let Some(server) = &args.server {
        home.server(server)?;
    }
    let mut entries = home.apps()?;
    entries.retain(|entry| {
        let of_server = args.server.as_ref().is_none_or(|server| entry.server == *server);
        let named = args.app.as_ref().is_none_or(|it| matches(it, entry.name.as_str()));
        of_server && named
    });
    if entries.is_empty() {
        return Err(Failure::new("no app fits").hint("`potluck app ls` lists them"));
    }
    let mut rows = Vec::new();
    let mut due = Vec::new();
    let mut recipes = Recipes::default();
    for entry in entries {
        let row = Row {
            app: entry.name.to_string(),
            server: entry.server.to_string(),
            before: None,
            after: None,
            changes: None,
            outcome: "failed",
            error: None,
            seconds: 0.0,
        };
        match Target::of(args, session, &home, &entry, &mut recipes) {
            Ok(target) => {
                let (before, after) = (target.before.clone(), Some(target.after().to_owned()));
                let row = Row { before, after, ..row };
                match target.is_there() {
                    Some(_) => rows.push(Row { outcome: "newest", ..row }),
                    None => due.push((entry, target, row)),
                }
            }
            Err(failure) => rows.push(Row { error: failure.message, ..row }),
        }
    }
    let ask = !due.is_empty() && !args.dry_run && !args.yes && session.ui.is_interactive();
    if ask {
        for (entry, target, _) in &due {
            let before = target.before.as_deref().unwrap_or_default();
            session.ui.say(format_args!("  {}: {before} → {}", entry.name, target.after()));
        }
        let question = format!("Upgrade {} apps?", due.len());
        if !prompt::confirm(&session.ui, &question, Enter::Yes)? {
            return Err(Failure::interrupted(""));
        }
    }
    let options = backup::options();
    let mut operating =
        session.context(&home, Answers::new(&session.ui, PlanQuestion::Yes))?.waiting(&args.lock);
    operating.context.consent = Arc::new(Unasked);
    operating.context.progress = Arc::new(Named(Arc::clone(&operating.context.progress)));
    let all = async {
        let works = due.into_iter().map(|(entry, target, row)| {
            let name = entry.name.to_string();
            APP.scope(name, one(args, session, &home, &operating, &options, entry, target, row))
        });
        Ok(stream::iter(works).buffer_unordered(AT_A_TIME).collect::<Vec<Row>>().await)
    };
    let done = wait_cancelling(&options.cancel, async {
        tokio::select! {
            done = all => done,
            () = options.cancel.cancelled() => Err(Failure::interrupted(INTERRUPTED)),
        }
    })?;
    rows.extend(done);
    rows.sort_by(|a, b| (&a.app, &a.server).cmp(&(&b.app, &b.server)));
    let bad = rows.iter().filter(|row| matches!(row.outcome, "undone" | "failed")).count();
    let all = rows.len();
    session.report(&rows, &args.json, |rows| show(session, rows))?;
    match bad {
        0 => Ok(Exit::DONE),
        bad => {
            let failure = Failure::new(format!("{bad} of {all} apps were not upgraded"))
                .hint("`potluck app upgrade APP` tries one again, and asks what is to be asked");
            Err(if bad == all { failure } else { failure.exit(Exit::PARTLY) })
        }
    }
}

#[expect(clippy::too_many_arguments, reason = "what every app shares, and the app")]
async fn one(
    args: &Args,
    session: &Session,
    home: &Home,
    operating: &Operating,
    options: &Options,
    entry: AppEntry,
    target: Target,
    row: Row,
) -> Row {
    let began = Instant::now();
    let context = &operating.context;
    let deploys = target.options(args, options);
    let work = async {
        let mut app = app::load_to_deploy(context, &entry, &target.version).await?;
        let done = match args.dry_run {
            true => operation::plan(context, &mut app, &deploys).await,
            false => {
                let guard = session.guard_beside(home, &entry, "an upgrade", &args.lock).await?;
                operation::deploy(context, &guard, &mut app, &deploys).await
            }
        };
        match done {
            // On purpose: an upgrade of all starts nothing.
            Err(app::Error::NotDeployed { .. }) => Ok(None),
            done => Ok::<Option<DeployReport>, Failure>(Some(done?)),
        }
    };
    // Boxed: the future of a deploy is large, and there are several.
    let done = Box::pin(work).await;
    let seconds = began.elapsed().as_secs_f64();
    match done {
        Ok(None) => Row { outcome: "not-deployed", seconds, ..row },
        Ok(Some(report)) => Row {
            changes: Some(report.plan.changes.len()),
            outcome: if args.dry_run { "planned" } else { "upgraded" },
            seconds,
            ..row
        },
        Err(failure) => Row {
            outcome: if failure.exit == Exit::ROLLED_BACK { "undone" } else { "failed" },
            error: failure.message,
            seconds,
            ..row
        },
    }
}

fn show(session: &Session, rows: &[Row]) -> Result<(), Failure> {
    let mut table = Table::new(&["APP", "SERVER", "FROM", "TO", "CHANGES", "RESULT"]);
    for row in rows {
        table.row([
            row.app.clone(),
            row.server.clone(),
            row.before.clone().unwrap_or_default(),
            row.after.clone().unwrap_or_default(),
            row.changes.map(|changes| changes.to_string()).unwrap_or_default(),
            row.outcome.to_owned(),
        ]);
    }
    table.print(&session.ui)?;
    for row in rows {
        if let Some(error) = &row.error {
            session.ui.warn(format_args!("{}: {error}", row.app));
        }
    }
    Ok(())
}

/// Whether a name fits a pattern, in which `*` stands for anything.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, rest)) => name.strip_prefix(head).is_some_and(|name| {
            let ends = name.char_indices().map(|(at, _)| at).chain([name.len()]);
            ends.into_iter().any(|at| matches(rest, &name[at..]))
        }),
    }
}

/// Several questions at a time cannot be answered.
struct Unasked;

impl Consent for Unasked {
    fn grants(&self, _: &Wish) -> bool {
        false
    }

    fn downgrade(&self, _: &Downgrade) -> bool {
        false
    }

    fn takeover(&self, _: &Takeover) -> bool {
        false
    }

    fn plan(&self, _: &Plan) -> bool {
        true
    }
}

tokio::task_local! {
    /// The app that is worked at.
    static APP: String;
}

/// Says of which app something is.
struct Named(Arc<dyn Sink>);

impl Sink for Named {
    fn event(&self, event: Event) {
        let of = |text: String| APP.try_with(|app| format!("{app}: {text}")).unwrap_or(text);
        self.0.event(match event {
            Event::Step { name } => Event::Step { name: of(name) },
            Event::Done { name, detail } => Event::Done { name: of(name), detail },
            Event::Service { service, state } => Event::Service { service: of(service), state },
            Event::Hook { plugin, level, message } => {
                Event::Hook { plugin: of(plugin), level, message }
            }
            Event::Progress { step, done, total, unit } => {
                Event::Progress { step: of(step), done, total, unit }
            }
            Event::Warning { message } => Event::Warning { message: of(message) },
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, name, fits) in [
            ("*", "wiki.example.org", true),
            ("*.example.org", "wiki.example.org", true),
            ("wiki.*", "wiki.example.org", true),
            ("w*.e*.org", "wiki.example.org", true),
            ("*.example", "wiki.example.org", false),
            ("wiki", "wiki.example.org", false),
            ("*a*a", "aa", true),
            ("a*a", "a", false),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
    }
}
