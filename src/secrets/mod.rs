//! Secrets of an app: which it needs, how they are made, what is stored.
//!
//! A secret that the compose files declare `external` with a name that takes
//! its version from a `SECRET_*_VERSION` key is potluck's to make, by the
//! modifiers beside that key. Values come from the operating system's
//! randomness, live in [`zeroize::Zeroizing`] memory and go nowhere but the
//! swarm and, when asked, the operator's terminal.
