//! What a person still has to decide, as the README of a new recipe lists it.

use crate::text;

/// Bytes of one that are shown.
const SHOWN: usize = 200;

/// The open items below the heading `To decide`.
pub fn open_decisions(readme: &str) -> Vec<String> {
    let is_heading = |line: &&str| line.starts_with('#');
    let is_ours =
        |line: &&str| line.trim_start_matches('#').trim().eq_ignore_ascii_case("to decide");
    let mut lines = readme.lines();
    if !lines.by_ref().any(|line| is_heading(&line) && is_ours(&line)) {
        return Vec::new();
    }
    lines
        .take_while(|line| !is_heading(line))
        .filter_map(|line| line.trim_start().strip_prefix("- [ ]"))
        .map(|item| text::line_of(&item.replace("**", ""), SHOWN).trim().to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_items_below_their_heading_are_found() {
        for (readme, wanted) in [
            (
                "# a\n\n## To decide\n\n- [ ] **app**: the image.\n- [x] done\n\n## Use\n- [ ] no\n",
                &["app: the image."][..],
            ),
            ("# a\n- [ ] elsewhere\n", &[]),
            ("## To decide\n", &[]),
            ("", &[]),
        ] {
            assert_eq!(open_decisions(readme), wanted, "{readme}");
        }
    }
}
