//! New values: passwords and passphrases from the operating system's randomness.

use zeroize::Zeroizing;

use super::Error;

/// The English list of BIP-39 (MIT, `words.LICENSE`): 2048 words, 11 bits
/// each, told apart by their first four letters.
const WORDS: &str = include_str!("words.txt");
const WORD_COUNT: u16 = 2048;
/// 7 × 11 = 77 bits, about what six words of the usual diceware lists have.
const PASSPHRASE_WORDS: usize = 7;

const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const DIGITS: &str = "0123456789";
const HEX: &str = "0123456789abcdef";
/// Safe in URLs' user part, shell double quotes and YAML, as abra's.
const SAFE_SPECIAL: &str = "!@#%^&*_-+=";
const SPECIAL: &str = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

/// What a new value looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    Password {
        /// In characters.
        length: usize,
        charset: Charset,
    },
    /// Words, for people to type: where no length is asked for.
    Passphrase,
}

/// The characters a password is made of: ASCII, each once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charset(String);

impl Default for Charset {
    /// Letters and digits.
    fn default() -> Self {
        Charset(format!("{LETTERS}{DIGITS}"))
    }
}

impl Charset {
    /// Reads `charset=alnum,safespecial`: names joined with commas.
    ///
    /// # Errors
    /// The unknown name.
    pub fn parse(names: &str) -> Result<Self, String> {
        let mut characters = String::new();
        for name in names.split(',').map(str::trim) {
            let more = match name.to_ascii_lowercase().as_str() {
                "default" | "alnum" => Charset::default().0,
                "alpha" => LETTERS.into(),
                "digits" | "numeric" => DIGITS.into(),
                "hex" => HEX.into(),
                "special" => SPECIAL.into(),
                "safespecial" => SAFE_SPECIAL.into(),
                _ => return Err(format!("`{name}` is not a charset")),
            };
            // A character that is in two of them must not come twice as often.
            let new: String = more.chars().filter(|c| !characters.contains(*c)).collect();
            characters.push_str(&new);
        }
        Ok(Charset(characters))
    }

    /// The characters.
    #[cfg(test)]
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A new value.
///
/// # Errors
/// [`Error::Random`] if the system provides no randomness.
pub fn make(shape: &Shape) -> Result<Zeroizing<String>, Error> {
    match shape {
        Shape::Password { length, charset } => password(*length, charset),
        Shape::Passphrase => passphrase(),
    }
}

fn password(length: usize, charset: &Charset) -> Result<Zeroizing<String>, Error> {
    let characters = charset.0.as_bytes();
    // As much as is ever needed, so that growing leaves no copy behind.
    let mut value = Zeroizing::new(String::with_capacity(length));
    let mut random = Zeroizing::new([0_u8; 256]);
    // Bytes at and above this would make the first characters likelier.
    let fair = 256 - 256 % characters.len();
    while value.len() < length {
        fill(random.as_mut_slice())?;
        for byte in random.iter().map(|byte| usize::from(*byte)) {
            if byte < fair && value.len() < length {
                value.push(char::from(characters[byte % characters.len()]));
            }
        }
    }
    Ok(value)
}

fn passphrase() -> Result<Zeroizing<String>, Error> {
    const LONGEST: usize = 9;
    let mut value = Zeroizing::new(String::with_capacity(PASSPHRASE_WORDS * LONGEST));
    let mut random = Zeroizing::new([0_u8; 2 * PASSPHRASE_WORDS]);
    fill(random.as_mut_slice())?;
    for pair in random.chunks_exact(2) {
        // 2048 divides 65536: every word is equally likely.
        let index = u16::from_le_bytes([pair[0], pair[1]]) % WORD_COUNT;
        if !value.is_empty() {
            value.push('-');
        }
        value.push_str(WORDS.lines().nth(usize::from(index)).unwrap_or_default());
    }
    Ok(value)
}

fn fill(bytes: &mut [u8]) -> Result<(), Error> {
    getrandom::fill(bytes).map_err(|e| Error::Random(e.to_string()))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    #[test]
    fn the_words_are_what_the_entropy_counts_on() {
        let words: BTreeSet<_> = WORDS.lines().collect();
        assert_eq!(words.len(), usize::from(WORD_COUNT));
        assert!(words.iter().all(|w| w.len() <= 8 && w.chars().all(|c| c.is_ascii_lowercase())));
    }

    #[test]
    fn charsets_have_each_character_once() {
        for (names, count) in [
            ("default", 62),
            ("alnum", 62),
            ("hex", 16),
            ("digits", 10),
            ("special", 32),
            ("default,special", 94),
            ("hex,alnum", 62),
            ("alpha,digits,SafeSpecial", 73),
        ] {
            let charset = Charset::parse(names).unwrap();
            let distinct: BTreeSet<_> = charset.0.chars().collect();
            assert_eq!((charset.0.len(), distinct.len()), (count, count), "{names}");
        }
        for wrong in ["", "abc", "hex,", "hex;alnum"] {
            assert!(Charset::parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn values_have_their_shape_and_differ() {
        for (length, names) in [(1, "hex"), (32, "alnum"), (128, "hex"), (4096, "special")] {
            let charset = Charset::parse(names).unwrap();
            let value = make(&Shape::Password { length, charset: charset.clone() }).unwrap();
            assert_eq!(value.len(), length);
            assert!(value.chars().all(|c| charset.0.contains(c)));
        }
        let phrases: BTreeSet<_> =
            (0..50).map(|_| make(&Shape::Passphrase).unwrap().to_string()).collect();
        assert_eq!(phrases.len(), 50);
        assert!(phrases.iter().all(|p| p.split('-').count() == PASSPHRASE_WORDS));
    }

    #[test]
    fn every_character_is_equally_likely() {
        // 62 characters, 62 000 draws: 1000 of each are expected, and 6 sigma
        // is about 190; a byte taken modulo 62 would give the first eight 1210.
        let value = password(62_000, &Charset::default()).unwrap();
        let mut counts: BTreeMap<char, u32> = BTreeMap::new();
        value.chars().for_each(|c| *counts.entry(c).or_default() += 1);
        assert_eq!(counts.len(), 62);
        assert!(counts.values().all(|count| (800..1200).contains(count)), "{counts:?}");
    }
}
