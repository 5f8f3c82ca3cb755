//! `potluck app errors`

use crate::{
    app::{self, CauseRow},
    cli::{
        arguments::{AppArg, JsonArg},
        exit::Exit,
        failure::{Failure, Outcome},
        session::{Session, wait},
        ui::{BOLD, DIM, Ui, clean, counted},
    },
};

/// Show why an app does not run as it should.
///
/// Names every cause, what the program wrote last, and what to type next: programs that
/// end or run out of memory, failing health checks, images that cannot be pulled, ports that
/// are taken, nodes that do not fit and why, secrets, configs and networks that are missing,
/// data that is on another node, updates that swarm paused, and operations that did not
/// finish. Exit code 0 if everything runs as it should, 1 if there is a cause, also if
/// services are still starting, and if the server does not answer.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Only the containers of the node that potluck talks to can be asked what a health check
printed, and whether memory was used up; `app logs` reads those of every node.

JSON: {app, stack, ok, causes}; a cause is {service, cause, message, details, log,
next}; `service` is null for what is about the app; `cause` is a stable code, such as
`exited`, `out-of-memory`, `unhealthy`, `image-missing`, `no-node`, `port-taken`,
`scaled-to-0`, `data-elsewhere`, `deploy-unfinished` or, as in `app check`,
`secret-missing`; `details` is what each node says, `log` the last lines that the task
wrote, `next` what to do.")]
pub struct Args {
    #[command(flatten)]
    app: AppArg,

    #[command(flatten)]
    json: JsonArg,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let entry = session.app(&home, &args.app)?;
    let on_server = super::on_server(session, &home, &entry)?;
    // What of it cannot be read is said already.
    let lock = home.salvage(&entry)?.lock;
    let docker = session.docker_config();
    let report = wait("interrupted: nothing was changed", async {
        Ok(app::causes(&home, &on_server, &lock, &docker).await)
    })?;
    session.report(&report, &args.json, |report| {
        let app = &report.app;
        if report.ok {
            let services = counted(report.services, "service");
            session.ui.say(format_args!("All is well with {app}: {services}."));
        } else {
            session.ui.say(format_args!("{app} does not run as it should:"));
        }
        report.causes.iter().try_for_each(|cause| show(&session.ui, cause))
    })?;
    Ok(if report.ok { Exit::DONE } else { Exit::FAILED })
}

fn show(ui: &Ui, cause: &CauseRow) -> Result<(), Failure> {
    let CauseRow { service, message, details, log, next, .. } = cause;
    match service {
        Some(service) => ui.out(format_args!("{BOLD}{}{BOLD:#}: {message}", clean(service)))?,
        None => ui.out(message)?,
    }
    for detail in details {
        ui.out(format_args!("  {detail}"))?;
    }
    for line in log {
        ui.out(format_args!("  {DIM}|{DIM:#} {line}"))?;
    }
    for step in next {
        ui.out(format_args!("  -> {step}"))?;
    }
    Ok(())
}
