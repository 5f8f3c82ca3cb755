//! What the app's settings say about the site.

use potluck_sdk::{Failure, Result, settings};

/// Where the site is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Site {
    /// Without a slash at its end.
    pub url: String,
}

/// What the site is installed with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Administrator {
    pub title: String,
    pub user: String,
    pub email: String,
}

impl Site {
    /// `SITE_URL`, else `https://DOMAIN`.
    pub(crate) fn read() -> Result<Self> {
        let url = match settings::get("SITE_URL").filter(|url| !url.trim().is_empty()) {
            Some(url) => url,
            None => format!("https://{}", settings::require("DOMAIN")?),
        };
        let url = url.trim().trim_end_matches('/').to_owned();
        let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        let host = rest.and_then(|rest| rest.split(['/', ':']).next()).unwrap_or_default();
        if host.is_empty() || url.contains(|c: char| c.is_whitespace() || "?#\"'<>".contains(c)) {
            return Err(Failure::new(format!("`{url}` is no address for a site"))
                .hint("SITE_URL is written like `https://blog.example.org`"));
        }
        Ok(Site { url })
    }
}

impl Administrator {
    pub(crate) fn read() -> Result<Self> {
        let user = settings::require("ADMIN_USER")?;
        // What WordPress leaves of a name; another one could not sign in.
        let fits = |c: char| c.is_ascii_alphanumeric() || " _.-@".contains(c);
        if user.len() > 60 || user.trim() != user || !user.chars().all(fits) {
            return Err(Failure::new(format!("`{user}` can't be a user's name in WordPress"))
                .hint("ADMIN_USER has at most 60 letters, digits, spaces, `_`, `.`, `-` and `@`"));
        }
        let email = settings::require("ADMIN_EMAIL")?;
        if !email.split_once('@').is_some_and(|(name, host)| {
            !name.is_empty() && host.contains('.') && !email.contains(char::is_whitespace)
        }) {
            return Err(Failure::new(format!("`{email}` is no mail address"))
                .hint("ADMIN_EMAIL is written like `admin@example.org`"));
        }
        Ok(Administrator { title: settings::require("TITLE")?, user, email })
    }
}
