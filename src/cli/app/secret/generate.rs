//! `potluck app secret generate`

use std::borrow::Cow;

use serde::Serialize;
use zeroize::Zeroizing;

use crate::{
    app::{self, App},
    cli::{
        arguments::{AppArg, JsonArg, LockArg},
        exit::Exit,
        failure::{Failure, Outcome},
        grants::{Answers, PlanQuestion},
        session::{Session, wait},
        ui::clean,
    },
    home::{AppEntry, Home},
    operation,
    recipe::Version,
    secrets::{Generated, Keeper, Made},
    text::line,
};

/// Make the secrets that an app doesn't have yet.
///
/// Those that exist are left unchanged. The values are made with the operating system's
/// randomness and go to the server and, encrypted for the people that `potluck key ls`
/// lists, into the folder; with --show they are printed, too. Secrets marked
/// `generate=false` are yours to insert.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck app secret generate wiki.example.org
  potluck app secret generate wiki.example.org admin_password --show
  potluck app secret generate wiki.example.org admin_password v2

JSON: {made, kept, to_insert, to_restore}; `made` is a list of {name, version} and, with
--show, {value}; the others are lists of names: of secrets that exist, of those to be
inserted, and of those that the server lacks while an encrypted copy exists.")]
pub struct Args {
    #[command(flatten)]
    app: AppArg,

    #[command(flatten)]
    lock: LockArg,

    /// Only these; after a single one, the version to make, as the settings will have it
    #[arg(value_name = "NAME")]
    names: Vec<String>,

    /// All that are missing, as without NAME
    #[arg(short, long, conflicts_with = "names")]
    all: bool,

    /// Print the new values
    #[arg(long)]
    show: bool,

    #[command(flatten)]
    json: JsonArg,
}

#[derive(Serialize)]
struct Report<'a> {
    made: Vec<MadeRow<'a>>,
    kept: Vec<Cow<'a, str>>,
    to_insert: Vec<Cow<'a, str>>,
    to_restore: Vec<Cow<'a, str>>,
}

#[derive(Serialize)]
struct MadeRow<'a> {
    name: Cow<'a, str>,
    version: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a str>,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let entry = session.app(&home, &args.app)?;
    let Done { made, keeper, other } =
        generate(session, &home, &entry, &Version::Newest, &args.names, &args.lock)?;
    if args.json.json {
        let rows = made.made.iter().map(|new| MadeRow {
            name: line(&new.name),
            version: line(&new.version),
            value: args.show.then_some(new.value.as_str()),
        });
        // Written here, so that no copy of a value is left; names are the recipe's.
        let all = |names| <[String]>::iter(names).map(|name| line(name)).collect();
        let report = Report {
            made: rows.collect(),
            kept: all(&made.kept),
            to_insert: all(&made.to_insert),
            to_restore: all(&made.to_restore),
        };
        let mut text = Zeroizing::new(
            serde_json::to_vec_pretty(&report)
                .map_err(|e| Failure::new(format!("writing JSON: {e}")))?,
        );
        text.push(b'\n');
        session.ui.out_bytes(&text)?;
    } else {
        tell(session, &entry, &made);
        if args.show {
            show(session, &made.made)?;
        }
    }
    warn_not_kept(session, &made, &keeper);
    if let Some(Other { setting, says }) = other {
        session.ui.hint(format_args!(
            "the settings say {says}: `potluck app env set {} {setting}` and a deploy bring the \
             new one",
            entry.name
        ));
    }
    Ok(Exit::DONE)
}

/// Generates the secrets that an app lacks at a version, and reports it.
///
/// # Errors
/// When the server doesn't answer or refuses.
pub fn generate_missing(
    session: &Session,
    home: &Home,
    entry: &AppEntry,
    version: &Version,
) -> Result<(), Failure> {
    let Done { made, keeper, .. } = generate(session, home, entry, version, &[], &LockArg::none())?;
    tell(session, entry, &made);
    warn_not_kept(session, &made, &keeper);
    Ok(())
}

fn warn_not_kept(session: &Session, made: &Made, keeper: &Keeper) {
    if !made.made.is_empty() {
        super::tell_not_kept(session, keeper);
    }
}

/// What was made, and where copies of it are kept.
struct Done {
    made: Made,
    keeper: Keeper,
    other: Option<Other>,
}

/// A version was made that the settings do not have.
struct Other {
    /// `SECRET_DB_PASSWORD_VERSION=v2`
    setting: String,
    /// `v1`, or that there is none.
    says: String,
}

fn generate(
    session: &Session,
    home: &Home,
    entry: &AppEntry,
    version: &Version,
    names: &[String],
    lock: &LockArg,
) -> Result<Done, Failure> {
    let guard = session.guard(home, entry, "the making of secrets", lock)?;
    let operating =
        session.context(home, Answers::new(&session.ui, PlanQuestion::Yes))?.waiting(lock);
    wait("interrupted: some secrets may be made; run it again for the rest", async {
        let app = app::load(&operating.context, entry, version).await?;
        let keeper = super::keeper(home, &app)?;
        let survey = || super::survey(&app);
        let is_version = |word: &str| is_version(word) && survey().one(word).is_err();
        let mut other = None;
        let plans = match names {
            [] => survey().complete()?,
            [name, version] if is_version(version) => {
                let plan = super::in_version(&survey().any_version(name)?, version)?;
                other = plan.key.as_ref().and_then(|key| other_than(&app, key, version));
                vec![plan]
            }
            names => names.iter().map(|name| survey().one(name)).collect::<Result<_, _>>()?,
        };
        let context = &operating.context;
        let made = operation::generate_secrets(context, &guard, &app, &plans, &keeper).await?;
        Ok(Done { made, keeper, other })
    })
}

/// How versions of secrets are written by convention.
fn is_version(word: &str) -> bool {
    word.strip_prefix('v').is_some_and(|number| {
        !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit())
    })
}

fn other_than(app: &App, key: &str, version: &str) -> Option<Other> {
    let said = app.env.get(key).filter(|said| !said.is_empty());
    (said != Some(version)).then(|| Other {
        setting: format!("{key}={version}"),
        says: said.map_or_else(|| "nothing".into(), |said| clean(said).into_owned()),
    })
}

fn tell(session: &Session, entry: &AppEntry, made: &Made) {
    let names: Vec<&str> = made.made.iter().map(|new| new.name.as_str()).collect();
    let ui = &session.ui;
    if !names.is_empty() {
        ui.say(format_args!("Made {} on {}.", names.join(", "), entry.server));
    }
    if !made.kept.is_empty() {
        ui.say(format_args!("Kept {}: already stored.", made.kept.join(", ")));
    }
    let none = [&made.kept, &made.to_insert, &made.to_restore];
    if names.is_empty() && none.iter().all(|names| names.is_empty()) {
        ui.say(format_args!("{} needs no secrets.", entry.name));
    }
    for name in &made.to_restore {
        ui.warn(format_args!("{name} is missing on {}, and a copy is kept", entry.server));
    }
    if !made.to_restore.is_empty() {
        ui.hint(format_args!(
            "`potluck app secret restore {app}` puts it back; `potluck app secret rm {app} NAME` \
             removes the copy, if no data depends on it",
            app = entry.name
        ));
    }
    for name in &made.to_insert {
        ui.warn(format_args!("{name} does not exist and cannot be generated"));
        ui.hint(format_args!("insert it with `potluck app secret insert {} {name}`", entry.name));
    }
}

fn show(session: &Session, made: &[Generated]) -> Result<(), Failure> {
    for Generated { name, value, .. } in made {
        let shown = Zeroizing::new(format!("{} {}\n", line(name), value.as_str()));
        session.ui.out_bytes(shown.as_bytes())?;
    }
    Ok(())
}
