//! A guest with the role `backup`.

use super::guests::{FAILURES, LIBC, binary};

/// A plugin with the role `backup`; its hooks are core code with `$handle`.
/// `plan` is items of the core module that define `$plan`.
pub fn backup(plan: &str, produce: &str, consume: &str) -> Vec<u8> {
    const COMMAND: &str = r#"(record (field "argv" (list string))
        (field "env" (list (tuple string string))) (field "user" (option string))
        (field "workdir" (option string)) (field "timeout-ms" (option u32)))"#;
    const VOLUME: &str = r#"(record (field "name" string) (field "paths" (list string))
        (field "exclude" (list string)))"#;
    const DUMP: &str = r#"(record (field "name" string) (field "service" string)
        (field "take" $command) (field "put-back" $command))"#;
    const ITEM: &str = r#"(variant (case "volume" $volume) (case "dump" $dump)
        (case "custom" string))"#;
    const FINDING: &str = r#"(record (field "name" string) (field "passed" bool)
        (field "detail" (option string)))"#;
    let nothing = "(result (result (error $failure)))";
    let hooks = [
        ("plan", "", "(result (result (list $item) (error $failure)))"),
        ("before-backup", "", nothing),
        ("after-backup", r#"(param "succeeded" bool)"#, nothing),
        ("produce", r#"(param "name" string) (param "into" (own $sink))"#, nothing),
        ("consume", r#"(param "name" string) (param "contents" (own $source))"#, nothing),
        ("after-restore", "", nothing),
        ("verify", "", "(result (result (list $finding) (error $failure)))"),
    ];
    let [mut lifts, mut imports, mut exports, mut with] = [const { String::new() }; 4];
    for (hook, params, results) in hooks {
        let ty = format!("{params} {results}");
        // Inside the shim, exported functions are typed by exported names.
        let exported = ty
            .replace("$item", "$item-out")
            .replace("$finding", "$finding-out")
            .replace("$failure", "$failure-out")
            .replace("$sink", "$sink-out")
            .replace("$source", "$source-out");
        lifts += &format!(
            r#"(func ${hook} {ty} (canon lift (core func $main "{hook}")
                (memory (core memory $libc "memory"))
                    (realloc (core func $libc "realloc"))))"#
        );
        imports += &format!(r#"(import "func-{hook}" (func ${hook} {ty}))"#);
        exports += &format!(r#"(export "{hook}" (func ${hook}) (func {exported}))"#);
        with += &format!(r#"(with "func-{hook}" (func ${hook}))"#);
    }
    let dump_again = DUMP.replace("$command", "$command-out");
    let item_again = ITEM.replace("$volume", "$volume-out").replace("$dump", "$dump-out");
    binary(&format!(
        r#"(component
            {FAILURES}
            (import "potluck:recipe/process-types@0.1.0" (instance $process
                (type $c {COMMAND})
                (export "command" (type (eq $c)))))
            (alias export $process "command" (type $command))
            (import "potluck:recipe/bytes@0.1.0" (instance $bytes
                (export "sink" (type $sink (sub resource)))
                (export "source" (type $source (sub resource)))
                (export "[method]sink.write" (func (param "self" (borrow $sink))
                    (param "chunk" (list u8)) (result (result (error string)))))
                (export "[method]source.read" (func (param "self" (borrow $source))
                    (param "max" u32) (result (result (list u8) (error string)))))))
            (alias export $bytes "sink" (type $sink))
            (alias export $bytes "source" (type $source))
            {LIBC}
            (core func $write (canon lower (func $bytes "[method]sink.write")
                (memory (core memory $libc "memory"))
                    (realloc (core func $libc "realloc"))))
            (core func $read (canon lower (func $bytes "[method]source.read")
                (memory (core memory $libc "memory"))
                    (realloc (core func $libc "realloc"))))
            (core func $drop-sink (canon resource.drop $sink))
            (core func $drop-source (canon resource.drop $source))
            (core module $Main
                (import "libc" "memory" (memory $memory 1))
                (import "libc" "next" (global $next (mut i32)))
                (import "host" "write" (func $write (param i32 i32 i32 i32)))
                (import "host" "read" (func $read (param i32 i32 i32)))
                (import "host" "drop-sink" (func $drop-sink (param i32)))
                (import "host" "drop-source" (func $drop-source (param i32)))
                (func $fail (param $text i32) (param $length i32) (result i32)
                    (i32.store8 (i32.const 128) (i32.const 1))
                    (i32.store (i32.const 132) (local.get $text))
                    (i32.store (i32.const 136) (local.get $length))
                    (i32.const 128))
                (func $start (drop (memory.grow (i32.const 3))))
                (start $start)
                {plan}
                (func (export "plan") (result i32) (call $plan))
                (func (export "before-backup") (result i32) (i32.const 64))
                (func (export "after-backup") (param i32) (result i32) (i32.const 64))
                (func (export "produce") (param i32 i32) (param $handle i32) (result i32)
                    (local $a i32) {produce})
                (func (export "consume") (param i32 i32) (param $handle i32) (result i32)
                    (local $a i32) {consume})
                (func (export "after-restore") (result i32) (i32.const 64))
                (func (export "verify") (result i32) (i32.const 64)))
            (core instance $main (instantiate $Main
                (with "libc" (instance $libc))
                (with "host" (instance
                    (export "write" (func $write)) (export "read" (func $read))
                    (export "drop-sink" (func $drop-sink))
                    (export "drop-source" (func $drop-source))))))
            (type $volume {VOLUME}) (type $dump {DUMP}) (type $item {ITEM})
            (type $finding {FINDING})
            {lifts}
            (component $Shim
                (type $f (record (field "message" string) (field "hint" (option string))
                    (field "retryable" bool)))
                (import "type-failure" (type $failure (eq $f)))
                (type $c {COMMAND}) (import "type-command" (type $command (eq $c)))
                (import "type-sink" (type $sink (sub resource)))
                (import "type-source" (type $source (sub resource)))
                (type $v {VOLUME}) (import "type-volume" (type $volume (eq $v)))
                (type $d {DUMP}) (import "type-dump" (type $dump (eq $d)))
                (type $i {ITEM}) (import "type-item" (type $item (eq $i)))
                (type $g {FINDING}) (import "type-finding" (type $finding (eq $g)))
                {imports}
                (export $failure-out "failure" (type $failure))
                (export $command-out "command" (type $command))
                (export $sink-out "sink" (type $sink))
                (export $source-out "source" (type $source))
                (export $volume-out "volume" (type $volume))
                ;; What is made of other types is said again in exported ones.
                (type $dump-again {dump_again}) (export $dump-out "dump" (type $dump-again))
                (type $item-again {item_again}) (export $item-out "item" (type $item-again))
                (export $finding-out "finding" (type $finding))
                {exports})
            (instance $backup (instantiate $Shim
                (with "type-failure" (type $failure)) (with "type-command" (type $command))
                (with "type-sink" (type $sink)) (with "type-source" (type $source))
                (with "type-volume" (type $volume)) (with "type-dump" (type $dump))
                (with "type-item" (type $item)) (with "type-finding" (type $finding))
                {with}))
            (export "potluck:recipe/backup@0.1.0" (instance $backup)))"#
    ))
}

pub const PLAN_NOTHING: &str = "(func $plan (result i32) (i32.const 64))";

/// One dump: `true` in the service `db` to `db.sql`.
pub const PLAN_DUMP: &str = r#"
    (data (i32.const 512) "db")
    (data (i32.const 516) "true")
    (data (i32.const 520) "\04\02\00\00\04\00\00\00")
    (data (i32.const 528) "db.sql")
    ;; An item: the case, then the dump: name, service, take, put back. A
    ;; command has 48 bytes: argv, env, user, workdir, timeout.
    (data (i32.const 768) "\01\00\00\00"
        "\10\02\00\00\06\00\00\00" "\00\02\00\00\02\00\00\00"
        "\08\02\00\00\01\00\00\00")
    (data (i32.const 836) "\08\02\00\00\01\00\00\00")
    (data (i32.const 712) "\00\03\00\00\01\00\00\00")
    (func $plan (result i32) (i32.const 708))"#;

/// Items of the plugin's own with these names.
pub fn plan_custom(names: &[&str]) -> String {
    // A case and its largest payload, a dump: 4 + 8 + 8 + 48 + 48 bytes.
    const ITEM: usize = 116;
    let mut data = String::new();
    for (i, name) in names.iter().enumerate() {
        let (text, item) = (512 + 16 * i, 1024 + ITEM * i);
        data += &format!(
            r#"(data (i32.const {text}) "{name}") (data (i32.const {item}) "\02")
               (data (i32.const {}) "\{:02x}\{:02x}\00\00\{:02x}\00\00\00")"#,
            item + 4,
            text & 0xff,
            text >> 8,
            name.len(),
        );
    }
    format!(
        r#"{data} (data (i32.const 712) "\00\04\00\00\{:02x}\00\00\00")
           (func $plan (result i32) (i32.const 708))"#,
        names.len()
    )
}
