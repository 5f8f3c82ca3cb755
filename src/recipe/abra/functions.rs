//! The functions of a shell script, for a person to rewrite.

use super::script;

/// How many functions are read; real files have a handful.
const MAX_FUNCTIONS: usize = 200;
/// How much of one function's text is kept.
const MAX_BODY: usize = 16 * 1024;
/// How many lines that look like functions are kept.
const MAX_SEEN: usize = 2 * MAX_FUNCTIONS;

/// A function of `abra.sh`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// As the shell knows it, `set_admin_pass`.
    pub name: String,
    /// The comment right above it, without its `#`.
    pub comment: Vec<String>,
    /// The text between its braces, without common indentation.
    pub body: String,
    /// Line of its name, counted from 1.
    pub line: usize,
}

/// The functions of a script, in order; the last of a name wins, at its place.
/// A function whose end is not found ends with the file.
pub fn functions(text: &str) -> Vec<Function> {
    let mut found: Vec<Function> = Vec::new();
    for definition in script::read(text).definitions {
        found.retain(|known| known.name != definition.name);
        found.push(Function {
            name: definition.name.to_owned(),
            comment: definition.comment.into_iter().map(uncommented).collect(),
            body: body(definition.body),
            line: definition.line,
        });
        if found.len() == MAX_FUNCTIONS {
            break;
        }
    }
    found
}

/// Lines that look like the beginning of a function, with line and name,
/// whatever the context: those that [`functions`] does not list may have been misread.
pub fn seen_functions(text: &str) -> Vec<(usize, String)> {
    let name = |line: &str| {
        let line = line.strip_prefix("function ").map_or(line, str::trim_start);
        let (name, rest) = line.split_once('(')?;
        let name = name.trim_end();
        let is_one = rest.trim_start().starts_with(')') && script::names_function(name);
        is_one.then(|| name.to_owned())
    };
    let lines = text.lines().zip(1..).filter_map(|(line, number)| Some((number, name(line)?)));
    lines.take(MAX_SEEN).collect()
}

fn uncommented(line: &str) -> String {
    let words = line.strip_prefix('#').unwrap_or(line);
    words.strip_prefix(' ').unwrap_or(words).to_owned()
}

/// The text of a function without common indentation.
fn body(text: &str) -> String {
    let mut size = 0;
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim_end)
        .take_while(|line| {
            size += line.len() + 1;
            size <= MAX_BODY
        })
        .collect();
    let indent = lines
        .iter()
        .skip(1)
        .filter(|line| !line.is_empty())
        .map(|line| line.len() - line.trim_start().len())
        .min()
        .unwrap_or(0);
    let mut text = String::new();
    for (number, line) in lines.into_iter().enumerate() {
        text.push_str(match number {
            0 => line.trim_start(),
            _ => line.get(indent..).unwrap_or(line.trim_start()),
        });
        text.push('\n');
    }
    text.trim_matches('\n').trim_end().trim_end_matches(';').to_owned()
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
    fn what_looks_like_an_end_is_none() {
        for (before, what) in [
            ("a() {\n  echo \"{\"\n}\n", "a brace in quotes"),
            ("MSG=$(cat <<EOT\nit's done {\nEOT\n)\n", "a here-document in an expansion"),
            ("MSG=\"$(cat <<-'E T'\n\t\"{(\n\tE T\n)\"\n", "one in quotes"),
            ("(( x = 1<<shift ))\n", "a shift"),
            ("x=$((1 << 2)) y=$(( (1) << 2 ))\n", "a shift in an expansion"),
            ("case $1 in\n  a|b) echo ;;\n  (c) x=$(case y in z) ;; esac) ;;\nesac\n", "case"),
            ("x=${y#\\}} z=\"${y:-it's}\" w=$'it\\'s'\n", "expansions"),
            ("a=(1 '2)' \"$(b c)\") # it's\n", "an array"),
            ("[[ $x =~ ^(a|b)$ ]] && rm @(a|b)\n", "patterns"),
            ("for ((i = 0; i < 3; i++)); do echo }; done\n", "a loop"),
            ("cat <<A <<B >x 2>&1\n'\nA\n{\nB\n", "two here-documents"),
            ("cat <<< \"it's\" < <(echo \")\") &>/dev/null\r\n", "other redirections"),
            ("if ((1)); then ( echo ) ; fi\nwhile read -r x; do :; done <<X\n{\nX\n", "blocks"),
        ] {
            let text = format!("{before}after() {{ echo \"$1\"; }}\n");
            let found = read(&text);
            assert_eq!(found.last(), Some(&("after".into(), "echo \"$1\"".into())), "{what}");
        }
    }

    #[test]
    fn a_body_is_any_compound_command() {
        for (text, body) in [
            ("f ()\n# between\n{\n  echo\n}\n", "echo"),
            ("function f\n{\n  echo\n}\n", "echo"),
            ("f() if true; then\n  echo\nfi\n", "if true; then\n  echo\nfi"),
            ("f() (( 1 << x ))\n", "(( 1 << x ))"),
            ("f() (\n  g() { :; }\n)\n", "g() { :; }"),
            ("if true; then\n  f() { echo; }\nfi\n", "echo"),
            ("f() {\r\n  echo\r\n}\r\n", "echo"),
            ("f() {\n  for x in *; { echo; }\n}\n", "for x in *; { echo; }"),
        ] {
            assert_eq!(read(text), [("f".to_owned(), body.to_owned())], "{text}");
        }
        assert!(read("f() echo\ng\n").is_empty());
    }

    #[test]
    fn what_looks_like_a_function_is_seen() {
        let seen = seen_functions("a() {\nfunction b () {\nc\n  d() {\necho (x)\nfunction e {\n");
        assert_eq!(seen, [(1, "a".to_owned()), (2, "b".to_owned())]);
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
