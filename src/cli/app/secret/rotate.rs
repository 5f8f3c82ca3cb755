//! `potluck app secret rotate`

use crate::{
    app::{self, App},
    cli::{
        arguments::{AppArg, LockArg},
        exit::Exit,
        failure::{Failure, Outcome},
        grants::{Answers, PlanQuestion},
        session::{Session, wait},
    },
    home::{AppEntry, Home},
    operation,
    recipe::Version,
    secrets::{
        SecretPlan, SecretVersion,
        escrow::{self, Rotation},
    },
};

/// Make a new version of secrets; the next deploy uses it.
///
/// Raises SECRET_*_VERSION in the settings and generates the new value. Without NAME, all
/// secrets that someone could read who was removed since (`potluck key rm`). The old
/// version stays on the server until `potluck app secret rm APP NAME VERSION`. An app that
/// stores a secret elsewhere too, as databases do with passwords, needs more than a new
/// value; its recipe says what.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck app secret rotate wiki.example.org admin_password
  potluck app secret rotate wiki.example.org

Secrets marked `generate=false` are yours to insert, in the version that is named.")]
pub struct Args {
    #[command(flatten)]
    app: AppArg,

    #[command(flatten)]
    lock: LockArg,

    /// Which secrets [default: those that a removed person could read]
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let entry = session.app(&home, &args.app)?;
    let guard = session.guard(&home, &entry, "a rotation of secrets", &args.lock)?;
    let operating =
        session.context(&home, Answers::new(&session.ui, PlanQuestion::Yes))?.waiting(&args.lock);
    let interrupted = "interrupted: the rotation may be unfinished; `potluck app resume` finishes \
                       it, `potluck app abort` undoes it";
    let rotated = wait(interrupted, async {
        let app = app::load(&operating.context, &entry, &Version::Newest).await?;
        let keeper = super::keeper(&home, &app)?;
        let versions = super::versions(&home, &app).await?;
        let rotations = chosen(&app, &versions, &args.names)?;
        operation::rotate(&operating.context, &guard, &app, &rotations, &keeper).await?;
        let left = super::versions(&home, &app).await?;
        Ok((rotations, keeper, left))
    });
    drop(guard);
    drop(operating);
    let (rotations, keeper, versions) = rotated?;
    tell(session, &home, &entry, &rotations)?;
    if rotations.iter().any(|rotation| rotation.to.generate) {
        super::tell_not_kept(session, &keeper);
    }
    tell_left(session, &rotations, &versions);
    Ok(Exit::DONE)
}

/// The rotations of the secrets that are named, or of those that are due.
fn chosen(
    app: &App,
    versions: &[SecretVersion],
    names: &[String],
) -> Result<Vec<Rotation>, Failure> {
    let mut plans = Vec::new();
    for name in names {
        plans.push(super::survey(app).one(name)?);
    }
    if names.is_empty() {
        let is_due = |plan: &SecretPlan| {
            let current = versions.iter().find(|row| row.full_name == plan.full_name);
            current.is_some_and(|row| !row.rotate_because_of.is_empty())
        };
        plans = super::survey(app).plans.into_iter().filter(is_due).collect();
        if plans.is_empty() {
            return Err(Failure::usage("no secret is due: nobody was removed who could read one")
                .hint("name the secrets that you want to rotate"));
        }
    }
    Ok(plans.iter().map(|plan| escrow::rotation(plan, versions)).collect::<Result<_, _>>()?)
}

fn tell(
    session: &Session,
    home: &Home,
    entry: &AppEntry,
    rotations: &[Rotation],
) -> Result<(), Failure> {
    let (ui, app) = (&session.ui, &entry.name);
    for Rotation { key, from, to } in rotations {
        let SecretPlan { name, version, .. } = to;
        match to.generate {
            true => {
                ui.say(format_args!("Made {name} {version}; the settings have {key}={version}."))
            }
            false => {
                ui.say(format_args!("The settings have {key}={version}."));
                ui.warn(format_args!("{name} {version} does not exist and cannot be generated"));
                ui.hint(format_args!("insert it with `potluck app secret insert {app} {name}`"));
            }
        }
        ui.say(format_args!(
            "Services keep {} until the next deploy; then `potluck app secret rm {app} {name} {}` \
             removes it.",
            from.version, from.version
        ));
    }
    // A deploy reads them again: a mistake in them is better seen now.
    home.env(entry)?;
    ui.hint(format_args!("run `potluck app deploy {app}`"));
    Ok(())
}

/// How many of those that a removed person could read are done.
fn tell_left(session: &Session, rotations: &[Rotation], versions: &[SecretVersion]) {
    let replaced = |row: &SecretVersion| {
        rotations.iter().any(|rotation| rotation.from.full_name == row.full_name)
    };
    let left: Vec<&str> = versions
        .iter()
        .filter(|row| row.current && !row.rotate_because_of.is_empty() && !replaced(row))
        .map(|row| row.name.as_str())
        .collect();
    match left.as_slice() {
        [] => {}
        left => session.ui.say(format_args!("Still to be rotated: {}.", left.join(", "))),
    }
}
