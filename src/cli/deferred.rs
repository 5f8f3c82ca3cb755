//! Groups of commands whose arguments are defined only when one of them is meant. Most of
//! what a start costs is defining arguments, and a run needs those of one group.
//!
//! The text about a group is at its variant, because help lists it without the rest.

use std::cell::Cell;

use clap::{ArgMatches, Command, CommandFactory, Error, FromArgMatches, Subcommand};

thread_local! {
    static AT_ONCE: Cell<bool> = const { Cell::new(false) };
}

/// A group of commands.
#[derive(Debug)]
pub struct Deferred<T>(pub T);

/// A command with the arguments of all of its groups, as completions need it: they list the
/// commands of each group below `help`, too, which is made before a group is.
pub fn whole<T: CommandFactory>() -> Command {
    AT_ONCE.set(true);
    let command = T::command();
    AT_ONCE.set(false);
    command
}

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
        match AT_ONCE.get() {
            true => T::augment_subcommands(group),
            false => group.defer(T::augment_subcommands),
        }
    }

    fn augment_subcommands_for_update(group: Command) -> Command {
        group.defer(T::augment_subcommands_for_update)
    }

    fn has_subcommand(name: &str) -> bool {
        T::has_subcommand(name)
    }
}
