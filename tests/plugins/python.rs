//! A guest with a language's whole standard library and WASI under it: it runs,
//! and everything that WASI could reach is denied.
//!
//! `tests/fixtures/python-guest/build.sh` builds it; `make test` runs that.

use crate::support::hostile;

use std::{path::PathBuf, sync::Arc};

use hostile::*;
use potluck::plugin::{Error, Limits, Role};

/// The guest, or none after saying so.
fn guest() -> Option<Vec<u8>> {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))?;
    let path = cache.join("potluck/python-guest/guest.wasm");
    match std::fs::read(&path) {
        Ok(bytes) => Some(bytes),
        Err(error) => {
            skip(&format!("the Python guest {} is not there: {error}", path.display()));
            None
        }
    }
}

#[tokio::test]
async fn a_guest_with_wasi_runs_with_everything_denied() {
    let Some(guest) = guest() else { return };
    let (runtime, _folder) = runtime();
    let plugin = runtime.load("python", &guest).await.unwrap();
    assert_eq!(roles(&plugin), [Role::Lifecycle]);
    assert!(plugin.imports().iter().any(|import| import.starts_with("wasi:filesystem/preopens")));

    let world = Arc::new(World::default());
    let mut surroundings = surroundings(&world, &[]);
    surroundings.limits = Limits::for_role(Role::Lifecycle);
    surroundings.limits.compute = surroundings.limits.wall;
    let mut hooks = plugin.start(surroundings).await.unwrap();
    hooks.check(&first()).await.unwrap();
    let lines = world.lines();
    for name in ["read", "read-relative", "write", "list", "connect", "resolve", "run"] {
        let wanted = format!("info: {name}: denied: ");
        assert!(lines.iter().any(|line| line.starts_with(&wanted)), "{name}: {lines:#?}");
    }
    for wanted in [
        "info: environment: {}",
        "info: arguments: []",
        "info: printed",
        "warning: complained",
        "info: app: wiki.example.org",
    ] {
        assert!(lines.iter().any(|line| line == wanted), "{wanted}: {lines:#?}");
    }
    assert!(!std::path::Path::new("/tmp/potluck-escaped").exists());

    // Its failures and its bugs are told like those of any other.
    let failed = hooks.before_deploy(&first()).await.unwrap_err();
    assert!(failed.retryable());
    assert!(failed.to_string().ends_with("(lifecycle) failed: not today"), "{failed}");
    let crashed = hooks.after_deploy(&first()).await.unwrap_err();
    assert!(matches!(crashed, Error::Crashed { .. }), "{crashed}");
}
