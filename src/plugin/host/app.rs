//! `app`: facts, settings and options, as they were when the operation began.

use wasmtime::component::{HasSelf, Linker};

use super::State;
use crate::plugin::bindings::app;

pub fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    app::add_to_linker::<_, HasSelf<State>>(linker, |state| state)
}

impl app::Host for State {
    fn describe(&mut self) -> wasmtime::Result<app::Facts> {
        self.call()?;
        let facts = &self.surroundings.facts;
        Ok(app::Facts {
            name: facts.app.clone(),
            stack: facts.stack.clone(),
            recipe: facts.recipe.clone(),
            version: facts.version.clone(),
            server: facts.server.clone(),
        })
    }

    fn setting(&mut self, key: String) -> wasmtime::Result<Option<String>> {
        self.call()?;
        Ok(self.surroundings.settings.get(&key))
    }

    fn settings(&mut self) -> wasmtime::Result<Vec<(String, String)>> {
        self.call()?;
        Ok(self.surroundings.settings.all())
    }

    fn options(&mut self) -> wasmtime::Result<String> {
        self.call()?;
        Ok(self.surroundings.options.to_string())
    }
}
