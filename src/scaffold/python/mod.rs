//! A plugin in Python.

use std::collections::BTreeSet;

use include_dir::{Dir, include_dir};

use super::{Files, Name, SCENARIO, add_all, fill, wanted};
use crate::plugin::Role;

static SDK: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/plugins/sdk-python/potluck");

/// What each role begins with: its template, and the names it uses of the SDK.
fn template(role: Role) -> (&'static str, &'static [&'static str]) {
    match role {
        Role::Lifecycle => {
            (include_str!("roles/lifecycle.py.in"), &["Lifecycle", "facts", "report", "settings"])
        }
        Role::Migration => (include_str!("roles/migration.py.in"), &["Migration"]),
        Role::Backup => (include_str!("roles/backup.py.in"), &["Backup", "Volume"]),
        Role::SsoProvider => {
            (include_str!("roles/sso-provider.py.in"), &["Failure", "SsoProvider"])
        }
        Role::SsoClient => (
            include_str!("roles/sso-client.py.in"),
            &["Changes", "ClientRequest", "SsoClient", "facts", "settings"],
        ),
        Role::MailProvider => {
            (include_str!("roles/mail-provider.py.in"), &["Failure", "MailProvider"])
        }
        Role::MailClient => {
            (include_str!("roles/mail-client.py.in"), &["Changes", "Failure", "MailClient"])
        }
        Role::Commands => (include_str!("roles/commands.py.in"), &["command", "services"]),
    }
}

/// A new plugin that plays these roles; at least one.
pub fn plugin(name: &Name, roles: &BTreeSet<Role>) -> Files {
    let mut used: BTreeSet<&str> = BTreeSet::new();
    let mut hooks = String::new();
    for role in roles {
        let (text, names) = template(*role);
        used.extend(names);
        hooks.push_str("\n\n");
        hooks.push_str(text);
    }
    let names: String = used.into_iter().map(|name| format!("    {name},\n")).collect();
    let module = name.as_str().replace('-', "_");
    let mut files = Files::default();
    files.add(
        format!("{module}.py"),
        format!(
            "\"\"\"What {name} does for an app.\"\"\"\n\nfrom potluck import (\n{names})\n{hooks}"
        ),
    );
    files.add(format!("test_{module}.py"), test(&module, roles));
    if roles.contains(&Role::Lifecycle) {
        files.add("tests/first-deploy.yml", SCENARIO);
    }
    let values = [("name", name.as_str()), ("recipe_yml", &wanted(name))];
    files.add("README.md", fill(include_str!("README.md.in"), &values));
    files.add(".gitignore", "/.venv\n/.potluck/built\n__pycache__/\n");
    add_all(&mut files, ".potluck/potluck", &SDK);
    files
}

/// One test for a role that has something to show, run against a script.
fn test(module: &str, roles: &BTreeSet<Role>) -> String {
    let (imports, body) = if roles.contains(&Role::Lifecycle) {
        (
            format!(
                "from potluck import Transition\nfrom potluck.testing import Script\n\n\
                 from {module} import Deploys\n"
            ),
            "    def test_the_first_deploy_is_greeted(self):\n        \
                 with Script() as host:\n            \
                     Deploys().after_deploy(Transition(before=None, after=\"1.0.0\"))\n        \
                 self.assertEqual(host.log, [\"info: app.example.org runs for the first time\"])\n",
        )
    } else {
        (
            format!("from potluck import roles\n\nimport {module}\n"),
            "    def test_it_plays_its_roles(self):\n        \
                 self.assertTrue(roles.played(MODULE))\n",
        )
    };
    let body = body.replace("MODULE", module);
    format!(
        "\"\"\"The hooks against a scripted host: no server is needed.\"\"\"\n\n\
         import unittest\n\n{imports}\n\n\
         class PluginTest(unittest.TestCase):\n{body}\n\n\
         if __name__ == \"__main__\":\n    unittest.main()\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_holds_its_roles_and_the_sdk() {
        let files = plugin(&Name::like("my-greeter"), &Role::ALL.into()).0;
        let module = &files["my_greeter.py"];
        for base in ["class SignedIn(SsoClient):", "class Backups(Backup):", "@command"] {
            assert!(module.contains(base), "{module}");
        }
        for path in [
            ".potluck/potluck/__main__.py",
            ".potluck/potluck/wit/v0.1.0/recipe.wit",
            ".potluck/potluck/wit/v0.4.0/recipe.wit",
            "test_my_greeter.py",
            "tests/first-deploy.yml",
        ] {
            assert!(files.contains_key(path), "{path}");
        }
        for (path, text) in files.iter().filter(|(path, _)| !path.starts_with(".potluck")) {
            assert!(!text.contains("{{"), "a value is missing in {path}");
        }
    }
}
