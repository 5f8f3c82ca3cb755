//! `potluck backup ls`

use std::path::PathBuf;

use indicatif::HumanBytes;

use crate::{
    backup,
    cli::{
        arguments::JsonArg,
        failure::Outcome,
        grants::{Answers, PlanQuestion},
        session::{Session, wait_cancelling},
        table::Table,
    },
};

/// List the files of an item of a backup.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck backup ls wiki.example.org 20261121T2015 uploads
  potluck backup ls wiki.example.org 20261121T2015 volume/uploads 2026 --recursive

JSON: a list of {path, kind, size, mode, uid, gid, mtime}.")]
pub struct Args {
    #[command(flatten)]
    item: super::ItemArg,

    /// A folder of it
    #[arg(value_name = "PATH")]
    path: Option<PathBuf>,

    /// Also what is in folders below
    #[arg(short, long)]
    recursive: bool,

    #[command(flatten)]
    trust: super::TrustArg,

    #[command(flatten)]
    from: super::FromArg,

    #[command(flatten)]
    json: JsonArg,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let entry = session.app(&home, &args.item.app)?;
    let operating = session.context(&home, Answers::new(&session.ui, PlanQuestion::Yes))?;
    let options = args.from.options(args.trust.options());
    let (which, at) = (args.item.which(), args.item.at(args.path.as_deref()));
    let files = wait_cancelling(&options.cancel, async {
        Ok(backup::ls(&operating.context, &entry, &which, at, args.recursive, &options).await?)
    })?;
    drop(operating);
    session.report(&files, &args.json, |files| {
        let mut table = Table::new(&["MODE", "OWNER", "SIZE", "CHANGED", "PATH"]);
        for file in files {
            let folder = if file.kind == "dir" { "/" } else { "" };
            table.row([
                format!("{:04o}", file.mode & 0o7777),
                format!("{}:{}", file.uid, file.gid),
                HumanBytes(file.size).to_string(),
                file.mtime.map(|it| it.strftime("%Y-%m-%d %H:%MZ").to_string()).unwrap_or_default(),
                format!("{}{folder}", file.path),
            ]);
        }
        table.print(&session.ui)
    })
}
