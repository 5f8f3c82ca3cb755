//! Guests that take too much: each is stopped, the error names the limit, and
//! the host goes on.

mod hostile;

use std::{sync::Arc, time::Duration};

use hostile::*;
use potluck::{
    hint::Hint,
    plugin::{Error, limits::Exceeded},
};

/// Runs `check` of this guest and gives the limit it ran into.
async fn exceeded(guest: &[u8]) -> (Exceeded, String) {
    let world = Arc::new(World::default());
    let mut hooks = start(guest, &world, &[]).await;
    let error = hooks.check(&first()).await.unwrap_err();
    let text = error.to_string();
    assert!(error.hint().is_some(), "{text}");
    let Error::Limit { exceeded, hook: "check", .. } = error else { panic!("{text}") };
    assert!(matches!(hooks.before_remove().await, Err(Error::Broken { .. })));
    (exceeded, text)
}

#[tokio::test]
async fn an_endless_loop_is_stopped() {
    let guest = lifecycle(&[], "", "(loop $on (br $on)) unreachable");
    let (exceeded, text) = exceeded(&guest).await;
    assert_eq!(exceeded, Exceeded::Compute { limit: Duration::from_millis(300) });
    assert!(text.ends_with("was stopped at its limit of computing time (0.3 s)"), "{text}");
}

#[tokio::test]
async fn an_endless_loop_of_host_calls_is_stopped() {
    let guest = lifecycle(&[NOW], "", "(loop $on (drop (call $now)) (br $on)) unreachable");
    assert_eq!(exceeded(&guest).await.0, Exceeded::Calls { limit: 1000 });
}

#[tokio::test]
async fn a_hook_that_waits_forever_is_stopped() {
    let world = Arc::new(World { hang: true, ..World::default() });
    let guest =
        lifecycle(&[RUN], RUN_DB, "(call $run-db (i32.const 520) (i32.const 1)) (i32.const 64)");
    let plugin = load(&guest).await.unwrap();
    let mut surroundings = surroundings(&world, &["exec: db"]);
    surroundings.limits.wall = Duration::from_millis(300);
    let mut hooks = plugin.start(surroundings).await.unwrap();
    let error = hooks.check(&first()).await.unwrap_err();
    let Error::Limit { exceeded: Exceeded::Wall { .. }, .. } = error else { panic!("{error}") };
}

#[tokio::test]
async fn a_hook_can_be_cancelled() {
    let guest = lifecycle(&[], "", "(loop $on (br $on)) unreachable");
    let world = Arc::new(World::default());
    let plugin = load(&guest).await.unwrap();
    let mut surroundings = surroundings(&world, &[]);
    surroundings.limits.compute = Duration::from_secs(600);
    surroundings.limits.wall = Duration::from_secs(600);
    let mut hooks = plugin.start(surroundings).await.unwrap();
    let to = first();
    tokio::select! {
        ended = hooks.check(&to) => panic!("{ended:?}"),
        () = tokio::time::sleep(Duration::from_millis(100)) => {}
    }
    assert!(matches!(hooks.before_remove().await, Err(Error::Broken { .. })));
}

#[tokio::test]
async fn memory_is_limited() {
    let guest =
        lifecycle(&[], "", "(loop $on (drop (memory.grow (i32.const 16))) (br $on)) unreachable");
    let (exceeded, text) = exceeded(&guest).await;
    assert_eq!(exceeded, Exceeded::Memory { limit: 8 << 20 });
    assert!(text.ends_with("its limit of memory (8 MiB)"), "{text}");
}

#[tokio::test]
async fn memory_wanted_at_the_start_is_limited() {
    let guest = lifecycle(&[], "(memory $more 1024)", "(i32.const 64)");
    let world = Arc::new(World::default());
    let plugin = load(&guest).await.unwrap();
    let Err(error) = plugin.start(surroundings(&world, &[])).await else { panic!("it started") };
    assert!(error.to_string().ends_with("its limit of memory (8 MiB)"), "{error}");
}

#[tokio::test]
async fn tables_are_limited() {
    let guest = lifecycle(
        &[],
        "(table $t 1 funcref)",
        "(loop $on (drop (table.grow $t (ref.null func) (i32.const 65536))) (br $on)) unreachable",
    );
    assert!(matches!(exceeded(&guest).await.0, Exceeded::Tables { .. }));
}

#[tokio::test]
async fn deep_recursion_is_stopped() {
    let guest = lifecycle(&[], "(func $down (call $down))", "(call $down) (i32.const 64)");
    let (exceeded, text) = exceeded(&guest).await;
    assert!(matches!(exceeded, Exceeded::Stack { .. }), "{text}");
}

#[tokio::test]
async fn a_text_beyond_the_guests_memory_is_a_crash() {
    // A log line of four gigabytes, from a memory of 64 KiB.
    let guest = lifecycle(
        &[LOG],
        "",
        "(call $log (i32.const 1) (i32.const 0) (i32.const -1)) (i32.const 64)",
    );
    let world = Arc::new(World::default());
    let mut hooks = start(&guest, &world, &[]).await;
    let error = hooks.check(&first()).await.unwrap_err();
    assert!(matches!(error, Error::Crashed { .. }), "{error}");
}

#[tokio::test]
async fn a_list_that_repeats_itself_does_not_fill_the_hosts_memory() {
    // 4096 arguments, each the same megabyte: four gigabytes for the host.
    let guest = lifecycle(
        &[RUN],
        RUN_DB,
        "(drop (memory.grow (i32.const 32)))
         (local.set $a (i32.const 65536))
         (loop $fill
            (i32.store (local.get $a) (i32.const 0))
            (i32.store offset=4 (local.get $a) (i32.const 1048576))
            (local.set $a (i32.add (local.get $a) (i32.const 8)))
            (br_if $fill (i32.lt_u (local.get $a) (i32.const 98304))))
         (call $run-db (i32.const 65536) (i32.const 4096)) (i32.const 64)",
    );
    assert!(matches!(exceeded(&guest).await.0, Exceeded::Handover { .. }));
}

#[tokio::test]
async fn an_endless_failure_message_is_cut() {
    let guest = lifecycle(
        &[],
        "",
        "(drop (memory.grow (i32.const 32)))
         (memory.fill (i32.const 65536) (i32.const 65) (i32.const 2000000))
         (call $fail (i32.const 65536) (i32.const 2000000))",
    );
    let world = Arc::new(World::default());
    let mut hooks = start(&guest, &world, &[]).await;
    let error = hooks.check(&first()).await.unwrap_err();
    assert!(error.to_string().len() < 5000, "{} bytes", error.to_string().len());
}

#[tokio::test]
async fn the_log_is_limited_and_says_so_once() {
    let guest = lifecycle(
        &[LOG],
        r#"(data (i32.const 256) "0123456789012345678901234567890123456789")"#,
        "(loop $on
            (call $log (i32.const 1) (i32.const 256) (i32.const 40))
            (local.set $a (i32.add (local.get $a) (i32.const 1)))
            (br_if $on (i32.lt_u (local.get $a) (i32.const 900))))
         (i32.const 64)",
    );
    let world = Arc::new(World::default());
    let mut hooks = start(&guest, &world, &[]).await;
    hooks.check(&first()).await.unwrap();
    let lines = world.lines();
    assert_eq!(lines.len(), 4096 / 40 + 1, "{lines:?}");
    assert!(lines.last().unwrap().contains("the rest of this hook is dropped"));
}
