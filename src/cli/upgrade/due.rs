//! Which apps are due: by their policy, their window, and how they are.

use jiff::Zoned;

use super::attempts;
use crate::{
    cli::{
        app::upgrade::{Due, Recipes, Row, Target, Wanted},
        failure::Failure,
        fleet::{self, NOT_DEPLOYED, What},
        session::Session,
        side_by_side::matches,
        ui::clean,
    },
    home::{
        AppEntry, Home,
        upgrades::{Policy, UpgradeSettings, Window},
    },
    operation::Open,
    recipe::version::Step,
};

/// An app, and what its policy makes of it.
pub struct Looked {
    pub policy: Policy,
    pub window: Option<Window>,
    pub row: Row,
    /// What is to be done; none where it is left as it is.
    pub due: Option<(AppEntry, Target)>,
}

impl Looked {
    /// # Panics
    /// Where it is not due.
    pub fn into_due(self) -> Due {
        let (entry, target) = self.due.expect("it is due");
        Due { entry, target, row: self.row }
    }
}

/// What keeps apps from being due.
#[derive(Debug, Clone, Copy)]
pub struct Looking {
    /// Whether a window has to be open.
    pub in_window: bool,
    /// Whether what failed is tried again.
    pub again: bool,
}

/// The outcome of an app whose newest version failed, and is not tried again by itself.
pub const FAILED_BEFORE: &str = "failed-before";

/// What upgrades.yml says.
///
/// # Errors
/// Where there is none, or it cannot be read.
pub fn settings(session: &Session, home: &Home) -> Result<UpgradeSettings, Failure> {
    let settings = home.upgrades()?.ok_or_else(|| {
        Failure::new("no app is upgraded by itself: there is no upgrades.yml")
            .hint("`potluck upgrade --help` shows what is written there")
    })?;
    for name in settings.unknown(&home.apps()?, matches) {
        session.ui.warn(format_args!("upgrades.yml names {}, which no app is", clean(name)));
    }
    Ok(settings)
}

/// Looks at each app. One that is not well is left: an upgrade is no repair, and would hide
/// what is wrong.
///
/// # Errors
/// If it was interrupted.
pub fn look(
    session: &Session,
    home: &Home,
    settings: &UpgradeSettings,
    apps: Vec<AppEntry>,
    looking: Looking,
) -> Result<Vec<Looked>, Failure> {
    let now = Zoned::now();
    let mut recipes = Recipes::default();
    let mut looked = Vec::new();
    for entry in &apps {
        let (policy, window) = settings.of(&entry.name, matches);
        let window = window.cloned();
        let row = Row { outcome: "left", ..Row::of(entry) };
        let step = match policy {
            Policy::None => {
                looked.push(Looked { policy, window, row, due: None });
                continue;
            }
            Policy::Patch => Step::Patch,
            Policy::Minor => Step::Minor,
        };
        let found = Target::of(Wanted::Within(step), session, home, entry, &mut recipes);
        let (row, due) = match found {
            Err(failure) => (Row { outcome: "failed", error: failure.message, ..row }, None),
            Ok(target) => {
                let row = row.towards(&target);
                let failed = attempts::read(home, entry)?.filter(|it| it.version == target.after());
                if target.is_there().is_some() {
                    (Row { outcome: "newest", ..row }, None)
                } else if let Some(failed) = failed.filter(|_| !looking.again) {
                    let at = failed.at.strftime("%Y-%m-%d %H:%M:%S UTC");
                    let error = format!("it failed at {at}: {}", failed.error);
                    (Row { outcome: FAILED_BEFORE, error: Some(error), ..row }, None)
                } else if looking.in_window && window.as_ref().is_some_and(|it| !it.is_open(&now)) {
                    (Row { outcome: "outside-window", ..row }, None)
                } else {
                    (row, Some((entry.clone(), target)))
                }
            }
        };
        looked.push(Looked { policy, window, row, due });
    }
    let is_asked = |it: &Looked| it.due.is_some() || it.row.outcome == FAILED_BEFORE;
    let asked = apps.iter().zip(&looked).filter(|(_, it)| is_asked(it)).map(|(entry, _)| entry);
    let seen = fleet::look(home, asked, [], What::State)?;
    for (entry, it) in apps.iter().zip(&mut looked).filter(|(_, it)| is_asked(it)) {
        let (status, _) = seen.status(home, entry);
        let open = seen.app(home, entry).and_then(|found| found.open);
        let why = match (open, status) {
            (Some(Open::Abandoned), _) => Some(format!(
                "an operation on it did not end: `potluck app resume {app}` finishes it, `potluck \
                 app abort {app}` undoes it",
                app = entry.name
            )),
            (Some(Open::Held), _) => Some(
                "another operation is at work on it, or was killed in the last two minutes".into(),
            ),
            _ if it.due.is_none() => continue,
            (None, "deployed") => None,
            (None, NOT_DEPLOYED) => {
                it.row.outcome = "not-deployed";
                it.due = None;
                continue;
            }
            (None, status) => Some(format!("it is not well: {status}")),
        };
        if why.is_some() {
            it.row = Row { outcome: "failed", error: why, ..it.row.clone() };
            it.due = None;
        }
    }
    Ok(looked)
}
