//! `potluck backup status`

use std::{collections::BTreeMap, time::Duration};

use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use serde::Serialize;

use super::run::is_excepted;
use crate::{
    backup::{
        self, SetId,
        nightly::{
            CopyFacts, Facts, Kept, Record, Severity, Verdict,
            care::{care, drilled},
            kept as kept_in,
            verdict::{MAX_AGE, judge, sort},
        },
    },
    cli::{
        arguments::{JsonArg, duration},
        exit::Exit,
        failure::{Failure, Outcome},
        grants::{Answers, PlanQuestion},
        session::{SERVERS_AT_A_TIME, Session, operator, wait_cancelling},
        side_by_side::select_known,
    },
    hint::Hint,
    home::{AppEntry, BackupSettings, CopyName, NightlySettings, ServerName},
    notify,
};

/// Show whether every app has a backup that is recent enough.
///
/// Looks at the repositories, and at what the last attempts came to: age and size of the
/// newest complete backup, warnings, the last error, copies that lag behind, and how retention,
/// prune and check went. An app without a backup is wrong, also
/// if nothing ever tried to make one. The worst is listed first. Nothing is changed.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck backup status
  potluck backup status --max-age 26h --notify
  potluck backup schedule install --status '0 9 * * *' --name potluck-status

Exit codes: 0 everything is as it should be, or a warning; 1 something is wrong.

JSON: {ok, apps, left_out}; an app is {app, server, severity, set, age_seconds, bytes,
last_attempt, findings}, its severity `fine`, `warning` or `wrong`, the last attempt
{ended, outcome, error, next} or null, a finding {code, severity, message, next}.")]
pub struct Args {
    /// Only these apps, by domain, or a pattern with `*`
    #[arg(value_name = "APP")]
    apps: Vec<String>,

    /// Only on this server
    #[arg(short, long, value_name = "NAME")]
    server: Option<ServerName>,

    /// How old the newest backup may be [default: `max-age` in backup.yml, else 26h]
    #[arg(long, value_name = "TIME", value_parser = age)]
    max_age: Option<Duration>,

    /// Treat warnings as wrong
    #[arg(long)]
    strict: bool,

    /// If something is wrong, tell those whom notify.yml names
    #[arg(long)]
    notify: bool,

    #[command(flatten)]
    json: JsonArg,
}

#[derive(Serialize)]
struct Report {
    ok: bool,
    /// The worst first.
    apps: Vec<Verdict>,
    /// Apps that the settings leave out.
    left_out: Vec<String>,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let settings = home.nightly()?;
    let max_age = max_age(args.max_age, &settings)?;
    let apps = select_known(&home, &args.apps, args.server.as_ref())?;
    let (left_out, apps): (Vec<AppEntry>, Vec<AppEntry>) =
        apps.into_iter().partition(|app| is_excepted(&settings, app));
    let operating = session.context(&home, Answers::new(&session.ui, PlanQuestion::Yes))?;
    let options = super::options();
    // Each repository of a server is asked once, for one of its apps.
    let mut settings_of: BTreeMap<&ServerName, BackupSettings> = BTreeMap::new();
    let mut places: BTreeMap<(&ServerName, Option<CopyName>), &AppEntry> = BTreeMap::new();
    for app in &apps {
        // Settings that cannot be read are what the repository cannot be read for.
        let backup = home.backup(&app.server).unwrap_or_default();
        for (copy, _) in backup.copies_of(&app.name) {
            places.insert((&app.server, Some(copy.clone())), app);
        }
        places.insert((&app.server, None), app);
        settings_of.insert(&app.server, backup);
    }
    let context = &operating.context;
    type Why = (String, Option<String>);
    let told = |error: backup::Error| (error.to_string(), error.hint());
    let mut kept: BTreeMap<(&ServerName, Option<CopyName>), Result<Kept, Why>> = BTreeMap::new();
    let mut doubted: BTreeMap<&AppEntry, Result<BTreeMap<SetId, String>, Why>> = BTreeMap::new();
    wait_cancelling(&options.cancel, async {
        let (options, apps) = (&options, &apps);
        let listings = places.into_iter().map(|(place, app)| async move {
            let found = kept_in(context, app, &options.of(place.1.as_ref())).await.map_err(told);
            let mut doubted = Vec::new();
            if let (Ok(found), None) = (&found, &place.1) {
                for app in apps.iter().filter(|app| app.server == *place.0) {
                    let judged = found.doubted(context, app, options).await;
                    doubted.push((app, judged.map_err(told)));
                }
            }
            (place, found, doubted)
        });
        let mut listings = stream::iter(listings).buffer_unordered(SERVERS_AT_A_TIME);
        while let Some((place, found, judged)) = listings.next().await {
            kept.insert(place, found);
            doubted.extend(judged);
        }
        match options.cancel.is_cancelled() {
            true => Err(Failure::interrupted("")),
            false => Ok(()),
        }
    })?;
    let now = Timestamp::now();
    let drills = home.has_evidence()?;
    let mut verdicts: Vec<Verdict> = apps
        .iter()
        .map(|app| {
            let of = |copy: Option<CopyName>| {
                let found = kept.get(&(&app.server, copy)).expect("each repository was asked");
                found.as_ref().map(|kept| kept.of(app)).map_err(Clone::clone)
            };
            let own = kept.get(&(&app.server, None)).expect("each repository was asked");
            let backup = settings_of.get(&app.server).expect("it is of one of the apps");
            let mut cared = care(&home, app, None, backup);
            cared.push(drilled(&home, app, drills));
            let mut copies = Vec::new();
            for (name, copy) in backup.copies_of(&app.name) {
                cared.extend(care(&home, app, Some(name), &copy.clone().into()));
                copies.push(CopyFacts { name: name.to_string(), sets: of(Some(name.clone())) });
            }
            let (sets, doubted) = match doubted.remove(app) {
                Some(Err(why)) => (Err(why), BTreeMap::new()),
                Some(Ok(doubted)) => (of(None), doubted),
                None => (of(None), BTreeMap::new()),
            };
            judge(Facts {
                app: app.name.as_str(),
                server: app.server.as_str(),
                record: Record::read(&home, app).map_err(|error| error.to_string()),
                sets,
                unreadable: own.as_ref().ok().and_then(Kept::unreadable),
                copies,
                care: cared,
                doubted,
                max_age,
                now,
            })
        })
        .collect();
    sort(&mut verdicts);
    let least = if args.strict { Severity::Warning } else { Severity::Wrong };
    let wrong = verdicts.iter().filter(|verdict| verdict.severity >= least).count();
    let report = Report {
        ok: wrong == 0,
        apps: verdicts,
        left_out: left_out.iter().map(|app| app.name.to_string()).collect(),
    };
    drop(operating);
    let summary = match wrong {
        0 => format!("{} of {} apps are as they should be", report.apps.len(), report.apps.len()),
        wrong => format!("something is wrong with {wrong} of {} apps", report.apps.len()),
    };
    if args.notify && settings.notify.is_none() {
        session.ui.warn("nobody is notified: there is no notify.yml");
        let how = "write `mail: [ADDRESS]` into notify.yml in the operator's folder";
        session.ui.hint(how);
    }
    if args.notify
        && wrong > 0
        && let Some(notify) = &settings.notify
    {
        let lines: Vec<String> = report.apps.iter().map(Verdict::line).collect();
        let text = format!("{summary}.\n\n{}\n", lines.join("\n"));
        let subject = format!("potluck on {}: {summary}", operator().host);
        let telling = notify::tell(notify, &subject, &text, &options.environment);
        for failed in wait_cancelling(&options.cancel, async { Ok(telling.await) })? {
            session.ui.warn(failed);
        }
    }
    session.report(&report, &args.json, |report| {
        for verdict in &report.apps {
            session.ui.out(verdict.line())?;
        }
        if !report.left_out.is_empty() {
            let left_out = report.left_out.join(", ");
            session.ui.say(format_args!("left out by backup.yml: {left_out}"));
        }
        session.ui.say(format_args!("{summary}."));
        Ok(())
    })?;
    Ok(if wrong > 0 { Exit::FAILED } else { Exit::DONE })
}

/// How old the newest backup may be: as the command line says, else the settings.
///
/// # Errors
/// Where the settings name no time.
pub fn max_age(given: Option<Duration>, settings: &NightlySettings) -> Result<Duration, Failure> {
    match (given, &settings.max_age) {
        (Some(given), _) => Ok(given),
        (None, None) => Ok(MAX_AGE),
        (None, Some(text)) => age(text).map_err(|reason| {
            Failure::new(format!("`max-age: {text}` in backup.yml is not a time")).hint(reason)
        }),
    }
}

/// A duration with its unit: who writes 26 here means hours, not seconds.
fn age(text: &str) -> Result<Duration, String> {
    match text.parse::<u64>() {
        Ok(number) => Err(format!("write its unit, too: {number}h or {number}d")),
        Err(_) => duration(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_has_a_unit() {
        assert_eq!(age("26h"), Ok(Duration::from_secs(26 * 3600)));
        assert_eq!(age("26"), Err("write its unit, too: 26h or 26d".to_owned()));
    }
}
