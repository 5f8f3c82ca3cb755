//! Bytes that a backup produces or takes in, in a test.

use std::{cell::RefCell, io, rc::Rc};

use crate::{
    Sink, Source,
    bytes::{In, Out},
};

/// What a plugin wrote into a [`sink`].
#[derive(Debug, Clone, Default)]
pub struct Written(Rc<RefCell<Vec<u8>>>);

impl Written {
    /// All of it so far.
    pub fn bytes(&self) -> Vec<u8> {
        self.0.borrow().clone()
    }

    pub(crate) fn add(&self, chunk: &[u8]) {
        self.0.borrow_mut().extend_from_slice(chunk);
    }
}

/// For [`crate::Backup::produce`], and what is written into it.
pub fn sink() -> (Sink, Written) {
    let written = Written::default();
    (Sink(Out::Test(written.clone())), written)
}

/// For [`crate::Backup::consume`].
pub fn source(content: impl Into<Vec<u8>>) -> Source {
    Source(In::Test(io::Cursor::new(content.into())))
}
