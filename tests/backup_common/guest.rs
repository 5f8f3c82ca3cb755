//! A plugin with the role `backup`, written as WebAssembly text around a plan
//! given here: what it is asked, it says in a log line.

use potluck::plugin::BackupItem;

/// Addresses below this are the guest's own; its allocator begins at 8192.
const BASE: u32 = 256;
const END: u32 = 8192;

/// Static data of the guest, in the canonical ABI's layout.
struct Data(Vec<u8>);

impl Data {
    fn put(&mut self, bytes: &[u8]) -> u32 {
        while !self.0.len().is_multiple_of(4) {
            self.0.push(0);
        }
        let at = BASE + u32::try_from(self.0.len()).unwrap();
        self.0.extend(bytes);
        assert!(BASE + u32::try_from(self.0.len()).unwrap() < END, "the plan is too large");
        at
    }

    fn words(&mut self, words: &[u32]) -> u32 {
        let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
        self.put(&bytes)
    }

    fn string(&mut self, text: &str) -> [u32; 2] {
        [self.put(text.as_bytes()), u32::try_from(text.len()).unwrap()]
    }

    fn list(&mut self, elements: &[Vec<u32>]) -> [u32; 2] {
        let words: Vec<u32> = elements.concat();
        [self.words(&words), u32::try_from(elements.len()).unwrap()]
    }

    fn strings(&mut self, texts: &[String]) -> [u32; 2] {
        let texts: Vec<Vec<u32>> = texts.iter().map(|t| self.string(t).to_vec()).collect();
        self.list(&texts)
    }

    /// argv; no environment, user, folder or limit.
    fn command(&mut self, argv: &[String]) -> Vec<u32> {
        let mut words = self.strings(argv).to_vec();
        words.extend(self.list(&[]));
        words.extend([0; 8]);
        words
    }

    fn item(&mut self, item: &BackupItem) -> Vec<u32> {
        let mut words = match item {
            BackupItem::Volume { name, paths, exclude } => {
                let (name, paths, exclude) =
                    (self.string(name), self.strings(paths), self.strings(exclude));
                [[0].as_slice(), &name, &paths, &exclude].concat()
            }
            BackupItem::Dump { name, service, take, put_back } => {
                let (name, service) = (self.string(name), self.string(service));
                let (take, put_back) = (self.command(&take.argv), self.command(&put_back.argv));
                [[1].as_slice(), &name, &service, &take, &put_back].concat()
            }
            BackupItem::Custom { name } => [[2].as_slice(), &self.string(name)].concat(),
        };
        // The variant is as large as its largest case.
        words.resize(1 + 28, 0);
        words
    }
}

/// A guest that plans these items. What it produces is `made by the guest`;
/// its one check passes.
pub fn guest(plan: &[BackupItem]) -> Vec<u8> {
    let mut data = Data(Vec::new());
    let items: Vec<Vec<u32>> = plan.iter().map(|item| data.item(item)).collect();
    let [items, count] = data.list(&items);
    let plan = data.words(&[0, items, count]);
    let name = data.string("the files are there");
    let finding = [name.as_slice(), &[1], &[0, 0, 0]].concat();
    let [findings, count] = data.list(&[finding]);
    let verify = data.words(&[0, findings, count]);
    let done = data.words(&[0; 8]);
    let made = data.string("made by the guest");
    let answer = data.words(&[0; 8]);
    let mut log = |text: &str| {
        let [at, length] = data.string(text);
        format!("(call $log (i32.const 1) (i32.const {at}) (i32.const {length}))")
    };
    let (before, good, bad) =
        (log("before-backup"), log("after-backup true"), log("after-backup false"));
    let restored = log("after-restore");
    let bytes: String = data.0.iter().map(|b| format!("\\{b:02x}")).collect();
    let text = format!(
        r#"(component
    (import "potluck:recipe/failures@0.1.0" (instance $failures
        (type $f (record (field "message" string) (field "hint" (option string))
            (field "retryable" bool)))
        (export "failure" (type (eq $f)))))
    (alias export $failures "failure" (type $failure))
    (import "potluck:recipe/process-types@0.1.0" (instance $process
        (type $c (record (field "argv" (list string)) (field "env" (list (tuple string string)))
            (field "user" (option string)) (field "workdir" (option string))
            (field "timeout-ms" (option u32))))
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
    (import "potluck:recipe/report@0.1.0" (instance $report
        (type $l (enum "debug" "info" "warn" "error"))
        (export "level" (type $level (eq $l)))
        (export "log" (func (param "level" $level) (param "message" string)))))
    (core module $Libc
        (memory (export "memory") 1)
        (global $next (mut i32) (i32.const {END}))
        (func (export "realloc") (param i32 i32 i32 i32) (result i32) (local $at i32)
            (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
            (global.set $next (i32.add (local.get $at) (local.get 3)))
            (local.get $at)))
    (core instance $libc (instantiate $Libc))
    (core func $log (canon lower (func $report "log")
        (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
    (core func $write (canon lower (func $bytes "[method]sink.write")
        (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
    (core func $read (canon lower (func $bytes "[method]source.read")
        (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
    (core func $drop-sink (canon resource.drop $sink))
    (core func $drop-source (canon resource.drop $source))
    (core module $Main
        (import "libc" "memory" (memory 1))
        (import "host" "log" (func $log (param i32 i32 i32)))
        (import "host" "write" (func $write (param i32 i32 i32 i32)))
        (import "host" "read" (func $read (param i32 i32 i32)))
        (import "host" "drop-sink" (func $drop-sink (param i32)))
        (import "host" "drop-source" (func $drop-source (param i32)))
        (data (i32.const {BASE}) "{bytes}")
        (func (export "plan") (result i32) (i32.const {plan}))
        (func (export "before-backup") (result i32) {before} (i32.const {done}))
        (func (export "after-backup") (param i32) (result i32)
            (if (local.get 0) (then {good}) (else {bad})) (i32.const {done}))
        (func (export "produce") (param i32 i32 i32) (result i32)
            (call $write (local.get 2) (i32.const {made_at}) (i32.const {made_length})
                (i32.const {answer}))
            (call $drop-sink (local.get 2))
            (i32.const {done}))
        (func (export "consume") (param i32 i32 i32) (result i32)
            (call $read (local.get 2) (i32.const 1000) (i32.const {answer}))
            (call $log (i32.const 1) (i32.load offset=4 (i32.const {answer}))
                (i32.load offset=8 (i32.const {answer})))
            (call $drop-source (local.get 2))
            (i32.const {done}))
        (func (export "after-restore") (result i32) {restored} (i32.const {done}))
        (func (export "verify") (result i32) (i32.const {verify})))
    (core instance $main (instantiate $Main
        (with "libc" (instance $libc))
        (with "host" (instance
            (export "log" (func $log)) (export "write" (func $write))
            (export "read" (func $read)) (export "drop-sink" (func $drop-sink))
            (export "drop-source" (func $drop-source))))))
    (type $volume (record (field "name" string) (field "paths" (list string))
        (field "exclude" (list string))))
    (type $dump (record (field "name" string) (field "service" string)
        (field "take" $command) (field "put-back" $command)))
    (type $item (variant (case "volume" $volume) (case "dump" $dump) (case "custom" string)))
    (type $finding (record (field "name" string) (field "passed" bool)
        (field "detail" (option string))))
    {lifts}
    (component $Shim
        (type $f0 (record (field "message" string) (field "hint" (option string))
            (field "retryable" bool)))
        (import "type-failure" (type $failure (eq $f0)))
        (type $c0 (record (field "argv" (list string)) (field "env" (list (tuple string string)))
            (field "user" (option string)) (field "workdir" (option string))
            (field "timeout-ms" (option u32))))
        (import "type-command" (type $command (eq $c0)))
        (import "type-sink" (type $sink (sub resource)))
        (import "type-source" (type $source (sub resource)))
        (type $v0 (record (field "name" string) (field "paths" (list string))
            (field "exclude" (list string))))
        (import "type-volume" (type $volume (eq $v0)))
        (type $d0 (record (field "name" string) (field "service" string)
            (field "take" $command) (field "put-back" $command)))
        (import "type-dump" (type $dump (eq $d0)))
        (type $i0 (variant (case "volume" $volume) (case "dump" $dump) (case "custom" string)))
        (import "type-item" (type $item (eq $i0)))
        (type $n0 (record (field "name" string) (field "passed" bool)
            (field "detail" (option string))))
        (import "type-finding" (type $finding (eq $n0)))
        {shim_imports}
        (export $failure1 "failure" (type $failure))
        (export $command1 "command" (type $command))
        (export $volume1 "volume" (type $volume))
        (type $d1 (record (field "name" string) (field "service" string)
            (field "take" $command1) (field "put-back" $command1)))
        (export $dump1 "dump" (type $d1))
        (type $i1 (variant (case "volume" $volume1) (case "dump" $dump1) (case "custom" string)))
        (export $item1 "item" (type $i1))
        (export $finding1 "finding" (type $finding))
        {shim_exports})
    (instance $backup (instantiate $Shim
        (with "type-failure" (type $failure)) (with "type-command" (type $command))
        (with "type-sink" (type $sink)) (with "type-source" (type $source))
        (with "type-volume" (type $volume)) (with "type-dump" (type $dump))
        (with "type-item" (type $item)) (with "type-finding" (type $finding))
        {shim_with}))
    (export "potluck:recipe/backup@0.1.0" (instance $backup)))"#,
        made_at = made[0],
        made_length = made[1],
        lifts = each(|name, parameters, result| format!(
            r#"(func ${name} {parameters} {result} (canon lift (core func $main "{name}")
                (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))"#
        )),
        shim_imports = each(|name, parameters, result| format!(
            r#"(import "func-{name}" (func ${name} {parameters} {result}))"#
        )),
        shim_exports = each(|name, parameters, result| {
            let result = result
                .replace("$failure", "$failure1")
                .replace("$item", "$item1")
                .replace("$finding", "$finding1");
            format!(r#"(export "{name}" (func ${name}) (func {parameters} {result}))"#)
        }),
        shim_with = each(|name, _, _| format!(r#"(with "func-{name}" (func ${name}))"#)),
    );
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}"))
}

/// One piece of text per hook, from its name, parameters and result.
fn each(piece: impl Fn(&str, &str, &str) -> String) -> String {
    let plain = "(result (result (error $failure)))";
    [
        ("plan", "", "(result (result (list $item) (error $failure)))"),
        ("before-backup", "", plain),
        ("after-backup", r#"(param "succeeded" bool)"#, plain),
        ("produce", r#"(param "name" string) (param "into" (own $sink))"#, plain),
        ("consume", r#"(param "name" string) (param "contents" (own $source))"#, plain),
        ("after-restore", "", plain),
        ("verify", "", "(result (result (list $finding) (error $failure)))"),
    ]
    .map(|(name, parameters, result)| piece(name, parameters, result))
    .concat()
}
