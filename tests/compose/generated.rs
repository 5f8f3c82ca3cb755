//! Files made from valid ones by small changes: both programs fail or both print
//! the same. The seed is fixed; `POTLUCK_GENERATED=5000` makes more of them, and
//! `POTLUCK_SEED` others.

use crate::support;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use proptest::{
    sample::Index,
    strategy::{Strategy, ValueTree},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use serde_json::{Map, Value};
use support::{Agreement, Case, cases, check_table, compare, corpus, docker_is_missing, load};

/// How many files are made when nobody asks for more.
const USUAL: usize = 300;
/// Differences shown before the test gives up.
const MOST_SHOWN: usize = 10;

/// Values that are odd somewhere. Not `<<` and `1e400`: docker prints them so that
/// only its own reader takes them back.
const ODD: &[&str] = &[
    "null",
    "true",
    "1",
    "1.5",
    "\"\"",
    "[]",
    "{}",
    "x",
    "0",
    "-1",
    "\"1\"",
    "[a]",
    "{a: b}",
    "010",
    "5s",
    "1e3",
    "${V}",
    "$N",
    "2020-01-01",
    "~",
    "[1]",
    "[~]",
    "{a: }",
    "\"a:b\"",
    "yes",
    "1k",
    "a=b",
    "[a=b, c]",
    "80:80",
    "/x",
    ".inf",
    "[[a]]",
    "{a: {b: c}}",
    "'on'",
    "99999999999999999999",
    "[a, a]",
    "[b, a]",
    "{b: 1, a: 2.50}",
    "\"a b 'c d'\"",
    "1.0",
    "0x1F",
    "1_0",
    "-0",
    "0.1e1",
    "'${V:-d}'",
    "${N:?m}",
    "$$V",
    "${V",
    "\"\\u00e9\"",
    "é",
    "\" x \"",
    "a#b",
    "|-",
    "!!str 5",
    "!!int '5'",
    "1m30s",
    "-5s",
    "1.5h",
    "0.5gb",
    "512mb",
    "\"127.0.0.1:80:80/udp\"",
    "3000-3002:4000-4002",
    "./a:/b:ro",
    "~/a:/b",
    "v:/v",
    "a:/b:z",
    "\"::1\"",
    "no-new-privileges:true",
    "[null]",
    "{a: null}",
    "{a: true}",
    "{a: [b]}",
    "+1",
    "08",
    "1:2:3",
    "12e03",
    "1__0",
    "0b11",
    "0o17",
    ".5",
    "5.",
    "1e-7",
    "NaN",
    ".nan",
    "=",
    "null ",
];

/// What one change is made with; the numbers choose places and values.
#[derive(Debug, Clone)]
enum Change {
    /// A value in the text becomes an odd one.
    Replace(Index, Index),
    /// A line goes.
    Drop(Index),
    /// A line is there twice.
    Double(Index),
    /// A key of one service takes the value that some other file has for it.
    Borrow(Index, Index),
    /// A key of one service, or one below it, becomes an odd value.
    Disturb(Index, Index, Index),
}

fn change() -> impl Strategy<Value = Change> {
    use proptest::prelude::{any, prop_oneof};
    let index = any::<Index>;
    prop_oneof![
        3 => (index(), index()).prop_map(|(a, b)| Change::Replace(a, b)),
        1 => index().prop_map(Change::Drop),
        1 => index().prop_map(Change::Double),
        12 => (index(), index()).prop_map(|(a, b)| Change::Borrow(a, b)),
        2 => (index(), index(), index()).prop_map(|(a, b, c)| Change::Disturb(a, b, c)),
    ]
}

/// What the changes draw on.
struct Pool {
    texts: Vec<String>,
    /// Keys of services with a value they have somewhere.
    values: Vec<(String, Value)>,
}

impl Pool {
    /// Of what is valid: changes make enough that is not.
    fn new() -> Self {
        let texts: Vec<String> = cases()
            .iter()
            .chain(&corpus())
            .filter(|case| load(case).is_ok())
            .flat_map(|case| case.files.iter().map(|file| case.folder.join(file)))
            .map(|path| fs::read_to_string(path).unwrap())
            .collect();
        let mut values: Vec<(String, Value)> = vec![];
        for tree in texts.iter().filter_map(|text| tree(text)) {
            for service in services(&tree) {
                let Some(service) = service.as_object() else { continue };
                values.extend(service.iter().map(|(k, v)| (k.clone(), v.clone())));
            }
        }
        Self { texts, values }
    }

    fn apply(&self, text: &str, change: &Change) -> String {
        match change {
            Change::Replace(place, value) => replace(text, place, ODD[value.index(ODD.len())]),
            Change::Drop(line) => lines(text, line, 0),
            Change::Double(line) => lines(text, line, 2),
            Change::Borrow(service, value) => {
                let (key, value) = &self.values[value.index(self.values.len())];
                in_service(text, service, |service| {
                    service.insert(key.clone(), value.clone());
                })
            }
            Change::Disturb(service, key, value) => {
                let value = tree(&format!("v: {}", ODD[value.index(ODD.len())]));
                let value = value.map_or(Value::Null, |v| v["v"].clone());
                in_service(text, service, |service| disturb(service, key, value))
            }
        }
    }
}

/// The file as a tree, when it is one.
fn tree(text: &str) -> Option<Value> {
    serde_saphyr::from_str(text).ok().filter(Value::is_object)
}

fn services(tree: &Value) -> impl Iterator<Item = &Value> {
    tree["services"].as_object().into_iter().flat_map(Map::values)
}

fn replace(text: &str, place: &Index, value: &str) -> String {
    let after = [": ", "- ", "[", ", "];
    let mut spots: Vec<usize> = after
        .iter()
        .flat_map(|mark| text.match_indices(mark).map(|(at, mark)| at + mark.len()))
        .collect();
    spots.sort_unstable();
    if spots.is_empty() {
        return text.to_owned();
    }
    let at = spots[place.index(spots.len())];
    let end = text[at..].find([',', '}', ']', '\n']).map_or(text.len(), |end| at + end);
    format!("{}{value}{}", &text[..at], &text[end..])
}

/// One line, that many times.
fn lines(text: &str, line: &Index, times: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    if all.is_empty() {
        return String::new();
    }
    let chosen = line.index(all.len());
    let repeat =
        |(n, line): (usize, &str)| format!("{line}\n").repeat(if n == chosen { times } else { 1 });
    all.iter().copied().enumerate().map(repeat).collect()
}

fn in_service(text: &str, service: &Index, edit: impl FnOnce(&mut Map<String, Value>)) -> String {
    let Some(mut tree) = tree(text) else { return text.to_owned() };
    let Some(services) = tree["services"].as_object_mut().filter(|all| !all.is_empty()) else {
        return text.to_owned();
    };
    let chosen = service.index(services.len());
    if let Some(service) = services.values_mut().nth(chosen).and_then(Value::as_object_mut) {
        edit(service);
    }
    tree.to_string()
}

/// Puts a value at some place of a service.
fn disturb(service: &mut Map<String, Value>, place: &Index, value: Value) {
    if service.is_empty() {
        return;
    }
    let chosen = place.index(service.len() * 3);
    let Some(node) = service.values_mut().nth(chosen / 3) else { return };
    match node {
        Value::Object(map) if !chosen.is_multiple_of(3) && !map.is_empty() => {
            let inner = map.len() - 1;
            *map.values_mut().nth(inner * (chosen % 3 - 1)).unwrap() = value;
        }
        Value::Array(items) if !chosen.is_multiple_of(3) && !items.is_empty() => items[0] = value,
        node => *node = value,
    }
}

/// An overlay that speaks of the base's services.
fn overlay(base: &str, over: &str) -> String {
    let (Some(base), Some(mut over)) = (tree(base), tree(over)) else { return over.to_owned() };
    let names: Vec<String> =
        base["services"].as_object().into_iter().flat_map(Map::keys).cloned().collect();
    let services: Map<String, Value> = names.into_iter().zip(services(&over).cloned()).collect();
    if !services.is_empty() {
        over["services"] = services.into();
    }
    let version = base.get("version").cloned();
    match version {
        Some(version) => over["version"] = version,
        None => {
            over.as_object_mut().map(|over| over.remove("version"));
        }
    }
    over.to_string()
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().expect("a number"))
}

fn scratch() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compose_generated");
    fs::create_dir_all(&folder).unwrap();
    let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compose/cases/files");
    for file in fs::read_dir(files).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), folder.join(file.file_name())).unwrap();
    }
    folder
}

#[test]
fn a_changed_file_reads_as_docker_reads_it() {
    if docker_is_missing() {
        return;
    }
    let wanted = number("POTLUCK_GENERATED").map_or(USUAL, |n| usize::try_from(n).unwrap());
    let mut seed = [7_u8; 32];
    seed[..8].copy_from_slice(&number("POTLUCK_SEED").unwrap_or(1).to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let plans = {
        use proptest::prelude::{any, prop};
        let changes = || prop::collection::vec(change(), 1..3);
        (any::<Index>(), changes(), prop::option::weighted(0.4, (any::<Index>(), changes())))
    };
    let pool = Pool::new();
    let folder = scratch();
    let env: BTreeMap<String, String> = [("V", "3"), ("HOME", "/home/cook"), ("E", "")]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .into();
    let mut counts: BTreeMap<Agreement, usize> = BTreeMap::new();
    let mut different = vec![];
    for turn in 0..wanted {
        let (base, changes, over) = plans.new_tree(&mut runner).unwrap().current();
        let make = |text: &str, changes: &[Change]| {
            changes.iter().fold(text.to_owned(), |text, change| pool.apply(&text, change))
        };
        let base = make(&pool.texts[base.index(pool.texts.len())], &changes);
        fs::write(folder.join("compose.yml"), &base).unwrap();
        let mut files = vec!["compose.yml".to_owned()];
        let mut shown = base.clone();
        if let Some((other, changes)) = over {
            let other = make(&pool.texts[other.index(pool.texts.len())], &changes);
            let other = overlay(&base, &other);
            fs::write(folder.join("over.yml"), &other).unwrap();
            files.push("over.yml".into());
            shown += &format!("\n-- overlay\n{other}");
        }
        let name = format!("file {turn}");
        let case = Case { name, folder: folder.clone(), files, env: env.clone(), same_as: None };
        match compare(&case) {
            Ok(agreement) => *counts.entry(agreement).or_default() += 1,
            Err(difference) => different.push(format!("== {}\n{shown}\n{difference}", case.name)),
        }
        if different.len() == MOST_SHOWN {
            break;
        }
    }
    eprintln!("made {wanted} files: {counts:?}, {} different", different.len());
    assert!(different.is_empty(), "{}", different.join("\n"));
    if wanted == USUAL && number("POTLUCK_SEED").is_none() {
        let count = |agreement| counts.get(&agreement).copied().unwrap_or_default();
        let numbers = [Agreement::Equal, Agreement::Refused, Agreement::Beyond].map(count);
        check_table("config: changed files", &[&[USUAL], numbers.as_slice(), &[0]].concat());
    }
    // A generator that only makes rubbish would prove nothing.
    let equal = counts.get(&Agreement::Equal).copied().unwrap_or_default();
    assert!(equal * 5 > wanted, "only {equal} of {wanted} files were valid");
}
