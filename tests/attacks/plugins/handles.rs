//! Handles that were never given out, are of something else, or are gone.

use std::sync::Arc;

use potluck::plugin::Error;

use super::{
    hostile::{Guest, World},
    start, the_host_stands,
};

/// Reads and writes; `$w` writes one byte to a handle, `$r` reads one.
fn streams() -> Guest {
    Guest::new(&["backup"])
        .import("bytes", "[method]sink.write")
        .import("bytes", "[method]source.read")
        .items(
            "(global $kept (mut i32) (i32.const 0))
             (func $w (param $handle i32)
                (call $write (local.get $handle)
                    (i32.const 256) (i32.const 1) (i32.const 160)))
             (func $r (param $handle i32)
                (call $read (local.get $handle)
                    (i32.const 1) (i32.const 160)))
             (func $as-said (result i32)
                (if (result i32) (i32.load8_u (i32.const 160))
                    (then (call $fail (i32.load (i32.const 164)) (i32.load (i32.const 168))))
                    (else (i32.const 64))))",
        )
}

/// `produce` does this; it ends in a trap that speaks of a handle.
async fn trapped(body: &str) {
    let guest = streams().hook("backup", "produce", body).binary();
    let world = Arc::new(World::default());
    let mut hooks = start(&guest, &world, &[]).await;
    let error = hooks.produce("x", Box::new(tokio::io::sink())).await.unwrap_err();
    assert!(matches!(error, Error::Crashed { .. }), "{body}: {error}");
    assert!(error.to_string().contains("handle"), "{body}: {error}");
    the_host_stands().await;
}

#[tokio::test]
async fn a_handle_is_made_up() {
    for handle in ["0", "2", "9", "4096", "-1", "2147483647"] {
        trapped(&format!("(call $w (i32.const {handle})) (i32.const 64)")).await;
        trapped(&format!("(call $drop-sink (i32.const {handle})) (i32.const 64)")).await;
    }
}

#[tokio::test]
async fn a_sink_is_given_as_a_source() {
    trapped("(call $r (local.get $handle)) (i32.const 64)").await;
    trapped("(call $drop-source (local.get $handle)) (i32.const 64)").await;
}

#[tokio::test]
async fn a_handle_is_used_after_it_was_dropped() {
    trapped("(call $drop-sink (local.get $handle)) (call $w (local.get $handle)) (i32.const 64)")
        .await;
}

#[tokio::test]
async fn a_handle_is_dropped_twice() {
    trapped(
        "(call $drop-sink (local.get $handle)) (call $drop-sink (local.get $handle))
         (i32.const 64)",
    )
    .await;
}

#[tokio::test]
async fn a_stream_is_kept_for_the_next_hook() {
    let guest = streams()
        .hook("backup", "produce", "(global.set $kept (local.get $handle)) (i32.const 64)")
        .hook("backup", "consume", "(global.set $kept (local.get $handle)) (i32.const 64)")
        .hook("backup", "before-backup", "(call $w (global.get $kept)) (call $as-said)")
        .hook("backup", "after-restore", "(call $r (global.get $kept)) (call $as-said)")
        .binary();
    let world = Arc::new(World::default());
    let mut hooks = start(&guest, &world, &[]).await;
    hooks.produce("x", Box::new(tokio::io::sink())).await.unwrap();
    let error = hooks.before_backup().await.unwrap_err();
    assert!(error.to_string().ends_with("the stream is closed"), "{error}");
    hooks.consume("x", Box::new(&b"secret"[..])).await.unwrap();
    let error = hooks.after_restore().await.unwrap_err();
    assert!(error.to_string().ends_with("the stream is closed"), "{error}");
    the_host_stands().await;
}

#[tokio::test]
async fn a_handle_of_an_earlier_hook_names_a_new_stream() {
    // The sink is dropped; the source gets its number.
    let guest = streams()
        .hook(
            "backup",
            "produce",
            "(global.set $kept (local.get $handle)) (call $drop-sink (local.get $handle))
             (i32.const 64)",
        )
        .hook("backup", "consume", "(call $w (global.get $kept)) (i32.const 64)")
        .binary();
    let world = Arc::new(World::default());
    let mut hooks = start(&guest, &world, &[]).await;
    hooks.produce("x", Box::new(tokio::io::sink())).await.unwrap();
    let error = hooks.consume("x", Box::new(&b"secret"[..])).await.unwrap_err();
    assert!(matches!(error, Error::Crashed { .. }), "{error}");
    the_host_stands().await;
}

#[tokio::test]
async fn handles_are_made_without_end() {
    // The component's own resource: the table of handles is limited for it, too.
    let component = r#"(component
        (type $r (resource (rep i32)))
        (core func $new (canon resource.new $r))
        (core module $M
            (import "" "new" (func $new (param i32) (result i32)))
            (func $start (loop $on (drop (call $new (i32.const 1))) (br $on)))
            (start $start))
        (core instance (instantiate $M (with "" (instance (export "new" (func $new))))))"#;
    let text = Guest::new(&["lifecycle"]).text().replacen("(component", component, 1);
    let plugin = super::load(&super::hostile::binary(&text)).await.unwrap();
    let world = Arc::new(World::default());
    let error = plugin.start(super::surroundings(&world, &[])).await.err().unwrap();
    assert!(matches!(error, Error::Start { .. }), "{error}");
    assert!(
        error.to_string().contains("capacity") || error.to_string().contains("handle"),
        "{error}"
    );
    the_host_stands().await;
}
