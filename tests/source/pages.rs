//! What the pages say of each other is so: links lead somewhere, the contents name every page,
//! what is quoted from a file is what the file has, and what a block of commands does in the
//! tests is said at the block.

use std::{
    collections::BTreeMap,
    fs,
    path::{Component, Path, PathBuf},
};

use crate::support::{self, Fate, Page};

/// A path without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => _ = plain.pop(),
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    plain
}

/// The path below the root, and the anchor, that a link of a page leads to; none for one that
/// leads elsewhere.
fn target(page: &Page, link: &str) -> Option<(PathBuf, Option<String>)> {
    if link.contains("://") || link.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = match link.split_once('#') {
        Some((path, anchor)) => (path, Some(anchor.to_owned())),
        None => (link, None),
    };
    let path = match path {
        "" => page.path.clone(),
        path => plain(&page.path.parent().unwrap().join(path)),
    };
    Some((path, anchor))
}

#[test]
fn every_link_of_a_page_leads_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let pages = support::all();
    let anchors: BTreeMap<&Path, Vec<String>> =
        pages.iter().map(|page| (page.path.as_path(), page.anchors())).collect();
    let (mut dead, mut count) = (Vec::new(), 0);
    for page in &pages {
        for (line, link) in page.links() {
            let Some((path, anchor)) = target(page, &link) else { continue };
            count += 1;
            let leads = match anchor {
                Some(anchor) => anchors.get(path.as_path()).is_some_and(|it| it.contains(&anchor)),
                None => root.join(&path).exists(),
            };
            if !leads {
                dead.push(format!("{}:{line}: {link}", page.path.display()));
            }
        }
    }
    assert!(count > 150, "{count} links were found");
    assert!(dead.is_empty(), "links that lead nowhere:\n{}", dead.join("\n"));
}

/// A page below a folder of its own may be named by that folder's `README.md`, or with all that
/// the folder has.
#[test]
fn the_contents_name_every_page() {
    let pages = support::documentation();
    let mut named: Vec<PathBuf> = Vec::new();
    for page in pages.iter().filter(|page| page.path.ends_with("README.md")) {
        let links = page.links().into_iter();
        named.extend(links.filter_map(|(_, link)| target(page, &link)).map(|(path, _)| path));
    }
    let forgotten: Vec<String> = pages
        .iter()
        .map(|page| &page.path)
        .filter(|path| *path != Path::new("README.md"))
        .filter(|path| !named.iter().any(|named| path.starts_with(named)))
        .map(|path| path.display().to_string())
        .collect();
    assert!(forgotten.is_empty(), "no contents name {}", forgotten.join(", "));
}

#[test]
fn what_is_quoted_from_a_file_is_what_the_file_has() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut count = 0;
    for page in support::documentation() {
        for block in page.blocks() {
            let Some(file) = block.named("from") else { continue };
            count += 1;
            let text = fs::read_to_string(root.join(file)).unwrap();
            assert_eq!(block.text, text, "{}:{}: {file}", page.path.display(), block.line);
        }
    }
    assert!(count > 3, "{count} files are quoted");
}

/// Blocks of commands that are not run. A page that adds one says why, and counts it here.
const NOT_RUN: usize = 27;

#[test]
fn every_block_of_commands_is_run_or_says_why_not() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut run, mut not_run) = (0, Vec::new());
    for page in support::documentation() {
        for block in page.blocks().iter().filter(|block| block.language == "sh") {
            let place = format!("{}:{}", page.path.display(), block.line);
            match block.fate() {
                Fate::Run => run += 1,
                Fate::RunBy(test) => {
                    let text = fs::read_to_string(root.join(&test)).unwrap_or_default();
                    let name = page.path.file_name().unwrap().to_string_lossy();
                    assert!(text.contains(&*name), "{place}: {test} does not read {name}");
                    run += 1;
                }
                Fate::NotRun(reason) => not_run.push(format!("{place}: {reason}")),
            }
        }
    }
    assert!(run > not_run.len(), "{run} blocks are run, but not:\n{}", not_run.join("\n"));
    assert_eq!(not_run.len(), NOT_RUN, "blocks that are not run:\n{}", not_run.join("\n"));
}
