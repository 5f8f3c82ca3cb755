//! Recipes against the real swarm, as a stranger would write them to get
//! further than their own app. `docs/hostile.md` lists them all.
//!
//! Beside each attack a neighbour runs (`world.rs`), deployed by potluck like
//! any app. After the attack its specs, tasks, secrets and the bytes of its
//! volumes are what they were; and what the attack tries to reach (a program, a
//! file outside, a port) was not reached.
//!
//! To add an attack: a test that calls [`attack`], and its row in the document.

use crate::support::cli;
use crate::support::common;

mod beyond;
mod files;
mod names;
mod programs;
mod texts;
mod volumes;
mod world;

use world::{Guest, attack};

/// A recipe that does nothing by itself; `volumes: [data:/data]`.
const QUIET: &str = r#"
services:
  app:
    image: BUSYBOX
    command: ["sh", "-c", "trap exit TERM; while :; do sleep 0.2; done"]
    stop_grace_period: 0s
    volumes: [data:/data]
    deploy: {endpoint_mode: dnsrr}
volumes: {data: {}}
"#;

/// No attack: the neighbour is there, and an honest recipe does all it should.
#[test]
fn an_honest_recipe_is_deployed_saved_restored_and_removed() {
    attack(|guest| {
        guest.compose(QUIET);
        guest.new_app();
        guest.ok(&["app", "deploy", "APP", "-n"]);
        guest.sh("echo soup >/data/f");
        guest.ok(&["backup", "create", "APP"]);
        guest.sh("rm /data/f");
        guest.ok(&["backup", "restore", "APP", "--yes"]);
        assert_eq!(guest.sh("cat /data/f"), "soup\n");
        guest.ok(&["app", "undeploy", "APP", "-n"]);
    });
}
