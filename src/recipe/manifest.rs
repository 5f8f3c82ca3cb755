//! `recipe.yml`: the plugins of a recipe, their options and the grants they want.
//!
//! It is read strictly: an unknown key is an error that names it, because a
//! misspelt `grants` would otherwise silently ask for nothing.

use std::{collections::BTreeMap, fmt, path::Path};

use serde::Deserialize;

use super::{Error, Standard, inside::leaves, standard::SCHEME, written_grant::WrittenGrant};
pub use crate::plugin::PluginLimits;
use crate::{
    hint::Hint,
    home::{Grant, names::PluginName},
    yaml,
};

/// Plugins one recipe may have.
const MAX_PLUGINS: usize = 32;
/// Most grants of one plugin; more than anybody would read before agreeing.
const MAX_GRANTS: usize = 32;

/// A recipe's own description. A recipe without `recipe.yml` has an empty one.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Manifest {
    /// In the order in which their hooks run.
    pub plugins: Vec<PluginEntry>,
}

/// One plugin of a recipe.
#[derive(Debug, Clone, PartialEq)]
pub struct PluginEntry {
    /// Unique in the recipe; the name that messages and the lock file use.
    pub name: String,
    pub component: ComponentRef,
    /// Pin of the component's digest, 64 hex digits, if the recipe gives one.
    pub sha256: Option<String>,
    /// Handed to the plugin as JSON.
    pub options: serde_json::Value,
    /// What the plugin asks for.
    pub grants: Vec<Grant>,
    /// Limits raised by the recipe, up to the host's ceiling.
    pub limits: PluginLimits,
}

/// Where a plugin's component comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ComponentRef {
    /// A path inside the recipe, `plugins/wordpress.wasm`.
    Path(String),
    /// One that comes with potluck, `std:postgres`.
    Standard(&'static Standard),
}

impl fmt::Display for ComponentRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ComponentRef::Path(path) => f.write_str(path),
            ComponentRef::Standard(standard) => standard.fmt(f),
        }
    }
}

/// The file as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    plugins: Vec<WrittenPlugin>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPlugin {
    name: serde_saphyr::Spanned<String>,
    component: serde_saphyr::Spanned<String>,
    sha256: Option<serde_saphyr::Spanned<String>>,
    #[serde(default)]
    options: BTreeMap<String, serde_json::Value>,
    #[serde(default)]
    grants: Vec<serde_saphyr::Spanned<WrittenGrant>>,
    limits: Option<serde_saphyr::Spanned<PluginLimits>>,
}

impl Manifest {
    /// Longest `recipe.yml`, in bytes.
    pub(crate) const MAX_LENGTH: usize = 256 << 10;

    /// Reads the text of a `recipe.yml`.
    ///
    /// # Errors
    /// [`Error::Manifest`] with the line.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.len() > Self::MAX_LENGTH {
            return Err(Error::Manifest(format!("it is longer than {} bytes", Self::MAX_LENGTH)));
        }
        let empty = |line: &str| matches!(line.trim(), "" | "---") || line.trim().starts_with('#');
        if text.lines().all(empty) {
            return Ok(Manifest::default());
        }
        let written: Written =
            serde_saphyr::from_str(text).map_err(|e| Error::Manifest(yaml::message(&e)))?;
        if written.plugins.len() > MAX_PLUGINS {
            return Err(Error::Manifest(format!("it has more than {MAX_PLUGINS} plugins")));
        }
        let mut plugins: Vec<PluginEntry> = Vec::new();
        for plugin in written.plugins {
            let line = plugin.name.referenced.line();
            let plugin = plugin.check()?;
            if plugins.iter().any(|other| other.name == plugin.name) {
                return Err(at(line, format!("two plugins are called `{}`", plugin.name)));
            }
            plugins.push(plugin);
        }
        Ok(Manifest { plugins })
    }
}

impl WrittenPlugin {
    fn check(self) -> Result<PluginEntry, Error> {
        let name = PluginName::new(self.name.value)
            .map_err(|e| at(self.name.referenced.line(), e.to_string()))?;
        let component = component(&self.component.value)
            .map_err(|message| at(self.component.referenced.line(), message))?;
        if let (ComponentRef::Standard(standard), Some(pin)) = (&component, &self.sha256) {
            let message = format!("`{standard}` comes with potluck: there is nothing to pin");
            return Err(at(pin.referenced.line(), message));
        }
        if let ComponentRef::Standard(standard) = &component
            && standard.name == "backupbot"
            && !self.options.is_empty()
        {
            // It is handed the labels in their place.
            let message = format!("`{standard}` reads labels: it has no options");
            return Err(at(self.component.referenced.line(), message));
        }
        let sha256 = match self.sha256 {
            None => None,
            Some(pin)
                if pin.value.len() == 64 && pin.value.bytes().all(|b| b.is_ascii_hexdigit()) =>
            {
                Some(pin.value.to_ascii_lowercase())
            }
            Some(pin) => {
                let line = pin.referenced.line();
                return Err(at(line, "a sha256 has 64 hexadecimal digits".into()));
            }
        };
        if let Some(surplus) = self.grants.get(MAX_GRANTS) {
            let line = surplus.referenced.line();
            return Err(at(line, format!("a plugin asks for {MAX_GRANTS} grants at most")));
        }
        let mut grants = Vec::new();
        for written in self.grants {
            let line = written.referenced.line();
            let mut given = written.value.grants().map_err(|e| at(line, e.to_string()))?;
            let (Some(grant), true) = (given.pop(), given.is_empty()) else {
                return Err(at(line, "each grant is an item of its own, `- exec: db`".into()));
            };
            if !grants.contains(&grant) {
                grants.push(grant);
            }
        }
        let limits = match self.limits {
            None => PluginLimits::default(),
            Some(limits) => {
                let line = limits.referenced.line();
                limits.value.check().map_err(|e| at(line, e.to_string()))?;
                limits.value
            }
        };
        Ok(PluginEntry {
            name: name.to_string(),
            component,
            sha256,
            options: serde_json::Value::Object(self.options.into_iter().collect()),
            grants,
            limits,
        })
    }
}

/// `plugins/wordpress.wasm` or `std:postgres`.
fn component(written: &str) -> Result<ComponentRef, String> {
    match written.split_once(':') {
        Some((SCHEME, name)) => {
            return Standard::find(name).map(ComponentRef::Standard).map_err(with_hint);
        }
        Some((scheme, _)) => {
            return Err(format!(
                "`{written}`: this version of potluck reads components from a path inside the \
                 recipe and from `std:`, not from `{scheme}:`"
            ));
        }
        None => {}
    }
    if written.is_empty() || written.ends_with('/') {
        return Err(format!("`{written}` is not the path of a component"));
    }
    if leaves(Path::new(written)) {
        return Err(format!("`{written}` leaves the recipe's folder"));
    }
    Ok(ComponentRef::Path(written.into()))
}

/// For errors that are part of a line's error.
fn with_hint(error: impl Hint + fmt::Display) -> String {
    match error.hint() {
        Some(hint) => format!("{error}; {hint}"),
        None => error.to_string(),
    }
}

fn at(line: u64, message: String) -> Error {
    Error::Manifest(format!("line {line}: {message}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"
plugins:
  - name: wordpress
    component: plugins/wordpress.wasm
    sha256: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
    options: {app: app, count: 3, deep: {a: [1, x]}}
    grants:
      - exec: db
      - "secret: admin_password"
      - http: https://sso.example.org/
    limits: {memory_mib: 64, timeout_seconds: 600}
  - {name: second, component: ./second.wasm}
  - {name: db, component: std:postgres}
"#;

    #[test]
    fn a_manifest_is_read() {
        let manifest = Manifest::parse(WHOLE).unwrap();
        let components = manifest.plugins.iter().map(|plugin| plugin.component.to_string());
        assert_eq!(
            components.collect::<Vec<_>>(),
            ["plugins/wordpress.wasm", "./second.wasm", "std:postgres"]
        );
        let plugin = &manifest.plugins[0];
        assert_eq!(plugin.sha256.as_deref(), Some("a".repeat(64).as_str()));
        let options = serde_json::json!({"app": "app", "count": 3, "deep": {"a": [1, "x"]}});
        assert_eq!(plugin.options, options);
        let grants: Vec<_> = plugin.grants.iter().map(ToString::to_string).collect();
        assert_eq!(grants, ["exec: db", "secret: admin_password", "http: https://sso.example.org"]);
        assert_eq!(plugin.limits.memory_mib, Some(64));
        assert_eq!(manifest.plugins[1].options, serde_json::json!({}));
        for empty in ["", "# nothing\n", "---\n", "plugins: []"] {
            assert_eq!(Manifest::parse(empty).unwrap(), Manifest::default(), "{empty:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let one = |lines: &str| format!("plugins:\n- name: a\n  component: a.wasm\n{lines}");
        for (text, expected) in [
            ("plugin: []".into(), &["line 1", "plugin"][..]),
            (one("  grnats: []\n"), &["line 4", "grnats"]),
            (one("  grants: [exec: db, file: /etc]\n"), &["line 4", "`file: /etc`"]),
            (one("  grants:\n  - exec: db\n    secret: x\n"), &["line 5", "item of its own"]),
            (one("  grants: [exec]\n"), &["line 4", "`exec` is not a grant", "no colon"]),
            (one("  grants: [\"exek: db\"]\n"), &["line 4", "`exec: SERVICE`, `secret: NAME`"]),
            (one("  grants: [[exec]]\n"), &["line 4", "a grant, `exec: SERVICE`"]),
            (one("  grants: {exec: db}\n"), &["line 4", "a list"]),
            (
                one("  grants: [{exec: \"a\\n  - nothing\\u202e\"}]\n"),
                &[r"`exec: a\n  - nothing\u{202e}`"],
            ),
            (
                one(&format!("  grants:\n{}", "  - exec: db\n".repeat(33))),
                &["line 37", "32 grants at most"],
            ),
            (one("  sha256: abc\n"), &["line 4", "64"]),
            (one("  limits: {memory: 3}\n"), &["line 4", "memory"]),
            (one("  limits: {memory_mib: -3}\n"), &["line 4", "a non-negative integer"]),
            (one("  limits: {memory_mib: 9999999}\n"), &["line 4", "between 1 and 2048"]),
            (one("  limits:\n    timeout_seconds: 0\n"), &["line 5", "between 1 and 86400"]),
            (one("  limits: []\n"), &["line 4"]),
            (one("  options: {a: 1, a: 2}\n"), &["line 4", "duplicate key `a`"]),
            (one("- name: a\n  component: b.wasm\n"), &["line 4", "two plugins"]),
            ("plugins:\n- name: ../a\n  component: a\n".into(), &["line 2", "plugin name"]),
            ("plugins:\n- name: a\n  component: ../a\n".into(), &["line 3", "leaves"]),
            ("plugins:\n- name: a\n  component: /a\n".into(), &["line 3", "leaves"]),
            (
                "plugins:\n- name: a\n  component: std:postgresql\n".into(),
                &["line 3", "no plugin `std:postgresql`", "did you mean `std:postgres`?"],
            ),
            (
                format!(
                    "plugins:\n- name: a\n  component: std:files\n  sha256: {}",
                    "a".repeat(64)
                ),
                &["line 4", "nothing to pin"],
            ),
            (
                "plugins:\n- name: a\n  component: std:backupbot\n  options: {x: 1}\n".into(),
                &["line 3", "no options"],
            ),
            ("plugins:\n- name: a\n  component: https://h/a\n".into(), &["line 3", "https:"]),
            ("plugins:\n- name: a\n".into(), &["component"]),
            ("- a\n".into(), &["line 1"]),
            ("a: &a [*a]".into(), &[]),
            ("{".into(), &[]),
        ] {
            let error = Manifest::parse(&text).unwrap_err().to_string();
            assert!(error.starts_with("recipe.yml: "), "{error}");
            for part in expected {
                assert!(error.contains(part), "{text:?}: {error:?} lacks {part:?}");
            }
        }
    }
}
