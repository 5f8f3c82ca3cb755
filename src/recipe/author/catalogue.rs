//! A recipe as abra's catalogue has it, `recipes.json`: a map from names to entries like this.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{edit, reference::Reference};
use crate::{
    home::{RecipeAddress, RecipeName},
    recipe::{Checkout, Error, Store, Version, git, store::is_repository},
    text,
};

/// Bytes of a README that are read, and of one thing that it says.
const README: usize = 256 << 10;
const SAID: usize = 300;

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

/// What a recipe has, in the words that READMEs have for it.
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

/// The line of the README about the image: `[name](url), rating, source`, of which any may be
/// missing.
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

/// What a README says of its recipe: claims, of which nothing can be computed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    pub category: String,
    pub description: String,
    /// Of the web, or empty.
    pub website: String,
    pub licence: String,
    /// The level that its tests reached: `8 (simulated), 9 (real)`.
    pub level: String,
}

/// What the README of a recipe says.
///
/// # Errors
/// As [`Checkout::read`].
pub fn about(checkout: &Checkout) -> Result<About, Error> {
    let readme = readme(checkout)?;
    Ok(About::of(&readme, &Metadata::read(&readme)))
}

/// The entry of a recipe that is here. Versions that cannot be read are left out, and told. A
/// folder without git has one version, the one that its label says.
///
/// # Errors
/// [`Error::Unknown`], [`Error::Repository`].
pub fn entry(store: &Store, recipe: &RecipeName) -> Result<(Entry, Vec<String>), Error> {
    let place = store.existing(recipe)?;
    let newest = store.examine(recipe, &Version::Newest)?;
    let readme = readme(&newest)?;
    let metadata = Metadata::read(&readme);
    let about = About::of(&readme, &metadata);
    let address = store.address(recipe)?.unwrap_or_default();
    let is_web = address.starts_with("https://");
    let mut left_out = Vec::new();
    let mut versions = Vec::new();
    let default_branch = match is_repository(&place) {
        true => {
            for version in store.versions(recipe)?.into_iter().rev() {
                let named = Version::Named(version.clone());
                let found = store.examine(recipe, &named).map_err(|error| error.to_string());
                match found.and_then(|checkout| services(&checkout)) {
                    Ok((_, services)) => versions.push(BTreeMap::from([(version, services)])),
                    Err(error) => left_out.push(format!("{recipe} {version}: {error}")),
                }
            }
            git::look(&place)?.1.branch().unwrap_or("main").to_owned()
        }
        false => {
            match services(&newest) {
                Ok((label, services)) => {
                    versions.extend(label.map(|label| BTreeMap::from([(label, services)])));
                }
                Err(error) => left_out.push(format!("{recipe}: {error}")),
            }
            String::new()
        }
    };
    let entry = Entry {
        name: recipe.to_string(),
        category: about.category,
        default_branch,
        description: about.description,
        features: metadata.features(),
        icon: String::new(),
        repository: if is_web { address.clone() } else { web(&address) },
        ssh_url: if is_web { String::new() } else { address },
        versions,
        website: about.website,
    };
    Ok((entry, left_out))
}

/// The README, as far as it is read: who wrote it decides how long it is.
fn readme(checkout: &Checkout) -> Result<String, Error> {
    if !checkout.exists("README.md") {
        return Ok(String::new());
    }
    let bytes = checkout.read("README.md")?;
    Ok(String::from_utf8_lossy(&bytes[..bytes.len().min(README)]).into_owned())
}

/// By service, its image.
type Services = BTreeMap<String, Tagged>;

/// The version that the label of a checkout's own compose file says, and the images that it
/// names.
fn services(checkout: &Checkout) -> Result<(Option<String>, Services), String> {
    if let Some(unsigned) = checkout.unsigned() {
        return Err(unsigned.to_string());
    }
    let sources = checkout.compose_sources("").map_err(|error| error.to_string())?;
    let text = sources.first().map(|source| source.text.as_str()).unwrap_or_default();
    let images = edit::images(text).map_err(|error| error.to_string())?;
    let tagged = images.into_iter().filter_map(|(service, image)| {
        let Reference { name, tag, .. } = Reference::parse(&image)?;
        Some((service, Tagged { image: name, tag }))
    });
    Ok((edit::version(text).ok().flatten(), tagged.collect()))
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
        found.map(|(_, value)| text::line_of(value, SAID).into_owned()).unwrap_or_default()
    }

    fn features(&self) -> Features {
        let status = self.value("Status");
        let digits = status.trim_start().chars().take_while(char::is_ascii_digit);
        Features {
            backups: self.value("Backups"),
            email: self.value("Email"),
            healthcheck: self.value("Healthcheck"),
            image: Image::of(&self.value("Image")),
            status: digits.collect::<String>().parse().unwrap_or(0),
            tests: self.value("Tests"),
            sso: self.value("SSO"),
        }
    }
}

impl Image {
    fn of(said: &str) -> Self {
        let link = said.strip_prefix('[').and_then(|rest| {
            let (name, rest) = rest.split_once("](")?;
            let (url, rest) = rest.split_once(')')?;
            Some((name, url, rest))
        });
        let quoted = || said.strip_prefix('`').and_then(|rest| rest.split_once('`'));
        let (name, url, rest) = match link {
            Some(link) => link,
            None => quoted().map_or(("", "", said), |(name, rest)| (name, "", rest)),
        };
        // Prose about how the image is made is neither.
        let words = rest.split(',').map(|part| part.split(';').next().unwrap_or_default().trim());
        let words: Vec<_> =
            words.filter(|word| !word.is_empty() && !word.contains(char::is_whitespace)).collect();
        let is_rating =
            |word: &&str| word.len() == 1 && word.starts_with(|c| ('0'..='5').contains(&c));
        let is_source = |word: &&str| word.starts_with(char::is_alphabetic);
        let found = |word: Option<&&str>| word.copied().unwrap_or_default().to_owned();
        Image {
            image: name.trim_matches('`').to_owned(),
            rating: found(words.iter().find(|word| is_rating(word))),
            source: found(words.iter().find(|word| is_source(word))),
            url: url.to_owned(),
        }
    }
}

impl About {
    fn of(readme: &str, metadata: &Metadata<'_>) -> Self {
        let website = metadata.value("Website");
        let is_web = ["https://", "http://"].iter().any(|scheme| website.starts_with(scheme));
        let licence = ["Licence", "License"].iter().map(|key| metadata.value(key));
        About {
            category: metadata.value("Category"),
            description: description(readme),
            website: if is_web { website } else { String::new() },
            licence: licence.into_iter().find(|value| !value.is_empty()).unwrap_or_default(),
            level: metadata.value("Level"),
        }
    }
}

/// The first sentence of a README that is neither heading, list nor markup, without its links
/// and its emphasis.
fn description(readme: &str) -> String {
    let is_text = |line: &&str| {
        let begins = |c: char| c.is_alphanumeric() || matches!(c, '>' | '_' | '[');
        line.starts_with(begins) || line.starts_with("**")
    };
    let lines = readme.lines().map(str::trim).skip_while(|line| !is_text(line));
    let lines = lines.take_while(|line| is_text(line) || line.starts_with('`')).take(8);
    let lines: Vec<_> = lines.map(|line| line.trim_start_matches('>').trim()).collect();
    let paragraph = without_links(&lines.join(" ")).replace("**", "");
    let sentence = match paragraph.find(". ") {
        Some(end) => &paragraph[..=end],
        None => &paragraph,
    };
    text::line_of(sentence, SAID).into_owned()
}

/// `[text](address)` is its text; a badge, which is an image, is nothing.
fn without_links(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('[') {
        let link = behind
            .split_once("](")
            .and_then(|(label, behind)| Some((label, behind.split_once(')')?.1)));
        let Some((label, behind)) = link.filter(|(label, _)| !label.contains(['[', ']'])) else {
            plain.push_str(before);
            plain.push('[');
            rest = behind;
            continue;
        };
        match before.strip_suffix('!') {
            Some(before) => plain.push_str(before),
            None => plain.extend([before, label]),
        }
        rest = behind;
    }
    plain + rest
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
    fn the_line_about_an_image_may_lack_any_of_it() {
        for (said, wanted) in [
            (
                "[`wiki`](https://a.org/wiki), 4, upstream",
                ["wiki", "4", "upstream", "https://a.org/wiki"],
            ),
            ("`wiki`, upstream", ["wiki", "", "upstream", ""]),
            (
                "[`wiki`](https://a.org/wiki) and [`db`](https://a.org/db), upstream; built anew",
                ["wiki", "", "upstream", "https://a.org/wiki"],
            ),
            (
                "[`wiki`](https://a.org/wiki), 2026.8.3, upstream",
                ["wiki", "", "upstream", "https://a.org/wiki"],
            ),
            ("built from the folder `image`, by us", ["", "", "", ""]),
            ("[wiki](", ["", "", "", ""]),
            ("", ["", "", "", ""]),
        ] {
            let Image { image, rating, source, url } = Image::of(said);
            assert_eq!([image, rating, source, url], wanted.map(str::to_owned), "{said}");
        }
    }

    #[test]
    fn a_description_is_one_bounded_sentence() {
        for (readme, wanted) in [
            ("# a\n\nPages for\n`everyone`. More.\n", "Pages for `everyone`."),
            ("# a\n\n[A](https://a.org) with **its**\ndatabase. B.\n", "A with its database."),
            ("# a\n\n**Not run.** B.\n", "Not run."),
            ("# a\n\nSee [1] and [b](c.\n", "See [1] and [b](c."),
            ("# a\n<script>x</script>\n\n- b\n\nText\u{1b}[2J\n", "Text�"),
            ("", ""),
        ] {
            assert_eq!(description(readme), wanted, "{readme:?}");
        }
        assert!(description(&"x".repeat(1 << 20)).len() <= SAID + '…'.len_utf8());
    }

    #[test]
    fn a_website_is_of_the_web() {
        for (said, wanted) in
            [("https://a.org", "https://a.org"), ("javascript:alert(1)", ""), ("data:x", "")]
        {
            let readme = format!(
                "<!-- metadata -->\n* **Website**: {said}\n* **License**: MIT\n<!-- endmetadata -->"
            );
            let about = About::of(&readme, &Metadata::read(&readme));
            assert_eq!((about.website.as_str(), about.licence.as_str()), (wanted, "MIT"));
        }
    }

    #[test]
    fn a_repository_has_a_page() {
        assert_eq!(web("git@git.a.org:b/wiki.git"), "https://git.a.org/b/wiki.git");
        assert_eq!(web(""), "");
    }
}
