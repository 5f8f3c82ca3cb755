//! Scripts that run beside Synapse, in its own Python.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use potluck_sdk::{Command, Context, Failure, Result, services};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Options;

const PRELUDE: &str = include_str!("py/prelude.py");

pub(crate) const UPGRADE: &str = include_str!("py/upgrade.py");
pub(crate) const START: &str = include_str!("py/start.py");
pub(crate) const VERIFY: &str = include_str!("py/verify.py");
pub(crate) const CREATE: &str = include_str!("py/create.py");
pub(crate) const PASSWORD: &str = include_str!("py/password.py");
pub(crate) const USERS: &str = include_str!("py/users.py");
pub(crate) const SCHEMA: &str = include_str!("py/schema.py");

/// Synapse's own account in the image.
const ACCOUNT: &str = "991:991";

/// Runs a script with `input`, a JSON object, and reads its answer.
pub(crate) fn call<T: DeserializeOwned>(
    script: &str,
    input: &Value,
    within: Duration,
) -> Result<T> {
    let options: Options = potluck_sdk::options()?;
    let output = services::feed(
        &options.app,
        Command::new(["python3", "-"]).user(ACCOUNT).timeout(within),
        program(script, input),
    )
    .context("Synapse")?;
    if output.truncated {
        return Err(Failure::new("Synapse answered more than potluck takes in"));
    }
    serde_json::from_slice(&output.stdout).context("Synapse answered what is not understood")
}

/// The whole program: Base64 keeps every value apart from the code.
fn program(script: &str, input: &Value) -> String {
    PRELUDE.replace("@INPUT@", &STANDARD.encode(input.to_string())) + script
}
