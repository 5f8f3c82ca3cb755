//! Released versions of the interface never change, and components built for an
//! old one go on running: every denial and every check holds in each version.

use crate::support::hostile;

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use hostile::*;
use potluck::plugin::{Error, Role, WIT_VERSION};
use sha2::{Digest, Sha256};

/// Released folders of `wit/` and the digests of their files. A line that is
/// here is never edited.
const RELEASED: &[(&str, &str, &str)] = &[
    ("v0.1.0", "recipe.wit", "a31ede0c9caa132bb72b8be1a11c93c648204a616fca699707d9b8dc9aaa86f9"),
    ("v0.2.0", "recipe.wit", "d2e8a54a254b5b580028b98ce219c644a58dccd48db17e882738c8f761424a33"),
    ("v0.3.0", "recipe.wit", "03525bec9cbe797cc1cf9b41fbdce917a90b65be714f1d2b97afd0d1796fd1f9"),
    ("v0.4.0", "recipe.wit", "6807a011f2e3f8d7eae8662e994d33a381ca6090ae644f392ba79ef80f3d5af8"),
];

#[test]
fn a_released_version_is_never_changed() {
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("wit");
    let mut folders: Vec<String> = fs::read_dir(&wit)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    folders.sort();
    assert_eq!(folders, ["v0.1.0", "v0.2.0", "v0.3.0", "v0.4.0"], "every version is frozen here");
    for folder in &folders {
        let mut files: Vec<_> = fs::read_dir(wit.join(folder))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "deps")
            .collect();
        files.sort();
        let released = RELEASED.iter().filter(|(version, ..)| version == folder);
        assert_eq!(files, released.map(|(_, file, _)| *file).collect::<Vec<_>>(), "{folder}");
    }
    for (version, file, sum) in RELEASED {
        let found = hex::encode(Sha256::digest(fs::read(wit.join(version).join(file)).unwrap()));
        assert_eq!(found, *sum, "{version}/{file} is released and was changed; see wit/README.md");
    }
    assert_eq!(folders.last().unwrap(), &format!("v{WIT_VERSION}"));
    // What a version takes over is the older version itself, not a copy.
    for (place, version) in folders.iter().enumerate() {
        for older in &folders[..place] {
            let taken = fs::canonicalize(wit.join(version).join("deps").join(older)).unwrap();
            assert_eq!(taken, fs::canonicalize(wit.join(older)).unwrap());
        }
    }
}

const VERSIONS: [&str; 2] = ["0.1.0", "0.2.0"];

/// A guest that fails with the text of the error it got: a variant whose
/// payload, a string, lies at 1032.
const FAIL_WITH_ERROR: &str = "
    (if (result i32) (i32.load8_u (i32.const 1024))
        (then (call $fail (i32.load (i32.const 1032)) (i32.load (i32.const 1036))))
        (else (i32.const 64)))";

/// Calls of `services`, each on the service `db` (at 512) and with arguments
/// that are right.
fn calls() -> BTreeMap<&'static str, (Import, &'static str, &'static str)> {
    const DB: &str = r#"(data (i32.const 512) "db") (data (i32.const 544) "/etc/x")"#;
    [
        ("run", (RUN, RUN_DB, "(call $run-db (i32.const 520) (i32.const 1))")),
        (
            "put-file",
            (
                PUT_FILE,
                DB,
                "(call $put-file (i32.const 512) (i32.const 2) (i32.const 544) (i32.const 6)
                    (i32.const 544) (i32.const 1) (i32.const 420) (i32.const 1024))",
            ),
        ),
        (
            "get-file",
            (
                GET_FILE,
                DB,
                "(call $get-file (i32.const 512) (i32.const 2) (i32.const 544) (i32.const 6)
                    (i32.const 1024))",
            ),
        ),
        (
            "restart",
            (
                RESTART,
                DB,
                "(call $restart (i32.const 512) (i32.const 2) (i32.const 9) (i32.const 1024))",
            ),
        ),
        (
            "wait-ready",
            (
                WAIT_READY,
                DB,
                "(call $wait-ready (i32.const 512) (i32.const 2) (i32.const 9) (i32.const 1024))",
            ),
        ),
        (
            "logs",
            (LOGS, DB, "(call $logs (i32.const 512) (i32.const 2) (i32.const 9) (i32.const 1024))"),
        ),
    ]
    .into()
}

#[tokio::test]
async fn every_version_is_denied_the_same() {
    for version in VERSIONS {
        for (name, (import, items, call)) in calls() {
            if (version, name) == ("0.1.0", "logs") {
                continue;
            }
            let check = format!("{call} {FAIL_WITH_ERROR}");
            let guest = binary(&lifecycle_in(version, &[import], items, &check));
            let world = Arc::new(World::default());
            world.files.lock().unwrap().insert("/etc/x".into(), b"x".to_vec());
            let mut hooks = start(&guest, &world, &["exec: app", "secret: db"]).await;
            let error = hooks.check(&first()).await.unwrap_err();
            let Error::Failed { message, denied, .. } = &error else { panic!("{error}") };
            assert_eq!(message, "exec: db", "{version} {name}");
            assert_eq!(denied.len(), 1);
            assert_eq!(world.warnings(), ["was not granted `exec: db`, which it tried to use"]);
            assert!(world.commands.lock().unwrap().is_empty());
            assert_eq!(world.files.lock().unwrap().len(), 1);

            let mut hooks = start(&guest, &world, &["exec: db"]).await;
            hooks.check(&first()).await.unwrap_or_else(|e| panic!("{version} {name}: {e}"));
        }
    }
}

#[tokio::test]
async fn every_version_has_its_arguments_checked() {
    for version in VERSIONS {
        // A path that climbs, and a mode with more than permissions.
        for (path, mode) in [("/a/../b", 420), ("/etc/xx", 0o4755)] {
            let items = format!(r#"(data (i32.const 512) "db") (data (i32.const 544) "{path}")"#);
            let check = format!(
                "(call $put-file (i32.const 512) (i32.const 2) (i32.const 544) (i32.const 7)
                    (i32.const 544) (i32.const 1) (i32.const {mode}) (i32.const 1024))
                 (if (i32.ne (i32.load8_u (i32.const 1028)) (i32.const 4)) (then unreachable))
                 {FAIL_WITH_ERROR}"
            );
            let guest = binary(&lifecycle_in(version, &[PUT_FILE], &items, &check));
            let world = Arc::new(World::default());
            let mut hooks = start(&guest, &world, &["exec: db"]).await;
            let error = hooks.check(&first()).await.unwrap_err().to_string();
            assert!(error.contains("plain path") || error.contains("permission bits"), "{error}");
            assert!(world.files.lock().unwrap().is_empty());
        }
    }
}

#[tokio::test]
async fn a_role_is_called_in_the_version_that_the_component_has() {
    for (version, failed, not) in [("0.1.0", None, None), ("0.2.0", Some("restored"), Some("not"))]
    {
        let plugin =
            load(&binary(&lifecycle_in(version, &[], "", "(i32.const 64)"))).await.unwrap();
        assert_eq!(roles(&plugin), [Role::Lifecycle]);
        assert_eq!(plugin.wit_version(), Some(version));
        let world = Arc::new(World::default());
        let mut hooks = plugin.start(surroundings(&world, &[])).await.unwrap();
        hooks.check(&first()).await.unwrap();
        hooks.before_deploy(&first()).await.unwrap();
        hooks.after_deploy(&first()).await.unwrap();
        hooks.before_remove().await.unwrap();
        // 0.1.0 has no such hook: it is left out.
        for (restored, message) in [(true, failed), (false, not)] {
            match (hooks.deploy_failed(&first(), restored).await, message) {
                (Ok(()), None) => {}
                (Err(Error::Failed { message, hook, .. }), Some(wanted)) => {
                    assert_eq!((message.as_str(), hook), (wanted, "deploy-failed"));
                }
                other => panic!("{version}: {other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_component_may_mix_versions() {
    // The role is 0.1.0's, what it imports is 0.2.0's: shared libraries move on.
    let text = lifecycle_text(&[LOGS], "", "(i32.const 64)");
    let plugin = load(&binary(&text.replace("services@0.1.0", "services@0.2.0"))).await.unwrap();
    assert_eq!(plugin.wit_version(), Some("0.2.0"));
}

#[tokio::test]
async fn a_function_of_a_later_version_is_not_in_an_older_one() {
    let text =
        lifecycle_text(&[LOGS], "", "(i32.const 64)").replace("services@0.2.0", "services@0.1.0");
    let error = load(&binary(&text)).await.err().unwrap();
    assert!(matches!(error, Error::Mismatch { .. }), "{error}");
    assert!(error.to_string().contains("logs"), "{error}");
}

#[tokio::test]
async fn a_provider_of_an_older_version_cannot_give_another_secret() {
    let world = Arc::new(World::default());
    let request = potluck::plugin::ClientRequest {
        client: "wiki".into(),
        display_name: "Wiki".into(),
        home_url: None,
        redirect_uris: Vec::new(),
        post_logout_uris: Vec::new(),
        scopes: Vec::new(),
        public: false,
    };
    for version in ["0.1.0", "0.4.0"] {
        let mut guest = Guest::new(&["sso-provider", "mail-provider"]);
        guest.provider = version;
        let plugin = load(&guest.binary()).await.unwrap();
        let mut hooks = plugin.start(surroundings(&world, &[])).await.unwrap();
        let client = hooks.sso_rotate(&request).await.unwrap_err();
        let account = hooks.mail_rotate("wiki@example.org").await.unwrap_err();
        for error in [client, account] {
            let is_older = error.to_string().contains("older than 0.4.0");
            // A newer one is called, and this one answers nothing that is a client.
            assert_eq!(is_older, version == "0.1.0", "{error}");
            let hint = potluck::hint::Hint::hint(&error).unwrap_or_default();
            assert_eq!(hint.contains("at the provider itself"), is_older, "{hint}");
        }
    }
}
