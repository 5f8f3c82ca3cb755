//! Arguments that several commands share, and how their values are read.

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};
use jiff::{Span, SpanRelativeTo};

use crate::{
    home::{AppName, GivenGrant, GivenReach, ServerName, grant::InvalidGrant},
    lint::Strictness,
};

/// Arguments of every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Folder with servers, apps and recipes [default: ~/.potluck]
    ///
    /// Without it, $POTLUCK_DIR is used. An existing ~/.abra works as it is.
    #[arg(long, global = true, value_name = "DIR")]
    pub potluck_dir: Option<PathBuf>,

    /// Never ask; fail with the flag that would have answered
    #[arg(short, long, global = true)]
    pub no_input: bool,

    /// Show results, warnings and errors only
    #[arg(short, long, global = true)]
    pub quiet: bool,

    /// Show more of what potluck does; repeat it for details
    #[arg(
        short,
        long,
        global = true,
        alias = "debug",
        action = clap::ArgAction::Count
    )]
    pub verbose: u8,

    /// Fetch no recipes: the copies that are here have to do
    ///
    /// `server add` and `app check` don't ask the server, either.
    #[arg(short, long, global = true)]
    pub offline: bool,

    /// When to use colours
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        value_enum,
        default_value_t,
        hide_possible_values = true
    )]
    pub color: Color,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    Always,
    Never,
}

impl Color {
    pub fn write_global(self) {
        match self {
            Color::Auto => anstream::ColorChoice::Auto,
            Color::Always => anstream::ColorChoice::Always,
            Color::Never => anstream::ColorChoice::Never,
        }
        .write_global();
    }
}

/// The app that a command is about.
#[derive(Debug, Args)]
pub struct AppArg {
    /// The app, by its domain
    #[arg(value_name = "APP")]
    pub app: AppName,

    /// The app's server, if several servers have an app of this name
    #[arg(long, value_name = "NAME")]
    pub server: Option<ServerName>,
}

/// For commands that have data for programs.
#[derive(Debug, Clone, Copy, Args)]
pub struct JsonArg {
    /// Print JSON instead of text
    #[arg(short = 'm', long, alias = "machine")]
    pub json: bool,
}

/// For commands that start an app's plugins.
#[derive(Debug, Clone, Args)]
pub struct GrantArg {
    /// Grant this to a plugin of the recipe without being asked: `PLUGIN exec: SERVICE`,
    /// `PLUGIN secret: NAME` or `PLUGIN http: ORIGIN`; may be repeated
    ///
    /// PLUGIN can be omitted if no other plugin asks for the same grant or has it. A deploy
    /// also accepts what a service may reach beyond the app, in the words of the question:
    /// `SERVICE host: PATH`, `SERVICE docker-socket`, …; docs/reach.md lists them.
    #[arg(long, value_name = "GRANT", requires = "app")]
    pub grant: Vec<Flag>,
}

impl GrantArg {
    /// Those for plugins.
    pub fn grants(&self) -> Vec<GivenGrant> {
        let grant = |flag: &Flag| match flag {
            Flag::Grant(given) => Some(given.clone()),
            Flag::Reach(_) => None,
        };
        self.grant.iter().filter_map(grant).collect()
    }

    /// Those for services.
    pub fn reaches(&self) -> Vec<GivenReach> {
        let reach = |flag: &Flag| match flag {
            Flag::Reach(given) => Some(given.clone()),
            Flag::Grant(_) => None,
        };
        self.grant.iter().filter_map(reach).collect()
    }
}

/// What `--grant` takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Flag {
    /// For a plugin.
    Grant(GivenGrant),
    /// For a service.
    Reach(GivenReach),
}

impl std::str::FromStr for Flag {
    type Err = InvalidGrant;

    fn from_str(text: &str) -> Result<Self, InvalidGrant> {
        if !GivenReach::is_meant(text) {
            return text.parse().map(Flag::Grant);
        }
        text.parse().map(Flag::Reach).map_err(|e: crate::home::reach::InvalidReach| InvalidGrant {
            given: e.given,
            reason: e.reason,
        })
    }
}

/// For commands that read kept secrets.
#[derive(Debug, Clone, Args)]
pub struct IdentityArg {
    /// The private key: age's own, or an OpenSSH key [default: ~/.config/potluck/identity]
    ///
    /// Without it, $POTLUCK_IDENTITY is used, then $XDG_CONFIG_HOME/potluck/identity.
    #[arg(long, value_name = "FILE")]
    pub identity: Option<PathBuf>,
}

/// For commands that change an app.
#[derive(Debug, Clone, Copy, Args)]
pub struct LockArg {
    /// Wait this long for another operation on the app to end, 90s or 10m
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "0s")]
    pub lock_wait: Duration,
}

impl LockArg {
    /// That does not wait.
    pub fn none() -> Self {
        LockArg { lock_wait: Duration::ZERO }
    }
}

/// For commands that lint, or deploy what lint looks at.
#[derive(Debug, Clone, Copy, Args)]
pub struct StrictArg {
    /// Treat lint's warnings as errors; docs/lint.md lists them
    #[arg(long)]
    strict: bool,
}

impl StrictArg {
    pub fn strictness(self) -> Strictness {
        if self.strict { Strictness::Warnings } else { Strictness::Errors }
    }
}

/// `KEY=VALUE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    pub key: String,
    pub value: String,
}

impl std::str::FromStr for Assignment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if key.is_empty() || !key.chars().all(word) || key.starts_with(|c: char| c.is_ascii_digit())
        {
            return Err(format!("`{key}` is not the name of a setting"));
        }
        if value.contains(['\n', '\r', '\0']) {
            return Err("a value is one line".into());
        }
        Ok(Assignment { key: key.into(), value: value.into() })
    }
}

/// `90`, `90s`, `5m`, `1h30m`: seconds when there is no unit. A day has 24 hours.
///
/// # Errors
/// What is wrong with it, for clap.
pub fn duration(text: &str) -> Result<Duration, String> {
    const BAD: &str = "write it as 90s, 5m or 1h30m";
    const TOO_LONG: &str = "that is too long";
    /// A hundred years: clocks cannot tell what is far beyond.
    const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
    let duration = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let span: Span = text.parse().map_err(|_| BAD)?;
            let duration = span.to_duration(SpanRelativeTo::days_are_24_hours());
            Duration::try_from(duration.map_err(|_| TOO_LONG)?).map_err(|_| BAD)?
        }
    };
    if duration > LONGEST { Err(TOO_LONG.into()) } else { Ok(duration) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, seconds) in [
            ("0", Some(0)),
            ("90", Some(90)),
            ("90s", Some(90)),
            ("5m", Some(300)),
            ("1h30m", Some(5400)),
            ("2d", Some(172_800)),
            ("", None),
            ("m", None),
            ("5 m", Some(300)),
            ("1.5h", Some(5400)),
            ("1h30", None),
            ("-5s", None),
            ("99999999999999999999s", None),
            ("18446744073709551615", None),
            ("36501d", None),
            ("18446744073709551615h", None),
            ("5µ", None),
        ] {
            assert_eq!(duration(text).ok(), seconds.map(Duration::from_secs), "{text:?}");
        }
    }

    #[test]
    fn assignments() {
        let assignment: Assignment = "A_1=b=c".parse().unwrap();
        assert_eq!((assignment.key.as_str(), assignment.value.as_str()), ("A_1", "b=c"));
        for bad in ["A", "=b", "1A=b", "A-B=c", "A=b\nc"] {
            assert!(bad.parse::<Assignment>().is_err(), "{bad:?} was accepted");
        }
    }
}
