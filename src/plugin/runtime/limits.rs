//! What a plugin may consume: defaults for each role, the ceiling to which a
//! recipe may raise them, and the account kept while a hook runs.
//!
//! Sources: `wasmtime` counts memories, tables and instances through
//! [`ResourceLimiter`]; time is kept by [`Computing`] (a guest that computes,
//! which epochs make hand itself back) and by a timeout around the whole hook (a
//! guest that waits).

use std::{
    fmt,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::Poll,
    time::Duration,
};

use wasmtime::ResourceLimiter;

pub use super::raised::InvalidLimit;
use super::raised::PluginLimits;
use crate::plugin::types::Role;

/// What an instance may consume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of linear memory, all memories together.
    pub memory: usize,
    /// Time for one hook, host calls included.
    pub wall: Duration,
    /// Time that one hook may compute, by itself or in `tools`; waiting is not
    /// included.
    pub compute: Duration,
    /// Bytes that one host call may hand to the guest.
    pub output: usize,
    /// Host calls in one hook.
    pub calls: u64,
    /// Bytes of log in one hook; what goes beyond is dropped.
    pub log: usize,
}

pub(in crate::plugin) const MIB: usize = 1 << 20;
const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

/// How long an epoch is. Short enough that a cancelled hook seems to stop at
/// once, long enough that the ticking costs nothing.
pub const TICK: Duration = Duration::from_millis(10);
/// Elements of all tables together: CPython's component has about 30 000.
const TABLE_ELEMENTS: usize = 200_000;
/// Core instances: a component of componentize-py has about 40.
const INSTANCES: usize = 256;
const TABLES: usize = 64;
/// Hooks that run at once in one process; the others wait for their turn. A
/// command runs one after the other, and only many apps at once come near this.
pub const CONCURRENT: usize = 8;
const MEMORIES: usize = 32;
/// Handles of resources alive at once; the interface hands out one.
pub const HANDLES: usize = 1024;
/// Bytes that a guest may hand to the host in one call or result. Lists of
/// lists can point at the same bytes many times; this bounds what they become.
pub const HANDOVER: usize = 32 * MIB;
/// Stack of the guest, and of the fiber that also holds the host's calls.
pub const WASM_STACK: usize = 512 << 10;
pub const FIBER_STACK: usize = 2 * MIB;
/// Bytes of a component: CPython's is 18 MB, SpiderMonkey's 12.
pub const COMPONENT: usize = 64 * MIB;

impl Limits {
    /// The defaults of a role.
    pub fn for_role(role: Role) -> Self {
        let (wall, compute) = match role {
            // Waits for services to come up and for an app's own installer.
            Role::Lifecycle | Role::Commands => (15 * MINUTE, MINUTE),
            // May stream whole databases through the plugin.
            Role::Backup => (6 * HOUR, 30 * MINUTE),
            // Rebuilding indexes takes long inside the service; the plugin waits.
            Role::Migration => (6 * HOUR, 5 * MINUTE),
            // A few requests or commands.
            Role::SsoProvider | Role::SsoClient | Role::MailProvider | Role::MailClient => {
                (5 * MINUTE, MINUTE)
            }
        };
        Limits {
            // CPython and SpiderMonkey start below 64 MiB and grow when they work.
            memory: 256 * MIB,
            wall: Duration::from_secs(wall),
            compute: Duration::from_secs(compute),
            // A page, a listing, a settings file; larger things are streamed.
            output: 8 * MIB,
            calls: 10_000,
            log: 256 << 10,
        }
    }

    /// The most generous of the roles' defaults, as one instance plays them all.
    pub fn for_roles<'a>(roles: impl IntoIterator<Item = &'a Role>) -> Self {
        roles
            .into_iter()
            .map(|role| Limits::for_role(*role))
            .reduce(|a, b| Limits {
                wall: a.wall.max(b.wall),
                compute: a.compute.max(b.compute),
                ..a
            })
            .unwrap_or_else(|| Limits::for_role(Role::Lifecycle))
    }

    /// These limits with what a recipe sets. A longer time is also more time to
    /// compute, in proportion.
    ///
    /// # Errors
    /// [`InvalidLimit`] beyond the ceiling, and for nothing at all.
    pub fn with_raised(self, raised: &PluginLimits) -> Result<Self, InvalidLimit> {
        raised.check()?;
        let mut limits = self;
        if let Some(mib) = raised.memory_mib {
            limits.memory = mib as usize * MIB;
        }
        if let Some(seconds) = raised.timeout_seconds {
            limits.wall = Duration::from_secs(seconds);
            if limits.wall > self.wall {
                limits.compute = self.compute.mul_f64(limits.wall.div_duration_f64(self.wall));
            }
            limits.compute = limits.compute.min(limits.wall);
        }
        Ok(limits)
    }
}

/// A limit that a hook ran into.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Exceeded {
    Memory {
        limit: usize,
    },
    Tables {
        limit: usize,
    },
    Wall {
        limit: Duration,
    },
    Compute {
        limit: Duration,
    },
    Calls {
        limit: u64,
    },
    /// Bytes that a guest handed to the host at once.
    Handover {
        limit: usize,
    },
    Stack {
        limit: usize,
    },
}

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exceeded::Memory { limit } => write!(f, "memory ({} MiB)", limit / MIB),
            Exceeded::Tables { limit } => write!(f, "table elements ({limit})"),
            Exceeded::Wall { limit } => write!(f, "time ({} s)", limit.as_secs_f64()),
            Exceeded::Compute { limit } => write!(f, "computing time ({} s)", limit.as_secs_f64()),
            Exceeded::Calls { limit } => write!(f, "host calls ({limit})"),
            Exceeded::Handover { limit } => {
                write!(f, "bytes handed to the host at once ({limit})")
            }
            Exceeded::Stack { limit } => write!(f, "stack ({} KiB)", limit >> 10),
        }
    }
}

// So that it travels through wasmtime's errors and is found again there.
impl std::error::Error for Exceeded {}

/// What one instance has used; the counts per hook begin anew with every hook.
#[derive(Debug)]
pub struct Account {
    limits: Limits,
    memory: usize,
    tables: usize,
    calls: u64,
    log: usize,
    computing: Computing,
}

impl Account {
    pub fn new(limits: Limits) -> Self {
        let computing = Computing { spent: Arc::default(), limit: limits.compute };
        Account { limits, memory: 0, tables: 0, calls: 0, log: 0, computing }
    }

    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// A hook begins.
    pub fn begin(&mut self) {
        self.calls = 0;
        self.log = 0;
        self.computing.spent.store(0, Ordering::Relaxed);
    }

    /// The clock of this hook.
    pub fn computing(&self) -> Computing {
        self.computing.clone()
    }

    /// One host call.
    pub fn call(&mut self) -> Result<(), Exceeded> {
        self.calls += 1;
        if self.calls > self.limits.calls {
            return Err(Exceeded::Calls { limit: self.limits.calls });
        }
        Ok(())
    }

    /// Whether a line of this many bytes may still be logged.
    pub fn log(&mut self, bytes: usize) -> Logged {
        let before = self.log;
        self.log = self.log.saturating_add(bytes);
        match (before > self.limits.log, self.log > self.limits.log) {
            (_, false) => Logged::Yes,
            (false, true) => Logged::LimitReached,
            (true, true) => Logged::No,
        }
    }
}

/// The time that one hook has computed. Clones share it.
#[derive(Debug, Clone)]
pub struct Computing {
    /// Microseconds.
    spent: Arc<AtomicU64>,
    limit: Duration,
}

impl Computing {
    /// This much more was computed.
    pub fn spend(&self, time: Duration) -> Result<(), Exceeded> {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let before = self.spent.fetch_add(micros, Ordering::Relaxed);
        match Duration::from_micros(before.saturating_add(micros)) > self.limit {
            true => Err(Exceeded::Compute { limit: self.limit }),
            false => Ok(()),
        }
    }

    /// Runs a guest. It computes while it is polled and waits in between, and
    /// each epoch ends a poll; so no pattern of host calls hides computing time.
    pub async fn within<T>(
        &self,
        running: impl Future<Output = wasmtime::Result<T>>,
    ) -> wasmtime::Result<T> {
        let mut running = pin!(running);
        std::future::poll_fn(|context| {
            let begun = thread_time();
            let polled = running.as_mut().poll(context);
            match (polled, self.spend(thread_time().saturating_sub(begun))) {
                (Poll::Pending, Err(exceeded)) => Poll::Ready(Err(exceeded.into())),
                (polled, _) => polled,
            }
        })
        .await
    }
}

/// Processor time of this thread so far: on a busy machine, the time of other
/// processes does not count.
pub fn thread_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    // Never negative.
    Duration::try_from(time).unwrap_or_default()
}

/// What to do with a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Logged {
    Yes,
    /// The first line that is dropped.
    LimitReached,
    No,
}

impl ResourceLimiter for Account {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        // Beyond its own maximum the guest is told so, and nothing is used.
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let total = self.memory.saturating_sub(current).saturating_add(desired);
        if total > self.limits.memory {
            return Err(Exceeded::Memory { limit: self.limits.memory }.into());
        }
        self.memory = total;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let total = self.tables.saturating_sub(current).saturating_add(desired);
        if total > TABLE_ELEMENTS {
            return Err(Exceeded::Tables { limit: TABLE_ELEMENTS }.into());
        }
        self.tables = total;
        Ok(true)
    }

    fn instances(&self) -> usize {
        INSTANCES
    }

    fn tables(&self) -> usize {
        TABLES
    }

    fn memories(&self) -> usize {
        MEMORIES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipe_raises_limits_up_to_the_ceiling() {
        let base = Limits::for_role(Role::Lifecycle);
        let raised = |memory_mib, timeout_seconds| {
            base.with_raised(&PluginLimits { memory_mib, timeout_seconds })
        };
        assert_eq!(raised(None, None).unwrap(), base);
        assert_eq!(raised(Some(512), None).unwrap().memory, 512 * MIB);
        let longer = raised(None, Some(1800)).unwrap();
        assert_eq!(longer.wall, Duration::from_secs(1800));
        assert_eq!(longer.compute, base.compute * 2);
        let shorter = raised(None, Some(5)).unwrap();
        assert_eq!(shorter.compute, Duration::from_secs(5));
        for (memory, time) in [(Some(0), None), (Some(4096), None), (None, Some(u64::MAX))] {
            assert!(raised(memory, time).is_err(), "{memory:?} {time:?}");
        }
    }

    #[test]
    fn each_role_has_its_time_and_one_instance_the_most_generous() {
        let times = |limits: Limits| (limits.wall.as_secs(), limits.compute.as_secs());
        for role in Role::ALL {
            let expected = match role {
                Role::Lifecycle | Role::Commands => (15 * MINUTE, MINUTE),
                Role::Backup => (6 * HOUR, 30 * MINUTE),
                Role::Migration => (6 * HOUR, 5 * MINUTE),
                _ => (5 * MINUTE, MINUTE),
            };
            let limits = Limits::for_role(role);
            assert_eq!(times(limits), expected, "{role}");
            assert!((limits.memory / MIB) as u64 <= PluginLimits::MEMORY_CEILING);
            assert!(limits.wall.as_secs() <= PluginLimits::TIME_CEILING);
        }
        let several = Limits::for_roles(&[Role::MailClient, Role::Migration, Role::Lifecycle]);
        assert_eq!(times(several), (6 * HOUR, 5 * MINUTE));
        assert_eq!(Limits::for_roles(&[]), Limits::for_role(Role::Lifecycle));
    }

    #[test]
    fn computing_adds_up_until_the_limit_and_begins_anew() {
        let mut limits = Limits::for_role(Role::Lifecycle);
        limits.compute = Duration::from_millis(3);
        let mut account = Account::new(limits);
        account.begin();
        let computing = account.computing();
        let each = Duration::from_millis(1);
        assert!((0..3).all(|_| computing.spend(each).is_ok()));
        assert_eq!(computing.spend(each), Err(Exceeded::Compute { limit: limits.compute }));
        account.begin();
        assert!(computing.spend(each).is_ok());
        assert!(computing.spend(Duration::MAX).is_err());
    }

    #[test]
    fn all_memories_count_together() {
        let mut limits = Limits::for_role(Role::Lifecycle);
        limits.memory = 3 * MIB;
        let mut account = Account::new(limits);
        assert!(account.memory_growing(0, 2 * MIB, None).is_ok());
        assert!(account.memory_growing(0, MIB, None).is_ok());
        assert!(account.memory_growing(MIB, 2 * MIB, None).is_err());
    }

    #[test]
    fn log_beyond_the_limit_is_told_once() {
        let mut limits = Limits::for_role(Role::Lifecycle);
        limits.log = 10;
        let mut account = Account::new(limits);
        assert_eq!(account.log(10), Logged::Yes);
        assert_eq!(account.log(1), Logged::LimitReached);
        assert_eq!(account.log(1), Logged::No);
        account.begin();
        assert_eq!(account.log(1), Logged::Yes);
    }
}
