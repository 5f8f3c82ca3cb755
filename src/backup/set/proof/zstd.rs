//! The frames of a zstd stream (RFC 8878), followed by their sizes, without decompressing
//! them: where the stream ends in the middle of one, it is cut off.

use super::gather::Gather;

/// Begins a frame.
const FRAME: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Begins a frame that a reader skips, whatever its first four bits are.
const SKIPPABLE: [u8; 3] = [0x2a, 0x4d, 0x18];

/// What comes next.
#[derive(Debug, Clone, Copy, Default)]
enum Next {
    /// A frame begins here, or the stream ends.
    #[default]
    Frame,
    /// The size of a frame that is skipped.
    Skipped,
    /// The byte that says what else is in a frame's header.
    Header,
    /// The header of a block.
    Block {
        checksum: bool,
    },
    Broken,
}

/// What has been seen of a stream.
#[derive(Debug, Default)]
pub(super) struct Frames {
    next: Next,
    gather: Gather,
    /// Whether it holds any data.
    any: bool,
}

impl Frames {
    pub fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let wanted = match self.next {
                Next::Frame | Next::Skipped => 4,
                Next::Header => 1,
                Next::Block { .. } => 3,
                Next::Broken => return,
            };
            if self.gather.fill(&mut bytes, wanted) {
                self.step();
                self.gather.buffer.clear();
            }
        }
    }

    fn step(&mut self) {
        let said = &self.gather.buffer;
        self.next = match self.next {
            Next::Frame if *said == FRAME => Next::Header,
            Next::Frame if said[0] & 0xf0 == 0x50 && said[1..] == SKIPPABLE => Next::Skipped,
            Next::Frame | Next::Broken => Next::Broken,
            Next::Skipped => {
                self.gather.skip = self.gather.number(0);
                Next::Frame
            }
            Next::Header => {
                let said = said[0];
                let single = said & 0x20 != 0;
                let window = u64::from(!single);
                let dictionary = [0, 1, 2, 4][usize::from(said & 3)];
                let size = match said >> 6 {
                    0 => u64::from(single),
                    more => 1 << more,
                };
                self.gather.skip = window + dictionary + size;
                Next::Block { checksum: said & 4 != 0 }
            }
            Next::Block { checksum } => {
                let header = self.gather.number(0);
                let (last, kind, size) = (header & 1 == 1, header >> 1 & 3, header >> 3);
                self.any |= size > 0;
                // A repeated byte is written once.
                self.gather.skip = if kind == 1 { 1 } else { size };
                match (kind, last) {
                    (3, _) => Next::Broken,
                    (_, false) => Next::Block { checksum },
                    (_, true) => {
                        self.gather.skip += if checksum { 4 } else { 0 };
                        Next::Frame
                    }
                }
            }
        };
    }

    /// # Errors
    /// Why it is not complete.
    pub fn end(&self) -> Result<(), &'static str> {
        match self.next {
            Next::Broken => Err("one of its frames is damaged"),
            Next::Frame if self.gather.is_empty() => match self.any {
                true => Ok(()),
                false => Err("it holds no data"),
            },
            _ => Err("it is cut off"),
        }
    }
}
