//! `std:postgres`: PostgreSQL on the upstream image. A dump goes back into a
//! database of its own in one transaction, which then takes the old one's
//! place: what fails leaves the old data.

use potluck_sdk::{Backup, Commands, Finding, Item, Lifecycle, Result, Spec, Transition};
use std_common::{script, sql::Flavour, store};

/// The plugin.
pub struct Postgres;

const FLAVOUR: Flavour = Flavour {
    extension: "pgdump",
    take: script!("sh/prelude.sh", "sh/take.sh"),
    last_line: None,
    put_back: script!("sh/prelude.sh", "sh/put-back.sh"),
    list: script!("sh/prelude.sh", "sh/list.sh"),
    verify: script!("sh/prelude.sh", "sh/verify.sh"),
    rotate: script!("sh/prelude.sh", "sh/rotate.sh"),
    alive: concat!(include_str!("sh/prelude.sh"), "sql template1 -c 'SELECT 1' >/dev/null\n"),
};

impl Lifecycle for Postgres {
    fn check(_: Transition) -> Result {
        FLAVOUR.check()
    }
}

impl Backup for Postgres {
    fn plan() -> Result<Vec<Item>> {
        FLAVOUR.plan()
    }

    fn verify() -> Result<Vec<Finding>> {
        FLAVOUR.verify()
    }
}

impl Commands for Postgres {
    fn specs() -> Vec<Spec> {
        vec![store::rotate_spec()]
    }

    fn run(name: String, _: Vec<String>) -> Result<String> {
        FLAVOUR.run(&name)
    }
}

potluck_sdk::export!(Postgres: lifecycle, backup, commands);
