//! Revokes grants of an app's plugins and services.

use std::str::FromStr;

use crate::{
    hint::{Hint, nearest},
    home::{Grant, LockFile, Reach, grant::InvalidGrant},
};

/// Why nothing was taken back.
#[derive(Debug, thiserror::Error)]
pub enum RevokeError {
    /// No plugin or service of that name has grants.
    #[error("no plugin `{holder}` has grants")]
    UnknownHolder { holder: String, nearest: Option<String> },
    #[error("`{holder}` was not given `{grant}`")]
    NotGiven { holder: String, grant: String, nearest: Option<String> },
    #[error(transparent)]
    Invalid(#[from] InvalidGrant),
}

impl RevokeError {
    fn not_given(holder: &str, grant: &str, given: &[String]) -> Self {
        let nearest = nearest(grant, given).cloned();
        RevokeError::NotGiven { holder: holder.to_owned(), grant: grant.to_owned(), nearest }
    }
}

impl Hint for RevokeError {
    fn hint(&self) -> Option<String> {
        match self {
            RevokeError::UnknownHolder { nearest, .. } | RevokeError::NotGiven { nearest, .. } => {
                nearest.as_ref().map(|near| format!("did you mean `{near}`?"))
            }
            RevokeError::Invalid(error) => error.hint(),
        }
    }
}

/// Removes grants from the lock file's model, and returns which, in words. Without a holder
/// (a plugin or a service), all lose everything; without grants the holder does. All or
/// nothing: if one is wrong, none is removed.
///
/// # Errors
/// A holder or a grant that the lock file does not have.
pub fn revoke(
    lock: &mut LockFile,
    holder: Option<&str>,
    grants: &[String],
) -> Result<Vec<String>, RevokeError> {
    let Some(holder) = holder else {
        // What the components were is kept: a tag that moves is to be noticed.
        let given = lock.plugins.iter_mut().filter(|(_, lock)| !lock.grants.is_empty());
        let all = given.map(|(name, lock)| {
            lock.grants.clear();
            format!("everything of `{name}`")
        });
        let mut all: Vec<String> = all.collect();
        let services = std::mem::take(&mut lock.reach).into_keys();
        all.extend(services.map(|service| format!("everything of `{service}`")));
        return Ok(all);
    };
    let is_of_service = match grants {
        [] => !lock.plugins.contains_key(holder),
        grants => {
            let is_reach = |grant: &String| Reach::from_str(grant).is_ok();
            !lock.plugins.contains_key(holder) || grants.iter().all(is_reach)
        }
    };
    if is_of_service && lock.reach.contains_key(holder) {
        return revoke_reach(lock, holder, grants);
    }
    let Some(given) = lock.plugins.get_mut(holder) else {
        let nearest = nearest(holder, lock.plugins.keys().chain(lock.reach.keys())).cloned();
        return Err(RevokeError::UnknownHolder { holder: holder.to_owned(), nearest });
    };
    if grants.is_empty() {
        given.grants.clear();
        return Ok(vec![format!("everything of `{holder}`")]);
    }
    for grant in grants {
        if !given.grants.iter().any(|line| is(line, grant)) {
            grant.parse::<Grant>()?;
            return Err(RevokeError::not_given(holder, grant, &given.grants));
        }
    }
    given.grants.retain(|line| !grants.iter().any(|grant| is(line, grant)));
    Ok(grants.iter().map(|grant| format!("`{grant}` of `{holder}`")).collect())
}

/// Revokes what a service may reach.
fn revoke_reach(
    lock: &mut LockFile,
    service: &str,
    lines: &[String],
) -> Result<Vec<String>, RevokeError> {
    let given = lock.reach.entry(service.to_owned()).or_default();
    if let Some(unknown) = lines.iter().find(|line| !given.contains(line)) {
        return Err(RevokeError::not_given(service, unknown, given));
    }
    given.retain(|line| !lines.is_empty() && !lines.contains(line));
    if given.is_empty() {
        lock.reach.remove(service);
    }
    Ok(match lines {
        [] => vec![format!("everything of `{service}`")],
        lines => lines.iter().map(|line| format!("`{line}` of `{service}`")).collect(),
    })
}

/// Whether a line of the lock file matches: the same grant in any spelling, or the
/// same text, which may have been edited by hand into something invalid.
fn is(line: &str, named: &str) -> bool {
    let grant = |text: &str| text.parse::<Grant>().ok();
    line == named || grant(line).is_some_and(|line| grant(named) == Some(line))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::lock_file::PluginPin;

    fn lock() -> LockFile {
        let plugin = |grants: &[&str]| PluginPin {
            sha256: "aa".into(),
            component: None,
            recipe: None,
            grants: grants.iter().map(ToString::to_string).collect(),
            earlier: Vec::new(),
        };
        let plugins = [
            ("wordpress".to_owned(), plugin(&["exec: app", "exec: db"])),
            ("other".to_owned(), plugin(&[])),
        ];
        LockFile { plugins: plugins.into(), ..LockFile::default() }
    }

    #[test]
    fn what_is_named_is_taken_back_and_nothing_else() {
        let mut one = lock();
        revoke(&mut one, Some("wordpress"), &["exec: db".into()]).unwrap();
        assert_eq!(one.plugins["wordpress"].grants, ["exec: app"]);
        let mut plugin = lock();
        revoke(&mut plugin, Some("wordpress"), &[]).unwrap();
        let left = &plugin.plugins["wordpress"];
        assert_eq!((left.grants.len(), left.sha256.as_str()), (0, "aa"), "it is known again");
        let mut all = lock();
        assert_eq!(revoke(&mut all, None, &[]).unwrap(), ["everything of `wordpress`"]);
        assert!(revoke(&mut all, None, &[]).unwrap().is_empty());
    }

    #[test]
    fn a_line_that_is_no_grant_is_named_as_it_stands() {
        let mut lock = lock();
        let lines = ["exce: db", "http: HTTPS://SSO.example.org:443/", "exec:  app"];
        lock.plugins.get_mut("wordpress").unwrap().grants = lines.map(Into::into).into();
        revoke(&mut lock, Some("wordpress"), &["exce: db".into()]).unwrap();
        assert_eq!(lock.plugins["wordpress"].grants, lines[1..]);
        let named = ["http: https://sso.example.org".into(), "exec: app".into()];
        revoke(&mut lock, Some("wordpress"), &named).unwrap();
        assert!(lock.plugins["wordpress"].grants.is_empty());
        let error = revoke(&mut lock, Some("wordpress"), &["exce: db".into()]).unwrap_err();
        assert!(error.to_string().contains("`exce: db` is not a grant"), "{error}");
    }

    #[test]
    fn a_mistake_names_what_is_nearest_and_changes_nothing() {
        let mut unchanged = lock();
        let mistakes: [(&str, Vec<String>, &str); 2] = [
            ("wordpres", vec![], "`wordpress`"),
            ("wordpress", vec!["exec: app".into(), "exec: dbb".into()], "`exec: db`"),
        ];
        for (plugin, grants, hint) in mistakes {
            let error = revoke(&mut unchanged, Some(plugin), &grants).unwrap_err();
            assert!(error.hint().unwrap().contains(hint), "{error}");
            assert_eq!(unchanged, lock());
        }
    }
}
