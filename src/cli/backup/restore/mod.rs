//! `potluck backup restore`: into the app itself, into another one, or to where the app does
//! not exist ([`rebuild`]).

mod rebuild;

use std::sync::Arc;

use indicatif::HumanBytes;

use crate::{
    app,
    backup::Of,
    cli::{
        arguments::{AppArg, GrantArg, JsonArg, LockArg},
        failure::{Failure, Outcome},
        grants::{Answers, PlanQuestion},
        prompt,
        session::{Session, wait_cancelling},
        ui::{Ui, clean},
    },
    home::{AppEntry, CopyName},
    operation::{self, Part, RestorePlan},
};

/// Restore an app's data from a backup.
///
/// Restores the app even if only its secrets are left on its server. Services
/// that use the data are stopped meanwhile. The current data in the restored places is lost.
///
/// With --to-server, the app is made from the backup alone, on a server that has nothing of
/// it: its settings, recipe, secrets, volumes and dumps; it is deployed, and checked. The
/// backup's repository and its password, the private key that opens the secrets, and the
/// fingerprint of the machine that signed the backup are all it takes. With --to-app, it is
/// made under another name, or its data goes into another app of the same recipe.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck backup restore wiki.example.org
  potluck backup restore wiki.example.org 20261121T2015
  potluck backup restore wiki.example.org --at yesterday
  potluck backup restore wiki.example.org 20261121T2015 --path uploads/2026/a.jpg
  potluck backup restore wiki.example.org --item dump/wiki.sql
  potluck backup restore wiki.example.org --from vault
  potluck backup restore wiki.example.org --to-app test.example.org
  potluck backup restore wiki.example.org --to-server new --endpoint ssh://new.example.org \\
      --repository sftp:backup@store:/srv/restic --password-file ./password \\
      --signer 9f86d081884c7d659a2feaa0c55ad015

If data would be replaced and nobody can be asked, --yes is needed; else the exit
code is 6. Exit code 3 when the data is restored but the
app's own checks fail.

Where an app is made, nothing is until you say yes (or pass --yes); one that was interrupted is
finished by `potluck app resume`, and removed by `potluck app abort`.

JSON: {set, app, bytes, seconds, checks}; where an app is made also source, server, secrets and
new_secrets. With --dry-run, the plan: {set, app, taken, version, deploys, stops, replaces,
makes, loses_data, puts_back, consumes, paths, bytes, warnings}; where an app is made, {set, source,
app, server, taken, taken_on, recipe, version, recipe_from, renamed, still_named, files, secrets,
present_secrets, new_secrets, services, volumes, dumps, consumes, bytes, warnings}.")]
pub struct Args {
    #[command(flatten)]
    app: AppArg,

    #[command(flatten)]
    lock: LockArg,

    #[command(flatten)]
    set: super::SetArg,

    /// Don't ask
    #[arg(short, long)]
    yes: bool,

    /// Restore this item only, as `potluck backup show` names it; may be repeated
    #[arg(long, value_name = "ITEM", conflicts_with_all = ["path", "to_server"])]
    item: Vec<String>,

    /// Restore this file or folder of a volume only; may be repeated
    ///
    /// The volume as `potluck backup show` names it, a slash, and the path in it:
    /// `uploads/2026/a.jpg`. What is there is replaced; the rest of the volume stays.
    #[arg(long, value_name = "ITEM/PATH", conflicts_with = "to_server")]
    path: Vec<String>,

    /// Show what would happen, and change nothing
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    trust: super::TrustArg,

    /// Restore from this copy, as `copies` in server.yml names it, instead of the server's own
    /// repository
    #[arg(long, value_name = "COPY", conflicts_with = "to_server")]
    from: Option<CopyName>,

    #[command(flatten)]
    taken: super::TakenArg,

    #[command(flatten)]
    grants: GrantArg,

    #[command(flatten)]
    json: JsonArg,

    // Last: its heading is for all behind it.
    #[command(flatten)]
    place: rebuild::PlaceArg,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let Some(to) = args.place.target(session, &home, &args.app)? else {
        let entry = session.app(&home, &args.app)?;
        return into(args, session, &entry, &entry);
    };
    // One that exists gets the data only.
    match to.app != to.source && home.env_path(&to.app).exists() && to.is_whole(&home)? {
        true => into(args, session, &to.app, &to.source),
        false if !args.item.is_empty() || !args.path.is_empty() => {
            let message = format!("{} does not exist, so all of it is made", to.app.name);
            Err(Failure::usage(message).hint("leave --item and --path out"))
        }
        false if args.from.is_some() => {
            let message = format!("{} does not exist, so all of it is made", to.app.name);
            Err(Failure::usage(message)
                .hint("leave --from out, and name the copy with --repository and --password-file"))
        }
        false => rebuild::run(args, session, to),
    }
}

/// Restores the data of a set into an app that exists.
fn into(args: &Args, session: &Session, entry: &AppEntry, source: &AppEntry) -> Outcome {
    let home = session.home()?;
    let guard = session.guard(&home, entry, "a restore", &args.lock)?;
    let answers = Answers::new(&session.ui, PlanQuestion::Yes);
    let operating =
        session.context(&home, Arc::clone(&answers))?.granting(&args.grants).waiting(&args.lock);
    let options = args.trust.options().of(args.from.as_ref());
    // An app that has moved is known by the name of the server that it left.
    let otherwise = if entry == source { Of::Own } else { Of::Any };
    let options = args.taken.options(options, otherwise);
    let which = args.set.which(&session.ui);
    let part = match (args.item.as_slice(), args.path.as_slice()) {
        ([], []) => Part::All,
        (items, []) => Part::Items(items.to_vec()),
        (_, paths) => Part::Paths(paths.to_vec()),
    };
    let done = wait_cancelling(&options.cancel, async {
        let context = &operating.context;
        let mut app = app::load_deployed(context, entry).await?;
        let restore =
            operation::prepare_restore_of(context, &guard, &app, source, (&which, &part), &options)
                .await?;
        operating.pause();
        show(&session.ui, &restore.plan, source);
        if args.dry_run {
            return Ok(Err(restore.plan));
        }
        agree(args, &session.ui, &restore.plan)?;
        Ok(Ok(restore.run(context, &guard, &mut app, &options).await?))
    })
    .map_err(|failure| answers.ended(failure))?;
    drop(operating);
    let report = match done {
        Ok(report) => report,
        Err(plan) => return session.report(&plan, &args.json, |_| Ok(())),
    };
    session.report(&report, &args.json, |report| {
        session.ui.say(format_args!(
            "Restored {} from {}: {} in {:.1} s.",
            report.app,
            report.set,
            HumanBytes(report.bytes),
            report.seconds
        ));
        say_checks(&session.ui, &report.checks);
        Ok(())
    })
}

fn say_checks(ui: &Ui, checks: &[String]) {
    for check in checks {
        ui.say(format_args!("  checked: {}", clean(check)));
    }
}

/// Shows what would happen.
fn show(ui: &Ui, plan: &RestorePlan, source: &AppEntry) {
    for warning in &plan.warnings {
        ui.warn(warning);
    }
    let bytes = HumanBytes(plan.bytes);
    match plan.app == source.name.as_str() {
        true => ui.say(format_args!("Restoring {} from {} ({bytes}):", plan.app, plan.set)),
        false => ui.say(format_args!(
            "Restoring the data of {} into {} from {} ({bytes}):",
            source.name, plan.app, plan.set
        )),
    }
    ui.say_list("stops meanwhile:", &plan.stops);
    match plan.paths.as_slice() {
        [] => {
            ui.say_list("replaces the volumes:", &plan.replaces);
            ui.say_list("creates the volumes:", &plan.makes);
        }
        paths => {
            let volume = plan.replaces.iter().chain(&plan.makes).next();
            let of = volume.map(|name| format!("in the volume {name}, replaces or adds:"));
            ui.say_list(of.as_deref().unwrap_or("replaces or adds:"), paths);
        }
    }
    let dumps: Vec<String> =
        plan.puts_back.iter().map(|(item, service)| format!("{item} into {service}")).collect();
    ui.say_list("restores the dumps:", &dumps);
    if plan.deploys {
        ui.say("  deploys the services that don't run");
    }
}

/// Asks where data would be lost.
fn agree(args: &Args, ui: &Ui, plan: &RestorePlan) -> Result<(), Failure> {
    if !plan.loses_data || args.yes {
        return Ok(());
    }
    if !ui.is_interactive() {
        return Err(Failure::consent(format!(
            "{} has data that would be replaced, which needs your consent",
            plan.app
        ))
        .hint("pass `--yes`"));
    }
    let question = format!("Replace what {} has now?", plan.app);
    if prompt::confirm(ui, &question, prompt::Enter::No)? {
        Ok(())
    } else {
        Err(Failure::interrupted("nothing was changed"))
    }
}
