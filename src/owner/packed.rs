//! How potluck's own configs on the swarm hold what is large: JSON, compressed, with the
//! number of its form; pure.

use std::io::Write;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::{Compression, read::ZlibDecoder, write::ZlibEncoder};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::record::{Unreadable, content};
use crate::{
    bounded,
    engine::{LARGEST_CONFIG, api},
};

/// Bytes that are read, once they are no longer compressed.
pub(super) const MOST: u64 = 16 << 20;

#[derive(Serialize, Deserialize)]
struct Content<T> {
    format: u32,
    #[serde(flatten)]
    content: T,
}

/// What would have to be kept does not fit into a config.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLarge;

/// The data of a config.
///
/// # Errors
/// [`TooLarge`].
pub(super) fn pack(content: &impl Serialize, format: u32) -> Result<String, TooLarge> {
    let json = serde_json::json!(Content { format, content }).to_string();
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::default());
    let packed = packed.write_all(json.as_bytes()).and_then(|()| packed.finish());
    let data = packed.ok().filter(|data| data.len() <= LARGEST_CONFIG).ok_or(TooLarge)?;
    if json.len() as u64 > MOST {
        return Err(TooLarge);
    }
    Ok(STANDARD.encode(data))
}

/// What a config holds, in a form up to `newest`.
///
/// # Errors
/// What is of no form that is understood.
pub(super) fn unpack<T: DeserializeOwned>(
    spec: &api::ConfigSpec,
    newest: u32,
) -> Result<T, Unreadable> {
    let broken = |reason: &str| Unreadable::Broken(reason.to_owned());
    let packed = STANDARD
        .decode(spec.data.as_deref().unwrap_or_default())
        .map_err(|_| broken("its content is not base64"))?;
    let json = bounded::read(ZlibDecoder::new(packed.as_slice()) as ZlibDecoder<&[u8]>, MOST)
        .map_err(|error| broken(&error.to_string()))?;
    Ok(content::<Content<T>>(&json, newest)?.content)
}

/// Data of a config that holds anything.
#[cfg(test)]
pub(super) fn raw(bytes: &[u8]) -> String {
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::default());
    packed.write_all(bytes).unwrap();
    STANDARD.encode(packed.finish().unwrap())
}
