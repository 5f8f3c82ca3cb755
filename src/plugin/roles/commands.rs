//! `commands`: the recipe's own commands.

use std::collections::BTreeSet;

use crate::plugin::{
    CommandSpec, Error, Hooks, Parameter,
    bindings::commands::exports::potluck::recipe::commands::Spec as CommandText, hooks::run,
};

/// Commands of one plugin, and parameters of one command.
const MANY: usize = 200;
/// Bytes of a command's name.
const NAME: usize = 100;

/// The hooks of [`Role::Commands`](crate::plugin::Role::Commands).
impl Hooks {
    pub async fn command_specs(&mut self) -> Result<Vec<CommandSpec>, Error> {
        let (call, outcome) = run!(self, Commands "specs", commands, |role, store| {
            // This one cannot fail by its type.
            async { role.potluck_recipe_commands().call_specs(store).await.map(Ok) }
        });
        let specs = self.end(call, outcome)?;
        if specs.len() > MANY || specs.iter().any(|spec| spec.parameters.len() > MANY) {
            return Err(self.answer(call, format!("more than {MANY} commands or parameters")));
        }
        let mut names = BTreeSet::new();
        for CommandText { name, .. } in &specs {
            if !command_name(name) {
                return Err(self.answer(call, format!("{name:?} is not the name of a command")));
            }
            if !names.insert(name) {
                return Err(self.answer(call, format!("two commands are called {name:?}")));
            }
        }
        let specs: Vec<CommandSpec> = specs
            .into_iter()
            .map(|spec| CommandSpec {
                name: self.line(&spec.name),
                help: self.line(&spec.help),
                parameters: spec
                    .parameters
                    .into_iter()
                    .map(|parameter| Parameter {
                        name: self.line(&parameter.name),
                        help: self.line(&parameter.help),
                        required: parameter.required,
                        secret: parameter.secret,
                    })
                    .collect(),
            })
            .collect();
        // What people give for a secret parameter is taken out of what they read.
        self.secret_arguments = specs
            .iter()
            .map(|spec| (spec.name.clone(), spec.parameters.iter().map(|p| p.secret).collect()))
            .collect();
        Ok(specs)
    }

    /// What it returns is for standard output: control characters other than
    /// line breaks and tabs are taken out, secrets it has seen are not.
    pub async fn run_command(&mut self, name: &str, arguments: &[String]) -> Result<String, Error> {
        let secret = self.secret_arguments.get(name).into_iter().flatten();
        for (argument, _) in arguments.iter().zip(secret).filter(|(_, secret)| **secret) {
            self.store.data().revealed.remember(argument);
        }
        let (call, outcome) = run!(self, Commands "run", commands, |role, store| {
            role.potluck_recipe_commands().call_run(store, name, arguments)
        });
        let output = self.end(call, outcome)?;
        Ok(crate::plugin::text::clean(&output))
    }
}

/// Letters, digits and `-`, as the interface says.
fn command_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= NAME
        && !name.starts_with('-')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}
