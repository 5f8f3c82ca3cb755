//! Time and randomness of the machine that potluck runs on, and its network.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;

use crate::plugin::{HttpError, HttpRequest, HttpResponse, Outside};

/// The real thing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Machine;

#[async_trait]
impl Outside for Machine {
    fn now(&self) -> Duration {
        // A clock before 1970 is a machine without a clock.
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }

    fn random(&self, buffer: &mut [u8]) -> Result<(), String> {
        getrandom::fill(buffer).map_err(|error| error.to_string())
    }

    async fn answer(&self, _: &HttpRequest) -> Option<Result<HttpResponse, HttpError>> {
        None
    }

    fn answered(&self, _: &HttpRequest, _: &Result<HttpResponse, HttpError>) {}
}
