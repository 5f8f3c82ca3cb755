//! `potluck recipe port`

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize, de::IgnoredAny};

use crate::{
    cli::{
        arguments::JsonArg,
        exit::Exit,
        failure::{Failure, Outcome},
        plugin::build,
        session::Session,
        shell,
        table::Table,
        ui::clean,
    },
    home::EnvFile,
    recipe::{Checkout, SAMPLE, Version, abra::LeftOut},
    scaffold::{self, Hints, Name, Port, Suggestion},
};

/// Create a plugin from the functions of a recipe's abra.sh.
///
/// Reads abra.sh without running it. Its exports need no port: they are read as data. The
/// new plugin, in Rust, has an unfinished command for each function, with the function's
/// text, where it ran and which grants it seems to need. Without functions nothing is
/// written.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck recipe port ./my-recipe
  potluck recipe port nextcloud --output ./nextcloud-plugin

If a service's image or a function for backups shows that one of potluck's own
plugins can save and restore the service's data, that plugin is named.

JSON: {plugin, folder, exports, left_out, missed, functions, recipe_yml, standard:
[{service, image, component, recipe_yml}]}; an export
that is left out is {name, line, reason}, what looks like a function but was not
read as one is {name, line}, a function is {name, line, command, service, local, grants,
settings, secrets, remarks}. Without functions, folder and recipe_yml are null.")]
pub struct Args {
    /// The recipe: its name, its folder, or the URL of its git repository
    #[arg(value_name = "RECIPE")]
    recipe: String,

    /// What the plugin is called [default: the recipe's name]
    #[arg(long, value_name = "NAME")]
    name: Option<Name>,

    /// The folder to create [default: plugins/NAME in the recipe's folder, else
    /// NAME here]
    #[arg(long, short = 'O', value_name = "FOLDER")]
    output: Option<PathBuf>,

    #[command(flatten)]
    json: JsonArg,
}

#[derive(Serialize)]
struct Report<'a> {
    plugin: &'a str,
    /// None when there was nothing to write.
    folder: Option<String>,
    exports: BTreeMap<&'a str, &'a str>,
    left_out: Vec<LeftOutRow<'a>>,
    missed: Vec<MissedRow<'a>>,
    functions: Vec<Row<'a>>,
    recipe_yml: Option<&'a str>,
    /// Plugins of potluck's own that fit its services.
    standard: Vec<Standard<'a>>,
}

#[derive(Serialize)]
struct Standard<'a> {
    service: &'a str,
    image: &'a str,
    /// `std:mariadb`
    component: String,
    /// Its entry of the list `plugins`.
    recipe_yml: &'a str,
}

#[derive(Serialize)]
struct MissedRow<'a> {
    name: &'a str,
    /// Line of abra.sh, counted from 1.
    line: usize,
}

#[derive(Serialize)]
struct LeftOutRow<'a> {
    name: &'a str,
    /// Line of abra.sh, counted from 1.
    line: usize,
    reason: String,
}

#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    /// Line of abra.sh, counted from 1.
    line: usize,
    command: &'a str,
    /// None when it ran on the operator's machine, or nothing says where.
    service: Option<&'a str>,
    local: bool,
    grants: Vec<String>,
    settings: Vec<&'a str>,
    secrets: Vec<&'a str>,
    remarks: &'a [String],
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let checkout = super::look(session, &args.recipe, &Version::Newest)?;
    if !checkout.exists("abra.sh") {
        let mut failure = Failure::new(format!("the recipe {} has no abra.sh", checkout.recipe));
        let standard = scaffold::suggestions(&hints(&checkout), []);
        failure.hints.extend(standard.iter().map(fits));
        return Err(failure);
    }
    let script = checkout.text("abra.sh")?;
    let name = match &args.name {
        Some(name) => name.clone(),
        None => Name::like(checkout.recipe.as_str()),
    };
    let hints = hints(&checkout);
    let port = scaffold::port(&name, &script, &hints)?;
    let standard = scaffold::suggestions(&hints, port.stubs.iter().map(|stub| &stub.function));
    let folder = args.output.clone().unwrap_or_else(|| match Path::new(&args.recipe) {
        recipe if recipe.is_dir() => recipe.join("plugins").join(name.as_str()),
        _ => PathBuf::from(name.as_str()),
    });
    if let Some(plugin) = &port.plugin {
        plugin.files.write(&folder)?;
    }
    if args.json.json {
        session.ui.json_of_texts(&report(name.as_str(), &folder, &port, &standard))?;
        return Ok(Exit::DONE);
    }
    show(session, name.as_str(), &folder, &port, &standard)
}

/// What the recipe says beside its abra.sh. It is only used for guessing, so
/// unreadable parts are skipped.
fn hints(checkout: &Checkout) -> Hints {
    #[derive(Deserialize)]
    struct Compose {
        #[serde(default)]
        services: BTreeMap<String, Service>,
        #[serde(default)]
        secrets: BTreeMap<String, IgnoredAny>,
    }
    #[derive(Deserialize)]
    struct Service {
        image: Option<String>,
    }
    let mut hints = Hints::default();
    for name in checkout.names() {
        let Ok(text) = checkout.text(&name) else { continue };
        if name.starts_with("compose") && name.ends_with(".yml") {
            let Ok(compose) = serde_saphyr::from_str::<Compose>(&text) else { continue };
            hints.secrets.extend(compose.secrets.into_keys());
            for (key, service) in compose.services {
                let image = service.image.unwrap_or_default();
                let image = image.split(['$', '@']).next().unwrap_or_default();
                let known = hints.services.entry(key).or_default();
                if known.is_empty() {
                    image.clone_into(known);
                }
            }
        } else if name == SAMPLE || name.to_ascii_lowercase().starts_with("readme") {
            if name == SAMPLE
                && let Ok(sample) = EnvFile::parse(&name, &text)
            {
                hints.settings.extend(sample.values().into_iter().map(|(key, _)| key));
                hints.settings.extend(sample.commented_keys());
            }
            hints.usage.push_str(&text);
            hints.usage.push('\n');
        }
    }
    hints
}

fn report<'a>(
    name: &'a str,
    folder: &Path,
    port: &'a Port,
    standard: &'a [Suggestion],
) -> Report<'a> {
    let standard = standard.iter().map(|suggestion| Standard {
        service: &suggestion.service,
        image: &suggestion.image,
        component: suggestion.plugin.to_string(),
        recipe_yml: &suggestion.recipe_yml,
    });
    let functions = port.stubs.iter().map(|stub| Row {
        name: &stub.function.name,
        line: stub.function.line,
        command: &stub.command,
        service: stub.guess.service.as_deref(),
        local: stub.guess.is_local,
        grants: stub.guess.grants.iter().map(ToString::to_string).collect(),
        settings: stub.guess.settings.iter().map(String::as_str).collect(),
        secrets: stub.guess.secrets.iter().map(String::as_str).collect(),
        remarks: &stub.guess.remarks,
    });
    let exports = &port.exports;
    let left_out = |LeftOut { name, line, reason }: &'a LeftOut| LeftOutRow {
        name,
        line: *line,
        reason: reason.to_string(),
    };
    Report {
        plugin: name,
        folder: port.plugin.as_ref().map(|_| folder.display().to_string()),
        exports: exports
            .settings
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect(),
        left_out: exports.left_out.iter().map(left_out).collect(),
        functions: functions.collect(),
        missed: port.missed.iter().map(|(line, name)| MissedRow { name, line: *line }).collect(),
        recipe_yml: port.plugin.as_ref().map(|plugin| plugin.recipe_yml.as_str()),
        standard: standard.collect(),
    }
}

/// The message about a plugin that fits.
fn fits(suggestion: &Suggestion) -> String {
    let Suggestion { service, image, plugin, .. } = suggestion;
    let service = clean(service);
    let image = if image.is_empty() { String::new() } else { format!(" ({})", clean(image)) };
    format!(
        "`{plugin}` saves and restores the data of the service {service}{image}, see \
         `potluck plugin inspect {plugin}`"
    )
}

fn show(
    session: &Session,
    name: &str,
    folder: &Path,
    port: &Port,
    standard: &[Suggestion],
) -> Outcome {
    let mut table = Table::new(&["FUNCTION", "COMMAND", "RAN IN", "SEEMS TO NEED"]);
    for stub in &port.stubs {
        let grants: Vec<String> = stub.guess.grants.iter().map(ToString::to_string).collect();
        let place = match &stub.guess.service {
            _ if stub.guess.is_local => "your machine",
            Some(service) => service,
            None => "-",
        };
        let grants = if grants.is_empty() { "-".to_owned() } else { grants.join(", ") };
        table.row([stub.function.name.as_str(), &stub.command, place, &grants]);
    }
    if !port.stubs.is_empty() {
        table.print(&session.ui)?;
    }
    let ui = &session.ui;
    for (line, name) in &port.missed {
        ui.warn(format_args!(
            "abra.sh:{line}: `{name}` looks like a function, but was not read as one"
        ));
    }
    for LeftOut { name, line, reason } in &port.exports.left_out {
        ui.warn(format_args!("abra.sh:{line}: the export of `{name}` is left out: {reason}"));
    }
    if !port.exports.settings.is_empty() {
        let keys: Vec<&str> = port.exports.settings.iter().map(|(key, _)| key.as_str()).collect();
        ui.say(format_args!("Exports, read as data already: {}.", keys.join(", ")));
    }
    for suggestion in standard {
        ui.say(format_args!("{}; in recipe.yml, below `plugins:`", fits(suggestion)));
        for line in suggestion.recipe_yml.lines() {
            ui.say(format_args!("  {}", clean(line)));
        }
    }
    if port.plugin.is_none() {
        ui.say("Its abra.sh has no functions: there is nothing to port.");
        return Ok(Exit::DONE);
    }
    ui.say(format_args!("Wrote {}. Next:", folder.display()));
    ui.say(format_args!("  write the commands in {}", shell::path(&folder.join("src/lib.rs"))));
    ui.say(format_args!("  {}", build::step(folder, name)));
    ui.say("  list the plugin in the recipe's recipe.yml, as the README in that folder shows");
    Ok(Exit::DONE)
}
