//! Reading to the end, but no further than a bound: the maker of a file decides how much
//! there is, and it may grow while it is read.

use std::io::{self, Read};

use tokio::io::{AsyncRead, AsyncReadExt};

/// All that there is.
///
/// # Errors
/// Those of the reader, and [`io::ErrorKind::FileTooLarge`] for more than `most` bytes.
pub(crate) fn read(from: impl Read, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    within(bytes, most)
}

/// The same of what is waited for.
///
/// # Errors
/// As [`read`].
pub(crate) async fn read_async(from: impl AsyncRead + Unpin, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(most.saturating_add(1)).read_to_end(&mut bytes).await?;
    within(bytes, most)
}

/// Whether an error says that there was more.
pub(crate) fn is_too_large(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::FileTooLarge
}

/// `16 MiB`, `64 KiB`, `500 bytes`.
pub(crate) fn size(bytes: u64) -> String {
    const KIB: u64 = 1 << 10;
    const MIB: u64 = 1 << 20;
    match bytes {
        bytes if bytes >= MIB && bytes % MIB == 0 => format!("{} MiB", bytes / MIB),
        bytes if bytes >= KIB && bytes % KIB == 0 => format!("{} KiB", bytes / KIB),
        bytes => format!("{bytes} bytes"),
    }
}

fn within(bytes: Vec<u8>, most: u64) -> io::Result<Vec<u8>> {
    if bytes.len() as u64 <= most {
        return Ok(bytes);
    }
    let message = format!("it is larger than {}", size(most));
    Err(io::Error::new(io::ErrorKind::FileTooLarge, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_bound_itself_is_read_and_no_byte_more() {
        for (most, expected) in [(5, Ok(5)), (6, Ok(5)), (4, Err("it is larger than 4 bytes"))] {
            let said = |read: io::Result<Vec<u8>>| {
                read.map(|bytes| bytes.len()).map_err(|error| {
                    assert!(is_too_large(&error), "{error}");
                    error.to_string()
                })
            };
            let expected = expected.map_err(str::to_owned);
            assert_eq!(said(read(&b"12345"[..], most)), expected);
            assert_eq!(said(read_async(&b"12345"[..], most).await), expected);
        }
        assert!(read(io::repeat(0), 64 << 10).is_err(), "what never ends is given up");
    }

    #[test]
    fn a_bound_is_told_in_the_largest_unit_that_fits() {
        for (bytes, expected) in [
            (0, "0 bytes"),
            (1023, "1023 bytes"),
            (64 << 10, "64 KiB"),
            ((1 << 20) + 1, "1048577 bytes"),
            (16 << 20, "16 MiB"),
        ] {
            assert_eq!(size(bytes), expected);
        }
    }
}
