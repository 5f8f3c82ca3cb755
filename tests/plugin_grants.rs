//! What was not granted is refused, to the guest and in front of the operator,
//! with the line that would allow it.

mod hostile;

use std::sync::Arc;

use hostile::*;
use potluck::{hint::Hint, plugin::Error};

/// A guest that fails with the text of the error it got: a variant whose
/// payload, a string, lies at 1032.
const FAIL_WITH_ERROR: &str = "
    (if (result i32) (i32.load8_u (i32.const 1024))
        (then (call $fail (i32.load (i32.const 1032)) (i32.load (i32.const 1036))))
        (else (i32.const 64)))";

fn runs_true() -> Vec<u8> {
    let check = format!("(call $run-db (i32.const 520) (i32.const 1)) {FAIL_WITH_ERROR}");
    lifecycle(&[RUN], RUN_DB, &check)
}

fn reveals() -> Vec<u8> {
    let check = format!(
        "(call $reveal (i32.const 256) (i32.const 11) (i32.const 1024))
         (if (i32.eqz (i32.load8_u (i32.const 1024)))
            (then (call $log (i32.const 1)
                (i32.load (i32.const 1028)) (i32.load (i32.const 1032)))))
         {FAIL_WITH_ERROR}"
    );
    lifecycle(&[REVEAL, LOG], r#"(data (i32.const 256) "db_password")"#, &check)
}

#[tokio::test]
async fn an_ungranted_service_is_refused_with_the_line_that_allows_it() {
    let world = Arc::new(World::default());
    let mut hooks = start(&runs_true(), &world, &["exec: app", "secret: db"]).await;
    let error = hooks.check(&first()).await.unwrap_err();
    let Error::Failed { message, denied, .. } = &error else { panic!("{error}") };
    assert_eq!(message, "exec: db", "the guest is told");
    assert_eq!(denied.iter().map(ToString::to_string).collect::<Vec<_>>(), ["exec: db"]);
    assert!(error.hint().unwrap().contains("`exec: db`"), "the operator is told");
    assert_eq!(world.warnings(), ["was not granted `exec: db`, which it tried to use"]);
    assert!(world.commands.lock().unwrap().is_empty(), "nothing ran");
}

#[tokio::test]
async fn a_granted_service_runs_the_command() {
    let world = Arc::new(World { output: b"done".to_vec(), ..World::default() });
    let mut hooks = start(&runs_true(), &world, &["exec: db"]).await;
    hooks.check(&first()).await.unwrap();
    let commands = world.commands.lock().unwrap();
    assert_eq!(commands.len(), 1);
    assert_eq!((commands[0].0.as_str(), &commands[0].1.argv[..]), ("db", &["true".to_owned()][..]));
}

#[tokio::test]
async fn an_ungranted_secret_is_refused() {
    let secrets = [("db_password".to_owned(), "hunter22".to_owned())].into();
    let world = Arc::new(World { secrets, ..World::default() });
    let mut hooks = start(&reveals(), &world, &["secret: other"]).await;
    let error = hooks.check(&first()).await.unwrap_err();
    let Error::Failed { message, .. } = &error else { panic!("{error}") };
    assert_eq!(message, "secret: db_password");
}

#[tokio::test]
async fn a_secret_that_is_logged_is_taken_out() {
    let secrets = [("db_password".to_owned(), "hunter22".to_owned())].into();
    let world = Arc::new(World { secrets, ..World::default() });
    let mut hooks = start(&reveals(), &world, &["secret: db_password"]).await;
    hooks.check(&first()).await.unwrap();
    assert_eq!(world.lines(), ["info: ***"]);
}

#[tokio::test]
async fn a_path_that_climbs_is_refused() {
    for path in ["../etc/x", "/a/../../etc/x", "etc", "/a\\00b"] {
        let items = format!(r#"(data (i32.const 256) "{path}") (data (i32.const 512) "db")"#);
        let length = path.replace("\\00", "0").len();
        let check = format!(
            "(call $put-file (i32.const 512) (i32.const 2) (i32.const 256) (i32.const {length})
                (i32.const 256) (i32.const 1) (i32.const 420) (i32.const 1024))
             (if (result i32) (i32.load8_u (i32.const 1024))
                (then (call $fail (i32.load (i32.const 1032)) (i32.load (i32.const 1036))))
                (else (i32.const 64)))"
        );
        let world = Arc::new(World::default());
        let mut hooks = start(&lifecycle(&[PUT_FILE], &items, &check), &world, &["exec: db"]).await;
        let error = hooks.check(&first()).await.unwrap_err().to_string();
        assert!(error.contains("is not an absolute, plain path"), "{path}: {error}");
        assert!(world.files.lock().unwrap().is_empty());
    }
}
