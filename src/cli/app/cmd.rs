//! `potluck app cmd`

use std::{
    io::{BufRead, Read},
    sync::Arc,
};

use serde::Serialize;

use crate::{
    app::{self, App},
    cli::{
        arguments::{AppArg, GrantArg, JsonArg, LockArg},
        exit::Exit,
        failure::{Failure, Outcome},
        grants::{Answers, PlanQuestion},
        prompt,
        session::{Session, wait},
        table::Table,
        ui::clean,
    },
    hint::nearest,
    hooks::{self, Guarding},
    operation::{self, Lease},
    plugin::{CommandSpec, Hooks, Parameter, Role},
    recipe::abra,
};

/// Run a command that the app's recipe offers.
///
/// Without NAME, lists the commands. They are part of the recipe's plugins and
/// run sandboxed, with what the plugins were granted. While a command runs, no other
/// operation changes the app.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck app cmd blog.example.org
  potluck app cmd blog.example.org reset-admin-password
  potluck app cmd blog.example.org remove-user -- --odd-name

JSON: without NAME, a list of {plugin, name, help, parameters}; a parameter is
{name, help, required, secret}. With NAME, {plugin, name, output}.")]
pub struct Args {
    #[command(flatten)]
    app: AppArg,

    #[command(flatten)]
    lock: LockArg,

    /// The command; `PLUGIN:NAME` where several plugins have one of that name
    #[arg(value_name = "NAME")]
    name: Option<String>,

    /// The command's arguments, after `--` if one begins with a dash; secret
    /// parameters are asked for, or read from standard input, one line each
    #[arg(value_name = "ARG")]
    arguments: Vec<String>,

    #[command(flatten)]
    grants: GrantArg,

    #[command(flatten)]
    json: JsonArg,
}

/// What others are told while it runs.
const DOING: &str = "a command";
/// Bytes of a secret on standard input.
const SECRET_LINE: u64 = 64 << 10;

/// A command and its plugin.
#[derive(Serialize)]
struct Known {
    plugin: String,
    #[serde(flatten)]
    spec: CommandSpec,
}

/// What came of a command.
#[derive(Serialize)]
struct Ran {
    plugin: String,
    name: String,
    output: String,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let entry = session.app(&home, &args.app).map_err(|failure| {
        // As abra has it: `app command list APP`.
        match (args.app.app.as_str(), &args.name) {
            ("list" | "ls", Some(app)) => {
                failure.hint(format!("`potluck app cmd {}` lists the commands", clean(app)))
            }
            _ => failure,
        }
    })?;
    let answers = Answers::new(&session.ui, PlanQuestion::Yes);
    let operating =
        session.context(&home, Arc::clone(&answers))?.granting(&args.grants).waiting(&args.lock);
    // A list changes nothing.
    let guard = args.name.as_ref().map(|_| session.guard(&home, &entry, DOING, &args.lock));
    let guard = guard.transpose()?;
    let (known, ran) = wait("interrupted: the command may have changed something already", async {
        let app = app::load_deployed(&operating.context, &entry).await?;
        let context = &operating.context;
        let guarding = guard.as_ref().map_or(Guarding::WhileWriting, Guarding::Held);
        let mut plugins = hooks::start(context, &app, Role::Commands, guarding).await?;
        let mut known = Vec::new();
        for (n, (plugin, hooks)) in plugins.iter_mut().enumerate() {
            for spec in hooks.command_specs().await? {
                known.push((n, Known { plugin: plugin.clone(), spec }));
            }
        }
        let ran = match args.name.as_ref().zip(guard.as_ref()) {
            Some((name, guard)) => {
                let (n, command) = find(&known, name).map_err(|failure| {
                    match abra_hint(&app, &known, name, &args.arguments) {
                        Some(hint) => failure.hint(hint),
                        None => failure,
                    }
                })?;
                check(&command.spec, &args.arguments)?;
                let arguments = complete(session, &command.spec, &args.arguments)?;
                let hooks: &mut Hooks = &mut plugins[n].1;
                app.engine.require().await.map_err(app::Error::from)?;
                let running = async |_: &Lease| {
                    let output = hooks.run_command(&command.spec.name, &arguments).await?;
                    Ok::<_, Failure>(output)
                };
                let output = operation::leased(context, &app.engine, guard, DOING, running).await?;
                let (plugin, name) = (command.plugin.clone(), command.spec.name.clone());
                Some(Ran { plugin, name, output })
            }
            None => None,
        };
        Ok((known, ran))
    })
    .map_err(|failure| answers.ended(failure))?;
    drop(operating);

    if let Some(ran) = ran {
        if args.json.json {
            session.ui.json_of_texts(&ran)?;
            return Ok(Exit::DONE);
        }
        let output = ran.output.trim_end_matches('\n');
        if !output.is_empty() {
            session.ui.out_lines(output)?;
        }
        return Ok(Exit::DONE);
    }
    let known: Vec<Known> = known.into_iter().map(|(_, command)| command).collect();
    session.report(&known, &args.json, |known| {
        if known.is_empty() {
            session.ui.say(format_args!("The recipe of {} has no commands.", entry.name));
            return Ok(());
        }
        let mut table = Table::new(&["COMMAND", "WHAT IT DOES"]);
        for Known { plugin, spec } in known {
            let others = known.iter().filter(|other| other.spec.name == spec.name);
            let used = match others.count() {
                1 => usage(spec),
                _ => format!("{plugin}:{}", usage(spec)),
            };
            table.row([used, spec.help.clone()]);
        }
        table.print(&session.ui)
    })
}

/// A command by its name, or by `PLUGIN:NAME` where several plugins have it.
fn find<'a>(known: &'a [(usize, Known)], name: &str) -> Result<(usize, &'a Known), Failure> {
    let (plugin, command) = match name.split_once(':') {
        Some((plugin, command)) => (Some(plugin), command),
        None => (None, name),
    };
    let meant = |(_, k): &&(usize, Known)| {
        k.spec.name == command && plugin.is_none_or(|plugin| k.plugin == plugin)
    };
    let found: Vec<_> = known.iter().filter(meant).collect();
    match &found[..] {
        [(n, command)] => return Ok((*n, command)),
        [] => {}
        several => {
            let names = several.iter().map(|(_, k)| format!("`{}:{command}`", k.plugin));
            return Err(Failure::usage(format!("several plugins have a command `{command}`"))
                .hint(format!("name one: {}", names.collect::<Vec<_>>().join(", "))));
        }
    }
    let failure = Failure::new(format!("the recipe has no command `{name}`"));
    Err(match nearest(command, known.iter().map(|(_, command)| command.spec.name.as_str())) {
        Some(near) => failure.hint(format!("did you mean `{near}`?")),
        None if known.is_empty() => failure.hint("the recipe has no commands"),
        None => failure.hint("without a name, `potluck app cmd` lists the commands"),
    })
}

/// A hint for people who type abra's form, `app cmd APP SERVICE
/// FUNCTION`.
fn abra_hint(app: &App, known: &[(usize, Known)], name: &str, given: &[String]) -> Option<String> {
    let service = app.stack.services.iter().any(|service| service.key == name);
    let first = given.first().filter(|_| service);
    if let Some(command) = first.filter(|first| known.iter().any(|(_, k)| k.spec.name == **first)) {
        return Some(format!(
            "no service is named here: `potluck app cmd {} {command}`",
            app.entry.name
        ));
    }
    let script = app.checkout.text("abra.sh").ok()?;
    let functions = abra::functions(&script);
    let meant = |wanted: &str| functions.iter().any(|function| function.name == wanted);
    if !meant(name) && !service && !first.is_some_and(|first| meant(first)) {
        return None;
    }
    Some(format!(
        "functions in abra.sh are not run: `potluck recipe port {}` makes commands of them",
        app.checkout.recipe
    ))
}

/// Whether the arguments fit, counted.
fn check(spec: &CommandSpec, arguments: &[String]) -> Result<(), Failure> {
    check_of(spec, |parameter| !parameter.secret, arguments)
}

/// The same, where secrets stand among the arguments.
pub(in crate::cli) fn check_whole(spec: &CommandSpec, arguments: &[String]) -> Result<(), Failure> {
    check_of(spec, |_| true, arguments)
}

fn check_of(
    spec: &CommandSpec,
    is_open: impl Fn(&Parameter) -> bool,
    arguments: &[String],
) -> Result<(), Failure> {
    let open: Vec<_> = spec.parameters.iter().filter(|parameter| is_open(parameter)).collect();
    let given = arguments.len().min(open.len());
    let missing = open[given..].iter().filter(|parameter| parameter.required);
    let missing: Vec<String> = missing.map(|parameter| parameter.name.to_uppercase()).collect();
    let name = &spec.name;
    let wrong = if !missing.is_empty() {
        format!("`{name}` needs {}", missing.join(" and "))
    } else if let Some(extra) = arguments.get(open.len()) {
        format!("`{name}` takes {}: `{extra}` is one too many", number(open.len()))
    } else {
        return Ok(());
    };
    let used = usage_of(spec, &is_open);
    let mut failure = Failure::usage(wrong).hint(format!("usage: `{used}`"));
    let secrets: Vec<_> = spec.parameters.iter().filter(|p| !is_open(p)).collect();
    if missing.is_empty() && !secrets.is_empty() {
        let names: Vec<_> = secrets.iter().map(|p| format!("`{}`", p.name)).collect();
        failure = failure.hint(format!(
            "{} is secret: it is asked for, or read from standard input",
            names.join(" and ")
        ));
    }
    Err(failure)
}

fn number(arguments: usize) -> String {
    match arguments {
        0 => "no arguments".into(),
        1 => "one argument".into(),
        several => format!("{several} arguments"),
    }
}

/// The arguments with secrets in their places. An optional secret after a
/// missing argument cannot be given.
fn complete(
    session: &Session,
    spec: &CommandSpec,
    given: &[String],
) -> Result<Vec<String>, Failure> {
    let mut given = given.iter();
    let mut arguments = Vec::new();
    for parameter in &spec.parameters {
        if parameter.secret {
            arguments.push(secret(session, &parameter.name)?);
        } else if let Some(argument) = given.next() {
            arguments.push(argument.clone());
        } else {
            break;
        }
    }
    Ok(arguments)
}

/// Reads it from a prompt without an echo, or from the next line of standard input.
fn secret(session: &Session, name: &str) -> Result<String, Failure> {
    if session.ui.is_interactive() {
        return Ok(prompt::hidden(&session.ui, &format!("{name}:"))?.to_string());
    }
    let mut line = String::new();
    let input = std::io::stdin();
    if std::io::IsTerminal::is_terminal(&input) {
        return Err(Failure::consent(format!(
            "`{name}` is secret and has to be entered at a terminal"
        ))
        .hint("pass it on standard input"));
    }
    let read = input.lock().take(SECRET_LINE).read_line(&mut line);
    read.map_err(|e| Failure::io("reading standard input", &e))?;
    let value = line.trim_end_matches(['\n', '\r']);
    if value.is_empty() {
        return Err(Failure::usage(format!("standard input has no line for `{name}`")));
    }
    Ok(value.to_owned())
}

/// `reset-password USER [LENGTH]`; secrets are not typed here.
fn usage(spec: &CommandSpec) -> String {
    usage_of(spec, |parameter| !parameter.secret)
}

fn usage_of(spec: &CommandSpec, is_open: impl Fn(&Parameter) -> bool) -> String {
    let mut text = spec.name.clone();
    for parameter in spec.parameters.iter().filter(|parameter| is_open(parameter)) {
        let name = parameter.name.to_uppercase();
        text.push_str(&if parameter.required { format!(" {name}") } else { format!(" [{name}]") });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(required: &[bool]) -> CommandSpec {
        CommandSpec {
            name: "reset".into(),
            help: String::new(),
            parameters: required
                .iter()
                .map(|required| Parameter {
                    name: "user".into(),
                    help: String::new(),
                    required: *required,
                    secret: false,
                })
                .collect(),
        }
    }

    #[test]
    fn arguments_are_counted_before_anything_runs() {
        let spec = spec(&[true, false]);
        for (given, fits) in [(0, false), (1, true), (2, true), (3, false)] {
            assert_eq!(check(&spec, &vec![String::new(); given]).is_ok(), fits, "{given}");
        }
        assert_eq!(usage(&spec), "reset USER [USER]");
    }

    #[test]
    fn what_is_missing_or_too_much_is_named() {
        let mut spec = spec(&[true, true, false]);
        spec.parameters[1].name = "length".into();
        let said = |spec: &CommandSpec, given: &[&str]| {
            let given: Vec<String> = given.iter().map(|text| (*text).to_owned()).collect();
            let failure = check(spec, &given).unwrap_err();
            (failure.message.unwrap(), failure.hints.join("; "))
        };
        let used = "usage: `reset USER LENGTH [USER]`".to_owned();
        assert_eq!(said(&spec, &[]), ("`reset` needs USER and LENGTH".into(), used.clone()));
        assert_eq!(said(&spec, &["ada"]), ("`reset` needs LENGTH".into(), used.clone()));
        assert_eq!(
            said(&spec, &["1", "2", "3", "4"]),
            ("`reset` takes 3 arguments: `4` is one too many".into(), used)
        );
        spec.parameters.truncate(1);
        spec.parameters[0].secret = true;
        let (message, hint) = said(&spec, &["hunter2"]);
        assert_eq!(message, "`reset` takes no arguments: `hunter2` is one too many");
        assert!(hint.contains("`user` is secret: it is asked for"), "{hint}");
    }

    #[test]
    fn secrets_are_no_arguments() {
        let mut spec = spec(&[true, true]);
        spec.parameters[1].secret = true;
        for (given, fits) in [(0, false), (1, true), (2, false)] {
            assert_eq!(check(&spec, &vec![String::new(); given]).is_ok(), fits, "{given}");
        }
        assert_eq!(usage(&spec), "reset USER");
        // A plugin that is run by itself is handed them as it takes them.
        for (given, fits) in [(1, false), (2, true), (3, false)] {
            let given = vec![String::new(); given];
            assert_eq!(check_whole(&spec, &given).is_ok(), fits, "{given:?}");
        }
    }
}
