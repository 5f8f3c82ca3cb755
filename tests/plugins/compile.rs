//! What the compiler may take for a component. Each in a process of its own, since a
//! compilation that was given up goes on until the process ends.

use crate::support::{common::is_alone, hostile};

use std::time::Duration;

use hostile::*;
use potluck::{
    hint::Hint,
    plugin::{CompileLimits, Runtime},
};

/// What is said of a component that takes the compiler minutes.
async fn refused(limits: CompileLimits) -> String {
    let folder = tempfile::tempdir().unwrap();
    let runtime = Runtime::new(folder.path()).unwrap().compiling_within(limits);
    let Err(error) = runtime.load("slow", &slow_to_compile()).await else { panic!("compiled") };
    assert_eq!(error.hint().unwrap(), "this is a fault of the plugin: tell its author");
    error.to_string()
}

#[tokio::test]
async fn it_takes_the_compiler_too_long() {
    if !is_alone() {
        return;
    }
    let limits = CompileLimits { time: Duration::from_secs(1), ..CompileLimits::default() };
    let said = refused(limits).await;
    assert_eq!(
        said,
        "the plugin `slow` was not compiled: compiling reached its limit of time (1 s)"
    );
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn it_takes_the_compiler_too_much_memory() {
    if !is_alone() {
        return;
    }
    let limits = CompileLimits { memory: 64 << 20, ..CompileLimits::default() };
    let said = refused(limits).await;
    assert_eq!(
        said,
        "the plugin `slow` was not compiled: compiling reached its limit of memory (64 MiB)"
    );
}
