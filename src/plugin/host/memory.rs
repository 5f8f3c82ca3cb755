//! `memory`: small facts that a plugin keeps between runs of one app.

use wasmtime::component::{HasSelf, Linker};

use super::State;
use crate::plugin::bindings::memory;

pub fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    memory::add_to_linker::<_, HasSelf<State>>(linker, |state| state)
}

impl memory::Host for State {
    fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<String>, String>> {
        self.call()?;
        Ok(self.surroundings.memory.get(&key))
    }

    fn set(&mut self, key: String, value: String) -> wasmtime::Result<Result<(), String>> {
        self.call()?;
        Ok(self.surroundings.memory.set(&key, &value))
    }
}
