//! Answers that are enormous, or repeat themselves until they are.

use std::sync::Arc;

use potluck::plugin::{BackupItem, Error, limits::Exceeded};

use super::{
    attack, checks, crashed,
    hostile::{Data, Guest, World, plan_of},
    start, the_host_stands,
};

/// Fills memory from 65536 on with pairs of an address and a length.
const FILL: &str = "
    (func $fill (param $to i32) (param $at i32) (param $length i32) (local $a i32)
        (local.set $a (i32.const 65536))
        (loop $on
            (i32.store (local.get $a) (local.get $at))
            (i32.store offset=4 (local.get $a) (local.get $length))
            (local.set $a (i32.add (local.get $a) (i32.const 8)))
            (br_if $on (i32.lt_u (local.get $a) (local.get $to)))))";

#[tokio::test]
async fn a_list_of_arguments_repeats_one_megabyte() {
    // 4096 arguments that are all the same bytes: four gigabytes for the host.
    let guest = checks(&[("services", "run")], |data| {
        let db = data.string("db");
        let call = data.call("run", &[db, [65536, 4096]], &[0; 12]);
        format!(
            "(drop (memory.grow (i32.const 32)))
             (call $fill (i32.const 98304) (i32.const 0) (i32.const 1048576))
             {call} (i32.const 64)"
        )
    });
    let error = attack(&guest.items(FILL).binary(), &["exec: db"]).await.0.unwrap_err();
    let Error::Limit { exceeded: Exceeded::Handover { .. }, .. } = error else { panic!("{error}") };
    assert!(error.to_string().contains("bytes handed to the host at once"), "{error}");
}

#[tokio::test]
async fn a_list_of_commands_repeats_one_text() {
    // 12 000 commands whose name, help and parameters are the same bytes.
    let guest = Guest::new(&["commands"]).items(FILL).hook(
        "commands",
        "specs",
        "(drop (memory.grow (i32.const 64)))
         (call $fill (i32.const 360448) (i32.const 1048576) (i32.const 65536))
         (i32.store (i32.const 64) (i32.const 65536))
         (i32.store (i32.const 68) (i32.const 12000))
         (i32.const 64)",
    );
    let world = Arc::new(World::default());
    let error = start(&guest.binary(), &world, &[]).await.command_specs().await.unwrap_err();
    assert!(matches!(error, Error::Limit { exceeded: Exceeded::Handover { .. }, .. }), "{error}");
    the_host_stands().await;
}

#[tokio::test]
async fn a_failures_message_has_megabytes() {
    let guest = checks(&[], |_| {
        "(drop (memory.grow (i32.const 64)))
         (memory.fill (i32.const 65536) (i32.const 65) (i32.const 4000000))
         (call $fail (i32.const 65536) (i32.const 4000000))"
            .into()
    });
    let error = attack(&guest.binary(), &[]).await.0.unwrap_err();
    assert!(error.to_string().len() < 5000, "{} bytes", error.to_string().len());
}

#[tokio::test]
async fn a_wrong_answer_has_megabytes() {
    // The message that shows what is wrong with it is cut as well.
    let guest = Guest::new(&["backup"]).hook(
        "backup",
        "plan",
        "(drop (memory.grow (i32.const 64)))
         (memory.fill (i32.const 65536) (i32.const 27) (i32.const 4000000))
         (i32.store (i32.const 68) (i32.const 256)) (i32.store (i32.const 72) (i32.const 1))
         (i32.store (i32.const 256) (i32.const 2))
         (i32.store (i32.const 260) (i32.const 65536))
         (i32.store (i32.const 264) (i32.const 4000000))
         (i32.const 64)",
    );
    let world = Arc::new(World::default());
    let error = start(&guest.binary(), &world, &[]).await.backup_plan().await.unwrap_err();
    assert!(matches!(error, Error::Answer { .. }), "{error}");
    assert!(error.to_string().len() < 5000, "{} bytes", error.to_string().len());
    the_host_stands().await;
}

#[tokio::test]
async fn a_text_is_longer_than_the_guests_memory() {
    let guest = checks(&[("report", "log")], |_| {
        "(call $log (i32.const 1) (i32.const 0) (i32.const -1)) (i32.const 64)".into()
    });
    assert!(crashed(&guest.binary(), &[]).await.contains("crashed"));
}

#[tokio::test]
async fn a_list_is_longer_than_the_guests_memory() {
    let guest = Guest::new(&["backup"]).hook(
        "backup",
        "plan",
        "(i32.store (i32.const 68) (i32.const 256)) (i32.store (i32.const 72) (i32.const -1))
         (i32.const 64)",
    );
    let world = Arc::new(World::default());
    let error = start(&guest.binary(), &world, &[]).await.backup_plan().await.unwrap_err();
    assert!(matches!(error, Error::Crashed { .. }), "{error}");
    the_host_stands().await;
}

#[tokio::test]
async fn a_plan_has_more_items_than_anyone_needs() {
    // 1001 items at the same place would do; names of their own are not needed
    // to be too many.
    let guest = Guest::new(&["backup"]).hook(
        "backup",
        "plan",
        "(drop (memory.grow (i32.const 4)))
         (i32.store (i32.const 68) (i32.const 65536)) (i32.store (i32.const 72) (i32.const 1001))
         (i32.const 64)",
    );
    let world = Arc::new(World::default());
    let error = start(&guest.binary(), &world, &[]).await.backup_plan().await.unwrap_err();
    assert!(error.to_string().ends_with("answered wrongly: more than 1000 items"), "{error}");
    the_host_stands().await;
}

#[tokio::test]
async fn two_items_of_a_backup_have_one_name() {
    let item = BackupItem::Custom { name: "db.sql".into() };
    let guest = Guest::new(&["backup"]).items(&plan_of(&[item.clone(), item])).hook(
        "backup",
        "plan",
        "(call $plan)",
    );
    let world = Arc::new(World::default());
    let error = start(&guest.binary(), &world, &[]).await.backup_plan().await.unwrap_err();
    assert!(error.to_string().contains("two items are called"), "{error}");
    the_host_stands().await;
}

#[tokio::test]
async fn a_setting_brings_a_line_of_its_own() {
    let mut data = Data::new();
    let [key, size] = data.string("TITLE");
    let [value, length] = data.string("Wiki\nSECRET_DB_PASSWORD_VERSION=v9");
    let [settings, count] = data.list(&[vec![key, size, 1, value, length]]);
    let answer = data.words(&[0, settings, count, 0, 0, 0, 0, 0, 0]);
    let guest = Guest::new(&["mail-client"]).items(&data.items()).hook(
        "mail-client",
        "disconnect",
        &format!("(i32.const {answer})"),
    );
    let world = Arc::new(World::default());
    let error = start(&guest.binary(), &world, &[]).await.mail_disconnect().await.unwrap_err();
    assert!(error.to_string().contains("is not one line of text"), "{error}");
    the_host_stands().await;
}

#[tokio::test]
async fn the_log_is_flooded() {
    let guest = checks(&[("report", "log")], |data| {
        let line = data.log(1, &"0123456789".repeat(4));
        format!(
            "(loop $on {line}
                (local.set $a (i32.add (local.get $a) (i32.const 1)))
                (br_if $on (i32.lt_u (local.get $a) (i32.const 900))))
             (i32.const 64)"
        )
    });
    let (outcome, world) = attack(&guest.binary(), &[]).await;
    outcome.unwrap();
    let lines = world.lines();
    assert_eq!(lines.len(), 4096 / 40 + 1, "{lines:?}");
    assert!(lines.last().unwrap().contains("logged more than 4096 bytes"), "{lines:?}");
}

#[tokio::test]
async fn standard_output_is_flooded() {
    let guest = checks(
        &[("stdout", "get-stdout"), ("streams", "[method]output-stream.blocking-write-and-flush")],
        |data| {
            let [at, length] = data.string(&format!("{}\n", "0123456789".repeat(20)));
            format!(
                "(local.set $b (call $get-stdout))
                 (loop $on
                    (call $blocking-write-and-flush (local.get $b)
                        (i32.const {at}) (i32.const {length}) (i32.const 160))
                    (local.set $a (i32.add (local.get $a) (i32.const 1)))
                    (br_if $on (i32.lt_u (local.get $a) (i32.const 500))))
                 (i32.const 64)"
            )
        },
    );
    let (outcome, world) = attack(&guest.binary(), &[]).await;
    outcome.unwrap();
    let lines = world.lines();
    assert!(lines.len() <= 4096 / 200 + 1, "{} lines", lines.len());
    assert!(lines.last().unwrap().contains("the rest is dropped"), "{lines:?}");
}
