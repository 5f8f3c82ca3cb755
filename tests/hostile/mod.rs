//! Guests written as WebAssembly text, so that no toolchain is needed and
//! nothing stands between a hostile guest and the host, and doubles of what a
//! guest's operation hands it.
//!
//! A guest is a core module inside a component that lowers what it imports and
//! lifts what it exports, as a guest's linker would make it.

#![allow(dead_code, reason = "each test file uses some of it")]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use potluck::{
    plugin::{
        Command, Facts, Hooks, Limits, Memory, Output, Plugin, Role, Runtime, SecretAccess,
        SecretError, ServiceError, StackServices, Surroundings, Transition,
    },
    progress::{Event, Level, Sink},
};
use zeroize::Zeroizing;

/// The guest's memory and an allocator that never frees.
const LIBC: &str = r#"
    (core module $Libc
        (memory (export "memory") 1)
        (global $next (mut i32) (i32.const 8192))
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
const FAILURES: &str = r#"
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
                (case "exists" string) (case "engine" string)))
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
                (case "not-running" string) (case "timed-out") (case "engine" string)))
            (export "error" (type $error (eq $e)))
            (export "put-file" (func (param "service" string) (param "path" string)
                (param "content" (list u8)) (param "mode" u32)
                (result (result (error $error)))))))"#,
    function: ("services", "put-file"),
    core: "(param i32 i32 i32 i32 i32 i32 i32 i32)",
};
/// service, argv, env, user?, workdir?, timeout?, input: one pointer to all of
/// it, as there are more than sixteen; and the result.
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
                (case "not-running" string) (case "timed-out") (case "engine" string)))
            (export "error" (type $error (eq $e)))
            (type $o (record (field "exit-code" s32) (field "stdout" (list u8))
                (field "stderr" (list u8)) (field "truncated" bool)))
            (export "output" (type $output (eq $o)))
            (export "run" (func (param "service" string) (param "command" $command)
                (param "input" (list u8)) (result (result $output (error $error)))))))"#,
    function: ("services", "run"),
    core: "(param i32 i32)",
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
    let mut instances = String::new();
    let mut lowered = String::new();
    let mut with = String::new();
    let mut core = String::new();
    for Import { instance, function: (interface, name), core: ty } in imports {
        instances += instance;
        lowered += &format!(
            r#"(core func ${name} (canon lower (func ${interface} "{name}")
                (memory $libc "memory") (realloc (func $libc "realloc"))))"#
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
    for (hook, to) in hooks.map(|hook| (hook, true)).into_iter().chain([("before-remove", false)]) {
        let (to, shim) = match to {
            true => (r#"(param "to" $transition)"#, r#"(param "to" $t)"#),
            false => ("", ""),
        };
        lifts += &format!(
            r#"(func ${hook} {to} (result (result (error $failure)))
                (canon lift (core func $main "{hook}")
                    (memory $libc "memory") (realloc (func $libc "realloc"))))"#
        );
        shim_imports += &format!(
            r#"(import "func-{hook}" (func ${hook} {to} (result (result (error $failure)))))"#
        );
        shim_exports += &format!(
            r#"(export "{hook}" (func ${hook}) (func {shim} (result (result (error $f)))))"#
        );
        shim_with += &format!(r#"(with "func-{hook}" (func ${hook}))"#);
    }
    let transition_type = r#"(record (field "before" (option string))
        (field "after" (option string)))"#;
    format!(
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
                (func (export "before-remove") (result i32) (i32.const 64)))
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
            (export "potluck:recipe/lifecycle@0.1.0" (instance $lifecycle)))"#
    )
}

pub fn binary(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"))
}

/// What the host said and was asked.
#[derive(Default)]
pub struct World {
    pub events: Mutex<Vec<Event>>,
    pub commands: Mutex<Vec<(String, Command, Vec<u8>)>>,
    pub files: Mutex<BTreeMap<String, Vec<u8>>>,
    pub secrets: BTreeMap<String, String>,
    pub memory: Mutex<BTreeMap<String, String>>,
    /// What every command answers.
    pub output: Vec<u8>,
    /// Services never answer.
    pub hang: bool,
}

impl World {
    /// The plugin's lines, `warning: text`.
    pub fn lines(&self) -> Vec<String> {
        let line = |event: &Event| match event {
            Event::Hook { level, message, .. } => Some(format!("{level}: {message}")),
            _ => None,
        };
        self.events.lock().unwrap().iter().filter_map(line).collect()
    }

    pub fn warnings(&self) -> Vec<String> {
        let warning = format!("{}: ", Level::Warn);
        self.lines().iter().filter_map(|l| l.strip_prefix(&warning).map(str::to_owned)).collect()
    }
}

impl Sink for World {
    fn event(&self, event: Event) {
        self.events.lock().unwrap().push(event);
    }
}

#[async_trait]
impl StackServices for World {
    async fn run(
        &self,
        service: &str,
        command: &Command,
        input: Vec<u8>,
        limit: usize,
    ) -> Result<Output, ServiceError> {
        if self.hang {
            std::future::pending::<()>().await;
        }
        self.commands.lock().unwrap().push((service.into(), command.clone(), input));
        let stdout = self.output[..self.output.len().min(limit)].to_vec();
        let truncated = stdout.len() < self.output.len();
        Ok(Output { exit_code: 0, stdout, stderr: Vec::new(), truncated })
    }
    async fn wait_ready(&self, _: &str, _: Duration) -> Result<(), ServiceError> {
        Ok(())
    }
    async fn restart(&self, _: &str, _: Duration) -> Result<(), ServiceError> {
        Ok(())
    }
    async fn put_file(
        &self,
        _: &str,
        path: &str,
        content: Vec<u8>,
        _: u32,
    ) -> Result<(), ServiceError> {
        self.files.lock().unwrap().insert(path.into(), content);
        Ok(())
    }
    async fn get_file(&self, _: &str, path: &str, _: usize) -> Result<Vec<u8>, ServiceError> {
        let files = self.files.lock().unwrap();
        files.get(path).cloned().ok_or_else(|| ServiceError::Engine("no such file".into()))
    }
}

#[async_trait]
impl SecretAccess for World {
    async fn reveal(&self, name: &str) -> Result<Zeroizing<String>, SecretError> {
        let value = self.secrets.get(name).cloned();
        value.map(Zeroizing::new).ok_or_else(|| SecretError::Unknown(name.into()))
    }
    async fn put(&self, name: &str, _: Zeroizing<String>) -> Result<(), SecretError> {
        Err(SecretError::Exists(name.into()))
    }
}

impl Memory for World {
    fn get(&self, key: &str) -> Result<Option<String>, String> {
        Ok(self.memory.lock().unwrap().get(key).cloned())
    }
    fn set(&self, key: &str, value: &str) -> Result<(), String> {
        self.memory.lock().unwrap().insert(key.into(), value.into());
        Ok(())
    }
}

/// Surroundings with these grants and small limits.
pub fn surroundings(world: &Arc<World>, grants: &[&str]) -> Surroundings {
    Surroundings {
        facts: Facts {
            app: "wiki.example.org".into(),
            stack: "wiki_example_org".into(),
            recipe: "wiki".into(),
            version: Some("1.0.0".into()),
            server: "default".into(),
        },
        settings: vec![("DOMAIN".into(), "wiki.example.org".into())],
        options: serde_json::json!({"title": "Wiki"}),
        grants: grants.iter().map(|grant| grant.parse().unwrap()).collect::<BTreeSet<_>>(),
        limits: Limits {
            memory: 8 << 20,
            wall: Duration::from_secs(20),
            compute: Duration::from_millis(300),
            output: 64 << 10,
            calls: 1000,
            log: 4096,
        },
        services: world.clone(),
        secrets: world.clone(),
        memory: world.clone(),
        progress: world.clone(),
    }
}

/// A runtime with a cache of its own, which lives as long as the folder.
pub fn runtime() -> (Runtime, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (Runtime::new(&folder.path().join("plugins")).unwrap(), folder)
}

pub async fn load(component: &[u8]) -> Result<Plugin, potluck::plugin::Error> {
    let (runtime, _folder) = runtime();
    runtime.load("guest", component).await
}

/// An instance of this component, started.
pub async fn start(component: &[u8], world: &Arc<World>, grants: &[&str]) -> Hooks {
    let plugin = load(component).await.unwrap_or_else(|error| panic!("{error}"));
    plugin.start(surroundings(world, grants)).await.unwrap_or_else(|error| panic!("{error}"))
}

/// A first deploy.
pub fn first() -> Transition {
    Transition { before: None, after: Some("1.0.0".into()) }
}

pub fn roles(plugin: &Plugin) -> Vec<Role> {
    plugin.roles().iter().copied().collect()
}
