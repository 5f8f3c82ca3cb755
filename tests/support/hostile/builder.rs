//! Components as text: a core module inside what a guest's linker puts around
//! it. An import is lowered with the memory of a module of its own, an export is
//! lifted and passed through a shim that gives its types their names.

use std::collections::BTreeSet;

use super::{
    roles::{BACKUP_0_3, ROLES},
    wit::{INTERFACES, Interface},
};

/// The guest's memory and an allocator that never frees.
const LIBC: &str = r#"
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
        (local.get $at))"#;

/// A guest to be built. A hook's body gives an address of a result: 64 is one
/// that reads as success with nothing in it, `$fail` makes one of a message.
/// Data may lie from 256 to 8191.
pub struct Guest {
    /// Of the interfaces that changed in 0.2.0.
    pub version: &'static str,
    /// Of the role `backup`.
    pub backup: &'static str,
    /// Of the roles `sso-provider` and `mail-provider`.
    pub provider: &'static str,
    /// Interface without its package, and function.
    imports: Vec<(&'static str, &'static str)>,
    roles: Vec<&'static str>,
    items: String,
    libc: String,
    /// Role, hook, body.
    bodies: Vec<(&'static str, &'static str, String)>,
    /// What all hooks do that have no body of their own.
    otherwise: String,
    lift_options: String,
    main_imports: String,
}

impl Guest {
    /// Plays these roles; every hook succeeds.
    pub fn new(roles: &[&'static str]) -> Self {
        Guest {
            version: "0.1.0",
            backup: "0.1.0",
            provider: "0.1.0",
            imports: Vec::new(),
            roles: roles.to_vec(),
            items: String::new(),
            libc: LIBC.into(),
            bodies: Vec::new(),
            otherwise: "(i32.const 64)".into(),
            lift_options: String::new(),
            main_imports: String::new(),
        }
    }

    /// Every role.
    pub fn of_all_roles() -> Self {
        Guest::new(&ROLES.iter().map(|role| role.name).collect::<Vec<_>>())
    }

    pub fn import(mut self, interface: &'static str, function: &'static str) -> Self {
        self.imports.push((interface, function));
        self
    }

    /// Adds items of the core module.
    pub fn items(mut self, items: &str) -> Self {
        self.items += items;
        self
    }

    pub fn hook(mut self, role: &'static str, hook: &'static str, body: &str) -> Self {
        self.bodies.push((role, hook, body.into()));
        self
    }

    pub fn every_hook(mut self, body: &str) -> Self {
        self.otherwise = body.into();
        self
    }

    /// Options of what lifts each hook, such as `(post-return …)`.
    pub fn lifted_with(mut self, options: &str) -> Self {
        self.lift_options = options.into();
        self
    }

    /// Imports of the core module, from `libc`.
    pub fn main_imports(mut self, imports: &str) -> Self {
        self.main_imports = imports.into();
        self
    }

    /// Alters the module with memory and allocator.
    pub fn libc(mut self, from: &str, to: &str) -> Self {
        assert!(self.libc.contains(from), "{from}");
        self.libc = self.libc.replace(from, to);
        self
    }

    pub fn binary(&self) -> Vec<u8> {
        binary(&self.text())
    }

    pub fn text(&self) -> String {
        let interfaces: String = self.interfaces().into_iter().map(|i| self.imported(i)).collect();
        let lowered: String = self
            .imports
            .iter()
            .map(|(interface, name)| {
                format!(
                    r#"(core func ${} (canon lower (func ${interface} "{name}")
                    (memory (core memory $libc "memory"))
                    (realloc (core func $libc "realloc"))))"#,
                    id(name)
                )
            })
            .collect();
        let drops = ["sink", "source", "network", "tcp-socket"]
            .iter()
            .filter(|resource| interfaces.contains(&format!("(type ${resource})")))
            .map(|resource| {
                format!("(core func $drop-{resource} (canon resource.drop ${resource}))")
            })
            .collect::<String>();
        let dropped = |text: &dyn Fn(&str) -> String| {
            ["sink", "source", "network", "tcp-socket"]
                .iter()
                .filter(|resource| drops.contains(&format!("$drop-{resource} ")))
                .map(|resource| text(&format!("drop-{resource}")))
                .collect::<String>()
        };
        let given: String = self.imports.iter().map(|(_, name)| given(name)).collect();
        let given = given + &dropped(&|name| self::given(name));
        let taken: String = self
            .imports
            .iter()
            .map(|(interface, name)| {
                let core = function(interface, name).core;
                format!(r#"(import "host" "{name}" (func ${} {core}))"#, id(name))
            })
            .collect();
        let taken = taken
            + &dropped(&|name| format!(r#"(import "host" "{name}" (func ${name} (param i32)))"#));
        let roles: String = self.roles.iter().map(|role| self.role(role)).collect();
        format!(
            r#"(component
            {interfaces}
            (core module $Libc {libc})
            (core instance $libc (instantiate $Libc))
            {lowered} {drops}
            (core module $Main
                (import "libc" "memory" (memory $memory 1))
                (import "libc" "next" (global $next (mut i32)))
                (import "libc" "realloc" (func $realloc (param i32 i32 i32 i32) (result i32)))
                {main_imports}
                {taken}
                (func $fail (param $text i32) (param $length i32) (result i32)
                    (i32.store8 (i32.const 128) (i32.const 1))
                    (i32.store (i32.const 132) (local.get $text))
                    (i32.store (i32.const 136) (local.get $length))
                    (i32.const 128))
                {items}
                {hooks})
            (core instance $main (instantiate $Main
                (with "libc" (instance $libc))
                (with "host" (instance {given}))))
            {roles})"#,
            libc = self.libc,
            main_imports = self.main_imports,
            items = self.items,
            hooks = self.hooks(),
        )
    }

    fn hooks(&self) -> String {
        let roles = ROLES.iter().filter(|role| self.roles.contains(&role.name));
        let hooks = roles.flat_map(|role| role.hooks.iter().map(|hook| (role.name, hook)));
        hooks
            .map(|(role, (hook, _, core))| {
                let own = self.bodies.iter().find(|(r, h, _)| *r == role && h == hook);
                let body = own.map_or(self.otherwise.as_str(), |(.., body)| body);
                format!(
                    r#"(func (export "{role}#{hook}") {core} (result i32)
                        (local $a i32) (local $b i32) {body})"#
                )
            })
            .collect()
    }

    /// Role and name of every hook it has.
    pub fn hook_names(&self) -> Vec<(&'static str, &'static str)> {
        let roles = ROLES.iter().filter(|role| self.roles.contains(&role.name));
        roles.flat_map(|role| role.hooks.iter().map(|(hook, ..)| (role.name, *hook))).collect()
    }

    /// What is imported, and what that and the roles use.
    fn interfaces(&self) -> Vec<&'static Interface> {
        let mut wanted: BTreeSet<&str> = BTreeSet::new();
        wanted.extend(self.imports.iter().map(|(interface, _)| interface_called(interface).name));
        let roles = ROLES.iter().filter(|role| self.roles.contains(&role.name));
        let mut types: Vec<&str> = roles.flat_map(|role| role.uses).copied().collect();
        for interface in INTERFACES.iter().rev() {
            let used = interface.types.iter().any(|(name, _)| types.contains(name));
            if wanted.contains(interface.name)
                || (used && interface.functions.is_empty())
                || (used && interface.name.ends_with("/bytes"))
                || (used && interface.name.ends_with("/tcp"))
            {
                wanted.insert(interface.name);
                types.extend(interface.uses);
            }
        }
        INTERFACES.iter().filter(|interface| wanted.contains(interface.name)).collect()
    }

    fn imported(&self, interface: &Interface) -> String {
        let id = short(interface.name);
        let mut inside = String::new();
        for used in interface.uses {
            inside += &format!(
                r#"(alias outer 1 ${used} (type ${used}.0))
                   (export "{used}" (type ${used} (eq ${used}.0)))"#
            );
        }
        let mut outside = String::new();
        for (name, definition) in interface.types {
            inside += &match *definition {
                "resource" => format!(r#"(export "{name}" (type ${name} (sub resource)))"#),
                _ => format!(
                    r#"(type ${name}.0 {definition})
                       (export "{name}" (type ${name} (eq ${name}.0)))"#
                ),
            };
            // Several interfaces have an `error`; nobody else uses those.
            if *name != "error" || interface.functions.is_empty() {
                outside += &format!(r#"(alias export ${id} "{name}" (type ${name}))"#);
            }
        }
        for (of, name) in &self.imports {
            if *of == id {
                let ty = function(of, name).ty;
                inside += &format!(r#"(export "{name}" (func {ty}))"#);
            }
        }
        let version = self.version_of(interface);
        format!(r#"(import "{}@{version}" (instance ${id} {inside})) {outside}"#, interface.name)
    }

    fn version_of(&self, interface: &Interface) -> &'static str {
        let newer = self.imports.contains(&("services", "logs"));
        match interface.name {
            "potluck:recipe/services" if newer => "0.2.0",
            "potluck:recipe/services" => self.version,
            name if name.starts_with("wasi:") => "0.2.0",
            _ => "0.1.0",
        }
    }

    fn role(&self, role: &str) -> String {
        let text = ROLES.iter().find(|known| known.name == role).unwrap();
        let of_others = INTERFACES.iter().flat_map(|interface| interface.types);
        let used = |name: &&str| of_others.clone().find(|(n, _)| n == name).unwrap();
        let version = match role {
            "lifecycle" => self.version,
            "backup" => self.backup,
            "sso-provider" | "mail-provider" => self.provider,
            _ => "0.1.0",
        };
        let types = if (role, version) == ("backup", "0.3.0") { BACKUP_0_3 } else { text.types };
        let [mut lifts, mut own, mut takes, mut gives, mut with] = [const { String::new() }; 5];
        for (name, definition) in types {
            own += &format!("(type ${name} {definition})");
        }
        for (name, definition) in text.uses.iter().map(used).chain(types) {
            if *definition == "resource" {
                takes += &format!(r#"(import "type-{name}" (type ${name} (sub resource)))"#);
            } else {
                takes += &format!(
                    r#"(type ${name}.0 {definition})
                       (import "type-{name}" (type ${name} (eq ${name}.0)))"#
                );
            }
            // What is made of other types is said again in exported ones.
            gives += &match definition.contains('$') {
                true => format!(
                    r#"(type ${name}.1 {}) (export ${name}.out "{name}" (type ${name}.1))"#,
                    exported(definition)
                ),
                false => format!(r#"(export ${name}.out "{name}" (type ${name}))"#),
            };
            with += &format!(r#"(with "type-{name}" (type ${name}))"#);
        }
        for (hook, ty, _) in text.hooks {
            if matches!(*hook, "deploy-failed" | "rotate") && version == "0.1.0" {
                continue;
            }
            lifts += &format!(
                r#"(func ${role}.{hook} {ty} (canon lift (core func $main "{role}#{hook}")
                    (memory (core memory $libc "memory"))
                    (realloc (core func $libc "realloc")) {}))"#,
                self.lift_options
            );
            takes += &format!(r#"(import "func-{hook}" (func ${hook} {ty}))"#);
            let ty = exported(ty);
            gives += &format!(r#"(export "{hook}" (func ${hook}) (func {ty}))"#);
            with += &format!(r#"(with "func-{hook}" (func ${role}.{hook}))"#);
        }
        format!(
            r#"{own} {lifts}
            (component $Shim.{role} {takes} {gives})
            (instance ${role} (instantiate $Shim.{role} {with}))
            (export "potluck:recipe/{role}@{version}" (instance ${role}))"#
        )
    }
}

/// Types by the names that the shim exports them under.
fn exported(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '-');
        let (name, behind) = after.split_at(end.unwrap_or(after.len()));
        out += &format!("{before}${name}.out");
        rest = behind;
    }
    out + rest
}

fn short(interface: &str) -> &str {
    interface.rsplit('/').next().unwrap()
}

fn interface_called(name: &str) -> &'static Interface {
    let found = INTERFACES.iter().find(|interface| short(interface.name) == name);
    found.unwrap_or_else(|| panic!("no interface `{name}`"))
}

fn function(interface: &str, name: &str) -> &'static super::wit::Function {
    let found = interface_called(interface).functions.iter().find(|f| f.name == name);
    found.unwrap_or_else(|| panic!("no function `{name}` in `{interface}`"))
}

fn given(name: &str) -> String {
    format!(r#"(export "{name}" (func ${}))"#, id(name))
}

/// `[method]sink.write` is `$write`.
fn id(name: &str) -> &str {
    name.rsplit('.').next().unwrap()
}

pub fn binary(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"))
}
