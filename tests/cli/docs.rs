//! What the pages of the documentation tell to type is typed here, page by page and in order,
//! in a folder of its own and on simulated servers: each command ends with 0, or with the code
//! that the page says (`# exits with 7`), and prints what the page shows.

use std::{collections::BTreeSet, fs, process::Command};

use crate::support::{
    cli::Lab,
    common::skip,
    pages::{self, Block, Fate},
};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Each page with blocks to run, and the test that runs it.
macro_rules! run {
    ($($name:ident: $page:literal,)*) => {
        $(#[test]
        fn $name() {
            type_in($page);
        })*

        const PAGES: &[&str] = &[$($page),*];
    };
}

run! {
    the_first_app: "docs/first-app.md",
    operating: "docs/operating.md",
    backups: "docs/backups.md",
    when: "docs/when.md",
    escrow: "docs/escrow.md",
    from_abra: "docs/from-abra.md",
    install: "docs/install.md",
    recipes: "docs/recipes.md",
    readme: "README.md",
    a_hook_in_rust: "docs/hooks/rust.md",
    a_hook_in_python: "docs/hooks/python.md",
}

/// Whether a block is typed here.
fn is_run(block: &Block) -> bool {
    block.language == "test" || block.language == "sh" && block.fate() == Fate::Run
}

/// A line as the shell is to run it: one that says how it exits has to exit so.
fn line(text: &str) -> String {
    let Some((command, said)) = text.split_once("# exits with ") else { return text.to_owned() };
    let code: i32 = said.split(' ').next().unwrap().trim_end_matches([',', ':']).parse().unwrap();
    format!(
        "{} && code=0 || code=$?; [ $code = {code} ] || {{ echo \"exit code $code\"; exit 1; }}",
        command.trim_end()
    )
}

/// Programs that not every machine has, with an argument that does nothing.
const NEEDED: &[(&str, &str)] = &[("age", "--version"), ("python3", "--version")];

/// Before each block the shell says which one it is.
const BLOCK: &str = "--- block ";

/// Types what a page says, and compares what is printed with what it shows.
fn type_in(path: &str) {
    let parts = pages::page(path).blocks();
    for (program, argument) in NEEDED {
        let is_used = parts.iter().any(|part| is_run(part) && part.text.contains(program));
        if is_used && Command::new(program).arg(argument).output().is_err() {
            return skip::skip(&format!("{program} is not installed"));
        }
    }
    let lab = Lab::new();
    let work = lab.path("work");
    fs::create_dir(&work).unwrap();
    let demo = ["scripts/demo-simulated.yml", "scripts/demo-tables.sql"];
    for part in ["recipes-examples", "tests/fixtures/pages"].into_iter().chain(demo) {
        let mut copy = Command::new("cp");
        let copied = copy.args(["-a", &format!("{ROOT}/{part}")]).arg(&work).status().unwrap();
        assert!(copied.success());
    }
    let mut script = String::from("set -eu\nexec 2>&1\n");
    for (index, part) in parts.iter().enumerate().filter(|(_, part)| is_run(part)) {
        script += &format!("echo; echo '{BLOCK}{index}'\n");
        script.extend(part.text.lines().map(|text| line(text) + "\n"));
    }
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_potluck")).parent().unwrap();
    let path_variable = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(program.to_owned()).chain(std::env::split_paths(&path_variable));
    let mut shell = std::process::Command::new("sh");
    shell
        .args(["-c", &script])
        .env_clear()
        .env("PATH", std::env::join_paths(folders).unwrap())
        .env("HOME", lab.path("home"))
        .env("NO_COLOR", "1")
        .env("COLUMNS", "100")
        .env("TZ", "UTC")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .stdin(std::process::Stdio::null())
        .current_dir(&work);
    let run = lab.tidy(&shell.output().unwrap());
    let printed = run.stdout.replace("[LAB]/home", "~");
    assert_eq!(run.code, 0, "{path}:\n{printed}{}", run.stderr);
    let mut outputs: Vec<(usize, Vec<&str>)> = Vec::new();
    for text in printed.lines() {
        match (text.strip_prefix(BLOCK), outputs.last_mut()) {
            (Some(index), _) => outputs.push((index.parse().unwrap(), Vec::new())),
            (None, Some((_, output))) => output.push(text.trim_end()),
            (None, None) => {}
        }
    }
    for (_, output) in &mut outputs {
        output.truncate(output.iter().rposition(|line| !line.is_empty()).map_or(0, |at| at + 1));
    }
    let is_output = |part: &Block| part.language == "text" && part.info.is_empty();
    for (index, part) in parts.iter().enumerate().filter(|(_, part)| is_output(part)) {
        let Some((_, output)) = outputs.iter().find(|(at, _)| Some(*at) == index.checked_sub(1))
        else {
            continue;
        };
        let shown: Vec<&str> = part.text.lines().map(str::trim_end).collect();
        assert!(
            is_like(&shown, output),
            "{path}:{}: shown\n{}\n--- printed\n{}",
            part.line,
            shown.join("\n"),
            output.join("\n")
        );
    }
}

/// Whether lines are those shown, where `…` stands for any text, and alone on a line for any
/// lines.
fn is_like(shown: &[&str], printed: &[&str]) -> bool {
    let Some((first, rest)) = shown.split_first() else { return printed.is_empty() };
    if first.trim() == "…" {
        return (0..=printed.len()).any(|at| is_like(rest, &printed[at..]));
    }
    let Some((line, others)) = printed.split_first() else { return false };
    is_line_like(first, line) && is_like(rest, others)
}

fn is_line_like(shown: &str, printed: &str) -> bool {
    let mut pieces = shown.split('…');
    let Some(mut rest) = pieces.next().and_then(|first| printed.strip_prefix(first)) else {
        return false;
    };
    let pieces: Vec<&str> = pieces.collect();
    let Some((last, middle)) = pieces.split_last() else { return rest.is_empty() };
    for piece in middle {
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.ends_with(last)
}

#[test]
fn every_page_with_commands_is_typed() {
    let with_commands: BTreeSet<String> = pages::documentation()
        .iter()
        .filter(|page| page.blocks().iter().any(is_run))
        .map(|page| page.path.display().to_string())
        .collect();
    let typed: BTreeSet<String> = PAGES.iter().map(|page| (*page).to_owned()).collect();
    assert_eq!(with_commands, typed, "pages with blocks to run, pages that are run");
}

#[test]
fn what_is_left_out_is_marked() {
    for (shown, printed, like) in [
        (&["a…c"][..], &["abbc"][..], true),
        (&["a…c"], &["abbd"], false),
        (&["ab"], &["abc"], false),
        (&["…b"], &["aab"], true),
        (&["a", "…", "d"], &["a", "b", "c", "d"], true),
        (&["a", "d"], &["a", "b", "d"], false),
        (&["…", "d"], &["d"], true),
        (&["a", "…"], &["b"], false),
    ] {
        assert_eq!(is_like(shown, printed), like, "{shown:?} {printed:?}");
    }
}
