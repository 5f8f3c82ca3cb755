//! `potluck plugin inspect`

use std::{borrow::Cow, path::Path};

use serde::Serialize;

use crate::{
    cli::{
        arguments::JsonArg,
        exit::Exit,
        failure::{Failure, Outcome},
        recipe,
        session::{Session, wait},
        ui::{BOLD, clean},
    },
    plugin::{Runtime, grants::sentence},
    recipe::{Standard, Version},
};

/// Show what a plugin is, what it takes part in and what it asks for.
///
/// Nothing of the plugin runs. For a recipe, shows each of its plugins and the
/// grants that its recipe.yml asks for.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
JSON: a list of {name, component, sha256, size, wit_version, roles, imports,
grants}; a grant is {grant, meaning}. `grants` is null for what no recipe brought
along: what a plugin asks for is said by the recipe.")]
pub struct Args {
    /// A component's file, one of potluck's own (`std:postgres`), or a recipe: its
    /// name, folder or git URL
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
    /// What the recipe asks for.
    grants: Option<Vec<GrantRow>>,
}

#[derive(Serialize)]
struct GrantRow {
    grant: String,
    meaning: String,
}

/// A component that is to be looked at.
struct Candidate {
    name: String,
    component: String,
    bytes: Cow<'static, [u8]>,
    grants: Option<Vec<GrantRow>>,
}

/// A component larger than this is none; also keeps a mistyped path from being
/// read into memory as a whole.
const LARGEST: u64 = 256 * 1024 * 1024;

pub fn run(args: &Args, session: &Session) -> Outcome {
    let path = Path::new(&args.what);
    let candidates = if let Some(name) = args.what.strip_prefix("std:") {
        vec![from_potluck(Standard::find(name)?)?]
    } else if path.is_file() {
        vec![from_file(path)?]
    } else {
        from_recipe(args, session)?
    };
    let runtime = Runtime::new(&session.home()?.plugin_cache())?;
    let reports = wait("interrupted", async {
        let mut reports = Vec::new();
        for candidate in candidates {
            let plugin = runtime.load(&candidate.name, &candidate.bytes).await?;
            reports.push(Report {
                name: candidate.name,
                component: candidate.component,
                sha256: plugin.digest().to_owned(),
                size: candidate.bytes.len(),
                wit_version: plugin.wit_version().map(str::to_owned),
                roles: plugin.roles().iter().map(ToString::to_string).collect(),
                imports: plugin.imports().to_vec(),
                grants: candidate.grants,
            });
        }
        Ok(reports)
    })?;
    if args.json.json {
        session.ui.json(&reports)?;
        return Ok(Exit::DONE);
    }
    if reports.is_empty() {
        session.ui.say(format_args!("The recipe {} has no plugins.", args.what));
    }
    for report in &reports {
        show(session, report)?;
    }
    Ok(Exit::DONE)
}

fn from_file(path: &Path) -> Result<Candidate, Failure> {
    let reading = |e: &std::io::Error| Failure::io(format!("reading {}", path.display()), e);
    let size = std::fs::metadata(path).map_err(|e| reading(&e))?.len();
    if size > LARGEST {
        return Err(Failure::new(format!("{} is too large to be a plugin", path.display())));
    }
    Ok(Candidate {
        name: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        component: path.display().to_string(),
        bytes: Cow::Owned(std::fs::read(path).map_err(|e| reading(&e))?),
        grants: None,
    })
}

fn from_potluck(standard: &Standard) -> Result<Candidate, Failure> {
    Ok(Candidate {
        name: standard.name.into(),
        component: standard.to_string(),
        bytes: Cow::Borrowed(standard.component()?),
        grants: None,
    })
}

fn from_recipe(args: &Args, session: &Session) -> Result<Vec<Candidate>, Failure> {
    let version = args.version.clone().map_or(Version::Newest, Version::Named);
    let checkout = recipe::look(session, &args.what, &version)?;
    let mut candidates = Vec::new();
    for entry in &checkout.manifest.plugins {
        let grants = entry
            .grants
            .iter()
            .map(|grant| GrantRow { grant: grant.to_string(), meaning: sentence(grant) })
            .collect();
        candidates.push(Candidate {
            name: entry.name.clone(),
            component: entry.component.to_string(),
            bytes: checkout.component(&entry.component)?,
            grants: Some(grants),
        });
    }
    Ok(candidates)
}

fn show(session: &Session, report: &Report) -> Result<(), Failure> {
    let mut text = format!("{BOLD}{}{BOLD:#}\n", clean(&report.name));
    let list = |items: &[String]| {
        if items.is_empty() { "none".to_owned() } else { items.join("\n            ") }
    };
    let mut line = |title: &str, value: &str| {
        text.push_str(&format!("  {title:<10}{}\n", clean(value)));
    };
    line("component", &report.component);
    line("sha256", &report.sha256);
    line("size", &indicatif::HumanBytes(report.size as u64).to_string());
    line("interface", report.wit_version.as_deref().unwrap_or("unknown"));
    line("roles", &report.roles.join(", "));
    line("imports", &list(&report.imports));
    if let Some(grants) = &report.grants {
        let rows: Vec<String> =
            grants.iter().map(|row| format!("{} ({})", row.meaning, row.grant)).collect();
        line("wants to", &list(&rows));
    }
    session.ui.out(text.trim_end())
}
