//! `potluck app cmd APP NAME ARG…`.

use potluck_sdk::{Commands, Failure, Result, Spec, report, tools};
use serde::Deserialize;
use serde_json::json;

use crate::{SOON, Synapse, python, schemas::State};

/// About 142 bits.
const PASSWORD_LENGTH: usize = 24;

#[derive(Deserialize)]
struct Person {
    name: String,
    admin: bool,
    deactivated: bool,
}

impl Commands for Synapse {
    fn specs() -> Vec<Spec> {
        vec![
            Spec::new("create-user", "Make an account and print its password")
                .required("NAME", "the part of the address before the server's name"),
            Spec::new(
                "create-admin",
                "Make an account that may administer the server, and print its password",
            )
            .required("NAME", "the part of the address before the server's name"),
            Spec::new("reset-password", "Give an account a new password and print it")
                .required("NAME", "the part of the address before the server's name"),
            Spec::new("list-users", "List all accounts"),
            Spec::new(
                "schema",
                "Show the database's schema, and what is still done in the background",
            ),
        ]
    }

    fn run(name: String, arguments: Vec<String>) -> Result<String> {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        match (name.as_str(), arguments.as_slice()) {
            ("create-user", [user]) => create(user, false),
            ("create-admin", [user]) => create(user, true),
            ("reset-password", [user]) => reset_password(user),
            ("list-users", []) => list_users(),
            ("schema", []) => schema(),
            (known, _) if Self::specs().iter().any(|spec| spec.name == known) => {
                Err(Failure::new(format!("`{known}` has too few or too many arguments"))
                    .hint("`potluck app cmd APP` lists the commands and what they take"))
            }
            (unknown, _) => Err(Failure::new(format!("there is no command `{unknown}`"))
                .hint("`potluck app cmd APP` lists the commands")),
        }
    }
}

/// The password is made here and goes to Synapse on standard input; it is printed once
/// and kept nowhere.
fn create(user: &str, admin: bool) -> Result<String> {
    let password = tools::random_password(PASSWORD_LENGTH);
    let input = json!({ "user": user, "password": password, "admin": admin });
    let address: String = python::call(python::CREATE, &input, SOON)?;
    report::info(format!("{address} has this password, shown only now"));
    Ok(password)
}

/// An account that somebody made by signing in at a provider has none before.
fn reset_password(user: &str) -> Result<String> {
    let password = tools::random_password(PASSWORD_LENGTH);
    let input = json!({ "user": user, "password": password });
    let address: String = python::call(python::PASSWORD, &input, SOON)?;
    report::info(format!("{address} has this password, shown only now"));
    Ok(password)
}

fn list_users() -> Result<String> {
    let people: Vec<Person> = python::call(python::USERS, &json!({}), SOON)?;
    let lines: Vec<_> = people
        .into_iter()
        .map(|person| {
            let rights = if person.admin { "admin" } else { "user" };
            let state = if person.deactivated { "deactivated" } else { "active" };
            format!("{}\t{rights}\t{state}", person.name)
        })
        .collect();
    Ok(lines.join("\n"))
}

fn schema() -> Result<String> {
    let State { version, compat, code, open } = python::call(python::SCHEMA, &json!({}), SOON)?;
    Ok(format!(
        "schema\t{version}\noldest that works on it\t{compat}\nof this Synapse\t{code}\n\
         open background updates\t{open}"
    ))
}
