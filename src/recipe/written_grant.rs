//! A grant as people write it.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};

use crate::home::{Grant, grant::InvalidGrant};

/// `exec: db`, or the same in quotes, as the lock file has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WrittenGrant {
    Text(String),
    /// Capabilities and objects. More than one is a mistake.
    Pairs(Vec<(String, String)>),
}

impl WrittenGrant {
    /// The grants that it is.
    ///
    /// # Errors
    /// [`InvalidGrant`].
    pub fn grants(&self) -> Result<Vec<Grant>, InvalidGrant> {
        match self {
            WrittenGrant::Text(text) => Ok(vec![text.parse()?]),
            WrittenGrant::Pairs(pairs) => {
                pairs.iter().map(|(capability, thing)| Grant::new(capability, thing)).collect()
            }
        }
    }
}

impl<'de> Deserialize<'de> for WrittenGrant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Written)
    }
}

struct Written;

impl<'de> Visitor<'de> for Written {
    type Value = WrittenGrant;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a grant, `exec: SERVICE`, `secret: NAME` or `http: ORIGIN`")
    }

    fn visit_str<E>(self, text: &str) -> Result<WrittenGrant, E> {
        Ok(WrittenGrant::Text(text.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<WrittenGrant, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry::<String, String>()? {
            pairs.push(pair);
        }
        Ok(WrittenGrant::Pairs(pairs))
    }
}
