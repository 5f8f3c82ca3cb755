//! Interfaces of older versions: each call is passed to the newest one, and the result is
//! converted to the older version's types. Nothing is checked, counted or limited here, so
//! that no check can be forgotten.

use wasmtime::component::{HasSelf, Linker};

use super::State;
use crate::plugin::bindings::{services, services_0_1};

type Answer<T> = wasmtime::Result<Result<T, services_0_1::Error>>;

pub fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    services_0_1::add_to_linker::<_, HasSelf<State>>(linker, |state| state)
}

impl services_0_1::Host for State {
    async fn run(
        &mut self,
        service: String,
        command: services_0_1::Command,
        input: Vec<u8>,
    ) -> Answer<services_0_1::Output> {
        older(services::Host::run(self, service, command, input).await)
    }

    async fn wait_ready(&mut self, service: String, timeout_ms: u32) -> Answer<()> {
        older(services::Host::wait_ready(self, service, timeout_ms).await)
    }

    async fn restart(&mut self, service: String, timeout_ms: u32) -> Answer<()> {
        older(services::Host::restart(self, service, timeout_ms).await)
    }

    async fn put_file(
        &mut self,
        service: String,
        path: String,
        content: Vec<u8>,
        mode: u32,
    ) -> Answer<()> {
        older(services::Host::put_file(self, service, path, content, mode).await)
    }

    async fn get_file(&mut self, service: String, path: String) -> Answer<Vec<u8>> {
        older(services::Host::get_file(self, service, path).await)
    }
}

/// A newer answer in older types.
fn older<T: Into<U>, U>(answer: wasmtime::Result<Result<T, services::Error>>) -> Answer<U> {
    Ok(answer?.map(Into::into).map_err(Into::into))
}

impl From<services::Output> for services_0_1::Output {
    fn from(output: services::Output) -> Self {
        let services::Output { exit_code, stdout, stderr, truncated } = output;
        services_0_1::Output { exit_code, stdout, stderr, truncated }
    }
}

impl From<services::Error> for services_0_1::Error {
    fn from(error: services::Error) -> Self {
        match error {
            services::Error::Denied(line) => services_0_1::Error::Denied(line),
            services::Error::UnknownService(name) => services_0_1::Error::UnknownService(name),
            services::Error::NotRunning(name) => services_0_1::Error::NotRunning(name),
            services::Error::TimedOut => services_0_1::Error::TimedOut,
            services::Error::Invalid(why) => services_0_1::Error::Invalid(why),
            services::Error::TooLarge(limit) => services_0_1::Error::TooLarge(limit),
            services::Error::Engine(message) => services_0_1::Error::Engine(message),
        }
    }
}
