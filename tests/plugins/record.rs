//! A real run becomes a scenario: a hook runs in an app on the real swarm, what
//! happened is recorded, and played again without any server it comes out the
//! same.

use crate::support::std_guests;

use std::{fs, path::Path};

use std_guests::{OnSwarm, common::BUSYBOX, hostile::skip, ready};

const COMPOSE: &str = r#"
version: "3.8"
services:
  app:
    image: potluck-test/busybox:1
    command:
      - sh
      - -c
      - |
        printf '#!/bin/sh\npassword=$$(cat)\necho "made $$2, $${#password} characters"\n' >/bin/app-ctl
        chmod 755 /bin/app-ctl
        exec sleep 100000
    stop_grace_period: 1s
    secrets:
      - admin_password
    healthcheck:
      test: ["CMD", "test", "-x", "/bin/app-ctl"]
      interval: 1s
      timeout: 5s
      retries: 60
    deploy:
      endpoint_mode: dnsrr
secrets:
  admin_password:
    external: true
    name: ${STACK_NAME}_admin_password_${SECRET_ADMIN_PASSWORD_VERSION}
"#;

const SAMPLE: &str = "\
TYPE=ledger
DOMAIN=ledger.example.org
ADMIN_EMAIL=ada@example.org
SECRET_ADMIN_PASSWORD_VERSION=v1 # length=32
";

const RECIPE: &str = "\
plugins:
  - name: admin
    component: admin.wasm
    grants: [exec: app]
";

#[test]
fn what_happened_on_a_swarm_happens_again_without_one() {
    let component = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/admin.wasm");
    if !component.is_file() {
        skip("tests/fixtures/admin.wasm is not there; plugins/build.sh makes it");
        return;
    }
    if !ready(&[BUSYBOX]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let recipe = folder.path().join("ledger");
    fs::create_dir(&recipe).unwrap();
    for (name, text) in [("compose.yml", COMPOSE), (".env.sample", SAMPLE), ("recipe.yml", RECIPE)]
    {
        fs::write(recipe.join(name), text).unwrap();
    }
    fs::copy(&component, recipe.join("admin.wasm")).unwrap();

    let on = OnSwarm::new(&recipe, "record");
    on.ok(&["app", "secret", "generate", &on.app]);
    on.ok(&["app", "deploy", &on.app, "-n", "--grant", "exec: app"]);
    // The deploy ran the hook; forget it, so that it has something to do.
    fs::remove_dir_all(on.lab.path("potluck/state/memory")).unwrap();
    let hook = ["plugin", "run", "admin", "after-deploy", "after=1.0.0", "--app", &on.app];
    on.ok(&[&hook[..], &["--record", "real.yml"]].concat());

    let recorded = fs::read_to_string(on.lab.path("real.yml")).unwrap();
    assert!(recorded.contains("made ada@example.org, 32 characters"), "{recorded}");
    let password = on.sh("app", "cat /run/secrets/admin_password");
    assert!(!recorded.contains(&password), "{recorded}");

    // Without the swarm from here on.
    let component = component.to_str().unwrap();
    let test = ["plugin", "test", "real.yml", "--component", component];
    let run = on.lab.run(&test);
    assert_eq!(run.code, 0, "{run}\n{recorded}");
    // It says something: another answer is another outcome.
    let other = recorded.replace("app-ctl create-admin", "app-ctl create-other");
    fs::write(on.lab.path("real.yml"), other).unwrap();
    assert_eq!(on.lab.run(&test).code, 1);
}
