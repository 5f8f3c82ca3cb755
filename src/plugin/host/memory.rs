//! `memory`: small facts that a plugin keeps between runs of one app.

use wasmtime::component::{HasSelf, Linker};

use super::State;
use crate::plugin::bindings::memory;

/// Bytes of a key and of a value, as `wit/recipe.wit` promises.
const KEY: usize = 128;
const VALUE: usize = 64 << 10;

pub fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    memory::add_to_linker::<_, HasSelf<State>>(linker, |state| state)
}

impl memory::Host for State {
    fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<String>, String>> {
        self.call()?;
        Ok(checked(&key, "").and_then(|()| self.surroundings.memory.get(&key)))
    }

    fn set(&mut self, key: String, value: String) -> wasmtime::Result<Result<(), String>> {
        self.call()?;
        Ok(checked(&key, &value).and_then(|()| self.surroundings.memory.set(&key, &value)))
    }
}

fn checked(key: &str, value: &str) -> Result<(), String> {
    if key.is_empty() || key.len() > KEY {
        return Err(format!("a key has between 1 and {KEY} bytes"));
    }
    if value.len() > VALUE {
        return Err(format!("a value has at most {VALUE} bytes"));
    }
    Ok(())
}
