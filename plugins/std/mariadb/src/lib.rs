//! `std:mariadb`: MariaDB and MySQL on the upstream images. Where the service
//! has root's password, a dump goes back into a database of its own first, and
//! only what was sound there replaces the old data.

use potluck_sdk::{Backup, Commands, Finding, Item, Lifecycle, Result, Spec, Transition};
use std_common::{script, sql::Flavour, store};

/// The plugin.
pub struct Mariadb;

const FLAVOUR: Flavour = Flavour {
    extension: "sql",
    take: script!("sh/prelude.sh", "sh/take.sh"),
    // Written by `dump` of the prelude.
    last_line: Some("CREATE TABLE `potluck_complete`"),
    put_back: script!("sh/prelude.sh", "sh/put-back.sh"),
    list: script!("sh/prelude.sh", "sh/list.sh"),
    verify: script!("sh/prelude.sh", "sh/verify.sh"),
    rotate: script!("sh/prelude.sh", "sh/rotate.sh"),
    alive: concat!(include_str!("sh/prelude.sh"), "echo 'SELECT 1;' | sql >/dev/null\n"),
};

impl Lifecycle for Mariadb {
    fn check(_: Transition) -> Result {
        FLAVOUR.check()
    }
}

impl Backup for Mariadb {
    fn plan() -> Result<Vec<Item>> {
        FLAVOUR.plan()
    }

    fn verify() -> Result<Vec<Finding>> {
        FLAVOUR.verify()
    }
}

impl Commands for Mariadb {
    fn specs() -> Vec<Spec> {
        vec![store::rotate_spec()]
    }

    fn run(name: String, _: Vec<String>) -> Result<String> {
        FLAVOUR.run(&name)
    }
}

potluck_sdk::export!(Mariadb: lifecycle, backup, commands);
