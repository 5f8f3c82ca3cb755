//! A plugin in Rust.

use std::collections::BTreeSet;

use include_dir::{Dir, include_dir};

use super::{Files, Name, SCENARIO, add_all, fill, wanted};
use crate::plugin::Role;

static SDK: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/plugins/sdk");
static WIT: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/wit");
/// The workspace that the SDK takes its versions from.
const WORKSPACE: &str = include_str!("../../../plugins/Cargo.toml");

/// What each role begins with: its template, and the names it uses of the SDK.
fn template(role: Role) -> (&'static str, &'static [&'static str]) {
    match role {
        Role::Lifecycle => (
            include_str!("roles/lifecycle.rs.in"),
            &["Lifecycle", "Result", "Transition", "facts", "report", "settings"],
        ),
        Role::Migration => {
            (include_str!("roles/migration.rs.in"), &["Failure", "Migration", "Result", "Step"])
        }
        Role::Backup => {
            (include_str!("roles/backup.rs.in"), &["Backup", "Finding", "Item", "Result", "Volume"])
        }
        Role::SsoProvider => (
            include_str!("roles/sso-provider.rs.in"),
            &["Client", "ClientRequest", "Failure", "Result", "SsoProvider"],
        ),
        Role::SsoClient => (
            include_str!("roles/sso-client.rs.in"),
            &["Changes", "Client", "ClientRequest", "Result", "SsoClient", "facts", "settings"],
        ),
        Role::MailProvider => (
            include_str!("roles/mail-provider.rs.in"),
            &["Failure", "MailProvider", "Relay", "Result"],
        ),
        Role::MailClient => (
            include_str!("roles/mail-client.rs.in"),
            &["Changes", "Failure", "MailClient", "Relay", "Result"],
        ),
        Role::Commands => (
            include_str!("roles/commands.rs.in"),
            &["Commands", "Failure", "Result", "Spec", "services"],
        ),
    }
}

/// A new plugin that plays these roles; at least one.
pub fn plugin(name: &Name, roles: &BTreeSet<Role>) -> Files {
    let mut used = BTreeSet::new();
    let mut hooks = String::new();
    for role in roles {
        let (text, names) = template(*role);
        used.extend(names);
        hooks.push('\n');
        hooks.push_str(text);
    }
    let names: Vec<&str> = used.into_iter().collect();
    let exported: Vec<String> =
        roles.iter().map(|role| role.to_string().replace('-', "_")).collect();
    let library = format!(
        "//! What {name} does for an app.\n\n\
         use potluck_sdk::{{{}}};\n\n\
         /// The plugin.\n\
         pub struct Plugin;\n\
         {hooks}\n\
         potluck_sdk::export!(Plugin: {});\n\n\
         #[cfg(test)]\n\
         mod tests;\n",
        names.join(", "),
        exported.join(", "),
    );
    let mut files = around(name, &wanted(name));
    files.add("src/lib.rs", library);
    files.add("src/tests.rs", tests(roles));
    if roles.contains(&Role::Lifecycle) {
        files.add("tests/first-deploy.yml", SCENARIO);
    }
    files
}

/// Everything of a crate but its sources.
pub(super) fn around(name: &Name, recipe_yml: &str) -> Files {
    let mut files = Files::default();
    let values = [("name", name.as_str()), ("recipe_yml", recipe_yml)];
    files.add("Cargo.toml", fill(include_str!("Cargo.toml.in"), &values));
    files.add("README.md", fill(include_str!("README.md.in"), &values));
    files.add(".gitignore", "/target\n");
    add_all(&mut files, ".potluck/plugins/sdk", &SDK);
    add_all(&mut files, ".potluck/wit", &WIT);
    files.add(".potluck/plugins/Cargo.toml", only_the_sdk(WORKSPACE));
    files
}

/// The workspace's manifest with the SDK as its only member.
fn only_the_sdk(manifest: &str) -> String {
    let mut text = String::new();
    let mut inside = false;
    for line in manifest.lines() {
        if line.starts_with("members") {
            text.push_str("members = [\"sdk\"]\n");
            inside = !line.contains(']');
        } else if inside {
            inside = !line.contains(']');
        } else {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

/// One test for a role that has something to show, run against a script.
fn tests(roles: &BTreeSet<Role>) -> String {
    let mut text = String::from("//! The hooks against a scripted host: no server is needed.\n\n");
    if roles.contains(&Role::Lifecycle) {
        text.push_str(
            "use potluck_sdk::{Lifecycle, Transition, testing::Script};\n\n\
             use crate::Plugin;\n\n\
             #[test]\n\
             fn the_first_deploy_is_greeted() {\n    \
                 let first = Transition { before: None, after: Some(\"1.0.0\".into()) };\n    \
                 let played = Script::new().play(|| Plugin::after_deploy(first));\n    \
                 played.result.unwrap();\n    \
                 assert_eq!(played.log[0].1, \"app.example.org runs for the first time\");\n\
             }\n",
        );
    } else {
        text.push_str(
            "use potluck_sdk::testing::Script;\n\n\
             #[test]\n\
             fn settings_come_from_the_script() {\n    \
                 let played = Script::new()\n        \
                     .setting(\"DOMAIN\", \"wiki.example.org\")\n        \
                     .play(|| potluck_sdk::settings::require(\"DOMAIN\"));\n    \
                 assert_eq!(played.result.unwrap(), \"wiki.example.org\");\n\
             }\n",
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sdks_workspace_has_no_other_member() {
        let text = only_the_sdk("[workspace]\nmembers = [\n  \"a\",\n  \"sdk\",\n]\nx = 1\n");
        assert_eq!(text, "[workspace]\nmembers = [\"sdk\"]\nx = 1\n");
        assert!(only_the_sdk(WORKSPACE).contains("members = [\"sdk\"]"));
    }

    #[test]
    fn a_plugin_holds_its_roles_and_the_sdk() {
        let files = plugin(&Name::like("greeter"), &[Role::Lifecycle, Role::SsoClient].into()).0;
        let library = &files["src/lib.rs"];
        assert!(
            library.contains("potluck_sdk::export!(Plugin: lifecycle, sso_client);"),
            "{library}"
        );
        assert!(library.contains("impl SsoClient for Plugin"), "{library}");
        assert!(files["Cargo.toml"].contains("name = \"greeter\""));
        for path in [
            ".potluck/plugins/sdk/src/lib.rs",
            ".potluck/plugins/sdk/src/roles/backup.rs",
            ".potluck/plugins/sdk/Cargo.toml",
            ".potluck/wit/v0.1.0/recipe.wit",
            ".potluck/wit/v0.4.0/deps/v0.1.0/recipe.wit",
        ] {
            assert!(files.contains_key(path), "{path}");
        }
        for (path, text) in files.iter().filter(|(path, _)| !path.starts_with(".potluck")) {
            assert!(!text.contains("{{"), "a value is missing in {path}");
        }
    }
}
