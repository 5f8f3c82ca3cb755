//! `potluck plugin revoke`

use std::str::FromStr;

use crate::{
    cli::{
        arguments::AppArg,
        exit::Exit,
        failure::{Failure, Outcome},
        session::{Session, nearest},
    },
    home::{Grant, LockFile, Reach},
};

/// Take back what an app's plugins and services were given.
///
/// Without PLUGIN, all of them lose everything; without GRANT, that plugin or
/// service does.
/// A plugin doesn't run with less than it asks for: the next command that needs
/// it asks again, or ends with exit code 6 where nobody can be asked.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck plugin revoke blog.example.org
  potluck plugin revoke blog.example.org wordpress
  potluck plugin revoke blog.example.org wordpress 'secret: db_password'")]
pub struct Args {
    #[command(flatten)]
    app: AppArg,

    /// The plugin, by its name in recipe.yml, or the service, by its key
    #[arg(value_name = "PLUGIN")]
    plugin: Option<String>,

    /// `exec: SERVICE`, `secret: NAME` or `http: ORIGIN`; what a service may reach,
    /// `host: PATH`; or a line of the lock file
    /// as it is, should it be none of these
    #[arg(value_name = "GRANT", requires = "plugin")]
    grants: Vec<String>,
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    let entry = session.app(&home, &args.app)?;
    let guard = home.guard_app(&entry, "a change of grants")?;
    let mut lock = home.lock_file(&entry)?;
    let revoked = revoke(&mut lock, args.plugin.as_deref(), &args.grants)?;
    if revoked.is_empty() {
        session.ui.say(format_args!("No plugin of {} was given anything.", entry.name));
        return Ok(Exit::DONE);
    }
    home.write_lock_file(&guard, &lock)?;
    for line in revoked {
        session.ui.say(format_args!("Revoked {line}."));
    }
    Ok(Exit::DONE)
}

/// Takes grants out of the lock file's model, and says which.
fn revoke(
    lock: &mut LockFile,
    plugin: Option<&str>,
    grants: &[String],
) -> Result<Vec<String>, Failure> {
    let Some(plugin) = plugin else {
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
        [] => !lock.plugins.contains_key(plugin),
        grants => {
            let is_reach = |grant: &String| Reach::from_str(grant).is_ok();
            !lock.plugins.contains_key(plugin) || grants.iter().all(is_reach)
        }
    };
    if is_of_service && lock.reach.contains_key(plugin) {
        return revoke_reach(lock, plugin, grants);
    }
    let Some(given) = lock.plugins.get_mut(plugin) else {
        let failure = Failure::usage(format!("no plugin `{plugin}` was given anything"));
        let known = lock.plugins.keys().chain(lock.reach.keys());
        let near = nearest(plugin, known.map(String::as_str));
        return Err(match near {
            Some(near) => failure.hint(format!("did you mean `{near}`?")),
            None => failure,
        });
    };
    if grants.is_empty() {
        given.grants.clear();
        return Ok(vec![format!("everything of `{plugin}`")]);
    }
    // All or nothing: a mistake in one leaves the others.
    for grant in grants {
        if !given.grants.iter().any(|line| is(line, grant)) {
            if let Err(invalid) = grant.parse::<Grant>() {
                return Err(Failure::from(invalid).exit(Exit::USAGE));
            }
            let failure = Failure::usage(format!("`{plugin}` was not given `{grant}`"));
            let near = nearest(grant, given.grants.iter().map(String::as_str));
            return Err(match near {
                Some(near) => failure.hint(format!("did you mean `{near}`?")),
                None => failure,
            });
        }
    }
    given.grants.retain(|line| !grants.iter().any(|grant| is(line, grant)));
    Ok(grants.iter().map(|grant| format!("`{grant}` of `{plugin}`")).collect())
}

/// Takes back what a service may reach.
fn revoke_reach(
    lock: &mut LockFile,
    service: &str,
    lines: &[String],
) -> Result<Vec<String>, Failure> {
    let given = lock.reach.entry(service.to_owned()).or_default();
    if let Some(unknown) = lines.iter().find(|line| !given.contains(line)) {
        let failure = Failure::usage(format!("`{service}` was not given `{unknown}`"));
        let near = nearest(unknown, given.iter().map(String::as_str));
        return Err(match near {
            Some(near) => failure.hint(format!("did you mean `{near}`?")),
            None => failure,
        });
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

/// Whether a line of the lock file is what was named: the same grant, however it is
/// written, or the same text, which somebody's hand may have made something else of.
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
        let failure = revoke(&mut lock, Some("wordpress"), &["exce: db".into()]).unwrap_err();
        assert_eq!(failure.exit, Exit::USAGE);
        assert!(failure.message.unwrap().contains("`exce: db` is not a grant"));
    }

    #[test]
    fn a_mistake_names_what_is_nearest_and_changes_nothing() {
        let mut unchanged = lock();
        let mistakes: [(&str, Vec<String>, &str); 2] = [
            ("wordpres", vec![], "`wordpress`"),
            ("wordpress", vec!["exec: app".into(), "exec: dbb".into()], "`exec: db`"),
        ];
        for (plugin, grants, hint) in mistakes {
            let failure = revoke(&mut unchanged, Some(plugin), &grants).unwrap_err();
            assert_eq!(failure.exit, Exit::USAGE);
            assert!(failure.hints[0].contains(hint), "{:?}", failure.hints);
            assert_eq!(unchanged, lock());
        }
    }
}
