//! `potluck server provision`

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    cli::{
        arguments::JsonArg,
        failure::{Failure, Outcome},
        prompt::{self, Enter},
        session::{Session, wait},
        ui::{clean, counted},
    },
    engine,
    home::{Home, ServerName, ServerSettings},
    operation::{self, ProvisionPlan, ProvisionStep, Standing, Updates},
};

/// Make a fresh Debian into a server, over SSH.
///
/// Installs the engine from Debian's packages, makes a swarm of one node and the network
/// `proxy`, and adds the server. Shows first what is to be done; what is done already is left as
/// it is, so that it can be run again. Needs root there, or sudo without a password.
///
/// The firewall is yours: the swarm's ports 2377, 7946 and 4789 are for its nodes only, which
/// `potluck server check` looks at.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck server provision swarm.example.org --dry-run
  potluck server provision ssh://root@10.0.0.5:2222 --name lab --unattended-upgrades

JSON: {server, endpoint, system, address, steps}; a step is {step, about, standing}, its
standing `done` (before), `planned` or `made`.")]
pub struct Args {
    /// The machine, as ssh knows it: swarm.example.org, or ssh://user@host:port
    #[arg(value_name = "HOST")]
    host: String,

    /// What to call the server [default: the host]
    #[arg(long, value_name = "NAME")]
    name: Option<ServerName>,

    /// The address or network device by which further nodes reach this one
    ///
    /// [default: the address that SSH reached]
    #[arg(long, value_name = "ADDRESS")]
    advertise_addr: Option<String>,

    /// Let the machine install Debian's security updates by itself
    #[arg(long)]
    unattended_upgrades: bool,

    /// Show what would be done and change nothing
    #[arg(long)]
    dry_run: bool,

    /// Don't ask
    #[arg(short, long)]
    yes: bool,

    #[command(flatten)]
    json: JsonArg,
}

#[derive(Serialize)]
struct Report<'a> {
    server: &'a str,
    endpoint: &'a str,
    system: &'a str,
    address: &'a str,
    steps: &'a [ProvisionStep],
}

const UNCHANGED: &str = "interrupted: nothing was changed";

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let endpoint = match args.host.starts_with("ssh://") {
        true => args.host.clone(),
        false => format!("ssh://{}", args.host),
    };
    let host = engine::host_of(&endpoint).ok_or_else(|| {
        Failure::usage(format!("`{}` names no machine that ssh reaches", clean(&args.host)))
            .hint("write `swarm.example.org` or `ssh://user@host:port`")
    })?;
    let name = match &args.name {
        Some(name) => name.clone(),
        None => ServerName::new(&host)?,
    };
    let is_known = home.servers()?.contains(&name);
    if is_known && home.endpoint(&name)? != endpoint {
        let known = home.endpoint(&name)?;
        return Err(Failure::new(format!("the server `{name}` has the endpoint {known}"))
            .hint("choose another name with `--name`"));
    }
    let updates = updates(args, session)?;
    let mut plan = wait(UNCHANGED, async {
        let address = args.advertise_addr.as_deref();
        Ok(operation::plan_provision(&endpoint, address, updates).await?)
    })?;
    let open = plan.steps.iter().filter(|step| step.standing == Standing::Planned).count();
    tell(session, &plan, &endpoint);
    if !args.dry_run {
        if open > 0 {
            let question = format!("Do {} at {endpoint}?", counted(open, "step"));
            let needs = format!("changing {endpoint} needs a yes");
            prompt::agree(&session.ui, args.yes, &needs, &question)?;
            carry_out(session, &endpoint, &mut plan)?;
        }
        add(session, &home, &name, &endpoint, is_known)?;
    }
    let report = Report {
        server: name.as_str(),
        endpoint: &endpoint,
        system: &plan.system,
        address: &plan.address,
        steps: &plan.steps,
    };
    session.report(&report, &args.json, |_| {
        session.ui.say(match (args.dry_run, open) {
            (true, _) => "Nothing was changed: this was a dry run.".to_owned(),
            (false, 0) => format!("{name} has all that it needs."),
            (false, _) => format!("{name} is a server now: `potluck server check {name}`"),
        });
        Ok(())
    })
}

/// Offered where somebody can answer.
fn updates(args: &Args, session: &Session) -> Result<Updates, Failure> {
    let wanted = args.unattended_upgrades
        || (session.ui.is_interactive()
            && !args.yes
            && prompt::confirm(
                &session.ui,
                "Should the machine install Debian's security updates by itself?",
                Enter::Yes,
            )?);
    Ok(if wanted { Updates::Wanted } else { Updates::LeftAlone })
}

fn tell(session: &Session, plan: &ProvisionPlan, endpoint: &str) {
    session.ui.say(format_args!("{endpoint} runs {}.", clean(&plan.system)));
    for step in &plan.steps {
        let about = match (step.step, step.standing) {
            (_, Standing::Done) => format!("{} (done)", step.about),
            ("swarm", _) => format!("{}, at {}", step.about, clean(&plan.address)),
            _ => step.about.to_owned(),
        };
        session.ui.say(format_args!("  {about}"));
    }
}

fn carry_out(session: &Session, endpoint: &str, plan: &mut ProvisionPlan) -> Result<(), Failure> {
    let begun = plan.clone();
    for step in plan.steps.iter_mut().filter(|step| step.standing == Standing::Planned) {
        session.ui.say(format_args!("{} …", step.about));
        let interrupted = "interrupted: the step that was begun may go on at the server; run the \
                           command again";
        wait(interrupted, async { Ok(operation::provision(endpoint, &begun, step).await?) })?;
        step.standing = Standing::Made;
    }
    Ok(())
}

/// Adds the server once a manager answers.
fn add(
    session: &Session,
    home: &Home,
    name: &ServerName,
    endpoint: &str,
    is_known: bool,
) -> Result<(), Failure> {
    let manager = wait("interrupted: the server was not added", async {
        let engine = engine::connect(endpoint, BTreeMap::new(), &home.state(), name.as_str())?;
        Ok(engine.manager().await?)
    })?;
    session.ui.say(format_args!(
        "{} answers: Docker {}",
        clean(&manager.node_name),
        clean(&manager.version)
    ));
    if is_known {
        return Ok(());
    }
    let settings =
        ServerSettings { endpoint: Some(endpoint.to_owned()), ..ServerSettings::default() };
    home.write_server(name, &settings)?;
    session.ui.say(format_args!("Added the server {name} ({endpoint})."));
    Ok(())
}
