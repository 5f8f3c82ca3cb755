//! Hints: what to try next, given by the error itself.

/// An error that may know the next step. Every error type of the library implements this;
/// an error that wraps another one returns that one's hint, so that the hint of the
/// innermost cause reaches the operator.
pub trait Hint: std::error::Error {
    /// One imperative sentence, or a command to type; none if there is nothing
    /// to add to the message.
    fn hint(&self) -> Option<String> {
        None
    }

    /// Whether its message has line breaks of its own: it has a layout, and has reduced
    /// each foreign text in it to one line. The message of any other error is printed as
    /// one line.
    fn is_laid_out(&self) -> bool {
        false
    }
}

/// The name that was most likely meant: one that differs by at most two slips (a letter
/// more, less or changed, or two letters swapped; one slip in a short name), or else the
/// shortest name that begins with the given text.
pub fn nearest<'a, T: AsRef<str> + ?Sized>(
    given: &str,
    known: impl IntoIterator<Item = &'a T>,
) -> Option<&'a T> {
    /// Shorter texts are the beginning of too many names.
    const BEGINNING: usize = 3;
    let slips = |name: &str| {
        let slips = strsim::damerau_levenshtein(given, name);
        let most = match name.chars().count().min(given.chars().count()) {
            0..2 => 0,
            2..4 => 1,
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
            // One slip makes any letter of another.
            ("E", &["_", "A"], None),
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
