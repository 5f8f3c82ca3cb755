//! Creates an app's administrator after the first deploy.

use potluck_sdk::{Lifecycle, Result, Transition, memory, report, secrets, services, settings};

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
        let password = secrets::reveal("admin_password")?;
        services::feed("app", ["app-ctl", "create-admin", &email], password)?;
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
            .secret("admin_password", "correct horse")
            .play(|| Admin::after_deploy(Transition { before: None, after: None }));
        played.result.unwrap();
        assert_eq!(played.runs[0].command.argv, ["app-ctl", "create-admin", "ada@example.org"]);
        assert_eq!(played.runs[0].input, b"correct horse");
        assert_eq!(played.memory["administrator"], "ada@example.org");
    }
}
