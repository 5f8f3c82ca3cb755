//! Consent: grants for plugins, and plans, asked for at the terminal.
//!
//! If nobody can be asked, a plan is carried out, because its command asked for it, but a
//! grant is never given: the command ends with exit code 6 and lists the missing
//! `--grant`s.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use serde::Serialize;

use super::{
    exit::Exit,
    failure::Failure,
    prompt::{self, Enter},
    ui::{BOLD, DIM, Ui, clean},
};
use crate::{
    app::{
        Behind, Consent, Downgrade, ReachWish, Takeover, Wish,
        permission::{Permission, told},
    },
    home::Grant,
    rollout::{Change, ChangeAction, ChangeKind, Plan, ReachRow},
};

/// Whether a plan is shown and asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlanQuestion {
    /// Shown, and asked about if somebody can be asked.
    Ask,
    /// Shown and carried out.
    Yes,
}

/// Answers from the command line and the terminal.
pub struct Answers {
    ui: Arc<Ui>,
    plan: PlanQuestion,
    /// Whether a plan was agreed to.
    go: AtomicBool,
    /// Whether a question was left without an answer.
    left: AtomicBool,
    /// Whether tasks are restarted without a question.
    restarts: AtomicBool,
}

impl Answers {
    pub fn new(ui: &Arc<Ui>, plan: PlanQuestion) -> Arc<Self> {
        Arc::new(Answers {
            ui: Arc::clone(ui),
            plan,
            go: AtomicBool::new(false),
            left: AtomicBool::new(false),
            restarts: AtomicBool::new(false),
        })
    }

    /// Restarts tasks in which programs of an unfinished operation run, without a question.
    #[must_use]
    pub fn restarting(self: Arc<Self>, restarts: bool) -> Arc<Self> {
        self.restarts.store(restarts, Ordering::Relaxed);
        self
    }

    /// Whether a plan was agreed to, after which something may have been changed.
    pub fn gave_way(&self) -> bool {
        self.go.load(Ordering::Relaxed)
    }

    /// A question that is left without an answer is answered with no.
    fn ask(&self, question: &str, enter: Enter) -> bool {
        prompt::confirm(&self.ui, question, enter).unwrap_or_else(|_| {
            self.left.store(true, Ordering::Relaxed);
            false
        })
    }

    fn wanted(&self, lines: &[String]) {
        for line in lines {
            self.ui.line(format_args!("  - {}", clean(line)));
        }
    }

    /// How a command ends: if its question was left with Ctrl-C or the like, it was
    /// interrupted, not refused for lack of consent.
    pub fn ended(&self, failure: Failure) -> Failure {
        match failure.exit == Exit::NEEDS_CONSENT && self.left.load(Ordering::Relaxed) {
            true => Failure::interrupted("interrupted: nothing of the app was changed"),
            false => failure,
        }
    }
}

impl Consent for Answers {
    fn grants(&self, wish: &Wish) -> bool {
        if !self.ui.is_interactive() {
            return false;
        }
        let plugin = clean(&wish.plugin);
        if let Some(change) = wish.change() {
            self.ui.warn(format_args!("the plugin {plugin}: {change}"));
        }
        match wish.stands_in() {
            Some(why) => self.ui.line(format_args!("{}:", capitalised(&why))),
            None => self.ui.line(format_args!("The plugin {BOLD}{plugin}{BOLD:#} wants to:")),
        }
        self.wanted(&wish.lines());
        self.ask("Allow this?", Enter::No)
    }

    fn downgrade(&self, downgrade: &Downgrade) -> bool {
        if !self.ui.is_interactive() {
            return false;
        }
        self.ui.warn(downgrade);
        self.ask("Go back to the older release?", Enter::No)
    }

    fn behind(&self, behind: &Behind) -> bool {
        if !self.ui.is_interactive() {
            return false;
        }
        self.ui.warn(behind);
        self.ask("Overwrite what they deployed?", Enter::No)
    }

    fn takeover(&self, takeover: &Takeover) -> bool {
        if !self.ui.is_interactive() {
            return false;
        }
        for line in takeover.to_string().lines() {
            self.ui.line(line);
        }
        self.ask(&format!("Take this over as {}?", takeover.app), Enter::No)
    }

    fn reach(&self, wish: &ReachWish) -> bool {
        if !self.ui.is_interactive() {
            return false;
        }
        let service = clean(&wish.service);
        self.ui.line(format_args!("The service {BOLD}{service}{BOLD:#} wants to:"));
        self.wanted(&wish.lines());
        self.ask("Allow this?", Enter::No)
    }

    fn end_program(&self, service: &str) -> bool {
        if self.restarts.load(Ordering::Relaxed) {
            return true;
        }
        self.ui.is_interactive() && {
            let service = clean(service);
            self.ui.warn(format_args!(
                "a program of the unfinished operation still runs in {service}"
            ));
            self.ask("Restart its task, which ends it?", Enter::No)
        }
    }

    fn plan(&self, plan: &Plan) -> bool {
        show_plan(&self.ui, plan);
        let go = self.plan == PlanQuestion::Yes
            || plan.changes.is_empty()
            || !self.ui.is_interactive()
            || self.ask("Go ahead?", Enter::Yes);
        self.go.fetch_or(go, Ordering::Relaxed);
        go
    }

    fn changed_plan(&self, plan: &Plan) -> bool {
        self.ui.warn("someone else changed the app meanwhile; what is to be done now:");
        show_plan(&self.ui, plan);
        let go = self.plan == PlanQuestion::Ask
            && self.ui.is_interactive()
            && self.ask("Go ahead with this plan?", Enter::No);
        self.go.fetch_and(go, Ordering::Relaxed);
        go
    }
}

fn capitalised(sentence: &str) -> String {
    let mut letters = sentence.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// A grant in JSON.
#[derive(Serialize)]
pub struct GrantRow {
    pub grant: String,
    pub meaning: String,
}

impl From<&Grant> for GrantRow {
    fn from(grant: &Grant) -> Self {
        GrantRow { grant: grant.to_string(), meaning: grant.meaning() }
    }
}

/// The plan for people, on standard error.
pub fn show_plan(ui: &Ui, plan: &Plan) {
    for warning in &plan.warnings {
        ui.warn(warning);
    }
    if plan.changes.is_empty() {
        ui.say("Nothing to change.");
        return;
    }
    ui.say("Plan:");
    show_changes(ui, &plan.changes);
    show_reach(ui, &plan.reach);
    if let Some(on_failure) = &plan.on_failure {
        ui.say(format_args!("If it fails: {}.", clean(on_failure)));
    }
}

/// What changes, for people, on standard error.
pub fn show_changes(ui: &Ui, changes: &[Change]) {
    for Change { kind, name, action, details } in changes {
        let sign = match action {
            ChangeAction::Create => '+',
            ChangeAction::Remove => '-',
            ChangeAction::Update => '~',
            ChangeAction::Run => '>',
        };
        // What runs is the plugin; a hook has no name of its own.
        let kind = if *kind == ChangeKind::Hook { &ChangeKind::Plugin } else { kind };
        ui.say(format_args!("  {sign} {action} {kind} {BOLD}{}{BOLD:#}", clean(name)));
        for detail in details {
            ui.say(format_args!("      {DIM}{}{DIM:#}", clean(detail)));
        }
    }
}

/// What services reach beyond the app, for people, on standard error.
pub fn show_reach(ui: &Ui, rows: &[ReachRow]) {
    if !rows.is_empty() {
        ui.say("Beyond the app:");
    }
    for ReachRow { service, reach, meaning, state } in rows {
        let state = match *state {
            "new" => ", new",
            "agreed" => ", agreed to",
            _ => "",
        };
        let line = told(meaning, reach, state);
        ui.say(format_args!("  {BOLD}{}{BOLD:#}: {}", clean(service), clean(&line)));
    }
}
