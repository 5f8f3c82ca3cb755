//! An app that others can send mail through.

use std::marker::PhantomData;

use crate::{
    Relay, Result,
    bindings::{
        mail_provider::exports::potluck::recipe0_4_0::mail_provider as wit, recipe::failures,
    },
    export::guarded,
};

/// An app that others can send mail through.
pub trait MailProvider {
    /// An account that may send as this address; the same one when it exists.
    ///
    /// # Errors
    /// What could not be done.
    fn account(sender: String) -> Result<Relay>;

    /// Closes the account of this address.
    ///
    /// # Errors
    /// What could not be done.
    fn close_account(sender: String) -> Result;

    /// Gives the account another password. One that is not there is made.
    ///
    /// # Errors
    /// What could not be done.
    fn rotate(sender: String) -> Result<Relay>;
}

#[doc(hidden)]
pub struct Adapter<T>(PhantomData<T>);

impl<T: MailProvider> wit::Guest for Adapter<T> {
    fn account(sender: String) -> Result<Relay, failures::Failure> {
        guarded(|| T::account(sender))
    }
    fn close_account(sender: String) -> Result<(), failures::Failure> {
        guarded(|| T::close_account(sender))
    }
    fn rotate(sender: String) -> Result<Relay, failures::Failure> {
        guarded(|| T::rotate(sender))
    }
}
