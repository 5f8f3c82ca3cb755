//! `commands`: the recipe's own commands.

use crate::plugin::{CommandSpec, Error, Hooks, Parameter, hooks::run};

/// Commands of one plugin, and parameters of one command.
const MANY: usize = 200;

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
        let specs = specs
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
        Ok(specs)
    }

    /// What it returns is for standard output: control characters other than
    /// line breaks and tabs are taken out, secrets it has seen are not.
    pub async fn run_command(&mut self, name: &str, arguments: &[String]) -> Result<String, Error> {
        let (call, outcome) = run!(self, Commands "run", commands, |role, store| {
            role.potluck_recipe_commands().call_run(store, name, arguments)
        });
        let output = self.end(call, outcome)?;
        Ok(crate::plugin::text::clean(&output))
    }
}
