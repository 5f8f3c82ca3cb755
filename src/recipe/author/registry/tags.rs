//! The tags of a repository ("Listing Tags").

use reqwest::{Method, header};
use serde::Deserialize;
use url::Url;

use super::{
    asking::Registry,
    error::RegistryError,
    wire::{self, base},
};
use crate::recipe::author::reference::Reference;

/// Answers to one question: a registry sends the tags in parts.
const PARTS: usize = 100;
/// Tags of one image.
const TAGS: usize = 100_000;

#[derive(Deserialize)]
struct List {
    #[serde(default)]
    tags: Option<Vec<String>>,
}

impl Registry {
    /// All tags of an image's repository, in no order.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub async fn tags(&self, image: &Reference) -> Result<Vec<String>, RegistryError> {
        let host = image.host.as_str();
        let base = base(host)?;
        let first = base.join(&format!("v2/{}/tags/list?n=1000", image.path));
        let mut next = Some(first.map_err(|e| RegistryError::odd(host, e.to_string()))?);
        let mut tags = Vec::new();
        let mut parts = 0;
        while let Some(url) = next.take() {
            parts += 1;
            if parts > PARTS || tags.len() > TAGS {
                return Err(RegistryError::odd(host, "it has too many tags"));
            }
            let answer =
                self.ask(image, &Method::GET, &url, "application/json", "the tags").await?;
            let link = wire::header(&answer, &header::LINK);
            let list: List = wire::json(host, answer).await?;
            tags.extend(list.tags.unwrap_or_default());
            next = link.and_then(|link| page(&base, &link));
        }
        Ok(tags)
    }
}

/// The next part, `</v2/x/tags/list?n=1000&last=y>; rel="next"`: of the same registry, whatever
/// host it names. Registries behind a proxy often name one that only they reach.
fn page(base: &Url, link: &str) -> Option<Url> {
    let (target, rest) = link.split_once('<')?.1.split_once('>')?;
    if !rest.contains("next") {
        return None;
    }
    let named = base.join(target).ok()?;
    let mut page = base.clone();
    page.set_path(named.path());
    page.set_query(named.query());
    Some(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_part_is_of_the_same_registry() {
        let base = Url::parse("https://r.example/").unwrap();
        for (link, expected) in [
            ("</v2/a/tags/list?n=2&last=b>; rel=\"next\"", Some("/v2/a/tags/list?n=2&last=b")),
            ("<v2/a/tags/list?last=b>; rel=next", Some("/v2/a/tags/list?last=b")),
            (
                "<http://inside:5000/v2/a/tags/list?last=b>; rel=\"next\"",
                Some("/v2/a/tags/list?last=b"),
            ),
            ("<//other.example/v2/a>; rel=\"next\"", Some("/v2/a")),
            ("</v2/a>; rel=\"prev\"", None),
            ("/v2/a", None),
        ] {
            let expected = expected.map(|path| format!("https://r.example{path}"));
            assert_eq!(page(&base, link).map(String::from), expected, "{link}");
        }
    }
}
