//! Shows what an operation reports: a spinner and a line per service on a
//! terminal, plain lines whenever something changes elsewhere (logs, cron).

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use indicatif::{HumanBytes, MultiProgress, ProgressBar, ProgressStyle};

use super::ui::{DIM, Ui, clean};
use crate::progress::{Event, Level, Sink};

/// Redraws of a spinner per second: looks smooth, costs little.
const TICK: Duration = Duration::from_millis(120);

/// Shows events on standard error.
pub struct Renderer {
    ui: std::sync::Arc<Ui>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The step that runs now.
    step: Option<ProgressBar>,
    services: HashMap<String, Service>,
    transfers: HashMap<String, Transfer>,
}

struct Service {
    state: String,
    bar: Option<ProgressBar>,
}

struct Transfer {
    bar: Option<ProgressBar>,
    /// Quarters of the total that were reported in plain lines.
    quarters: u64,
}

impl Renderer {
    pub fn new(ui: std::sync::Arc<Ui>) -> Self {
        Renderer { ui, state: Mutex::default() }
    }

    /// Removes the spinners and bars that are still shown.
    pub fn finish(&self) {
        let mut state = self.lock();
        if let Some(step) = state.step.take() {
            step.finish_and_clear();
        }
        for (_, service) in state.services.drain() {
            if let Some(bar) = service.bar {
                bar.finish_and_clear();
            }
        }
        for (_, transfer) in state.transfers.drain() {
            if let Some(bar) = transfer.bar {
                bar.finish_and_clear();
            }
        }
    }

    /// The state stays valid even if a thread died while drawing.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn draws(&self) -> bool {
        self.ui.stderr_is_terminal() && !self.ui.is_quiet()
    }

    fn step(&self, name: &str) {
        if !self.draws() {
            return self.ui.say(format_args!("{name} ..."));
        }
        let mut state = self.lock();
        if let Some(before) = state.step.take() {
            before.finish_and_clear();
        }
        state.step = Some(spinner(self.ui.bars(), name));
    }

    fn done(&self, name: &str, detail: &str) {
        let mut state = self.lock();
        if let Some(step) = state.step.take() {
            step.finish_and_clear();
        }
        for (_, service) in state.services.drain() {
            if let Some(bar) = service.bar {
                bar.finish_and_clear();
                self.ui.say(format_args!("  {}", bar.message()));
            }
        }
        if let Some(Transfer { bar: Some(bar), .. }) = state.transfers.remove(name) {
            bar.finish_and_clear();
        }
        drop(state);
        if detail.is_empty() {
            self.ui.say(format_args!("{name} {DIM}done{DIM:#}"));
        } else {
            self.ui.say(format_args!("{name} {DIM}{detail}{DIM:#}"));
        }
    }

    fn service(&self, name: &str, now: &str) {
        let mut state = self.lock();
        if state.services.get(name).is_some_and(|known| known.state == now) {
            return;
        }
        let line = format!("{name}: {now}");
        if !self.draws() {
            state.services.insert(name.into(), Service { state: now.into(), bar: None });
            drop(state);
            return self.ui.say(format_args!("  {line}"));
        }
        let service = state.services.entry(name.into()).or_insert_with(|| {
            let bar = self.ui.bars().add(ProgressBar::new_spinner());
            bar.set_style(plain_style());
            Service { state: String::new(), bar: Some(bar) }
        });
        service.state = now.into();
        if let Some(bar) = &service.bar {
            bar.set_message(line);
        }
    }

    fn transfer(&self, name: &str, done: u64, total: Option<u64>, unit: &str) {
        let amount = |n: u64| match unit {
            "bytes" => HumanBytes(n).to_string(),
            unit => format!("{n} {unit}"),
        };
        let line = match total {
            Some(total) => format!("{name}: {} of {}", amount(done), amount(total)),
            None => format!("{name}: {}", amount(done)),
        };
        let mut state = self.lock();
        let draws = self.draws();
        let transfer = state.transfers.entry(name.into()).or_insert_with(|| {
            let bar = draws.then(|| {
                let bar = self.ui.bars().add(ProgressBar::new_spinner());
                bar.set_style(plain_style());
                bar
            });
            Transfer { bar, quarters: 0 }
        });
        match &transfer.bar {
            Some(bar) => bar.set_message(line),
            None => {
                // Four lines a transfer are enough for a log.
                let quarters = match total {
                    Some(total) if total > 0 => done.saturating_mul(4) / total,
                    _ => 0,
                };
                if quarters > transfer.quarters {
                    transfer.quarters = quarters;
                    drop(state);
                    self.ui.say(format_args!("  {line}"));
                }
            }
        }
    }
}

impl Sink for Renderer {
    fn event(&self, event: Event) {
        match event {
            Event::Step { name } => self.step(&clean(&name)),
            Event::Done { name, detail } => self.done(&clean(&name), &clean(&detail)),
            Event::Service { service, state } => self.service(&clean(&service), &clean(&state)),
            Event::Hook { level: Level::Debug, .. } => {}
            Event::Hook { plugin, level: Level::Info, message } => {
                self.ui.say(format_args!("  {DIM}{}:{DIM:#} {}", clean(&plugin), clean(&message)));
            }
            Event::Hook { plugin, message, .. } => {
                self.ui.warn(format_args!("{plugin}: {message}"));
            }
            Event::Progress { step, done, total, unit } => {
                self.transfer(&clean(&step), done, total, unit);
            }
            Event::Warning { message } => self.ui.warn(message),
        }
    }
}

/// What runs now, on a terminal; nowhere else.
pub(in crate::cli) fn spinner(bars: &MultiProgress, name: &str) -> ProgressBar {
    let bar = bars.add(ProgressBar::new_spinner());
    bar.set_style(
        ProgressStyle::with_template("{spinner} {msg} {elapsed}")
            .expect("the template is a literal that parses"),
    );
    bar.set_message(name.to_owned());
    bar.enable_steady_tick(TICK);
    bar
}

fn plain_style() -> ProgressStyle {
    ProgressStyle::with_template("  {msg}").expect("the template is a literal that parses")
}
