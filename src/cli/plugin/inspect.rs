//! `potluck plugin inspect`

use std::{borrow::Cow, path::Path};

use serde::Serialize;
use serde_json::Value;

use crate::{
    app::permission::told,
    cli::{
        arguments::JsonArg,
        failure::{Failure, Outcome},
        grants::GrantRow,
        recipe,
        session::{Session, wait},
        ui::{BOLD, clean},
    },
    plugin::{Limits, Plugin, Runtime, limits, text::clean_line},
    recipe::{PluginEntry, Standard, Version},
    regular,
};

/// Show what a plugin is, what it takes part in and what it asks for.
///
/// The plugin does not run. For a recipe, shows each of its plugins and the
/// grants that its recipe.yml asks for.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
JSON: a list of {name, component, sha256, size, wit_version, roles, imports, uses,
limits, options, grants}. `uses` says what {roles, imports} are for, lists of {name,
meaning}; `limits` are {memory_mib, timeout_seconds}; a grant is {grant, meaning}.
`options` and `grants` are null for a component outside of a recipe: it is the recipe
that says what a plugin asks for.")]
pub struct Args {
    /// A component's file, a plugin of potluck's own (`std:postgres`), or a
    /// recipe: its name, folder or git URL
    #[arg(value_name = "PATH|STD|RECIPE")]
    what: String,

    /// The recipe's version [default: the newest release; a folder's own files]
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,

    #[command(flatten)]
    json: JsonArg,
}

#[derive(Serialize)]
struct Report {
    name: String,
    /// The file, relative to the recipe's folder if it is a recipe's.
    component: String,
    sha256: String,
    /// Bytes.
    size: usize,
    /// Version of potluck's interface that it was built for.
    wit_version: Option<String>,
    roles: Vec<String>,
    /// Interfaces it uses.
    imports: Vec<String>,
    /// What roles and imports are for.
    uses: Uses,
    limits: LimitsRow,
    /// What the recipe hands it.
    options: Option<Value>,
    /// What the recipe asks for.
    grants: Option<Vec<GrantRow>>,
    /// The limits without what the recipe sets.
    #[serde(skip)]
    usual: LimitsRow,
}

/// What roles and imports are for.
#[derive(Serialize)]
struct Uses {
    roles: Vec<Use>,
    imports: Vec<Use>,
}

#[derive(Serialize)]
struct Use {
    name: &'static str,
    meaning: &'static str,
}

/// For one hook.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
struct LimitsRow {
    memory_mib: u64,
    timeout_seconds: u64,
}

impl From<Limits> for LimitsRow {
    fn from(limits: Limits) -> Self {
        LimitsRow {
            memory_mib: (limits.memory as u64) >> 20,
            timeout_seconds: limits.wall.as_secs(),
        }
    }
}

/// A component to be inspected.
struct Candidate {
    name: String,
    component: String,
    bytes: Cow<'static, [u8]>,
    /// What the recipe says about it, if it belongs to one.
    entry: Option<PluginEntry>,
}

/// Bytes of an option that are shown.
const OPTION: usize = 200;

pub fn run(args: &Args, session: &Session) -> Outcome {
    let path = Path::new(&args.what);
    let candidates = if let Some(name) = args.what.strip_prefix("std:") {
        vec![from_potluck(Standard::find(name)?)?]
    } else if path.extension().is_some_and(|extension| extension == "wasm") || is_neither(path) {
        vec![from_file(path)?]
    } else {
        from_recipe(args, session)?
    };
    let runtime = Runtime::new(&session.home()?.plugin_cache())?;
    let reports = wait("interrupted", async {
        let mut reports = Vec::new();
        for candidate in candidates {
            let plugin = runtime.load(&candidate.name, &candidate.bytes).await?;
            reports.push(report(candidate, &plugin)?);
        }
        Ok(reports)
    })?;
    session.report(&reports, &args.json, |reports| {
        if reports.is_empty() {
            session.ui.say(format_args!("The recipe {} has no plugins.", args.what));
        }
        for report in reports {
            show(session, report)?;
        }
        Ok(())
    })
}

/// Whether the path exists but is not a folder, and so not a recipe.
fn is_neither(path: &Path) -> bool {
    path.exists() && !path.is_dir()
}

fn report(candidate: Candidate, plugin: &Plugin) -> Result<Report, Failure> {
    let usual = Limits::for_roles(plugin.roles());
    let limits = match &candidate.entry {
        Some(entry) => usual.with_raised(&entry.limits).map_err(|e| Failure::of(&e))?,
        None => usual,
    };
    let imports = plugin.uses().into_iter();
    Ok(Report {
        name: candidate.name,
        component: candidate.component,
        sha256: plugin.digest().to_owned(),
        size: candidate.bytes.len(),
        wit_version: plugin.wit_version().map(str::to_owned),
        roles: plugin.roles().iter().map(ToString::to_string).collect(),
        imports: plugin.imports().to_vec(),
        uses: Uses {
            roles: plugin
                .roles()
                .iter()
                .map(|role| Use { name: role.name(), meaning: role.sentence() })
                .collect(),
            imports: imports.map(|(name, meaning)| Use { name, meaning }).collect(),
        },
        limits: limits.into(),
        usual: usual.into(),
        grants: candidate
            .entry
            .as_ref()
            .map(|entry| entry.grants.iter().map(GrantRow::from).collect()),
        options: candidate.entry.map(|entry| entry.options),
    })
}

fn from_file(path: &Path) -> Result<Candidate, Failure> {
    let reading = |e: &std::io::Error| Failure::io(format!("reading {}", path.display()), e);
    let bytes = regular::read(path, limits::COMPONENT as u64).map_err(|e| reading(&e))?;
    Ok(Candidate {
        name: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        component: path.display().to_string(),
        bytes: Cow::Owned(bytes),
        entry: None,
    })
}

fn from_potluck(standard: &Standard) -> Result<Candidate, Failure> {
    Ok(Candidate {
        name: standard.name.into(),
        component: standard.to_string(),
        bytes: Cow::Borrowed(standard.component()?),
        entry: None,
    })
}

fn from_recipe(args: &Args, session: &Session) -> Result<Vec<Candidate>, Failure> {
    let version = args.version.clone().map_or(Version::Newest, Version::Named);
    let checkout = recipe::look(session, &args.what, &version)?;
    let mut candidates = Vec::new();
    for entry in &checkout.manifest.plugins {
        candidates.push(Candidate {
            name: entry.name.clone(),
            component: entry.component.to_string(),
            bytes: checkout.component(&entry.component)?,
            entry: Some(entry.clone()),
        });
    }
    Ok(candidates)
}

fn show(session: &Session, report: &Report) -> Result<(), Failure> {
    let mut text = format!("{BOLD}{}{BOLD:#}\n", clean(&report.name));
    let list = |items: &[String]| {
        let items: Vec<_> = items.iter().map(|item| clean(item)).collect();
        if items.is_empty() { "none".to_owned() } else { items.join("\n            ") }
    };
    let uses = |uses: &[Use]| -> Vec<String> {
        uses.iter().map(|used| format!("{}: {}", used.name, used.meaning)).collect()
    };
    let mut line = |title: &str, value: &str| {
        text.push_str(&format!("  {title:<10}{value}\n"));
    };
    line("component", &clean(&report.component));
    line("sha256", &report.sha256);
    line("size", &indicatif::HumanBytes(report.size as u64).to_string());
    line("interface", &clean(report.wit_version.as_deref().unwrap_or("unknown")));
    line("roles", &list(&uses(&report.uses.roles)));
    line("uses", &list(&uses(&report.uses.imports)));
    line("limits", &limits_line(report.limits, report.usual));
    if let Some(grants) = &report.grants {
        let rows: Vec<String> =
            grants.iter().map(|row| told(&row.meaning, &row.grant, "")).collect();
        line("wants to", &list(&rows));
    }
    match &report.options {
        Some(Value::Object(options)) if !options.is_empty() => {
            // The recipe's text beside what is granted: a line is a line.
            let rows =
                options.iter().map(|(key, value)| clean_line(&format!("{key}: {value}"), OPTION));
            let options = list(&rows.collect::<Vec<_>>());
            line("options", &options);
        }
        _ => {}
    }
    session.ui.out_lines(text.trim_end())
}

/// `memory 512 MiB (the recipe's; usually 256 MiB), time for a hook 15 min`
fn limits_line(now: LimitsRow, usual: LimitsRow) -> String {
    let changed = |now: String, usual: String| {
        if now == usual { now } else { format!("{now} (the recipe's; usually {usual})") }
    };
    let memory = |limits: LimitsRow| format!("{} MiB", limits.memory_mib);
    let time = |limits: LimitsRow| match limits.timeout_seconds {
        s if s % 3600 == 0 => format!("{} h", s / 3600),
        s if s % 60 == 0 => format!("{} min", s / 60),
        s => format!("{s} s"),
    };
    let memory = changed(memory(now), memory(usual));
    format!("memory {memory}, time for a hook {}", changed(time(now), time(usual)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_the_recipe_sets_is_told() {
        let usual = LimitsRow { memory_mib: 256, timeout_seconds: 900 };
        assert_eq!(limits_line(usual, usual), "memory 256 MiB, time for a hook 15 min");
        let raised = LimitsRow { memory_mib: 512, timeout_seconds: 7200 };
        assert_eq!(
            limits_line(raised, usual),
            "memory 512 MiB (the recipe's; usually 256 MiB), \
             time for a hook 2 h (the recipe's; usually 15 min)"
        );
    }
}
