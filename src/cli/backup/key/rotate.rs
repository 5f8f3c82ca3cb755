//! `potluck backup key rotate`

use crate::{
    backup,
    cli::{
        arguments::JsonArg,
        exit::Exit,
        failure::Outcome,
        grants::{Answers, PlanQuestion},
        session::{Session, wait_cancelling},
    },
    home::{CopyName, ServerName},
};

/// Give the repositories of a server new passwords.
///
/// Adds a key with a new password to each repository, proves that it opens it, puts the
/// password into the file that server.yml names, and removes the old key. A file that opens
/// several repositories, also of other servers, is rotated for all of them. What was
/// interrupted is finished by the next call; the file opens its repositories at any time.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck backup key rotate swarm.example.org
  potluck backup key rotate swarm.example.org --from vault

JSON: a list of {file, repositories, resumed}; a repository is {server, copy, repository},
`resumed` says that an earlier rotation was finished instead.")]
pub struct Args {
    /// The server
    #[arg(value_name = "SERVER")]
    server: ServerName,

    /// Only of this copy, as `copies` in server.yml names it
    #[arg(long, value_name = "COPY")]
    from: Option<CopyName>,

    #[command(flatten)]
    json: JsonArg,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    home.server(&args.server)?;
    let operating = session.context(&home, Answers::new(&session.ui, PlanQuestion::Yes))?;
    let options = super::super::options().of(args.from.as_ref());
    let reports = wait_cancelling(&options.cancel, async {
        Ok(backup::rotate_key(&operating.context, &args.server, &options).await?)
    })?;
    drop(operating);
    session.report(&reports, &args.json, |reports| {
        if reports.is_empty() {
            session.ui.say(format_args!("{} has no repository yet.", args.server));
        }
        for report in reports {
            let names: Vec<&str> =
                report.repositories.iter().map(|it| it.repository.as_str()).collect();
            let names = names.join(", ");
            match report.resumed {
                true => session.ui.say(format_args!("Finished the rotation for {names}.")),
                false => session.ui.say(format_args!("A new password opens {names}.")),
            }
        }
        Ok(())
    })?;
    for report in &reports {
        session.ui.warn(format_args!(
            "keep a copy of the password in {} elsewhere: without it no backup can be read",
            report.file.display()
        ));
    }
    Ok(Exit::DONE)
}
