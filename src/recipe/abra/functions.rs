//! Finds the functions of a shell script without running or wholly parsing it:
//! quotes, comments, here-documents and braces are told apart, no more.

/// How many functions are read; real files have a handful.
const MAX_FUNCTIONS: usize = 200;
/// How much of one function's text is kept.
const MAX_BODY: usize = 16 * 1024;

/// A function of `abra.sh`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// As the shell knows it, `set_admin_pass`.
    pub name: String,
    /// The comment right above it, without its `#`.
    pub comment: Vec<String>,
    /// What stands between its braces, without common indentation.
    pub body: String,
    /// Line of its name, counted from 1.
    pub line: usize,
}

/// The functions of a script, in order; the last of a name wins, at its place.
/// A function whose end is not found ends with the file.
pub fn functions(text: &str) -> Vec<Function> {
    let mut found: Vec<Function> = Vec::new();
    let mut comment: Vec<String> = Vec::new();
    let mut scanner = Scanner::default();
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        if scanner.is_inside() {
            scanner.line(line);
            continue;
        }
        let trimmed = line.trim();
        if let Some(words) = trimmed.strip_prefix('#') {
            if !words.starts_with('!') {
                comment.push(words.strip_prefix(' ').unwrap_or(words).to_owned());
            }
            continue;
        }
        let Some((name, rest)) = head(trimmed) else {
            scanner.line(line);
            comment.clear();
            continue;
        };
        let mut body = Body::default();
        let mut rest = rest.to_owned();
        // The brace may stand on a later line.
        while rest.trim().is_empty() {
            match lines.next() {
                Some((_, next)) => next.clone_into(&mut rest),
                None => break,
            }
        }
        let mut open = body.line(&rest);
        while open {
            match lines.next() {
                Some((_, next)) => open = body.line(next),
                None => break,
            }
        }
        found.retain(|known: &Function| known.name != name);
        found.push(Function {
            name: name.to_owned(),
            comment: std::mem::take(&mut comment),
            body: body.text(),
            line: number + 1,
        });
        if found.len() == MAX_FUNCTIONS {
            break;
        }
    }
    found
}

/// `name() rest`, `function name rest`: the name and what follows.
fn head(line: &str) -> Option<(&str, &str)> {
    let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | ':' | '.');
    let (keyword, rest) = match line.strip_prefix("function ") {
        Some(rest) => (true, rest.trim_start()),
        None => (false, line),
    };
    let end = rest.find(|c| !named(c)).unwrap_or(rest.len());
    let (name, rest) = rest.split_at(end);
    let rest = rest.trim_start();
    let after = rest.strip_prefix('(').and_then(|rest| rest.trim_start().strip_prefix(')'));
    let rest = match after {
        Some(rest) => rest.trim_start(),
        None if keyword => rest,
        None => return None,
    };
    let begins = rest.is_empty() || rest.starts_with(['{', '(', '#']);
    (!name.is_empty() && begins).then_some((name, rest))
}

/// The text of a function while it is read.
#[derive(Default)]
struct Body {
    lines: Vec<String>,
    scanner: Scanner,
    size: usize,
}

impl Body {
    /// Takes a line; whether the function goes on after it.
    fn line(&mut self, line: &str) -> bool {
        let first = self.scanner.depth == 0;
        if first {
            self.scanner.is_subshell = line.trim_start().starts_with('(');
        }
        let end = self.scanner.line(line);
        let mut kept = &line[..end.unwrap_or(line.len())];
        if first {
            kept = kept.trim_start().strip_prefix(['{', '(']).unwrap_or(kept);
        }
        self.size += kept.len() + 1;
        if self.size <= MAX_BODY {
            self.lines.push(kept.to_owned());
        }
        end.is_none() && self.scanner.depth > 0
    }

    fn text(&self) -> String {
        let lines = self.lines.iter().map(|line| line.trim_end());
        let indent = self
            .lines
            .iter()
            .skip(1)
            .filter(|line| !line.trim().is_empty())
            .map(|line| line.len() - line.trim_start().len())
            .min()
            .unwrap_or(0);
        let lines = lines.enumerate().map(|(number, line)| match number {
            0 => line.trim_start(),
            _ => line.get(indent..).unwrap_or(line.trim_start()),
        });
        let mut text = String::new();
        for line in lines {
            text.push_str(line);
            text.push('\n');
        }
        text.trim_matches('\n').trim_end().trim_end_matches(';').to_owned()
    }
}

/// Where a script is, between its lines.
#[derive(Default)]
struct Scanner {
    /// Of the brackets that close the function. The others are let be, as
    /// `case` has closing parentheses without opening ones.
    depth: usize,
    /// Whether those are `(…)`.
    is_subshell: bool,
    quote: Option<char>,
    /// Ends of here-documents that are still to come.
    documents: Vec<String>,
}

impl Scanner {
    /// Whether the next line belongs to a quote, a here-document or braces.
    fn is_inside(&self) -> bool {
        self.depth > 0 || self.quote.is_some() || !self.documents.is_empty()
    }

    /// Reads one line; where in it the outermost brace closed, if it did.
    fn line(&mut self, line: &str) -> Option<usize> {
        if let Some(end) = self.documents.first() {
            if line.trim_start_matches('\t') == end {
                self.documents.remove(0);
            }
            return None;
        }
        let bytes = line.as_bytes();
        let mut at = 0;
        let mut word_begins = true;
        let mut opened = Vec::new();
        while at < bytes.len() {
            let c = bytes[at] as char;
            match (self.quote, c) {
                (Some('"') | None, '\\') => at += 1,
                (Some(open), c) if open == c => self.quote = None,
                (Some(_), _) => {}
                (None, '\'' | '"' | '`') => self.quote = Some(c),
                (None, '#') if word_begins => break,
                // `${x}` and `$(x)` hold no braces of a block.
                (None, '$') if matches!(bytes.get(at + 1), Some(b'{' | b'(')) => {
                    at = past_expansion(bytes, at + 1);
                    word_begins = false;
                    continue;
                }
                (None, '<')
                    if bytes[at..].starts_with(b"<<") && !bytes[at..].starts_with(b"<<<") =>
                {
                    let (end, after) = here_document(line, at + 2);
                    opened.extend(end);
                    at = after;
                    continue;
                }
                (None, '{') if !self.is_subshell => self.depth += 1,
                (None, '(') if self.is_subshell => self.depth += 1,
                (None, '}' | ')') if (c == ')') == self.is_subshell => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        self.documents.extend(opened);
                        return Some(at);
                    }
                }
                _ => {}
            }
            word_begins = matches!(c, ' ' | '\t' | ';' | '(' | '|' | '&');
            at += 1;
        }
        self.documents.extend(opened);
        None
    }
}

/// The place behind the expansion whose bracket is at `at`.
fn past_expansion(bytes: &[u8], at: usize) -> usize {
    let mut depth = 0usize;
    for (place, byte) in bytes.iter().enumerate().skip(at) {
        match byte {
            b'{' | b'(' => depth += 1,
            b'}' | b')' => {
                depth -= 1;
                if depth == 0 {
                    return place + 1;
                }
            }
            _ => {}
        }
    }
    bytes.len()
}

/// The word that ends a here-document, and the place behind it.
fn here_document(line: &str, at: usize) -> (Option<String>, usize) {
    let rest = &line[at..];
    let skipped = rest.strip_prefix('-').unwrap_or(rest).trim_start();
    let quoted = skipped.trim_start_matches(['\'', '"', '\\']);
    let word: String =
        quoted.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    let after = line.len() - quoted.len() + word.len();
    let after = after + line[after..].len() - line[after..].trim_start_matches(['\'', '"']).len();
    (Some(word).filter(|word| !word.is_empty()), after)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, String)> {
        functions(text).into_iter().map(|function| (function.name, function.body)).collect()
    }

    #[test]
    fn functions_are_found_whatever_their_style() {
        let text = "#!/bin/bash\nexport A_VERSION=v1\n\n# Sets it.\n#\n# Twice.\n\
            set_it() {\n  if true; then { echo \"}\"; }; fi\n  case $1 in a) ;; esac\n  echo '{' # }\n}\n\
            function other {\n\techo ${A:-{}}\n}\n\
            function both() { echo one; }\n\
            late ()\n{\n    cat <<EOF\n}\n    EOF\nEOF\n}\n\
            sub-shell() (\n  cd /\n)\n\
            set_it\nnot_a_function argument\n";
        let found = functions(text);
        let names: Vec<_> = found.iter().map(|f| (f.name.as_str(), f.line)).collect();
        assert_eq!(
            names,
            [("set_it", 7), ("other", 12), ("both", 15), ("late", 16), ("sub-shell", 23)]
        );
        assert_eq!(found[0].comment, ["Sets it.", "", "Twice."]);
        assert_eq!(
            found[0].body,
            "if true; then { echo \"}\"; }; fi\ncase $1 in a) ;; esac\necho '{' # }"
        );
        assert_eq!(found[1].body, "echo ${A:-{}}");
        assert_eq!(found[2].body, "echo one");
        assert!(found[3].body.contains("EOF\n}") && found[3].body.ends_with("EOF"));
        assert_eq!(found[4].body, "cd /");
    }

    #[test]
    fn the_last_of_a_name_counts_and_comments_belong_to_what_follows() {
        let text = "# old\na() { echo 1; }\n# of nothing\n\nB=1\na() { echo 2; }\n";
        assert_eq!(read(text), [("a".into(), "echo 2".into())]);
        assert!(functions(text)[0].comment.is_empty());
    }

    #[test]
    fn strange_files_are_no_matter() {
        for text in [
            "",
            "a(",
            "a() {",
            "a()",
            "function",
            "function {",
            "a() { '",
            "a() { <<",
            "}}}",
            "a() { $( ",
        ] {
            let _ = functions(text);
        }
        let many = "f() { :; }\n".repeat(1000);
        assert_eq!(functions(&many).len(), 1);
        let many: String = (0..1000).map(|i| format!("f{i}() {{ :; }}\n")).collect();
        assert_eq!(functions(&many).len(), MAX_FUNCTIONS);
        assert!(
            functions(&format!("f() {{\n{}}}\n", "echo\n".repeat(10_000)))[0].body.len()
                <= MAX_BODY
        );
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read(text in "([a-z_]{1,4}\\(\\)|[{}()$'\"#<;\n\\\\ `é]|EOF|function ){0,60}") {
            let _ = functions(&text);
        }
    }
}
