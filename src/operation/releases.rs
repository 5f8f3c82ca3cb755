//! The releases of an app on its swarm: what ran well, so that it can come back without
//! the recipe. One is recorded as the last thing that a deploy brings.

use crate::{
    app::{App, Error, version},
    engine::{self, Engine, Scope, if_there},
    home::StackName,
    owner::{
        Confined,
        journal::{Entry, What},
        release::{self, Kept, LARGEST_NUMBER, RELEASE_OF, Release, Service, keep, named},
    },
    rollout::work::{Stale, Work},
};

use super::record::settings;

/// Numbers that are tried if somebody else's config has the name; then it is an error.
const TRIES: u64 = 5;

/// The releases of a stack.
#[derive(Debug, Default)]
pub(super) struct Releases {
    /// Newest first.
    pub known: Vec<Kept>,
    /// Those that cannot be read, and why.
    pub unreadable: Vec<Error>,
    gone: Vec<Gone>,
}

/// One that is no longer kept.
#[derive(Debug)]
struct Gone {
    config: String,
    operation: String,
}

/// What a stack's swarm has of it.
///
/// # Errors
/// What the engine says.
pub(super) async fn all(confined: &Confined) -> Result<Releases, Error> {
    let (engine, stack) = (confined.beneath(), confined.stack());
    let found = engine.configs(Scope::Labelled(RELEASE_OF, stack.as_str())).await?;
    let (mut known, mut unreadable, mut gone) = (Vec::new(), Vec::new(), Vec::new());
    for config in found {
        match Kept::read(stack, &config) {
            Ok(kept) => {
                // One after the other: somebody may have written thousands, and they unfold.
                known.push(kept);
                let surplus;
                (known, surplus) = keep(known, None);
                gone.extend(
                    surplus.into_iter().map(|kept| Gone {
                        config: kept.config,
                        operation: kept.release.operation,
                    }),
                );
            }
            Err(why) => unreadable.push(Error::BadJournal {
                name: config.spec.and_then(|spec| spec.name).unwrap_or_default(),
                reason: why.to_string(),
            }),
        }
    }
    Ok(Releases { known, unreadable, gone })
}

/// The releases of an app, oldest first, that could no longer come back without one of these
/// secrets, `r3`.
///
/// # Errors
/// What the engine says.
pub async fn needing(app: &App, secrets: &[String]) -> Result<Vec<String>, Error> {
    let known = all(&app.engine).await?.known.into_iter().rev();
    let needs = |it: &Kept| it.release.secrets.iter().any(|name| secrets.contains(name));
    Ok(known.filter(needs).map(|it| it.release.name()).collect())
}

impl Releases {
    /// What runs, if nobody changed it by hand.
    pub fn newest(&self) -> Option<&Release> {
        Some(&self.known.first()?.release)
    }

    /// Takes from what is removed what a release needs that is still kept when there is
    /// one more; everything where one cannot be read.
    pub fn keep(&self, stale: &mut Stale) {
        if !self.unreadable.is_empty() {
            stale.secrets.clear();
            stale.configs.clear();
        }
        let (kept, _) = keep(self.known.clone(), Some(0));
        for Kept { release, .. } in kept {
            stale.keep(&release.secrets, &release.configs);
        }
    }
}

/// What an operation brought to the swarm.
pub(super) fn of(app: &App, work: &Work, entry: &Entry) -> Release {
    let specs = work.services.iter().map(|service| &service.spec);
    let (secrets, configs) = named(specs);
    let depends_on = |key: &str| {
        let service = app.stack.services.iter().find(|service| service.key == key);
        service.map(|service| service.depends_on.clone()).unwrap_or_default()
    };
    Release {
        number: 0,
        operation: entry.operation.clone(),
        user: entry.user.clone(),
        host: entry.host.clone(),
        at: jiff::Timestamp::now(),
        app: entry.app.clone(),
        recipe: entry.recipe.clone(),
        version: entry.after.clone().unwrap_or_default(),
        pin: version::pinned(app),
        settings: settings(app),
        // Theirs is the one that came back.
        set: entry.set.clone().filter(|_| !matches!(entry.what, What::Rollback | What::Rebuild)),
        migrated: entry.migrations.clone(),
        replays: entry.replays,
        restored: entry.what == What::Rollback && entry.set.is_some(),
        services: work
            .services
            .iter()
            .map(|service| Service {
                key: service.key.clone(),
                spec: service.spec.clone(),
                depends_on: depends_on(&service.key),
            })
            .collect(),
        networks: app.stack.networks.clone(),
        external_networks: app.stack.external_networks.clone(),
        secrets,
        configs,
        volumes: app.stack.volumes.clone(),
    }
}

/// Records what an operation brought, unless that is what was recorded last; the oldest go.
/// Returns the operation that brought it first.
///
/// # Errors
/// [`Error::JournalTooLarge`], and what the engine says.
pub(super) async fn record(confined: &Confined, mut release: Release) -> Result<String, Error> {
    let (engine, stack) = (confined.beneath(), confined.stack());
    let Releases { known, gone, .. } = all(confined).await?;
    if let Some(Kept { release: last, .. }) = known.first()
        && (last.operation == release.operation || (last.is_same(&release) && !release.restored))
    {
        return Ok(last.operation.clone());
    }
    let next = known.first().map_or(0, |kept| kept.release.number) + 1;
    let bytes = create(&*engine, stack, &mut release, next).await?;
    let (_, surplus) = keep(known, Some(bytes));
    let surplus = surplus.into_iter().map(|kept| kept.config);
    for config in surplus.chain(gone.into_iter().map(|gone| gone.config)) {
        if_there(engine.remove_config(&config).await)?;
    }
    Ok(release.operation)
}

async fn create(
    engine: &dyn Engine,
    stack: &StackName,
    release: &mut Release,
    next: u64,
) -> Result<usize, Error> {
    for number in next.. {
        if number > LARGEST_NUMBER {
            return Err(Error::BadJournal {
                name: release::name(stack, next - 1),
                reason: "no release can follow it".into(),
            });
        }
        release.number = number;
        let spec = release::spec(stack, release).map_err(|_| Error::JournalTooLarge {
            app: release.app.clone(),
            services: release.services.len(),
        })?;
        let bytes = release::bytes(&spec);
        match engine.create_config(spec).await {
            // One that cannot be read, or of another stack with such a name.
            Err(engine::Error::Exists { .. }) if number < next + TRIES => {}
            made => return Ok(made.map(|_| bytes)?),
        }
    }
    unreachable!("the last attempt returns")
}

/// Removes the release that an operation recorded, or all of them.
///
/// # Errors
/// What the engine says.
pub(super) async fn forget(confined: &Confined, operation: Option<&str>) -> Result<(), Error> {
    let engine = confined.beneath();
    let Releases { known, gone, .. } = all(confined).await?;
    let known = known
        .into_iter()
        .map(|kept| Gone { config: kept.config, operation: kept.release.operation });
    let is_meant = |gone: &Gone| operation.is_none_or(|operation| gone.operation == operation);
    for Gone { config, .. } in known.chain(gone).filter(is_meant) {
        if_there(engine.remove_config(&config).await)?;
    }
    Ok(())
}
