//! The level that a recipe's README says it has: `8 (simulated), 9 (real)`.

use std::fmt;

use super::{Server, level::words};

/// What a README claims. It is not tested again where it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// On a simulated server.
    pub simulated: Option<u8>,
    /// On a real one.
    pub real: Option<u8>,
}

impl Claim {
    /// What the words of a README's `**Level**` mean; none where they name no level, or say
    /// anything else.
    pub fn parse(said: &str) -> Option<Self> {
        let mut claim = Claim { simulated: None, real: None };
        for part in said.split(',') {
            let (level, server) = part.trim().split_once(' ')?;
            let level = level.parse().ok().filter(|level| words(*level).is_some())?;
            let place = match server.trim() {
                "(simulated)" => &mut claim.simulated,
                "(real)" => &mut claim.real,
                _ => return None,
            };
            if place.replace(level).is_some() {
                return None;
            }
        }
        Some(claim)
    }
}

/// In words: "level 8 on a simulated server (can be changed); never tested on a real server".
impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |level: Option<u8>, server: Server| {
            let place = server.place();
            match level.and_then(|level| Some((level, words(level)?))) {
                Some((level, words)) => format!("level {level} {place} ({words})"),
                None => format!("never tested {place}"),
            }
        };
        let simulated = part(self.simulated, Server::Simulated);
        write!(f, "{simulated}; {}", part(self.real, Server::Real))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_names_each_server_once() {
        let claim = |simulated, real| Some(Claim { simulated, real });
        for (said, expected) in [
            ("8 (simulated), 9 (real)", claim(Some(8), Some(9))),
            ("9 (real)", claim(None, Some(9))),
            ("0 (simulated)", claim(Some(0), None)),
            ("10 (real)", None),
            ("8", None),
            ("8 (simulated), 8 (simulated)", None),
            ("8 (mars)", None),
            ("", None),
        ] {
            assert_eq!(Claim::parse(said), expected, "{said:?}");
        }
    }

    #[test]
    fn a_claim_says_what_was_never_tested() {
        assert_eq!(
            Claim::parse("8 (simulated)").unwrap().to_string(),
            "level 8 on a simulated server (can be changed); never tested on a real server"
        );
    }
}
