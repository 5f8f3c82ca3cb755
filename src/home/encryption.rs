//! How a connection to a mail relay is encrypted, in settings and records.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The encryption of a mail relay, as the plugins' interface has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encryption {
    /// In the clear, for a relay in the same network.
    None,
    /// STARTTLS, which must succeed (RFC 3207).
    StartTls,
    /// TLS from the first byte (RFC 8314).
    Tls,
}

impl Encryption {
    /// What is usual on a port: 465 begins with TLS (RFC 8314, 7.3), others upgrade.
    pub fn usual(port: u16) -> Self {
        if port == 465 { Encryption::Tls } else { Encryption::StartTls }
    }
}

impl fmt::Display for Encryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Encryption::None => "none",
            Encryption::StartTls => "starttls",
            Encryption::Tls => "tls",
        })
    }
}

impl FromStr for Encryption {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Encryption::None),
            "starttls" => Ok(Encryption::StartTls),
            "tls" => Ok(Encryption::Tls),
            _ => Err("expected `none`, `starttls` or `tls`".into()),
        }
    }
}
