//! One operation at a time changes an app, on whichever machine it was begun.
//!
//! The lease is a config on the swarm ([`crate::owner::lease`]), made atomically, renewed
//! by version every [`RENEW`], and removed by id. A process that missed its renewals for
//! [`STOP`] changes nothing more, and before each change it asks the swarm whether the
//! lease is still its own ([`Fence`]); another one takes the lease over only when
//! it saw the same version for [`STALE`] by its own monotonic clock. The holder's clock
//! runs on while it is stopped (SIGSTOP, a suspended laptop), so that of two processes
//! never both go on. What remains is a request that was sent before: it may still arrive,
//! and fails where it names a version that the other has changed since.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};

use crate::{
    app::{Context, Error, Taken},
    engine::{self, Engine, if_there},
    home::{AppGuard, StackName},
    owner::{
        Confined, Fence,
        lease::{self as kept, Holder, Operator},
    },
};

use super::unfinished::{self, refuse_unfinished};

/// Between two renewals.
const RENEW: Duration = Duration::from_secs(15);
/// Without a renewal for this long the holder stops.
const STOP: Duration = Duration::from_secs(45);
/// Without a renewal for this long the lease may be taken over.
const STALE: Duration = Duration::from_secs(60);
/// For how long an answer of the swarm that the lease is ours is believed.
const FRESH: Duration = Duration::from_secs(1);
/// Between two looks at somebody else's lease.
const LOOK: Duration = Duration::from_secs(1);
/// How long the end of a process waits for its leases to be removed.
const LAST: Duration = Duration::from_secs(3);

/// Does what changes an app, under its lease.
///
/// # Errors
/// [`Error::Taken`] while another operation has it, [`Error::Unfinished`] where one did not
/// end, and what the work ends with.
pub async fn leased<T, E: From<Error>>(
    context: &Context,
    engine: &Confined,
    guard: &AppGuard,
    doing: &str,
    work: impl AsyncFnOnce(&Lease) -> Result<T, E>,
) -> Result<T, E> {
    let app = guard.app().name.as_str();
    leased_anyway(context, engine, guard, doing, async |lease| {
        refuse_unfinished(engine, app).await?;
        work(lease).await
    })
    .await
}

/// The same where an earlier operation may be unfinished.
///
/// # Errors
/// As [`leased`].
pub(super) async fn leased_anyway<T, E: From<Error>>(
    context: &Context,
    engine: &Confined,
    guard: &AppGuard,
    doing: &str,
    work: impl AsyncFnOnce(&Lease) -> Result<T, E>,
) -> Result<T, E> {
    let lease = Lease::take(context, engine, guard, doing).await?;
    // A wait for services ends, too, once somebody else has the app.
    let outcome = tokio::select! {
        biased;
        outcome = work(&lease) => outcome,
        lost = lease.lost() => {
            context.progress.warn(unfinished::whats_next(guard.app().name.as_str(), Some(&lost)));
            Err(Error::from(lost).into())
        }
    };
    engine.fence(None);
    if let Err(error) = lease.release().await {
        context.progress.warn(format!(
            "{}: its lease is not released, which keeps others waiting for a minute: {error}",
            guard.app().name
        ));
    }
    outcome
}

/// That this process may change an app. Let go with [`Lease::release`]; when it is only
/// dropped, as by Ctrl-C, [`release_dropped`] does it.
#[derive(Debug)]
pub struct Lease {
    state: Arc<State>,
    renewing: JoinHandle<()>,
    released: bool,
}

struct State {
    engine: Arc<dyn Engine>,
    stack: StackName,
    holder: Holder,
    /// The config's id.
    config: String,
    times: Mutex<Times>,
    /// Somebody else broke it or took it over.
    lost: AtomicBool,
}

/// By [`now`].
#[derive(Debug, Clone, Copy)]
struct Times {
    /// The config's version.
    version: u64,
    /// When it was last renewed.
    renewed: Duration,
    /// When the swarm was last asked, and it was ours.
    confirmed: Option<Duration>,
}

/// A clock that runs on while the process is stopped and, on Linux, while the machine is
/// suspended.
fn now() -> Duration {
    use rustix::time::{ClockId, clock_gettime};
    #[cfg(target_os = "linux")]
    let clock = ClockId::Boottime;
    #[cfg(not(target_os = "linux"))]
    let clock = ClockId::Monotonic;
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("stack", &self.stack).field("holder", &self.holder).finish()
    }
}

impl State {
    fn times(&self) -> std::sync::MutexGuard<'_, Times> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it may still be ours, as far as this process knows.
    fn may_hold(&self) -> Result<(), engine::Error> {
        let silent = now().saturating_sub(self.times().renewed);
        if self.lost.load(Ordering::Relaxed) || silent >= STOP {
            return Err(engine::Error::LeaseLost { stack: self.stack.to_string() });
        }
        Ok(())
    }

    /// Asks the swarm whether it is still ours.
    async fn confirm(&self) -> Result<(), engine::Error> {
        self.may_hold()?;
        let asked = now();
        let found = if_there(self.engine.config(&kept::name(&self.stack)).await)?;
        let found = found.and_then(|config| kept::Lease::read(&config).ok());
        match found.filter(|it| it.config == self.config && it.broken.is_none()) {
            Some(ours) => {
                let mut times = self.times();
                (times.version, times.confirmed) = (ours.version, Some(asked));
            }
            None => self.lost.store(true, Ordering::Relaxed),
        }
        self.may_hold()
    }

    /// Renews it by version.
    async fn renew(&self) -> Result<(), engine::Error> {
        let (asked, version) = (now(), self.times().version);
        let spec = kept::spec(&self.stack, &self.holder, Timestamp::now());
        match self.engine.update_config(&self.config, version, spec).await {
            Ok(()) => self.times().renewed = asked,
            // Perhaps an answer was lost: the version is read, and used at the next try.
            Err(engine::Error::OutOfSequence { .. }) => {
                self.confirm().await?;
                return Err(engine::Error::OutOfSequence { service: kept::name(&self.stack) });
            }
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error),
        }
        self.confirm().await
    }

    async fn remove(&self) -> Result<(), engine::Error> {
        if_there(self.engine.remove_config(&self.config).await)?;
        Ok(())
    }
}

#[async_trait]
impl Fence for State {
    async fn may_change(&self) -> Result<(), engine::Error> {
        let confirmed = self.times().confirmed;
        match confirmed.is_some_and(|at| now().saturating_sub(at) < FRESH) {
            true => self.may_hold(),
            false => self.confirm().await,
        }
    }

    /// Without a journal there is nothing that another process would resume.
    async fn starting(&self, _: &str, _: &str) -> Result<(), engine::Error> {
        Ok(())
    }

    async fn pausing(&self, _: &str, _: &str) -> Result<(), engine::Error> {
        Ok(())
    }
}

impl Lease {
    /// Takes the lease of an app, waiting for another operation to end for as long as the
    /// command line says, and in any case as long as it takes to know that its holder is
    /// dead.
    ///
    /// # Errors
    /// [`Error::Taken`] while another operation has it, and what the engine says.
    async fn take(
        context: &Context,
        confined: &Confined,
        guard: &AppGuard,
        doing: &str,
    ) -> Result<Lease, Error> {
        let app = &guard.app().name;
        let engine = confined.beneath();
        let stack = confined.stack();
        let holder = holder(&context.operator, guard, doing)?;
        let (began, wait) = (now(), context.lock_wait);
        let mut watched: Option<(String, u64, Duration)> = None;
        let mut told = false;
        loop {
            let asked = now();
            let spec = kept::spec(stack, &holder, Timestamp::now());
            match engine.create_config(spec).await {
                Ok(config) => {
                    let state = State {
                        engine,
                        stack: stack.clone(),
                        holder,
                        config,
                        times: Mutex::new(Times { version: 0, renewed: asked, confirmed: None }),
                        lost: AtomicBool::new(false),
                    };
                    let lease = Lease::begin(state);
                    // The version to renew it by.
                    lease.confirm().await?;
                    if watched.is_some() {
                        confined.forget().await;
                    }
                    confined.fence(Some(Arc::clone(&lease.state) as Arc<dyn Fence>));
                    return Ok(lease);
                }
                Err(engine::Error::Exists { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            let Some(other) = look(&*engine, stack).await? else {
                // It ended in between; or swarm, which compares names without case, means
                // a config that nobody finds by this name.
                if now().saturating_sub(began) >= wait.max(LAST) {
                    return Err(Error::BadLease {
                        name: kept::name(stack),
                        reason: "swarm says that it exists, and does not find it".into(),
                    });
                }
                sleep(LOOK / 4).await;
                continue;
            };
            let seen = now();
            let since = match &watched {
                Some((config, version, since))
                    if (config, *version) == (&other.config, other.version) =>
                {
                    *since
                }
                _ => seen,
            };
            watched = Some((other.config.clone(), other.version, since));
            // Only one process has a folder's lock of the app, and that is this one.
            let ended = other.holder.place.is_some() && other.holder.place == holder.place;
            if ended || seen.saturating_sub(since) >= STALE {
                let why = match ended {
                    true => "that process has ended",
                    false => "it has not renewed its lease for a minute",
                };
                context.progress.warn(format!("{app}: {}, but {why}: taking over", other.holder));
                let by = context.operator.to_string();
                end(&*engine, &other, &by).await?;
                sleep(LOOK / 4).await;
                continue;
            }
            // Clocks differ, so this only says whether it is worth a look.
            let silent = Timestamp::now().duration_since(other.renewed).unsigned_abs() >= STALE;
            let patience = if silent { wait.max(STALE + 2 * LOOK) } else { wait };
            if seen.saturating_sub(began) >= patience {
                return Err(Error::Taken(Box::new(Taken {
                    app: app.to_string(),
                    holder: other.holder,
                    renewed: other.renewed,
                })));
            }
            if !told {
                told = true;
                context.progress.warn(format!(
                    "{}: waiting, because {}{}",
                    app,
                    other.holder,
                    if silent { "; it seems to be dead, which takes a minute to know" } else { "" }
                ));
            }
            sleep(LOOK).await;
        }
    }

    fn begin(state: State) -> Lease {
        let state = Arc::new(state);
        let renewed = Arc::clone(&state);
        let renewing = tokio::spawn(async move {
            loop {
                sleep(RENEW).await;
                while renewed.may_hold().is_ok() && renewed.renew().await.is_err() {
                    sleep(LOOK).await;
                }
                if renewed.may_hold().is_err() {
                    return;
                }
            }
        });
        Lease { state, renewing, released: false }
    }

    /// Who has it, as others see it.
    pub fn holder(&self) -> &Holder {
        &self.state.holder
    }

    /// What lets changes through as long as it is ours.
    pub(super) fn as_fence(&self) -> Arc<dyn Fence> {
        Arc::clone(&self.state) as Arc<dyn Fence>
    }

    /// Ends when it is no longer ours.
    async fn lost(&self) -> engine::Error {
        loop {
            sleep(LOOK).await;
            if let Err(lost) = self.state.may_hold() {
                return lost;
            }
        }
    }

    /// Asks the swarm whether it is still ours; to be done as each step begins.
    ///
    /// # Errors
    /// [`engine::Error::LeaseLost`], and what the engine says.
    pub async fn confirm(&self) -> Result<(), engine::Error> {
        self.state.confirm().await
    }

    /// Lets it go.
    ///
    /// # Errors
    /// What the engine says; it is stale in a minute then.
    pub async fn release(mut self) -> Result<(), engine::Error> {
        self.renewing.abort();
        self.state.remove().await?;
        self.released = true;
        Ok(())
    }
}

/// Leases that were dropped before they were released.
static DROPPED: Mutex<Vec<Arc<State>>> = Mutex::new(Vec::new());

impl Drop for Lease {
    fn drop(&mut self) {
        self.renewing.abort();
        if !self.released {
            DROPPED.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&self.state));
        }
    }
}

/// Releases what Ctrl-C or an error dropped; to be called before the process ends.
pub async fn release_dropped() {
    let dropped = std::mem::take(&mut *DROPPED.lock().unwrap_or_else(PoisonError::into_inner));
    for state in dropped {
        // The next operation finds out that its holder is gone.
        let _ = timeout(LAST, state.remove()).await;
    }
}

/// The lease that somebody else has.
async fn look(engine: &dyn Engine, stack: &StackName) -> Result<Option<kept::Lease>, Error> {
    let found = if_there(engine.config(&kept::name(stack)).await)?;
    let Some(config) = found else { return Ok(None) };
    kept::Lease::read(&config)
        .map(Some)
        .map_err(|why| Error::BadLease { name: kept::name(stack), reason: why.to_string() })
}

/// Fails where an operation has the app, or did not end.
///
/// # Errors
/// [`Error::Taken`], [`Error::Unfinished`], and what the engine says.
pub async fn refuse_taken(engine: &Confined) -> Result<(), Error> {
    let app = engine.app().to_string();
    match look(&*engine.beneath(), engine.stack()).await? {
        None => refuse_unfinished(engine, &app).await,
        Some(kept::Lease { holder, renewed, .. }) => {
            Err(Error::Taken(Box::new(Taken { app, holder, renewed })))
        }
    }
}

/// Ends the operation that has an app, on whichever machine it runs: it changes nothing
/// more from then on. Returns whose it was; none where no operation has it.
///
/// # Errors
/// What the engine says.
pub async fn unlock(
    engine: &Confined,
    operator: &Operator,
    reason: &str,
) -> Result<Option<Holder>, Error> {
    let (beneath, stack) = (engine.beneath(), engine.stack());
    engine.require().await?;
    let Some(other) = look(&*beneath, stack).await? else { return Ok(None) };
    end(&*beneath, &other, &format!("{operator}: {reason}")).await?;
    // One that was renewed at that moment is still there.
    match look(&*beneath, stack).await? {
        Some(still) if still.config == other.config => {
            end(&*beneath, &still, &format!("{operator}: {reason}")).await?;
        }
        _ => {}
    }
    Ok(Some(other.holder))
}

/// Ends somebody else's lease: by version first, so that of a renewal at the same moment
/// one fails; then by id.
async fn end(engine: &dyn Engine, other: &kept::Lease, by: &str) -> Result<(), Error> {
    match engine.update_config(&other.config, other.version, other.ended(by)).await {
        Ok(()) => {}
        // It was renewed or ended: look again.
        Err(engine::Error::OutOfSequence { .. }) => return Ok(()),
        Err(error) if error.is_not_found() => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    if_there(engine.remove_config(&other.config).await)?;
    Ok(())
}

fn holder(operator: &Operator, guard: &AppGuard, doing: &str) -> Result<Holder, Error> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| engine::Error::Io {
        action: "reading the operating system's randomness".into(),
        source: error.into(),
    })?;
    Ok(Holder {
        operation: hex::encode(random),
        doing: doing.to_owned(),
        user: operator.user.clone(),
        host: operator.host.clone(),
        pid: std::process::id(),
        since: Timestamp::now(),
        place: guard.place().map(str::to_owned),
    })
}
