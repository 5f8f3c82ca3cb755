//! `potluck app cp`

use std::{
    io::{ErrorKind, IsTerminal as _, stdin, stdout},
    path::PathBuf,
};

use futures_util::{StreamExt, stream::BoxStream};
use indicatif::HumanBytes;
use tokio::io::AsyncWriteExt;

use super::run::container;
use crate::{
    app::{self, Mounted, OnServer},
    cli::{
        arguments::{AppArg, JsonArg},
        exit::Exit,
        failure::{Failure, Outcome},
        session::{Session, wait},
        ui::counted,
    },
    engine::{self, Engine},
    home::StackName,
};

/// Copy files into one of an app's running services, or out of it.
///
/// One of SOURCE and DESTINATION is SERVICE:PATH, the other a path of this machine. A folder
/// is copied with all that is in it; into a destination that is a folder, else under that
/// name. In a service the copy belongs to root, here to you. Nothing is copied into what swarm
/// mounts there, nor out of it: secrets, configs, memory.
///
/// With `-` instead of a path of this machine, a tar archive is read from standard input and
/// unpacked in a folder of the service, with the owners that it says, or written to standard
/// output.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck app cp wiki.example.org app:/var/www/html/uploads .
  potluck app cp wiki.example.org logo.png app:/var/www/html/logo.png
  potluck app cp wiki.example.org app:/var/www/html/uploads - | gzip > uploads.tar.gz
  tar -c uploads | potluck app cp wiki.example.org - app:/var/www/html

JSON: {files, bytes, skipped}; `skipped` are devices, sockets and pipes.")]
pub struct Args {
    #[command(flatten)]
    app: AppArg,

    /// What to copy
    #[arg(value_name = "SOURCE")]
    source: String,

    /// Where to
    #[arg(value_name = "DESTINATION")]
    destination: String,

    #[command(flatten)]
    json: JsonArg,
}

/// What goes where.
#[derive(Debug, PartialEq, Eq)]
enum Way {
    In {
        source: PathBuf,
        service: String,
        path: String,
    },
    Out {
        service: String,
        path: String,
        destination: PathBuf,
    },
    /// An archive on standard input.
    Unpack {
        service: String,
        path: String,
    },
    /// An archive on standard output.
    Pack {
        service: String,
        path: String,
    },
}

impl Way {
    fn service(&self) -> &str {
        match self {
            Way::In { service, .. }
            | Way::Out { service, .. }
            | Way::Unpack { service, .. }
            | Way::Pack { service, .. } => service,
        }
    }

    /// # Errors
    /// An archive from a terminal or for one, or beside JSON.
    fn check(&self, json: bool) -> Result<(), Failure> {
        match self {
            Way::Pack { .. } if stdout().is_terminal() => {
                Err(Failure::usage("an archive is not text for a terminal")
                    .hint("give its output to a program or a file: `… - | tar -t`, `… - > a.tar`"))
            }
            Way::Pack { .. } if json => {
                Err(Failure::usage("the archive is what is written; there is no report beside it"))
            }
            Way::Unpack { .. } if stdin().is_terminal() => {
                Err(Failure::usage("a terminal gives no archive")
                    .hint("give it one: `tar -c FOLDER | potluck app cp …`, or `… < a.tar`"))
            }
            Way::In { .. } | Way::Out { .. } | Way::Unpack { .. } | Way::Pack { .. } => Ok(()),
        }
    }
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let way = way(&args.source, &args.destination)?;
    way.check(args.json.json)?;
    let home = session.home()?;
    let entry = session.app(&home, &args.app)?;
    let OnServer { engine: swarm, stack, .. } = super::on_server(session, &home, &entry)?;
    let engine: &dyn Engine = &*swarm;
    let id = async { Ok::<_, Failure>(container(engine, &entry, &stack, way.service()).await?.id) };
    let cut = "the copy was not finished";
    let copied = match &way {
        Way::In { source, path, .. } => wait(cut, async {
            let (id, mounted) = (id.await?, mounted(engine, &stack, &way).await?);
            Ok(app::copy_in(engine, &id, &mounted, source, path).await?)
        })?,
        Way::Out { path, destination, .. } => wait(cut, async {
            let (id, mounted) = (id.await?, mounted(engine, &stack, &way).await?);
            Ok(app::copy_out(engine, &id, &mounted, path, destination).await?)
        })?,
        Way::Pack { path, .. } => {
            wait(cut, async {
                let (id, mounted) = (id.await?, mounted(engine, &stack, &way).await?);
                write(app::archive_of(engine, &id, &mounted, path).await?).await
            })?;
            return Ok(Exit::DONE);
        }
        Way::Unpack { path, .. } => wait(cut, async {
            let (id, mounted) = (id.await?, mounted(engine, &stack, &way).await?);
            Ok(app::unpack_in(engine, &id, &mounted, tokio::io::stdin(), path).await?)
        })?,
    };
    session.report(&copied, &args.json, |copied| {
        let files = counted(usize::try_from(copied.files).unwrap_or(usize::MAX), "file");
        session.ui.say(format_args!("Copied {files}, {}.", HumanBytes(copied.bytes)));
        for skipped in &copied.skipped {
            session.ui.warn(format_args!(
                "{skipped} is not copied: it is neither a file nor a link nor a folder"
            ));
        }
        Ok(())
    })
}

/// What swarm mounts into the service's containers.
async fn mounted(engine: &dyn Engine, stack: &StackName, way: &Way) -> Result<Mounted, Failure> {
    let name = format!("{stack}_{}", way.service());
    let service = engine.service(&name).await?;
    Ok(service.spec.as_ref().map(Mounted::of).unwrap_or_default())
}

/// Writes an archive to standard output.
///
/// # Errors
/// One that breaks off, and what it cannot be written for.
async fn write(
    mut archive: BoxStream<'static, Result<bytes::Bytes, engine::Error>>,
) -> Result<(), Failure> {
    let failed = |error: std::io::Error| match error.kind() {
        // As of `| head`.
        ErrorKind::BrokenPipe => Failure::reader_gone(),
        _ => Failure::io("writing the archive", &error),
    };
    let mut out = tokio::io::stdout();
    while let Some(piece) = archive.next().await {
        out.write_all(&piece?).await.map_err(failed)?;
    }
    out.flush().await.map_err(failed)
}

/// # Errors
/// Where not exactly one of them is in a service.
fn way(source: &str, destination: &str) -> Result<Way, Failure> {
    match (in_service(source), in_service(destination)) {
        (None, Some((service, path))) if source == "-" => Ok(Way::Unpack { service, path }),
        (Some((service, path)), None) if destination == "-" => Ok(Way::Pack { service, path }),
        (None, Some((service, path))) => Ok(Way::In { source: source.into(), service, path }),
        (Some((service, path)), None) => {
            Ok(Way::Out { service, path, destination: destination.into() })
        }
        _ => Err(Failure::usage("one of SOURCE and DESTINATION has to be SERVICE:PATH").hint(
            "for example `app:/etc/hostname`; a file of this machine with a colon is `./a:b`",
        )),
    }
}

/// `SERVICE:PATH`; a path of this machine has a `/` before any colon.
fn in_service(text: &str) -> Option<(String, String)> {
    let (service, path) = text.split_once(':')?;
    let is_service = !service.is_empty() && !service.contains('/') && service != ".";
    is_service.then(|| (service.to_owned(), path.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_them_is_in_a_service() {
        let both = |source: &str, destination: &str| way(source, destination).ok();
        let own = |service: &str, path: &str| (service.to_owned(), path.to_owned());
        let (service, path) = own("app", "/data");
        let into = Way::In { source: "./a:b".into(), service, path };
        assert_eq!(both("./a:b", "app:/data"), Some(into));
        let (service, path) = own("app", "/data/a:b");
        let out = Way::Out { service, path, destination: ".".into() };
        assert_eq!(both("app:/data/a:b", "."), Some(out));
        for (source, destination) in [("a", "b"), ("app:/a", "db:/b"), (":/a", "b"), ("/a:b", "c")]
        {
            assert_eq!(both(source, destination), None, "{source} {destination}");
        }
    }
}
