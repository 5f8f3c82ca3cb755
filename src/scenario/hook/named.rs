//! A command whose arguments are named, `name=reset user=ada`, as those of other
//! hooks are. The plugin itself declares their order.

use crate::plugin::{CommandSpec, Parameter};

use super::{Error, RUN, Roles, full_name};

/// A command and what its parameters are given, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedCommand {
    name: String,
    values: Vec<(String, String)>,
}

impl NamedCommand {
    /// What a command line names; none for another hook, and if the command and
    /// its arguments are given in their order.
    ///
    /// # Errors
    /// [`Error::Arguments`] for an argument without a name among named ones; as
    /// [`super::Hook::new`] for the hook's name.
    pub fn from_line(
        hook: &str,
        arguments: &[String],
        roles: &Roles,
    ) -> Result<Option<Self>, Error> {
        if full_name(hook, roles)? != RUN {
            return Ok(None);
        }
        // Where the first is no name, what follows may well hold `=`.
        if !arguments.first().is_some_and(|first| first.starts_with("name=")) {
            return Ok(None);
        }
        let mut values = Vec::new();
        for argument in arguments {
            let (key, value) = argument
                .split_once('=')
                .ok_or_else(|| wrong(format!("`{argument}` is not written name=value")))?;
            if values.iter().any(|(other, _)| other == key) {
                return Err(wrong(format!("`{key}` is given twice")));
            }
            values.push((key.to_owned(), value.to_owned()));
        }
        let (_, name) = values.remove(0);
        Ok(Some(NamedCommand { name, values }))
    }

    /// The command and its arguments in their order. `arguments=["ada"]` gives them
    /// all at once, as in a scenario, if no parameter has this name.
    ///
    /// # Errors
    /// [`Error::Arguments`] for what the command does not take, or lacks.
    pub fn in_order(self, specs: &[CommandSpec]) -> Result<Vec<String>, Error> {
        let NamedCommand { name, values } = self;
        let Some(spec) = specs.iter().find(|spec| spec.name == name) else {
            let known: Vec<_> = specs.iter().map(|spec| format!("`{}`", spec.name)).collect();
            return Err(wrong(format!(
                "there is no command `{name}`; the plugin has {}",
                if known.is_empty() { "none".into() } else { known.join(", ") }
            )));
        };
        let mut line = vec![name];
        let is_known = |key: &str| spec.parameters.iter().any(|parameter| parameter.name == key);
        if let [(key, list)] = &values[..]
            && key == "arguments"
            && !is_known(key)
        {
            let list: Vec<String> = serde_json::from_str(list)
                .map_err(|_| wrong("`arguments` is a list of texts in JSON".into()))?;
            line.extend(list);
            return Ok(line);
        }
        if let Some((key, _)) = values.iter().find(|(key, _)| !is_known(key)) {
            let known: Vec<_> = spec.parameters.iter().map(|p| format!("`{}`", p.name)).collect();
            return Err(wrong(format!(
                "`{}` has no parameter `{key}`; it takes {}",
                spec.name,
                if known.is_empty() { "none".into() } else { known.join(", ") }
            )));
        }
        let mut left_out: Option<&Parameter> = None;
        for parameter in &spec.parameters {
            let given = values.iter().find(|(key, _)| *key == parameter.name);
            match (given, left_out) {
                (Some((_, value)), None) => line.push(value.clone()),
                (Some((key, _)), Some(before)) => {
                    return Err(wrong(format!(
                        "`{key}` can only be given with `{}`, which comes before it",
                        before.name
                    )));
                }
                (None, _) if parameter.required => {
                    return Err(wrong(format!("`{}` needs `{}`", spec.name, parameter.name)));
                }
                (None, _) => left_out = left_out.or(Some(parameter)),
            }
        }
        Ok(line)
    }
}

fn wrong(message: String) -> Error {
    Error::Arguments { hook: RUN.into(), message }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::Role;

    fn named(arguments: &[&str]) -> Result<Option<NamedCommand>, Error> {
        let arguments: Vec<String> = arguments.iter().map(|text| (*text).to_owned()).collect();
        NamedCommand::from_line("run", &arguments, &Roles::from([(Role::Commands, "0.1.0")]))
    }

    fn specs() -> Vec<CommandSpec> {
        let parameter = |(name, required): (&str, bool)| Parameter {
            name: name.into(),
            help: String::new(),
            required,
            secret: false,
        };
        let parameters = [("user", true), ("length", false), ("kind", false)].map(parameter);
        vec![
            CommandSpec {
                name: "reset".into(),
                help: String::new(),
                parameters: parameters.into(),
            },
            CommandSpec { name: "count".into(), help: String::new(), parameters: Vec::new() },
        ]
    }

    #[test]
    fn named_arguments_come_in_the_commands_order() {
        for (given, line) in [
            (&["name=count"][..], &["count"][..]),
            (&["name=reset", "user=a=b"], &["reset", "a=b"]),
            (&["name=reset", "length=12", "user=ada"], &["reset", "ada", "12"]),
            (&["name=reset", "arguments=[\"ada\",\"12\"]"], &["reset", "ada", "12"]),
        ] {
            assert_eq!(named(given).unwrap().unwrap().in_order(&specs()).unwrap(), line);
        }
        // In their order, as ever.
        for given in [&["reset", "name=ada"][..], &["count"], &[]] {
            assert_eq!(named(given).unwrap(), None);
        }
    }

    #[test]
    fn what_a_command_does_not_take_is_named() {
        for (given, message) in [
            (&["name=reset", "ada"][..], "`ada` is not written name=value"),
            (&["name=reset", "user=a", "user=b"], "`user` is given twice"),
            (&["name=rest"], "there is no command `rest`; the plugin has `reset`, `count`"),
            (
                &["name=reset", "who=ada"],
                "`reset` has no parameter `who`; it takes `user`, `length`, `kind`",
            ),
            (&["name=count", "who=ada"], "`count` has no parameter `who`; it takes none"),
            (&["name=reset"], "`reset` needs `user`"),
            (
                &["name=reset", "user=ada", "kind=x"],
                "`kind` can only be given with `length`, which comes before it",
            ),
            (&["name=reset", "arguments=ada"], "`arguments` is a list of texts in JSON"),
        ] {
            let error = match named(given) {
                Ok(command) => command.unwrap().in_order(&specs()).unwrap_err(),
                Err(error) => error,
            };
            assert_eq!(error.to_string(), format!("wrong arguments for `commands.run`: {message}"));
        }
    }
}
