//! Texts that look like potluck's own, or drive the terminal.

use super::{QUIET, attack, world::NEW};

#[test]
fn a_plan_is_written_over_by_what_it_shows() {
    attack(|guest| {
        let labels = "labels: {\"a\\e[2Jb\": \"y\\e[2Jz\\u202egnp\"}\n    deploy:";
        guest.compose(&QUIET.replacen("deploy:", labels, 1));
        guest.new_app();
        let run = guest.run(&["app", "deploy", "APP", "-n"]);
        assert!(!run.stderr.contains('\u{1b}'), "{run}");
    });
}

#[test]
fn the_samples_values_drive_the_terminal_of_who_lists_them() {
    attack(|guest| {
        guest.compose(QUIET);
        guest.write(
            ".env.sample",
            "TYPE=x\nDOMAIN=x\n# \u{1b}[2J\u{202e}\nA=\u{1b}[2J\u{9b}31m\u{202e}\n",
        );
        guest.run(&["recipe", "lint", "RECIPE"]);
        guest.run(NEW);
        guest.run(&["app", "config", "APP"]);
        guest.run(&["app", "check", "APP"]);
    });
}
