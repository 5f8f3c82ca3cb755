//! The result of a deploy for its services, in words for people; pure.

use std::collections::BTreeSet;

use super::State;

/// The results of the services of a successful deploy.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Reached {
    /// How many have tasks that run.
    #[serde(skip)]
    pub running: usize,
    /// Those that may end and did so with exit code 0, by their key.
    pub completed: BTreeSet<String>,
    /// Those without replicas.
    pub stopped: BTreeSet<String>,
}

impl Reached {
    pub(crate) fn add(&mut self, service: &str, state: &State) {
        match state {
            State::Completed { .. } => drop(self.completed.insert(service.to_owned())),
            State::Stopped => drop(self.stopped.insert(service.to_owned())),
            _ => self.running += 1,
        }
    }

    /// As the end of a sentence that begins with the app's name: `is deployed, running
    /// and healthy`, with `good` for those that run, and what the others do.
    pub fn told(&self, head: &str, good: &str) -> String {
        let mut told = String::from(head);
        let none_else = self.completed.is_empty() && self.stopped.is_empty();
        if self.running > 0 || none_else {
            told += good;
        }
        if !self.completed.is_empty() {
            let separator = if told == head { ": " } else { "; " };
            told += &format!("{separator}{} completed", list(&self.completed));
        }
        if !self.stopped.is_empty() {
            let (has, runs) =
                if self.stopped.len() == 1 { ("has", "runs") } else { ("have", "run") };
            let names = list(&self.stopped);
            told += &match told == head {
                true => format!(", but {names} {has} no replicas and {runs} nowhere"),
                false => format!("; {names} {has} no replicas and {runs} nowhere"),
            };
        }
        told
    }
}

/// `a`, `a and b`, `a, b and c`, each as code.
fn list(names: &BTreeSet<String>) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        Some((last, _)) => last.clone(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_runs_is_called_running() {
        let set = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        for (running, completed, stopped, told) in [
            (2, &[][..], &[][..], "is deployed, running and healthy"),
            (0, &[], &[], "is deployed, running and healthy"),
            (0, &["app"], &[], "is deployed: `app` completed"),
            (0, &[], &["app"], "is deployed, but `app` has no replicas and runs nowhere"),
            (0, &[], &["a", "b"], "is deployed, but `a` and `b` have no replicas and run nowhere"),
            (
                1,
                &["a", "b", "c"],
                &["d"],
                "is deployed, running and healthy; `a`, `b` and `c` completed; `d` has no \
                 replicas and runs nowhere",
            ),
            (0, &["a"], &["d"], "is deployed: `a` completed; `d` has no replicas and runs nowhere"),
        ] {
            let reached = Reached { running, completed: set(completed), stopped: set(stopped) };
            assert_eq!(reached.told("is deployed", ", running and healthy"), told);
        }
    }
}
