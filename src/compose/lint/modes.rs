//! Modes of secrets and configs, which YAML reads in decimal without a leading zero.

use super::{Findings, Subject};
use crate::lint::rules;

pub fn check(subject: Subject<'_>, findings: &mut Findings<'_>) {
    let service = subject.service;
    for (key, references) in [("configs", &service.configs), ("secrets", &service.secrets)] {
        for placed in references {
            let Some(mode) = placed.it.mode else { continue };
            let source = &placed.it.source;
            let (message, fix) = if let Some(meant) = meant(mode) {
                (
                    format!(
                        "the mode {mode} of `{source}` is a decimal number: in octal, it is \
                         0{mode:o}, {}",
                        shown(mode)
                    ),
                    format!("write `mode: {meant}`"),
                )
            } else if mode > 0o777 {
                (
                    format!("the mode 0{mode:o} of `{source}` has bits that are not permissions"),
                    "write a mode up to `0777`".to_owned(),
                )
            } else {
                continue;
            };
            findings.push(&rules::MODE_ODD, placed.at, subject.path(key), message).fix = Some(fix);
        }
    }
}

/// The mode that was meant by a number whose decimal digits are file permissions.
fn meant(mode: u32) -> Option<String> {
    let digits = format!("{mode:03}");
    let octal = u32::from_str_radix(&digits, 8).ok().filter(|octal| *octal <= 0o777)?;
    let (owner, group, others) = (octal >> 6, octal >> 3 & 7, octal & 7);
    let is_usual = |digit: &u32| matches!(digit, 0 | 4..=7);
    let narrows = |wide: u32, narrow: u32| wide & narrow == narrow;
    let usual = owner > 0
        && [owner, group, others].iter().all(is_usual)
        && narrows(owner, group)
        && narrows(group, others);
    usual.then(|| format!("0{digits}"))
}

/// `rw-rwx---`
fn shown(mode: u32) -> String {
    let letter = |bit: u32| match mode >> bit & 1 {
        1 => ['x', 'w', 'r'][bit as usize % 3],
        _ => '-',
    };
    (0..9).rev().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_modes_are_told_from_octal_ones() {
        for written in [400, 440, 444, 500, 550, 555, 600, 640, 644, 660, 664, 666, 700, 755, 777] {
            assert_eq!(meant(written), Some(format!("0{written}")), "{written}");
        }
        // What those, written in octal or decimal, are as numbers.
        for mode in [
            0o400, 0o440, 0o444, 0o550, 0o555, 0o600, 0o640, 0o644, 0o660, 0o664, 0o666, 0o700,
            0o750, 0o755, 0o775, 0o777, 0,
        ] {
            assert_eq!(meant(mode), None, "0{mode:o}");
        }
        assert_eq!(shown(440), "rw-rwx---");
    }
}
