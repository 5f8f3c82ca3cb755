//! What cannot run is told before a plain stack is sent, and why swarm gives a task no
//! addresses.

use crate::support::common;

use std::{fs, process::Command};

use common::{BUSYBOX, Cleanup, endpoint, real_engine, remove_stack, subnet, unique_stack};

/// Two subnets of the same addresses, of which swarm allocates one.
const OVERLAP: &str = "
services:
  both: {image: BUSYBOX, command: [sleep, '1000'], networks: [n, m]}
  mute: {image: BUSYBOX, cap_add: [NONESUCH], deploy: {replicas: 1}}
networks:
  n: {ipam: {config: [{subnet: SUBNET.0/28}]}}
  m: {ipam: {config: [{subnet: SUBNET.0/27}]}}
";

#[tokio::test(flavor = "multi_thread")]
async fn a_network_without_addresses_is_named_by_the_deploy_and_by_ps() {
    let Some(engine) = real_engine().await else { return };
    let stack = unique_stack("overlap");
    let _cleanup = Cleanup::new(&stack);
    let folder = tempfile::tempdir().unwrap();
    let subnet = subnet();
    let text = OVERLAP.replace("BUSYBOX", BUSYBOX).replace("SUBNET", &subnet);
    fs::write(folder.path().join("c.yml"), text).unwrap();
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_potluck"))
            .args(arguments)
            .arg(stack.as_str())
            .env("DOCKER_HOST", endpoint())
            .current_dir(folder.path())
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        (output.status.code(), said)
    };
    let deploy = ["stack", "deploy", "-c", "c.yml", "--resolve-image=never", "--detach"];
    let (code, [_, said]) = run(&deploy);
    assert_eq!(code, Some(0), "{said}");
    // Nothing keeps it from being sent, as docker sends it.
    for warning in [
        "c.yml:4:41: services.mute.cap_add: `NONESUCH` is not a".to_owned(),
        format!(
            "c.yml:6:3: networks.n.ipam.config: its subnet {subnet}.0/28 overlaps {subnet}.0/27 of \
             the network `m`"
        ),
    ] {
        let warning = format!("warning: this will not run: {warning}");
        assert!(said.contains(&warning), "{warning}\n{said}");
    }
    let wait = ["stack", "deploy", "-c", "c.yml", "--resolve-image=never", "--timeout=20s"];
    // One of the two has the addresses, whichever swarm took first.
    let why = [format!("{stack}_n"), format!("{stack}_m")].map(|network| {
        format!("swarm has not allocated its network `{network}`: its subnet overlaps that of")
    });
    let (_, [shown, _]) = common::eventually("ps names the network", || async {
        let ps = run(&["stack", "ps"]);
        why.iter().any(|why| ps.1[0].contains(why.as_str())).then_some(ps)
    })
    .await;
    assert!(shown.contains("new since"), "{shown}");
    let (code, [_, said]) = run(&wait);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        why.iter().any(|why| said.contains(&format!("both: 0/1 running, waiting: {why}"))),
        "{said}"
    );
    assert!(said.contains("exists, but swarm has not allocated it"), "{said}");
    remove_stack(engine.as_ref(), &stack).await;
}
