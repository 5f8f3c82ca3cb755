//! Scripts for `sh` that run inside a store's service, against the contract of
//! the upstream image: they read passwords where these are mounted, so that the
//! plugin never sees one.

use std::time::Duration;

use potluck_sdk::{
    Command, Context, Failure, Finding, Result, Spec, report, secrets, services, settings, tools,
};

/// Shell that `verify` scripts report with: `finding passed|failed NAME [DETAIL]`.
pub const FINDING: &str = include_str!("finding.sh");

/// Shell that scripts which list databases pass them through: `listed`, one a line.
pub const LISTED: &str = include_str!("listed.sh");

/// About 190 bits; letters and digits, which need no quotes anywhere.
const PASSWORD_LENGTH: usize = 32;

/// The one command of stores that have a password.
pub const ROTATE: &str = "rotate-password";

/// A script out of parts, each a file.
#[macro_export]
macro_rules! script {
    ($($file:literal),+ $(,)?) => { concat!($(include_str!($file)),+) };
}

/// That the app has the service, and that the plugin may run programs in it: a
/// deploy has to find that out, not the first backup. Whether it runs is not
/// asked, as nothing does before a first deploy.
///
/// # Errors
/// There is no such service, or no grant for it.
pub fn known(service: &str) -> Result {
    use services::Error::{Denied, UnknownService};
    match services::wait_ready(service, Duration::ZERO) {
        Err(error @ (Denied(_) | UnknownService(_))) => Err(error.into()),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Runs a `verify` script and reads what it found.
///
/// # Errors
/// The script could not run, or says what is not understood.
pub fn verify(service: &str, script: Command) -> Result<Vec<Finding>> {
    let output = services::run(service, script)?;
    output.text().lines().map(finding).collect()
}

fn finding(line: &str) -> Result<Finding> {
    let mut parts = line.splitn(3, '\t');
    let (outcome, name, detail) = (parts.next(), parts.next(), parts.next());
    match (outcome, name) {
        (Some(outcome @ ("passed" | "failed")), Some(name)) => Ok(Finding {
            name: name.into(),
            passed: outcome == "passed",
            detail: detail.map(str::trim).filter(|d| !d.is_empty()).map(Into::into),
        }),
        _ => Err(Failure::new(format!("the checks answered what is not understood: {line}"))),
    }
}

/// What [`rotate`] is called.
pub fn rotate_spec() -> Spec {
    Spec::new(ROTATE, "Give the app's account in the database a new password")
}

/// Stores a new password as the secret's new version, then sets it in the
/// store. In this order, as a version that is there already, or a grant that is
/// not, must change nothing.
///
/// # Errors
/// What could not be done, and where that leaves the app.
pub fn rotate(
    service: &str,
    secret: &str,
    script: impl Fn() -> Command,
    alive: Command,
) -> Result<String> {
    services::run(service, alive).context("the password was not changed")?;
    let password = tools::random_password(PASSWORD_LENGTH);
    secrets::put(secret, &password).map_err(|error| refused(secret, error))?;
    services::feed(service, script(), format!("{password}\n"))
        .context(format!(
            "the new password is stored as `{secret}`, but the database kept the old one"
        ))
        .hint(format!(
            "remove the new version with `potluck app secret rm`, or set {} back",
            version_key(secret)
        ))?;
    report::warn("the database has a new password: deploy now, the app still uses the old one");
    Ok(format!("potluck app deploy {}", potluck_sdk::facts().name))
}

fn refused(secret: &str, error: secrets::Error) -> Failure {
    let key = version_key(secret);
    match error {
        secrets::Error::Exists(_) => {
            let version = settings::get(&key).unwrap_or_else(|| "v1".into());
            Failure::new(format!("version {version} of the secret `{secret}` already exists"))
                .hint(format!("raise {key} in the app's settings first, then run this again"))
        }
        denied @ secrets::Error::Denied(_) => Failure::from(denied)
            .hint(format!("write `secret: {secret}` under this plugin's grants in recipe.yml")),
        other => other.into(),
    }
}

/// `db_password` → `SECRET_DB_PASSWORD_VERSION`.
fn version_key(secret: &str) -> String {
    format!("SECRET_{}_VERSION", secret.to_uppercase().replace('-', "_"))
}

/// A name that stands in a script's environment and in a dump's file name.
///
/// # Errors
/// When it is empty or holds anything but letters, digits, `_`, `-` and `.`.
pub fn plain_name(option: &str, name: &str) -> Result {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    if name.is_empty() || name.starts_with(['-', '.']) || !name.chars().all(plain) {
        return Err(Failure::new(format!("the option `{option}` is no plain name: {name:?}"))
            .hint("it has letters, digits, `_`, `-` and `.` only"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use potluck_sdk::testing::Script;

    fn rotated(script: Script) -> potluck_sdk::testing::Played<Result<String>> {
        script.play(|| {
            rotate("db", "db_password", || Command::shell("change"), Command::shell("look"))
        })
    }

    #[test]
    fn the_new_password_goes_into_the_secret_and_through_standard_input_only() {
        let played = rotated(Script::new().secret_to_put("db_password"));
        assert_eq!(played.result.unwrap(), "potluck app deploy app.example.org");
        let password = &played.secrets["db_password"];
        assert_eq!(password.len(), PASSWORD_LENGTH);
        let [look, change] = &played.runs[..] else { panic!("{:?}", played.runs) };
        assert_eq!(look.command.argv[2], "look");
        assert_eq!(change.input, format!("{password}\n").into_bytes());
        assert!(!format!("{:?}", change.command).contains(password.as_str()));
        assert!(played.log.iter().all(|(_, line)| !line.contains(password.as_str())));
    }

    #[test]
    fn a_store_that_does_not_answer_keeps_its_secret() {
        let played = rotated(Script::new().on_run(|_, _, _| Ok(Script::failed(1, "down"))));
        let failure = played.result.unwrap_err();
        assert_eq!(failure.message(), "the password was not changed: `sh` ended with code 1: down");
        assert!(played.secrets.is_empty());
    }

    #[test]
    fn a_change_that_fails_says_which_password_holds() {
        let script = Script::new().secret_to_put("db_password");
        let played = rotated(script.on_run(|_, command, _| {
            Ok(if command.argv[2] == "look" {
                Script::printed("")
            } else {
                Script::failed(1, "no")
            })
        }));
        let message = played.result.unwrap_err().message().to_owned();
        assert!(message.contains("the database kept the old one"), "{message}");
    }

    #[test]
    fn a_version_that_is_there_names_the_key_to_raise() {
        let played = Script::new()
            .setting("SECRET_DB_PASSWORD_VERSION", "v1")
            .play(|| refused("db_password", secrets::Error::Exists("db_password".into())));
        assert_eq!(
            played.result.message(),
            "version v1 of the secret `db_password` already exists"
        );
    }

    #[test]
    fn findings_are_read_line_by_line() {
        let answer = "passed\tthe server answers\t7.0\nfailed\ttables are sound\t\n";
        let played = Script::new()
            .on_run(move |_, _, _| Ok(Script::printed(answer)))
            .play(|| verify("db", Command::shell("")));
        let findings = played.result.unwrap();
        assert_eq!(findings[0].detail.as_deref(), Some("7.0"));
        assert!(!findings[1].passed && findings[1].detail.is_none());
        let odd = Script::new()
            .on_run(|_, _, _| Ok(Script::printed("hello")))
            .play(|| verify("db", Command::shell("")));
        assert!(odd.result.is_err());
    }

    #[test]
    fn a_service_has_to_be_known_and_granted_but_not_to_run() {
        use potluck_sdk::testing::ServiceError as Error;
        for (error, good) in [
            (Error::Denied("exec: db".into()), false),
            (Error::UnknownService("db".into()), false),
            (Error::NotRunning("db".into()), true),
            (Error::TimedOut, true),
        ] {
            let shown = format!("{error:?}");
            let script = Script::new().on_call(move |_| Err(error.clone()));
            assert_eq!(script.play(|| known("db")).result.is_ok(), good, "{shown}");
        }
    }

    #[test]
    fn names_are_plain() {
        for bad in ["", "a b", "a;b", "-x", "../x", "a'b", "a\nb"] {
            assert!(plain_name("database", bad).is_err(), "{bad:?}");
        }
        plain_name("database", "wiki_2").unwrap();
    }
}
