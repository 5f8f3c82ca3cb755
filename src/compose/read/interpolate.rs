//! `${NAME}` in values, with docker's grammar (docker/cli, `compose/template`
//! and `compose/loader/interpolate.go`).
//!
//! The grammar is one regular expression, `\$(?i:(\$)|(N)|{(N)}|())` with `N =
//! [_a-z][_a-z0-9]*(?::?[-?][^}]*)?`, so that the operator also works without braces,
//! defaults do not nest, and `:+` does not exist. Operators are looked for as substrings,
//! `:-` and `-` before `:?` and `?`: `${V:?set me - please}` never fails. If docker's
//! reading is surely not what the author meant, a [`Note`] says so.

use crate::compose::problem::{Path, Sink, Spot};

use super::{
    blanks::{self, Blank},
    yaml::{Map, Node, Value},
};

/// Looks a variable up.
pub type Lookup<'a> = &'a (dyn Fn(&str) -> Option<String> + Sync);

/// Something that docker reads differently than it looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    pub at: Spot,
    pub path: String,
    pub kind: NoteKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoteKind {
    /// `${V:?… - …}`: holds a dash, so that docker takes it for a default.
    RequiredNeverFails(String),
    /// `${V:-…${W}…}`, which ends at its first brace.
    DefaultNested(String),
    /// A variable that is required or malformed, hidden by a later one in the
    /// same value: docker keeps only the last outcome.
    ErrorSwallowed(String),
    /// Something of the Compose specification that docker refuses in a stack.
    BeyondDocker,
    /// Options of an overlay's `logging` that docker loses, because the base
    /// names a driver but no options.
    LoggingOptionsLost,
    /// An entry of a list that docker's merge takes for another one.
    EntryLost { what: String, kept: Spot },
    /// A value of an overlay that replaces nothing, and the position of the value that is kept.
    NotReplaced { base: Spot },
    /// A definition that replaces another one, with what the other one had.
    DefinitionReplaced { what: String, base: Spot },
    /// A YAML tag that docker ignores, and what becomes of the value.
    TagIgnored { tag: String, is_unsafe: bool, effect: TagEffect },
    /// Quotes that become part of a value, and where.
    QuotesKept(String),
    /// A line of an environment file that is not read as it looks.
    EnvFileRaw(String),
    /// A character that shows nothing.
    Invisible(char),
    /// A name with a blank at its start or end.
    BlankAtEdge(Blank),
    /// A variable that is set nowhere and has no default.
    VariableUnset(String),
    /// A variable that a service should receive from the environment, and that is not set.
    PassedUnset(String),
    /// A number, date or boolean that becomes another text.
    ValueChanged { written: String, becomes: String },
    /// An entry that docker drops or takes for another one, and how to write it.
    EntryMisread { what: String, instead: String },
    /// A definition that no service uses, and what docker does with it.
    Unused(&'static str),
}

/// How docker treats a value whose tag it ignores.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TagEffect {
    /// It is this text.
    Text(String),
    /// It is added to the value of the earlier files.
    Joins,
    /// It replaces that.
    Replaces,
    /// It is empty, and that stays.
    Nothing,
    /// There is nothing before it.
    Alone,
}

/// Casts that docker does, only where substitution changed the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cast {
    Int,
    Float,
    Bool,
}

/// `*` stands for any one key, `[]` for any list position.
const CASTS: &[(&str, Cast)] = &[
    ("services.*.configs.[].mode", Cast::Int),
    ("services.*.secrets.[].mode", Cast::Int),
    ("services.*.healthcheck.retries", Cast::Int),
    ("services.*.healthcheck.disable", Cast::Bool),
    ("services.*.deploy.replicas", Cast::Int),
    ("services.*.deploy.update_config.parallelism", Cast::Int),
    ("services.*.deploy.update_config.max_failure_ratio", Cast::Float),
    ("services.*.deploy.rollback_config.parallelism", Cast::Int),
    ("services.*.deploy.rollback_config.max_failure_ratio", Cast::Float),
    ("services.*.deploy.restart_policy.max_attempts", Cast::Int),
    ("services.*.deploy.placement.max_replicas_per_node", Cast::Int),
    ("services.*.ports.[].target", Cast::Int),
    ("services.*.ports.[].published", Cast::Int),
    ("services.*.ulimits.*", Cast::Int),
    ("services.*.ulimits.*.hard", Cast::Int),
    ("services.*.ulimits.*.soft", Cast::Int),
    ("services.*.privileged", Cast::Bool),
    ("services.*.oom_score_adj", Cast::Int),
    ("services.*.read_only", Cast::Bool),
    ("services.*.stdin_open", Cast::Bool),
    ("services.*.tty", Cast::Bool),
    ("services.*.volumes.[].read_only", Cast::Bool),
    ("services.*.volumes.[].volume.nocopy", Cast::Bool),
    ("networks.*.external", Cast::Bool),
    ("networks.*.internal", Cast::Bool),
    ("networks.*.attachable", Cast::Bool),
    ("volumes.*.external", Cast::Bool),
    ("secrets.*.external", Cast::Bool),
    ("configs.*.external", Cast::Bool),
];

/// Replaces variables in all values of a file, keys excepted.
/// `filled` counts the bytes that came so, over all files.
pub fn interpolate(
    root: &mut Map,
    lookup: Lookup<'_>,
    sink: &mut Sink,
    notes: &mut Vec<Note>,
    filled: &mut usize,
) {
    for entry in &mut root.0 {
        walk(&mut entry.value, Path::Root.key(&entry.key), lookup, sink, notes, filled);
    }
}

fn walk(
    node: &mut Node,
    path: Path<'_>,
    lookup: Lookup<'_>,
    sink: &mut Sink,
    notes: &mut Vec<Note>,
    filled: &mut usize,
) {
    match &mut node.value {
        Value::List(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                walk(item, path.index(index), lookup, sink, notes, filled);
            }
        }
        Value::Map(map) => {
            for entry in &mut map.0 {
                walk(&mut entry.value, path.key(&entry.key), lookup, sink, notes, filled);
            }
        }
        Value::Str(text) if text.contains('$') => {
            // Said once; what follows is not read.
            if *filled == MOST_FILLED {
                return;
            }
            let mut kinds = vec![];
            let mut left = MOST_FILLED - *filled;
            let outcome = substitute(text, lookup, &mut kinds, &mut left);
            *filled = MOST_FILLED - left;
            // What is there to be merged by hand is used where it is copied to.
            let aside = path.section().starts_with("x-");
            let left_out = aside || notes.len() > MOST_NOTES;
            kinds.retain(|kind| !(left_out && matches!(kind, NoteKind::VariableUnset(_))));
            notes.extend(kinds.into_iter().map(|kind| Note {
                at: node.at,
                path: path.to_string(),
                kind,
            }));
            if let Ok(new) = &outcome {
                notes.extend(blank_at_edge(new, text, node.at, path, lookup));
            }
            match outcome {
                Ok(new) if new == *text => {}
                Ok(new) => match cast(&path.pattern(), new) {
                    Ok(value) => node.value = value,
                    Err(wrong) => {
                        let (message, hint) = wrong.explain(path.last(), text, lookup);
                        sink.fault(node.at, path, message, hint);
                    }
                },
                Err(error) => sink.hint(node.at, path, error.message, error.hint),
            }
        }
        Value::Str(text) => notes.extend(blank_at_edge(text, text, node.at, path, lookup)),
        _ => {}
    }
}

fn blank_at_edge(
    value: &str,
    written: &str,
    at: Spot,
    path: Path<'_>,
    lookup: Lookup<'_>,
) -> Option<Note> {
    let blank = blanks::is_odd(value, path)
        .then(|| blanks::find(value, written, &names(written), lookup))
        .flatten()?;
    Some(Note { at, path: path.to_string(), kind: NoteKind::BlankAtEdge(blank) })
}

/// The type that docker expects there and that a value does not have.
#[derive(Debug, PartialEq, Eq)]
struct Uncast {
    value: String,
    wanted: &'static str,
    not: &'static str,
}

impl Uncast {
    /// What is wrong with a value that was written as `text`. For an empty value
    /// the cause is named: the variable.
    fn explain(self, key: &str, text: &str, lookup: Lookup<'_>) -> (String, Option<String>) {
        let Uncast { value, wanted, not } = self;
        if !value.is_empty() {
            return (format!("`{value}` {not}"), None);
        }
        let names = names(text);
        let Some(first) = names.first() else { return (format!("`{text}` {not}"), None) };
        let is = if lookup(first).is_some() { "empty" } else { "not set" };
        let message = format!("{first} is {is}, but `{key}: {text}` needs {wanted}");
        (message, Some(format!("set {first}, or write a default: `${{{first}:-…}}`")))
    }
}

/// The variables of a value, in order.
fn names(text: &str) -> Vec<&str> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let names = text.split('$').skip(1).map(|rest| {
        let rest = rest.strip_prefix('{').unwrap_or(rest);
        &rest[..rest.find(|c| !is_name(c)).unwrap_or(rest.len())]
    });
    names.filter(|name| !name.is_empty()).collect()
}

fn cast(path: &str, text: String) -> Result<Value, Uncast> {
    let Some((_, cast)) = CASTS.iter().find(|(pattern, _)| matches(pattern, path)) else {
        return Ok(Value::Str(text));
    };
    let (value, wanted, not) = match cast {
        Cast::Int => {
            (atoi(&text).map(|i| Value::Int(i.into())), "a number", "is not a whole number")
        }
        Cast::Float => (text.parse().ok().map(Value::Float), "a number", "is not a number"),
        Cast::Bool => {
            let flag = match text.to_lowercase().as_str() {
                "y" | "yes" | "true" | "on" => Some(true),
                "n" | "no" | "false" | "off" => Some(false),
                _ => None,
            };
            (flag.map(Value::Bool), "`true` or `false`", "is neither true nor false")
        }
    };
    value.ok_or(Uncast { value: text, wanted, not })
}

/// Go's `strconv.Atoi`: decimal only.
fn atoi(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    (!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

fn matches(pattern: &str, path: &str) -> bool {
    let mut parts = path.split('.');
    pattern.split('.').all(|p| parts.next().is_some_and(|part| p == "*" || p == part))
        && parts.next().is_none()
}

/// No more than this number of notes is kept: so many have one common
/// cause.
pub const MOST_NOTES: usize = 10_000;
const MOST_NOTES_OF_A_VALUE: usize = 100;

/// Why a value cannot be interpolated.
#[derive(Debug, PartialEq, Eq)]
pub struct Invalid {
    pub message: String,
    pub hint: String,
}

/// Most bytes that all values together may have once variables are filled in: a few
/// kilobytes that repeat a long variable could become gigabytes. Values that are dropped
/// later count as well, because they were built.
const MOST_FILLED: usize = 16 << 20;

/// Replaces all variables of one value; `left` are the bytes that may still come.
pub fn substitute(
    text: &str,
    lookup: Lookup<'_>,
    notes: &mut Vec<NoteKind>,
    left: &mut usize,
) -> Result<String, Invalid> {
    let mut out = String::with_capacity(text.len());
    let most = *left;
    let mut error: Option<Invalid> = None;
    for piece in pieces(text) {
        let expression = match piece {
            Piece::Text(text) => {
                out.push_str(text);
                continue;
            }
            Piece::Malformed(rest) => {
                error = Some(malformed(rest));
                continue;
            }
            Piece::Variable { expression, .. } => expression,
        };
        let outcome = resolve(expression, lookup, notes);
        // Docker keeps the last outcome only.
        if let Some(lost) = error.take() {
            notes.push(NoteKind::ErrorSwallowed(lost.message));
        }
        match outcome {
            Ok(value) => out.push_str(&value),
            Err(e) => error = Some(e),
        }
        if out.len() > most {
            *left = 0;
            return Err(Invalid {
                message: format!(
                    "with its variables the stack is longer than {} MiB",
                    MOST_FILLED >> 20
                ),
                hint: "shorten the values, or what repeats them".into(),
            });
        }
    }
    *left = most.saturating_sub(out.len());
    error.map_or(Ok(out), Err)
}

/// A part of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    Text(&'a str),
    Variable {
        /// With the dollar sign, and the braces where it has them.
        written: &'a str,
        /// `N` of the grammar: `NAME`, `NAME:-default`.
        expression: &'a str,
    },
    /// A dollar sign before something else, which is this.
    Malformed(&'a str),
}

/// The parts of a value, in order.
pub fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut left = text;
    std::iter::from_fn(move || {
        let whole = left;
        let Some(rest) = whole.strip_prefix('$') else {
            let (text, behind) = whole.split_at(whole.find('$').unwrap_or(whole.len()));
            left = behind;
            return (!text.is_empty()).then_some(Piece::Text(text));
        };
        if let Some(behind) = rest.strip_prefix('$') {
            left = behind;
            return Some(Piece::Text(&rest[..1]));
        }
        let braced = rest.starts_with('{');
        let inner = if braced { &rest[1..] } else { rest };
        // With braces the operator must end at the brace; a name followed by
        // anything else is malformed.
        let Some(len) = variable(inner).filter(|len| !braced || inner[*len..].starts_with('}'))
        else {
            left = rest;
            return Some(Piece::Malformed(rest));
        };
        let (expression, behind) = inner.split_at(len);
        left = &behind[usize::from(braced)..];
        Some(Piece::Variable { written: &whole[..whole.len() - left.len()], expression })
    })
}

/// Name and default of a variable; none for one without a default.
pub fn default_of(expression: &str) -> Option<(&str, &str)> {
    expression.split_once(":-").or_else(|| expression.split_once('-'))
}

/// The names of variables that must have a value (`:?`) in a line of a file.
pub fn required(line: &str) -> impl Iterator<Item = &str> {
    pieces(line).filter_map(|piece| match piece {
        Piece::Variable { expression, .. } if default_of(expression).is_none() => {
            expression.split_once(":?").map(|(name, _)| name)
        }
        _ => None,
    })
}

/// Length of `N` at the start of the text.
fn variable(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    if !bytes.first().is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_') {
        return None;
    }
    let name = bytes.iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
    let operator = match &bytes[name..] {
        [b':', b'-' | b'?', ..] => 2,
        [b'-' | b'?', ..] => 1,
        _ => return Some(name),
    };
    let argument = &text[name + operator..];
    Some(name + operator + argument.find('}').unwrap_or(argument.len()))
}

fn resolve(
    expression: &str,
    lookup: Lookup<'_>,
    notes: &mut Vec<NoteKind>,
) -> Result<String, Invalid> {
    if let Some((name, default)) = default_of(expression) {
        if name.contains('?') {
            notes.push(NoteKind::RequiredNeverFails(expression.to_owned()));
        }
        if default.contains("${") && notes.len() < MOST_NOTES_OF_A_VALUE {
            notes.push(NoteKind::DefaultNested(expression.to_owned()));
        }
        let soft = expression.contains(":-");
        return Ok(match lookup(name) {
            Some(value) if !(soft && value.is_empty()) => value,
            _ => default.to_owned(),
        });
    }
    if let Some((name, message)) =
        expression.split_once(":?").or_else(|| expression.split_once('?'))
    {
        let may_be_empty = !expression.contains(":?");
        return match lookup(name) {
            Some(value) if may_be_empty || !value.is_empty() => Ok(value),
            _ => Err(Invalid {
                message: if message.is_empty() {
                    format!("the variable {name} must be set")
                } else {
                    format!("the variable {name} must be set: {message}")
                },
                hint: format!(
                    "set {name}: in the settings of an app, in the environment of a `stack` command"
                ),
            }),
        };
    }
    Ok(lookup(expression).unwrap_or_else(|| {
        let note = NoteKind::VariableUnset(expression.to_owned());
        if notes.len() < MOST_NOTES_OF_A_VALUE && !notes.contains(&note) {
            notes.push(note);
        }
        String::new()
    }))
}

fn malformed(rest: &str) -> Invalid {
    let shown: String = rest.chars().take_while(|c| !c.is_whitespace()).take(20).collect();
    let hint = if rest.starts_with('{') && rest.contains('+') {
        "`+` is not available: write `${NAME:-default}`, `${NAME:?message}` or `$$` for a dollar sign"
    } else {
        "write `$$` for a dollar sign"
    };
    Invalid { message: format!("`${shown}` is not a variable"), hint: hint.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(name: &str) -> Option<String> {
        match name {
            "FOO" => Some("foo".into()),
            "EMPTY" => Some(String::new()),
            _ => None,
        }
    }

    #[test]
    fn values_are_substituted_as_docker_does() {
        for (text, expected) in [
            ("$$", "$"),
            ("a $FOO b", "a foo b"),
            ("${FOO}", "foo"),
            ("$NOPE|${NOPE}", "|"),
            ("${NOPE:-d}", "d"),
            ("${EMPTY:-d}", "d"),
            ("${EMPTY-d}", ""),
            ("${NOPE-d}", "d"),
            ("${FOO:?m}", "foo"),
            ("${EMPTY?m}", ""),
            ("$FOO-bar", "foo"),
            ("$NOPE-bar", "bar"),
            ("$NOPE-bar} tail", "bar} tail"),
            ("${NOPE:-${W}}", "${W}"),
            ("${FOO:-a}b}", "foob}"),
            ("${NOPE:?must be set - please}", " please"),
            ("$$$FOO", "$foo"),
            ("$$FOO", "$FOO"),
            ("${foo}", ""),
            ("ü$FOOü", "üfooü"),
            ("$1 $FOO", " foo"),
            ("${NOPE:?x} $FOO", " foo"),
        ] {
            // The last two lose their error, as in docker: "$1" leaves "1".
            let expected = if text == "$1 $FOO" { "1 foo" } else { expected };
            assert_eq!(
                substitute(text, &env, &mut vec![], &mut { MOST_FILLED }).as_deref(),
                Ok(expected),
                "{text}"
            );
        }
    }

    #[test]
    fn an_empty_value_names_its_variable() {
        for (key, text, expected) in [
            ("published", "${PORT}", "PORT is not set, but `published: ${PORT}` needs a number"),
            ("replicas", "$EMPTY", "EMPTY is empty, but `replicas: $EMPTY` needs a number"),
            ("tty", "${A}${B}", "A is not set, but `tty: ${A}${B}` needs `true` or `false`"),
        ] {
            let path = match key {
                "published" => "services.a.ports.[].published",
                "replicas" => "services.a.deploy.replicas",
                _ => "services.a.tty",
            };
            let (message, hint) = cast(path, String::new()).unwrap_err().explain(key, text, &env);
            assert_eq!(message, expected);
            assert!(hint.is_some_and(|hint| hint.starts_with("set ")));
        }
        let wrong = cast("services.a.tty", "maybe".into()).unwrap_err();
        assert_eq!(wrong.explain("tty", "$X", &env).0, "`maybe` is neither true nor false");
    }

    #[test]
    fn what_is_no_variable_is_an_error() {
        for text in [
            "${V:+x}",
            "${V+x}",
            "${V/a/b}",
            "${V:0:1}",
            "${}",
            "$1",
            "$",
            "a$",
            "${V",
            "$ x",
            "${FOO:?",
            "${NOPE:?m}",
            "${EMPTY:?m}",
            "${NOPE?}",
            "$NOPE?x",
            "$FOO $1",
        ] {
            assert!(substitute(text, &env, &mut vec![], &mut { MOST_FILLED }).is_err(), "{text}");
        }
    }

    #[test]
    fn a_check_that_cannot_fail_is_noted() {
        let mut notes = vec![];
        let _ = substitute("${NOPE:?must be set - please}", &env, &mut notes, &mut { MOST_FILLED });
        assert!(matches!(notes[..], [NoteKind::RequiredNeverFails(_)]));
        let mut notes = vec![];
        let _ = substitute("${NOPE:?x} $FOO", &env, &mut notes, &mut { MOST_FILLED });
        assert!(matches!(notes[..], [NoteKind::ErrorSwallowed(_)]));
    }

    #[test]
    fn a_default_in_a_default_is_noted() {
        let mut notes = vec![];
        let text = "${NOPE:-https://${FOO}}";
        let value = substitute(text, &env, &mut notes, &mut { MOST_FILLED }).unwrap();
        assert_eq!(value, "https://${FOO}");
        let note = NoteKind::DefaultNested("NOPE:-https://${FOO".into());
        assert_eq!(notes, [note]);
        assert_eq!(
            substitute("${FOO:-${NOPE}}", &env, &mut vec![], &mut { MOST_FILLED }).unwrap(),
            format!("{}}}", env("FOO").unwrap())
        );
    }

    #[test]
    fn casts_need_the_exact_path() {
        assert_eq!(cast("services.a.tty", "On".into()), Ok(Value::Bool(true)));
        assert_eq!(cast("services.a.init", "true".into()), Ok(Value::Str("true".into())));
        assert_eq!(cast("services.a.ports.[].target", "080".into()), Ok(Value::Int(80)));
        assert_eq!(cast("services.a.b.tty", "on".into()), Ok(Value::Str("on".into())));
        assert!(cast("services.a.tty", "1".into()).is_err());
        assert!(cast("services.a.deploy.replicas", "two".into()).is_err());
    }

    #[test]
    fn required_variables_are_named() {
        let line = "a ${A:?x} $B ${C:-d} ${D:?a - b} ${E?} $$F ${";
        assert_eq!(required(line).collect::<Vec<_>>(), ["A"]);
    }
}
