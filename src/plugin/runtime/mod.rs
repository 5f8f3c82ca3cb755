//! The engine: compiles components, keeps the compiled code, starts instances.

pub(crate) mod cache;
pub(crate) mod compile;
pub(crate) mod expanse;
pub mod limits;
pub(crate) mod machine;
pub(crate) mod raised;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock},
};

use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use wasmtime::{
    Config, Engine, Store, WasmBacktraceDetails,
    component::{Component, InstancePre, Linker},
};

use self::{
    cache::Cache,
    compile::{CompileLimits, Compiler, Failed},
};
use super::{
    Error, Hooks, Role, Surroundings, error, hooks,
    host::{self, State},
    inspect::{self, Shape},
    roles::Roles,
};

/// Compiles components and keeps the compiled code.
///
/// Nothing is created before the first component is loaded, so that
/// commands without plugins have no cost.
pub struct Runtime {
    cache: PathBuf,
    compiling: CompileLimits,
    parts: OnceLock<Parts>,
}

struct Parts {
    engine: Engine,
    ticker: Ticker,
    turns: Arc<Semaphore>,
    cache: Cache,
    compiler: Compiler,
    linker: Linker<State>,
    /// The same with WASI, for guests that need it.
    wasi: OnceLock<Linker<State>>,
}

/// A compiled component.
#[derive(Clone)]
pub struct Plugin {
    name: Arc<str>,
    digest: Arc<str>,
    shape: Arc<Shape>,
    instance: InstancePre<State>,
    roles: Arc<Roles>,
    ticker: Ticker,
    turns: Arc<Semaphore>,
}

impl Runtime {
    /// `cache` is created with mode 0700 when there is something to keep.
    ///
    /// # Errors
    /// None at present; reserved for checks of the engine.
    pub fn new(cache: &Path) -> Result<Self, Error> {
        let compiling = CompileLimits::default();
        Ok(Runtime { cache: cache.into(), compiling, parts: OnceLock::new() })
    }

    /// With other limits for the compiler, before anything is loaded.
    #[must_use]
    pub fn compiling_within(self, compiling: CompileLimits) -> Self {
        Runtime { compiling, ..self }
    }

    fn parts(&self) -> Result<&Parts, Error> {
        if let Some(parts) = self.parts.get() {
            return Ok(parts);
        }
        let parts = Parts::new(&self.cache, self.compiling)
            .map_err(|error| Error::Engine(format!("{error:#}")))?;
        Ok(self.parts.get_or_init(|| parts))
    }

    /// Compiles a component, or takes it from the cache; reads its roles and
    /// checks what it imports. Nothing of it runs.
    ///
    /// # Errors
    /// What [`Error`] says of bytes and components that do not fit.
    pub async fn load(&self, name: &str, component: &[u8]) -> Result<Plugin, Error> {
        if component.len() > limits::COMPONENT {
            let (plugin, size) = (name.into(), component.len());
            return Err(Error::TooLarge { plugin, size, limit: limits::COMPONENT });
        }
        inspect::recognise(name, component)?;
        let parts = self.parts()?;
        let digest = hex::encode(Sha256::digest(component));
        let compiled = match parts.cache.get(&parts.engine, &digest) {
            Some(compiled) => compiled,
            None => parts.compile(name, &digest, component).await?,
        };
        let shape = inspect::shape(name, &parts.engine, &compiled)?;
        let mismatch = |error| mismatch(name, &error);
        let instance = parts.linker(shape.wasi)?.instantiate_pre(&compiled).map_err(mismatch)?;
        let roles = Roles::find(&instance, &shape.versions).map_err(mismatch)?;
        Ok(Plugin {
            name: name.into(),
            digest: digest.into(),
            shape: Arc::new(shape),
            instance,
            roles: Arc::new(roles),
            ticker: parts.ticker.clone(),
            turns: parts.turns.clone(),
        })
    }
}

/// Names fit, types do not.
fn mismatch(plugin: &str, error: &wasmtime::Error) -> Error {
    let message = super::text::clean_line(&format!("{error:#}"), 1000);
    Error::Mismatch { plugin: plugin.into(), message }
}

impl Parts {
    fn new(cache: &Path, compiling: CompileLimits) -> wasmtime::Result<Self> {
        let engine = Engine::new(&config())?;
        let mut linker = Linker::new(&engine);
        host::link(&mut linker)?;
        Ok(Parts {
            cache: Cache::new(cache, &engine),
            compiler: Compiler::new(compiling),
            engine,
            ticker: Ticker::default(),
            turns: Arc::new(Semaphore::new(limits::CONCURRENT)),
            linker,
            wasi: OnceLock::new(),
        })
    }

    fn linker(&self, wasi: bool) -> Result<&Linker<State>, Error> {
        if !wasi {
            return Ok(&self.linker);
        }
        if let Some(linker) = self.wasi.get() {
            return Ok(linker);
        }
        let mut linker = self.linker.clone();
        host::wasi::link(&mut linker).map_err(|error| Error::Engine(format!("{error:#}")))?;
        Ok(self.wasi.get_or_init(|| linker))
    }

    async fn compile(&self, name: &str, digest: &str, bytes: &[u8]) -> Result<Component, Error> {
        expanse::check(bytes)
            .map_err(|error| Error::Damaged { plugin: name.into(), message: error.to_string() })?;
        let component = self.compiler.compile(&self.engine, bytes).await.map_err(|failed| {
            let plugin = name.to_owned();
            match failed {
                Failed::Exceeded(exceeded) => Error::Compile { plugin, exceeded },
                Failed::Damaged(message) => {
                    let message = super::text::clean_line(&message, 1000);
                    Error::Damaged { plugin, message }
                }
            }
        })?;
        // A cache that cannot be written costs time, not the operation.
        match component.serialize() {
            Ok(code) => {
                if let Err(error) = self.cache.put(digest, &code) {
                    tracing::warn!(plugin = name, %error, "a compiled plugin is not kept");
                }
            }
            Err(error) => tracing::warn!(plugin = name, %error, "a compiled plugin is not kept"),
        }
        Ok(component)
    }
}

/// On-demand allocation: a command runs a handful of instances once. Features
/// that no component needs are off, so that their safety need not be considered.
fn config() -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .max_wasm_stack(limits::WASM_STACK)
        .async_stack_size(limits::FIBER_STACK)
        .wasm_backtrace_details(WasmBacktraceDetails::Enable)
        .wasm_memory64(false)
        .wasm_relaxed_simd(false);
    config
}

impl Plugin {
    /// Its name in the recipe.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// sha256 of the component, 64 hex digits.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    pub fn roles(&self) -> &BTreeSet<Role> {
        &self.shape.roles
    }

    /// The newest version of the interface in which it plays each role.
    pub fn versions(&self) -> &BTreeMap<Role, &'static str> {
        &self.shape.versions
    }

    /// Interfaces it imports, `potluck:recipe/services@0.1.0`.
    pub fn imports(&self) -> &[String] {
        &self.shape.imports
    }

    /// What its imports are for: each interface that holds functions, and `WASI`,
    /// with a sentence.
    pub fn uses(&self) -> Vec<(&'static str, &'static str)> {
        inspect::uses(&self.shape.imports)
    }

    /// Newest version of potluck's interface that it uses.
    pub fn wit_version(&self) -> Option<&str> {
        Some(self.shape.wit_version)
    }

    /// Makes an instance for one operation on one app.
    ///
    /// # Errors
    /// [`Error::Start`], or [`Error::Limit`] when it wants too much at once.
    pub async fn start(&self, surroundings: Surroundings) -> Result<Hooks, Error> {
        let engine = self.instance.engine();
        self.ticker.start(engine)?;
        let wall = surroundings.limits.wall;
        let state = State::new(self.name.to_string(), surroundings);
        let mut store = Store::new(engine, state);
        store.limiter(|state| &mut state.account);
        store.set_max_component_handles(limits::HANDLES);
        store.set_hostcall_fuel(limits::HANDOVER);
        store.set_epoch_deadline(1);
        // At every epoch it hands itself back, so that its limits, the hook's
        // timeout and Ctrl-C are seen.
        store.epoch_deadline_async_yield_and_update(1);
        let computing = store.data().account.computing();
        let started = async {
            let instance = self.instance.instantiate_async(&mut store).await?;
            // A function that has another type is no fault of the start.
            wasmtime::Result::Ok(self.roles.of(&mut store, &instance))
        };
        let plugin = self.name.to_string();
        match hooks::within(wall, &self.turns, &computing, started).await {
            Ok(Ok(guests)) => Ok(Hooks::new(plugin, store, guests, self.turns.clone())),
            Ok(Err(error)) => Err(mismatch(&plugin, &error)),
            Err(error) => Err(Error::Start { message: error::cause(&error), plugin }),
        }
    }
}

/// Advances the epoch for the engine's guests, from the first one on and as
/// long as the engine exists.
#[derive(Clone, Default)]
struct Ticker(Arc<Mutex<bool>>);

impl Ticker {
    fn start(&self, engine: &Engine) -> Result<(), Error> {
        // A bool is never half-written.
        let mut started = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if *started {
            return Ok(());
        }
        let engine = engine.weak();
        std::thread::Builder::new()
            .name("plugin-epochs".into())
            .spawn(move || {
                while let Some(engine) = engine.upgrade() {
                    engine.increment_epoch();
                    drop(engine);
                    std::thread::sleep(limits::TICK);
                }
            })
            .map_err(|error| Error::Engine(format!("there is no thread for its clock: {error}")))?;
        *started = true;
        Ok(())
    }
}
