//! A guest that behaves: its hooks run, and its failures are told.

use crate::support::hostile;

use std::sync::Arc;

use hostile::*;
use potluck::{
    hint::Hint,
    plugin::{Error, Role},
};

#[tokio::test]
async fn a_hook_runs_and_says_so() {
    let guest = lifecycle(
        &[LOG],
        r#"(data (i32.const 256) "hello")"#,
        "(call $log (i32.const 1) (i32.const 256) (i32.const 5)) (i32.const 64)",
    );
    let world = Arc::new(World::default());
    let plugin = load(&guest).await.unwrap();
    assert_eq!(roles(&plugin), [Role::Lifecycle]);
    assert_eq!(plugin.imports(), ["potluck:recipe/failures@0.1.0", "potluck:recipe/report@0.1.0"]);
    assert_eq!(plugin.wit_version(), Some("0.1.0"));
    let mut hooks = plugin.start(surroundings(&world, &[])).await.unwrap();
    hooks.check(&first()).await.unwrap();
    hooks.after_deploy(&first()).await.unwrap();
    hooks.before_remove().await.unwrap();
    assert_eq!(world.lines(), ["info: hello"]);
}

#[tokio::test]
async fn a_failure_is_told_in_the_plugins_words() {
    let guest = lifecycle(
        &[],
        r#"(data (i32.const 256) "the site is\1b[31m not there")"#,
        "(call $fail (i32.const 256) (i32.const 29))",
    );
    let world = Arc::new(World::default());
    let mut hooks = start(&guest, &world, &[]).await;
    let error = hooks.check(&first()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the hook `check` of the plugin `guest` (lifecycle) failed: the site is not there"
    );
    // A failure is an answer: the instance goes on.
    hooks.after_deploy(&first()).await.unwrap();
}

#[tokio::test]
async fn a_role_that_is_not_played_is_an_error() {
    let guest = lifecycle(&[], "", "(i32.const 64)");
    let world = Arc::new(World::default());
    let mut hooks = start(&guest, &world, &[]).await;
    assert!(matches!(hooks.backup_plan().await, Err(Error::NotPlayed { role: Role::Backup, .. })));
}

#[tokio::test]
async fn a_trap_breaks_the_instance_and_nothing_else() {
    let guest = lifecycle(&[], "(func $inner unreachable)", "(call $inner) (i32.const 64)");
    let world = Arc::new(World::default());
    let mut hooks = start(&guest, &world, &[]).await;
    let error = hooks.check(&first()).await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, Error::Crashed { .. }), "{text}");
    assert!(text.contains("unreachable"), "{text}");
    assert!(text.contains("inner"), "the backtrace has names: {text}");
    let again = hooks.after_deploy(&first()).await.unwrap_err();
    assert!(matches!(again, Error::Broken { hook: "after-deploy", .. }), "{again}");
    assert!(again.hint().is_none());
}
