//! `secrets`: the app's secrets, each granted by name with `secret: NAME`.

use wasmtime::component::{HasSelf, Linker};
use zeroize::Zeroizing;

use super::State;
use crate::{
    home::Grant,
    plugin::{
        SecretError,
        bindings::secrets,
        grants::{Known, Unknown},
    },
    secrets::MAX_SIZE,
};

type Answer<T> = wasmtime::Result<Result<T, secrets::Error>>;

pub fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    secrets::add_to_linker::<_, HasSelf<State>>(linker, |state| state)
}

impl secrets::Host for State {
    async fn reveal(&mut self, name: String) -> Answer<String> {
        if let Err(line) = self.prepare(Grant::Secret(name.clone()))? {
            return Ok(Err(secrets::Error::Denied(line)));
        }
        match self.surroundings.secrets.reveal(&name).await {
            Ok(value) => {
                self.revealed.remember(&value);
                Ok(Ok(value.to_string()))
            }
            Err(error) => Ok(Err(error.into())),
        }
    }

    async fn put(&mut self, name: String, value: String) -> Answer<()> {
        let value = Zeroizing::new(value);
        if let Err(line) = self.prepare(Grant::Secret(name.clone()))? {
            return Ok(Err(secrets::Error::Denied(line)));
        }
        if value.is_empty() || value.len() > MAX_SIZE {
            let message = format!("a secret has between 1 and {MAX_SIZE} bytes");
            return Ok(Err(secrets::Error::Invalid(message)));
        }
        let stored = self.surroundings.secrets.put(&name, value.clone()).await;
        if stored.is_ok() {
            self.revealed.remember(&value);
        }
        Ok(stored.map_err(Into::into))
    }
}

/// Whether an app has a secret of this name that a grant can be for.
pub fn validate(name: &str, known: &Known) -> Result<(), Unknown> {
    Unknown::unless_in("secret", name, &known.secrets)
}

impl From<SecretError> for secrets::Error {
    fn from(error: SecretError) -> Self {
        match error {
            SecretError::Unknown(name) => secrets::Error::UnknownSecret(name),
            SecretError::Unavailable(why) => secrets::Error::Unavailable(why),
            SecretError::Exists(name) => secrets::Error::Exists(name),
            SecretError::Engine(message) => secrets::Error::Engine(message),
        }
    }
}
