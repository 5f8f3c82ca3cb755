//! `potluck app new`

use serde::Serialize;

use crate::{
    app,
    cli::{
        app::secret,
        arguments::{Assignment, JsonArg},
        failure::{Failure, Outcome},
        prompt, recipe,
        session::Session,
        ui::clean,
    },
    hint::Hint,
    home::{
        AppEntry, AppName, ConnectionKind, EnvFile, Home, RecipeAddress, RecipeName, ServerName,
    },
    lint::{Strictness, blocking},
    operation,
    recipe::{
        Checkout, SAMPLE, Version,
        lint::{connects, is_said_always, lint},
    },
};

/// Set up a new app.
///
/// Copies the recipe's sample of settings to servers/SERVER/DOMAIN.env, with
/// the recipe's version pinned and the values given here. Nothing is deployed.
/// At a terminal, potluck asks for what isn't given.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck app new
  potluck app new wordpress --domain blog.example.org --set TITLE='Our blog'
  potluck app new ./recipes-examples/static-html --domain www.example.org --secrets
  potluck app new https://git.example.org/recipes/wiki.git --domain wiki.example.org
  potluck app new wordpress --domain test.example.org --server simulated

JSON: {app, server, recipe, version, env_file, connects}; `connects` has {kind, provider} for
what the recipe can be connected for, its provider the server's default or null.")]
pub struct Args {
    /// The recipe: its name, its folder, or the URL of its git repository
    #[arg(value_name = "RECIPE")]
    recipe: Option<String>,

    /// The recipe's version [default: the newest release]
    #[arg(value_name = "VERSION", conflicts_with = "version")]
    at: Option<String>,

    /// The app's domain, which is also its name
    #[arg(short = 'D', long, value_name = "DOMAIN")]
    domain: Option<AppName>,

    /// The server it will run on; `simulated` needs no server at all
    #[arg(short, long, value_name = "NAME")]
    server: Option<ServerName>,

    /// A setting, instead of the sample's value; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<Assignment>,

    /// The recipe's version, as after RECIPE
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,

    /// Generate the app's secrets on the server, too
    #[arg(short = 'S', long)]
    secrets: bool,

    #[command(flatten)]
    json: JsonArg,
}

#[derive(Serialize)]
struct Created {
    app: String,
    server: String,
    recipe: String,
    version: Option<String>,
    env_file: String,
    connects: Vec<Connects>,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let given = which_recipe(args, session)?;
    let server = which_server(args, session, &home)?;
    let name = which_domain(args, session)?;
    // Last, since it may bring a recipe in; out again where nothing comes of it.
    let (recipe, mut added) = recipe::take_in(session, &given)?;
    let version = args.at.clone().or(args.version.clone()).map_or(Version::Newest, Version::Named);
    let checkout = session.recipes()?.checkout(&recipe, &version)?;
    let written = written(&given, &recipe);
    let env = settings(args, session, &name, &checkout, &written)?;
    // A folder that has nothing to deploy is no recipe.
    checkout.compose_sources(env.get("COMPOSE_FILE").unwrap_or_default()).map_err(|error| {
        let needed = || "its folder needs the files that COMPOSE_FILE names".to_owned();
        let hint = error.hint().unwrap_or_else(needed);
        Failure::new(format!("the recipe {recipe} has nothing to deploy: {error}"))
            .hint(format!("{hint}; nothing was added or written"))
    })?;
    let entry = AppEntry { name, server };
    let stack = entry.stack(&env)?;
    home.check_stack(&entry, &stack)?;
    home.create_app(&entry, &env)?;
    added.keep();
    confirm_stack(&home, &entry, &args.set)?;
    remember_sample(&home, &entry, &env, &checkout)?;

    let path = home.env_path(&entry);
    session.ui.say(format_args!("Wrote {}.", path.display()));
    warn_of_mistakes(session, &checkout);
    if args.secrets {
        secret::generate_missing(session, &home, &entry, &Version::Newest).map_err(|failure| {
            failure.hint(format!(
                "the app is set up; `potluck app secret generate {}` tries again",
                entry.name
            ))
        })?;
    }
    let created = Created {
        app: entry.name.to_string(),
        server: entry.server.to_string(),
        recipe: recipe.to_string(),
        version: checkout.version.clone(),
        env_file: path.display().to_string(),
        connects: connectable(&home, &entry, &checkout)?,
    };
    session.report(&created, &args.json, |created| {
        // What cannot be read yet may have secrets.
        let needs_secrets =
            !args.secrets && app::names_secrets(&entry, &env, &checkout).unwrap_or(true);
        next_steps(session, &entry, needs_secrets, &created.connects);
        Ok(())
    })
}

/// As the person names it.
fn which_recipe(args: &Args, session: &Session) -> Result<String, Failure> {
    if let Some(given) = &args.recipe {
        return Ok(given.clone());
    }
    if !session.ui.is_interactive() {
        return Err(Failure::usage("no recipe is given")
            .hint("`potluck app new RECIPE`, with a name, a folder or a git URL"));
    }
    let known = session.recipes()?.list()?;
    if known.is_empty() {
        return prompt::text(&session.ui, "Recipe:", "a folder, or the URL of a repository");
    }
    Ok(prompt::select(&session.ui, "Recipe:", known)?.to_string())
}

fn which_server(args: &Args, session: &Session, home: &Home) -> Result<ServerName, Failure> {
    let known = home.servers()?;
    if let Some(given) = &args.server {
        home.server(given)?;
        return Ok(given.clone());
    }
    match known.as_slice() {
        [] => Err(Failure::usage("there are no servers yet").hint(
            "`potluck server add --local` adds this machine; `--server simulated` needs none",
        )),
        [only] => Ok(only.clone()),
        _ if session.ui.is_interactive() => prompt::select(&session.ui, "Server:", known),
        several => {
            let names: Vec<&str> = several.iter().map(ServerName::as_str).collect();
            Err(Failure::usage("there are several servers and none is given")
                .hint(format!("pass `--server` with one of: {}", names.join(", "))))
        }
    }
}

fn which_domain(args: &Args, session: &Session) -> Result<AppName, Failure> {
    match &args.domain {
        Some(domain) => Ok(domain.clone()),
        None if session.ui.is_interactive() => {
            let help = "where people will find it, for example wiki.example.org";
            Ok(AppName::new(prompt::text(&session.ui, "Domain:", help)?.trim())?)
        }
        None => Err(Failure::usage("no domain is given").hint("pass `--domain`")),
    }
}

/// As the settings name the recipe: by its address, if it was named so.
fn written(given: &str, recipe: &RecipeName) -> String {
    match RecipeAddress::parse(given) {
        Ok(Some(address)) if address.recipe == *recipe => given.trim_end_matches('/').to_owned(),
        _ => recipe.to_string(),
    }
}

/// The sample, with the values for this app.
fn settings(
    args: &Args,
    session: &Session,
    name: &AppName,
    checkout: &Checkout,
    written: &str,
) -> Result<EnvFile, Failure> {
    let sample = checkout.sample()?.unwrap_or_default();
    let mut env = EnvFile::parse(SAMPLE, &sample)?;
    let pinned = match &checkout.version {
        Some(version) => format!("{written}:{version}"),
        None => written.to_owned(),
    };
    // Samples of older recipes say TYPE= instead of RECIPE=; one that has both
    // must not name another recipe by the second.
    let both = ["TYPE", "RECIPE"].into_iter().filter(|key| env.get(key).is_some());
    let keys: Vec<_> = both.collect();
    for key in if keys.is_empty() { vec!["TYPE"] } else { keys } {
        env.set(key, &pinned)?;
    }
    env.set("DOMAIN", name.as_str())?;
    // Whose stack it is follows from the domain, or is the operator's word.
    if let Some(stack) = env.get("STACK_NAME").filter(|stack| !stack.trim().is_empty()) {
        session.ui.warn(format_args!(
            "the recipe's sample names the stack `{}`, which is ignored: it follows from the domain",
            clean(stack)
        ));
        env.unset("STACK_NAME")?;
    }
    for Assignment { key, value } in &args.set {
        env.set(key, value)?;
    }
    if session.ui.is_interactive() {
        let open: Vec<String> = env
            .values()
            .into_iter()
            .filter(|(key, value)| value.is_empty() && !args.set.iter().any(|a| a.key == *key))
            .map(|(key, _)| key)
            .collect();
        for key in open {
            let answer =
                prompt::optional_text(&session.ui, &format!("{key}:"), "Enter leaves it empty")?;
            if !answer.is_empty() {
                env.set(&key, &answer)?;
            }
        }
    }
    Ok(env)
}

/// Records which values come from the sample, not from the operator.
fn remember_sample(
    home: &Home,
    entry: &AppEntry,
    env: &EnvFile,
    checkout: &Checkout,
) -> Result<(), Failure> {
    let sample = EnvFile::parse(SAMPLE, &checkout.sample()?.unwrap_or_default())?;
    let copied = app::copied(env, &sample);
    if copied.is_empty() {
        return Ok(());
    }
    Ok(operation::remember_sample(home, entry, copied)?)
}

/// Records that the operator chose the stack's name.
pub(super) fn confirm_stack(
    home: &Home,
    entry: &AppEntry,
    set: &[Assignment],
) -> Result<(), Failure> {
    let Some(stack) = set.iter().rev().find(|assignment| assignment.key == "STACK_NAME") else {
        return Ok(());
    };
    let chosen = Some(stack.value.trim().to_owned()).filter(|stack| !stack.is_empty());
    Ok(operation::confirm_stack(home, entry, chosen)?)
}

/// Checks what would stop a deploy of this recipe, so that it is known before.
fn warn_of_mistakes(session: &Session, checkout: &Checkout) {
    let findings = lint(checkout);
    let mistakes = blocking(&findings, Strictness::Errors);
    for finding in findings.iter().filter(|f| mistakes.contains(f) || is_said_always(f)) {
        session.ui.warn(clean(&finding.to_string()));
    }
    if !mistakes.is_empty() {
        session.ui.warn(format_args!("the recipe {} can't be deployed as it is", checkout.recipe));
        session.ui.hint(format_args!("`potluck recipe lint {}` says more", checkout.recipe));
    }
}

fn next_steps(session: &Session, entry: &AppEntry, needs_secrets: bool, connects: &[Connects]) {
    let app = &entry.name;
    session.ui.say("Next:");
    session.ui.say(format_args!("  potluck app config {app}            look through its settings"));
    if needs_secrets {
        session.ui.say(format_args!("  potluck app secret generate {app}   make its secrets"));
    }
    for Connects { kind, provider } in connects {
        let what = match kind {
            ConnectionKind::Sso => "let people sign in there",
            ConnectionKind::Mail => "let it send mail through it",
        };
        let provider = provider.as_deref().unwrap_or("PROVIDER");
        session.ui.say(format_args!("  potluck {kind} connect {app} {provider}   {what}"));
    }
    session.ui.say(format_args!("  potluck app deploy {app}            deploy it"));
}

/// What the app can be connected for, and the server's default provider.
#[derive(Serialize)]
struct Connects {
    kind: ConnectionKind,
    provider: Option<String>,
}

fn connectable(
    home: &Home,
    entry: &AppEntry,
    checkout: &Checkout,
) -> Result<Vec<Connects>, Failure> {
    let defaults = home.server(&entry.server)?.providers;
    let connects = connects(checkout).into_iter();
    Ok(connects.map(|kind| Connects { kind, provider: defaults.get(&kind).cloned() }).collect())
}
