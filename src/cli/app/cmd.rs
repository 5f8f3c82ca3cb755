//! `potluck app cmd`

use serde::Serialize;

use crate::{
    cli::{
        arguments::{AppArg, JsonArg},
        exit::Exit,
        failure::{Failure, Outcome},
        grants::{Answers, PlanQuestion},
        session::{Session, nearest, wait},
        table::Table,
        ui::clean,
    },
    operation,
    plugin::{CommandSpec, Hooks, Role},
    recipe::Version,
};

/// Run a command that the app's recipe brings along.
///
/// Without NAME, lists the commands. They are part of the recipe's plugins and
/// run sandboxed, with what the plugins were granted.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck app cmd blog.example.org
  potluck app cmd blog.example.org reset-admin-password

JSON: without NAME, a list of {plugin, name, help, parameters}; a parameter is
{name, help, required}.")]
pub struct Args {
    #[command(flatten)]
    app: AppArg,

    /// The command
    #[arg(value_name = "NAME")]
    name: Option<String>,

    /// What the command takes
    #[arg(value_name = "ARG", trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,

    #[command(flatten)]
    json: JsonArg,
}

/// A command and who brings it.
#[derive(Serialize)]
struct Known {
    plugin: String,
    #[serde(flatten)]
    spec: CommandSpec,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let entry = session.app(&home, &args.app)?;
    let operating = session.context(&home, Answers::new(&session.ui, PlanQuestion::Yes))?;
    let (known, output) = wait("interrupted: the command may have been at work", async {
        let app = operation::load(&operating.context, &entry, &Version::Newest).await?;
        let mut plugins = operation::start(&operating.context, &app, Role::Commands).await?;
        let mut known = Vec::new();
        for (n, (plugin, hooks)) in plugins.iter_mut().enumerate() {
            for spec in hooks.command_specs().await? {
                known.push((n, Known { plugin: plugin.clone(), spec }));
            }
        }
        let output = match &args.name {
            Some(name) => {
                let (n, command) = find(&known, name)?;
                check(&command.spec, &args.arguments)?;
                let hooks: &mut Hooks = &mut plugins[n].1;
                Some(hooks.run_command(name, &args.arguments).await?)
            }
            None => None,
        };
        Ok((known, output))
    })?;
    drop(operating);

    if let Some(output) = output {
        let output = output.trim_end_matches('\n');
        if !output.is_empty() {
            session.ui.out(clean(output))?;
        }
        return Ok(Exit::DONE);
    }
    let known: Vec<Known> = known.into_iter().map(|(_, command)| command).collect();
    if args.json.json {
        session.ui.json(&known)?;
        return Ok(Exit::DONE);
    }
    if known.is_empty() {
        session.ui.say(format_args!("The recipe of {} brings no commands.", entry.name));
        return Ok(Exit::DONE);
    }
    let mut table = Table::new(&["COMMAND", "WHAT IT DOES"]);
    for Known { spec, .. } in &known {
        table.row([usage(spec), spec.help.clone()]);
    }
    table.print(&session.ui)?;
    Ok(Exit::DONE)
}

fn find<'a>(known: &'a [(usize, Known)], name: &str) -> Result<(usize, &'a Known), Failure> {
    if let Some((n, command)) = known.iter().find(|(_, command)| command.spec.name == name) {
        return Ok((*n, command));
    }
    let failure = Failure::new(format!("the recipe has no command `{name}`"));
    Err(match nearest(name, known.iter().map(|(_, command)| command.spec.name.as_str())) {
        Some(near) => failure.hint(format!("did you mean `{near}`?")),
        None => failure.hint("without a name, `potluck app cmd` lists the commands"),
    })
}

/// Whether the number of arguments fits.
fn check(spec: &CommandSpec, arguments: &[String]) -> Result<(), Failure> {
    let least = spec.parameters.iter().filter(|parameter| parameter.required).count();
    if arguments.len() < least || arguments.len() > spec.parameters.len() {
        return Err(Failure::usage(format!("`{}` takes other arguments", spec.name))
            .hint(format!("it is used as `{}`", usage(spec))));
    }
    Ok(())
}

/// `reset-password USER [LENGTH]`
fn usage(spec: &CommandSpec) -> String {
    let mut text = spec.name.clone();
    for parameter in &spec.parameters {
        let name = parameter.name.to_uppercase();
        text.push_str(&if parameter.required { format!(" {name}") } else { format!(" [{name}]") });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::Parameter;

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
}
