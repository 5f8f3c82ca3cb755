//! What docs/when.md quotes of the program is what the program says: each line of its blocks
//! `text says`, whose `…` is what differs, is in one text of the source.

use std::{fs, path::Path};

use syn::{
    LitStr,
    buffer::Cursor,
    parse::{Parse, ParseStream},
};

use crate::support;

/// The texts in a file, in attributes and arguments of macros, too.
struct Literals(Vec<String>);

impl Parse for Literals {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        input.step(|cursor| {
            let mut found = Vec::new();
            let mut rest = *cursor;
            collect(rest, &mut found);
            while let Some((_, next)) = rest.token_tree() {
                rest = next;
            }
            Ok((Literals(found), rest))
        })
    }
}

fn collect(mut cursor: Cursor<'_>, found: &mut Vec<String>) {
    while !cursor.eof() {
        if let Some((inside, _, _, after)) = cursor.any_group() {
            collect(inside, found);
            cursor = after;
        } else if let Some((literal, after)) = cursor.literal() {
            found.extend(syn::parse_str(&literal.to_string()).map(|text: LitStr| text.value()));
            cursor = after;
        } else if let Some((_, after)) = cursor.token_tree() {
            cursor = after;
        } else {
            return;
        }
    }
}

/// The texts of the program, without those of its tests.
fn texts(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            texts(&path, found);
        } else if name.ends_with(".rs") && !name.ends_with("tests.rs") {
            let source = fs::read_to_string(&path).unwrap();
            let source = source.split("#[cfg(test)]\nmod ").next().unwrap();
            let Literals(mut literals) = syn::parse_str(source).unwrap();
            found.append(&mut literals);
        }
    }
}

/// Whether a text has all that is quoted, in this order.
fn has(text: &str, quoted: &str) -> bool {
    let mut rest = text;
    quoted.split('…').all(|piece| {
        let at = rest.find(piece);
        rest = at.map_or("", |at| &rest[at + piece.len()..]);
        at.is_some()
    })
}

#[test]
fn what_is_quoted_of_the_program_is_what_it_says() {
    let mut said = Vec::new();
    texts(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut said);
    let page = support::page("docs/when.md");
    let (mut missing, mut count) = (Vec::new(), 0);
    for block in page.blocks().iter().filter(|block| block.info == "says") {
        for (index, line) in block.text.lines().enumerate() {
            count += 1;
            assert!(line.replace('…', "").trim().len() > 10, "{line} is too short to be found");
            if !said.iter().any(|text| has(text, line)) {
                missing.push(format!("docs/when.md:{}: {line}", block.line + 1 + index));
            }
        }
    }
    assert!(count > 80, "{count} lines are quoted");
    assert!(missing.is_empty(), "nothing says:\n{}", missing.join("\n"));
}

#[test]
fn each_situation_is_found_by_what_people_see() {
    let page = support::page("docs/when.md");
    let situations = page.prose().lines().filter(|line| line.starts_with("### ")).count();
    assert!(situations >= 40, "{situations} situations");
    let linked: Vec<String> = page.links().into_iter().map(|(_, link)| link).collect();
    let levels = ["#what-to-do-when-", "#by-what-you-see", "#apps", "#deploys-and-upgrades"];
    let levels = [&levels[..], &["#servers", "#backups", "#sign-on-and-mail", "#being-told"]];
    let levels = levels.concat();
    for anchor in page.anchors().iter().map(|anchor| format!("#{anchor}")) {
        assert!(
            linked.contains(&anchor) || levels.contains(&anchor.as_str()),
            "{anchor} is in no table"
        );
    }
}

#[test]
fn what_differs_is_left_out_in_order() {
    assert!(has("`{app}` is locked by {who}", "`…` is locked"));
    assert!(!has("{who} has `{app}`", "`…` has"));
}
