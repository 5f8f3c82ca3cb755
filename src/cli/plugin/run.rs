//! `potluck plugin run`

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::{Map, Value};

use super::test::yaml;
use crate::{
    app,
    cli::{
        app::check_whole,
        arguments::{AppArg, GrantArg, JsonArg, LockArg},
        exit::Exit,
        failure::{Failure, Outcome},
        grants::{Answers, PlanQuestion},
        session::{Operating, Session, wait},
    },
    hint::nearest,
    home::{
        AppName, ServerName,
        write::{self, Existing, Readers},
    },
    hooks::{self, Guarding},
    operation::{self, Lease},
    plugin::{Hooks, Plugin, Role, Runtime, Surroundings},
    scenario::{
        self, Component, Hook, NamedCommand, Scenario, World, masked,
        record::{self, Earlier, Recording},
        secrets_in,
    },
};

/// Run one hook of a plugin, and show what it does.
///
/// Runs the hook with the answers of a scenario, without any server; or for
/// a real app, whose services it then reaches as far as the plugin's grants allow.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck plugin run ./wiki.wasm check after=1.0.0
  potluck plugin run ./wiki.wasm after-deploy --scenario tests/first-deploy.yml
  potluck plugin run std:files backup.plan --scenario volumes.yml
  potluck plugin run wiki backup.plan --app wiki.example.org
  potluck plugin run wiki commands.run name=reset-password user=ada --app wiki.example.org
  potluck plugin run wiki commands.run list-users --app wiki.example.org --record users.yml

HOOK is the name of a hook, with its role if two roles have a hook of that name.
Arguments are NAME=VALUE, as in a scenario's `with`; values that are not text are
written as JSON. For commands.run they are the command's name and its parameters, or
just the command followed by its arguments.

--record writes the settings that the plugin asked for, and placeholders for the
secrets that it was given. A secret that the plugin changed or encoded may still be in
the file: read it before you share it. If the file holds a recording of the same app
and plugin, the hook becomes its next step.

JSON: {result or failure, calls, log}.")]
pub struct Args {
    /// The component's file, or std:NAME; with --app, the plugin's name in the
    /// recipe
    #[arg(value_name = "COMPONENT")]
    component: String,

    /// The hook
    #[arg(value_name = "HOOK")]
    hook: String,

    /// What it is given
    #[arg(value_name = "ARG")]
    arguments: Vec<String>,

    /// Run it for this app
    #[arg(long, value_name = "APP", conflicts_with = "scenario")]
    app: Option<AppName>,

    /// The app's server, if several servers have an app of this name
    #[arg(long, value_name = "NAME", requires = "app")]
    server: Option<ServerName>,

    /// Run it with what this scenario gives and answers
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,

    /// Record what happens as a scenario, or as the next step of one
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,

    #[command(flatten)]
    grants: GrantArg,

    #[command(flatten)]
    json: JsonArg,
}

/// What others are told while it runs.
const DOING: &str = "a hook";
/// Hooks that change nothing.
const READING: [&str; 5] = ["check", "plan", "request", "specs", "verify"];

pub fn run(args: &Args, session: &Session) -> Outcome {
    let earlier = args.record.as_deref().map_or(Ok(None), earlier)?;
    let home = session.home()?;
    match &args.app {
        Some(app) => {
            let (app, server) = (app.clone(), args.server.clone());
            let entry = session.app(&home, &AppArg { app, server })?;
            let answers = Answers::new(&session.ui, PlanQuestion::Yes);
            let operating = session.context(&home, Arc::clone(&answers))?.granting(&args.grants);
            // What only plans and looks needs no lease.
            let reads = READING.iter().any(|hook| args.hook.rsplit('.').next() == Some(hook));
            let guard = match reads {
                true => None,
                false => Some(session.guard(&home, &entry, DOING, &LockArg::none())?),
            };
            let ran = wait("interrupted: the hook may have changed something already", async {
                let context = &operating.context;
                let app = app::load_deployed(context, &entry).await?;
                let guarding = guard.as_ref().map_or(Guarding::WhileWriting, Guarding::Held);
                let Some((plugin, surroundings)) =
                    hooks::prepare(context, &app, &args.component, guarding).await?
                else {
                    let names = app.checkout.manifest.plugins.iter().map(|p| p.name.as_str());
                    return Err(unknown(&args.component, names));
                };
                let Some(guard) = &guard else {
                    return call(args, earlier.as_ref(), &plugin, surroundings).await;
                };
                app.engine.require().await.map_err(app::Error::from)?;
                operation::leased(context, &app.engine, guard, DOING, async |_: &Lease| {
                    call(args, earlier.as_ref(), &plugin, surroundings).await
                })
                .await
            })
            .map_err(|failure| answers.ended(failure))?;
            show(args, session, ran, Some(operating))
        }
        None => {
            let runtime = Runtime::new(&home.plugin_cache())?;
            let ran = wait("interrupted", async {
                let (plugin, surroundings) = scripted(args, &runtime).await?;
                call(args, earlier.as_ref(), &plugin, surroundings).await
            })?;
            show(args, session, ran, None)
        }
    }
}

/// The current content of the file for a recording: nothing, or recordings.
fn earlier(file: &Path) -> Result<Option<Earlier>, Failure> {
    Earlier::read(file).map_err(|error| match error {
        scenario::Error::Invalid(message) => {
            Failure::usage(format!("{} exists already: {message}", file.display()))
                .hint("choose another file for --record")
        }
        other => other.into(),
    })
}

fn unknown<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Failure {
    let failure = Failure::usage(format!("the app's recipe has no plugin `{name}`"));
    match nearest(name, names) {
        Some(near) => failure.hint(format!("did you mean `{near}`?")),
        None => failure.hint("with --app, COMPONENT is a plugin's name in recipe.yml"),
    }
}

/// The component with a scenario; with an empty one if none was named.
async fn scripted(args: &Args, runtime: &Runtime) -> Result<(Plugin, Surroundings), Failure> {
    let component = Component::named(&args.component, Path::new(""))?;
    let (component, defaults) = scenario::find::placed(component)?;
    let plugin = runtime.load(&component.name(), &component.read()?).await?;
    let scenario = match &args.scenario {
        Some(file) => Scenario::read(file)?,
        None => Scenario::default(),
    };
    let world = Arc::new(World::new(&scenario.given, scenario.given.time()?));
    let surroundings = scenario::surroundings(&plugin, &scenario, &defaults, &world)?;
    Ok((plugin, surroundings))
}

/// What came of the hook.
struct Ran {
    outcome: Result<Value, crate::plugin::Error>,
    calls: Vec<Value>,
    log: Vec<String>,
    /// What was recorded, if that was asked for.
    recorded: Option<Result<Recording, scenario::Error>>,
}

async fn call(
    args: &Args,
    earlier: Option<&Earlier>,
    plugin: &Plugin,
    surroundings: Surroundings,
) -> Result<Ran, Failure> {
    let mut line = args.arguments.clone();
    let named = NamedCommand::from_line(&args.hook, &line, plugin.versions())?;
    let read = |line: &[String]| Hook::from_line(&args.hook, line, plugin.versions());
    if named.is_none() {
        // What is wrong is said before anything runs.
        read(&line)?;
    }
    let (surroundings, recorder) = record::record(surroundings);
    if let Some(earlier) = earlier {
        earlier.fits(plugin, &recorder).await?;
    }
    let mut hooks = plugin.start(surroundings).await?;
    if let Some(named) = named {
        line = named.in_order(&hooks.command_specs().await?)?;
    }
    let (hook, with) = read(&line)?;
    if let Hook::Run { name, arguments } = &hook
        && hooks.plays(Role::Commands)
        && let Some(spec) = hooks.command_specs().await?.iter().find(|spec| spec.name == *name)
    {
        check_whole(spec, arguments)?;
    }
    let mut secret = secret_arguments(&mut hooks, &hook).await?;
    secret.extend(secrets_in(&with));
    let outcome = hook.call(&mut hooks).await;
    if let Ok(Value::Object(result)) = &outcome {
        secret.extend(secrets_in(result));
    }
    let (calls, log) = (recorder.calls(&secret), recorder.log());
    let recorded = match &args.record {
        None => None,
        Some(_) => {
            let run = record::Run { call: &args.hook, with: &with, outcome: &outcome, earlier };
            Some(recorder.scenario(plugin, &run, &secret).await)
        }
    };
    Ok(Ran { outcome: outcome.map(masked), calls, log, recorded })
}

/// Values of a command's secret parameters, by the parameter's name.
async fn secret_arguments(
    hooks: &mut Hooks,
    hook: &Hook,
) -> Result<Vec<(String, String)>, Failure> {
    let Hook::Run { name, arguments } = hook else { return Ok(Vec::new()) };
    if !hooks.plays(Role::Commands) {
        return Ok(Vec::new());
    }
    let specs = hooks.command_specs().await?;
    let Some(spec) = specs.into_iter().find(|spec| spec.name == *name) else {
        return Ok(Vec::new());
    };
    let given = spec.parameters.into_iter().zip(arguments);
    Ok(given.filter(|(p, _)| p.secret).map(|(p, value)| (p.name, value.clone())).collect())
}

fn show(args: &Args, session: &Session, ran: Ran, operating: Option<Operating>) -> Outcome {
    // What moves is taken down before the result is shown.
    let live = operating.is_some();
    drop(operating);
    let is_recorded = match (&args.record, &ran.recorded) {
        (Some(file), Some(recorded)) => keep(session, file, recorded)?,
        _ => true,
    };
    let mut shown = Map::new();
    // Of a real app, the log was shown as it came.
    if (args.json.json || !live) && !ran.log.is_empty() {
        shown.insert("log".into(), ran.log.clone().into());
    }
    if !ran.calls.is_empty() {
        shown.insert("calls".into(), ran.calls.clone().into());
    }
    match &ran.outcome {
        Ok(Value::Null) => {}
        Ok(result) => {
            shown.insert("result".into(), result.clone());
        }
        Err(error) if args.json.json => {
            shown.insert("failure".into(), error.to_string().into());
        }
        Err(_) => {}
    }
    if args.json.json {
        session.ui.json_of_texts(&shown)?;
    } else if !shown.is_empty() {
        session.ui.out_lines(yaml(&shown).trim_end())?;
    }
    match ran.outcome {
        Ok(_) if is_recorded => Ok(Exit::DONE),
        Ok(_) => Ok(Exit::FAILED),
        Err(error) => Err(error.into()),
    }
}

/// Writes the recording, if there is one. The hook did run either
/// way.
fn keep(
    session: &Session,
    file: &Path,
    recorded: &Result<Recording, scenario::Error>,
) -> Result<bool, Failure> {
    let ui = &session.ui;
    let recording = match recorded {
        Ok(recording) => recording,
        Err(error) => {
            ui.warn(format_args!("the hook was not recorded: {error}"));
            return Ok(false);
        }
    };
    write::write_whole(file, recording.text.as_bytes(), Existing::Replace, Readers::Shared)?;
    ui.say(format_args!("Wrote {}.", file.display()));
    if !recording.is_same {
        ui.warn("replaying the scenario gives a different result: look through it");
    }
    if recording.all_settings {
        ui.warn("it holds all settings, as the plugin reads them all: look through it");
    }
    Ok(true)
}
