//! What a component is, read from its bytes and its type, without running it.

use std::collections::BTreeSet;

use wasmtime::{
    Engine,
    component::{Component, types::ComponentItem},
};

use super::{Error, Role};

/// The version of the interface that the host speaks.
pub const WIT_VERSION: &str = "0.1.0";
const PACKAGE: &str = "potluck:recipe/";
/// Interfaces of ours that a component may import.
const IMPORTS: [&str; 13] = [
    "app",
    "bytes",
    "changes",
    "failures",
    "http",
    "mail-types",
    "memory",
    "process-types",
    "report",
    "secrets",
    "services",
    "sso-types",
    "tools",
];
/// Packages of WASI 0.2 that are there, with everything denied.
const WASI: [&str; 6] =
    ["wasi:cli/", "wasi:clocks/", "wasi:filesystem/", "wasi:io/", "wasi:random/", "wasi:sockets/"];

/// What a component's type says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    pub roles: BTreeSet<Role>,
    /// As the component names them, in its order.
    pub imports: Vec<String>,
    /// Version of `potluck:recipe` that its roles are of.
    pub wit_version: String,
    /// Whether it needs WASI in the linker.
    pub wasi: bool,
}

/// Refuses what is not a binary component, and says what it is.
///
/// # Errors
/// [`Error::NotComponent`]
pub fn recognise(plugin: &str, bytes: &[u8]) -> Result<(), Error> {
    let (what, hint) = match bytes {
        // Version 13, layer 1: the component model's preamble.
        [0, b'a', b's', b'm', 0x0d, 0, 1, 0, ..] => return Ok(()),
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => (
            "a core WebAssembly module",
            "make a component of it with `wasm-tools component new`, or link with `wasm-component-ld`",
        ),
        [0, b'a', b's', b'm', _, _, 1, 0, ..] => {
            ("a component of another version of the component model", "build it with current tools")
        }
        [0, b'a', b's', b'm', ..] => ("WebAssembly of an unknown kind", "build it again"),
        [] => ("an empty file", "build the plugin, or fetch the recipe again"),
        _ if Engine::detect_precompiled(bytes).is_some() => (
            "code compiled for one machine, which is never run from elsewhere",
            "give the component (.wasm) it was compiled from",
        ),
        [0x7f, b'E', b'L', b'F', ..] => ("a native program", "build it for WebAssembly"),
        _ if bytes.starts_with(b"version https://git-lfs") => {
            ("a pointer of Git LFS", "run `git lfs pull` in the recipe")
        }
        _ if bytes.starts_with(b"(component") || bytes.starts_with(b"(module") => {
            ("WebAssembly text", "make it binary with `wasm-tools parse`")
        }
        _ => ("something else", "build the plugin to a `.wasm` component"),
    };
    Err(Error::NotComponent { plugin: plugin.into(), what, hint })
}

/// Reads the roles and checks the imports.
///
/// # Errors
/// [`Error::ForeignImport`], [`Error::OtherVersion`], [`Error::NoRole`]
pub fn shape(plugin: &str, engine: &Engine, component: &Component) -> Result<Shape, Error> {
    let ty = component.component_type();
    let mut wasi = false;
    let mut imports = Vec::new();
    for (name, item) in ty.imports(engine) {
        match origin(name) {
            Some(Origin::Ours { interface, version }) if IMPORTS.contains(&interface) => {
                known(plugin, name, version)?;
            }
            Some(Origin::Wasi) => wasi = true,
            // A type or an interface that another import brings along.
            _ if matches!(item.ty, ComponentItem::Type(_)) => continue,
            _ => {
                return Err(Error::ForeignImport {
                    plugin: plugin.into(),
                    interface: super::text::clean_line(name, 200),
                });
            }
        }
        imports.push(name.to_owned());
    }

    let mut roles = BTreeSet::new();
    let mut others = Vec::new();
    for (name, _) in ty.exports(engine) {
        let ours = match origin(name) {
            Some(Origin::Ours { interface, version }) => Role::ALL
                .into_iter()
                .find(|role| role.name() == interface)
                .map(|role| (role, version)),
            _ => None,
        };
        match ours {
            Some((role, version)) => {
                known(plugin, name, version)?;
                roles.insert(role);
            }
            None => others.push(super::text::clean_line(name, 80)),
        }
    }
    if roles.is_empty() {
        let exports = if others.is_empty() {
            "it exports nothing".into()
        } else {
            others.truncate(5);
            format!("it exports {}", others.join(", "))
        };
        return Err(Error::NoRole { plugin: plugin.into(), exports });
    }
    Ok(Shape { roles, imports, wit_version: WIT_VERSION.into(), wasi })
}

/// Whose interface a name is.
enum Origin<'a> {
    Ours { interface: &'a str, version: &'a str },
    Wasi,
}

fn origin(name: &str) -> Option<Origin<'_>> {
    let (path, version) = name.split_once('@')?;
    if let Some(interface) = path.strip_prefix(PACKAGE) {
        return Some(Origin::Ours { interface, version });
    }
    // Patch versions of 0.2 are compatible; the linker knows.
    let known = WASI.iter().any(|package| path.starts_with(package));
    (known && version.starts_with("0.2.")).then_some(Origin::Wasi)
}

fn known(plugin: &str, name: &str, version: &str) -> Result<(), Error> {
    if version == WIT_VERSION {
        return Ok(());
    }
    Err(Error::OtherVersion {
        plugin: plugin.into(),
        interface: super::text::clean_line(name, 200),
        known: WIT_VERSION,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_component_is_called_by_its_name() {
        for (bytes, wanted) in [
            (&b"\0asm\x01\0\0\0"[..], "core WebAssembly module"),
            (b"\0asm\x0c\0\x01\0", "another version"),
            (b"\0asm", "unknown kind"),
            (b"", "empty"),
            (b"\x7fELF\x02\x01\x01", "native program"),
            (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
            (b"(module)", "text"),
            (b"#!/bin/sh\n", "something else"),
        ] {
            let error = recognise("x", bytes).unwrap_err().to_string();
            assert!(error.contains(wanted), "{error}");
        }
        assert!(recognise("x", b"\0asm\x0d\0\x01\0").is_ok());
    }
}
