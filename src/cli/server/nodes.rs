//! `potluck server nodes`

use std::collections::BTreeMap;

use crate::{
    cli::{
        arguments::JsonArg,
        failure::{Failure, Outcome},
        prompt::{self, Enter},
        session::{Session, engine, wait},
        table::Table,
        ui::clean,
    },
    engine::{NodeReport, candidates, nodes_of, try_endpoint},
    home::{Home, ServerName, check_node_endpoint},
};

/// List a server's nodes, and how each is reached.
///
/// A swarm manager passes neither a program's streams nor a volume's files on to another
/// node. So backups, hooks, `app run` and the like reach the engine of a node through an
/// endpoint of its own, which is kept under `nodes` in servers/NAME/server.yml. The node
/// that the server's endpoint speaks for needs none.
///
/// --offer tries the addresses that the swarm knows, over SSH, directly and through the
/// server as a jump host, and adds what answers and is that node, after a question.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck server nodes swarm.example.org
  potluck server nodes swarm.example.org --offer
  potluck server nodes swarm.example.org --add db1=ssh://root@10.0.0.2
  potluck server nodes lab --add 'db1=ssh://root@10.0.0.2?jump=root@lab.example.org'

JSON: a list of {name, id, role, availability, state, address, endpoint, own, answers, problem}.")]
pub struct Args {
    /// The server
    #[arg(value_name = "NAME")]
    name: ServerName,

    /// Add the endpoint of a node, by its name or id; may be repeated
    #[arg(long, value_name = "NODE=ENDPOINT", value_parser = addition)]
    add: Vec<(String, String)>,

    /// Try to find endpoints of nodes that have none
    #[arg(long)]
    offer: bool,

    /// Add what --offer finds without asking
    #[arg(long, requires = "offer")]
    yes: bool,

    #[command(flatten)]
    json: JsonArg,
}

fn addition(text: &str) -> Result<(String, String), String> {
    let (node, endpoint) = text.split_once('=').ok_or("expected NODE=ENDPOINT")?;
    check_node_endpoint(node, endpoint)?;
    Ok((node.to_owned(), endpoint.to_owned()))
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let name = &args.name;
    let mut reports = look(&home, name)?;
    if !args.add.is_empty() {
        let mut added = BTreeMap::new();
        for (node, endpoint) in &args.add {
            let key = check(&reports, node, endpoint, name)?;
            added.insert(key, endpoint.clone());
        }
        write(session, &home, name, added)?;
        reports = look(&home, name)?;
    }
    if args.offer {
        let found = find(&home, session, name, &reports)?;
        if !found.is_empty() && agreed(args, session, &found)? {
            write(session, &home, name, found)?;
            reports = look(&home, name)?;
        }
    }
    session.report(&reports, &args.json, |reports| show(session, name, reports))
}

fn look(home: &Home, name: &ServerName) -> Result<Vec<NodeReport>, Failure> {
    let endpoints = home.server(name)?.nodes;
    wait("interrupted", async {
        let manager = engine(home, name)?;
        Ok(nodes_of(&*manager, &endpoints).await?)
    })
}

/// The name by which an endpoint is kept; it has to answer, and be that node.
fn check(
    reports: &[NodeReport],
    node: &str,
    endpoint: &str,
    server: &ServerName,
) -> Result<String, Failure> {
    let found: Vec<&NodeReport> =
        reports.iter().filter(|report| report.name == node || report.id == node).collect();
    let report = match found[..] {
        [report] => report,
        [] => {
            let names: Vec<&str> = reports.iter().map(|report| report.name.as_str()).collect();
            return Err(Failure::new(format!("{server} has no node `{node}`"))
                .hint(format!("its nodes are {}", clean(&names.join(", ")))));
        }
        _ => {
            return Err(Failure::new(format!("{server} has several nodes called `{node}`")).hint(
                format!("name it by its id, as `potluck server nodes {server} --json` shows"),
            ));
        }
    };
    if report.own {
        return Err(Failure::new(format!(
            "`{node}` is the node that the endpoint of {server} speaks for; it needs no other"
        )));
    }
    let tried = wait("nothing was added", async { Ok(try_endpoint(endpoint, &report.id).await) })?;
    tried.map_err(|reason| {
        Failure::new(format!("{endpoint} is not an endpoint of the node `{node}`: {reason}"))
    })?;
    Ok(node.to_owned())
}

/// Endpoints that answer, of nodes that have none.
fn find(
    home: &Home,
    session: &Session,
    name: &ServerName,
    reports: &[NodeReport],
) -> Result<BTreeMap<String, String>, Failure> {
    let server = home.endpoint(name)?;
    let mut found = BTreeMap::new();
    for report in reports.iter().filter(|report| report.endpoint.is_none()) {
        let Some(address) = &report.address else { continue };
        let twice = reports.iter().filter(|other| other.name == report.name).count() > 1;
        let key = if twice { &report.id } else { &report.name };
        for endpoint in candidates(&server, address) {
            session.ui.say(format_args!("Trying {} …", clean(&endpoint)));
            let tried =
                wait("nothing was added", async { Ok(try_endpoint(&endpoint, &report.id).await) })?;
            match tried {
                Ok(()) => {
                    found.insert(key.clone(), endpoint);
                    break;
                }
                Err(reason) => session.ui.say(format_args!("  {}", clean(&reason))),
            }
        }
    }
    if found.is_empty() {
        session.ui.say("Found no further endpoint.");
    }
    Ok(found)
}

fn agreed(
    args: &Args,
    session: &Session,
    found: &BTreeMap<String, String>,
) -> Result<bool, Failure> {
    for (node, endpoint) in found {
        session.ui.say(format_args!("{} answers at {}.", clean(node), clean(endpoint)));
    }
    if args.yes {
        return Ok(true);
    }
    if !session.ui.is_interactive() {
        session.ui.hint("`--yes` adds them");
        return Ok(false);
    }
    let question = format!("Add {} to the settings of {}?", count(found.len()), args.name);
    prompt::confirm(&session.ui, &question, Enter::Yes)
}

fn count(number: usize) -> String {
    if number == 1 { "this endpoint".into() } else { format!("these {number} endpoints") }
}

fn write(
    session: &Session,
    home: &Home,
    name: &ServerName,
    added: BTreeMap<String, String>,
) -> Result<(), Failure> {
    home.add_nodes(name, &added)?;
    for (node, endpoint) in added {
        session.ui.say(format_args!("Added the node {} ({}).", clean(&node), clean(&endpoint)));
    }
    Ok(())
}

fn show(session: &Session, name: &ServerName, reports: &[NodeReport]) -> Result<(), Failure> {
    let mut table =
        Table::new(&["NODE", "ROLE", "AVAILABILITY", "STATE", "ADDRESS", "ENDPOINT", "ANSWERS"]);
    for report in reports {
        let answers = match report.answers {
            Some(true) => "yes",
            Some(false) => "no",
            None => "-",
        };
        let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
        table.row([
            report.name.clone(),
            report.role.clone(),
            report.availability.clone(),
            report.state.clone(),
            or_none(&report.address),
            or_none(&report.endpoint),
            answers.to_owned(),
        ]);
    }
    table.print(&session.ui)?;
    for report in reports {
        if let Some(problem) = &report.problem {
            session.ui.warn(format!("{}: {}", clean(&report.name), clean(problem)));
        }
    }
    if reports.iter().any(|report| report.endpoint.is_none()) {
        session.ui.hint(format!("`potluck server nodes {name} --offer` looks for endpoints"));
    }
    Ok(())
}
