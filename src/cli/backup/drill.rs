//! `potluck backup drill`

use std::time::Duration;

use indicatif::HumanBytes;
use serde::Serialize;

use crate::{
    app::Context,
    backup::{
        Error, Options,
        evidence::{StepTime, due, last_drill},
    },
    cli::{
        arguments::{JsonArg, duration},
        failure::{Failure, Outcome},
        grants::{Answers, PlanQuestion},
        session::{Session, wait_cancelling},
        side_by_side::{of_app, unattended},
        ui::Ui,
    },
    hint::Hint,
    home::{AppEntry, AppName, Home, ServerName},
    operation::{DrillPlan, Drilled, drill, plan_drill},
    text::one_line,
};

/// Restore backups on trial, and sign what came of it.
///
/// The newest backup of each app is restored as an app of its own, beside the live one or on
/// another server, runs its own checks, and is removed again. It reaches neither the live app
/// nor anything else: its one network leads nowhere, it publishes nothing, has no folder of
/// the host and no volume of others, and its plugins send no requests. Evidence is kept in
/// the folder evidence/ of the operator's folder, signed with the key that signs backups.
///
/// The key that opens the kept secrets is needed: the data is of no use without them.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck backup drill wiki.example.org
  potluck backup drill wiki.example.org --on spare.example.org
  potluck backup drill --sample 2
  potluck backup drill --all --dry-run

Asks nothing, for cron: `--sample N` takes the apps whose last drill is the longest ago, so
that over time every app is drilled. One line per app.

Exit codes: 0 every backup is good, 1 none is, 3 some are not, 130 it was told to end
(SIGTERM, Ctrl-C), and has removed what it made.

JSON: a list of {app, server, on, ok, set, bytes, seconds, checks, left_out, error, next, file};
`next` says what to type, `file` where the evidence is. With --dry-run, a list of {app, server,
on, ok, plan, error, next}, its plan {app, server, on, drilled_as, set, taken, bytes, services,
volumes, secrets, left_out, warnings}.")]
pub struct Args {
    /// The apps, by their domains
    #[arg(value_name = "APP", required_unless_present_any = ["all", "sample"])]
    apps: Vec<AppName>,

    /// All apps, or all of a server's
    #[arg(long, conflicts_with_all = ["apps", "sample"])]
    all: bool,

    /// So many apps: those whose last drill is the longest ago
    #[arg(long, value_name = "N", conflicts_with = "apps")]
    sample: Option<usize>,

    /// Only on this server
    #[arg(short, long, value_name = "NAME")]
    server: Option<ServerName>,

    /// Restore on this server [default: that of each app]
    #[arg(long, value_name = "SERVER")]
    on: Option<ServerName>,

    /// Only show what would be restored, and what would be left out
    #[arg(long)]
    dry_run: bool,

    /// Wait this long for another drill of an app to end, 90s or 10m
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "10m")]
    lock_wait: Duration,

    #[command(flatten)]
    json: JsonArg,
}

/// What came of one app.
#[derive(Serialize)]
struct Row {
    app: String,
    server: String,
    on: String,
    ok: bool,
    set: Option<String>,
    bytes: u64,
    seconds: f64,
    checks: Vec<String>,
    left_out: Vec<String>,
    error: Option<String>,
    next: Option<String>,
    file: Option<String>,
}

/// What would be done with one app.
#[derive(Serialize)]
struct Planned {
    app: String,
    server: String,
    on: String,
    ok: bool,
    plan: Option<DrillPlan>,
    error: Option<String>,
    next: Option<String>,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    if let Some(on) = &args.on {
        home.server(on)?;
    }
    let apps = chosen(args, &home)?;
    let options = super::options();
    let mut operating = session.context(&home, Answers::new(&session.ui, PlanQuestion::Yes))?;
    let context = &mut operating.context;
    context.lock_wait = args.lock_wait;
    unattended(context, session.ui.stderr_is_terminal());
    let context: &Context = &operating.context;
    if args.dry_run {
        let rows = wait_cancelling(&options.cancel, planned(args, &apps, context, &options))?;
        drop(operating);
        let bad = rows.iter().filter(|row| !row.ok).count();
        session.report(&rows, &args.json, |rows| {
            rows.iter().for_each(|row| show(&session.ui, row));
            Ok(())
        })?;
        return super::ended(bad, rows.len(), "apps cannot be drilled");
    }
    let said = |row: &Row| match args.json.json {
        true => Ok(()),
        false => session.ui.out(line(row)),
    };
    let rows = wait_cancelling(&options.cancel, drilled(args, &apps, context, &options, said))?;
    drop(operating);
    let bad = rows.iter().filter(|row| !row.ok).count();
    session.report(&rows, &args.json, |_| Ok(()))?;
    super::ended(bad, rows.len(), "drills failed")
}

fn chosen(args: &Args, home: &Home) -> Result<Vec<AppEntry>, Failure> {
    let all = args.all || args.sample.is_some();
    let wanted = super::AppsArg { apps: args.apps.clone(), all, server: args.server.clone() };
    let mut apps = wanted.chosen(home)?;
    if !all {
        return Ok(apps);
    }
    let settings = home.nightly()?;
    apps.retain(|app| !super::run::is_excepted(&settings, app));
    if apps.is_empty() {
        return Err(Failure::new(
            "there is nothing to drill: backup.yml leaves out all of these apps",
        )
        .hint("name the apps, or change `except` in backup.yml"));
    }
    let Some(count) = args.sample else { return Ok(apps) };
    let mut known = Vec::new();
    for app in apps {
        let last = last_drill(home, &app)?;
        known.push((app, last));
    }
    Ok(due(known, count))
}

fn place<'a>(args: &'a Args, app: &'a AppEntry) -> &'a ServerName {
    args.on.as_ref().unwrap_or(&app.server)
}

/// What to type, if that is about the app itself and not about what it was called meanwhile.
fn next(error: &Error) -> Option<String> {
    error.hint().map(|hint| one_line(&hint))
}

async fn planned(
    args: &Args,
    apps: &[AppEntry],
    context: &Context,
    options: &Options,
) -> Result<Vec<Planned>, Failure> {
    let mut rows = Vec::new();
    for app in apps {
        let on = place(args, app);
        let plan = Box::pin(plan_drill(context, app, on, options));
        let (plan, error) = match of_app(app.name.to_string(), plan).await {
            Ok(plan) => (Some(plan), None),
            Err(error @ (Error::Cancelled { .. } | Error::Interrupted)) => return Err(error.into()),
            Err(error) => (None, Some(error)),
        };
        rows.push(Planned {
            app: app.name.to_string(),
            server: app.server.to_string(),
            on: on.to_string(),
            ok: error.is_none(),
            plan,
            next: error.as_ref().and_then(next),
            error: error.map(|error| one_line(&error.to_string())),
        });
    }
    Ok(rows)
}

async fn drilled(
    args: &Args,
    apps: &[AppEntry],
    context: &Context,
    options: &Options,
    say: impl Fn(&Row) -> Result<(), Failure>,
) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    for app in apps {
        let on = place(args, app);
        let work = Box::pin(drill(context, app, on, options));
        let done = of_app(app.name.to_string(), work).await;
        let row = match done {
            Ok(done) => of(done),
            Err(error @ (Error::Cancelled { .. } | Error::Interrupted)) => return Err(error.into()),
            Err(error) => Row {
                app: app.name.to_string(),
                server: app.server.to_string(),
                on: on.to_string(),
                ok: false,
                set: None,
                bytes: 0,
                seconds: 0.0,
                checks: Vec::new(),
                left_out: Vec::new(),
                next: next(&error),
                error: Some(one_line(&error.to_string())),
                file: None,
            },
        };
        say(&row)?;
        rows.push(row);
    }
    Ok(rows)
}

fn of(done: Drilled) -> Row {
    let Drilled { evidence, file, next } = done;
    Row {
        app: evidence.app,
        server: evidence.server,
        on: evidence.on,
        ok: evidence.ok,
        set: evidence.set,
        bytes: evidence.items.iter().map(|item| item.bytes).sum(),
        seconds: StepTime::total(&evidence.steps),
        checks: evidence.checks,
        left_out: evidence.left_out,
        error: evidence.error,
        next,
        file: Some(file.display().to_string()),
    }
}

fn line(row: &Row) -> String {
    let app = &row.app;
    let set = row.set.as_deref().unwrap_or("no backup");
    let seconds = row.seconds;
    match &row.error {
        None => format!(
            "{app}: good: {set}, {} in {seconds:.1} s on {}, {} checks",
            HumanBytes(row.bytes),
            row.on,
            row.checks.len()
        ),
        Some(error) => {
            let next = row.next.as_ref().map(|next| format!("; next: {next}")).unwrap_or_default();
            one_line(&format!("{app}: FAILED: {error} ({set}, after {seconds:.1} s){next}"))
        }
    }
}

fn show(ui: &Ui, row: &Planned) {
    let Some(plan) = &row.plan else {
        let error = row.error.as_deref().unwrap_or_default();
        ui.warn(format_args!("{}: {error}", row.app));
        if let Some(next) = &row.next {
            ui.hint(next);
        }
        return;
    };
    for warning in &plan.warnings {
        ui.warn(one_line(warning));
    }
    ui.say(format_args!(
        "{}: would restore {} ({}) on {} as {}",
        row.app,
        plan.set,
        HumanBytes(plan.bytes),
        row.on,
        plan.drilled_as
    ));
    ui.say_list("runs the services:", &plan.services);
    ui.say_list("creates the volumes:", &plan.volumes);
    ui.say_list("stores the secrets:", &plan.secrets);
    ui.say_list("leaves out:", &plan.left_out);
}
