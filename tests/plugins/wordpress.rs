//! The built component of `plugins/wordpress` in the real plugin host, with
//! scripted services. `plugins/build.sh` makes it; `make test` runs that first.

use crate::support::hostile;

use std::sync::Arc;

use hostile::*;
use potluck::{
    hint::Hint,
    plugin::{Hooks, Role, Surroundings},
};

const COMPONENT: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/recipes-examples/wordpress/plugins/wordpress.wasm");

fn component() -> Option<Vec<u8>> {
    let component = std::fs::read(COMPONENT).ok();
    if component.is_none() {
        skip("the WordPress plugin is not there; plugins/build.sh makes it");
    }
    component
}

const SETTINGS: &[(&str, &str)] = &[
    ("DOMAIN", "blog.example.org"),
    ("TITLE", "Our blog"),
    ("ADMIN_USER", "admin"),
    ("ADMIN_EMAIL", "admin@example.org"),
];

fn app(world: &Arc<World>, settings: &[(&str, &str)], grants: &[&str]) -> Surroundings {
    Surroundings {
        settings: settings.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        options: serde_json::json!({}),
        ..surroundings(world, grants)
    }
}

async fn started(component: &[u8], surroundings: Surroundings) -> Hooks {
    load(component).await.unwrap().start(surroundings).await.unwrap()
}

#[tokio::test]
async fn a_guest_of_the_sdk_plays_only_its_roles_and_imports_only_what_it_uses() {
    let Some(component) = component() else { return };
    let plugin = load(&component).await.unwrap();
    assert_eq!(roles(&plugin), [Role::Lifecycle, Role::Backup, Role::Commands]);
    assert_eq!(plugin.wit_version(), Some("0.3.0"));
    for import in plugin.imports() {
        let name = import.strip_prefix("potluck:recipe/").unwrap_or(import);
        assert!(!["secrets", "http", "memory"].iter().any(|n| name.starts_with(n)), "{import}");
        assert!(import.starts_with("potluck:recipe/"), "{import}");
    }
}

#[tokio::test]
async fn a_missing_setting_stops_the_deploy_with_a_hint() {
    let Some(component) = component() else { return };
    let world = Arc::new(World::default());
    let mut hooks = started(&component, app(&world, &SETTINGS[..3], &[])).await;
    let error = hooks.check(&first()).await.unwrap_err();
    assert!(error.to_string().ends_with("the setting ADMIN_EMAIL is missing"), "{error}");
    assert_eq!(error.hint().unwrap(), "add a line `ADMIN_EMAIL=…` to the app's settings");
    assert!(world.commands.lock().unwrap().is_empty());
}

#[tokio::test]
async fn without_its_grant_nothing_runs_and_the_missing_line_is_said() {
    let Some(component) = component() else { return };
    let world = Arc::new(World::default());
    let mut hooks = started(&component, app(&world, SETTINGS, &["exec: db"])).await;
    let error = hooks.after_deploy(&first()).await.unwrap_err();
    assert!(format!("{error} {:?}", error.hint()).contains("`exec: app`"), "{error}");
    assert!(world.commands.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_new_password_goes_through_standard_input_and_no_argument() {
    let Some(component) = component() else { return };
    let world = Arc::new(World { output: br#""admin""#.to_vec(), ..World::default() });
    let grants = ["exec: app", "exec: db"];
    let mut hooks = started(&component, app(&world, SETTINGS, &grants)).await;
    let password = hooks.run_command("reset-admin-password", &[]).await.unwrap();
    assert_eq!(password.trim().len(), 24);
    let commands = world.commands.lock().unwrap();
    let [(service, command, input)] = &commands[..] else { panic!("{commands:?}") };
    assert_eq!(service, "app");
    assert!(!format!("{command:?}").contains(password.trim()));
    assert!(!input.is_empty());
    assert!(world.lines().iter().all(|line| !line.contains(password.trim())));
}
