//! An app that others can sign in with.

use std::marker::PhantomData;

use crate::{
    Client, ClientRequest, Result,
    bindings::{
        recipe::failures, sso_provider::exports::potluck::recipe0_4_0::sso_provider as wit,
    },
    export::guarded,
};

/// An app that others can sign in with.
pub trait SsoProvider {
    /// Creates the client, or updates it when it exists.
    ///
    /// # Errors
    /// What could not be done.
    fn register(request: ClientRequest) -> Result<Client>;

    /// Removes the client.
    ///
    /// # Errors
    /// What could not be done.
    fn unregister(client: String) -> Result;

    /// Gives the client another secret; its id stays. One that is not there is made.
    ///
    /// # Errors
    /// What could not be done.
    fn rotate(request: ClientRequest) -> Result<Client>;
}

#[doc(hidden)]
pub struct Adapter<T>(PhantomData<T>);

impl<T: SsoProvider> wit::Guest for Adapter<T> {
    fn register(request: ClientRequest) -> Result<Client, failures::Failure> {
        guarded(|| T::register(request))
    }
    fn unregister(client: String) -> Result<(), failures::Failure> {
        guarded(|| T::unregister(client))
    }
    fn rotate(request: ClientRequest) -> Result<Client, failures::Failure> {
        guarded(|| T::rotate(request))
    }
}
