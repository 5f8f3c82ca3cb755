//! A new recipe: one web server that deploys as it is, behind Traefik or on a port, to be
//! changed into what it is going to package.

use super::{Files, fill};

/// The files of a new recipe.
pub fn recipe(name: &str) -> Files {
    let mut files = Files::default();
    let texts = [
        ("compose.yml", include_str!("compose.yml.in")),
        ("compose.port.yml", include_str!("compose.port.yml.in")),
        (".env.sample", include_str!("env.sample.in")),
        ("README.md", include_str!("README.md.in")),
        ("recipe.yml", include_str!("recipe.yml.in")),
        ("release/next", "The first release.\n"),
    ];
    for (path, text) in texts {
        files.add(path, fill(text, &[("name", name)]));
    }
    files
}
