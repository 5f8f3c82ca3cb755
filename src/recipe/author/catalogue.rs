//! A recipe as abra's catalogue has it, `recipes.json`: a map from names to entries like this.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{edit, registry::repository_of};
use crate::{
    home::{RecipeAddress, RecipeName},
    recipe::{Error, Store, Version, git},
};

/// One recipe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    pub name: String,
    pub category: String,
    pub default_branch: String,
    pub description: String,
    pub features: Features,
    pub icon: String,
    pub repository: String,
    pub ssh_url: String,
    /// Oldest first, each a map with one key: the version; in it image and tag by service.
    pub versions: Vec<BTreeMap<String, BTreeMap<String, Tagged>>>,
    pub website: String,
}

/// What its README says of it, in the README's words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Features {
    pub backups: String,
    pub email: String,
    pub healthcheck: String,
    pub image: Image,
    pub status: u8,
    pub tests: String,
    pub sso: String,
}

/// The line of the README about the image: `[name](url), rating, source`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Image {
    pub image: String,
    pub rating: String,
    pub source: String,
    pub url: String,
}

/// An image of one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tagged {
    pub image: String,
    pub tag: String,
}

/// The entry of a recipe that is here. Versions that cannot be read are left out, and told.
///
/// # Errors
/// [`Error::Unknown`], [`Error::Repository`].
pub fn entry(store: &Store, recipe: &RecipeName) -> Result<(Entry, Vec<String>), Error> {
    let place = store.existing(recipe)?;
    let (_, refs) = git::look(&place)?;
    let newest = store.examine(recipe, &Version::Newest)?;
    let readme = match newest.exists("README.md") {
        true => newest.text("README.md")?,
        false => String::new(),
    };
    let about = Metadata::read(&readme);
    let address = store.address(recipe)?.unwrap_or_default();
    let is_web = address.starts_with("https://");
    let mut left_out = Vec::new();
    let mut versions = Vec::new();
    for version in store.versions(recipe)?.into_iter().rev() {
        match services(store, recipe, &version) {
            Ok(services) => versions.push(BTreeMap::from([(version, services)])),
            Err(error) => left_out.push(format!("{recipe} {version}: {error}")),
        }
    }
    let entry = Entry {
        name: recipe.to_string(),
        category: about.value("Category"),
        default_branch: refs.branch().unwrap_or("main").to_owned(),
        description: description(&readme),
        features: about.features(),
        icon: String::new(),
        repository: if is_web { address.clone() } else { web(&address) },
        ssh_url: if is_web { String::new() } else { address },
        versions,
        website: String::new(),
    };
    Ok((entry, left_out))
}

/// The images that a version's own compose file names.
fn services(
    store: &Store,
    recipe: &RecipeName,
    version: &str,
) -> Result<BTreeMap<String, Tagged>, String> {
    let said = |error: Error| error.to_string();
    let checkout = store.examine(recipe, &Version::Named(version.to_owned())).map_err(said)?;
    if let Some(unsigned) = checkout.unsigned() {
        return Err(unsigned.to_string());
    }
    let sources = checkout.compose_sources("").map_err(said)?;
    let text = sources.first().map(|source| source.text.as_str()).unwrap_or_default();
    let images = edit::images(text).map_err(|error| error.to_string())?;
    let tagged = images.into_iter().filter_map(|(service, image)| {
        let (_, _, tag) = repository_of(&image)?;
        let name = image[..image.len() - tag.len() - 1].to_owned();
        Some((service, Tagged { image: name, tag: tag.to_owned() }))
    });
    Ok(tagged.collect())
}

/// The page of a repository that is reached over ssh.
fn web(address: &str) -> String {
    let parsed = RecipeAddress::parse(address).ok().flatten();
    parsed.map(|address| format!("https://{}.git", address.place())).unwrap_or_default()
}

/// The lines between `<!-- metadata -->` and `<!-- endmetadata -->`, `* **Key**: value`.
struct Metadata<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Metadata<'a> {
    fn read(readme: &'a str) -> Self {
        let block = readme
            .split_once("<!-- metadata -->")
            .and_then(|(_, rest)| rest.split_once("<!-- endmetadata -->"))
            .map(|(block, _)| block)
            .unwrap_or_default();
        let line = |line: &'a str| {
            let rest = line.trim().trim_start_matches(['*', '-']).trim_start();
            let (key, value) = rest.strip_prefix("**")?.split_once("**")?;
            Some((key.trim(), value.trim_start_matches(':').trim()))
        };
        Metadata(block.lines().filter_map(line).collect())
    }

    fn value(&self, wanted: &str) -> String {
        let found = self.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(wanted));
        found.map(|(_, value)| (*value).to_owned()).unwrap_or_default()
    }

    fn features(&self) -> Features {
        let image = self.value("Image");
        let (link, rest) = image.split_once(')').unwrap_or(("", image.as_str()));
        let (name, url) = link.split_once("](").unwrap_or(("", ""));
        let mut words = rest.split(',').map(str::trim).filter(|word| !word.is_empty());
        let status = self.value("Status");
        let digits = status.trim_start().chars().take_while(char::is_ascii_digit);
        Features {
            backups: self.value("Backups"),
            email: self.value("Email"),
            healthcheck: self.value("Healthcheck"),
            image: Image {
                image: name.trim_start_matches('[').trim_matches('`').to_owned(),
                rating: words.next().unwrap_or_default().to_owned(),
                source: words.next().unwrap_or_default().to_owned(),
                url: url.to_owned(),
            },
            status: digits.collect::<String>().parse().unwrap_or(0),
            tests: self.value("Tests"),
            sso: self.value("SSO"),
        }
    }
}

/// The first sentence of a README that is neither heading, list nor markup.
fn description(readme: &str) -> String {
    let is_text =
        |line: &&str| line.starts_with(|c: char| c.is_alphanumeric() || c == '>' || c == '_');
    let line = readme.lines().map(str::trim).find(is_text).unwrap_or_default();
    line.trim_start_matches('>').trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_readme_says_what_a_recipe_has() {
        let readme = "# wiki\n\n> Pages for everyone.\n\n<!-- metadata -->\n* **Category**: Apps\n\
                      * **Status**: 3, stable\n* **Image**: [`wiki`](https://hub.example.org/wiki), \
                      4, upstream\n- **Backups**: Yes\n* **SSO**: N/A\n<!-- endmetadata -->\n\
                      * **Category**: not this\n";
        let about = Metadata::read(readme);
        assert_eq!(about.value("Category"), "Apps");
        assert_eq!(description(readme), "Pages for everyone.");
        let image = Image {
            image: "wiki".into(),
            rating: "4".into(),
            source: "upstream".into(),
            url: "https://hub.example.org/wiki".into(),
        };
        let features = Features {
            backups: "Yes".into(),
            status: 3,
            sso: "N/A".into(),
            image,
            ..Features::default()
        };
        assert_eq!(about.features(), features);
        assert_eq!(Metadata::read("# wiki\n").features(), Features::default());
    }

    #[test]
    fn a_repository_has_a_page() {
        assert_eq!(web("git@git.a.org:b/wiki.git"), "https://git.a.org/b/wiki.git");
        assert_eq!(web(""), "");
    }
}
