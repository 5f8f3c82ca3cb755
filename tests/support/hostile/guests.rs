//! Guests that many tests use.

#![allow(dead_code, unused_imports, reason = "each test file uses a part of it")]

#[path = "builder.rs"]
mod builder;
#[path = "data.rs"]
mod data;
#[path = "roles.rs"]
mod roles;
#[path = "wit.rs"]
mod wit;

use potluck::plugin::{BackupItem, Belief};

pub use self::{
    builder::{Guest, binary},
    data::{ANSWER, Data, fail_with_error},
};

/// A function that a guest imports: its interface and its name.
#[derive(Clone, Copy)]
pub struct Import(&'static str, &'static str);

/// level, message
pub const LOG: Import = Import("report", "log");
/// name, result
pub const REVEAL: Import = Import("secrets", "reveal");
/// service, path, content, mode, result
pub const PUT_FILE: Import = Import("services", "put-file");
/// service, argv, env, user?, workdir?, timeout?, input, result; see [`RUN_DB`].
pub const RUN: Import = Import("services", "run");
/// service, lines, result; only in 0.2.0
pub const LOGS: Import = Import("services", "logs");
/// service, path, result
pub const GET_FILE: Import = Import("services", "get-file");
/// service, milliseconds, result
pub const RESTART: Import = Import("services", "restart");
/// service, milliseconds, result
pub const WAIT_READY: Import = Import("services", "wait-ready");
/// → seconds
pub const NOW: Import = Import("tools", "now");

/// A component of 13 kB that takes the compiler minutes: each of a thousand nested
/// loops has to be told what became of a thousand variables.
pub fn slow_to_compile() -> Vec<u8> {
    const MANY: usize = 1000;
    let sums: String = (1..=MANY)
        .map(|n| format!("(local.set {n} (i32.add (local.get {n}) (local.get {})))", n - 1))
        .collect();
    binary(&format!(
        "(component (core module (func (param i32) (local {}) {} {sums} {})))",
        "i32 ".repeat(MANY),
        "(loop ".repeat(MANY),
        "(br_if 0 (local.get 0)))".repeat(MANY),
    ))
}

/// `$run-db`: runs arguments in the service `db`; the result lies at 1024.
/// `["true"]` is one argument at 520.
pub const RUN_DB: &str = r#"
    (data (i32.const 512) "db")
    (data (i32.const 516) "true")
    (data (i32.const 520) "\04\02\00\00\04\00\00\00")
    (func $run-db (param $argv i32) (param $count i32)
        (call $run (i32.const 512) (i32.const 2) (local.get $argv) (local.get $count)
            (i32.const 0) (i32.const 0)
            (i32.const 0) (i32.const 0) (i32.const 0)
            (i32.const 0) (i32.const 0) (i32.const 0)
            (i32.const 0) (i32.const 0)
            (i32.const 0) (i32.const 0)
            (i32.const 1024)))"#;

/// A plugin with the role `lifecycle`, whose hook `check` is `check`: it gives
/// an address of a result. 64 is one that reads as success; `$fail` makes one
/// of a message. `items` is whatever else the core module needs; data may lie
/// from 256 to 8191.
pub fn lifecycle(imports: &[Import], items: &str, check: &str) -> Vec<u8> {
    binary(&lifecycle_text(imports, items, check))
}

/// The same as text, to be altered.
pub fn lifecycle_text(imports: &[Import], items: &str, check: &str) -> String {
    lifecycle_in("0.1.0", imports, items, check)
}

/// The same in a version of the interface, in which all its imports are that
/// changed in it. In 0.2.0, `deploy-failed` fails with "restored" or "not".
pub fn lifecycle_in(version: &'static str, imports: &[Import], items: &str, check: &str) -> String {
    lifecycle_guest(version, imports, items, check).text()
}

/// The same, to be altered before it is made.
pub fn lifecycle_guest(
    version: &'static str,
    imports: &[Import],
    items: &str,
    check: &str,
) -> Guest {
    const DEPLOY_FAILED: &str = "(if (result i32) (local.get 6)
        (then (call $fail (i32.const 224) (i32.const 8)))
        (else (call $fail (i32.const 232) (i32.const 3))))";
    let mut guest = Guest::new(&["lifecycle"])
        .items(r#"(data (i32.const 224) "restorednot")"#)
        .items(items)
        .hook("lifecycle", "check", check)
        .hook("lifecycle", "deploy-failed", DEPLOY_FAILED);
    guest.version = version;
    for Import(interface, function) in imports {
        guest = guest.import(interface, function);
    }
    guest
}

/// A guest that streams.
fn streaming() -> Guest {
    Guest::new(&["backup"])
        .import("bytes", "[method]sink.write")
        .import("bytes", "[method]source.read")
        .items("(func $room (drop (memory.grow (i32.const 3)))) (start $room)")
}

/// A plugin with the role `backup` that plans these; its hooks are core code with `$handle`.
pub fn backup(plan: &[BackupItem], produce: &str, consume: &str) -> Vec<u8> {
    let mut guest = streaming()
        .items(&plan_of(plan))
        .hook("backup", "plan", "(call $plan)")
        .hook("backup", "produce", produce)
        .hook("backup", "consume", consume);
    guest.backup = backup_version(plan);
    guest.binary()
}

/// Items of the core module with `$plan`, which plans these.
pub fn plan_of(items: &[BackupItem]) -> String {
    let mut data = Data::new();
    let plan = planned(&mut data, items);
    format!("{} (func $plan (result i32) (i32.const {plan}))", data.items())
}

/// The first version of the role in which these items can be said.
fn backup_version(items: &[BackupItem]) -> &'static str {
    let says_more = |item: &BackupItem| matches!(item, BackupItem::Dump { belief, .. } if *belief != Belief::default());
    if items.iter().any(says_more) { "0.3.0" } else { "0.1.0" }
}

fn planned(data: &mut Data, items: &[BackupItem]) -> u32 {
    let version = backup_version(items);
    let items: Vec<Vec<u32>> = items.iter().map(|item| data.item(item, version)).collect();
    let [items, count] = data.list(&items);
    data.words(&[0, items, count])
}

/// A guest that plans these items and says in a log line what it is asked. What
/// it produces is `made by the guest`; its one check passes.
pub fn talking_backup(plan: &[BackupItem]) -> Vec<u8> {
    let version = backup_version(plan);
    let mut data = Data::new();
    let plan = planned(&mut data, plan);
    let name = data.string("the files are there");
    let finding = [name.as_slice(), &[1], &[0, 0, 0]].concat();
    let [findings, count] = data.list(&[finding]);
    let verify = data.words(&[0, findings, count]);
    let made = data.string("made by the guest");
    let before = data.log(1, "before-backup");
    let (good, bad) = (data.log(1, "after-backup true"), data.log(1, "after-backup false"));
    let restored = data.log(1, "after-restore");
    let done = "(i32.const 64)";
    let mut guest = streaming()
        .import("report", "log")
        .items(&data.items())
        .hook("backup", "plan", &format!("(i32.const {plan})"))
        .hook("backup", "before-backup", &format!("{before} {done}"))
        .hook(
            "backup",
            "after-backup",
            &format!("(if (local.get 0) (then {good}) (else {bad})) {done}"),
        )
        .hook(
            "backup",
            "produce",
            &format!(
                "(call $write (local.get $handle)
                    (i32.const {}) (i32.const {}) (i32.const {ANSWER}))
                (call $drop-sink (local.get $handle)) {done}",
                made[0], made[1]
            ),
        )
        .hook(
            "backup",
            "consume",
            &format!(
                "(call $read (local.get $handle)
                    (i32.const 1000) (i32.const {ANSWER}))
                (call $log (i32.const 1) (i32.load offset=4 (i32.const {ANSWER}))
                    (i32.load offset=8 (i32.const {ANSWER})))
                (call $drop-source (local.get $handle)) {done}"
            ),
        )
        .hook("backup", "after-restore", &format!("{restored} {done}"))
        .hook("backup", "verify", &format!("(i32.const {verify})"));
    guest.backup = version;
    guest.binary()
}
