//! The list as a static page: `index.html`, a page for each recipe in `recipes/`, one
//! stylesheet, and a script that only narrows the list.
//!
//! Everything of a recipe is text of others: it is escaped ([`html`]), links lead to the web
//! only, nothing is loaded from elsewhere, and the page's own policy (Content-Security-Policy)
//! forbids whatever would be overlooked. The same list makes the same bytes.

mod html;
mod index;
mod recipe;

use super::Listed;

/// A file of the site: its name below the catalogue's folder, and its text.
pub type Page = (String, String);

const STYLE: &str = "style.css";
const SCRIPT: &str = "search.js";
/// The folder of the recipes' pages.
pub const FOLDER: &str = "recipes";

/// All files of the site.
pub fn pages(recipes: &[Listed]) -> Vec<Page> {
    let mut pages = vec![
        ("index.html".to_owned(), index::page(recipes)),
        (STYLE.to_owned(), include_str!("style.css").to_owned()),
        (SCRIPT.to_owned(), include_str!("search.js").to_owned()),
    ];
    pages.extend(recipes.iter().map(|it| (recipe::name(&it.name), recipe::page(it))));
    pages
}

/// Whether a file of the catalogue's repository is one of the site.
pub fn is_page(path: &str) -> bool {
    let in_folder = path.strip_prefix(FOLDER).and_then(|rest| rest.strip_prefix('/'));
    ["index.html", STYLE, SCRIPT].contains(&path)
        || in_folder.is_some_and(|name| name.ends_with(".html") && !name.contains('/'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::catalogue::listed;

    const EVIL: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>\u{1b}[2J\u{202e}";

    fn hostile() -> Vec<Listed> {
        let list = json!({"wiki": {
            "category": EVIL, "description": EVIL, "website": "javascript:alert(1)",
            "repository": format!("https://a.org/{EVIL}"), "ssh_url": EVIL,
            "versions": [{EVIL: {EVIL: {"image": EVIL, "tag": EVIL}}}],
            "potluck": {
                "services": 1, "health_checks": 1, "backups": [EVIL], "overlays": [EVIL],
                "roles": [EVIL], "licence": EVIL, "notes": {EVIL: EVIL},
                "plugins": [{"name": EVIL, "component": EVIL, "grants": [[EVIL, EVIL]]}],
                "reach": [{"service": EVIL, "reach": EVIL, "meaning": EVIL, "overlay": EVIL}],
            },
        }});
        listed(list.as_object().unwrap())
    }

    #[test]
    fn what_a_recipe_says_is_text() {
        for (name, text) in pages(&hostile()) {
            if !name.ends_with(".html") {
                continue;
            }
            for bad in ["<script>", "<img", "href=\"javascript:", "\u{1b}", "\u{202e}"] {
                assert!(!text.contains(bad), "{name} has {bad:?}:\n{text}");
            }
            assert!(text.contains("&lt;script&gt;"), "{name}");
            assert!(text.contains("default-src 'none'"), "{name}");
        }
    }

    #[test]
    fn a_huge_entry_makes_a_small_page() {
        let long = "x".repeat(1 << 20);
        let list = json!({"wiki": {"description": long, "category": long,
            "potluck": {"licence": long, "notes": {"1.0.0+1": long}, "backups": [long]}}});
        for (name, text) in pages(&listed(list.as_object().unwrap())) {
            assert!(text.len() < 20_000, "{name}: {}", text.len());
        }
    }

    #[test]
    fn the_same_list_makes_the_same_pages() {
        assert_eq!(pages(&hostile()), pages(&hostile()));
        assert_eq!(pages(&[]).len(), 3);
    }

    #[test]
    fn the_files_of_the_site_are_known() {
        for (path, is) in [
            ("index.html", true),
            ("recipes/wiki.html", true),
            ("recipes/a/b.html", false),
            ("recipes.json", false),
            ("README.md", false),
            ("recipesx.html", false),
        ] {
            assert_eq!(is_page(path), is, "{path}");
        }
    }
}
