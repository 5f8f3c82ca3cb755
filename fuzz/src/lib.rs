//! potluck's rooms that read foreign bytes, built from its sources without the
//! rooms that need wasmtime: instrumenting that takes half an hour, and no
//! target reaches it. Under potluck's name, so that `targets.rs` reads the same
//! here and in `tests/fuzz_smoke.rs`, where it meets potluck itself.

#![allow(dead_code, reason = "rooms that are not here use the rest")]

#[path = "../../src/compose/mod.rs"]
pub mod compose;
#[path = "../../src/hint.rs"]
pub mod hint;
#[path = "../../src/home/mod.rs"]
pub mod home;
#[path = "../../src/lint/mod.rs"]
pub mod lint;

/// What `compose` takes from the engine's room.
pub mod engine {
    pub use bollard_stubs::models as api;

    pub const STACK_LABEL: &str = "com.docker.stack.namespace";
    pub const IMAGE_LABEL: &str = "com.docker.stack.image";
}
