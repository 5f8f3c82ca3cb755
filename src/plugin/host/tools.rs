//! `tools`: clock, randomness and derivations.
//!
//! Hashing and key generation take long on purpose; they run on the blocking
//! pool, so that the hook's timeout and Ctrl-C still work.

use argon2::{Argon2, PasswordHasher};
use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der},
    rsa::KeySize,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use wasmtime::{
    component::{HasSelf, Linker},
    format_err,
};
use zeroize::Zeroizing;

use super::State;
use crate::plugin::bindings::tools;
use crate::plugin::runtime::limits::thread_time;

/// Bytes of randomness at once, as the interface promises.
const RANDOM: u32 = 64 << 10;
/// What bcrypt's own authors and most applications use now.
const BCRYPT_COST: u32 = 12;
/// bcrypt takes no more; the rest would be ignored.
const BCRYPT_PASSWORD: usize = 72;

pub fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    tools::add_to_linker::<_, HasSelf<State>>(linker, |state| state)
}

impl tools::Host for State {
    async fn now(&mut self) -> wasmtime::Result<u64> {
        self.call()?;
        Ok(self.surroundings.outside.now().as_secs())
    }

    async fn random_bytes(&mut self, len: u32) -> wasmtime::Result<Vec<u8>> {
        self.call()?;
        if len > RANDOM {
            return Err(format_err!("tools.random-bytes gives at most {RANDOM} bytes, not {len}"));
        }
        let mut bytes = vec![0; len as usize];
        self.surroundings
            .outside
            .random(&mut bytes)
            .map_err(|error| format_err!("the operating system gives no randomness: {error}"))?;
        Ok(bytes)
    }

    async fn bcrypt(&mut self, password: String) -> wasmtime::Result<Result<String, String>> {
        let password = Zeroizing::new(password);
        self.call()?;
        if password.len() > BCRYPT_PASSWORD {
            return Ok(Err(format!("bcrypt takes at most {BCRYPT_PASSWORD} bytes")));
        }
        if password.contains('\0') {
            return Ok(Err("bcrypt stops at a zero byte".into()));
        }
        self.blocking(move || {
            bcrypt::hash(password.as_bytes(), BCRYPT_COST).map(Ok).map_err(|e| e.to_string())
        })
        .await
    }

    async fn argon2id(&mut self, password: String) -> wasmtime::Result<String> {
        let password = Zeroizing::new(password);
        self.call()?;
        self.blocking(move || {
            Argon2::default()
                .hash_password(password.as_bytes())
                .map(|hash| hash.to_string())
                .map_err(|error| error.to_string())
        })
        .await
    }

    async fn keypair(&mut self, kind: tools::KeyKind) -> wasmtime::Result<tools::KeyPair> {
        self.call()?;
        self.blocking(move || {
            match kind {
                tools::KeyKind::Ed25519 => ed25519(),
                tools::KeyKind::EcdsaP256 => p256(),
                tools::KeyKind::Rsa2048 => rsa(KeySize::Rsa2048),
                tools::KeyKind::Rsa4096 => rsa(KeySize::Rsa4096),
            }
            .map_err(|_| "a key could not be made".into())
        })
        .await
    }
}

impl State {
    /// Work that the host does for the guest: it counts as the guest's computing time.
    async fn blocking<T: Send + 'static>(
        &mut self,
        work: impl FnOnce() -> Result<T, String> + Send + 'static,
    ) -> wasmtime::Result<T> {
        let timed = move || {
            let begun = thread_time();
            (work(), thread_time().saturating_sub(begun))
        };
        match tokio::task::spawn_blocking(timed).await {
            Ok((done, time)) => {
                self.account.computing().spend(time)?;
                done.map_err(|message| format_err!("{message}"))
            }
            Err(error) => Err(format_err!("the work was interrupted: {error}")),
        }
    }
}

fn ed25519() -> Result<tools::KeyPair, aws_lc_rs::error::Unspecified> {
    let key = Ed25519KeyPair::generate()?;
    let private: Pkcs8V1Der<'_> = key.as_der()?;
    let public: PublicKeyX509Der<'_> = key.public_key().as_der()?;
    Ok(pair(private.as_ref(), public.as_ref()))
}

fn p256() -> Result<tools::KeyPair, aws_lc_rs::error::Unspecified> {
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING)?;
    let private = key.to_pkcs8v1()?;
    let public: PublicKeyX509Der<'_> = key.public_key().as_der()?;
    Ok(pair(private.as_ref(), public.as_ref()))
}

fn rsa(size: KeySize) -> Result<tools::KeyPair, aws_lc_rs::error::Unspecified> {
    let key = aws_lc_rs::rsa::KeyPair::generate(size)?;
    let private: Pkcs8V1Der<'_> = key.as_der()?;
    let public: PublicKeyX509Der<'_> = key.public_key().as_der()?;
    Ok(pair(private.as_ref(), public.as_ref()))
}

fn pair(private: &[u8], public: &[u8]) -> tools::KeyPair {
    tools::KeyPair {
        private_pem: pem("PRIVATE KEY", private),
        public_pem: pem("PUBLIC KEY", public),
    }
}

/// RFC 7468: base64 in lines of 64 characters between two marks.
fn pem(label: &str, der: &[u8]) -> String {
    let body = Zeroizing::new(STANDARD.encode(der));
    let mut text = format!("-----BEGIN {label}-----\n");
    text.reserve(body.len() + body.len() / 64 + label.len() + 20);
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_pem_that_openssl_reads() {
        for key in [ed25519().unwrap(), p256().unwrap(), rsa(KeySize::Rsa2048).unwrap()] {
            assert!(key.private_pem.starts_with("-----BEGIN PRIVATE KEY-----\n"));
            assert!(key.public_pem.ends_with("-----END PUBLIC KEY-----\n"));
            assert!(key.private_pem.lines().all(|line| line.len() <= 64));
        }
    }
}
