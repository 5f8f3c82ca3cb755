//! `potluck app cp`

use std::path::PathBuf;

use indicatif::HumanBytes;

use super::run::container;
use crate::{
    app::{self, OnServer},
    cli::{
        arguments::{AppArg, JsonArg},
        failure::{Failure, Outcome},
        session::{Session, wait},
        ui::counted,
    },
    engine::Engine,
};

/// Copy files into one of an app's running services, or out of it.
///
/// One of SOURCE and DESTINATION is SERVICE:PATH, the other a path of this machine. A folder
/// is copied with all that is in it; into a destination that is a folder, else under that
/// name. In a service the copy belongs to root, here to you. Nothing is copied into what swarm
/// mounts there: secrets, configs, memory.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck app cp wiki.example.org app:/var/www/html/uploads .
  potluck app cp wiki.example.org logo.png app:/var/www/html/logo.png

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
    In { source: PathBuf, service: String, path: String },
    Out { service: String, path: String, destination: PathBuf },
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let way = way(&args.source, &args.destination)?;
    let home = session.home()?;
    let entry = session.app(&home, &args.app)?;
    let OnServer { engine: swarm, stack, .. } = super::on_server(session, &home, &entry)?;
    let copied = wait("the copy was not finished", async {
        let engine: &dyn Engine = &*swarm;
        let (Way::In { service, .. } | Way::Out { service, .. }) = &way;
        let container = container(engine, &entry, &stack, service).await?;
        Ok(match &way {
            Way::In { source, path, .. } => {
                app::copy_in(engine, &container.id, source, path).await?
            }
            Way::Out { path, destination, .. } => {
                app::copy_out(engine, &container.id, path, destination).await?
            }
        })
    })?;
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

/// # Errors
/// Where not exactly one of them is in a service.
fn way(source: &str, destination: &str) -> Result<Way, Failure> {
    match (in_service(source), in_service(destination)) {
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
