//! Compares what an app's stack needs with what exists and who owns it.
//!
//! The namespace label is believed only here: in the question whether to take over
//! a stack that docker, abra or an unknown folder deployed.

use crate::{
    engine::Kind,
    owner::{Confined, Owned, Standing, Wanted},
    progress::Event,
    rollout::work::Work,
};

use super::{App, Context, Error, questions::Takeover};

/// What comes of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asking {
    /// The question is asked, unless it was answered with yes beforehand; then
    /// the record on the server changes.
    Asked { agreed: bool },
    /// It is only shown, as a warning of the plan; nothing on the server changes.
    Shown,
}

/// Ensures that the stack is the app's before anything else is checked: takes over what an
/// earlier potluck deployed from this folder, and asks once before it takes over anything
/// else. Returns what the plan says about it.
///
/// # Errors
/// [`Error::NeedsTakeover`]; [`crate::engine::Error::Foreign`] for what is
/// another app's.
pub(crate) async fn enter(
    context: &Context,
    app: &App,
    asking: Asking,
) -> Result<Vec<String>, Error> {
    let swarm = &app.engine;
    match (swarm.standing().await?, asking) {
        (Standing::Free | Standing::Ours | Standing::Earlier, _) => Ok(Vec::new()),
        (Standing::Unrecorded, _) => {
            let found = swarm.found().await?;
            take_over(context, app, &found, asking).await?;
            Ok(vec![to_be_taken_over(app, &found)])
        }
        (Standing::Other(owner), Asking::Asked { agreed })
            if owner.app == app.entry.name.as_str() =>
        {
            let mut question = takeover(app, &Owned::default());
            question.mixup = swarm.mixup(&owner);
            ask(context, question, agreed)?;
            swarm.disown_recipe().await?;
            Ok(Vec::new())
        }
        (Standing::Other(_) | Standing::Unnamed, _) => {
            swarm.require().await?;
            Ok(Vec::new())
        }
    }
}

/// Whether the server has nothing at all of the app: it was never deployed, or is
/// removed.
///
/// # Errors
/// What the engine says.
pub(crate) async fn is_unknown(engine: &Confined) -> Result<bool, Error> {
    Ok(engine.standing().await? == Standing::Free)
}

/// The result of checking the names that a deploy needs.
pub(crate) struct Reviewed {
    /// Names to claim before anything is made.
    pub missing: Vec<(Kind, String)>,
    /// Whether objects were taken over, so that the live state has to be read again.
    pub took: bool,
    /// What the plan says of it.
    pub warning: Option<String>,
}

/// Compares the names that a deploy needs with existing objects, and asks before
/// it takes over single objects that have one of them.
///
/// # Errors
/// As [`enter`].
pub(crate) async fn review(
    context: &Context,
    app: &App,
    work: &Work,
    asking: Asking,
) -> Result<Reviewed, Error> {
    let review = app.engine.review(&wanted(app, work)).await?;
    let took = !review.strangers.is_empty();
    if took {
        take_over(context, app, &review.strangers, asking).await?;
    }
    let warning = took.then(|| to_be_taken_over(app, &review.strangers));
    Ok(Reviewed { missing: review.missing, took, warning })
}

/// Counts what was found as the app's; the record is written with the deploy.
async fn take_over(
    context: &Context,
    app: &App,
    found: &Owned,
    asking: Asking,
) -> Result<(), Error> {
    if let Asking::Asked { agreed } = asking {
        ask(context, takeover(app, found), agreed)?;
    }
    app.engine.adopt(found).await?;
    if asking != Asking::Shown {
        say(context, app, found);
    }
    Ok(())
}

/// What only labels call the app's, as a question.
fn takeover(app: &App, found: &Owned) -> Takeover {
    let kinds = [Kind::Service, Kind::Network, Kind::Config, Kind::Secret, Kind::Volume];
    let objects = kinds
        .into_iter()
        .flat_map(|kind| found.names(kind).map(move |name| format!("{kind} `{name}`")))
        .collect();
    Takeover { app: app.entry.name.to_string(), stack: app.name.to_string(), mixup: None, objects }
}

fn to_be_taken_over(app: &App, found: &Owned) -> String {
    let objects = takeover(app, found).objects.join(", ");
    format!(
        "a takeover is needed, because these are not recorded as {}'s: {objects}",
        app.entry.name
    )
}

fn ask(context: &Context, question: Takeover, agreed: bool) -> Result<(), Error> {
    if agreed || context.consent.takeover(&question) {
        Ok(())
    } else {
        Err(Error::NeedsTakeover(Box::new(question)))
    }
}

fn say(context: &Context, app: &App, found: &Owned) {
    context.progress.event(Event::Done {
        name: "takeover".into(),
        detail: format!(
            "{} of the stack `{}` are {}'s now",
            found.summary(),
            app.name,
            app.entry.name
        ),
    });
}

/// Everything whose name is the stack's own. An existing object with
/// another name is used, not owned.
fn wanted(app: &App, work: &Work) -> Vec<Wanted> {
    let prefix = format!("{}_", app.name);
    let own = |name: &str| name.starts_with(&prefix);
    let mut wanted = Vec::new();
    let mut add = |kind, name: &str, made_outside| {
        wanted.push(Wanted { kind, name: name.to_owned(), made_outside });
    };
    for service in &work.services {
        add(Kind::Service, &service.name, false);
        let task = service.spec.task_template.as_ref();
        let Some(container) = task.and_then(|task| task.container_spec.as_ref()) else { continue };
        let configs = container.configs.iter().flatten().filter_map(|c| c.config_name.as_deref());
        for name in configs.filter(|name| own(name)) {
            add(Kind::Config, name, app.stack.external_configs.iter().any(|e| e == name));
        }
    }
    for network in app.stack.networks.keys().filter(|name| own(name)) {
        add(Kind::Network, network, false);
    }
    for secret in app.stack.external_secrets.iter().filter(|name| own(name)) {
        add(Kind::Secret, secret, true);
    }
    for name in work.secrets.iter().filter_map(|spec| spec.name.as_deref()) {
        add(Kind::Secret, name, false);
    }
    for name in work.configs.iter().filter_map(|spec| spec.name.as_deref()) {
        add(Kind::Config, name, false);
    }
    for network in &work.networks {
        add(Kind::Network, &network.name, false);
    }
    for volume in app.stack.volumes.iter().filter(|volume| !volume.external) {
        add(Kind::Volume, &volume.name, false);
    }
    wanted.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
    wanted.dedup_by(|a, b| (a.kind, &a.name) == (b.kind, &b.name));
    wanted
}
