//! `abra.sh`, read as data. abra's recipes keep the versions of their configs
//! in it, as `export X_VERSION=v1`; its functions are never run.

use crate::home::EnvFile;

/// How many exports are read; real files have a handful.
const MAX_EXPORTS: usize = 500;

/// The exports outside of functions, in order; the last of a name wins, at its
/// first place. An export whose value a shell would have to compute is left out.
pub fn exports(text: &str) -> Vec<(String, String)> {
    let mut settings = String::new();
    let mut known = EnvFile::default();
    let mut depth = 0_usize;
    let mut count = 0;
    for line in text.lines() {
        let line = line.trim();
        if depth == 0 && !opens_function(line) && !line.starts_with('{') {
            for assignment in line.split(';').filter_map(|part| part.trim().strip_prefix("export "))
            {
                for word in words(assignment) {
                    if count == MAX_EXPORTS || word.contains("$(") || word.contains('`') {
                        continue;
                    }
                    // Quotes, comments and references mean the same there.
                    let longer = format!("{settings}{word}\n");
                    if let Ok(parsed) = EnvFile::parse("abra.sh", &longer) {
                        (settings, known) = (longer, parsed);
                        count += 1;
                    }
                }
            }
        } else if !line.starts_with('#') {
            depth += line.matches('{').count();
            depth = depth.saturating_sub(line.matches('}').count());
        }
    }
    known.values()
}

/// `name() {`, `function name {`
fn opens_function(line: &str) -> bool {
    let Some((head, _)) = line.split_once('{') else { return false };
    let head = head.trim();
    head.starts_with("function ")
        || head.strip_suffix("()").is_some_and(|name| {
            name.trim().chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | ':'))
        })
}

/// The words of a command, quotes kept, up to a comment.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut start = None;
    let mut quote = None;
    for (i, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), c) => quote = Some(open).filter(|open| *open != c),
            (None, c) if c.is_whitespace() => {
                if let Some(start) = start.take() {
                    words.push(&text[start..i]);
                }
            }
            (None, '#') if start.is_none() => return words,
            (None, c) => {
                start.get_or_insert(i);
                quote = Some(c).filter(|c| matches!(c, '"' | '\''));
            }
        }
    }
    words.extend(start.map(|start| &text[start..]));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let exports: Vec<_> =
            exports(text).into_iter().map(|(key, value)| format!("{key}={value}")).collect();
        assert_eq!(
            exports,
            ["APP_ENTRYPOINT_VERSION=v1", "A=v6", "B=v3", "C=v4", "G=v6x", "L=v10"]
        );
    }

    #[test]
    fn strange_files_are_no_matter() {
        for text in ["", "export", "export ", "export '", "}}}}{", "export A={{{\nexport B=1"] {
            let _ = exports(text);
        }
        let many: String = (0..2000).map(|i| format!("export A{i}=v1\n")).collect();
        assert_eq!(exports(&many).len(), MAX_EXPORTS);
    }
}
