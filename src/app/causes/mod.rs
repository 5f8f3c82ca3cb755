//! Why an app does not run as it should, for anyone who is called at night: each cause in
//! one sentence, what a program wrote, and what to type next.
//!
//! What the services say is [`crate::rollout::state::cause`]'s; here are the app's own causes
//! (what its lock file remembers as unfinished, an operation that has it, what it needs and
//! its server lacks) and the words for both. All of it must work when the recipe, the settings
//! or the lock file cannot be read, so it begins from [`OnServer`].

mod next;
mod own;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    engine::{self, Engine, docker_config::DockerConfig},
    hint::Hint,
    home::{AppEntry, AppName, Home, LockFile, StackName},
    lint::{Finding, Severity, rules},
    owner::{
        history::{self, Line},
        journal, lease,
    },
    recipe::Version,
    rollout::{
        Place,
        state::cause::{
            Cause,
            gather::{self, Diagnosis, Told, diagnose},
        },
    },
    text::line,
};

use super::{
    OnServer, Unfinished,
    survey::{Server, survey_at},
};

/// Why an app does not run as it should.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Causes {
    pub app: String,
    pub stack: String,
    /// Whether there are no causes: everything runs as it should.
    pub ok: bool,
    pub causes: Vec<CauseRow>,
    /// How many services the swarm has of it.
    #[serde(skip)]
    pub services: usize,
}

/// One cause.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CauseRow {
    /// The key in the compose file; none for what is about the app.
    pub service: Option<String>,
    /// `exited`, `out-of-memory`, `port-taken` and so on; a code of lint for what is
    /// missing.
    pub cause: String,
    pub message: String,
    /// What belongs to it, one line each: what every node says.
    pub details: Vec<String>,
    /// The last lines that the task wrote.
    pub log: Vec<String>,
    /// What to do about it, with the commands to type.
    pub next: Vec<String>,
}

/// Looks for everything that keeps an app from running. A server that does not answer is one
/// of the causes.
pub async fn causes(
    home: &Home,
    on_server: &OnServer,
    lock: &LockFile,
    docker: &DockerConfig,
) -> Causes {
    let app = &on_server.entry.name;
    let mut rows = Vec::new();
    let mut services = 0;
    match seen(home, on_server, lock, docker).await {
        Err(error) => {
            rows.extend(own::unfinished(app, lock));
            rows.push(CauseRow {
                cause: rules::SERVER_UNAVAILABLE.code.to_owned(),
                message: line(&error.to_string()).into_owned(),
                next: error.hint().into_iter().collect(),
                ..CauseRow::default()
            });
        }
        Ok(Seen { found, known, place }) => {
            services = found.len();
            rows.extend(operations(app, lock, &known));
            let set = lock.restoring.as_deref();
            let open = known.open.as_ref();
            let of_services: Vec<CauseRow> =
                found.iter().flat_map(|it| of_service(app, it, open, set, &place)).collect();
            if services == 0 || !rows.is_empty() || !of_services.is_empty() {
                let findings =
                    survey_at(home, &on_server.entry, &Version::Newest, Server::Asked).await;
                rows.extend(missing(findings, services));
            }
            if services == 0 {
                rows.push(own::not_deployed(app, &rows));
            }
            rows.extend(of_services);
        }
    }
    Causes {
        app: app.to_string(),
        stack: on_server.stack.to_string(),
        ok: rows.is_empty(),
        causes: rows,
        services,
    }
}

/// What the server says.
struct Seen {
    found: Vec<Diagnosis>,
    known: Known,
    place: Place,
}

/// What the swarm knows of operations on the app.
#[derive(Default)]
struct Known {
    holder: Option<own::Holder>,
    open: Option<Unfinished>,
    last: Option<Line>,
    /// Of what cannot be read, and keeps every operation from the app, the name and why.
    unreadable: Option<(String, String)>,
}

impl Known {
    /// Side by side; of a lease and a history that cannot be read, the command that needs
    /// them says it.
    async fn read(
        home: &Home,
        app: &AppEntry,
        engine: &dyn Engine,
        stack: &StackName,
    ) -> Result<Self, engine::Error> {
        let names = [lease::name(stack), journal::name(stack), history::name(stack)];
        let [lease, journal, history] = names.each_ref().map(|name| async move {
            match engine.config(name).await {
                Ok(config) => Ok(Some(config)),
                Err(error) if error.is_not_found() => Ok(None),
                Err(error) => Err(error),
            }
        });
        let (lease, journal, history) = futures_util::try_join!(lease, journal, history)?;
        let lease = lease.and_then(|it| lease::Lease::read(&it).ok());
        let (open, unreadable) = match journal.map(|it| journal::Journal::read(&it)) {
            None => (None, None),
            Some(Ok(journal)) => (Some(journal), None),
            Some(Err(why)) => (None, Some((journal::name(stack), why.to_string()))),
        };
        let history = history.and_then(|it| history::History::read(&it).ok());
        // Only one process has a folder's lock of the app: the one that had it before has ended.
        let free = home.guard_app(app, "a look").ok();
        let place = free.as_ref().and_then(|guard| guard.place());
        Ok(Known {
            holder: lease.map(|lease| own::Holder::of(lease, place)),
            open: open.filter(|it| it.reached.outcome.is_none()).map(|it| Unfinished::of(&it)),
            last: history.and_then(|it| it.lines.into_iter().rfind(Line::is_of_services)),
            unreadable,
        })
    }
}

/// Operations that have the app, did not end or failed.
fn operations(app: &AppName, lock: &LockFile, known: &Known) -> Vec<CauseRow> {
    if let Some(holder) = known.holder.as_ref().filter(|holder| !holder.is_old) {
        // What is not finished is being done.
        return vec![own::operation(app, holder)];
    }
    if let Some(open) = &known.open {
        return vec![own::did_not_end(open)];
    }
    let mut rows = own::unfinished(app, lock);
    rows.extend(known.unreadable.as_ref().map(|(name, why)| own::unreadable(name, why)));
    if let Some(failed) = known.last.as_ref().and_then(|last| own::failed(app, last)) {
        // The same deploy, and it says why.
        rows.retain(|row| row.cause != own::DEPLOY_UNFINISHED);
        rows.push(failed);
    }
    rows.extend(known.holder.as_ref().map(|holder| own::operation(app, holder)));
    rows
}

async fn seen(
    home: &Home,
    on_server: &OnServer,
    lock: &LockFile,
    docker: &DockerConfig,
) -> Result<Seen, engine::Error> {
    let engine = on_server.engine.readable().await?;
    // Where nothing is recorded, the tasks say what they can.
    let owned = on_server.engine.owned().await.ok();
    let recorded: BTreeMap<String, String> =
        owned.map(|owned| owned.nodes_of_volumes()).unwrap_or_default();
    let context = gather::Context { recorded, resting: &lock.resting, docker: Some(docker) };
    let found = diagnose(engine, &on_server.stack, &context);
    let known = Known::read(home, &on_server.entry, engine, &on_server.stack);
    let (found, known) = futures_util::try_join!(found, known)?;
    Ok(Seen { found, known, place: Place::of(engine) })
}

fn of_service(
    app: &AppName,
    found: &Diagnosis,
    open: Option<&Unfinished>,
    set: Option<&str>,
    place: &Place,
) -> Vec<CauseRow> {
    let Diagnosis { service, causes } = found;
    let row = |Told { cause, log }: &Told| CauseRow {
        service: Some(line(service).into_owned()),
        cause: cause.code().to_owned(),
        message: cause.to_string(),
        details: cause.details(),
        log: log.clone(),
        next: match (cause, open) {
            // A deploy is refused until that is finished or undone.
            (Cause::Held | Cause::NoReplicas, Some(open)) => vec![open.next()],
            _ => next::next(cause, &next::Of { app, service, set, place }),
        },
    };
    causes.iter().map(row).collect()
}

/// What the app needs and its server lacks; of one without services there, everything that
/// prevents a deploy.
fn missing(findings: Vec<Finding>, services: usize) -> impl Iterator<Item = CauseRow> {
    const LACKING: &[&str] = &[
        rules::SECRET_MISSING.code,
        rules::SECRET_VERSION_MISSING.code,
        rules::CONFIG_MISSING.code,
        rules::NETWORK_MISSING.code,
        rules::DRIVER_MISSING.code,
        rules::OTHER_RECIPE.code,
    ];
    let counts = move |finding: &Finding| {
        finding.severity == Severity::Error && (services == 0 || LACKING.contains(&finding.code))
    };
    findings.into_iter().filter(counts).map(|finding| CauseRow {
        cause: finding.code.to_owned(),
        message: line(&finding.to_string()).into_owned(),
        next: finding.fix.iter().map(|fix| line(fix).into_owned()).collect(),
        ..CauseRow::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_being_done_is_not_called_unfinished() {
        let app = AppName::new("wiki.example.org").unwrap();
        let at: jiff::Timestamp = "2026-11-26T03:00:00Z".parse().unwrap();
        let lock = LockFile { begun: Some(Default::default()), ..LockFile::default() };
        let holder = |is_old| {
            let told = lease::Holder {
                operation: "0a".into(),
                doing: "a deploy".into(),
                user: "anna".into(),
                host: "laptop".into(),
                pid: 7,
                since: at,
                place: None,
            };
            Some(own::Holder { told, renewed: at, is_old })
        };
        let open = || {
            Some(Unfinished {
                app: app.to_string(),
                operation: "0a".into(),
                what: journal::What::Deploy,
                told: "a deploy by anna".into(),
                began: at,
                steps: Vec::new(),
                step: None,
                no_return: None,
                past_return: false,
                aborting: false,
                running: false,
                holds: Vec::new(),
                server: None,
            })
        };
        for (holder, open, codes) in [
            (None, None, &["deploy-unfinished"][..]),
            (holder(false), open(), &["operation"]),
            (holder(true), open(), &["operation-unfinished"]),
            (holder(true), None, &["deploy-unfinished", "operation"]),
        ] {
            let rows = operations(&app, &lock, &Known { holder, open, ..Known::default() });
            let found: Vec<&str> = rows.iter().map(|row| row.cause.as_str()).collect();
            assert_eq!(found, codes);
        }
        let rows = operations(&app, &lock, &Known { open: open(), ..Known::default() });
        assert!(rows[0].next[0].contains("`potluck app resume wiki.example.org`"), "{rows:?}");
        let unreadable = Some(("potluck.w.journal".to_owned(), "not a list".to_owned()));
        let known = Known { unreadable, ..Known::default() };
        let rows = operations(&app, &LockFile::default(), &known);
        assert_eq!(rows[0].cause, "journal-unreadable");
        assert!(rows[0].next[0].contains("`docker config rm potluck.w.journal`"), "{rows:?}");
    }

    #[test]
    fn of_a_deployed_app_only_what_is_missing_counts() {
        let findings = || {
            let mut old = Finding::new(&rules::SECRET_MISSING, "no longer needed");
            old.severity = Severity::Warning;
            vec![
                Finding::new(&rules::SECRET_MISSING, "not on the server").fix("run `x`"),
                Finding::new(&rules::COMPOSE_INVALID, "not a map"),
                old,
            ]
        };
        let codes = |services| -> Vec<String> {
            missing(findings(), services).map(|row| row.cause).collect()
        };
        assert_eq!(codes(1), ["secret-missing"]);
        assert_eq!(codes(0), ["secret-missing", "compose-invalid"]);
        assert_eq!(missing(findings(), 1).next().unwrap().next, ["run `x`"]);
    }
}
