//! A state without a guest, for the capabilities' own tests.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use zeroize::Zeroizing;

use super::State;
use crate::{
    plugin::{
        Command, Facts, FileError, Limits, Machine, Memory, Output, RecipeFiles, Role,
        SecretAccess, SecretError, ServiceError, Settings, StackServices, Surroundings,
    },
    progress::Silent,
};

/// Nothing is there.
struct Nothing;

#[async_trait]
impl StackServices for Nothing {
    async fn run(
        &self,
        service: &str,
        _: &Command,
        _: Vec<u8>,
        _: usize,
    ) -> Result<Output, ServiceError> {
        Err(ServiceError::Unknown(service.into()))
    }
    async fn wait_ready(&self, service: &str, _: Duration) -> Result<(), ServiceError> {
        Err(ServiceError::Unknown(service.into()))
    }
    async fn restart(&self, service: &str, _: Duration) -> Result<(), ServiceError> {
        Err(ServiceError::Unknown(service.into()))
    }
    async fn put_file(
        &self,
        service: &str,
        _: &str,
        _: Vec<u8>,
        _: u32,
    ) -> Result<(), ServiceError> {
        Err(ServiceError::Unknown(service.into()))
    }
    async fn get_file(&self, service: &str, _: &str, _: usize) -> Result<Vec<u8>, ServiceError> {
        Err(ServiceError::Unknown(service.into()))
    }
    async fn logs(&self, service: &str, _: u32, _: usize) -> Result<Vec<String>, ServiceError> {
        Err(ServiceError::Unknown(service.into()))
    }
}

impl RecipeFiles for Nothing {
    fn read(&self, _: &str) -> Result<Vec<u8>, FileError> {
        Err(FileError::NotFound)
    }
    fn list(&self, _: &str) -> Result<Vec<String>, FileError> {
        Err(FileError::NotFound)
    }
}

#[async_trait]
impl SecretAccess for Nothing {
    async fn reveal(&self, name: &str) -> Result<Zeroizing<String>, SecretError> {
        Err(SecretError::Unknown(name.into()))
    }
    async fn put(&self, name: &str, _: Zeroizing<String>) -> Result<(), SecretError> {
        Err(SecretError::Unknown(name.into()))
    }
}

impl Memory for Nothing {
    fn get(&self, _: &str) -> Result<Option<String>, String> {
        Ok(None)
    }
    fn set(&self, _: &str, _: &str) -> Result<(), String> {
        Ok(())
    }
}

/// A plugin's state with these grants and the limits of `lifecycle`.
pub fn state(grants: &[String]) -> State {
    let nothing = Arc::new(Nothing);
    State::new(
        "test".into(),
        Surroundings {
            facts: Facts {
                app: "wiki.example.org".into(),
                stack: "wiki_example_org".into(),
                recipe: "wiki".into(),
                version: None,
                server: "default".into(),
            },
            settings: Settings::default(),
            options: serde_json::Value::Null,
            grants: grants.iter().map(|grant| grant.parse().expect("a test's grant")).collect(),
            limits: Limits::for_role(Role::Lifecycle),
            services: nothing.clone(),
            secrets: nothing.clone(),
            memory: nothing.clone(),
            files: nothing,
            progress: Arc::new(Silent),
            outside: Arc::new(Machine),
        },
    )
}
