//! Where docker reads something else than what is written, or loses it.

use super::Findings;
use crate::{
    compose::{
        problem::Spot,
        read::{
            blanks::Blank,
            interpolate::{Note, NoteKind},
        },
    },
    lint::rules,
};

pub fn check(notes: &[Note], findings: &mut Findings<'_>) {
    for note in notes {
        // The tag is the cause.
        let tagged = |other: &Note| {
            matches!(other.kind, NoteKind::TagIgnored { .. }) && other.path == note.path
        };
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
        NoteKind::ErrorSwallowed(error) => (
            &rules::ERROR_SWALLOWED,
            format!("{error}; docker says nothing, because another variable follows"),
        ),
        NoteKind::LoggingOptionsLost => (
            &rules::LOGGING_OPTIONS_LOST,
            "docker drops these options: the file before names a driver without options".to_owned(),
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
            format!("false, zero and nothing replace nothing: what {} says stays", place(*base)),
        ),
        NoteKind::DefinitionReplaced { what, base } => (
            &rules::MERGE_LOSES,
            format!("this replaces the definition at {} as a whole and loses {what}", place(*base)),
        ),
        NoteKind::TagIgnored { tag, is_unsafe, text } => {
            let effect = match text {
                Some(text) => format!("the value is the text `{text}`"),
                None => "the value merges into what the files before say, which stays".to_owned(),
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
            format!("it holds the character U+{:04X}, which nobody sees", u32::from(*c)),
        ),
        NoteKind::BlankAtEdge(blank) => (&rules::BLANK_AT_EDGE, blank.message.clone()),
    };
    let finding = findings.push(rule, note.at, note.path.clone(), message);
    if let NoteKind::BlankAtEdge(Blank { variable: Some(variable), .. }) = &note.kind {
        finding.fix = Some(format!("take the blank out of {variable} where that is set"));
    }
}
