//! What a component is, read from its bytes and its type, without running it.

use std::collections::{BTreeMap, BTreeSet};

use wasmparser::{Parser, Payload};
use wasmtime::{
    Engine,
    component::{Component, types::ComponentItem},
};

use super::{Error, Role};

/// The newest version of the interface.
pub const WIT_VERSION: &str = "0.4.0";
const PACKAGE: &str = "potluck:recipe/";
/// potluck's interfaces that a component may import. A version of `wit/`
/// holds only what changed in it.
const IMPORTS: [(&str, &[&str]); 14] = [
    ("app", &["0.1.0"]),
    ("bytes", &["0.1.0"]),
    ("changes", &["0.1.0"]),
    ("failures", &["0.1.0"]),
    ("http", &["0.1.0"]),
    ("mail-types", &["0.1.0"]),
    ("memory", &["0.1.0"]),
    ("process-types", &["0.1.0"]),
    ("recipe-files", &["0.1.0"]),
    ("report", &["0.1.0"]),
    ("secrets", &["0.1.0"]),
    ("services", &["0.1.0", "0.2.0"]),
    ("sso-types", &["0.1.0"]),
    ("tools", &["0.1.0"]),
];

/// Versions of a role's interface, oldest first.
fn versions(role: Role) -> &'static [&'static str] {
    match role {
        Role::Lifecycle => &["0.1.0", "0.2.0"],
        Role::Backup => &["0.1.0", "0.3.0"],
        Role::SsoProvider | Role::MailProvider => &["0.1.0", "0.4.0"],
        Role::Migration | Role::SsoClient | Role::MailClient | Role::Commands => &["0.1.0"],
    }
}

/// Packages of WASI 0.2 that are provided, with everything denied.
const WASI: [&str; 6] =
    ["wasi:cli/", "wasi:clocks/", "wasi:filesystem/", "wasi:io/", "wasi:random/", "wasi:sockets/"];

/// What a component can do with its imports: potluck's interfaces with
/// functions, each with a sentence, and WASI.
const USES: [(&str, &str); 9] = [
    ("app", "reads all of the app's settings, and its own options"),
    ("http", "sends requests to the origins that are granted"),
    ("memory", "keeps notes of its own about the app"),
    ("recipe-files", "reads the recipe's files"),
    ("report", "writes into the operation's log"),
    ("secrets", "stores the secrets that are granted; reads none back"),
    ("services", "programs, files and logs of the services that are granted"),
    ("tools", "clock, randomness, hashes of passwords, key pairs"),
    (WASI_NAME, "closed, except for a clock and randomness; its output goes to the log"),
];
const WASI_NAME: &str = "WASI";

/// Each interface that these imports are of, once, with what it is for.
/// Interfaces that hold nothing but types are left out.
pub fn uses(imports: &[String]) -> Vec<(&'static str, &'static str)> {
    let imported = |wanted: &str| {
        imports.iter().any(|import| match import.strip_prefix(PACKAGE) {
            Some(interface) => interface.split('@').next() == Some(wanted),
            None => wanted == WASI_NAME,
        })
    };
    USES.into_iter().filter(|(name, _)| imported(name)).collect()
}

/// What a component's type says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    pub roles: BTreeSet<Role>,
    /// The newest version in which it exports each.
    pub versions: BTreeMap<Role, &'static str>,
    /// As the component names them, in its order.
    pub imports: Vec<String>,
    /// Newest version of `potluck:recipe` that it imports or exports.
    pub wit_version: &'static str,
    /// Whether it needs WASI in the linker.
    pub wasi: bool,
}

/// Refuses anything but a binary component, and says what it is.
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
    let mut wit_version = "";
    for (name, item) in ty.imports(engine) {
        match origin(name) {
            Some(Origin::Ours { version, versions: Some(versions) }) => {
                wit_version = wit_version.max(known(plugin, name, version, versions)?);
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

    let mut roles: BTreeMap<Role, &'static str> = BTreeMap::new();
    let mut others = Vec::new();
    for (name, _) in ty.exports(engine) {
        match role(name) {
            Some((role, version)) => {
                let version = known(plugin, name, version, versions(role))?;
                wit_version = wit_version.max(version);
                let newest = roles.entry(role).or_insert(version);
                *newest = (*newest).max(version);
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
    Ok(Shape {
        roles: roles.keys().copied().collect(),
        versions: roles,
        imports,
        wit_version,
        wasi,
    })
}

/// The roles that a component's exports name, read from its bytes alone.
///
/// # Errors
/// [`Error::NotComponent`]
pub fn exported_roles(plugin: &str, bytes: &[u8]) -> Result<BTreeSet<Role>, Error> {
    recognise(plugin, bytes)?;
    let mut roles = BTreeSet::new();
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload {
            Ok(Payload::ModuleSection { .. } | Payload::ComponentSection { .. }) => depth += 1,
            Ok(Payload::End(_)) => depth = depth.saturating_sub(1),
            Ok(Payload::ComponentExportSection(exports)) if depth == 0 => {
                let names = exports.into_iter().filter_map(Result::ok);
                roles.extend(names.filter_map(|export| Some(role(export.name.name)?.0)));
            }
            Ok(_) => {}
            Err(_) => {
                let (what, hint) = ("a damaged component", "build it again");
                return Err(Error::NotComponent { plugin: plugin.into(), what, hint });
            }
        }
    }
    Ok(roles)
}

/// Whose interface a name is.
enum Origin<'a> {
    /// The versions that may be imported; none for a forbidden import.
    Ours {
        version: &'a str,
        versions: Option<&'static [&'static str]>,
    },
    Wasi,
}

fn origin(name: &str) -> Option<Origin<'_>> {
    let (path, version) = name.split_once('@')?;
    if let Some(interface) = path.strip_prefix(PACKAGE) {
        let known = IMPORTS.iter().find(|(name, _)| *name == interface);
        return Some(Origin::Ours { version, versions: known.map(|(_, versions)| *versions) });
    }
    // Patch versions of 0.2 are compatible; the linker knows.
    let known = WASI.iter().any(|package| path.starts_with(package));
    (known && version.starts_with("0.2.")).then_some(Origin::Wasi)
}

/// The role that an export's name stands for, and its version.
fn role(name: &str) -> Option<(Role, &str)> {
    let (interface, version) = name.strip_prefix(PACKAGE)?.split_once('@')?;
    Role::ALL.into_iter().find(|role| role.name() == interface).map(|role| (role, version))
}

/// Released versions sort as text: each of their numbers has one digit.
fn known(
    plugin: &str,
    name: &str,
    version: &str,
    versions: &'static [&'static str],
) -> Result<&'static str, Error> {
    versions.iter().copied().find(|known| *known == version).ok_or_else(|| Error::OtherVersion {
        plugin: plugin.into(),
        interface: super::text::clean_line(name, 200),
        known: versions.join(", "),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_component_uses_is_said_once_each() {
        let imports = [
            "potluck:recipe/failures@0.1.0",
            "potluck:recipe/services@0.1.0",
            "potluck:recipe/services@0.2.0",
            "wasi:cli/environment@0.2.3",
            "wasi:sockets/tcp@0.2.3",
            "potluck:recipe/app@0.1.0",
            "potluck:recipe/mail-types@0.1.0",
        ]
        .map(str::to_owned);
        let names = |imports| uses(imports).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(names(&imports), ["app", "services", "WASI"]);
        assert_eq!(names(&imports[..3]), ["services"]);
        // Every interface of functions has its sentence.
        let types = ["bytes", "changes", "failures", "mail-types", "process-types", "sso-types"];
        for (name, _) in IMPORTS {
            assert_eq!(USES.iter().any(|(n, _)| *n == name), !types.contains(&name), "{name}");
        }
    }

    #[test]
    fn roles_are_read_from_the_exports_of_the_component_itself() {
        let bytes = include_bytes!("../../tests/fixtures/every-role.wasm");
        assert_eq!(exported_roles("x", bytes).unwrap(), BTreeSet::from(Role::ALL));
        // A name in its data, or exported by a component within, is no role.
        let empty = b"\0asm\x0d\0\x01\0";
        let mut inner = vec![4, empty.len() as u8];
        inner.extend(empty);
        let custom = [&[0, 28, 27][..], b"potluck:recipe/backup@0.1.0"].concat();
        let bytes = [&empty[..], &custom, &inner].concat();
        assert_eq!(exported_roles("x", &bytes).unwrap(), BTreeSet::new());
        let cut = &include_bytes!("../../tests/fixtures/every-role.wasm")[..100];
        assert!(exported_roles("x", cut).unwrap_err().to_string().contains("damaged"));
    }

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
