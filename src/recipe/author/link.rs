//! Where the notes of an image's release are, as its labels say: foreign text, of which only
//! an address of the web is used.

use std::collections::BTreeMap;

use url::Url;

/// Labels with an address (image specification, "Pre-Defined Annotation Keys"), the best
/// first.
const LABELS: [&str; 3] = [
    "org.opencontainers.image.source",
    "org.opencontainers.image.url",
    "org.opencontainers.image.documentation",
];
const VERSION: &str = "org.opencontainers.image.version";
/// Places whose pages of releases have one address, with what is between repository and tag.
const FORGES: [(&str, &str); 4] = [
    ("github.com", "releases/tag"),
    ("gitlab.com", "-/releases"),
    ("codeberg.org", "releases/tag"),
    ("code.forgejo.org", "releases/tag"),
];
/// Bytes of an address that is shown.
const LONGEST: usize = 300;

/// The page of a release where it is known, else what the image names as its source.
pub fn release_notes(labels: &BTreeMap<String, String>, tag: &str) -> Option<String> {
    let address = LABELS.iter().find_map(|label| address(labels.get(*label)?))?;
    let page = git_tag(labels, tag).and_then(|tag| page(&address, tag));
    let link = page.unwrap_or(address).to_string();
    (link.len() <= LONGEST).then_some(link)
}

/// An address of the web that names nobody.
fn address(text: &str) -> Option<Url> {
    let url = Url::parse(text.trim()).ok()?;
    let is_web = url.scheme() == "https" && url.host_str().is_some_and(|host| host.contains('.'));
    let names_nobody = url.username().is_empty() && url.password().is_none();
    (is_web && names_nobody).then_some(url)
}

/// The tag in git that an image was built from. The version of an image usually lacks the `v`
/// of that tag, so it is only known where the version has it, too.
fn git_tag<'a>(labels: &BTreeMap<String, String>, tag: &'a str) -> Option<&'a str> {
    let is_named = labels.get(VERSION).is_some_and(|version| version == tag);
    let has_v =
        tag.strip_prefix('v').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    (is_named && has_v).then_some(tag)
}

fn page(repository: &Url, tag: &str) -> Option<Url> {
    let (_, between) = FORGES.iter().find(|(host, _)| repository.host_str() == Some(*host))?;
    let path = repository.path().trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    let parts: Vec<_> = path.split('/').collect();
    let is_repository = match repository.host_str() {
        // Groups have groups there.
        Some("gitlab.com") => parts.len() >= 2,
        _ => parts.len() == 2,
    };
    if !is_repository || parts.contains(&"-") {
        return None;
    }
    let mut page = repository.clone();
    page.set_query(None);
    page.set_fragment(None);
    page.path_segments_mut().ok()?.clear().extend(parts).extend(between.split('/')).push(tag);
    Some(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_the_release_where_that_is_known() {
        for (source, version, tag, expected) in [
            (
                "https://github.com/a/b",
                "v1.2.0",
                "v1.2.0",
                Some("https://github.com/a/b/releases/tag/v1.2.0"),
            ),
            (
                "https://github.com/a/b.git#main",
                "v1.2.0",
                "v1.2.0",
                Some("https://github.com/a/b/releases/tag/v1.2.0"),
            ),
            (
                "https://gitlab.com/a/b/c",
                "v2",
                "v2",
                Some("https://gitlab.com/a/b/c/-/releases/v2"),
            ),
            // Whether git's tag has a `v` is unknown.
            ("https://github.com/a/b", "1.2.0", "1.2.0", Some("https://github.com/a/b")),
            ("https://github.com/a/b", "", "v1.2.0", Some("https://github.com/a/b")),
            ("https://github.com/a", "v1", "v1", Some("https://github.com/a")),
            ("https://git.example.org/a/b", "v1", "v1", Some("https://git.example.org/a/b")),
            ("http://github.com/a/b", "v1", "v1", None),
            ("https://me:pw@github.com/a/b", "v1", "v1", None),
            ("https://localhost/a", "v1", "v1", None),
            ("javascript:alert(1)", "v1", "v1", None),
            ("git@github.com:a/b.git", "v1", "v1", None),
        ] {
            let labels = BTreeMap::from([
                (LABELS[0].to_owned(), source.to_owned()),
                (VERSION.to_owned(), version.to_owned()),
            ]);
            assert_eq!(release_notes(&labels, tag).as_deref(), expected, "{source} {tag}");
        }
    }

    #[test]
    fn an_address_is_cleaned() {
        let of = |label: usize, text: &str| {
            let labels = BTreeMap::from([(LABELS[label].to_owned(), text.to_owned())]);
            release_notes(&labels, "1")
        };
        assert_eq!(
            of(1, " https://a.org/x\u{1b}[31m\n").as_deref(),
            Some("https://a.org/x%1B[31m")
        );
        assert_eq!(of(2, "https://docs.a.org/").as_deref(), Some("https://docs.a.org/"));
        assert_eq!(of(0, &format!("https://a.org/{}", "x".repeat(400))), None);
    }
}
