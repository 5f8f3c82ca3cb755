//! Clock, randomness, and the derivations that hooks need most often.

pub use crate::bindings::recipe::tools::{KeyKind, KeyPair};
use crate::{Failure, Result, host};

/// Seconds since 1970-01-01 UTC.
pub fn now() -> u64 {
    host!(tools::now())
}

/// Random bytes, good enough for keys.
pub fn random_bytes(length: u32) -> Vec<u8> {
    host!(tools::random_bytes(length))
}

/// A random password of ASCII letters and digits, 5.9 bits each.
pub fn random_password(length: usize) -> String {
    const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    // 248 is the largest multiple of 62 in a byte: above it, some letters would
    // be likelier than others.
    let mut password = String::with_capacity(length);
    while password.len() < length {
        let wanted = u32::try_from(length - password.len()).unwrap_or(u32::MAX).min(256);
        for byte in random_bytes(wanted).into_iter().filter(|&byte| byte < 248) {
            password.push(char::from(ALPHABET[usize::from(byte) % ALPHABET.len()]));
        }
    }
    password
}

/// A bcrypt hash, `$2b$…`, as in a `htpasswd` file.
///
/// # Errors
/// A password that bcrypt would cut: more than 72 bytes, or a zero byte.
pub fn bcrypt(password: &str) -> Result<String> {
    host!(tools::bcrypt(password)).map_err(Failure::new)
}

/// An Argon2id hash in PHC form, `$argon2id$…`.
pub fn argon2id(password: &str) -> String {
    host!(tools::argon2id(password))
}

/// A new private key and its public key, in PEM.
pub fn keypair(kind: KeyKind) -> KeyPair {
    host!(tools::keypair(kind))
}

#[cfg(test)]
mod tests {
    use crate::testing::Script;

    #[test]
    fn a_password_has_the_wanted_length_and_only_letters_and_digits() {
        Script::new().play(|| {
            let password = super::random_password(300);
            assert_eq!(password.len(), 300);
            assert!(password.bytes().all(|b| b.is_ascii_alphanumeric()));
        });
    }
}
