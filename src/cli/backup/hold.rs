//! `potluck backup hold`

use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};

use crate::{
    backup,
    cli::{
        arguments::{AppArg, JsonArg},
        failure::{Failure, Outcome},
        grants::{Answers, PlanQuestion},
        session::{Session, wait_cancelling},
        table::Table,
    },
    home::Hold,
};

/// Keep a backup, whatever the rules of retention say.
///
/// Without BACKUP, lists what is held. Holds are in `servers/SERVER/APP.holds.yml`, which
/// the team shares; the repository knows nothing of them.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck backup hold wiki.example.org 20261121T2015 --until 2027-06-30 --reason audit
  potluck backup hold wiki.example.org 20261121T2015 --release
  potluck backup hold wiki.example.org

JSON: a list of {set, until, reason, by, at}: the one that was held or released, or all.")]
pub struct Args {
    #[command(flatten)]
    app: AppArg,

    /// The backup, or the beginning of its name
    #[arg(value_name = "BACKUP")]
    backup: Option<String>,

    /// Until the end of this day, or this time (UTC); without it, until it is released
    #[arg(long, value_name = "DATE", value_parser = until, requires = "backup")]
    until: Option<Timestamp>,

    /// Why, for colleagues
    #[arg(long, value_name = "TEXT", requires = "backup")]
    reason: Option<String>,

    /// End the hold
    #[arg(long, requires = "backup", conflicts_with_all = ["until", "reason"])]
    release: bool,

    #[command(flatten)]
    json: JsonArg,
}

/// `2027-06-30`, or a whole time.
fn until(text: &str) -> Result<Timestamp, String> {
    let bad = || "write it as 2027-06-30, or as 2027-06-30T12:00:00Z".to_owned();
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    let day: Date = text.parse().map_err(|_| bad())?;
    let next = day.checked_add(1.day()).map_err(|_| bad())?;
    Ok(next.to_zoned(TimeZone::UTC).map_err(|_| bad())?.timestamp())
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let entry = session.app(&home, &args.app)?;
    let Some(wanted) = &args.backup else {
        let holds = home.holds(&entry)?.holds;
        return session.report(&holds, &args.json, |holds| list(session, holds));
    };
    if args.until.is_some_and(|until| until <= Timestamp::now()) {
        return Err(Failure::usage("`--until` is in the past"));
    }
    let operating = session.context(&home, Answers::new(&session.ui, PlanQuestion::Yes))?;
    let context = &operating.context;
    if args.release {
        let ended = backup::release(context, &entry, wanted)?;
        drop(operating);
        return session.report(&[ended], &args.json, |ended| {
            session.ui.say(format_args!("Released {}.", ended[0].set));
            Ok(())
        });
    }
    let options = super::options();
    let held = wait_cancelling(&options.cancel, async {
        let (until, reason) = (args.until, args.reason.clone());
        Ok(backup::hold(context, &entry, wanted, until, reason, &options).await?)
    })?;
    drop(operating);
    session.report(&[held], &args.json, |held| {
        let until = match held[0].until {
            Some(until) => format!("until {}", until.strftime("%Y-%m-%d %H:%M UTC")),
            None => "until it is released".into(),
        };
        session.ui.say(format_args!("Held {} {until}.", held[0].set));
        Ok(())
    })
}

fn list(session: &Session, holds: &[Hold]) -> Result<(), Failure> {
    if holds.is_empty() {
        session.ui.say("Nothing is held.");
        return Ok(());
    }
    let mut table = Table::new(&["BACKUP", "UNTIL", "BY", "REASON"]);
    let now = Timestamp::now();
    for hold in holds {
        let until = match hold.until {
            Some(until) if hold.is_on(now) => until.strftime("%Y-%m-%d %H:%MZ").to_string(),
            Some(_) => "over".into(),
            None => "released".into(),
        };
        table.row([
            hold.set.clone(),
            until,
            hold.by.clone(),
            hold.reason.clone().unwrap_or_default(),
        ]);
    }
    table.print(&session.ui)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_ends_with_its_day() {
        let at = |text: &str| until(text).unwrap().to_string();
        assert_eq!(at("2027-06-30"), "2027-07-01T00:00:00Z");
        assert_eq!(at("2027-06-30T12:00:00Z"), "2027-06-30T12:00:00Z");
        assert_eq!(at("2027-06-30T12:00:00+02:00"), "2027-06-30T10:00:00Z");
        for bad in ["", "tomorrow", "2027-02-30", "30.6.2027", "9999-12-31"] {
            assert!(until(bad).is_err(), "{bad:?} was accepted");
        }
    }
}
