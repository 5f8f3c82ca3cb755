//! Every role of a guest written with the SDK (`plugins/every-role`, which
//! `plugins/build.sh` makes): each hook is called, and what it answers is
//! checked before anyone relies on it.

use crate::support::hostile;

use std::sync::Arc;

use hostile::*;
use potluck::{
    hint::Hint,
    plugin::{
        BackupItem, Changes, Client, ClientRequest, Encryption, Error, Hooks, Limits, Relay, Role,
        Transition, WIT_VERSION,
    },
};
use serde_json::json;
use tokio::io::AsyncReadExt;

const COMPONENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/every-role.wasm");

/// The guest with these options and grants; none after saying so.
async fn guest(options: serde_json::Value, grants: &[&str]) -> Option<(Hooks, Arc<World>)> {
    let Ok(component) = std::fs::read(COMPONENT) else {
        skip("tests/fixtures/every-role.wasm is not there; plugins/build.sh makes it");
        return None;
    };
    let recipe = [("logo.svg".to_owned(), b"<svg/>".to_vec())].into();
    let world = Arc::new(World { recipe, ..World::default() });
    let plugin = load(&component).await.unwrap();
    let mut surroundings = surroundings(&world, grants);
    surroundings.options = options;
    surroundings.limits = Limits::for_role(Role::Lifecycle);
    Some((plugin.start(surroundings).await.unwrap(), world))
}

/// What the plugin got wrong, in the host's words.
fn wrong<T: std::fmt::Debug>(outcome: Result<T, Error>) -> String {
    match outcome {
        Err(Error::Answer { message, .. }) => message,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_guest_may_play_every_role() {
    let Some((hooks, _)) = guest(json!({}), &[]).await else { return };
    for role in Role::ALL {
        assert!(hooks.plays(role), "{role}");
    }
}

#[tokio::test]
async fn a_role_that_is_not_played_is_an_error_that_says_so() {
    let world = Arc::new(World::default());
    let mut hooks = start(&lifecycle(&[], "", "(i32.const 64)"), &world, &[]).await;
    for role in Role::ALL {
        assert_eq!(hooks.plays(role), role == Role::Lifecycle, "{role}");
    }
    let request = request();
    for error in [
        hooks.migration_plan("1", "2").await.err(),
        hooks.sso_register(&request).await.err(),
        hooks.sso_request().await.err(),
        hooks.mail_account("a@example.org").await.err(),
        hooks.mail_send_test("a@example.org").await.err(),
        hooks.command_specs().await.err(),
        hooks.backup_plan().await.err(),
    ] {
        assert!(matches!(error, Some(Error::NotPlayed { .. })), "{error:?}");
    }
    hooks.check(&first()).await.unwrap();
}

#[tokio::test]
async fn lifecycle_hooks_hear_of_both_versions() {
    let Some((mut hooks, world)) = guest(json!({}), &[]).await else { return };
    let to = Transition { before: Some("1.0.0".into()), after: Some("2.0.0".into()) };
    hooks.check(&to).await.unwrap();
    hooks.before_deploy(&to).await.unwrap();
    hooks.after_deploy(&first()).await.unwrap();
    hooks.deploy_failed(&to, true).await.unwrap();
    hooks.before_remove().await.unwrap();
    assert_eq!(
        world.lines(),
        [
            "info: check(1.0.0 to 2.0.0)",
            "info: before-deploy(1.0.0 to 2.0.0)",
            "info: after-deploy(none to 1.0.0)",
            "info: deploy-failed(1.0.0 to 2.0.0, restored)",
            "info: before-remove()",
        ]
    );
}

#[tokio::test]
async fn a_migration_is_planned_and_run_step_by_step() {
    let options = json!({"steps": ["reindex", "once-split"], "fail": "run-once-split"});
    let Some((mut hooks, world)) = guest(options, &[]).await else { return };
    let steps = hooks.migration_plan("1.0.0", "2.0.0").await.unwrap();
    let shown: Vec<_> =
        steps.iter().map(|s| (s.id.as_str(), s.description.as_str(), s.reversible)).collect();
    assert_eq!(
        shown,
        [("reindex", "does reindex", true), ("once-split", "does once-split", false)]
    );
    hooks.migrate("reindex").await.unwrap();
    let error = hooks.migrate("once-split").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the hook `run` of the plugin `guest` (migration) failed: run-once-split was told to fail"
    );
    assert_eq!(error.hint().as_deref(), Some("tell it otherwise"));
    assert_eq!(
        world.lines(),
        ["info: plan(1.0.0 to 2.0.0)", "info: run-reindex()", "info: run-once-split()"]
    );
}

#[tokio::test]
async fn steps_have_ids_of_their_own() {
    let many: Vec<String> = (0..101).map(|n| format!("step-{n}")).collect();
    for (steps, problem) in [
        (json!(["a", "b", "a"]), "two steps are called \"a\""),
        (json!([""]), "is not the id of a step"),
        (json!(["../x"]), "is not the id of a step"),
        (json!(["x".repeat(101)]), "is not the id of a step"),
        (json!(many), "more than 100 steps"),
    ] {
        let Some((mut hooks, _)) = guest(json!({"steps": steps}), &[]).await else { return };
        let message = wrong(hooks.migration_plan("1", "2").await);
        assert!(message.contains(problem), "{message}");
        // An answer that makes no sense is not the end of the instance.
        hooks.check(&first()).await.unwrap();
    }
}

#[tokio::test]
async fn what_a_plugin_saves_itself_comes_back_to_it() {
    let Some((mut hooks, world)) = guest(json!({}), &[]).await else { return };
    let plan = hooks.backup_plan().await.unwrap();
    assert_eq!(plan, [BackupItem::Custom { name: "facts.txt".into() }]);
    let (write, mut read) = tokio::io::duplex(1 << 10);
    let mut saved = Vec::new();
    let (produced, taken) =
        tokio::join!(hooks.produce("facts.txt", Box::new(write)), read.read_to_end(&mut saved));
    produced.unwrap();
    taken.unwrap();
    assert_eq!(saved, b"wiki.example.org");
    hooks.consume("facts.txt", Box::new(std::io::Cursor::new(saved))).await.unwrap();
    assert_eq!(world.lines(), ["info: consume(wiki.example.org)"]);
    let findings = hooks.verify().await.unwrap();
    assert!(matches!(&findings[..], [finding] if finding.passed), "{findings:?}");
}

fn request() -> ClientRequest {
    ClientRequest {
        client: "cloud_example_org".into(),
        display_name: "Cloud".into(),
        home_url: None,
        redirect_uris: vec!["https://cloud.example.org/callback".into()],
        post_logout_uris: Vec::new(),
        scopes: vec!["openid".into()],
        public: false,
    }
}

#[tokio::test]
async fn a_provider_registers_a_client_whose_secret_is_shown_nowhere() {
    let Some((mut hooks, world)) = guest(json!({}), &[]).await else { return };
    let client = hooks.sso_register(&request()).await.unwrap();
    assert_eq!(client.issuer, "https://sso.example.org/realm");
    assert_eq!(client.client_id, "cloud_example_org");
    assert_eq!(client.client_secret.as_ref().unwrap().0.as_str(), "s3cret-of-the-client");
    assert!(!format!("{client:?}").contains("s3cret"), "{client:?}");
    // A public one has none.
    let public = ClientRequest { public: true, ..request() };
    assert_eq!(hooks.sso_register(&public).await.unwrap().client_secret, None);
    hooks.sso_unregister("cloud_example_org").await.unwrap();
    let lines = world.lines();
    assert_eq!(lines.last().unwrap(), "info: unregister(cloud_example_org)");
    // Although it is said before the host knows that it is one.
    assert!(!lines.iter().any(|line| line.contains("s3cret")), "{lines:?}");
    assert!(lines.contains(&"info: the secret is ***".to_owned()), "{lines:?}");
}

#[tokio::test]
async fn what_a_provider_answers_is_checked() {
    for (options, problem) in [
        (json!({"issuer": "sso"}), "is not an issuer"),
        (json!({"issuer": "https://sso.example.org/?x"}), "is not an issuer"),
        (json!({"issuer": "javascript:alert(1)"}), "is not an issuer"),
        (json!({"issuer": "https://u:p@sso.example.org"}), "is not an issuer"),
        (json!({"secret": ""}), "no secret"),
        (json!({"secret": "a\nb"}), "not one line"),
    ] {
        let Some((mut hooks, _)) = guest(options, &[]).await else { return };
        let message = wrong(hooks.sso_register(&request()).await);
        assert!(message.contains(problem), "{message}");
    }
}

#[tokio::test]
async fn a_client_asks_for_itself_only() {
    let Some((mut hooks, _)) = guest(json!({}), &[]).await else { return };
    let request = hooks.sso_request().await.unwrap();
    assert_eq!(request.client, "wiki_example_org");
    assert_eq!(request.redirect_uris, ["https://wiki.example.org/callback"]);
    for (options, problem) in [
        (json!({"client": "cloud_example_org"}), "not the app's own `wiki_example_org`"),
        (json!({"redirect": "/callback"}), "not an absolute URI"),
        (json!({"redirect": "javascript:alert(1)"}), "not an absolute URI"),
        (json!({"redirect": "https://wiki.example.org/#x"}), "not an absolute URI"),
        (json!({"scope": "open id"}), "is not a scope"),
    ] {
        let Some((mut hooks, _)) = guest(options, &[]).await else { return };
        let message = wrong(hooks.sso_request().await);
        assert!(message.contains(problem), "{message}");
    }
}

fn client() -> Client {
    Client {
        issuer: "https://sso.example.org".into(),
        client_id: "wiki_example_org".into(),
        client_secret: Some("s3cret-of-the-client".to_owned().into()),
        groups_claim: None,
    }
}

#[tokio::test]
async fn connecting_gives_changes_and_the_secret_is_not_logged() {
    let options = json!({
        "settings": [["OIDC_ENABLED", "true"], ["LOCAL_LOGIN", null]],
        "secrets": [["oidc_secret", "s3cret-of-the-client"]],
        "on": ["compose.oidc.yml"],
        "off": ["compose.local.yml"],
    });
    let Some((mut hooks, world)) = guest(options, &["secret: oidc_secret"]).await else { return };
    let changes = hooks.sso_connect(&client()).await.unwrap();
    let wanted = Changes {
        settings: vec![("OIDC_ENABLED".into(), Some("true".into())), ("LOCAL_LOGIN".into(), None)],
        secrets: vec![("oidc_secret".into(), "s3cret-of-the-client".to_owned().into())],
        overlays_on: vec!["compose.oidc.yml".into()],
        overlays_off: vec!["compose.local.yml".into()],
    };
    assert_eq!(changes, wanted);
    assert_eq!(hooks.sso_disconnect().await.unwrap(), wanted);
    assert_eq!(hooks.mail_disconnect().await.unwrap(), wanted);
    assert!(!format!("{changes:?}").contains("s3cret"));
    assert_eq!(world.lines(), ["info: connect(https://sso.example.org with Some(\"***\"))"]);
}

#[tokio::test]
async fn changes_are_checked() {
    for (options, problem) in [
        (json!({"settings": [["STACK_NAME", "other"]]}), "plugins cannot change the setting"),
        (json!({"settings": [["TYPE", "evil"]]}), "plugins cannot change the setting"),
        (json!({"settings": [["DOMAIN", null]]}), "plugins cannot change the setting"),
        (json!({"settings": [["A B", "x"]]}), "not the name of a setting"),
        (json!({"settings": [["A", "x\nTYPE=evil"]]}), "not one line"),
        (json!({"settings": [["A", "1"], ["A", "2"]]}), "changed twice"),
        (json!({"secrets": [["oidc_secret", ""]]}), "between 1 and"),
        (json!({"secrets": [["oidc_secret", "a"], ["oidc_secret", "b"]]}), "set twice"),
        (json!({"on": ["compose.yml"]}), "is not an overlay"),
        (json!({"on": ["../compose.x.yml"]}), "is not an overlay"),
        (json!({"on": ["compose.x.yml"], "off": ["compose.x.yml"]}), "named twice"),
    ] {
        let Some((mut hooks, _)) = guest(options, &["secret: oidc_secret"]).await else { return };
        for outcome in [hooks.sso_connect(&client()).await, hooks.mail_connect(&relay()).await] {
            let message = wrong(outcome);
            assert!(message.contains(problem), "{message}");
        }
    }
    // A secret that was not granted cannot be set this way either.
    let options = json!({"secrets": [["db_password", "mine"]]});
    let Some((mut hooks, _)) = guest(options, &["secret: oidc_secret"]).await else { return };
    let error = hooks.sso_connect(&client()).await.unwrap_err();
    assert!(matches!(error, Error::Denied { .. }), "{error}");
    assert!(error.hint().unwrap().contains("`secret: db_password`"));
}

fn relay() -> Relay {
    Relay {
        host: "mail.example.org".into(),
        port: 587,
        encryption: Encryption::StartTls,
        username: Some("wiki".into()),
        password: Some("p4ssword-of-the-relay".to_owned().into()),
        sender: "wiki@example.org".into(),
    }
}

#[tokio::test]
async fn mail_is_provided_and_used() {
    let Some((mut hooks, world)) = guest(json!({}), &[]).await else { return };
    assert_eq!(hooks.mail_account("wiki@example.org").await.unwrap(), relay());
    hooks.mail_close_account("wiki@example.org").await.unwrap();
    assert_eq!(hooks.mail_connect(&relay()).await.unwrap(), Changes::default());
    hooks.mail_send_test("me@example.org").await.unwrap();
    assert_eq!(
        world.lines(),
        [
            "info: account(wiki@example.org)",
            "info: close-account(wiki@example.org)",
            "info: connect(mail.example.org:587 Some(\"***\"))",
            "info: send-test(me@example.org)",
        ]
    );
    for (options, problem) in [
        (json!({"host": "mail example"}), "is not a host"),
        (json!({"host": ""}), "is not a host"),
        (json!({"port": 0}), "port is 0"),
        (json!({"sender": "nobody"}), "not an address"),
        (json!({"sender": "a@b\r\nBcc: all@example.org"}), "not an address"),
    ] {
        let Some((mut hooks, _)) = guest(options, &[]).await else { return };
        let message = wrong(hooks.mail_account("wiki@example.org").await);
        assert!(message.contains(problem), "{message}");
    }
}

#[tokio::test]
async fn commands_are_listed_and_run() {
    let Some((mut hooks, _)) = guest(json!({}), &[]).await else { return };
    let specs = hooks.command_specs().await.unwrap();
    let parameters: Vec<_> =
        specs[0].parameters.iter().map(|p| (p.name.as_str(), p.required, p.secret)).collect();
    assert_eq!(parameters, [("user", true, false), ("password", true, true)]);
    let arguments = ["ada".to_owned(), "correct horse".to_owned()];
    assert_eq!(hooks.run_command("set-password", &arguments).await.unwrap(), "13 bytes for ada");
    assert!(matches!(hooks.run_command("nosuch", &[]).await, Err(Error::Failed { .. })));
}

#[tokio::test]
async fn a_plugin_reads_its_recipe_and_nothing_beside_it() {
    let Some((mut hooks, _)) = guest(json!({}), &[]).await else { return };
    let said = hooks.run_command("logo", &[]).await.unwrap();
    assert!(said.starts_with("logo.svg: <svg/>, Err("), "{said}");
    assert!(said.contains("not a plain path inside the recipe"), "{said}");
}

#[tokio::test]
async fn the_sdk_speaks_the_newest_version_of_the_interface() {
    let Some((mut hooks, _)) = guest(json!({}), &["exec: app"]).await else { return };
    let lines = hooks.run_command("logs", &["app".into()]).await.unwrap();
    assert!(!lines.is_empty());
    let plugin = load(&std::fs::read(COMPONENT).unwrap()).await.unwrap();
    assert_eq!(plugin.wit_version(), Some(WIT_VERSION));
}

#[tokio::test]
async fn a_panic_is_told_with_its_place_in_the_source() {
    let Some((mut hooks, world)) = guest(json!({}), &[]).await else { return };
    let outcome = hooks.run_command("panic", &["heads".into()]).await;
    assert!(outcome.is_err() && !matches!(outcome, Err(Error::Failed { .. })), "{outcome:?}");
    let lines = world.lines();
    let [line] = &lines[..] else { panic!("{lines:?}") };
    assert!(line.starts_with("error: the plugin panicked at "), "{line}");
    assert!(line.contains("src/lib.rs:") && line.ends_with(": the sky fell on heads"), "{line}");
}

#[tokio::test]
async fn memory_is_kept_between_hooks() {
    let Some((mut hooks, world)) = guest(json!({}), &[]).await else { return };
    assert_eq!(hooks.run_command("count", &[]).await.unwrap(), "1");
    assert_eq!(hooks.run_command("count", &[]).await.unwrap(), "2");
    assert_eq!(world.memory.lock().unwrap()["count"], "2");
}
