//! Creates an app's administrator after the first deploy.

use potluck_sdk::{Lifecycle, Result, Transition, memory, report, services, settings};

/// The password is read where it is, in the service: it is in no argument.
const CREATE: &str = "app-ctl create-admin \"$1\" </run/secrets/admin_password";

struct Admin;

impl Lifecycle for Admin {
    fn check(_: Transition) -> Result {
        settings::require("ADMIN_EMAIL")?;
        Ok(())
    }

    fn after_deploy(_: Transition) -> Result {
        if memory::get("administrator")?.is_some() {
            return Ok(());
        }
        let email = settings::require("ADMIN_EMAIL")?;
        services::run("app", ["sh", "-c", CREATE, "sh", &email])?;
        memory::set("administrator", &email)?;
        report::info(format!("created the administrator {email}"));
        Ok(())
    }
}

potluck_sdk::export!(Admin: lifecycle);

#[cfg(test)]
mod tests {
    use potluck_sdk::testing::Script;

    use super::*;

    #[test]
    fn the_first_deploy_creates_the_administrator() {
        let played = Script::new()
            .setting("ADMIN_EMAIL", "ada@example.org")
            .play(|| Admin::after_deploy(Transition { before: None, after: None }));
        played.result.unwrap();
        assert_eq!(played.runs[0].command.argv, ["sh", "-c", CREATE, "sh", "ada@example.org"]);
        assert_eq!(played.memory["administrator"], "ada@example.org");
    }
}
