//! One running instance, and what every call of a hook has in common: the
//! limits, the timeout, and the error when it fails.
//!
//! A hook that traps, is stopped or is cancelled leaves the instance in an
//! unknown state: it is broken from then on, and further hooks fail with an error that says so.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::sync::Semaphore;
use wasmtime::{Store, Trap, WasmBacktrace};

use super::{
    Error, Role,
    bindings::failures::Failure,
    error,
    host::State,
    roles::Guests,
    runtime::limits::{self, Computing, Exceeded},
    text,
};
use crate::home::Grant;

/// Bytes of a failure's message and hint.
const MESSAGE: usize = 4096;
/// Frames of a backtrace that are shown: a runaway recursion has thousands.
const FRAMES: usize = 20;
/// Bytes of a frame: the guest chooses names of functions.
const FRAME: usize = 300;

/// One instance of a plugin, for one operation on one app.
///
/// Calling a hook of a role the plugin does not play is [`Error::NotPlayed`].
pub struct Hooks {
    pub(super) plugin: String,
    pub(super) store: Store<State>,
    pub(super) guests: Arc<Guests>,
    /// The turns of all hooks of the runtime.
    pub(super) turns: Arc<Semaphore>,
    /// Which arguments of the listed commands are secret.
    pub(super) secret_arguments: BTreeMap<String, Vec<bool>>,
    broken: bool,
}

/// A hook that is running.
#[derive(Clone, Copy)]
pub(super) struct Call {
    pub role: Role,
    pub hook: &'static str,
    limit: Duration,
}

/// The result of calling a guest's function, in wasmtime's terms.
type Outcome<T> = wasmtime::Result<Result<T, Failure>>;

impl Hooks {
    pub(super) fn new(
        plugin: String,
        store: Store<State>,
        guests: Guests,
        turns: Arc<Semaphore>,
    ) -> Self {
        let (guests, secret_arguments) = (Arc::new(guests), BTreeMap::new());
        Hooks { plugin, store, guests, turns, secret_arguments, broken: false }
    }

    /// The plugin's name in the recipe.
    pub fn plugin(&self) -> &str {
        &self.plugin
    }

    /// Whether a hook failed so that no other can be called.
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// Whether it has the hooks of this role.
    pub fn plays(&self, role: Role) -> bool {
        let guests = &self.guests;
        match role {
            Role::Lifecycle => guests.lifecycle.is_some(),
            Role::Migration => guests.migration.is_some(),
            Role::Backup => guests.backup.is_some(),
            Role::SsoProvider => guests.sso_provider.is_some(),
            Role::SsoClient => guests.sso_client.is_some(),
            Role::MailProvider => guests.mail_provider.is_some(),
            Role::MailClient => guests.mail_client.is_some(),
            Role::Commands => guests.commands.is_some(),
        }
    }

    /// Begins a hook. Until [`Hooks::end`] confirms its success, the
    /// instance counts as broken, because a caller may drop the hook's future.
    pub(super) fn begin(&mut self, role: Role, hook: &'static str) -> Result<Call, Error> {
        if self.broken {
            return Err(Error::Broken { plugin: self.plugin.clone(), hook });
        }
        self.broken = true;
        self.store.data_mut().begin();
        self.store.set_epoch_deadline(1);
        Ok(Call { role, hook, limit: self.store.data().account.limits().wall })
    }

    /// Ends a hook: returns its answer, or an error that says what happened.
    pub(super) fn end<T>(&mut self, call: Call, outcome: Outcome<T>) -> Result<T, Error> {
        match outcome {
            Ok(Ok(value)) => {
                self.broken = false;
                Ok(value)
            }
            Ok(Err(failure)) => {
                self.broken = false;
                Err(self.failed(call, failure))
            }
            Err(error) => Err(self.crashed(call, error)),
        }
    }

    pub(super) fn not_played(&self, role: Role, hook: &'static str) -> Error {
        Error::NotPlayed { plugin: self.plugin.clone(), role, hook }
    }

    /// An invalid answer.
    pub(super) fn answer(&self, call: Call, message: String) -> Error {
        let Call { role, hook, .. } = call;
        let message = self.line(&message);
        Error::Answer { plugin: self.plugin.clone(), role, hook, message }
    }

    /// An answer that asks for what was not granted.
    pub(super) fn denied(&self, call: Call, grant: &Grant) -> Error {
        let Call { role, hook, .. } = call;
        let grant = text::grant(grant);
        Error::Denied { plugin: self.plugin.clone(), role, hook, grant }
    }

    /// A plugin's text, for people.
    pub(super) fn line(&self, text: &str) -> String {
        text::clean_line(&self.store.data().clean(text), MESSAGE)
    }

    fn failed(&self, call: Call, failure: Failure) -> Error {
        Error::Failed {
            plugin: self.plugin.clone(),
            role: call.role,
            hook: call.hook,
            message: match self.line(&failure.message) {
                message if message.trim().is_empty() => "it does not say why".into(),
                message => message,
            },
            hint: failure.hint.map(|hint| self.line(&hint)).filter(|hint| !hint.trim().is_empty()),
            retryable: failure.retryable,
            denied: self.store.data().denied.clone(),
        }
    }

    fn crashed(&self, call: Call, error: wasmtime::Error) -> Error {
        let (plugin, Call { role, hook, .. }) = (self.plugin.clone(), call);
        if let Some(exceeded) = exceeded(&error) {
            return Error::Limit { plugin, role, hook, exceeded };
        }
        let state = self.store.data();
        let mut message = error::cause(&error);
        // An SDK's panic hook logs the panic's message before it traps.
        if let Some(words) = &state.last_words {
            message = format!("{} ({message})", text::clean_line(words, MESSAGE));
        }
        let backtrace = error.downcast_ref::<WasmBacktrace>().map(frames).unwrap_or_default();
        Error::Crashed { plugin, role, hook, message, backtrace: state.clean(&backtrace) }
    }
}

impl Call {
    /// Runs the guest's function for as long as it may run, when it is its turn.
    pub(super) async fn within<T>(
        self,
        turns: &Semaphore,
        computing: &Computing,
        running: impl Future<Output = wasmtime::Result<T>>,
    ) -> wasmtime::Result<T> {
        within(self.limit, turns, computing, running).await
    }
}

/// Runs a guest when it is its turn. Waiting for that does not count.
pub(super) async fn within<T>(
    limit: Duration,
    turns: &Semaphore,
    computing: &Computing,
    running: impl Future<Output = wasmtime::Result<T>>,
) -> wasmtime::Result<T> {
    let _turn = turns.acquire().await?;
    match tokio::time::timeout(limit, computing.within(running)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Exceeded::Wall { limit }.into()),
    }
}

/// The limit that caused an error, if one did.
fn exceeded(error: &wasmtime::Error) -> Option<Exceeded> {
    if let Some(exceeded) = error.downcast_ref::<Exceeded>() {
        return Some(exceeded.clone());
    }
    if error.downcast_ref::<Trap>() == Some(&Trap::StackOverflow) {
        return Some(Exceeded::Stack { limit: limits::WASM_STACK });
    }
    // wasmtime's own type for this is private; a test holds us to the words.
    if error.root_cause().to_string().contains("fuel allocated for hostcalls") {
        return Some(Exceeded::Handover { limit: limits::HANDOVER });
    }
    None
}

/// The guest's frames, innermost first; wasmtime demangles names.
fn frames(backtrace: &WasmBacktrace) -> String {
    let text = backtrace.to_string();
    let mut lines = text.lines().skip(1);
    let frame = |line| text::clean_line(line, FRAME);
    let mut shown: Vec<String> = lines.by_ref().take(FRAMES).map(frame).collect();
    if lines.next().is_some() {
        shown.push("       …".into());
    }
    shown.join("\n")
}

/// Calls a function of a guest: `(call, outcome)` for [`Hooks::end`]. Returns
/// from the surrounding method when the plugin does not play the role.
macro_rules! run {
    ($hooks:ident, $role:ident $hook:literal, $guests:ident, |$guest:ident, $store:ident| $call:expr) => {{
        let guests = $hooks.guests.clone();
        let Some($guest) = &guests.$guests else {
            return Err($hooks.not_played($crate::plugin::Role::$role, $hook));
        };
        let call = $hooks.begin($crate::plugin::Role::$role, $hook)?;
        let computing = $hooks.store.data().account.computing();
        let $store = &mut $hooks.store;
        let outcome = call.within(&$hooks.turns, &computing, $call).await;
        (call, outcome)
    }};
}
pub(super) use run;
