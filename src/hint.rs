//! Hints: what to try next, given by the error itself.

/// An error that may know the next step. Every error type of the library
/// implements it; an error that wraps another passes the question on, so that
/// the hint of the innermost cause reaches the person at the terminal.
pub trait Hint: std::error::Error {
    /// One imperative sentence, or a command to type; none when nothing better
    /// than the message can be said.
    fn hint(&self) -> Option<String> {
        None
    }

    /// Whether the line breaks of its message are its own: it has a layout, and
    /// made one line of everything in it that others wrote. The message of any
    /// other error is one line, whatever is in it.
    fn is_laid_out(&self) -> bool {
        false
    }
}

/// The name that was most likely meant: one that two slips make of another (a letter
/// more, less or changed, or two that changed places; one slip in a short name), or else
/// the shortest that begins with what was given.
pub fn nearest<'a, T: AsRef<str> + ?Sized>(
    given: &str,
    known: impl IntoIterator<Item = &'a T>,
) -> Option<&'a T> {
    /// What is shorter begins too many names.
    const BEGINNING: usize = 3;
    let slips = |name: &str| {
        let slips = strsim::damerau_levenshtein(given, name);
        let most = match name.chars().count().min(given.chars().count()) {
            0 => 0,
            1..4 => 1,
            _ => 2,
        };
        match slips <= most {
            true => Some((false, slips)),
            false if given.len() >= BEGINNING && name.starts_with(given) => Some((true, slips)),
            false => None,
        }
    };
    let near = known.into_iter().filter_map(|name| Some((slips(name.as_ref())?, name)));
    near.min_by_key(|(distance, _)| *distance).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_near() {
        let cases: &[(&str, &[&str], Option<&str>)] = &[
            ("imag", &["build", "image"], Some("image")),
            ("enviroment", &["environment", "env_file"], Some("environment")),
            ("profiles", &["ports", "privileged"], None),
            ("wiki", &["wiki.example.org", "shop.example.org"], Some("wiki.example.org")),
            ("wiki", &["wikimedia", "wiki2"], Some("wiki2")),
            (
                "wiki.exmaple.org",
                &["wild.example.org", "wiki.example.org"],
                Some("wiki.example.org"),
            ),
            ("blog.example.org", &["shop.example.org", "wiki.example.org"], None),
            ("db", &["db_password", "dbs"], Some("dbs")),
            ("wi", &["wiki.example.org"], None),
            ("", &["a", "image"], None),
            ("x", &[], None),
        ];
        for (given, known, wanted) in cases {
            assert_eq!(nearest(given, known.iter().copied()), *wanted, "{given}");
        }
    }
}
