//! Names that swarm will accept, prefix included (moby/swarmkit,
//! `manager/controlapi`): checked before anything is sent.

use super::Converter;
use crate::compose::problem::{Path, Spot};

/// Longest name of a service or network: a label of DNS.
const LONGEST_LABEL: usize = 63;
/// Longest name of a secret or config.
const LONGEST_OBJECT: usize = 64;

impl Converter<'_> {
    /// Checks the full name of a service or network.
    pub(super) fn check_label(&mut self, kind: &str, name: &str, at: Spot, path: Path<'_>) {
        self.check_name(kind, name, LONGEST_LABEL, "", at, path);
    }

    /// Checks the full name of a secret or config.
    pub(super) fn check_object(&mut self, kind: &str, name: &str, at: Spot, path: Path<'_>) {
        self.check_name(kind, name, LONGEST_OBJECT, ".", at, path);
    }

    fn check_name(
        &mut self,
        kind: &str,
        name: &str,
        longest: usize,
        also: &str,
        at: Spot,
        path: Path<'_>,
    ) {
        if name.len() > longest {
            let message = format!(
                "the name `{name}` of this {kind} has {} bytes; swarm allows {longest}",
                name.len()
            );
            self.sink.hint(at, path, message, "shorten the key or the app's name");
            return;
        }
        let inner = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c) || also.contains(c);
        if !name.chars().all(inner)
            || !name.starts_with(|c: char| c.is_ascii_alphanumeric())
            || !name.ends_with(|c: char| c.is_ascii_alphanumeric())
        {
            let dot = if also.is_empty() { "" } else { ", `.`" };
            let message = format!(
                "`{name}` is not a name that swarm allows: letters, digits, `-`, `_`{dot}, \
                 beginning and ending with a letter or digit"
            );
            self.sink.push(at, path, message);
        }
    }
}
