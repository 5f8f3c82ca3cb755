//! Scripts that run inside WordPress.

use base64::{Engine, engine::general_purpose::STANDARD};
use potluck_sdk::{Command, Context, Failure, Result, services};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Options, site::Site};

const PRELUDE: &str = include_str!("php/prelude.php");

pub(crate) const INSTALL: &str = include_str!("php/install.php");
pub(crate) const VERIFY: &str = include_str!("php/verify.php");
pub(crate) const PASSWORD: &str = include_str!("php/password.php");
pub(crate) const USERS: &str = include_str!("php/users.php");
pub(crate) const CRON: &str = include_str!("php/cron.php");
pub(crate) const REPLACE: &str = include_str!("php/replace.php");

/// Runs a script with `input`, a JSON object, and reads its answer.
pub(crate) fn call<T: DeserializeOwned>(script: &str, mut input: Value) -> Result<T> {
    let options: Options = potluck_sdk::options()?;
    input["url"] = Site::read()?.url.into();
    let output = services::feed(
        &options.app,
        Command::new(["php"]).user("www-data").workdir("/var/www/html"),
        program(script, &input),
    )
    .context("WordPress")?;
    if output.truncated {
        return Err(Failure::new("WordPress answered more than potluck takes in"));
    }
    serde_json::from_slice(&output.stdout).context("WordPress answered what is not understood")
}

/// The whole program: Base64 keeps every value apart from the code.
fn program(script: &str, input: &Value) -> String {
    PRELUDE.replace("@INPUT@", &STANDARD.encode(input.to_string())) + script
}
