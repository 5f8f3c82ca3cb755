//! `abra.sh`, read as data. abra's recipes keep the versions of their configs
//! in it, as `export X_VERSION=v1`; its functions are never run.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    reason::{MAX_EXPORTS, Reason},
    script::{self, Command, Place},
    value::{name, value},
};

/// How many assignments are followed.
const MAX_ASSIGNMENTS: usize = 2000;

/// What a script exports.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exports {
    /// In order; the last one of a name wins, at the position of the first.
    pub settings: Vec<(String, String)>,
    /// Those that are ignored, in order of their lines.
    pub left_out: Vec<LeftOut>,
}

/// An export that is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    pub name: String,
    /// Counted from 1.
    pub line: usize,
    pub reason: Reason,
}

/// The exports of a script outside of functions and conditions, with values
/// that need no shell.
pub fn exports(text: &str) -> Exports {
    let mut reader = Reader::default();
    for command in &script::read(text).commands {
        reader.command(command);
    }
    reader.finish()
}

#[derive(Default)]
struct Reader {
    values: BTreeMap<String, String>,
    exported: BTreeSet<String>,
    /// Names that have been exported with a value, in order.
    order: Vec<String>,
    left_out: Vec<LeftOut>,
    /// Assignments that count if the name is exported somewhere.
    unsure: Vec<LeftOut>,
    /// After `set -a` every assignment is an export.
    all: All,
    assignments: usize,
}

/// Whether `set -a` is on.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum All {
    #[default]
    No,
    /// It is in a place that may not be run.
    Perhaps,
    Yes,
}

impl Reader {
    fn command(&mut self, command: &Command<'_>) {
        let Some((first, arguments)) = command.words.split_first() else { return };
        let flags = |letter| {
            let mut flags = arguments.iter().take_while(|word| word.starts_with('-'));
            flags.any(|word| word.contains(letter))
        };
        match *first {
            "export" if flags('f') || flags('n') || flags('p') => {}
            "export" => self.assign(command, arguments, true),
            "declare" | "typeset" | "local" => self.assign(command, arguments, flags('x')),
            "readonly" => self.assign(command, arguments, false),
            "set" => self.set(command, arguments),
            // `A=1 program` is for that program.
            _ if command.words.iter().all(|word| target(word).is_some()) => {
                self.assign(command, &command.words, false);
            }
            _ => {}
        }
    }

    /// `set -a`, `set +a`, `set -eo allexport`; functions are never run.
    fn set(&mut self, command: &Command<'_>, arguments: &[&str]) {
        let mut arguments = arguments.iter();
        while let Some(word) = arguments.next().filter(|word| word.len() > 1 && **word != "--") {
            let (on, letters) = match (word.strip_prefix('-'), word.strip_prefix('+')) {
                (Some(letters), _) => (All::Yes, letters),
                (_, Some(letters)) => (All::No, letters),
                _ => return,
            };
            let named = letters.contains('o').then(|| arguments.next()).flatten();
            if !letters.contains('a') && named != Some(&"allexport") {
                continue;
            }
            match command.place {
                Place::Always => self.all = on,
                Place::Block if self.all != on => self.all = All::Perhaps,
                Place::Block | Place::Function => {}
            }
        }
    }

    fn assign(&mut self, command: &Command<'_>, words: &[&str], exports: bool) {
        for word in words.iter().filter(|word| !word.starts_with('-')) {
            let Some(name) = name(word.trim_start_matches(['"', '\''])) else { continue };
            let left_out = |reason| LeftOut { name: name.to_owned(), line: command.line, reason };
            let has_value = word.contains('=');
            let is_all = has_value && command.place != Place::Function;
            if is_all && self.all == All::Perhaps && !exports {
                push(&mut self.left_out, left_out(Reason::Perhaps));
            }
            let exports = exports || is_all && self.all == All::Yes;
            match command.place {
                Place::Always => {}
                Place::Function if exports && has_value => {
                    push(&mut self.left_out, left_out(Reason::Function));
                    continue;
                }
                Place::Block if exports => {
                    push(&mut self.left_out, left_out(Reason::Block));
                    continue;
                }
                Place::Block => {
                    push(&mut self.unsure, left_out(Reason::Block));
                    continue;
                }
                Place::Function => continue,
            }
            self.assignments += 1;
            if self.assignments > MAX_ASSIGNMENTS
                || self.values.len() >= 2 * MAX_EXPORTS
                || exports && self.order.len() >= MAX_EXPORTS && !self.exported.contains(name)
            {
                push(&mut self.left_out, left_out(Reason::TooMany));
                continue;
            }
            if exports && self.exported.insert(name.to_owned()) {
                self.order.push(name.to_owned());
            }
            if !has_value {
                continue;
            }
            match self.value(word) {
                Ok((name, value)) => {
                    self.values.insert(name, value);
                }
                Err(reason) if self.exported.contains(name) => {
                    push(&mut self.left_out, left_out(reason));
                }
                Err(reason) => push(&mut self.unsure, left_out(reason)),
            }
        }
    }

    /// The name and the value of `NAME=value`, also as `"NAME=value"`.
    fn value(&self, word: &str) -> Result<(String, String), Reason> {
        let text = value(word, &|name| self.values.get(name).cloned())?;
        match text.split_once('=') {
            Some((key, value)) if name(key) == Some(key) => Ok((key.to_owned(), value.to_owned())),
            // `A+=1`, `A[0]=1`
            _ => Err(Reason::Computed),
        }
    }

    fn finish(self) -> Exports {
        let Reader { mut values, exported, order, mut left_out, unsure, .. } = self;
        left_out.extend(unsure.into_iter().filter(|unsure| exported.contains(&unsure.name)));
        // Functions export again what they work with.
        let matters = |reason: &Reason| !matches!(reason, Reason::Function | Reason::Perhaps);
        left_out.retain(|left| matters(&left.reason) || !exported.contains(&left.name));
        left_out.sort_by_key(|left| left.line);
        left_out.dedup_by(|a, b| a.name == b.name && a.reason == b.reason);
        let settings = order.into_iter().filter_map(|name| values.remove_entry(&name)).collect();
        Exports { settings, left_out }
    }
}

fn push(list: &mut Vec<LeftOut>, left_out: LeftOut) {
    if list.len() < MAX_EXPORTS {
        list.push(left_out);
    }
}

/// The name that a word assigns to.
fn target(word: &str) -> Option<&str> {
    let name = name(word)?;
    word[name.len()..].starts_with(['=', '[', '+']).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(text: &str) -> Vec<String> {
        let settings = exports(text).settings;
        settings.into_iter().map(|(key, value)| format!("{key}={value}")).collect()
    }

    #[test]
    fn exports_are_data() {
        let text = "#!/bin/bash\n\
            export APP_ENTRYPOINT_VERSION=v1 # comment\n\
            export A=\"v 2\" B='v3'; export C=v4\n\
            # export D=v5\n\
            export A=v6\n\
            export E=$(rm -rf /) F=`id` G=${A}x H\n\
            abra_backup() {\n  export I=v7\n  if true; then { echo; }; fi\n}\n\
            function restore {\n  export J=v8\n}\n\
            one_line() { export K=v9; }\n\
            \texport L=v10\n\
            M=v11\n";
        assert_eq!(
            taken(text),
            ["APP_ENTRYPOINT_VERSION=v1", "A=v6", "B=v3", "C=v4", "G=v6x", "L=v10"]
        );
    }

    #[test]
    fn an_export_counts_wherever_a_shell_would_always_run_it() {
        for (text, expected) in [
            ("f() {\n  echo \"{\"\n}\nexport A=v9\n", &["A=v9"][..]),
            ("f() {\n  cat <<EOF\n{\nEOF\n}\nexport A=v9\n", &["A=v9"]),
            ("export Q=\"v2;x\" R='a#b' # c\n", &["Q=v2;x", "R=a#b"]),
            ("f() (\n  export A=v1\n)\nexport B=v2", &["B=v2"]),
            ("R=v1; export R\n", &["R=v1"]),
            ("export R\nR=v1\nR=v2\n", &["R=v2"]),
            (
                "declare -x Z=v1\ntypeset -rx Y=v2\ndeclare X=v3\nreadonly W=v4\nexport W",
                &["Z=v1", "Y=v2", "W=v4"],
            ),
            ("export A=\"one\ntwo\" \\\n  B=v2\n", &["A=one\ntwo", "B=v2"]),
            ("B=v0\nset -a\nA=v1\nset +a\nC=v2\n", &["A=v1"]),
            ("set -eao pipefail\nA=v1 B=$A\ndeclare C=v2\nreadonly D\n", &["A=v1", "B=v1", "C=v2"]),
            ("set -o allexport; A=v1; set +o allexport; B=v2", &["A=v1"]),
            ("set -eo pipefail -- -a\nset -- -a\nset -o a\nA=v1\nf() { set -a; }\nB=v2", &[]),
            ("set -a\nA=v1 program\n. ./other\nf() { B=v2; }\n", &[]),
            ("export \"A=v 1\"\n", &["A=v 1"]),
            ("export A=v1 && export B=v2\n", &["A=v1"]),
            ("[ -n \"$X\" ] &&\n  export A=v1\nexport B=v2\n", &["B=v2"]),
            ("cat <<EOF\nexport A=v1\nEOF\necho 'export B=v2\nexport C=v3'\n", &[]),
            ("R=v1 export\nR=v2 program\nexport R\n", &[]),
            ("export -f f\nexport -n A=v1\n", &[]),
            ("{ export A=v1; }\n(export B=v1)\nexport C=v1 | cat\nexport D=v1 &\n", &[]),
            (
                "case $X in\n  a) export A=v1 ;;\nesac\nfor x in a; do export B=v1; done\nexport C=v2",
                &["C=v2"],
            ),
            (
                "MSG=$(cat <<EOT\nit's done {\nEOT\n)\n(( x = 1<<shift ))\nexport A=v1\r\n",
                &["A=v1"],
            ),
        ] {
            assert_eq!(taken(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_left_out_is_named() {
        let unknown = |name: &str| Reason::Unknown(name.to_owned());
        for (text, expected) in [
            ("if true\nthen\n  export A=v1\nfi\n", vec![("A", 3, Reason::Block)]),
            ("export A=v1\nif true; then A=v2; B=v3; fi\n", vec![("A", 2, Reason::Block)]),
            ("true && export A=v1\n", vec![("A", 1, Reason::Block)]),
            (
                "f() {\n  export A=v1 B=v2\n  export C\n}\nexport B=v3",
                vec![("A", 2, Reason::Function)],
            ),
            (
                "export A=$(id) B=$C D+=x\n",
                vec![
                    ("A", 1, Reason::Computed),
                    ("B", 1, unknown("C")),
                    ("D", 1, Reason::Computed),
                ],
            ),
            ("A=$(id)\nB=$(id)\nexport A\n", vec![("A", 1, Reason::Computed)]),
            ("export A H\nA=v1\n", vec![]),
            (
                "set -a\nA=$(id)\nB+=x\nif true; then C=v1; fi\n",
                vec![
                    ("A", 2, Reason::Computed),
                    ("B", 3, Reason::Computed),
                    ("C", 4, Reason::Block),
                ],
            ),
            (
                "if true; then set -a; fi\nA=v1\nD=v4\nexport B=$A D\nset +a\nC=v3\n",
                vec![("A", 2, Reason::Perhaps)],
            ),
        ] {
            let found = exports(text).left_out;
            let expected: Vec<_> = expected
                .into_iter()
                .map(|(name, line, reason)| LeftOut { name: name.into(), line, reason })
                .collect();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn strange_files_are_no_matter() {
        for text in ["", "export", "export ", "export '", "}}}}{", "export A={{{\nexport B=1"] {
            let _ = exports(text);
        }
        let many: String = (0..2000).map(|i| format!("export A{i}=v1\n")).collect();
        assert_eq!(exports(&many).settings.len(), MAX_EXPORTS);
        assert_eq!(exports(&many).left_out.len(), MAX_EXPORTS);
        let doubling = "export A=xxxxxxxx\n".to_owned() + &"export A=$A$A\n".repeat(5000);
        assert!(exports(&doubling).settings[0].1.len() <= 64 << 10);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read(
            text in "(export |A=|[a-z]{1,4}\\(\\)|[{}()$'\"#<;&|\n\\\\ `é]|EOF|if |fi|case |in |esac|\\$\\(|\\(\\(){0,60}"
        ) {
            let _ = exports(&text);
        }
    }
}
