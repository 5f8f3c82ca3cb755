//! `potluck backup restore --to-server` and `--to-app`: an app made from a backup.

use std::{collections::BTreeSet, path::PathBuf, sync::Arc};

use indicatif::HumanBytes;

use super::{Args, say_checks};
use crate::{
    backup::Of,
    cli::{
        arguments::{AppArg, IdentityArg},
        failure::{Failure, Outcome},
        grants::{Answers, PlanQuestion},
        prompt,
        session::{Session, wait_cancelling},
        ui::{Ui, clean},
    },
    home::{self, AppEntry, AppName, BackupSettings, Home, ServerName, ServerSettings},
    operation::{NewApp, Rebuild, RebuildPlan, RecipeFrom},
};

/// Where an app is made, and out of which repository.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Options for another place")]
pub struct PlaceArg {
    /// Make the app on this server, which has nothing of it
    #[arg(long, value_name = "SERVER")]
    to_server: Option<ServerName>,

    /// Restore into this app; one that does not exist is made, with this domain
    #[arg(long, value_name = "APP", visible_alias = "domain")]
    to_app: Option<AppName>,

    /// Where the engine of a server answers that this folder does not know yet:
    /// unix:///path/to/socket or ssh://user@host
    #[arg(long, value_name = "ENDPOINT", requires = "to_server")]
    endpoint: Option<String>,

    /// The restic repository with the backup [default: that of the server's settings]
    #[arg(long, value_name = "REPOSITORY", requires_all = ["to_server", "password_file"])]
    repository: Option<String>,

    /// The file with the repository's password
    #[arg(long, value_name = "FILE", requires = "repository")]
    password_file: Option<PathBuf>,

    /// A file with variables for restic, for example of an S3 repository
    #[arg(long, value_name = "FILE", requires = "repository")]
    environment_file: Option<PathBuf>,

    /// Make another value for these secrets, of which no copy can be restored
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    new_secrets: Vec<String>,

    #[command(flatten)]
    identity: IdentityArg,
}

/// What the arguments ask for.
pub struct To {
    pub source: AppEntry,
    pub app: AppEntry,
    server: Option<ServerSettings>,
}

impl To {
    /// Whether the app is one, and not what a rebuild left that was killed early.
    ///
    /// # Errors
    /// A lock file that cannot be read.
    pub fn is_whole(&self, home: &Home) -> Result<bool, Failure> {
        let lock = home.lock_file(&self.app)?;
        Ok(lock.restoring.is_none() || lock.owner.is_some())
    }
}

impl PlaceArg {
    /// None where the app itself is restored.
    ///
    /// # Errors
    /// When there is no such app or server.
    pub fn target(
        &self,
        session: &Session,
        home: &Home,
        arg: &AppArg,
    ) -> Result<Option<To>, Failure> {
        if self.to_server.is_none() && self.to_app.is_none() {
            return match self.new_secrets.is_empty() && self.identity.identity.is_none() {
                true => Ok(None),
                false => Err(Failure::usage(
                    "--identity and --new-secrets are for an app that is made anew",
                )
                .hint("`potluck app secret restore` stores kept secrets of an app that exists")),
            };
        }
        let source = match (&arg.server, &self.to_server) {
            (None, Some(to)) if self.repository.is_some() || names_repository(home, to)? => {
                AppEntry { name: arg.app.clone(), server: to.clone() }
            }
            (None, Some(to)) => match home.app(&arg.app) {
                Ok(entry) => entry,
                Err(home::Error::UnknownApp { .. }) => {
                    AppEntry { name: arg.app.clone(), server: to.clone() }
                }
                Err(error) => return Err(error.into()),
            },
            (Some(server), Some(_)) => {
                home.server(server)?;
                AppEntry { name: arg.app.clone(), server: server.clone() }
            }
            (_, None) => session.app(home, arg)?,
        };
        let server = self.to_server.clone().unwrap_or_else(|| source.server.clone());
        let name = self.to_app.clone().unwrap_or_else(|| source.name.clone());
        Ok(Some(To { source, app: AppEntry { name, server }, server: self.server(home)? }))
    }

    /// What the server's settings get.
    fn server(&self, home: &Home) -> Result<Option<ServerSettings>, Failure> {
        let Some(name) = &self.to_server else { return Ok(None) };
        let unknown = match home.server(name) {
            Ok(_) => false,
            Err(home::Error::UnknownServer { .. }) => true,
            Err(error) => return Err(error.into()),
        };
        if unknown && self.endpoint.is_none() {
            return Err(Failure::new(format!("no server is called `{name}`")).hint(format!(
                "name its engine, too: `--endpoint ssh://{name}`, or \
                 `--endpoint unix:///var/run/docker.sock` for this machine's"
            )));
        }
        let backup = match (&self.repository, &self.password_file) {
            (Some(repository), Some(file)) => Some(
                BackupSettings::given(repository, file, self.environment_file.as_deref()).map_err(
                    |error| Failure::io("resolving the paths of the repository", &error),
                )?,
            ),
            _ => None,
        };
        let asks = self.endpoint.is_some() || backup.is_some();
        let endpoint = self.endpoint.clone();
        Ok(asks.then_some(ServerSettings { endpoint, backup, ..ServerSettings::default() }))
    }
}

/// Whether a server that is known has backups of its own.
fn names_repository(home: &Home, server: &ServerName) -> Result<bool, Failure> {
    match home.server(server) {
        Ok(settings) => Ok(settings.backup.is_some_and(|backup| backup.names_repository())),
        Err(home::Error::UnknownServer { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

pub fn run(args: &Args, session: &Session, to: To) -> Outcome {
    let home = session.home()?;
    let guard = session.guard(&home, &to.app, "a rebuild", &args.lock)?;
    let identity = session.identity_if_any(&args.place.identity)?;
    let answers = Answers::new(&session.ui, PlanQuestion::Yes);
    let operating =
        session.context(&home, Arc::clone(&answers))?.granting(&args.grants).waiting(&args.lock);
    let options = args.taken.options(args.trust.options(), Of::Any);
    let which = args.set.which(&session.ui);
    let target = NewApp {
        source: to.source,
        app: to.app,
        server: to.server,
        new_secrets: args.place.new_secrets.iter().cloned().collect::<BTreeSet<String>>(),
        identity,
    };
    let done = wait_cancelling(&options.cancel, async {
        let context = &operating.context;
        let rebuild = Box::pin(Rebuild::prepare(context, &guard, target, &which, &options)).await?;
        operating.pause();
        show(&session.ui, &rebuild.plan);
        if args.dry_run {
            return Ok(Err(rebuild.plan));
        }
        agree(args, &session.ui, &rebuild.plan)?;
        Ok(Ok(Box::pin(rebuild.run(context, &guard, &options)).await?))
    })
    .map_err(|failure| answers.ended(failure))?;
    drop(operating);
    let report = match done {
        Ok(report) => report,
        Err(plan) => return session.report(&plan, &args.json, |_| Ok(())),
    };
    session.report(&report, &args.json, |report| {
        let ui = &session.ui;
        ui.say(format_args!(
            "Made {} on {} from {}: {} in {:.1} s.",
            report.app,
            report.server,
            report.set,
            HumanBytes(report.bytes),
            report.seconds
        ));
        say_checks(ui, &report.checks);
        Ok(())
    })
}

fn show(ui: &Ui, plan: &RebuildPlan) {
    for warning in &plan.warnings {
        ui.warn(clean(warning));
    }
    let taken = plan.taken.strftime("%Y-%m-%d %H:%M:%S UTC");
    let of = match plan.app == plan.source {
        true => String::new(),
        false => format!(" of {}", plan.source),
    };
    ui.say(format_args!(
        "Making {} on {} from {}{of} (taken {taken} on the server {}, {}):",
        plan.app,
        plan.server,
        plan.set,
        clean(&plan.taken_on),
        HumanBytes(plan.bytes)
    ));
    ui.say_list("writes the files:", &plan.files);
    let version = plan.version.as_deref().unwrap_or("an unreleased version");
    let from = match plan.recipe_from {
        RecipeFrom::Folder => "of this folder",
        RecipeFrom::Repository => "of its repository",
        RecipeFrom::Backup => "of the files in the backup",
    };
    ui.say(format_args!("  takes the recipe: {} {}, {from}", clean(&plan.recipe), clean(version)));
    ui.say_list("gives the new domain to the settings:", &plan.renamed);
    ui.say_list("stores the secrets:", &plan.secrets);
    ui.say_list("finds these secrets on the server:", &plan.present_secrets);
    ui.say_list("makes new values for the secrets:", &plan.new_secrets);
    ui.say_list("creates the volumes:", &plan.volumes);
    let dumps: Vec<String> =
        plan.dumps.iter().map(|(item, service)| format!("{item} into {service}")).collect();
    ui.say_list("restores the dumps:", &dumps);
    ui.say_list("hands to plugins:", &plan.consumes);
    ui.say_list("deploys the services:", &plan.services);
}

fn agree(args: &Args, ui: &Ui, plan: &RebuildPlan) -> Result<(), Failure> {
    if args.yes {
        return Ok(());
    }
    if !ui.is_interactive() {
        let message = format!("making {} on {} needs your consent", plan.app, plan.server);
        return Err(Failure::consent(message).hint("pass `--yes`"));
    }
    let question = format!("Make {} on {}?", plan.app, plan.server);
    match prompt::confirm(ui, &question, prompt::Enter::No)? {
        true => Ok(()),
        false => Err(Failure::interrupted("nothing was made")),
    }
}
