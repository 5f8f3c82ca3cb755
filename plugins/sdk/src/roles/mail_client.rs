//! An app that sends mail.

use std::marker::PhantomData;

use crate::{
    Changes, Relay, Result,
    bindings::{mail_client::exports::potluck::recipe::mail_client as wit, recipe::failures},
    export::guarded,
};

/// An app that sends mail.
pub trait MailClient {
    /// Sends through this relay from now on.
    ///
    /// # Errors
    /// What could not be done.
    fn connect(relay: Relay) -> Result<Changes>;

    /// Sends by itself again.
    ///
    /// # Errors
    /// What could not be done.
    fn disconnect() -> Result<Changes>;

    /// Sends a message through the app itself, to prove the wiring.
    ///
    /// # Errors
    /// Why no message was sent.
    fn send_test(recipient: String) -> Result;
}

#[doc(hidden)]
pub struct Adapter<T>(PhantomData<T>);

impl<T: MailClient> wit::Guest for Adapter<T> {
    fn connect(relay: Relay) -> Result<Changes, failures::Failure> {
        guarded(|| T::connect(relay))
    }
    fn disconnect() -> Result<Changes, failures::Failure> {
        guarded(T::disconnect)
    }
    fn send_test(recipient: String) -> Result<(), failures::Failure> {
        guarded(|| T::send_test(recipient))
    }
}
