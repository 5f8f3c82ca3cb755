//! Tests that the command line accepts the commands in pages, hints and help.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use clap::{Parser, error::ErrorKind};

use super::Cli;

/// Pages that are written from help, whose own texts are read here: in theirs a sentence may
/// begin a line with the program's name.
const FROM_HELP: &str = "docs/reference";

/// Files below a folder with this ending.
fn files(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir()
            && !path.ends_with("target")
            && !path.ends_with(".venv")
            && !path.ends_with(FROM_HELP)
        {
            files(&path, ending, found);
        } else if path.extension().is_some_and(|extension| extension == ending) {
            found.push(path);
        }
    }
}

/// Commands between backticks, lines of a page's blocks of code and of examples in
/// help.
fn commands(text: &str) -> Vec<String> {
    // In a text of the program's own the sign that continues a line is escaped.
    let joined = text.replace("\\\\\n", "\\\n");
    let joined = joined.split("\\\n").map(str::trim_start).collect::<Vec<_>>().join("");
    let mut found: Vec<String> = Vec::new();
    for (at, _) in joined.match_indices("`potluck ") {
        let rest = &joined[at + 1..];
        found.extend(rest.split('`').next().map(str::to_owned));
    }
    let mut is_code = false;
    for line in joined.lines() {
        if line.starts_with("```") {
            is_code = !is_code;
        } else if line.starts_with("  potluck ") || is_code && line.starts_with("potluck ") {
            found.push(line.trim_start().trim_end_matches("\")]").to_owned());
        }
    }
    found
}

/// The words up to a comment, a pipe or another command.
fn words(command: &str) -> Vec<OsString> {
    let mut words: Vec<String> = vec![String::new()];
    let mut quote = None;
    for letter in command.chars() {
        match letter {
            _ if Some(letter) == quote => quote = None,
            '\'' | '"' if quote.is_none() => quote = Some(letter),
            _ if letter.is_whitespace() && quote.is_none() => words.push(String::new()),
            _ => words.last_mut().expect("there is one from the beginning").push(letter),
        }
    }
    let ends = |word: &String| matches!(word.as_str(), "#" | "|" | "&&" | ">" | "<" | "…");
    // What may be left out, in brackets, is no word to type.
    let typed = words.into_iter().take_while(|word| !ends(word));
    typed.filter(|word| !word.is_empty() && !word.starts_with('[')).map(OsString::from).collect()
}

#[test]
fn what_people_are_told_to_type_can_be_typed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = vec![root.join("README.md"), root.join("CHANGELOG.md")];
    for (folder, ending) in [
        ("docs", "md"),
        ("wit", "md"),
        ("plugins", "md"),
        ("recipes-examples", "md"),
        ("src", "rs"),
        ("src", "in"),
        ("plugins", "rs"),
        ("plugins", "py"),
    ] {
        files(&root.join(folder), ending, &mut sources);
    }
    let mut wrong = Vec::new();
    let mut count = 0;
    for source in sources {
        // This one has commands of abra's on purpose.
        if source.ends_with("foreign_flags.rs") || source.ends_with("said_tests.rs") {
            continue;
        }
        for command in commands(&fs::read_to_string(&source).unwrap()) {
            // `potluck COMMAND --help`
            if command.contains("potluck COMMAND") {
                continue;
            }
            count += 1;
            // Both groups have the commands that are told of either.
            let command = command.replace("potluck {kind} ", "potluck sso ");
            let Err(error) = Cli::try_parse_from(words(&command)) else { continue };
            if matches!(
                error.kind(),
                ErrorKind::UnknownArgument
                    | ErrorKind::InvalidSubcommand
                    | ErrorKind::TooManyValues
                    | ErrorKind::ArgumentConflict
            ) {
                let first = error.to_string().lines().next().unwrap_or_default().to_owned();
                wrong.push(format!("{}: {command}: {first}", source.display()));
            }
        }
    }
    assert!(count > 150, "{count} commands were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
