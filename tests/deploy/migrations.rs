//! Data migrations in an upgrade, and what plugins hear when a deploy fails: on
//! the real swarm, with a guest written with the SDK (`plugins/every-role`) that
//! writes each step into a volume of the app.

use crate::support::hostile::guests;

use crate::support::common;

use std::{fs, path::Path};

use common::app::{TestApp, within};
use potluck::{
    app::{Error, Left, MigrationFailed},
    hint::Hint,
    home::lock_file::Upgrade,
    operation::{DeployOptions, DeployReport},
    recipe::Version,
    rollout::{self, ChangeKind, Plan},
};

const V1: &str = "1.0.0+1";
const V2: &str = "2.0.0+1";

/// The service of the version: what it runs tells which one it is.
fn compose(version: &str) -> String {
    let seconds = if version == V1 { 1001 } else { 2002 };
    format!(
        "
services:
  web:
    image: BUSYBOX
    command: [sleep, '{seconds}']
    stop_grace_period: 0s
    volumes: ['data:/data']
    deploy: {{endpoint_mode: dnsrr, update_config: {{monitor: 1s}}}}
volumes:
  data:
"
    )
}

/// What it runs now.
async fn version(app: &TestApp) -> &'static str {
    match app.command("web").await[1].as_str() {
        "1001" => V1,
        _ => V2,
    }
}

/// A plugin with every role and these steps, and one that tells by a warning
/// what `deploy-failed` was called with; in this order.
fn plugins(steps: &[&str], every_role_first: bool) -> String {
    let every = format!(
        "  - {{name: every, component: plugins/every.wasm, grants: [{{exec: web}}],
     options: {{journal: web, steps: [{}]}}}}",
        steps.join(", ")
    );
    let other = "  - {name: other, component: plugins/other.wasm}".to_owned();
    let both = if every_role_first { [every, other] } else { [other, every] };
    format!("plugins:\n{}\n", both.join("\n"))
}

/// Fills the recipe's folder; false, said loudly, where the guest was not built.
fn recipe(app: &TestApp) -> bool {
    let every = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/every-role.wasm");
    let Ok(every) = fs::read(every) else {
        common::skip("tests/fixtures/every-role.wasm is not there; plugins/build.sh makes it");
        return false;
    };
    app.file("plugins/every.wasm", every);
    let other = guests::lifecycle_in("0.2.0", &[], "", "(i32.const 64)");
    app.file("plugins/other.wasm", guests::binary(&other));
    app.compose(&compose(V1));
    app.file("recipe.yml", plugins(&[], false));
    app.release(V1);
    true
}

/// On the real engine, with the first version deployed and the second released.
async fn between(steps: &[&str]) -> Option<TestApp> {
    let app = TestApp::real("migrations").await?;
    if !recipe(&app) {
        return None;
    }
    app.deploy().await;
    app.compose(&compose(V2));
    app.file("recipe.yml", plugins(steps, false));
    app.release(V2);
    app.heard.forget();
    Some(app)
}

/// Steps that ran to their end, in order.
async fn ran(app: &TestApp) -> Vec<String> {
    let text = app.run("web", "cat /data/steps 2>/dev/null || true").await;
    text.lines().map(Into::into).collect()
}

async fn migration_fails(app: &TestApp) -> (MigrationFailed, String) {
    match app.try_deploy(&within(60)).await {
        Err(error @ Error::Migration(_)) => {
            let text = format!("{error}\n{}", error.hint().unwrap());
            let Error::Migration(failed) = error else { unreachable!() };
            (*failed, text)
        }
        other => panic!("{other:?}"),
    }
}

async fn upgrade(app: &TestApp) -> Option<Upgrade> {
    app.load().await.lock.upgrade
}

/// What `deploy-failed` of the plugin `other` was called with.
fn told(app: &TestApp) -> Vec<String> {
    let warnings = app.heard.warnings();
    let of_other = |w: &String| w.starts_with("other: `deploy-failed` failed");
    let word = |w: String| w.rsplit(' ').next().unwrap().to_owned();
    warnings.into_iter().filter(of_other).map(word).collect()
}

fn migrations(report: &DeployReport) -> Vec<&str> {
    let of_migration =
        report.plan.changes.iter().filter(|change| change.kind == ChangeKind::Migration);
    of_migration.map(|change| change.name.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_runs_each_step_once_when_the_new_version_runs() {
    let Some(app) = between(&["split", "once-join"]).await else { return };
    let report = app.deploy().await;
    assert_eq!(migrations(&report), ["every: split", "every: once-join"]);
    let detail = &report.plan.changes.last().unwrap().details;
    assert_eq!(detail[0], "does once-join");
    assert!(detail[1].contains("the old version cannot run"), "{detail:?}");
    assert!(report.plan.warnings.iter().any(|w| w.contains("backup")), "{:?}", report.plan);
    let between = format!("({V1} to {V2})");
    assert_eq!(
        app.heard.said(),
        [
            format!("check{between}"),
            format!("plan{between}"),
            format!("before-deploy{between}"),
            "run-split()".into(),
            "run-once-join()".into(),
            format!("after-deploy{between}"),
        ]
    );
    assert_eq!(version(&app).await, V2);
    assert_eq!(ran(&app).await, ["split", "once-join"]);
    let lock = app.load().await.lock;
    assert_eq!((lock.recipe.unwrap().version.unwrap().as_str(), lock.upgrade), (V2, None));
    // Not when the same version is deployed again.
    let options = DeployOptions { force: true, ..Default::default() };
    assert!(migrations(&app.try_deploy(&options).await.unwrap()).is_empty());
    assert_eq!(ran(&app).await, ["split", "once-join"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_fails_brings_the_old_version_back_and_what_was_done_is_not_done_twice() {
    let Some(app) = between(&["split", "reindex", "tidy"]).await else { return };
    app.set("FAIL", "run-reindex");
    let (failed, text) = migration_fails(&app).await;
    assert_eq!((failed.step.as_str(), &failed.left), ("every: reindex", &Left::Back));
    for part in [
        &format!("from {V1} to {V2} failed in its migration"),
        "run-reindex was told to fail",
        "the previous version is running again",
        "tell it otherwise; then `potluck app deploy",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(version(&app).await, V1);
    assert_eq!(told(&app), ["restored"]);
    let half = upgrade(&app).await.unwrap();
    assert!(!half.irreversible && half.is(V1, V2), "{half:?}");
    assert_eq!(half.done["every"], ["split"]);

    app.set("FAIL", "nothing");
    let report = app.deploy().await;
    assert_eq!(migrations(&report), ["every: reindex", "every: tidy"]);
    assert_eq!(ran(&app).await, ["split", "reindex", "tidy"]);
    assert_eq!(upgrade(&app).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_step_without_return_the_new_version_stays_and_the_upgrade_goes_on_later() {
    let Some(app) = between(&["once-split", "reindex"]).await else { return };
    app.set("FAIL", "run-reindex");
    let (failed, text) = migration_fails(&app).await;
    assert_eq!(failed.left, Left::PartlyMigrated);
    assert!(text.contains("`potluck backup restore"), "{text}");
    assert_eq!(version(&app).await, V2);
    assert_eq!(told(&app), ["not"]);
    assert!(upgrade(&app).await.unwrap().irreversible);

    // Whoever goes back to the old version is warned, and nothing is forgotten.
    let old = DeployOptions { version: Version::Named(V1.into()), ..within(60) };
    let report = app.try_deploy(&old).await.unwrap();
    assert!(
        report.plan.warnings.iter().any(|w| w.contains("interrupted in its migration")),
        "{:?}",
        report.plan
    );
    assert_eq!(version(&app).await, V1);
    assert!(upgrade(&app).await.unwrap().irreversible);

    app.set("FAIL", "nothing");
    // Going back pinned the old version.
    let new = DeployOptions { version: Version::Named(V2.into()), ..within(60) };
    app.try_deploy(&new).await.unwrap();
    assert_eq!(ran(&app).await, ["once-split", "reindex"]);
    assert_eq!(version(&app).await, V2);
    assert_eq!(upgrade(&app).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn plugins_hear_of_a_failure_with_what_runs_then() {
    let Some(app) = between(&["split"]).await else { return };
    for (fail, runs, heard) in [
        // Nothing was changed.
        ("before-deploy", V1, "restored"),
        // What was asked of the plugins before that is no part of a deploy.
        ("plan", V1, ""),
        ("check", V1, ""),
        // The services stay as they are.
        ("after-deploy", V2, "not"),
    ] {
        app.heard.forget();
        app.set("FAIL", fail);
        let error = app.try_deploy(&within(60)).await.unwrap_err();
        assert!(error.to_string().contains(&format!("{fail} was told to fail")), "{error}");
        assert_eq!(version(&app).await, runs, "{fail}");
        assert_eq!(told(&app).join(" "), heard, "{fail}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_begins_at_the_version_whose_migration_is_done_whatever_a_hook_said_then() {
    let Some(app) = between(&["split"]).await else { return };
    app.set("FAIL", "after-deploy");
    app.try_deploy(&within(60)).await.unwrap_err();
    assert!(
        app.heard.warnings().iter().any(|w| w.contains("the next deploy runs the hook again")),
        "{:?}",
        app.heard.warnings()
    );
    app.set("FAIL", "nothing");
    app.file("recipe.yml", plugins(&["tidy"], false));
    app.release("3.0.0+1");
    app.heard.forget();
    assert_eq!(migrations(&app.deploy().await), ["every: tidy"]);
    assert!(app.heard.said().contains(&format!("plan({V2} to 3.0.0+1)")), "{:?}", app.heard.said());
    assert_eq!(ran(&app).await, ["split", "tidy"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn plugins_hear_that_services_did_not_come_up_and_the_old_ones_are_back() {
    let Some(app) = between(&["split"]).await else { return };
    let broken =
        compose(V2).replace("[sleep, '2002']", "['false']").replace("monitor: 1s", "monitor: 20s");
    app.compose(
        &broken.replace("{endpoint_mode", "{restart_policy: {condition: none}, endpoint_mode"),
    );
    app.release("2.0.1+1");
    let error = app.try_deploy(&within(60)).await.unwrap_err();
    assert!(matches!(error, Error::Rollout(rollout::Error::RolledBack(_))), "{error}");
    assert_eq!(told(&app), ["restored"]);
    assert!(ran(&app).await.is_empty(), "no step ran");
    assert_eq!(upgrade(&app).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_whose_turn_did_not_come_hears_nothing() {
    let app = TestApp::simulated("migrations");
    if !recipe(&app) {
        return;
    }
    app.file("recipe.yml", plugins(&[], true));
    app.release("1.0.1+1");
    app.load().await;
    app.set("FAIL", "before-deploy");
    app.try_deploy(&within(60)).await.unwrap_err();
    assert!(told(&app).is_empty(), "{:?}", app.heard.warnings());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_crashed_hears_of_it_in_a_new_instance() {
    let app = TestApp::simulated("migrations");
    if !recipe(&app) {
        return;
    }
    let crashing = guests::lifecycle_guest("0.2.0", &[], "", "(i32.const 64)").hook(
        "lifecycle",
        "after-deploy",
        "unreachable",
    );
    app.file("plugins/other.wasm", crashing.binary());
    app.release("1.0.1+1");
    let error = app.try_deploy(&within(60)).await.unwrap_err();
    assert!(error.to_string().contains("after-deploy"), "{error}");
    assert_eq!(told(&app), ["not"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_is_not_detached_from() {
    let app = TestApp::simulated("migrations");
    if !recipe(&app) {
        return;
    }
    app.deploy().await;
    app.compose(&compose(V2));
    app.file("recipe.yml", plugins(&["split"], false));
    app.release(V2);
    let options = DeployOptions { detach: true, ..Default::default() };
    let error = app.try_deploy(&options).await.unwrap_err();
    assert!(matches!(error, Error::DetachedMigration { .. }), "{error}");
    assert!(error.hint().unwrap().contains("--detach"));
    assert_eq!(version(&app).await, V1);
    // A first deploy has nothing to migrate.
    let first = TestApp::simulated("migrations");
    assert!(recipe(&first));
    first.file("recipe.yml", plugins(&["split"], false));
    first.release("1.0.1+1");
    assert!(migrations(&first.try_deploy(&options).await.unwrap()).is_empty());
}

/// What a deploy with these options shows without doing it.
async fn dry(app: &TestApp, options: &DeployOptions) -> Plan {
    app.try_plan(options).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_plan_of_a_dry_run_is_the_plan_that_is_carried_out() {
    let Some(app) = TestApp::real("migrations").await else { return };
    if !recipe(&app) {
        return;
    }
    let options = DeployOptions::default();
    // What is not agreed to yet is the one thing that the deploy has settled.
    let mut shown = dry(&app, &options).await;
    let open = |warning: &String| warning.starts_with("not agreed to yet: every wants");
    assert!(shown.warnings.iter().any(open), "{shown:?}");
    shown.warnings.retain(|warning| !open(warning));
    assert_eq!(shown, app.deploy().await.plan);
    let hooks = |plan: &Plan| plan.changes.iter().filter(|c| c.kind == ChangeKind::Hook).count();
    assert_eq!(hooks(&shown), 2);

    // Nothing is to be done, so no hook runs either.
    let shown = dry(&app, &options).await;
    assert_eq!(hooks(&shown), 0);
    assert_eq!(shown, app.deploy().await.plan);

    app.compose(&compose(V2));
    app.file("recipe.yml", plugins(&["split", "once-join"], false));
    app.release(V2);
    let shown = dry(&app, &options).await;
    let steps = shown.changes.iter().filter(|change| change.kind == ChangeKind::Migration);
    assert_eq!(steps.count(), 2, "{shown:?}");
    assert_eq!(ran_before(&app), 0, "a dry run runs no step");
    assert_eq!(shown, app.deploy().await.plan);

    // What may not run yet cannot be asked.
    let more = plugins(&["tidy"], false)
        .replace("{exec: web}]", "{exec: web}, {http: 'https://a.example'}]");
    app.file("recipe.yml", more);
    app.release("3.0.0+1");
    let shown = dry(&app, &options).await;
    assert_eq!(hooks(&shown), 2);
    let unknown = "the migrations of `every` are not known before its grants are agreed to";
    assert!(shown.warnings.iter().any(|warning| warning == unknown), "{shown:?}");
}

/// Steps that ran, as the plugin told of them.
fn ran_before(app: &TestApp) -> usize {
    app.heard.said().iter().filter(|line| line.starts_with("run-")).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_fails_where_the_deploy_would() {
    let app = TestApp::simulated("migrations");
    if !recipe(&app) {
        return;
    }
    app.deploy().await;
    app.set("FAIL", "check");
    let error = app.try_plan(&DeployOptions::default()).await.unwrap_err();
    assert!(error.to_string().contains("check was told to fail"), "{error}");
}

/// A plain folder, without git; its label says which version it is.
fn folder_release(app: &TestApp, version: Option<&str>, steps: &[&str]) {
    let label = version.map_or(String::new(), |version| {
        format!(", labels: ['coop-cloud.${{STACK_NAME}}.version={version}']")
    });
    let seconds = if version == Some(V1) { V1 } else { V2 };
    app.compose(
        &compose(seconds)
            .replace("{endpoint_mode: dnsrr", &format!("{{endpoint_mode: dnsrr{label}")),
    );
    app.file("recipe.yml", plugins(steps, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_without_git_is_migrated_by_its_version_label() {
    let Some(app) = TestApp::real("migrations").await else { return };
    if !recipe(&app) {
        return;
    }
    fs::remove_dir_all(app.recipe.join(".git")).unwrap();
    folder_release(&app, Some(V1), &[]);
    app.deploy().await;
    assert_eq!(app.load().await.lock.recipe.unwrap().label.as_deref(), Some(V1));

    folder_release(&app, Some(V2), &["split"]);
    let report = app.deploy().await;
    assert_eq!(migrations(&report), ["every: split"]);
    let first = &report.plan.changes[0];
    assert_eq!(first.details, [format!("version: {V1} → {V2}")]);
    assert!(app.heard.said().contains(&format!("plan({V1} to {V2})")), "{:?}", app.heard.said());

    // Going back is told from going on here, too.
    folder_release(&app, Some(V1), &[]);
    let shown = dry(&app, &DeployOptions::default()).await;
    assert!(shown.changes[0].details[1].contains("is older than"), "{shown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recipe_without_any_version_says_that_it_cannot_be_migrated() {
    let app = TestApp::simulated("migrations");
    if !recipe(&app) {
        return;
    }
    fs::remove_dir_all(app.recipe.join(".git")).unwrap();
    folder_release(&app, None, &["split"]);
    let why = |plan: &Plan| plan.warnings.iter().any(|w| w.contains("no versions to migrate"));
    // A first deploy has nothing to migrate.
    assert!(!why(&app.deploy().await.plan));
    app.set("TITLE", "another");
    let shown = dry(&app, &DeployOptions::default()).await;
    assert!(why(&shown), "{shown:?}");
    let report = app.deploy().await;
    assert_eq!(report.plan, shown);
    assert!(migrations(&report).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_tool_deployed_is_migrated_from_what_its_label_says() {
    let Some(app) = TestApp::real("migrations").await else { return };
    if !recipe(&app) {
        return;
    }
    folder_release(&app, Some(V1), &[]);
    app.release("1.0.1+1");
    app.deploy().await;
    // As abra leaves it: no lock file of ours says what runs.
    let mut loaded = app.load().await;
    loaded.lock.recipe = None;
    app.context.home.write_lock_file(&app.guard(), &loaded.lock).unwrap();
    folder_release(&app, Some(V2), &["split"]);
    app.release(V2);
    assert_eq!(migrations(&app.deploy().await), ["every: split"]);
    assert!(app.heard.said().contains(&format!("plan({V1} to {V2})")), "{:?}", app.heard.said());
}
