//! Two commands with one folder: the second is refused, or waits.

use crate::support::cli::Lab;

use std::{fs::File, time::Duration};

#[test]
fn a_command_waits_for_another_of_its_own_folder_as_long_as_it_is_told_to() {
    let lab = Lab::with_tiny_app();
    let history = lab.run(&["app", "undeploy", "t.example", "-y"]);
    assert_eq!(history.code, 1, "nothing is deployed, but its lock is made: {history}");
    let held = File::open(lab.path("potluck/state/locks/simulated/t.example")).unwrap();
    held.lock().unwrap();
    let undeploy = ["app", "undeploy", "t.example", "-y", "--lock-wait"];
    let refused = lab.run(&["app", "undeploy", "t.example", "-y"]);
    assert_eq!(refused.code, 5, "{refused}");
    assert!(!refused.stderr.contains("waiting"), "{refused}");
    let in_vain = lab.run(&[&undeploy[..], &["600ms"]].concat());
    assert_eq!(in_vain.code, 5, "{in_vain}");
    assert!(in_vain.stderr.contains("waiting, because"), "{in_vain}");
    let freed = std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(700));
            held.unlock().unwrap();
        });
        lab.run(&[&undeploy[..], &["60s"]].concat())
    });
    assert_eq!(freed.code, 1, "{freed}");
    assert!(freed.stderr.contains("not deployed: there is nothing"), "{freed}");
}
