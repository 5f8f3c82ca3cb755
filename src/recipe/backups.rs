//! What a recipe says about backups but no backup will do, found before the
//! first one: labels that `std:backupbot` refuses or leaves out, and functions of
//! `abra.sh`, which nothing runs.

use std::collections::BTreeSet;

use super::{
    Checkout, ComponentRef,
    abra::{functions, is_of_backups, plugin_for},
};
use crate::{
    compose::{Source, Stack, StackService},
    lint::{Finding, Position, Rule, Severity, rules},
    plugin::{Role, exported_roles},
};

const ENABLED: &str = "backupbot.backup";
const PREFIX: &str = "backupbot.";
const COMMAND: &str = "backupbot.backup.command";
const PATH: &str = "backupbot.backup.path";
const VOLUMES: &str = "backupbot.backup.volumes.";

/// Whether a plugin of the recipe backs up the app: then labels are not checked.
pub fn has_plugin(checkout: &Checkout) -> bool {
    checkout.manifest.plugins.iter().any(|plugin| match plugin.component {
        ComponentRef::Standard(standard) if standard.name == "backupbot" => false,
        ref component => checkout
            .component(component)
            .ok()
            .and_then(|bytes| exported_roles(&plugin.name, &bytes).ok())
            .is_some_and(|roles| roles.contains(&Role::Backup)),
    })
}

/// What is wrong with the labels of a stack's services.
pub fn labels(stack: &Stack, sources: &[Source]) -> Vec<Finding> {
    let mut found = Labels { stack, sources, findings: vec![] };
    found.enabled();
    for service in &stack.services {
        for (key, value) in own(service) {
            found.label(service, key, value);
        }
    }
    found.findings
}

struct Labels<'a> {
    stack: &'a Stack,
    sources: &'a [Source],
    findings: Vec<Finding>,
}

impl Labels<'_> {
    fn push(
        &mut self,
        rule: &'static Rule,
        service: &StackService,
        label: &str,
        message: String,
    ) -> &mut Finding {
        let finding = Finding::new(rule, message)
            .at(place(self.sources, &service.key, label))
            .path(format!("services.{}.deploy.labels", service.key));
        let at = self.findings.len();
        self.findings.push(finding);
        &mut self.findings[at]
    }

    /// One service speaks for the whole app.
    fn enabled(&mut self) {
        let stack = self.stack;
        let said: Vec<(&StackService, bool)> = stack
            .services
            .iter()
            .filter_map(|service| {
                let value = own(service).find(|(key, _)| *key == ENABLED)?.1;
                Some((service, is_true(value)))
            })
            .collect();
        let first = stack.services.iter().find_map(|s| Some((s, own(s).next()?.0)));
        match (&said[..], first) {
            ([], Some((service, label))) => {
                let message = format!("`{label}` has no effect: no service has `{ENABLED}`");
                self.push(&rules::BACKUP_LABELS, service, label, message).fix =
                    Some(format!("add `{ENABLED}: \"true\"`"));
            }
            ([.., (service, _)], _) if said.len() > 1 => {
                let names: Vec<_> =
                    said.iter().map(|(service, _)| format!("`{}`", service.key)).collect();
                let message = format!(
                    "{} have `{ENABLED}`: it applies to the whole app: all of its volumes are \
                     backed up as soon as one service says yes",
                    names.join(" and ")
                );
                let agree = said.iter().map(|(_, on)| *on).collect::<BTreeSet<_>>().len() == 1;
                let finding = self.push(&rules::BACKUP_LABELS, service, ENABLED, message);
                finding.fix = Some(format!(
                    "keep it at one service; leave a volume out with `{VOLUMES}NAME: \"false\"`"
                ));
                if agree {
                    finding.severity = Severity::Info;
                }
            }
            _ => {}
        }
    }

    fn label(&mut self, service: &StackService, key: &str, value: &str) {
        if key == COMMAND && !value.trim().is_empty() {
            let message = format!(
                "`{COMMAND}` is not supported, because its output cannot be restored: every backup \
                 would fail"
            );
            self.push(&rules::BACKUP_REFUSED, service, key, message);
        } else if key == PATH {
            let mounts = mounts(service);
            for path in value.split(',').map(str::trim).filter(|path| !path.is_empty()) {
                if !mounts.iter().any(|mount| is_below(path, mount)) {
                    let message = format!(
                        "`{path}` is in none of the volumes of `{}`: every backup would fail",
                        service.key
                    );
                    let finding = self.push(&rules::BACKUP_REFUSED, service, key, message);
                    finding.fix = Some("name a path in a volume that the service mounts".into());
                }
            }
        } else if let Some(rest) = key.strip_prefix(VOLUMES) {
            let volume = rest.strip_suffix(".path").unwrap_or(rest);
            let own = self.stack.volumes.iter().filter(|volume| !volume.external);
            let known: Vec<_> = own.map(|volume| volume.key.as_str()).collect();
            if !known.contains(&volume) {
                let message = format!("`{key}` is for no volume of the app");
                let fix = format!("the volumes are {}", known.join(", "));
                self.push(&rules::BACKUP_LABELS, service, key, message).fix =
                    Some(fix).filter(|_| !known.is_empty());
            }
        }
    }
}

/// Functions that abra ran for a backup. `covered` says whether something else
/// makes one.
pub fn abra_functions(text: &str, covered: bool) -> Vec<Finding> {
    functions(text)
        .iter()
        .filter(|function| is_of_backups(&function.name))
        .map(|function| {
            let message = format!("nothing runs `{}`: `abra.sh` is only read", function.name);
            let mut finding = Finding::new(&rules::ABRA_SH_BACKUP, message)
                .at(Position::line("abra.sh", function.line));
            if let Some(plugin) = plugin_for(function) {
                finding = finding.fix(format!("use the plugin `{plugin}` in recipe.yml"));
            }
            if covered {
                finding.severity = Severity::Info;
            }
            finding
        })
        .collect()
}

fn own(service: &StackService) -> impl Iterator<Item = (&str, &str)> {
    let mut labels: Vec<(&str, &str)> = service
        .spec
        .labels
        .iter()
        .flatten()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .filter(|(key, _)| key.starts_with(PREFIX))
        .collect();
    labels.sort_unstable();
    labels.into_iter()
}

fn mounts(service: &StackService) -> Vec<&str> {
    let container = service.spec.task_template.as_ref().and_then(|t| t.container_spec.as_ref());
    let mounts = container.and_then(|c| c.mounts.as_ref()).into_iter().flatten();
    mounts.filter_map(|mount| mount.target.as_deref()).collect()
}

fn is_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder.trim_end_matches('/'))
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn is_true(value: &str) -> bool {
    matches!(value.trim().to_lowercase().as_str(), "true" | "1" | "yes" | "on")
}

/// The line of a label: the first one with its name behind the service's key.
fn place(sources: &[Source], service: &str, label: &str) -> Option<Position> {
    sources.iter().find_map(|source| {
        let lines = source.text.lines().zip(1..);
        let mut below =
            lines.skip_while(|(line, _)| line.trim_start().split(':').next() != Some(service));
        let (_, line) = below.find(|(line, _)| line.contains(label))?;
        Some(Position::line(&source.name, line))
    })
}
