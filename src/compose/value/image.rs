//! References to images (distribution/reference), normalised the way docker's
//! client sends them: `nginx` is `nginx:latest`, `docker.io/library/nginx` is
//! `nginx`.

/// A parsed reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The registry, `docker.io` when none is named.
    pub domain: String,
    /// The repository there, `library/nginx`.
    pub path: String,
    pub tag: Option<String>,
    /// `sha256:…`
    pub digest: Option<String>,
}

/// Longest name, registry included.
const LONGEST_NAME: usize = 255;

impl Image {
    /// Reads a reference; none for what is not one.
    pub fn parse(text: &str) -> Option<Self> {
        // 64 hexadecimal digits would be taken for an image's id.
        if text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return None;
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (text, None),
        };
        let after_slash = rest.rfind('/').map_or(0, |at| at + 1);
        let (name, tag) = match rest[after_slash..].rfind(':') {
            Some(at) => (&rest[..after_slash + at], Some(&rest[after_slash + at + 1..])),
            None => (rest, None),
        };
        let (domain, path) = match name.split_once('/') {
            Some((first, path))
                if first.contains(['.', ':'])
                    || first == "localhost"
                    || first.bytes().any(|b| b.is_ascii_uppercase()) =>
            {
                (first, path.to_owned())
            }
            _ => ("docker.io", name.to_owned()),
        };
        let domain = if domain == "index.docker.io" { "docker.io" } else { domain };
        let path = if domain == "docker.io" && !path.contains('/') {
            format!("library/{path}")
        } else {
            path
        };
        let valid = is_domain(domain)
            && path.split('/').all(is_component)
            && tag.is_none_or(is_tag)
            && digest.is_none_or(is_digest)
            && domain.len() + 1 + path.len() <= LONGEST_NAME;
        valid.then(|| Self {
            domain: domain.into(),
            path,
            tag: tag.map(Into::into),
            digest: digest.map(Into::into),
        })
    }

    /// As docker shows it: without the default registry.
    pub fn familiar(&self) -> String {
        let mut out = self.familiar_name();
        if let Some(tag) = &self.tag {
            out = format!("{out}:{tag}");
        } else if self.digest.is_none() {
            out.push_str(":latest");
        }
        if let Some(digest) = &self.digest {
            out = format!("{out}@{digest}");
        }
        out
    }

    fn familiar_name(&self) -> String {
        if self.domain != "docker.io" {
            return format!("{}/{}", self.domain, self.path);
        }
        match self.path.strip_prefix("library/") {
            // `docker.io/library/a/b` keeps its folder.
            Some(rest) if !rest.contains('/') => rest.to_owned(),
            _ => self.path.clone(),
        }
    }
}

/// What docker accepts as an image: a reference or an id.
pub fn is_image(text: &str) -> bool {
    let id = text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    // Docker tries a digest alone, too.
    id || is_digest(text) || Image::parse(text).is_some()
}

/// The image as it is sent: normalised when it is a reference, else as written.
pub fn normalise(text: &str) -> String {
    Image::parse(text).map_or_else(|| text.to_owned(), |image| image.familiar())
}

fn is_domain(domain: &str) -> bool {
    let (host, port) = match domain.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, rest)) => {
            if !address.bytes().all(|b| b.is_ascii_hexdigit() || b == b':') {
                return false;
            }
            ("v6", rest)
        }
        None => domain.find(':').map_or((domain, ""), |at| domain.split_at(at)),
    };
    let component = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    let port_ok = port.is_empty()
        || port
            .strip_prefix(':')
            .is_some_and(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()));
    host.split('.').all(component) && port_ok
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_component(part: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    part.starts_with(alphanumeric)
        && part.ends_with(alphanumeric)
        && part
            .split(alphanumeric)
            .all(|s| matches!(s, "" | "." | "_" | "__") || s.bytes().all(|b| b == b'-'))
}

fn is_tag(tag: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    tag.len() <= 128
        && tag.bytes().next().is_some_and(word)
        && tag.bytes().all(|b| word(b) || matches!(b, b'.' | b'-'))
}

fn is_digest(digest: &str) -> bool {
    let Some((algorithm, hex)) = digest.split_once(':') else { return false };
    let length = match algorithm {
        "sha256" => 64,
        "sha384" => 96,
        "sha512" => 128,
        _ => return false,
    };
    hex.len() == length && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_normalised() {
        let digest = format!("sha256:{}", "a".repeat(64));
        for (text, normal) in [
            ("nginx", "nginx:latest"),
            ("nginx:1.27", "nginx:1.27"),
            ("docker.io/nginx", "nginx:latest"),
            ("index.docker.io/library/nginx", "nginx:latest"),
            ("me/app", "me/app:latest"),
            ("ghcr.io/me/app:v1", "ghcr.io/me/app:v1"),
            ("localhost:5000/app", "localhost:5000/app:latest"),
            ("localhost/app", "localhost/app:latest"),
            (&format!("nginx@{digest}"), &format!("nginx@{digest}")),
            (&format!("nginx:1@{digest}"), &format!("nginx:1@{digest}")),
            ("a__b/c-d.e_f", "a__b/c-d.e_f:latest"),
        ] {
            assert!(is_image(text), "{text}");
            assert_eq!(normalise(text), normal);
        }
        assert!(is_image(&"a".repeat(64)));
        for text in [
            "",
            "NGINX",
            "a b",
            "a:",
            "a:b c",
            "a//b",
            "/a",
            "a/",
            "a___b",
            "a@sha256:x",
            "-a",
            "a:-x",
        ] {
            assert!(!is_image(text), "{text}");
        }
    }
}
