//! Traps in the middle of host calls, and calls that come back in.

use std::sync::Arc;

use potluck::plugin::Error;

use super::{
    attack, checks, crashed,
    hostile::{Guest, World, first, surroundings},
    load, start, the_host_stands,
};

/// A guest that has its settings handed over, with an allocator that does this
/// in its last line.
fn allocates(last: &str) -> Guest {
    checks(&[("app", "settings"), ("report", "log")], |_| {
        "(call $settings (i32.const 160)) (i32.const 64)".into()
    })
    .libc("(local.get $at))", &format!("{last})"))
}

#[tokio::test]
async fn the_allocator_traps_while_the_host_hands_over() {
    let said = crashed(&allocates("unreachable").binary(), &[]).await;
    assert!(said.contains("unreachable"), "{said}");
}

#[tokio::test]
async fn the_allocator_gives_memory_that_is_not_there() {
    for at in ["(i32.const -65536)", "(i32.const 0x7ffffff0)", "(memory.size)"] {
        let last = match at {
            "(memory.size)" => "(i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 1))",
            at => at,
        };
        crashed(&allocates(last).binary(), &[]).await;
    }
}

#[tokio::test]
async fn the_allocator_gives_a_crooked_address() {
    let said = crashed(&allocates("(i32.add (local.get $at) (i32.const 1))").binary(), &[]).await;
    assert!(said.contains("align"), "{said}");
}

#[tokio::test]
async fn the_allocator_calls_the_host() {
    // While the host hands over a result, the guest asks it for another.
    let guest = allocates("(call_indirect (i32.const 0)) (local.get $at)")
        .libc(
            "(memory (export \"memory\") 1)",
            "(memory (export \"memory\") 1) (table (export \"table\") 1 funcref)",
        )
        .main_imports(r#"(import "libc" "table" (table 1 funcref))"#)
        .items(
            "(func $again (call $settings (i32.const 160)))
             (elem (i32.const 0) $again)",
        );
    let said = crashed(&guest.binary(), &[]).await;
    assert!(said.contains("cannot leave component instance"), "{said}");
}

#[tokio::test]
async fn the_host_is_called_after_the_hook_returned() {
    let guest = checks(&[("report", "log")], |_| "(i32.const 64)".into())
        .items(
            r#"(func (export "after") (param i32)
                (call $log (i32.const 1) (i32.const 256) (i32.const 1)))"#,
        )
        .lifted_with(r#"(post-return (core func $main "after"))"#);
    let said = crashed(&guest.binary(), &[]).await;
    assert!(said.contains("cannot leave component instance"), "{said}");
}

#[tokio::test]
async fn what_comes_after_the_hook_traps() {
    let guest = checks(&[], |_| "(i32.const 64)".into())
        .items(r#"(func (export "after") (param i32) unreachable)"#)
        .lifted_with(r#"(post-return (core func $main "after"))"#);
    assert!(crashed(&guest.binary(), &[]).await.contains("unreachable"));
}

#[tokio::test]
async fn the_result_lies_nowhere() {
    for at in [-4, -1, 63, 65535, 65536, 0x7fff_fffc] {
        let guest = checks(&[], |_| format!("(i32.const {at})"));
        crashed(&guest.binary(), &[]).await;
    }
}

#[tokio::test]
async fn the_result_is_of_no_known_case() {
    let guest = checks(&[], |_| "(i32.store8 (i32.const 64) (i32.const 7)) (i32.const 64)".into());
    let said = crashed(&guest.binary(), &[]).await;
    assert!(said.contains("discriminant"), "{said}");
}

#[tokio::test]
async fn an_argument_is_of_no_known_case() {
    for level in [4, 255, -1] {
        let guest = checks(&[("report", "log")], |data| {
            let [at, length] = data.string("x");
            format!(
                "(call $log (i32.const {level}) (i32.const {at}) (i32.const {length}))
                 (i32.const 64)"
            )
        });
        let said = crashed(&guest.binary(), &[]).await;
        assert!(said.contains("discriminant"), "{said}");
    }
}

#[tokio::test]
async fn the_answer_of_the_host_is_to_lie_nowhere() {
    for at in [-4, 65535, 0x7fff_fff0] {
        let guest = checks(&[("app", "settings")], |_| {
            format!("(call $settings (i32.const {at})) (i32.const 64)")
        });
        crashed(&guest.binary(), &[]).await;
    }
}

#[tokio::test]
async fn it_traps_before_its_first_hook() {
    let guest =
        checks(&[], |_| "(i32.const 64)".into()).items("(func $start unreachable) (start $start)");
    let plugin = load(&guest.binary()).await.unwrap();
    let world = Arc::new(World::default());
    let error = plugin.start(surroundings(&world, &[])).await.err().unwrap();
    assert!(matches!(error, Error::Start { .. }), "{error}");
    assert!(error.to_string().contains("unreachable"), "{error}");
    the_host_stands().await;
}

#[tokio::test]
async fn a_command_runs_before_the_trap() {
    // What was granted and done stays done; the trap is what is told.
    let guest =
        checks(&[("services", "run")], |data| data.run("db", &["true"], &[]) + "unreachable");
    let (outcome, world) = attack(&guest.binary(), &["exec: db"]).await;
    assert!(matches!(outcome, Err(Error::Crashed { .. })), "{outcome:?}");
    assert_eq!(world.commands.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn it_is_called_again_after_a_trap() {
    let guest = checks(&[], |_| "unreachable".into());
    let world = Arc::new(World::default());
    let mut hooks = start(&guest.binary(), &world, &[]).await;
    assert!(matches!(hooks.check(&first()).await, Err(Error::Crashed { .. })));
    for _ in 0..2 {
        let again = hooks.before_remove().await.unwrap_err();
        assert!(matches!(again, Error::Broken { hook: "before-remove", .. }), "{again}");
    }
    the_host_stands().await;
}
