//! The page of one recipe.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{
    FOLDER,
    html::{Place, code, document, escaped, escaped_lines, link, list, with_code},
};
use crate::{
    acceptance::Claim,
    catalogue::{Facts, Listed},
    home::RecipeName,
};

/// Its file below the catalogue's folder.
pub fn name(recipe: &RecipeName) -> String {
    format!("{FOLDER}/{recipe}.html")
}

pub fn page(it: &Listed) -> String {
    let mut main = String::new();
    section(&mut main, "About", &about(it));
    section(&mut main, "Deploy it", &deploy(it));
    if let Some(facts) = &it.facts {
        section(&mut main, "What it has", &has(facts));
        section(&mut main, "What it asks for", &asks(facts));
        if !facts.overlays.is_empty() {
            let overlays = list(facts.overlays.iter().map(|overlay| code(overlay)));
            let text = "<p>Compose files that the settings of an app may add:</p>\n";
            section(&mut main, "Overlays", &format!("{text}{overlays}"));
        }
    } else {
        let features = list(it.features.iter().map(|feature| escaped(feature)));
        let text = "<p>As its README says; this recipe's files were not read.</p>\n";
        section(&mut main, "What it has", &format!("{text}{features}"));
    }
    section(&mut main, "Versions", &versions(it));
    let body = format!(
        "<header>\n<nav aria-label=\"Catalogue\"><a href=\"../index.html\">All recipes</a></nav>\n\
         <h1>{}</h1>\n<p>{}</p>\n</header>\n<main>\n{main}</main>\n",
        escaped(it.name.as_str()),
        with_code(&it.description),
    );
    document(it.name.as_str(), Place::Below, &body)
}

fn section(out: &mut String, heading: &str, content: &str) {
    // Writing to a string does not fail.
    let _ = write!(out, "<section>\n<h2>{heading}</h2>\n{content}</section>\n");
}

/// Facts in two columns.
fn rows(rows: &[(&str, String)]) -> String {
    let rows: String = rows
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("<div><dt>{name}</dt><dd>{value}</dd></div>\n"))
        .collect();
    format!("<dl>\n{rows}</dl>\n")
}

fn about(it: &Listed) -> String {
    let licence = it.facts.as_ref().map(|facts| escaped(&facts.licence)).unwrap_or_default();
    rows(&[
        ("Category", escaped(&it.category)),
        ("Newest version", it.newest().map(escaped).unwrap_or_default()),
        ("Website", link(&it.website)),
        ("Source", link(&it.address)),
        ("Licence of the recipe", licence),
    ])
}

fn deploy(it: &Listed) -> String {
    let source = if it.address.is_empty() { it.name.as_str() } else { &it.address };
    let domain = format!("{}.example.org", it.name).to_lowercase().replace('_', "-");
    let commands = format!(
        "potluck app new {source} --domain {domain}\npotluck app config {domain}\n\
         potluck app secret generate {domain}\npotluck app deploy {domain}"
    );
    format!("<pre><code>{}</code></pre>\n", escaped_lines(&commands))
}

fn has(facts: &Facts) -> String {
    let checks = match (facts.health_checks, facts.services) {
        (_, 0) => "its compose files could not be read".to_owned(),
        (0, _) => "none".to_owned(),
        (some, all) if some < all => format!("{some} of {all} services"),
        (_, 1) => "its service".to_owned(),
        (_, all) => format!("all {all} services"),
    };
    let backups = match (facts.backups.is_empty(), facts.volumes) {
        (true, 0) => "nothing to back up: no volumes".to_owned(),
        (true, _) => "none".to_owned(),
        (false, _) => escaped(&facts.backups.join(", ")),
    };
    let roles = match facts.roles.is_empty() {
        true => "none".to_owned(),
        false => escaped(&facts.roles.join(", ")),
    };
    rows(&[
        ("Health checks", checks),
        ("Backups", backups),
        ("Roles of its plugins", roles),
        ("Level of its tests", level(facts)),
        ("Volumes", facts.volumes.to_string()),
    ])
}

/// As its README says.
fn level(facts: &Facts) -> String {
    match Claim::parse(&facts.level) {
        Some(claim) => escaped(&claim.to_string()),
        None => "never tested".to_owned(),
    }
}

fn asks(facts: &Facts) -> String {
    let mut out = String::new();
    if facts.reach.is_empty() {
        out.push_str("<p>Its services want nothing beyond their app.</p>\n");
    } else {
        out.push_str("<p>Beyond their app, its services want to:</p>\n");
        out.push_str(&list(facts.reach.iter().map(|it| {
            let with = match it.overlay.is_empty() {
                true => String::new(),
                false => format!(", with {}", code(&it.overlay)),
            };
            let (service, meaning) = (escaped(&it.service), with_code(&it.meaning));
            format!("{service}: {meaning} ({}{with})", code(&it.reach))
        })));
    }
    for plugin in &facts.plugins {
        let (name, component) = (escaped(&plugin.name), code(&plugin.component));
        if plugin.grants.is_empty() {
            let _ = writeln!(out, "<p>The plugin {name} ({component}) asks for nothing.</p>");
            continue;
        }
        let _ = writeln!(out, "<p>The plugin {name} ({component}) wants to:</p>");
        let grant = |(grant, meaning): &(String, String)| {
            format!("{} ({})", with_code(meaning), code(grant))
        };
        out.push_str(&list(plugin.grants.iter().map(grant)));
    }
    out.push_str("<p>None of this is given before you agree to it.</p>\n");
    out
}

fn versions(it: &Listed) -> String {
    if it.versions.is_empty() {
        return "<p>Nothing was released.</p>\n".to_owned();
    }
    let notes = |version: &str| it.facts.as_ref()?.notes.get(version);
    let version = |(version, images): &(String, BTreeMap<String, String>)| {
        let images: Vec<_> = images
            .iter()
            .map(|(service, image)| format!("{}: {}", escaped(service), code(image)))
            .collect();
        let images = if images.is_empty() { String::new() } else { list(images) };
        let notes = notes(version)
            .map(|note| format!("<div class=\"notes\">{}</div>\n", escaped_lines(note)))
            .unwrap_or_default();
        format!("<h3>{}</h3>\n{images}{notes}", escaped(version))
    };
    it.versions.iter().map(version).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::catalogue::listed;

    #[test]
    fn a_recipe_says_what_it_asks_for_and_how_it_is_deployed() {
        let list = json!({"wiki": {
            "repository": "https://git.a.org/b/wiki.git",
            "versions": [{"1.0.0+1": {"app": {"image": "a", "tag": "1"}}}],
            "potluck": {
                "services": 2, "health_checks": 1, "level": "8 (simulated)", "volumes": 1, "notes": {"1.0.0+1": "a\nb"},
                "plugins": [{"name": "db", "component": "std:postgres",
                             "grants": [["exec: db", "run programs in the service `db`"]]}],
                "reach": [{"service": "app", "reach": "host: /srv",
                           "meaning": "read and write `/srv` on the node"}],
            },
        }});
        let page = page(&listed(list.as_object().unwrap())[0]);
        for part in [
            "potluck app new https://git.a.org/b/wiki.git --domain wiki.example.org\n",
            "app: read and write <code>/srv</code> on the node (<code>host: /srv</code>)",
            "run programs in the service <code>db</code> (<code>exec: db</code>)",
            "1 of 2 services",
            "level 8 on a simulated server (can be changed); never tested on a real server",
            "<div class=\"notes\">a\nb</div>",
            "app: <code>a:1</code>",
        ] {
            assert!(page.contains(part), "{part:?} is missing:\n{page}");
        }
    }
}
