//! `potluck server prune`

use crate::{
    cli::{
        arguments::JsonArg,
        exit::Exit,
        failure::{Failure, Outcome},
        grants::{Answers, PlanQuestion},
        prompt,
        session::{Session, wait},
        table::Table,
        ui::{clean, counted},
    },
    home::{Home, ServerName},
    operation::{self, Images, PruneItem, PruneOptions, Pruned, Volumes},
};

/// Remove what no app needs from a server.
///
/// Removes containers that have ended, networks that nobody uses and images without a name,
/// after showing them. What belongs to an app of the folder, to a stack that runs, to anything
/// of which potluck keeps a record on the server, or to a release that `app rollback` can bring
/// back stays, and so do ended tasks of services, whose logs `app errors` reads.
///
/// Looks at the node that the server's endpoint speaks for.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck server prune swarm.example.org --dry-run
  potluck server prune swarm.example.org --all-images
  potluck server prune --volumes
      the data of volumes that belong to no app is lost

Exit code 3 if the engine refused to remove some of it.

JSON: a list of {kind, name, id, bytes, outcome, error}; the kind is `container`, `network`,
`image` or `volume`, the outcome `planned`, `removed` or `kept`, and `error` says why.")]
pub struct Args {
    /// The server, if there are several
    #[arg(value_name = "SERVER")]
    server: Option<ServerName>,

    /// Also images that have a name, and that no app, container or kept release needs
    #[arg(short, long)]
    all_images: bool,

    /// Also volumes that belong to no app, with their data
    #[arg(long)]
    volumes: bool,

    /// Show what would go and change nothing
    #[arg(long)]
    dry_run: bool,

    /// Don't ask
    #[arg(short, long)]
    yes: bool,

    #[command(flatten)]
    json: JsonArg,
}

/// Nothing else is lost by it.
const INTERRUPTED: &str = "interrupted: some of it may have been removed";

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let server = the_server(&home, args.server.as_ref())?;
    let options = PruneOptions {
        images: if args.all_images { Images::Unused } else { Images::Nameless },
        volumes: if args.volumes { Volumes::Unused } else { Volumes::Kept },
    };
    let operating = session.context(&home, Answers::new(&session.ui, PlanQuestion::Yes))?;
    let context = &operating.context;
    let mut items = wait("interrupted: nothing was changed", async {
        Ok(operation::plan_prune(context, &server, options).await?)
    })?;
    if !args.dry_run && !items.is_empty() {
        operating.pause();
        tell(session, &items);
        let question = format!("Remove {} from {server}?", counted(items.len(), "object"));
        let needs =
            format!("removing {} from {server} needs a yes", counted(items.len(), "object"));
        prompt::agree(&session.ui, args.yes, &needs, &question)?;
        items = wait(INTERRUPTED, async { Ok(operation::prune(context, &server, items).await?) })?;
    }
    drop(operating);
    session.report(&items, &args.json, |items| {
        if items.is_empty() {
            session.ui.say(format_args!("There is nothing to remove from {server}."));
        } else if args.dry_run {
            show(session, items)?;
            session.ui.say("Nothing was changed: this was a dry run.");
        } else {
            ended(session, items);
        }
        Ok(())
    })?;
    let kept = items.iter().filter(|item| item.outcome == Pruned::Kept).count();
    match kept {
        0 => Ok(Exit::DONE),
        kept => Err(Failure::new(format!("{} stayed", counted(kept, "object")))
            .hint("something uses it again, or another node does: run the command once more")
            .exit(Exit::PARTLY)),
    }
}

/// The one that is named, or the only one.
fn the_server(home: &Home, given: Option<&ServerName>) -> Result<ServerName, Failure> {
    if let Some(server) = given {
        home.server(server)?;
        return Ok(server.clone());
    }
    let mut servers = home.servers()?;
    match (servers.pop(), servers.is_empty()) {
        (Some(server), true) => Ok(server),
        _ => Err(Failure::usage("name the server").hint("`potluck server ls` lists them")),
    }
}

/// On standard error, before a question.
fn tell(session: &Session, items: &[PruneItem]) {
    session.ui.say("What goes:");
    for item in items {
        session.ui.say(format_args!("  {} {}{}", item.kind, clean(&item.name), size(item.bytes)));
    }
}

fn show(session: &Session, items: &[PruneItem]) -> Result<(), Failure> {
    let mut table = Table::new(&["KIND", "NAME", "SIZE"]);
    for item in items {
        table.row([item.kind, &*item.name, &item.bytes.map_or("-".into(), megabytes)]);
    }
    table.print(&session.ui)
}

fn ended(session: &Session, items: &[PruneItem]) {
    for item in items.iter().filter(|item| item.outcome == Pruned::Kept) {
        let error = item.error.as_deref().unwrap_or_default();
        session.ui.warn(format_args!("the {} {}: {error}", item.kind, clean(&item.name)));
    }
    let gone: Vec<&PruneItem> =
        items.iter().filter(|item| item.outcome == Pruned::Removed).collect();
    let bytes: u64 = gone.iter().filter_map(|item| item.bytes).sum();
    let of_images = match bytes {
        0 => String::new(),
        bytes => format!(", images of {} at most", megabytes(bytes)),
    };
    session.ui.say(format_args!("Removed {}{of_images}.", counted(gone.len(), "object")));
}

fn size(bytes: Option<u64>) -> String {
    bytes.map(|bytes| format!(" ({})", megabytes(bytes))).unwrap_or_default()
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}
