//! Where docker misreads or loses what is written.

use std::collections::HashSet;

use super::{Findings, LintOptions};
use crate::{
    compose::{
        problem::Spot,
        read::{
            blanks::Blank,
            interpolate::{Note, NoteKind, TagEffect},
        },
    },
    hint::nearest,
    lint::{Severity, rules},
};

pub fn check(notes: &[Note], options: &LintOptions<'_>, findings: &mut Findings<'_>) {
    let mut said = HashSet::new();
    for note in notes {
        // The tag is the cause.
        let tagged = |other: &Note| {
            matches!(&other.kind, NoteKind::TagIgnored { effect, .. }
                if !matches!(effect, TagEffect::Text(_)))
                && other.path == note.path
        };
        // An alias copies a value, and its place.
        let once = match &note.kind {
            NoteKind::VariableUnset(name) => Some(name),
            NoteKind::ValueChanged { written, .. } => Some(written),
            _ => None,
        };
        if once.is_some_and(|text| !said.insert((note.at, text))) {
            continue;
        }
        if let NoteKind::VariableUnset(name) | NoteKind::PassedUnset(name) = &note.kind {
            variable_unset(name, note, options, findings);
            continue;
        }
        if matches!(note.kind, NoteKind::NotReplaced { .. }) && notes.iter().any(tagged) {
            continue;
        }
        // So is a message that became the value, and a variable that is lost.
        let misread = |other: &Note| {
            let of_variable =
                matches!(other.kind, NoteKind::RequiredNeverFails(_) | NoteKind::ErrorSwallowed(_));
            of_variable && other.path == note.path
        };
        if matches!(note.kind, NoteKind::BlankAtEdge(_)) && notes.iter().any(misread) {
            continue;
        }
        one(note, findings);
    }
}

fn one(note: &Note, findings: &mut Findings<'_>) {
    let place =
        |spot: Spot| findings.texts.position(spot).unwrap_or_else(|| "the first file".into());
    let (rule, message) = match &note.kind {
        NoteKind::BeyondDocker => (&rules::BEYOND_DOCKER, rules::BEYOND_DOCKER.reason.to_owned()),
        NoteKind::RequiredNeverFails(text) => (
            &rules::REQUIRED_NEVER_FAILS,
            format!(
                "docker takes `${{{text}}}` for a default, because the message holds a dash: it \
                 never fails"
            ),
        ),
        NoteKind::DefaultNested(text) => (
            &rules::NESTED_DEFAULT,
            format!(
                "docker reads `${{{text}}}` to this brace: the variable within is not filled in, \
                 and the next brace is text"
            ),
        ),
        NoteKind::ErrorSwallowed(error) => (
            &rules::ERROR_SWALLOWED,
            format!("{error}; docker says nothing, because another variable follows"),
        ),
        NoteKind::LoggingOptionsLost => (
            &rules::LOGGING_OPTIONS_LOST,
            "docker drops these options: the earlier file names a driver without options"
                .to_owned(),
        ),
        NoteKind::EntryLost { what, kept } => (
            &rules::MERGE_LOSES,
            format!(
                "docker loses {what} when it merges the files: {} takes its place",
                place(*kept)
            ),
        ),
        NoteKind::NotReplaced { base } => (
            &rules::OVERLAY_WITHOUT_EFFECT,
            format!(
                "false, zero and empty values replace nothing: the value in {} is kept",
                place(*base)
            ),
        ),
        NoteKind::DefinitionReplaced { what, base } => (
            &rules::MERGE_LOSES,
            format!("this replaces the definition at {} as a whole and loses {what}", place(*base)),
        ),
        NoteKind::TagIgnored { tag, is_unsafe, effect } => {
            let effect = match effect {
                TagEffect::Text(text) => format!("the value is the text `{text}`"),
                TagEffect::Joins => "the value is merged into that of the earlier files".to_owned(),
                TagEffect::Replaces => {
                    "the value replaces that of the earlier files, as it would without the tag"
                        .to_owned()
                }
                TagEffect::Nothing => {
                    "an empty value replaces nothing: the value of the earlier files is kept"
                        .to_owned()
                }
                TagEffect::Alone => "the value is taken literally".to_owned(),
            };
            let rule = if *is_unsafe { &rules::TAG_UNSAFE } else { &rules::TAG_IGNORED };
            (rule, format!("docker ignores `{tag}`: {effect}"))
        }
        NoteKind::QuotesKept(place) => (
            &rules::QUOTES_KEPT,
            format!(
                "{place} begins and ends with a quote: docker keeps both, as part of the value"
            ),
        ),
        NoteKind::EnvFileRaw(what) => (&rules::ENV_FILE_RAW, what.clone()),
        NoteKind::Invisible(c) => (
            &rules::INVISIBLE_CHARACTER,
            format!("it holds the invisible character U+{:04X}", u32::from(*c)),
        ),
        NoteKind::BlankAtEdge(blank) => (&rules::BLANK_AT_EDGE, blank.message.clone()),
        NoteKind::VariableUnset(_) | NoteKind::PassedUnset(_) => return,
        NoteKind::ValueChanged { written, becomes } => (
            &rules::VALUE_CHANGED,
            format!("without quotes, `{written}` is not text: it becomes `{becomes}`"),
        ),
        NoteKind::EntryMisread { what, .. } => (&rules::ENTRY_MISREAD, what.clone()),
        NoteKind::Unused(effect) => {
            (&rules::UNUSED_DEFINITION, format!("no service uses it: {effect}"))
        }
    };
    let finding = findings.push(rule, note.at, note.path.clone(), message);
    match &note.kind {
        NoteKind::BlankAtEdge(Blank { variable: Some(variable), .. }) => {
            finding.fix = Some(format!("remove the blank where {variable} is set"));
        }
        NoteKind::ValueChanged { written, .. } => {
            finding.fix = Some(format!("write \"{written}\""))
        }
        NoteKind::EntryMisread { instead, .. } => finding.fix = Some(format!("write `{instead}`")),
        // What its author wants is what happens.
        NoteKind::TagIgnored { tag, effect: TagEffect::Replaces, .. } if tag == "!override" => {
            finding.severity = Severity::Info;
            finding.fix = Some("remove the tag".to_owned());
        }
        _ => {}
    }
}

fn variable_unset(
    name: &String,
    note: &Note,
    options: &LintOptions<'_>,
    findings: &mut Findings<'_>,
) {
    // Of an app, the version of a secret that is missing is said as that.
    let is_told = options.checkout.is_some() && name.starts_with("SECRET_");
    if is_told || options.optional.contains(name) {
        return;
    }
    let passed = matches!(note.kind, NoteKind::PassedUnset(_));
    let message = match passed {
        true => format!("the variable `{name}` is set nowhere: the service does not get it"),
        false => format!("the variable `{name}` is set nowhere and has no default: it is empty"),
    };
    let finding = findings.push(&rules::VARIABLE_UNSET, note.at, note.path.clone(), message);
    finding.fix = Some(match nearest(name, options.variables.iter().map(String::as_str)) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None if passed => format!("set it, or write `{name}=VALUE`"),
        None => format!("set it, or write `${{{name}:-}}` where it may be empty"),
    });
}
