//! Values of known lengths, out of pieces of any length.

/// The value that is being gathered.
#[derive(Debug, Default)]
pub(super) struct Gather {
    pub buffer: Vec<u8>,
    /// Bytes before it that say nothing.
    pub skip: u64,
}

impl Gather {
    /// Takes what is missing out of `bytes`; whether the value is complete then.
    pub fn fill(&mut self, bytes: &mut &[u8], wanted: usize) -> bool {
        let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(bytes.len());
        self.skip -= skipped as u64;
        *bytes = &bytes[skipped..];
        let (taken, rest) = bytes.split_at((wanted - self.buffer.len()).min(bytes.len()));
        self.buffer.extend_from_slice(taken);
        *bytes = rest;
        self.skip == 0 && self.buffer.len() == wanted
    }

    /// Whether it is between two values.
    pub fn is_empty(&self) -> bool {
        self.skip == 0 && self.buffer.is_empty()
    }

    /// The value as a number, its lowest byte first.
    pub fn number(&self, from: usize) -> u64 {
        let bytes = self.buffer.iter().skip(from).rev();
        bytes.fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}
