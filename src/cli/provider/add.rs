//! `potluck provider add`

use std::path::{PathBuf, absolute};

use crate::{
    cli::{
        exit::Exit,
        failure::{Failure, Outcome},
        session::Session,
    },
    home::{
        self, ProviderName, ProviderSettings,
        encryption::Encryption,
        provider::{Registration, RelaySettings, SsoSettings},
    },
};

/// Add a provider that is no app of this folder.
///
/// An OpenID provider (`--issuer`), a mail relay (`--relay`), or both. What is added is a file
/// in `providers/`, which the team shares; tokens and passwords stay in files of their own, of
/// which only the path is written down.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  potluck provider add house --issuer https://sso.example.org
  potluck provider add house --issuer https://sso.example.org --dynamic --token-file token
  potluck provider add post --relay smtp.example.org:465 --username wiki --password-file secret")]
pub struct Args {
    /// What it is called here
    #[arg(value_name = "NAME")]
    name: ProviderName,

    /// The OpenID provider's issuer, to the letter
    #[arg(long, value_name = "URL", required_unless_present = "relay")]
    issuer: Option<String>,

    /// It makes clients by itself (RFC 7591); without it, you make them there by hand
    #[arg(long, requires = "issuer")]
    dynamic: bool,

    /// A file of yours alone with the initial access token that it wants for that
    #[arg(long, value_name = "FILE", requires = "dynamic")]
    token_file: Option<PathBuf>,

    /// The claim that has a person's groups
    #[arg(long, value_name = "CLAIM", requires = "issuer")]
    groups_claim: Option<String>,

    /// The mail relay
    #[arg(long, value_name = "HOST:PORT")]
    relay: Option<Place>,

    /// none, starttls or tls [default: tls on port 465, else starttls]
    #[arg(long, value_name = "HOW", requires = "relay")]
    encryption: Option<Encryption>,

    /// The account at the relay
    #[arg(long, value_name = "NAME", requires = "relay")]
    username: Option<String>,

    /// A file of yours alone with the account's password
    #[arg(long, value_name = "FILE", requires = "username")]
    password_file: Option<PathBuf>,

    /// The selector with which the relay signs mail (DKIM), so that its key is looked up
    #[arg(long, value_name = "SELECTOR", requires = "relay", value_parser = selector)]
    dkim_selector: Option<String>,

    /// Replace one of this name
    #[arg(long)]
    replace: bool,
}

/// A part of a DNS name (RFC 6376, 3.1).
fn selector(text: &str) -> Result<String, String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    match !text.is_empty() && text.len() <= 200 && text.chars().all(is_part) {
        true => Ok(text.to_owned()),
        false => Err("expected a part of a DNS name, as `s1`".into()),
    }
}

/// A host and a port.
#[derive(Debug, Clone)]
struct Place {
    host: String,
    port: u16,
}

impl std::str::FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const BAD: &str = "expected HOST:PORT, as smtp.example.org:587";
        let (host, port) = text.rsplit_once(':').ok_or(BAD)?;
        let host = home::provider::host(host).ok_or(BAD)?;
        match port.parse() {
            Ok(port) if port > 0 => Ok(Place { host: host.to_owned(), port }),
            _ => Err(BAD.into()),
        }
    }
}

pub fn run(args: &Args, session: &Session) -> Outcome {
    let home = session.home()?;
    if !args.replace && home.providers()?.contains(&args.name) {
        return Err(Failure::new(format!("there is a provider `{}` already", args.name))
            .hint("choose another name, or add --replace"));
    }
    let apps = home.apps()?;
    if apps.iter().any(|app| app.name.as_str() == args.name.as_str()) {
        return Err(Failure::usage(format!("`{}` is an app of this folder", args.name))
            .hint("choose another name, so that it is clear which of them is meant"));
    }
    let whole = |file: &Option<PathBuf>| -> Result<Option<PathBuf>, Failure> {
        let whole = |file: &PathBuf| {
            absolute(file).map_err(|e| Failure::io(format!("finding {}", file.display()), &e))
        };
        file.as_ref().map(whole).transpose()
    };
    let sso = match &args.issuer {
        None => None,
        Some(issuer) => Some(SsoSettings {
            issuer: issuer.clone(),
            registration: match args.dynamic {
                true => Registration::Dynamic,
                false => Registration::ByHand,
            },
            token_file: whole(&args.token_file)?,
            groups_claim: args.groups_claim.clone(),
        }),
    };
    let mail = match &args.relay {
        None => None,
        Some(Place { host, port }) => Some(RelaySettings {
            host: host.clone(),
            port: *port,
            encryption: args.encryption,
            username: args.username.clone(),
            password_file: whole(&args.password_file)?,
            dkim_selector: args.dkim_selector.clone(),
        }),
    };
    let settings = ProviderSettings { sso, mail };
    if let Some(fault) = settings.fault() {
        return Err(Failure::usage(fault));
    }
    for file in [&args.token_file, &args.password_file].into_iter().flatten() {
        if !file.exists() {
            session.ui.warn(format_args!("{} is missing so far", file.display()));
        }
    }
    home.write_provider(&args.name, &settings)?;
    let name = &args.name;
    session.ui.say(format_args!("Added {name}."));
    if args.issuer.is_some() {
        session.ui.hint(format_args!("`potluck sso connect APP {name}` connects an app"));
    }
    if args.relay.is_some() {
        session.ui.hint(format_args!("`potluck mail connect APP {name}` connects an app"));
    }
    Ok(Exit::DONE)
}
