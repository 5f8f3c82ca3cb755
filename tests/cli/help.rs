//! What a newcomer reads: the help of every command, as it is printed.
//!
//! To see what changed, run with `INSTA_UPDATE=always` and look at the
//! difference in `tests/snapshots/`.

use crate::support::cli;

use cli::Lab;

/// Every command, found by walking through the help itself, so that none is
/// forgotten.
fn commands(lab: &Lab, path: &[String], all: &mut Vec<Vec<String>>) {
    all.push(path.to_vec());
    for name in subcommands(&help(lab, path, "-h")) {
        let mut path = path.to_vec();
        path.push(name);
        commands(lab, &path, all);
    }
}

fn help(lab: &Lab, path: &[String], flag: &str) -> String {
    let mut arguments: Vec<&str> = path.iter().map(String::as_str).collect();
    arguments.push(flag);
    let run = lab.run(&arguments);
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(run.stderr, "", "{run}");
    run.stdout
}

fn subcommands(help: &str) -> Vec<String> {
    help.lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| line.starts_with("  "))
        .filter(|line| !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

fn all() -> (Lab, Vec<Vec<String>>) {
    let lab = Lab::new();
    let mut all = Vec::new();
    commands(&lab, &[], &mut all);
    (lab, all)
}

#[test]
fn every_command_explains_itself() {
    let (lab, all) = all();
    assert!(all.len() > 25, "only {} commands were found", all.len());
    for path in all {
        let name = std::iter::once("potluck".to_owned()).chain(path.iter().cloned());
        let name = name.collect::<Vec<_>>().join("_");
        insta::assert_snapshot!(name, help(&lab, &path, "--help"));
    }
}

#[test]
fn help_fits_the_terminal_and_names_its_exceptions() {
    let (lab, all) = all();
    for path in all {
        let text = help(&lab, &path, "--help");
        for line in text.lines() {
            assert!(line.chars().count() <= 100, "{path:?}: {line}");
        }
        let has_json = text.contains("  -m, --json\n");
        assert_eq!(has_json, text.contains("JSON:"), "{path:?} has no word on its JSON");
    }
}

#[test]
fn completions_list_the_commands_of_every_group() {
    let lab = Lab::new();
    let run = lab.run(&["completions", "bash"]);
    assert_eq!(run.code, 0, "{run}");
    for command in [
        "app__subcmd__secret__subcmd__adopt",
        "help__subcmd__app__subcmd__secret__subcmd__adopt",
        "app__subcmd__help__subcmd__secret__subcmd__adopt",
        "help__subcmd__server__subcmd__add",
    ] {
        assert!(run.stdout.contains(&format!("potluck__subcmd__{command})")), "{command}");
    }
}
