//! Components as text: a core module inside what a guest's linker puts around
//! it. An import is lowered with the memory of a module of its own, an export is
//! lifted and passed through a shim that gives its types their names.

#![allow(dead_code, reason = "each test file uses a part of it")]

/// The guest's memory and an allocator that never frees.
pub(super) const LIBC: &str = r#"
    (core module $Libc
        (memory (export "memory") 1)
        (global $next (export "next") (mut i32) (i32.const 8192))
        (func (export "realloc")
            (param $old i32) (param $old-size i32) (param $align i32) (param $size i32)
            (result i32)
            (local $at i32)
            (local.set $at (i32.and
                (i32.add (global.get $next) (i32.sub (local.get $align) (i32.const 1)))
                (i32.sub (i32.const 0) (local.get $align))))
            (global.set $next (i32.add (local.get $at) (local.get $size)))
            (block $enough
                (loop $more
                    (br_if $enough (i32.le_u (global.get $next)
                        (i32.mul (memory.size) (i32.const 65536))))
                    (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable))
                    (br $more)))
            (local.get $at)))
    (core instance $libc (instantiate $Libc))"#;

/// What every guest needs to say why it failed.
pub(super) const FAILURES: &str = r#"
    (import "potluck:recipe/failures@0.1.0" (instance $failures
        (type $f (record (field "message" string) (field "hint" (option string))
            (field "retryable" bool)))
        (export "failure" (type (eq $f)))))
    (alias export $failures "failure" (type $failure))"#;

/// An import: its instance, and `$name` lowered for the core module.
#[derive(Clone, Copy)]
pub struct Import {
    instance: &'static str,
    /// Instance and function, `report` and `log`.
    function: (&'static str, &'static str),
    /// Its core type.
    core: &'static str,
}

/// level, message
pub const LOG: Import = Import {
    instance: r#"
        (import "potluck:recipe/report@0.1.0" (instance $report
            (type $l (enum "debug" "info" "warn" "error"))
            (export "level" (type $level (eq $l)))
            (export "log" (func (param "level" $level) (param "message" string)))))"#,
    function: ("report", "log"),
    core: "(param i32 i32 i32)",
};
/// name, result
pub const REVEAL: Import = Import {
    instance: r#"
        (import "potluck:recipe/secrets@0.1.0" (instance $secrets
            (type $e (variant (case "denied" string) (case "unknown-secret" string)
                (case "unavailable" string) (case "exists" string) (case "invalid" string)
                (case "engine" string)))
            (export "error" (type $error (eq $e)))
            (export "reveal" (func (param "name" string)
                (result (result string (error $error)))))))"#,
    function: ("secrets", "reveal"),
    core: "(param i32 i32 i32)",
};
/// service, path, content, mode, result
pub const PUT_FILE: Import = Import {
    instance: r#"
        (import "potluck:recipe/services@0.1.0" (instance $services
            (type $e (variant (case "denied" string) (case "unknown-service" string)
                (case "not-running" string) (case "timed-out") (case "invalid" string)
                (case "too-large" u32) (case "engine" string)))
            (export "error" (type $error (eq $e)))
            (export "put-file" (func (param "service" string) (param "path" string)
                (param "content" (list u8)) (param "mode" u32)
                (result (result (error $error)))))))"#,
    function: ("services", "put-file"),
    core: "(param i32 i32 i32 i32 i32 i32 i32 i32)",
};
/// service, argv, env, user?, workdir?, timeout?, input: sixteen, which is the
/// most that is handed over flat; and the result. See [`RUN_DB`].
pub const RUN: Import = Import {
    instance: r#"
        (import "potluck:recipe/process-types@0.1.0" (instance $process
            (type $c (record (field "argv" (list string)) (field "env" (list (tuple string string)))
                (field "user" (option string)) (field "workdir" (option string))
                (field "timeout-ms" (option u32))))
            (export "command" (type (eq $c)))))
        (alias export $process "command" (type $command))
        (import "potluck:recipe/services@0.1.0" (instance $services
            (alias outer 1 $command (type $c))
            (export "command" (type $command (eq $c)))
            (type $e (variant (case "denied" string) (case "unknown-service" string)
                (case "not-running" string) (case "timed-out") (case "invalid" string)
                (case "too-large" u32) (case "engine" string)))
            (export "error" (type $error (eq $e)))
            (type $o (record (field "exit-code" s32) (field "stdout" (list u8))
                (field "stderr" (list u8)) (field "truncated" bool)))
            (export "output" (type $output (eq $o)))
            (export "run" (func (param "service" string) (param "command" $command)
                (param "input" (list u8)) (result (result $output (error $error)))))))"#,
    function: ("services", "run"),
    core: "(param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)",
};
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
/// service, lines, result; only in 0.2.0
pub const LOGS: Import = Import {
    instance: r#"
        (import "potluck:recipe/services@0.2.0" (instance $services
            (type $e (variant (case "denied" string) (case "unknown-service" string)
                (case "not-running" string) (case "timed-out") (case "invalid" string)
                (case "too-large" u32) (case "engine" string)))
            (export "error" (type $error (eq $e)))
            (export "logs" (func (param "service" string) (param "lines" u32)
                (result (result (list string) (error $error)))))))"#,
    function: ("services", "logs"),
    core: "(param i32 i32 i32 i32)",
};
/// service, path, result
pub const GET_FILE: Import = Import {
    instance: r#"
        (import "potluck:recipe/services@0.1.0" (instance $services
            (type $e (variant (case "denied" string) (case "unknown-service" string)
                (case "not-running" string) (case "timed-out") (case "invalid" string)
                (case "too-large" u32) (case "engine" string)))
            (export "error" (type $error (eq $e)))
            (export "get-file" (func (param "service" string) (param "path" string)
                (result (result (list u8) (error $error)))))))"#,
    function: ("services", "get-file"),
    core: "(param i32 i32 i32 i32 i32)",
};
/// service, milliseconds, result
pub const RESTART: Import = Import {
    instance: r#"
        (import "potluck:recipe/services@0.1.0" (instance $services
            (type $e (variant (case "denied" string) (case "unknown-service" string)
                (case "not-running" string) (case "timed-out") (case "invalid" string)
                (case "too-large" u32) (case "engine" string)))
            (export "error" (type $error (eq $e)))
            (export "restart" (func (param "service" string) (param "timeout-ms" u32)
                (result (result (error $error)))))))"#,
    function: ("services", "restart"),
    core: "(param i32 i32 i32 i32)",
};
/// service, milliseconds, result
pub const WAIT_READY: Import = Import {
    instance: r#"
        (import "potluck:recipe/services@0.1.0" (instance $services
            (type $e (variant (case "denied" string) (case "unknown-service" string)
                (case "not-running" string) (case "timed-out") (case "invalid" string)
                (case "too-large" u32) (case "engine" string)))
            (export "error" (type $error (eq $e)))
            (export "wait-ready" (func (param "service" string) (param "timeout-ms" u32)
                (result (result (error $error)))))))"#,
    function: ("services", "wait-ready"),
    core: "(param i32 i32 i32 i32)",
};
/// → seconds
pub const NOW: Import = Import {
    instance: r#"
        (import "potluck:recipe/tools@0.1.0" (instance $tools
            (export "now" (func (result u64)))))"#,
    function: ("tools", "now"),
    core: "(result i64)",
};

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
pub fn lifecycle_in(version: &str, imports: &[Import], items: &str, check: &str) -> String {
    let newer = version != "0.1.0";
    let mut instances = String::new();
    let mut lowered = String::new();
    let mut with = String::new();
    let mut core = String::new();
    for Import { instance, function: (interface, name), core: ty } in imports {
        instances += instance;
        lowered += &format!(
            r#"(core func ${name} (canon lower (func ${interface} "{name}")
                (memory (core memory $libc "memory"))
                    (realloc (core func $libc "realloc"))))"#
        );
        with += &format!(r#"(export "{name}" (func ${name}))"#);
        core += &format!(r#"(import "host" "{name}" (func ${name} {ty}))"#);
    }
    let hooks = ["check", "before-deploy", "after-deploy"];
    let transition = "(param i32 i32 i32 i32 i32 i32) (result i32)";
    let mut lifts = String::new();
    let mut shim_imports = String::new();
    let mut shim_exports = String::new();
    let mut shim_with = String::new();
    let later = newer.then_some(("deploy-failed", true));
    let hooks = hooks.map(|hook| (hook, true)).into_iter().chain(later);
    for (hook, to) in hooks.chain([("before-remove", false)]) {
        let (to, shim) = match to {
            true => (r#"(param "to" $transition)"#, r#"(param "to" $t)"#),
            false => ("", ""),
        };
        let (to, shim) = match hook {
            "deploy-failed" => (
                format!(r#"{to} (param "restored" bool)"#),
                format!(r#"{shim} (param "restored" bool)"#),
            ),
            _ => (to.to_owned(), shim.to_owned()),
        };
        lifts += &format!(
            r#"(func ${hook} {to} (result (result (error $failure)))
                (canon lift (core func $main "{hook}")
                    (memory (core memory $libc "memory"))
                    (realloc (core func $libc "realloc"))))"#
        );
        shim_imports += &format!(
            r#"(import "func-{hook}" (func ${hook} {to} (result (result (error $failure)))))"#
        );
        shim_exports += &format!(
            r#"(export "{hook}" (func ${hook}) (func {shim} (result (result (error $f)))))"#
        );
        shim_with += &format!(r#"(with "func-{hook}" (func ${hook}))"#);
    }
    let deploy_failed = if newer {
        r#"(data (i32.const 224) "restorednot")
           (func (export "deploy-failed") (param i32 i32 i32 i32 i32 i32 i32) (result i32)
                (if (result i32) (local.get 6)
                    (then (call $fail (i32.const 224) (i32.const 8)))
                    (else (call $fail (i32.const 232) (i32.const 3)))))"#
    } else {
        ""
    };
    let transition_type = r#"(record (field "before" (option string))
        (field "after" (option string)))"#;
    let text = format!(
        r#"(component
            {FAILURES}
            {instances}
            {LIBC}
            {lowered}
            (core module $Main
                (import "libc" "memory" (memory $memory 1))
                (import "libc" "realloc" (func $realloc (param i32 i32 i32 i32) (result i32)))
                {core}
                (func $fail (param $text i32) (param $length i32) (result i32)
                    (i32.store8 (i32.const 128) (i32.const 1))
                    (i32.store (i32.const 132) (local.get $text))
                    (i32.store (i32.const 136) (local.get $length))
                    (i32.const 128))
                {items}
                (func (export "check") {transition} (local $a i32) (local $b i32) {check})
                (func (export "before-deploy") {transition} (i32.const 64))
                (func (export "after-deploy") {transition} (i32.const 64))
                (func (export "before-remove") (result i32) (i32.const 64))
                {deploy_failed})
            (core instance $main (instantiate $Main
                (with "libc" (instance $libc))
                (with "host" (instance {with}))))
            (type $transition {transition_type})
            {lifts}
            (component $Shim
                (type $r (record (field "message" string) (field "hint" (option string))
                    (field "retryable" bool)))
                (import "type-failure" (type $failure (eq $r)))
                (type $s {transition_type})
                (import "type-transition" (type $transition (eq $s)))
                {shim_imports}
                (export $f "failure" (type $failure))
                (export $t "transition" (type $transition))
                {shim_exports})
            (instance $lifecycle (instantiate $Shim
                (with "type-failure" (type $failure))
                (with "type-transition" (type $transition))
                {shim_with}))
            (export "potluck:recipe/lifecycle@{version}" (instance $lifecycle)))"#
    );
    text.replace("potluck:recipe/services@0.1.0", &format!("potluck:recipe/services@{version}"))
}

pub fn binary(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"))
}
