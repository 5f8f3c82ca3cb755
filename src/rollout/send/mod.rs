//! Sending what differs to the swarm.

pub(crate) mod apply;
pub(crate) mod auths;
pub(crate) mod making;
pub(crate) mod unpinned;
