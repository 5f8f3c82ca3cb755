//! `potluck backup show`

use indicatif::HumanBytes;

use crate::{
    backup::{self, Shown},
    cli::{
        arguments::{AppArg, JsonArg},
        failure::{Failure, Outcome},
        grants::{Answers, PlanQuestion},
        session::{Session, wait_cancelling},
        table::Table,
        ui::clean,
    },
};

/// Show what a backup holds, and who made it.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck backup show wiki.example.org
  potluck backup show wiki.example.org 20261121T2015
  potluck backup show wiki.example.org --at '2026-11-26 03:00'

JSON: {set, app, server, stack, recipe, version, commit, time, potluck, repository, bytes,
items, warnings, signer, signed_by, believed, doubt, held}; an item is {name, kind, bytes,
seconds, snapshot, tree, service, plugin, volume}, a volume {name, uid, gid, mode, paths}.")]
pub struct Args {
    #[command(flatten)]
    app: AppArg,

    #[command(flatten)]
    set: super::SetArg,

    #[command(flatten)]
    trust: super::TrustArg,

    #[command(flatten)]
    from: super::FromArg,

    #[command(flatten)]
    json: JsonArg,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let entry = session.app(&home, &args.app)?;
    let operating = session.context(&home, Answers::new(&session.ui, PlanQuestion::Yes))?;
    let options = args.from.options(args.trust.options());
    let which = args.set.which(&session.ui);
    let shown = wait_cancelling(&options.cancel, async {
        Ok(backup::show(&operating.context, &entry, &which, &options).await?)
    })?;
    drop(operating);
    session.report(&shown, &args.json, |shown| print(session, shown))
}

fn print(session: &Session, shown: &Shown) -> Result<(), Failure> {
    let ui = &session.ui;
    let version = shown.version.as_deref().unwrap_or("an unreleased version");
    ui.out(format_args!("{} of {} on {}", shown.set, clean(&shown.app), clean(&shown.server)))?;
    ui.out(format_args!(
        "taken {} by potluck {}, of {} {}, {}",
        shown.time.strftime("%Y-%m-%d %H:%M:%S UTC"),
        clean(&shown.potluck),
        clean(&shown.recipe),
        clean(version),
        HumanBytes(shown.bytes)
    ))?;
    match (&shown.signer, &shown.signed_by) {
        (Some(key), Some(by)) => ui.out(format_args!("signed by {} ({key})", clean(by)))?,
        (Some(key), None) => ui.out(format_args!("signed by {key}"))?,
        (None, _) => {}
    }
    for held in &shown.held {
        ui.out(format_args!("held: {}", clean(held)))?;
    }
    let mut table = Table::new(&["ITEM", "SIZE", "FROM", "TREE"]);
    for item in &shown.items {
        let volume = item.volume.as_ref().map(|volume| format!("volume {}", volume.name));
        let service = item.service.as_ref().map(|service| format!("service {service}"));
        let plugin = item.plugin.as_ref().map(|plugin| format!("plugin {plugin}"));
        table.row([
            format!("{}/{}", item.kind, item.name),
            HumanBytes(item.bytes).to_string(),
            volume.or(service).or(plugin).unwrap_or_default(),
            item.tree.as_ref().map_or("-".into(), |tree| tree.chars().take(16).collect()),
        ]);
    }
    table.print(ui)?;
    for warning in &shown.warnings {
        ui.warn(format_args!("when this backup was taken: {}", clean(warning)));
    }
    if let Some(doubt) = &shown.doubt {
        ui.warn(format_args!("{doubt}"));
    }
    Ok(())
}
