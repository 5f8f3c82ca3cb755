//! `potluck backup download`

use std::{
    io::{ErrorKind, IsTerminal as _, stdout},
    path::{Path, PathBuf},
};

use indicatif::HumanBytes;

use crate::{
    backup::{self, Error},
    cli::{
        exit::Exit,
        failure::{Failure, Outcome},
        grants::{Answers, PlanQuestion},
        session::{Session, wait_cancelling},
    },
};

/// Write an item of a backup to a file or to standard output.
///
/// A dump is written as its file; a folder of a volume, or the whole volume, as a tar; a
/// file of it as it is. Nothing of the app is changed.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck backup download wiki.example.org 20261121T2015 wiki.sql -O wiki.sql
  potluck backup download wiki.example.org 20261121T2015 uploads | tar -t")]
pub struct Args {
    #[command(flatten)]
    item: super::ItemArg,

    /// A file or a folder of a volume
    #[arg(value_name = "PATH")]
    path: Option<PathBuf>,

    /// Where to, `-` for standard output; a file appears when it is whole
    #[arg(short = 'O', long, value_name = "FILE")]
    output: Option<PathBuf>,

    #[command(flatten)]
    trust: super::TrustArg,

    #[command(flatten)]
    from: super::FromArg,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let to_file = args.output.as_deref().filter(|path| *path != Path::new("-"));
    if args.output.is_none() && stdout().is_terminal() {
        return Err(Failure::usage("the item is not text for a terminal")
            .hint("pass `-O FILE`, or `-O -` to print it anyway"));
    }
    let home = session.home()?;
    let entry = session.app(&home, &args.item.app)?;
    let operating = session.context(&home, Answers::new(&session.ui, PlanQuestion::Yes))?;
    let options = args.from.options(args.trust.options());
    let (which, at) = (args.item.which(), args.item.at(args.path.as_deref()));
    let writing = |path: &Path| {
        let action = format!("writing {}", path.display());
        move |error: std::io::Error| Failure::io(action, &error)
    };
    let written = wait_cancelling(&options.cancel, async {
        let context = &operating.context;
        let Some(path) = to_file else {
            let mut out = tokio::io::stdout();
            return match backup::download(context, &entry, &which, at, &mut out, &options).await {
                // As of `| head`.
                Err(Error::Io { source, .. }) if source.kind() == ErrorKind::BrokenPipe => {
                    Err(Failure::reader_gone())
                }
                done => Ok(done?),
            };
        };
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        let beside = tempfile::Builder::new()
            .prefix(".potluck-")
            .tempfile_in(folder)
            .map_err(writing(path))?;
        let file = beside.reopen().map_err(writing(path))?;
        let mut file = tokio::fs::File::from_std(file);
        let bytes = backup::download(context, &entry, &which, at, &mut file, &options).await?;
        file.sync_all().await.map_err(writing(path))?;
        beside.persist(path).map_err(|error| writing(path)(error.error))?;
        Ok(bytes)
    })?;
    drop(operating);
    session.ui.say(format_args!("Wrote {}.", HumanBytes(written)));
    Ok(Exit::DONE)
}
