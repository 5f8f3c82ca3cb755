//! An app that signs its people in through another.

use std::marker::PhantomData;

use crate::{
    Changes, Client, ClientRequest, Result,
    bindings::{recipe::failures, sso_client::exports::potluck::recipe::sso_client as wit},
    export::guarded,
};

/// An app that signs its people in through another.
pub trait SsoClient {
    /// What the provider must know.
    ///
    /// # Errors
    /// What is missing.
    fn request() -> Result<ClientRequest>;

    /// Uses the client that the provider made.
    ///
    /// # Errors
    /// What could not be done.
    fn connect(client: Client) -> Result<Changes>;

    /// Signs people in by itself again.
    ///
    /// # Errors
    /// What could not be done.
    fn disconnect() -> Result<Changes>;
}

#[doc(hidden)]
pub struct Adapter<T>(PhantomData<T>);

impl<T: SsoClient> wit::Guest for Adapter<T> {
    fn request() -> Result<ClientRequest, failures::Failure> {
        guarded(T::request)
    }
    fn connect(client: Client) -> Result<Changes, failures::Failure> {
        guarded(|| T::connect(client))
    }
    fn disconnect() -> Result<Changes, failures::Failure> {
        guarded(T::disconnect)
    }
}
