//! What tests share.

#![allow(dead_code, unused_imports, reason = "each group of tests uses some of it")]

pub mod backup;
pub mod browser;
pub mod cli;
pub mod common;
pub mod examples;
pub mod hostile;
pub mod monitor;
pub mod nodes;
pub mod operator;
pub mod pages;
pub mod provider;
pub mod registry;
pub mod sign_on;
pub mod signing;
pub mod sshd;
pub mod std_guests;
pub mod stores;
