//! Groups of commands whose arguments are defined only when one of them is meant. Most of
//! what a start costs is defining arguments, and a run needs those of one group.
//!
//! The text about a group is at its variant, because help lists it without the rest.

use clap::{ArgMatches, Command, Error, FromArgMatches, Subcommand};

/// A group of commands.
#[derive(Debug)]
pub struct Deferred<T>(pub T);

impl<T: FromArgMatches> FromArgMatches for Deferred<T> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        T::from_arg_matches(matches).map(Deferred)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        self.0.update_from_arg_matches(matches)
    }
}

impl<T: Subcommand> Subcommand for Deferred<T> {
    fn augment_subcommands(group: Command) -> Command {
        group.defer(T::augment_subcommands)
    }

    fn augment_subcommands_for_update(group: Command) -> Command {
        group.defer(T::augment_subcommands_for_update)
    }

    fn has_subcommand(name: &str) -> bool {
        T::has_subcommand(name)
    }
}
