//! `potluck app cmd APP NAME ARG…`.

use potluck_sdk::{Commands, Failure, Result, Spec, report, settings, tools};
use serde::Deserialize;
use serde_json::json;

use crate::{Wordpress, php};

/// About 142 bits.
const PASSWORD_LENGTH: usize = 24;

#[derive(Deserialize)]
struct Person {
    login: String,
    email: String,
    roles: Vec<String>,
}

#[derive(Deserialize)]
struct Replaced {
    rows: u64,
    skipped: u64,
}

impl Commands for Wordpress {
    fn specs() -> Vec<Spec> {
        vec![
            Spec::new("reset-admin-password", "Give someone a new random password and print it")
                .optional("USER", "name or mail address; ADMIN_USER when left out"),
            Spec::new("list-users", "List everyone who can sign in, with their roles"),
            Spec::new("cron-run", "Run WordPress's own tasks that are due"),
            Spec::new("search-replace", "Replace a text in all of the site's tables")
                .required("OLD", "text to look for, such as the site's old address")
                .required("NEW", "text to put in its place"),
        ]
    }

    fn run(name: String, arguments: Vec<String>) -> Result<String> {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        match (name.as_str(), arguments.as_slice()) {
            ("reset-admin-password", []) => reset_password(&settings::require("ADMIN_USER")?),
            ("reset-admin-password", [user]) => reset_password(user),
            ("list-users", []) => list_users(),
            ("cron-run", []) => run_due_tasks(),
            ("search-replace", [old, new]) => search_replace(old, new),
            (known, _) if Self::specs().iter().any(|spec| spec.name == known) => {
                Err(Failure::new(format!("`{known}` has too few or too many arguments"))
                    .hint("`potluck app cmd APP` lists the commands and what they take"))
            }
            (unknown, _) => Err(Failure::new(format!("there is no command `{unknown}`"))
                .hint("`potluck app cmd APP` lists the commands")),
        }
    }
}

/// The new password is made here and goes to PHP on standard input; it is
/// printed once and kept nowhere.
fn reset_password(user: &str) -> Result<String> {
    let password = tools::random_password(PASSWORD_LENGTH);
    let login: String = php::call(php::PASSWORD, json!({ "user": user, "password": password }))?;
    report::info(format!("`{login}` has a new password, shown only now, and is signed out"));
    Ok(password)
}

fn list_users() -> Result<String> {
    let people: Vec<Person> = php::call(php::USERS, json!({}))?;
    let lines: Vec<_> = people
        .into_iter()
        .map(|person| format!("{}\t{}\t{}", person.login, person.email, person.roles.join(",")))
        .collect();
    Ok(lines.join("\n"))
}

fn run_due_tasks() -> Result<String> {
    let ran: Vec<String> = php::call(php::CRON, json!({}))?;
    Ok(ran.join("\n"))
}

fn search_replace(old: &str, new: &str) -> Result<String> {
    if old.is_empty() {
        return Err(Failure::new("the text to look for is empty"));
    }
    let replaced: Replaced = php::call(php::REPLACE, json!({ "old": old, "new": new }))?;
    if replaced.skipped > 0 {
        report::warn(format!(
            "{} values hold objects that can't be rewritten safely, and were left alone",
            replaced.skipped
        ));
    }
    Ok(format!("{} rows changed", replaced.rows))
}
