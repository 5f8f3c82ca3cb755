//! Compose files, held against docker.

mod changes;
mod combinations;
mod corpus;
mod errors;
mod fake_manager;
mod generated;
mod hostile;
mod requests;
mod support;
