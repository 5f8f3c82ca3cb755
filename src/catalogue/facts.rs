//! What a recipe has, computed from the files of one version; nothing of it runs.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{
    acceptance::Claim,
    app::{permission::Permission, recipe_reach},
    compose::{Stack, StackService},
    plugin::{Role, exported_roles},
    recipe::{
        Checkout,
        author::{Features, about},
        lint::sample_stacks,
    },
    text,
};

/// Releases whose notes are in the list, and bytes of one.
const NOTES: usize = 10;
const NOTE: usize = 2000;
/// Bytes of one word, name or sentence.
const LONGEST: usize = 300;
/// Of each list; more is read by nobody.
const MOST: usize = 100;

/// What a recipe has, as its files show it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// Services with the settings of the sample.
    pub services: usize,
    /// How many of them have a health check.
    pub health_checks: usize,
    /// Volumes of its own.
    pub volumes: usize,
    /// What backs it up: components of plugins, and `backupbot labels`.
    pub backups: Vec<String>,
    /// The roles that its plugins play, by the interface's names.
    pub roles: Vec<String>,
    /// Compose files that an app's settings may add.
    pub overlays: Vec<String>,
    pub plugins: Vec<PluginFacts>,
    /// What its services reach beyond their app, and needs the operator's consent.
    pub reach: Vec<ReachFacts>,
    /// As the README says, else by the licence's text; empty if neither is known.
    pub licence: String,
    /// The level that the README says its tests reached, [`Claim`]; empty if it says none.
    pub level: String,
    /// Release notes by version.
    pub notes: BTreeMap<String, String>,
}

/// A plugin, and what it asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PluginFacts {
    pub name: String,
    /// `std:postgres`, or a path in the recipe.
    pub component: String,
    /// Grants as they are written, and what they mean: "wants to …".
    pub grants: Vec<(String, String)>,
}

/// Something beyond the app.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReachFacts {
    pub service: String,
    pub reach: String,
    pub meaning: String,
    /// The overlay that it comes with; empty for the recipe itself.
    pub overlay: String,
}

/// The facts of a version that may have mistakes: what cannot be read is left out, and
/// `recipe lint` says why.
pub fn facts(checkout: &Checkout) -> Facts {
    let stacks = sample_stacks(checkout);
    let base = stacks.iter().find(|(overlay, _)| overlay.is_none()).map(|(_, stack)| stack);
    let services = base.map(|stack| stack.services.as_slice()).unwrap_or_default();
    let (roles, mut backups) = of_plugins(checkout);
    if services.iter().any(asks_for_backup) {
        backups.push("backupbot labels".to_owned());
    }
    let plugins = checkout.manifest.plugins.iter().map(|plugin| PluginFacts {
        name: short(&plugin.name),
        component: short(&plugin.component.to_string()),
        grants: plugin
            .grants
            .iter()
            .map(|grant| (short(&grant.to_string()), short(&grant.meaning())))
            .collect(),
    });
    Facts {
        services: services.len(),
        health_checks: services.iter().filter(|service| has_health_check(service)).count(),
        volumes: base.map(own_volumes).unwrap_or_default(),
        backups,
        roles: roles.into_iter().map(|role| role.name().to_owned()).collect(),
        overlays: overlays(checkout),
        plugins: plugins.collect(),
        reach: reach(checkout),
        licence: licence(checkout),
        level: level(checkout),
        notes: notes(checkout),
    }
}

/// Replaces what a README claims by what its recipe's files show. What they cannot show stays
/// a claim: tests, the status, and mail and sign-on that an app has by settings alone.
pub fn correct(features: &mut Features, facts: &Facts) {
    if facts.services > 0 {
        features.healthcheck = match facts.health_checks {
            0 => "No",
            some if some < facts.services => "Some",
            _ => "Yes",
        }
        .to_owned();
        features.backups = match (facts.backups.is_empty(), facts.volumes) {
            (false, _) => "Yes",
            (true, 0) => "N/A",
            (true, _) => "No",
        }
        .to_owned();
    }
    let plays = |role: Role| facts.roles.iter().any(|name| name == role.name());
    let has = |words: &[&str]| {
        let named = |overlay: &String| overlay.split(['.', '-', '_']).any(|it| words.contains(&it));
        facts.overlays.iter().any(named)
    };
    // READMEs count: 3 is automatic, 2 mostly. Accounts from LDAP are no single sign-on.
    if plays(Role::MailClient) {
        features.email = "3".to_owned();
    } else if has(&["smtp", "mail", "email"]) {
        features.email = "2".to_owned();
    }
    if plays(Role::SsoClient) || plays(Role::SsoProvider) {
        features.sso = "3".to_owned();
    } else if has(&["oidc", "sso", "saml", "openid"]) {
        features.sso = "2".to_owned();
    }
}

fn short(text: &str) -> String {
    text::line_of(text, LONGEST).into_owned()
}

fn has_health_check(service: &StackService) -> bool {
    let container = service.spec.task_template.as_ref().and_then(|it| it.container_spec.as_ref());
    let test = container.and_then(|it| it.health_check.as_ref()?.test.as_ref());
    test.and_then(|test| test.first()).is_some_and(|first| first != "NONE")
}

fn own_volumes(stack: &Stack) -> usize {
    stack.volumes.iter().filter(|volume| !volume.external).count()
}

/// One service speaks for the whole app.
fn asks_for_backup(service: &StackService) -> bool {
    let value = service.spec.labels.as_ref().and_then(|labels| labels.get("backupbot.backup"));
    let yes = |value: &String| matches!(value.trim(), "true" | "True" | "1" | "yes" | "on");
    value.is_some_and(yes)
}

/// The roles of all plugins, and the components of those that make backups. `std:backupbot`
/// makes what labels ask for.
fn of_plugins(checkout: &Checkout) -> (BTreeSet<Role>, Vec<String>) {
    let (mut roles, mut backups) = (BTreeSet::new(), Vec::new());
    for plugin in &checkout.manifest.plugins {
        let Ok(bytes) = checkout.component(&plugin.component) else { continue };
        let Ok(found) = exported_roles(&plugin.name, &bytes) else { continue };
        let component = short(&plugin.component.to_string());
        if found.contains(&Role::Backup)
            && component != "std:backupbot"
            && !backups.contains(&component)
        {
            backups.push(component);
        }
        roles.extend(found);
    }
    (roles, backups)
}

/// `compose.*.yml` beside the recipe's own file.
fn overlays(checkout: &Checkout) -> Vec<String> {
    let is_overlay = |name: &String| {
        let rest = name.strip_prefix("compose.").unwrap_or_default();
        rest.ends_with(".yml") || rest.ends_with(".yaml")
    };
    let names = checkout.names().into_iter().filter(is_overlay).take(MOST);
    names.map(|name| short(&name)).collect()
}

fn reach(checkout: &Checkout) -> Vec<ReachFacts> {
    let rows = recipe_reach(checkout).unwrap_or_default().into_iter();
    rows.filter(|(_, row)| row.state == "new")
        .take(MOST)
        .map(|(overlay, row)| ReachFacts {
            service: short(&row.service),
            reach: short(&row.reach),
            meaning: short(&row.meaning),
            overlay: short(&overlay.unwrap_or_default()),
        })
        .collect()
}

fn licence(checkout: &Checkout) -> String {
    let said = about(checkout).map(|about| about.licence).unwrap_or_default();
    if !said.is_empty() {
        return said;
    }
    let file = ["LICENSE", "LICENCE", "LICENSE.md", "LICENSE.txt", "COPYING"]
        .into_iter()
        .find(|name| checkout.exists(name));
    let text = file.and_then(|name| checkout.text(name).ok()).unwrap_or_default();
    licence_of(&text).unwrap_or_default().to_owned()
}

/// What a README says otherwise of a level is none.
fn level(checkout: &Checkout) -> String {
    let said = about(checkout).map(|about| about.level).unwrap_or_default();
    if Claim::parse(&said).is_some() { said } else { String::new() }
}

/// The family of a licence by its title; versions and exceptions are for its text to say.
fn licence_of(text: &str) -> Option<&'static str> {
    let head: String = text.chars().take(400).collect::<String>().to_lowercase();
    [
        ("affero general public license", "AGPL"),
        ("lesser general public license", "LGPL"),
        ("gnu general public license", "GPL"),
        ("mozilla public license", "MPL"),
        ("european union public licence", "EUPL"),
        ("apache license", "Apache"),
        ("mit license", "MIT"),
        ("permission is hereby granted, free of charge", "MIT"),
        ("redistribution and use in source and binary forms", "BSD"),
        ("cc0 1.0", "CC0"),
    ]
    .into_iter()
    .find_map(|(title, name)| head.contains(title).then_some(name))
}

/// Of the newest releases that have notes.
fn notes(checkout: &Checkout) -> BTreeMap<String, String> {
    let mut names = checkout.releases_with_notes().unwrap_or_default();
    names.retain(|name| name != "next" && !name.ends_with('/'));
    names.reverse();
    let note = |name: String| {
        let note = checkout.release_notes(&name).ok()??;
        let cleaned = text::stripped(note.trim(), NOTE);
        Some((short(&name), cleaned[..cleaned.floor_char_boundary(NOTE)].to_owned()))
    };
    names.into_iter().take(NOTES).filter_map(note).collect()
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;
    use crate::recipe::{Store, Version};

    fn of(files: &[(&str, &str)]) -> Facts {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join("wiki").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let store = Store::new(folder.path());
        let recipe = crate::home::RecipeName::new("wiki").unwrap();
        facts(&store.examine(&recipe, &Version::Newest).unwrap())
    }

    fn corrected(facts: &Facts) -> [String; 4] {
        let mut features = Features {
            backups: "claimed".into(),
            healthcheck: "claimed".into(),
            email: "claimed".into(),
            sso: "claimed".into(),
            ..Features::default()
        };
        correct(&mut features, facts);
        [features.healthcheck, features.backups, features.email, features.sso]
    }

    #[test]
    fn features_are_what_the_files_show() {
        const CHECK: &str = "healthcheck: {test: [CMD, 'true']}";
        let compose = |services: &str| format!("services:\n{services}volumes: {{data: }}\n");
        for (services, more, wanted) in [
            (
                format!("  app: {{image: 'a:1', {CHECK}, volumes: ['data:/d']}}\n"),
                &[][..],
                ["Yes", "No", "claimed", "claimed"],
            ),
            (
                format!("  app: {{image: 'a:1', {CHECK}, volumes: ['data:/d']}}\n  db: {{image: 'b:1'}}\n"),
                &[("compose.smtp.yml", "services: {}\n")],
                ["Some", "No", "2", "claimed"],
            ),
            (
                "  app:\n    image: a:1\n    volumes: ['data:/d']\n    healthcheck: {disable: true}\n    deploy: {labels: \
                 {backupbot.backup: 'true'}}\n"
                    .to_owned(),
                &[("compose.oidc.yml", "services: {}\n")],
                ["No", "Yes", "claimed", "2"],
            ),
            (
                "  app: {image: 'a:1'}\n".to_owned(),
                &[(
                    "recipe.yml",
                    "plugins: [{name: a, component: 'std:files'}, {name: m, component: 'std:smtp'}, \
                     {name: o, component: 'std:oidc'}]\n",
                )],
                ["No", "Yes", "3", "3"],
            ),
        ] {
            let text = compose(&services);
            let files = [&[("compose.yml", text.as_str())][..], more].concat();
            assert_eq!(corrected(&of(&files)), wanted, "{files:?}");
        }
        let empty = of(&[("compose.yml", "services: {app: {image: 'a:1'}}\n")]);
        assert_eq!(corrected(&empty)[1], "N/A");
        // Of what cannot be read nothing is known.
        assert_eq!(corrected(&of(&[("compose.yml", "[")]))[0], "claimed");
    }

    #[test]
    fn what_is_asked_for_is_said_in_words() {
        let facts = of(&[
            (
                "compose.yml",
                "services: {app: {image: 'a:1', volumes: ['/var/run/docker.sock:/s']}}\n",
            ),
            ("compose.host.yml", "services: {app: {volumes: ['/srv:/srv']}}\n"),
            ("recipe.yml", "plugins: [{name: a, component: a.wasm, grants: [{exec: app}]}]\n"),
            (
                "README.md",
                "# a\n<!-- metadata -->\n* **Level**: 8 (simulated)\n<!-- endmetadata -->\n",
            ),
            ("LICENSE", "GNU AFFERO GENERAL PUBLIC LICENSE\nVersion 3\n"),
            ("release/1.0.0+1", "First.\u{1b}[2J\n"),
            ("release/next", "Not yet.\n"),
        ]);
        let reach: Vec<_> =
            facts.reach.iter().map(|it| (it.reach.as_str(), it.overlay.as_str())).collect();
        assert_eq!(reach, [("docker-socket", ""), ("host: /srv", "compose.host.yml")]);
        assert_eq!(facts.plugins[0].grants[0].0, "exec: app");
        assert_eq!((facts.licence.as_str(), facts.level.as_str()), ("AGPL", "8 (simulated)"));
        assert_eq!(facts.notes, BTreeMap::from([("1.0.0+1".into(), "First.".into())]));
    }

    #[test]
    fn the_examples_have_what_they_say() {
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes-examples");
        let store = Store::new(examples);
        let recipe = crate::home::RecipeName::new("wordpress").unwrap();
        let facts = facts(&store.examine(&recipe, &Version::Newest).unwrap());
        assert_eq!((facts.services, facts.health_checks), (2, 2));
        assert_eq!(facts.backups[..2], ["std:mariadb", "std:files"]);
        assert!(facts.roles.contains(&"mail-client".to_owned()), "{facts:?}");
        assert!(facts.overlays.contains(&"compose.smtp.yml".to_owned()), "{facts:?}");
    }
}
