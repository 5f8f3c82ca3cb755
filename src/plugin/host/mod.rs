//! What a plugin can ask of the host: one file per capability.
//!
//! Each file holds one complete capability, with three parts: `link` adds it to the linker;
//! `validate`, if it needs grants, checks whether a grant makes sense for an app, without
//! running anything; and every call begins with [`State::prepare`] (or [`State::call`],
//! where no grant is needed) and looks at its arguments. Nothing is checked anywhere else,
//! so that an adapter for an older version of an interface ([`older`]) has only to call the
//! newest one.

pub mod app;
pub mod bytes;
mod held_back;
pub mod http;
pub mod memory;
mod older;
pub mod recipe_files;
pub mod report;
mod revealed;
pub mod secrets;
pub mod services;
#[cfg(test)]
mod testing;
pub mod tools;
pub mod wasi;

use std::{collections::BTreeSet, sync::Arc};

use wasmtime::component::{Linker, ResourceTable};
use wasmtime_wasi::WasiCtx;

use held_back::HeldBack;
use revealed::Revealed;

use super::{
    Surroundings, bindings,
    runtime::limits::{Account, Exceeded},
};
use crate::home::Grant;

/// Number of different denials in one hook that are reported.
const DENIALS: usize = 20;

/// One instance's view of the host.
pub struct State {
    /// The plugin's name in the recipe.
    pub plugin: String,
    pub surroundings: Surroundings,
    pub account: Account,
    /// Handles given to the guest.
    pub table: ResourceTable,
    pub wasi: WasiCtx,
    /// Made at the first request.
    pub http: Option<http::Client>,
    /// What was denied in this hook: the likeliest cause if it fails.
    pub denied: BTreeSet<Grant>,
    /// The guest's last log line of the level `error`: a panic's message.
    pub last_words: Option<String>,
    /// Secret values the guest has seen.
    pub revealed: Revealed,
    /// Where what it says goes.
    held_back: Arc<HeldBack>,
}

/// Everything that [`bindings`] says may be imported.
pub fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    app::link(linker)?;
    recipe_files::link(linker)?;
    report::link(linker)?;
    services::link(linker)?;
    older::link(linker)?;
    secrets::link(linker)?;
    http::link(linker)?;
    memory::link(linker)?;
    tools::link(linker)?;
    bytes::link(linker)
}

impl State {
    pub fn new(plugin: String, mut surroundings: Surroundings) -> Self {
        let account = Account::new(surroundings.limits);
        let mut table = ResourceTable::new();
        table.set_max_capacity(super::runtime::limits::HANDLES);
        let revealed = Revealed::default();
        let sink = Arc::clone(&surroundings.progress);
        let held_back = Arc::new(HeldBack::new(sink, revealed.clone()));
        surroundings.progress = Arc::clone(&held_back) as Arc<dyn crate::progress::Sink>;
        let wasi = wasi::context(&plugin, &surroundings, revealed.clone());
        State {
            plugin,
            surroundings,
            account,
            table,
            wasi,
            http: None,
            denied: BTreeSet::new(),
            last_words: None,
            revealed,
            held_back,
        }
    }

    /// What the guest says waits until [`State::tell`]: its answer will be a secret.
    pub fn hold_back(&self) {
        self.held_back.hold();
    }

    /// Says what was held back, without the secrets that are known now.
    pub fn tell(&self) {
        self.held_back.release();
    }

    /// A hook begins.
    pub fn begin(&mut self) {
        self.account.begin();
        self.denied.clear();
        self.last_words = None;
    }

    /// Counts one host call.
    fn call(&mut self) -> Result<(), Exceeded> {
        self.account.call()
    }

    /// One host call that needs a grant: counts it, and returns the missing
    /// grant, if it is missing.
    fn prepare(&mut self, grant: Grant) -> Result<Result<(), String>, Exceeded> {
        self.call()?;
        Ok(self.granted(grant))
    }

    /// Whether this was granted. If not, the operator is warned once per
    /// hook, and the guest gets the line that would allow it.
    fn granted(&mut self, grant: Grant) -> Result<(), String> {
        if self.surroundings.grants.contains(&grant) {
            return Ok(());
        }
        let grant = super::text::grant(&grant);
        let line = grant.to_string();
        self.refused(grant, || format!("was not granted `{line}`, which it tried to use"));
        Err(line)
    }

    /// Tells the operator, once per hook and grant, what was refused.
    fn refused(&mut self, grant: Grant, message: impl FnOnce() -> String) {
        if self.denied.len() < DENIALS && self.denied.insert(grant) {
            self.say(crate::progress::Level::Warn, message());
        }
    }

    /// A log line about this plugin for the operator.
    fn say(&self, level: crate::progress::Level, message: String) {
        self.surroundings.progress.event(crate::progress::Event::Hook {
            plugin: self.plugin.clone(),
            level,
            message,
        });
    }

    /// What a guest wrote, cleaned for a terminal and without the secrets that it saw.
    pub fn clean(&self, text: &str) -> String {
        self.revealed.redact(super::text::clean(text))
    }
}

// Interfaces that hold only types.
impl bindings::failures::Host for State {}
impl bindings::process_types::Host for State {}
