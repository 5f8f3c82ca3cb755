//! One app, with questions.

use std::sync::Arc;

use serde::Serialize;

use super::{
    Args,
    target::{Recipes, Target},
};
use crate::{
    app,
    cli::{
        app::{
            deploy::{INTERRUPTED, interrupted, told},
            secret,
        },
        arguments::Assignment,
        backup,
        exit::Exit,
        failure::{Failure, Outcome},
        grants::{Answers, PlanQuestion, show_plan},
        prompt::{self, Enter},
        session::{Session, wait_cancelling},
    },
    home::{AppEntry, AppName, EnvFile, Home},
    operation::{self, DeployOptions, DeployReport, Upgrade},
    recipe::Version,
};

#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    deploy: &'a DeployReport,
    before: Option<&'a str>,
}

#[derive(Serialize)]
struct Newest<'a> {
    app: &'a str,
    version: &'a str,
    changed: bool,
}

pub fn run(args: &Args, session: &Session, name: &AppName) -> Outcome {
    let home = session.home()?;
    let entry = match &args.server {
        None => home.app(name)?,
        Some(server) => home.app_on(name, server)?,
    };
    let target = Target::of(args.wanted(), session, &home, &entry, &mut Recipes::default())?;
    if let Some(version) = target.is_there() {
        let newest = Newest { app: name.as_str(), version, changed: false };
        return session.report(&newest, &args.json, |newest| {
            session.ui.say(format_args!("{} is at {}.", newest.app, newest.version));
            Ok(())
        });
    }
    let before = home.env(&entry)?;
    if args.dry_run && (args.secrets || !args.set.is_empty()) {
        session.ui.warn(
            "a dry run has the settings and secrets that there are: --set and --secrets \
                         change nothing of it",
        );
    }
    let settings = match args.dry_run {
        true => None,
        false => settings(args, session, &home, &entry, &target.version)?,
    };
    let guard = match args.dry_run {
        true => None,
        false => Some(session.guard(&home, &entry, "an upgrade", &args.lock)?),
    };
    let question = if args.yes || args.dry_run { PlanQuestion::Yes } else { PlanQuestion::Ask };
    let answers = Answers::new(&session.ui, question);
    let options = backup::options();
    let deploys = target.options(args, &options);
    let operating =
        session.context(&home, Arc::clone(&answers))?.granting(&args.grants).waiting(&args.lock);
    let done = wait_cancelling(&options.cancel, async {
        let context = &operating.context;
        let work = async {
            let mut app = app::load_to_deploy(context, &entry, &target.version).await?;
            Ok(match &guard {
                Some(guard) => operation::deploy(context, guard, &mut app, &deploys).await?,
                None => operation::plan(context, &mut app, &deploys).await?,
            })
        };
        tokio::select! {
            done = work => done,
            () = options.cancel.cancelled() => Err(Failure::interrupted(INTERRUPTED)),
        }
    });
    let report = done
        .map_err(|failure| answers.ended(failure))
        .map_err(|failure| interrupted(failure, &answers, &entry))
        .inspect_err(|failure| {
            // The version that runs again had other settings.
            let is_undone = matches!(failure.exit, Exit::NEEDS_CONSENT | Exit::ROLLED_BACK);
            if let (true, Some(settings)) = (is_undone, &settings)
                && let Err(error) = put_back(&home, &entry, settings, &before)
            {
                session.ui.warn(error);
            }
        })?;
    if args.dry_run {
        show_plan(&session.ui, &report.plan);
    }
    let report = Report { deploy: &report, before: target.before.as_deref() };
    session.report(&report, &args.json, |report| {
        session.ui.say(told(report.deploy, args.dry_run, false));
        if let (false, Some(set)) = (args.dry_run, &report.deploy.set) {
            session
                .ui
                .say(format_args!("The data of the previous version is in the backup {set}."));
        }
        Ok(())
    })
}

impl Target {
    /// How the upgrade is deployed.
    pub fn options(&self, args: &Args, options: &crate::backup::Options) -> DeployOptions {
        DeployOptions {
            version: self.version.clone(),
            timeout: args.timeout,
            strictness: args.strict.strictness(),
            overwrite: args.overwrite,
            upgrade: Some(match args.no_backup {
                true => Upgrade::without_backup(),
                false => Upgrade::with_backup(options.clone()),
            }),
            ..DeployOptions::default()
        }
    }
}

/// Writes the settings that the new version has and the app lacks, asking for them, and
/// those of the command line; then makes new secrets. Returns what was written, if anything.
fn settings(
    args: &Args,
    session: &Session,
    home: &Home,
    entry: &AppEntry,
    version: &Version,
) -> Result<Option<EnvFile>, Failure> {
    let mut env = home.env(entry)?;
    for Assignment { key, value } in &args.set {
        env.set(key, value)?;
    }
    if session.ui.is_interactive() {
        let store = session.recipes()?.from(env.recipe_address());
        let checkout = match env.recipe_pin()? {
            Some((recipe, _)) => Some(store.checkout(&recipe, version)?),
            None => None,
        };
        let new = checkout.map(|checkout| app::new_settings(&env, &checkout)).unwrap_or_default();
        for (key, sample) in new {
            let help = match sample.is_empty() {
                true => "new in the recipe; Enter alone leaves it empty".to_owned(),
                false => format!("new in the recipe; Enter alone takes `{sample}`"),
            };
            let answer = prompt::optional_text(&session.ui, &format!("{key}:"), &help)?;
            env.set(&key, if answer.is_empty() { &sample } else { &answer })?;
        }
    }
    let known = home.env(entry)?;
    let written = (env != known).then(|| env.clone());
    if written.is_some() {
        home.write_env(entry, &env)?;
    }
    let lacks = lacks_secrets(session, home, entry, version);
    if lacks
        && (args.secrets
            || (session.ui.is_interactive()
                && prompt::confirm(&session.ui, "Generate the secrets that are new?", Enter::Yes)?))
    {
        secret::generate_missing(session, home, entry, version)?;
    }
    Ok(written)
}

/// Whether the new version has secrets that do not exist yet. What cannot be known is left
/// to the deploy, which says it.
fn lacks_secrets(session: &Session, home: &Home, entry: &AppEntry, version: &Version) -> bool {
    let looked =
        session.context(home, Answers::new(&session.ui, PlanQuestion::Yes)).and_then(|operating| {
            crate::cli::session::wait("interrupted", async {
                let app = app::load(&operating.context, entry, version).await?;
                Ok(operation::lacks_secrets(&app).await?)
            })
        });
    looked.unwrap_or(false)
}

/// Puts the settings back, unless somebody else wrote them since.
fn put_back(
    home: &Home,
    entry: &AppEntry,
    written: &EnvFile,
    before: &EnvFile,
) -> Result<(), crate::home::Error> {
    if home.env(entry)? == *written {
        home.write_env(entry, before)?;
    }
    Ok(())
}
