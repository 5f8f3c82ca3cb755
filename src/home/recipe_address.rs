//! A recipe that settings name by where its repository is, `TYPE=git.example.org/org/wiki`:
//! it is kept under a name of its own, so that a fork never takes the place of a recipe.

use super::names::{InvalidName, RecipeName};

/// Where a recipe's repository is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecipeAddress {
    /// What it is kept under, as by abra: `git_example_org_org_wiki`.
    pub recipe: RecipeName,
    /// What git fetches from: https, unless the settings say `ssh://` or `user@host:path`.
    pub url: String,
}

impl RecipeAddress {
    /// None for a name.
    ///
    /// # Errors
    /// [`InvalidName`] for an address that becomes no name.
    pub fn parse(written: &str) -> Result<Option<Self>, InvalidName> {
        if !written.contains('/') {
            return Ok(None);
        }
        let is_fetched = |scheme| ["https", "ssh"].contains(&scheme);
        if written.split_once("://").is_some_and(|(scheme, _)| !is_fetched(scheme)) {
            let reason = "recipes are fetched over https and ssh";
            return Err(InvalidName { kind: "recipe address", given: written.into(), reason });
        }
        let place = place(written);
        let (host, path) = place.split_once('/').unwrap_or((&place, ""));
        let flat = format!("{}_{}", host.replace(['.', ':'], "_"), path.replace('/', "_"));
        let recipe = RecipeName::new(flat)?;
        let url = match written.contains("://") || host_of(written).contains('@') {
            true => written.to_owned(),
            false => format!("https://{}.git", written.trim_end_matches(".git")),
        };
        Ok(Some(RecipeAddress { recipe, url }))
    }

    /// `host/path`, without scheme, user and ending.
    pub fn place(&self) -> String {
        place(&self.url)
    }

    /// Whether a repository that was cloned from there is this one: over https and ssh, a host
    /// has the same repository under a path.
    pub fn is_at(&self, origin: &str) -> bool {
        let (here, there) = (place(&self.url), place(origin));
        let is_web = |url: &str| url.starts_with("https://");
        if is_web(&self.url) == is_web(origin) && self.url.contains("://") == origin.contains("://")
        {
            return here == there;
        }
        without_port(&here) == without_port(&there)
    }
}

/// `host[:port]/path`, the same for each way to write it.
fn place(url: &str) -> String {
    let rest = ["https://", "ssh://"].iter().find_map(|scheme| url.strip_prefix(scheme));
    let is_short = rest.is_none();
    let rest = rest.unwrap_or(url);
    let host = host_of(rest);
    let rest = match host.rsplit_once('@') {
        Some((user, _)) => &rest[user.len() + 1..],
        None => rest,
    };
    let rest = rest.trim_end_matches('/');
    let rest = rest.strip_suffix(".git").unwrap_or(rest);
    // `git@host:org/wiki` has no port there.
    match rest.split_once(':') {
        Some((host, path)) if is_short && url.contains('@') => {
            format!("{host}/{}", path.trim_start_matches('/'))
        }
        _ => rest.to_owned(),
    }
}

fn host_of(rest: &str) -> &str {
    rest.split('/').next().unwrap_or(rest)
}

fn without_port(place: &str) -> String {
    let (host, path) = place.split_once('/').unwrap_or((place, ""));
    format!("{}/{path}", host.split(':').next().unwrap_or(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(written: &str) -> RecipeAddress {
        RecipeAddress::parse(written).unwrap().unwrap()
    }

    #[test]
    fn an_address_has_a_name_and_a_url() {
        for (written, recipe, url) in [
            ("git.a.org/b/wiki", "git_a_org_b_wiki", "https://git.a.org/b/wiki.git"),
            ("git.a.org/b/wiki.git", "git_a_org_b_wiki", "https://git.a.org/b/wiki.git"),
            ("https://git.a.org:80/b", "git_a_org_80_b", "https://git.a.org:80/b"),
            ("ssh://git@a.org:2222/b/wiki", "a_org_2222_b_wiki", "ssh://git@a.org:2222/b/wiki"),
            ("git@git.a.org:b/wiki.git", "git_a_org_b_wiki", "git@git.a.org:b/wiki.git"),
        ] {
            let address = parse(written);
            assert_eq!((address.recipe.as_str(), address.url.as_str()), (recipe, url));
        }
        assert_eq!(RecipeAddress::parse("wiki").unwrap(), None);
        for bad in ["../etc", "/srv/wiki", "./wiki", "a.org/b c", "-x/y", "file:///srv/wiki"] {
            assert!(RecipeAddress::parse(bad).is_err(), "{bad} is a name");
        }
    }

    #[test]
    fn one_repository_is_known_by_each_of_its_addresses() {
        let address = parse("git.a.org/b/wiki");
        for same in [
            "https://git.a.org/b/wiki.git",
            "https://git.a.org/b/wiki/",
            "https://anna@git.a.org/b/wiki",
            "git@git.a.org:b/wiki.git",
            "ssh://git@git.a.org:2222/b/wiki",
        ] {
            assert!(address.is_at(same), "{same}");
        }
        for other in [
            "https://git.a.org/c/wiki.git",
            "https://git.a.org/b_wiki",
            "https://git.a.org:8443/b/wiki",
            "https://git.b.org/b/wiki",
            "git@git.a.org:c/wiki",
            "/srv/wiki",
        ] {
            assert!(!address.is_at(other), "{other}");
        }
    }
}
