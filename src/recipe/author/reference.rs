//! An image with a tag, as a compose file names it once its variables have values.

use crate::compose::image::Image;

/// A reference, taken apart as docker does.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// As it is written, without tag and digest: `nginx`, `ghcr.io/org/wiki`.
    pub name: String,
    /// The registry, `docker.io` where none is named.
    pub host: String,
    /// The repository there, `library/nginx`.
    pub path: String,
    pub tag: String,
    /// `sha256:…`
    pub digest: Option<String>,
}

impl Reference {
    /// None for what is not a reference, and for one without a tag.
    pub fn parse(text: &str) -> Option<Self> {
        let image = Image::parse(text)?;
        let tag = image.tag?;
        let behind = tag.len() + image.digest.as_ref().map_or(0, |digest| digest.len() + 1) + 1;
        Some(Reference {
            name: text[..text.len() - behind].to_owned(),
            host: image.domain,
            path: image.path,
            tag,
            digest: image.digest,
        })
    }

    /// The same image with another tag and digest.
    #[must_use]
    pub fn with(&self, tag: &str, digest: Option<&str>) -> Self {
        let (tag, digest) = (tag.to_owned(), digest.map(str::to_owned));
        Reference { tag, digest, ..self.clone() }
    }

    /// What follows the name: `1.27@sha256:…`.
    pub fn version(&self) -> String {
        match &self.digest {
            Some(digest) => format!("{}@{digest}", self.tag),
            None => self.tag.clone(),
        }
    }

    /// As it is written.
    pub fn written(&self) -> String {
        format!("{}:{}", self.name, self.version())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_named_as_docker_names_them() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let pinned = format!("ghcr.io/a/b:1@{digest}");
        for (image, expected) in [
            ("nginx:1.28", Some(("docker.io", "library/nginx", "1.28"))),
            ("a/b:1", Some(("docker.io", "a/b", "1"))),
            ("ghcr.io/a/b:1", Some(("ghcr.io", "a/b", "1"))),
            ("127.0.0.1:5000/a:1", Some(("127.0.0.1:5000", "a", "1"))),
            ("localhost/a:1", Some(("localhost", "a", "1"))),
            (&pinned, Some(("ghcr.io", "a/b", "1"))),
            ("nginx", None),
            ("127.0.0.1:5000/a", None),
            ("a:${TAG}", None),
            ("a:1@sha256:0", None),
            ("a b:1", None),
        ] {
            let found = Reference::parse(image);
            let parts =
                found.as_ref().map(|it| (it.host.as_str(), it.path.as_str(), it.tag.as_str()));
            assert_eq!(parts, expected, "{image}");
            if let Some(found) = found {
                assert_eq!(found.written(), image);
            }
        }
        let moved = Reference::parse(&pinned).unwrap().with("2", None);
        assert_eq!(moved.written(), "ghcr.io/a/b:2");
    }
}
