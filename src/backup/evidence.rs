//! What a drill found, signed by the machine that made it, with the key of its backups.
//!
//! As with manifests, the very text is signed, and precedes nothing else: the signature of a
//! manifest does not fit evidence. A piece of evidence says whose it is, so that one that was
//! copied to another app is not believed there.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    error::Error,
    results::Recorded,
    set::{
        ItemKind,
        signed::{Signature, signer_of},
        signing::Signing,
    },
};
use crate::{
    app::Context,
    home::{AppEntry, Fingerprint, Home},
};

/// The form that is written.
const FORMAT: u32 = 1;
/// Precedes what is signed, so that a signature is good for nothing else.
const DOMAIN: &[u8] = b"potluck drill evidence 1\n";

/// What a drill found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The potluck that made it.
    pub potluck: String,
    /// The app whose backup it is, and its server.
    pub app: String,
    pub server: String,
    /// The server that the drill was on.
    pub on: String,
    /// The account and the machine that ran it.
    pub by: String,
    pub began: Timestamp,
    pub ended: Timestamp,
    /// Whether all of it was restored, ran, passed its checks and was removed again.
    pub ok: bool,
    /// Why not.
    pub error: Option<String>,
    /// The backup; none where none could be read.
    pub set: Option<String>,
    /// When it was taken.
    pub taken: Option<Timestamp>,
    pub recipe: Option<String>,
    pub version: Option<String>,
    pub items: Vec<Restored>,
    pub steps: Vec<StepTime>,
    /// What was checked, and was good.
    pub checks: Vec<String>,
    /// What of the app did not take part, because a drill reaches nothing.
    pub left_out: Vec<String>,
}

/// An item of the backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    pub kind: ItemKind,
    pub name: String,
    pub bytes: u64,
    /// The id of its content, which is the same in every copy of the repository.
    pub tree: Option<String>,
}

/// How long a part of the drill took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepTime {
    pub step: String,
    pub seconds: f64,
}

impl StepTime {
    /// All parts together, in seconds.
    pub fn total(steps: &[StepTime]) -> f64 {
        // The sum of no floats is -0.0.
        steps.iter().fold(0.0, |total, step| total + step.seconds)
    }
}

/// A piece of evidence and its signature, as they are stored.
#[derive(Debug, Serialize, Deserialize)]
struct Envelope {
    format: u32,
    /// The public key, in hex.
    key: String,
    /// In hex.
    signature: String,
    /// The text that was signed.
    evidence: String,
}

/// A piece of evidence in the folder.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Filed {
    pub file: String,
    /// Whose key signed it, if a machine of the team did.
    pub signer: Option<Fingerprint>,
    /// Why it is not believed.
    pub distrust: Option<String>,
    /// What it says; none where it cannot be read.
    pub evidence: Option<Evidence>,
}

impl Filed {
    /// What it says, if that is believed.
    pub fn believed(&self) -> Option<&Evidence> {
        self.evidence.as_ref().filter(|_| self.distrust.is_none())
    }
}

/// Signs evidence and keeps it in the folder; returns where it is.
///
/// # Errors
/// A key that cannot be used; a folder that cannot be written.
pub(crate) fn file(
    context: &Context,
    app: &AppEntry,
    evidence: &Evidence,
) -> Result<PathBuf, Error> {
    let signing = Signing::of_this_machine(context)?;
    let bytes = seal(&signing, evidence);
    let fingerprint = signing.fingerprint();
    let began = evidence.began.strftime("%Y%m%dT%H%M%S%3fZ");
    let stem = format!("{began}-{}", &fingerprint.as_str()[..8]);
    Ok(context.home.write_evidence(app, &stem, &bytes)?)
}

fn seal(signing: &Signing, evidence: &Evidence) -> Vec<u8> {
    let text = serde_json::to_string_pretty(evidence).expect("plain data");
    let (key, signature) = signing.sign(DOMAIN, &text);
    let envelope = Envelope { format: FORMAT, key, signature, evidence: text };
    let mut json = serde_json::to_vec_pretty(&envelope).expect("plain data");
    json.push(b'\n');
    json
}

/// All evidence of an app, oldest first, each with whether it is believed.
///
/// # Errors
/// What cannot be read.
pub fn evidence(home: &Home, app: &AppEntry) -> Result<Vec<Filed>, Error> {
    let team: Vec<Fingerprint> = home.signers()?.into_iter().map(|(it, _)| it).collect();
    let filed = home.evidence(app)?.into_iter();
    Ok(filed.map(|(file, bytes)| judge(file, &bytes, app, &team)).collect())
}

/// When an app's backup was drilled last, whatever came of it.
///
/// # Errors
/// As [`evidence()`].
pub fn last_drill(home: &Home, app: &AppEntry) -> Result<Option<Timestamp>, Error> {
    let filed = evidence(home, app)?;
    Ok(filed.iter().filter_map(|it| Some(it.believed()?.began)).max())
}

/// How the last drill of an app went, as evidence that is believed says.
///
/// # Errors
/// As [`evidence()`].
pub(crate) fn last_result(home: &Home, app: &AppEntry) -> Result<Option<Recorded>, Error> {
    let filed = evidence(home, app)?;
    let believed: Vec<&Evidence> = filed.iter().filter_map(Filed::believed).collect();
    let last_ok = believed.iter().filter(|it| it.ok).map(|it| it.ended).max();
    let last = believed.into_iter().max_by_key(|it| it.began);
    Ok(last.map(|it| Recorded {
        at: it.ended,
        ok: it.ok,
        error: it.error.clone(),
        last_ok,
        part: None,
    }))
}

/// So many of the apps whose last drill is the longest ago, of those first that had none: over
/// time, every app has its turn, also after failures.
pub fn due(mut apps: Vec<(AppEntry, Option<Timestamp>)>, count: usize) -> Vec<AppEntry> {
    apps.sort_by(|(a, a_last), (b, b_last)| {
        (a_last, &a.server, &a.name).cmp(&(b_last, &b.server, &b.name))
    });
    apps.into_iter().take(count).map(|(app, _)| app).collect()
}

fn judge(file: String, stored: &[u8], app: &AppEntry, team: &[Fingerprint]) -> Filed {
    let unreadable = |reason: String| Filed {
        file: file.clone(),
        signer: None,
        distrust: Some(reason),
        evidence: None,
    };
    let envelope: Envelope = match serde_json::from_slice(stored) {
        Ok(envelope) => envelope,
        Err(error) => return unreadable(format!("it cannot be read: {error}")),
    };
    if envelope.format != FORMAT {
        let format = envelope.format;
        return unreadable(format!("its format is {format}; this potluck reads {FORMAT}"));
    }
    let text = &envelope.evidence;
    let evidence: Evidence = match serde_json::from_str(text) {
        Ok(evidence) => evidence,
        Err(error) => return unreadable(format!("it cannot be read: {error}")),
    };
    let (signer, distrust) =
        match signer_of(DOMAIN, &envelope.key, &envelope.signature, text.as_bytes()) {
            Signature::By(key) if !team.contains(&key) => {
                let reason = format!("it is signed by {key}, which is not a signer of the team");
                (None, Some(reason))
            }
            Signature::By(key) => (Some(key), None),
            Signature::Wrong | Signature::Missing => {
                (None, Some("its signature is not of this text".into()))
            }
        };
    let is_own = evidence.app == app.name.as_str() && evidence.server == app.server.as_str();
    let other = (!is_own).then(|| format!("it is of {} on {}", evidence.app, evidence.server));
    Filed { file, signer, distrust: distrust.or(other), evidence: Some(evidence) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::set::signing::signing;

    fn of(app: &str) -> Evidence {
        let at: Timestamp = "2026-11-27T03:00:00Z".parse().unwrap();
        Evidence {
            potluck: "0".into(),
            app: app.into(),
            server: "s".into(),
            on: "s".into(),
            by: "anna on laptop".into(),
            began: at,
            ended: at,
            ok: true,
            error: None,
            set: None,
            taken: None,
            recipe: None,
            version: None,
            items: Vec::new(),
            steps: Vec::new(),
            checks: Vec::new(),
            left_out: Vec::new(),
        }
    }

    #[test]
    fn over_time_every_app_has_its_turn() {
        let app = |name: &str| AppEntry {
            name: format!("{name}.example").parse().unwrap(),
            server: "s".parse().unwrap(),
        };
        let mut last = std::collections::BTreeMap::new();
        let mut turns = Vec::new();
        let start: Timestamp = "2026-11-27T03:00:00Z".parse().unwrap();
        for night in 0..4 {
            let known = ["a", "b", "c", "d", "e"].map(|name| (app(name), last.get(name).copied()));
            for chosen in due(known.into(), 2) {
                let name = chosen.name.as_str()[..1].to_owned();
                let at = start + std::time::Duration::from_secs(night * 86400);
                turns.push(name.clone());
                last.insert(
                    ["a", "b", "c", "d", "e"].into_iter().find(|it| *it == name).unwrap(),
                    at,
                );
            }
        }
        assert_eq!(turns.concat(), "abcdeabc");
    }

    #[test]
    fn evidence_is_believed_where_a_signer_of_the_team_says_so_of_this_app() {
        let app = AppEntry { name: "a.example".parse().unwrap(), server: "s".parse().unwrap() };
        let (own, other) = (signing(1), signing(2));
        let team = [own.fingerprint()];
        let good = seal(&own, &of("a.example"));
        let text = String::from_utf8(good.clone()).unwrap();
        let failed = text.replace("\\\"ok\\\": true", "\\\"ok\\\": false");
        assert_ne!(text, failed);
        // A signature of the same text as a manifest.
        let mut envelope: Envelope = serde_json::from_slice(&good).unwrap();
        envelope.signature = own.sign(b"potluck backup manifest 2\n", &envelope.evidence).1;
        let manifest = serde_json::to_vec(&envelope).unwrap();
        for (stored, words) in [
            (good, None),
            (failed.into_bytes(), Some("not of this text")),
            (manifest, Some("not of this text")),
            (seal(&other, &of("a.example")), Some("not a signer of the team")),
            (seal(&own, &of("b.example")), Some("it is of b.example on s")),
            (b"{".to_vec(), Some("cannot be read")),
            (
                br#"{"format":2,"key":"","signature":"","evidence":""}"#.to_vec(),
                Some("format is 2"),
            ),
        ] {
            let filed = judge("f".into(), &stored, &app, &team);
            assert_eq!(filed.believed().is_some(), words.is_none(), "{filed:?}");
            let said = filed.distrust.unwrap_or_default();
            assert!(said.contains(words.unwrap_or_default()), "{said}");
        }
    }
}
