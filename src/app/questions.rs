//! The questions that the operator is asked before something is done.

use std::{collections::BTreeSet, fmt};

use crate::{
    home::{Grant, Reach, lock_file::PluginPin},
    owner::Mixup,
    plugin::grants::{Question, Reason},
    text::line,
};

use super::{
    names::short,
    permission::{self, NOTHING},
};

/// A question of several lines, where there is room for one: the first line begins
/// the sentence, the others are its list.
pub(crate) fn in_one_line(question: &str) -> String {
    let mut lines = question.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default().to_owned();
    let rest: Vec<&str> = lines.collect();
    match rest.is_empty() {
        true => first,
        false => format!("{first} {}", rest.join(", ")),
    }
}

/// What one plugin asks for beyond what it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    pub plugin: String,
    pub question: Question,
    /// What the component is: `std:postgres`, or its path in the recipe.
    pub component: String,
    /// Its digest, 64 hex digits.
    pub sha256: String,
    /// The recipe's version, or its commit.
    pub version: String,
    /// Whether the recipe does not list it, but has labels for backups that need it.
    pub is_implied: bool,
    /// What was agreed to earlier.
    pub agreed: Option<PluginPin>,
    /// The digest agreed to with this very version, 64 hex digits.
    pub held: Option<String>,
}

/// A grant given beforehand that could be meant for more than one plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ambiguous {
    pub grant: Grant,
    pub plugins: Vec<String>,
}

impl Wish {
    /// Why a plugin asks that the recipe does not list, up to what it asks for.
    pub fn stands_in(&self) -> Option<String> {
        let because = match self.question.wanted.is_empty() {
            true => "the recipe has backup labels",
            false => "the recipe's backup labels have hooks",
        };
        let plugin = line(&self.plugin);
        self.is_implied.then(|| format!("{because}; potluck's {plugin} needs permission to"))
    }

    /// One line each, saying what is new and what is no longer wanted.
    pub fn lines(&self) -> Vec<String> {
        let Question { wanted, before, .. } = &self.question;
        let nothing = wanted.is_empty().then(|| NOTHING.to_owned());
        nothing.into_iter().chain(permission::asked(wanted, before)).collect()
    }

    /// How the component changed, if that is the reason for
    /// asking.
    pub fn change(&self) -> Option<String> {
        let agreed = self.agreed.as_ref()?;
        match self.question.reason {
            Reason::ChangedInPlace => Some(format!(
                "its component changed although the version is still {}: {} → {}",
                self.version,
                short(self.held.as_ref().unwrap_or(&agreed.sha256)),
                short(&self.sha256)
            )),
            Reason::Replaced => Some(format!(
                "it is `{}` now; what was agreed to is `{}`",
                self.component,
                agreed.component.as_deref().unwrap_or_default()
            )),
            Reason::FirstUse | Reason::Widened => None,
        }
    }
}

impl fmt::Display for Wish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let changed = self.change().map(|change| format!(" ({change})")).unwrap_or_default();
        match self.stands_in() {
            Some(why) => write!(f, "  {why}")?,
            None => write!(f, "  {}{} wants to", line(&self.plugin), line(&changed))?,
        }
        if self.question.wanted.is_empty() {
            return write!(f, " {NOTHING}");
        }
        self.lines().iter().try_for_each(|told| write!(f, "\n    {}", line(told)))
    }
}

/// What one service reaches beyond what was agreed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReachWish {
    /// Its key in the compose files, or [`super::reach::STACK`].
    pub service: String,
    /// All that needs a yes.
    pub reach: BTreeSet<Reach>,
    /// What was agreed to earlier.
    pub before: BTreeSet<Reach>,
}

impl ReachWish {
    /// What is new.
    pub fn missing(&self) -> impl Iterator<Item = &Reach> {
        let is_before = |reach: &Reach| self.before.iter().any(|before| before.covers(reach));
        self.reach.iter().filter(move |reach| !is_before(reach))
    }

    /// One line each, saying what is new and what is no longer wanted.
    pub fn lines(&self) -> Vec<String> {
        permission::asked(&self.reach, &self.before)
    }
}

impl std::fmt::Display for ReachWish {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "  the service {} wants to", self.service)?;
        self.lines().iter().try_for_each(|line| write!(f, "\n    {line}"))
    }
}

/// An older release over a newer one: to be agreed to.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Downgrade {
    pub app: String,
    /// What was deployed last: it may be undeployed since, and its data stays.
    pub before: String,
    pub after: String,
    /// Whether git has that name: a plain folder has but the one version.
    #[serde(skip)]
    pub released: bool,
}

impl fmt::Display for Downgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Downgrade { app, before, after, .. } = self;
        write!(
            f,
            "{before} of {app} was deployed last, and {after} is older; data that {before} migrated \
             may be unusable for {after}"
        )
    }
}

/// Somebody else's deploy, which this folder does not know: to be overwritten only when
/// that is agreed to.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Behind {
    pub app: String,
    /// Their release, for people.
    pub last: String,
    /// The version that this folder would bring, where it is another.
    pub version: Option<String>,
    /// Names of the settings that are others in this folder.
    pub settings: Vec<String>,
}

impl fmt::Display for Behind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Behind { app, last, version, settings } = self;
        write!(f, "this folder does not know what runs of {app} ({last})")?;
        if let Some(version) = version {
            write!(f, "; it brings the version {version}")?;
        }
        match settings.as_slice() {
            [] => Ok(()),
            names => write!(f, "; it has other values for {}", line(&names.join(", "))),
        }
    }
}

/// A stack, or some of its objects, that are the app's only by their
/// labels: consent is needed before they are taken over.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Takeover {
    pub app: String,
    pub stack: String,
    /// Where it is recorded for another recipe than the settings name.
    #[serde(skip)]
    pub mixup: Option<Mixup>,
    /// ``service `wiki_db` ``, one each.
    pub objects: Vec<String>,
}

impl fmt::Display for Takeover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Takeover { app, stack, mixup, objects } = self;
        match mixup {
            Some(mixup) => {
                let recipe = line(&mixup.deployed);
                write!(
                    f,
                    "{mixup}: the stack `{stack}` is recorded for {app} with the recipe {recipe}"
                )?;
            }
            None => write!(f, "the stack `{stack}` has objects that are not recorded as {app}'s:")?,
        }
        objects.iter().try_for_each(|object| write!(f, "\n  {}", line(object)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_reads_as_one_sentence_where_there_is_one_line() {
        for (question, line) in [
            (
                "  db wants to\n    run programs in db (exec: db)\n    read x (secret: x)",
                "db wants to run programs in db (exec: db), read x (secret: x)",
            ),
            (
                "  db wants to run, with no access to anything",
                "db wants to run, with no access to anything",
            ),
            ("", ""),
        ] {
            assert_eq!(in_one_line(question), line);
        }
    }
}
