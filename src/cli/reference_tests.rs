//! Writes `docs/reference/` from the definitions of the arguments, and holds the pages to them:
//! what a flag is for is said once, at its definition. `INSTA_UPDATE=always` writes the pages.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

use clap::{Arg, Command, builder::StyledStr};

use super::{Cli, deferred::whole};

/// Text as Markdown shows it unchanged: what is between backticks is code already.
fn escaped(text: &str) -> String {
    let pieces = text.split('`').enumerate().map(|(index, piece)| match index % 2 {
        0 => piece.replace('<', "\\<").replace('*', "\\*"),
        _ => piece.to_owned(),
    });
    pieces.collect::<Vec<_>>().join("`")
}

fn plain(text: Option<&StyledStr>) -> String {
    text.map(ToString::to_string).unwrap_or_default().trim().to_owned()
}

/// The flags of an argument and what they take, or its name where it has no flag.
fn title(argument: &Arg) -> String {
    let names = argument.get_value_names().unwrap_or_default();
    let values: Vec<String> = names.iter().map(|name| format!("<{name}>")).collect();
    let values = values.join(" ");
    if argument.is_positional() {
        return format!("`{values}`");
    }
    let mut flags: Vec<String> = argument.get_short().iter().map(|c| format!("-{c}")).collect();
    flags.extend(argument.get_long().iter().map(|long| format!("--{long}")));
    for alias in argument.get_visible_aliases().unwrap_or_default() {
        flags.push(format!("--{alias}"));
    }
    let takes = argument.get_action().takes_values() && !values.is_empty();
    let flags: Vec<String> = flags
        .into_iter()
        .map(|flag| if takes { format!("`{flag} {values}`") } else { format!("`{flag}`") })
        .collect();
    flags.join(", ")
}

/// What is said of an argument: its help, the values that it takes, and what it is without.
fn item(argument: &Arg) -> String {
    let help = plain(argument.get_long_help().or(argument.get_help()));
    let mut text = format!("- {}: {}", title(argument), escaped(&help).replace("\n\n", "\n\n  "));
    let takes = argument.get_action().takes_values();
    let known: Vec<String> = argument
        .get_possible_values()
        .iter()
        .filter(|value| takes && !value.is_hide_set())
        .map(|value| match value.get_help() {
            Some(help) => format!("`{}` ({})", value.get_name(), escaped(&help.to_string())),
            None => format!("`{}`", value.get_name()),
        })
        .collect();
    if !known.is_empty() {
        write!(text, " [{}]", known.join(", ")).unwrap();
    }
    let default = argument.get_default_values();
    if takes && !default.is_empty() && !argument.is_hide_default_value_set() {
        let default: Vec<_> = default.iter().map(|value| value.to_string_lossy()).collect();
        write!(text, " [default: `{}`]", default.join(" ")).unwrap();
    }
    text + "\n"
}

fn items<'a>(arguments: impl Iterator<Item = &'a Arg>) -> String {
    arguments.filter(|it| !it.is_hide_set() && it.get_id() != "help").map(item).collect()
}

/// The commands below a command that readers are shown.
fn below(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|it| !it.is_hide_set() && it.get_name() != "help")
}

/// What a page says of one command.
fn section(command: &Command, name: &str, level: usize) -> String {
    let mut text = format!("{} {name}\n\n", "#".repeat(level));
    let about = plain(command.get_long_about().or(command.get_about()));
    writeln!(text, "{}\n", escaped(&about)).unwrap();
    let usage = command.clone().render_usage().to_string();
    writeln!(text, "```text\n{}\n```\n", usage.trim()).unwrap();
    let aliases: Vec<&str> = command.get_visible_aliases().collect();
    if !aliases.is_empty() {
        writeln!(text, "Also called `{}`.\n", aliases.join("`, `")).unwrap();
    }
    let own = items(command.get_arguments().filter(|argument| !argument.is_global_set()));
    if !own.is_empty() {
        writeln!(text, "{own}").unwrap();
    }
    let after = plain(command.get_after_long_help());
    if !after.is_empty() {
        writeln!(text, "```text\n{after}\n```\n").unwrap();
    }
    for command in below(command) {
        text += &section(command, &format!("{name} {}", command.get_name()), level + 1);
    }
    text
}

/// Each page by its name.
fn pages() -> BTreeMap<String, String> {
    let mut potluck = whole::<Cli>().disable_help_subcommand(true);
    potluck.build();
    let mut contents = String::from(
        "# Reference\n\n\
         Every command with its arguments, as `--help` shows them. These pages are written from \
         the program.\n\n",
    );
    let mut pages = BTreeMap::new();
    for command in below(&potluck) {
        let name = command.get_name();
        let about = plain(command.get_about());
        writeln!(contents, "- [potluck {name}]({name}.md): {}", escaped(&about)).unwrap();
        let page = section(command, &format!("potluck {name}"), 1);
        pages.insert(format!("{name}.md"), page.trim_end().to_owned() + "\n");
    }
    contents += "\n## Of every command\n\n";
    contents += &items(potluck.get_arguments());
    contents += "\nExit codes, streams and the values of `--json` are in [cli.md](../cli.md).\n";
    pages.insert("README.md".into(), contents);
    pages
}

#[test]
fn the_reference_is_what_the_program_takes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference");
    let pages = pages();
    if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        for (name, text) in &pages {
            fs::write(folder.join(name), text).unwrap();
        }
    }
    let written: BTreeMap<String, String> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read_to_string(entry.path()).unwrap())
        })
        .collect();
    let names = |pages: &BTreeMap<String, String>| pages.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&written), names(&pages), "the pages; INSTA_UPDATE=always writes them");
    for (name, text) in &pages {
        assert!(
            *text == written[name],
            "docs/reference/{name} is old; INSTA_UPDATE=always writes it anew"
        );
    }
}
