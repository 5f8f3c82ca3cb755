//! Paths that lead somewhere else.

use std::sync::Arc;

use potluck::plugin::{BackupItem, Error};

use super::{
    attack_in, checks,
    hostile::{Guest, World, fail_with_error, plan_of},
    said, start, the_host_stands,
};

const TRICKS: [&str; 14] = [
    "",
    "/",
    "etc/passwd",
    "../etc/x",
    "/..",
    "/a/../../etc/x",
    "/./etc/x",
    "/a//b",
    "/a/",
    "/a/.",
    "/etc/passwd\0.conf",
    "\0",
    "C:\\x",
    "~/x",
];

#[tokio::test]
async fn put_file_is_given_a_path_that_climbs() {
    for path in TRICKS {
        let guest = checks(&[("services", "put-file")], |data| {
            let (db, at, x) = (data.string("db"), data.string(path), data.string("x"));
            data.call("put-file", &[db, at, x], &[0o644]) + &fail_with_error()
        });
        let (message, world) = said(&guest.binary(), &["exec: db"]).await;
        assert!(message.contains("is not an absolute, plain path"), "{path:?}: {message}");
        assert!(world.files.lock().unwrap().is_empty());
    }
}

#[tokio::test]
async fn get_file_is_given_a_path_that_climbs() {
    for path in TRICKS {
        let guest = checks(&[("services", "get-file")], |data| {
            let (db, at) = (data.string("db"), data.string(path));
            data.call("get-file", &[db, at], &[]) + &fail_with_error()
        });
        let (message, _) = said(&guest.binary(), &["exec: db"]).await;
        assert!(message.contains("is not an absolute, plain path"), "{path:?}: {message}");
    }
}

#[tokio::test]
async fn put_file_is_given_a_path_without_end() {
    let guest = checks(&[("services", "put-file")], |data| {
        let (db, x) = (data.string("db"), data.string("x"));
        let call = data.call("put-file", &[db, [65536, 1 << 20], x], &[0o644]);
        format!(
            "(drop (memory.grow (i32.const 20)))
             (memory.fill (i32.const 65536) (i32.const 97) (i32.const {}))
             (i32.store8 (i32.const 65536) (i32.const 47))
             {call} {}",
            1 << 20,
            fail_with_error()
        )
    });
    let (message, world) = said(&guest.binary(), &["exec: db"]).await;
    assert!(message.contains("plain path") && message.len() < 400, "{message}");
    assert!(world.files.lock().unwrap().is_empty());
}

#[tokio::test]
async fn put_file_is_asked_for_a_set_uid_program() {
    for mode in [0o4755, 0o2755, 0o1777, 0o100_644, u32::MAX] {
        let guest = checks(&[("services", "put-file")], |data| {
            let (db, at, x) = (data.string("db"), data.string("/bin/x"), data.string("x"));
            data.call("put-file", &[db, at, x], &[mode]) + &fail_with_error()
        });
        let (message, world) = said(&guest.binary(), &["exec: db"]).await;
        assert!(message.contains("more than permission bits"), "{message}");
        assert!(world.files.lock().unwrap().is_empty());
    }
}

#[tokio::test]
async fn recipe_files_are_read_from_outside_the_recipe() {
    for function in ["read", "names"] {
        for path in [
            "/etc/passwd",
            "../other-recipe/secrets",
            "a/../../x",
            "./x",
            "a//b",
            "a/",
            ".git/config",
            "a/.git/config",
            "logo.svg\0",
        ] {
            let guest = checks(&[("recipe-files", function)], |data| {
                let at = data.string(path);
                data.call(function, &[at], &[]) + &fail_with_error()
            });
            let (message, _) = said(&guest.binary(), &[]).await;
            assert!(message.contains("is not a plain path inside the recipe"), "{path}: {message}");
        }
    }
}

#[tokio::test]
async fn a_recipe_full_of_names_is_listed() {
    let recipe = (0..1000).map(|n| (format!("{n:0200}"), Vec::new())).collect();
    let world = Arc::new(World { recipe, ..World::default() });
    let guest = checks(&[("recipe-files", "names")], |data| {
        let text = data.string("refused");
        let call = data.call("names", &[[0, 0]], &[]);
        format!(
            "{call}
             (if (result i32) (i32.and (i32.load8_u (i32.const 160))
                    (i32.eq (i32.load8_u (i32.const 164)) (i32.const 2)))
                (then (call $fail (i32.const {}) (i32.const {})))
                (else (i32.const 64)))",
            text[0], text[1]
        )
    });
    let error = attack_in(world, &guest.binary(), &[]).await.0.unwrap_err();
    assert!(error.to_string().ends_with("failed: refused"), "`too-large`: {error}");
}

#[tokio::test]
async fn an_item_of_a_backup_is_named_like_a_path() {
    for name in ["../x", "a/b", "/etc/x", "-rf", ".hidden", "..", "", "a\0b", "a\u{1b}[2Jb"] {
        let item = BackupItem::Custom { name: name.into() };
        let guest = Guest::new(&["backup"])
            .items(&plan_of(&[item]))
            .hook("backup", "plan", "(call $plan)")
            .binary();
        let world = Arc::new(World::default());
        let error = start(&guest, &world, &[]).await.backup_plan().await.unwrap_err();
        assert!(matches!(error, Error::Answer { .. }), "{name:?}: {error}");
        let text = error.to_string();
        assert!(text.contains("is not a plain name") && !text.contains('\u{1b}'), "{text}");
    }
    the_host_stands().await;
}
