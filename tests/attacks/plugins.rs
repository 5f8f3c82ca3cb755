//! Plugins that mean harm, one attack a test: nothing gets out, the host stays
//! up (a good plugin of the same runtime runs afterwards), and the error names
//! the cause. `docs/hostile.md` lists them all.

use crate::support::hostile;

mod components;
mod handles;
mod injection;
mod moments;
mod origins;
mod paths;
mod reach;
mod resources;
mod results;
mod table;
mod texts;
mod ungranted;

use std::sync::{Arc, OnceLock};

use hostile::*;
use potluck::plugin::{Error, Hooks, Plugin, Runtime, Surroundings};

/// Files of attacks that the document must not leave out.
const FILES: [&str; 26] = [
    "src/plugin/host/http/name_tests.rs",
    "src/plugin/host/http/tls_tests.rs",
    "tests/backup/app/hostile.rs",
    "tests/backup/races.rs",
    "tests/cli/hostile.rs",
    "tests/attacks/plugins/components.rs",
    "tests/attacks/plugins/handles.rs",
    "tests/attacks/plugins/injection.rs",
    "tests/attacks/plugins/moments.rs",
    "tests/attacks/plugins/origins.rs",
    "tests/attacks/plugins/paths.rs",
    "tests/attacks/plugins/reach.rs",
    "tests/attacks/plugins/resources.rs",
    "tests/attacks/plugins/results.rs",
    "tests/attacks/plugins/texts.rs",
    "tests/attacks/plugins/ungranted.rs",
    "tests/attacks/git.rs",
    "tests/attacks/recipes.rs",
    "tests/attacks/recipes/beyond.rs",
    "tests/attacks/recipes/files.rs",
    "tests/attacks/recipes/names.rs",
    "tests/attacks/recipes/programs.rs",
    "tests/attacks/recipes/texts.rs",
    "tests/attacks/recipes/volumes.rs",
    "tests/attacks/text.rs",
    "tests/plugins/cache.rs",
];

/// One engine for all attacks, as one command has for all its plugins.
fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<(Runtime, tempfile::TempDir)> = OnceLock::new();
    &RUNTIME.get_or_init(hostile::runtime).0
}

async fn load(component: &[u8]) -> Result<Plugin, Error> {
    runtime().load("guest", component).await
}

async fn start_in(component: &[u8], surroundings: Surroundings) -> Result<Hooks, Error> {
    load(component).await.unwrap_or_else(|error| panic!("{error}")).start(surroundings).await
}

/// The attacker, started.
async fn start(component: &[u8], world: &Arc<World>, grants: &[&str]) -> Hooks {
    let started = start_in(component, surroundings(world, grants)).await;
    started.unwrap_or_else(|error| panic!("{error}"))
}

/// The attacker's `check`, run in a world of its own. The host stands
/// afterwards.
async fn attack(component: &[u8], grants: &[&str]) -> (Result<(), Error>, Arc<World>) {
    attack_in(Arc::new(World::default()), component, grants).await
}

async fn attack_in(
    world: Arc<World>,
    component: &[u8],
    grants: &[&str],
) -> (Result<(), Error>, Arc<World>) {
    let outcome = start(component, &world, grants).await.check(&first()).await;
    the_host_stands().await;
    (outcome, world)
}

/// The attack fails as a failure of the plugin's own; what it says.
async fn said(component: &[u8], grants: &[&str]) -> (String, Arc<World>) {
    match attack(component, grants).await {
        (Err(Error::Failed { message, .. }), world) => (message, world),
        (other, _) => panic!("{other:?}"),
    }
}

/// The attack ends in a trap; what is said of it.
async fn crashed(component: &[u8], grants: &[&str]) -> String {
    match attack(component, grants).await.0 {
        Err(error @ Error::Crashed { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

/// A good plugin in the same runtime runs.
async fn the_host_stands() {
    let mut data = Data::new();
    let hello = data.log(1, "hello");
    let good = Guest::new(&["lifecycle"]).import("report", "log").items(&data.items()).hook(
        "lifecycle",
        "check",
        &format!("{hello} (i32.const 64)"),
    );
    let world = Arc::new(World::default());
    start(&good.binary(), &world, &[]).await.check(&first()).await.unwrap();
    assert_eq!(world.lines(), ["info: hello"]);
}

/// A guest whose `check` is made with data of its own.
fn checks(
    imports: &[(&'static str, &'static str)],
    body: impl FnOnce(&mut Data) -> String,
) -> Guest {
    let mut data = Data::new();
    let body = body(&mut data);
    let mut guest = Guest::new(&["lifecycle"]).items(&data.items());
    for (interface, function) in imports {
        guest = guest.import(interface, function);
    }
    guest.hook("lifecycle", "check", &body)
}
