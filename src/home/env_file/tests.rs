use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> EnvFile {
    EnvFile::parse("test.env", text).unwrap()
}

#[test]
fn values_are_read_as_recipes_write_them() {
    for (text, expected) in [
        ("A=b", "b"),
        ("A=", ""),
        ("A", "error"),
        ("  A = b c  ", "b c"),
        ("export A=b", "b"),
        ("export\tA='b'", "b"),
        ("A=\"b\"", "b"),
        ("A='$B ${C}'", "$B ${C}"),
        ("A=', `www.example.com`'", ", `www.example.com`"),
        ("A=b#c", "b#c"),
        ("A=#c", "#c"),
        ("A=b # c", "b"),
        ("A= # c", ""),
        ("A='b # c' # d", "b # c"),
        ("A=\"b # c\"# d", "b # c"),
        (r#"A="b\n\"c\" \\ \$D \q""#, "b\n\"c\" \\ $D \\q"),
        (r"A=a\$b\n", r"a$b\n"),
        ("A=$", "$"),
        ("A=a$ b", "a$ b"),
        ("A=$2y$05$", "$2y$05$"),
        ("A=https://example.org/?a=b&c=d", "https://example.org/?a=b&c=d"),
        ("A={\"a\": 1}", "{\"a\": 1}"),
        ("B=1\nA=\"$B\"':c'$B", "1:c1"),
        ("B=1\nA=${B}2$B", "121"),
        ("A=${B:-x}${B-y}", "xy"),
        ("B=\nA=${B:-x}${B-y}", "x"),
        ("C=1\nA=${B:-${C}-$C}", "1-1"),
        ("A=\"${B:-a b}\"", "a b"),
        ("A=${B", "error"),
        ("A=${}", "error"),
        ("A=${B:?x}", "error"),
        ("A='b", "error"),
        ("A=\"b", "error"),
        ("A='b' c", "error"),
        ("A=1\nA=2", "2"),
        ("A=c.yml\nA=\"$A:d.yml\"\nA=\"$A:e.yml\"", "c.yml:d.yml:e.yml"),
        ("\u{feff}A=b\r\nB=c\r\n", "b"),
        ("=b", "error"),
        ("1A=b", "error"),
        ("A B=c", "error"),
    ] {
        match EnvFile::parse("f", text) {
            Ok(file) => assert_eq!(file.get("A").unwrap_or("none"), expected, "{text:?}"),
            Err(e) => assert_eq!(expected, "error", "{text:?}: {e}"),
        }
    }
}

#[test]
fn an_error_names_file_and_line_and_shows_no_value() {
    let error = EnvFile::parse("a.env", "A=b\n\n# c\nPASSWORD='hunter2\n").unwrap_err();
    assert_eq!(error.to_string(), "a.env:4: the quote `'` is not closed on its line");
    let error = EnvFile::parse("a.env", "hunter2").unwrap_err();
    assert!(!error.to_string().contains("hunter2"));
}

#[test]
fn modifiers_belong_to_their_key() {
    let file = parse(
        "A=v1 # length=32 charset=hex\nB=v1 # generate=false\n#C=v1 # length=8\nD=x # see \
         https://example.org/?length=1 a=b\nE=v1 # lenght=3\n",
    );
    let modifiers = |key| file.modifiers(key).into_iter().map(|(k, v)| format!("{k}={v}"));
    assert_eq!(modifiers("A").collect::<Vec<_>>(), ["charset=hex", "length=32"]);
    assert_eq!(modifiers("B").collect::<Vec<_>>(), ["generate=false"]);
    assert_eq!(modifiers("C").collect::<Vec<_>>(), ["length=8"]);
    assert_eq!(modifiers("D").count(), 0);
    assert_eq!(modifiers("Z").count(), 0);
    assert_eq!(file.warnings().len(), 1, "{:?}", file.warnings());
    assert!(file.warnings()[0].contains("lenght"));
}

#[test]
fn commented_keys_are_optional_and_prose_is_not_a_key() {
    let file = parse(
        "A=1\n#A=2\n# B=3\n#C = 4\n## D=5\n# set E=1 to win\n# note=x\n#COMPOSE_FILE=\"$COMPOSE_FILE:a\"\n# F='x\n",
    );
    assert_eq!(file.commented_keys(), ["B", "COMPOSE_FILE"]);
}

#[test]
fn odd_things_are_warned_of() {
    let file = parse("A=1\nA=2\nB=$NOTHING\nC=a\nC=${C}b\n");
    assert_eq!(
        file.warnings(),
        [
            "test.env:2: `A` replaces the value of line 1",
            "test.env:3: `B` refers to `NOTHING`, which has no value before it",
        ]
    );
}

#[test]
fn setting_a_key_touches_only_its_value() {
    for (text, key, value, expected) in [
        ("A=1\nB=2 # c\n", "B", "3", "A=1\nB=3 # c\n"),
        ("A='1'\n", "A", "x", "A='x'\n"),
        ("A='1'\n", "A", "it's", "A=\"it's\"\n"),
        ("A=\"1\" # c", "A", "a$b\"\n", "A=\"a\\$b\\\"\\n\" # c"),
        ("A=1", "A", "a # b", "A='a # b'"),
        ("A= # c", "A", "x", "A=x # c"),
        ("A=1 # c", "A", "", "A= # c"),
        ("export A = 1", "A", "2", "export A = 2"),
        ("# A=1 # length=3\r\nB=2\r\n", "A", "4", "A=4 # length=3\r\nB=2\r\n"),
        ("A=1\n#A=2\nA=3\n", "A", "4", "#A=1\n#A=2\nA=4\n"),
        ("A=a\n A=\"$A:b\"\n#A=\"$A:c\"\n", "A", "d", "#A=a\n A=\"d\"\n#A=\"$A:c\"\n"),
        ("A=1", "B", "2", "A=1\nB=2\n"),
        ("A=1\r\n", "B", "2", "A=1\r\nB=2\r\n"),
        ("", "B", " x", "B=' x'\n"),
        ("\u{feff}#A=1", "A", "2", "\u{feff}A=2"),
    ] {
        let mut file = parse(text);
        file.set(key, value).unwrap();
        assert_eq!(file.to_text(), expected, "{text:?}");
        assert_eq!(file.get(key), Some(value));
    }
}

#[test]
fn a_refused_change_leaves_the_file_as_it_was() {
    let mut file = parse("A=1\n");
    let before = file.clone();
    assert!(file.set("A", &"x".repeat(MAX_VALUE + 1)).is_err());
    for key in ["", "a b", "A=B", "1", "A\nB", "Ä"] {
        assert!(file.set(key, "x").is_err(), "{key:?}");
    }
    assert_eq!(file, before);
}

#[test]
fn the_recipe_and_its_pin() {
    let pin = |text| {
        let file = parse(text);
        let pin = file
            .recipe_pin()
            .unwrap()
            .map(|(name, version)| format!("{name} {}", version.unwrap_or_default()));
        pin.unwrap_or_default()
    };
    assert_eq!(pin("A=1"), "");
    assert_eq!(pin("TYPE="), "");
    assert_eq!(pin("TYPE=wiki"), "wiki ");
    assert_eq!(pin("TYPE=wiki:"), "wiki ");
    assert_eq!(pin("TYPE=wiki:1.2.0+3.4"), "wiki 1.2.0+3.4");
    assert_eq!(pin("TYPE=a\nRECIPE=b"), "b ");
    assert_eq!(pin("TYPE=git.a.org/b/c-d:1.0.0+2"), "git_a_org_b_c-d 1.0.0+2");
    assert_eq!(pin("TYPE=https://git.a.org:80/b.git:1.0.0+2").split(' ').nth(1), Some("1.0.0+2"));
    let wrong = parse("A=1\nTYPE=../etc");
    assert!(wrong.recipe_pin().unwrap_err().to_string().starts_with("test.env:2: recipe name"));
}

#[test]
fn two_lines_that_name_different_recipes_are_said() {
    for (text, said) in [
        ("TYPE=a\n", None),
        ("TYPE=a:1\nRECIPE=a:1\n", None),
        ("TYPE=\nRECIPE=a\n", None),
        (
            "TYPE=a:1\nRECIPE=b:1\n",
            Some("test.env:2: `RECIPE=b:1` counts; remove line 1, `TYPE=a:1`, which is ignored"),
        ),
        (
            "RECIPE=a:2\nTYPE=a:1\n",
            Some("test.env:1: `RECIPE=a:2` counts; remove line 2, `TYPE=a:1`, which is ignored"),
        ),
    ] {
        let file = parse(text);
        assert_eq!(file.rival_recipes().as_deref(), said, "{text}");
        assert_eq!(file.warnings().first().map(String::as_str), said, "{text}");
    }
    // Pinning a version makes no rivals.
    let mut both = parse("TYPE=a:1\nRECIPE=a:1\n");
    both.pin("2").unwrap();
    assert_eq!(both.to_text(), "TYPE=a:2\nRECIPE=a:2\n");
    let mut rivals = parse("TYPE=a:1\nRECIPE=b:1\n");
    rivals.pin("2").unwrap();
    assert_eq!(rivals.to_text(), "TYPE=a:1\nRECIPE=b:2\n");
}

#[test]
fn nothing_grows_without_bound() {
    let mut text = String::from("A=xxxxxxxx\n");
    for _ in 0..40 {
        text.push_str("A=$A$A\n");
    }
    let error = EnvFile::parse("f", &text).unwrap_err();
    assert!(error.message.contains("longer than"), "{error}");

    let mut text = format!("A={}\n", "x".repeat(60_000));
    for i in 0..100 {
        text.push_str(&format!("B{i}=$A\n"));
    }
    assert!(EnvFile::parse("f", &text).unwrap_err().message.contains("together"));

    let nested = format!("A={}{}", "${B:-".repeat(1000), "}".repeat(1000));
    assert!(EnvFile::parse("f", &nested).unwrap_err().message.contains("nested"));
    assert!(EnvFile::parse("f", &"#".repeat(MAX_FILE + 1)).is_err());
    assert!(parse(&"A=$B$C$D\n".repeat(1000)).warnings().len() <= MAX_WARNINGS);
}

#[test]
fn a_broken_file_gives_what_can_be_read() {
    let salvage = |text: &str| EnvFile::salvage("f", text, "STACK_NAME");
    let (file, left_out) = salvage("A=1\nthis is no line\nSTACK_NAME=wiki\nB='open\n").unwrap();
    assert_eq!(file.get("STACK_NAME"), Some("wiki"));
    assert_eq!(file.get("A"), Some("1"));
    assert_eq!(left_out.iter().map(|error| error.line).collect::<Vec<_>>(), [2, 4]);

    let (file, left_out) = salvage("A=1\n").unwrap();
    assert_eq!((file.get("A"), left_out.len()), (Some("1"), 0));

    // A stack's name that may be another is none.
    for text in ["STACK_NAME='wiki\n", "export STACK_NAME wiki\n", "A='x\nSTACK_NAME=${A}_y\n"] {
        assert!(salvage(text).is_err(), "{text}");
    }
    assert!(salvage("STACK_NAMES 'wiki\n").is_ok());
    assert!(salvage(&"bad\n".repeat(10_000)).unwrap().1.len() <= MAX_WARNINGS);
}

proptest! {
    #[test]
    fn any_text_is_kept_or_refused(text in "\\PC*") {
        if let Ok(file) = EnvFile::parse("f", &text) {
            prop_assert_eq!(file.to_text(), text);
        }
    }

    #[test]
    fn hostile_lines_never_panic(
        text in proptest::collection::vec("[A-C=#$\\\\{}:\"' \t\r\n\u{feff}ä-]{0,20}", 0..6)
    ) {
        let text = text.join("\n");
        if let Ok(file) = EnvFile::parse("f", &text) {
            prop_assert_eq!(file.to_text(), text);
            let _ = (file.values(), file.commented_keys(), file.recipe_pin());
        }
    }

    #[test]
    fn what_is_set_is_what_is_read(
        text in "([A-C]=[a-z'\"$# ]{0,8}\r?\n|# ?[A-C]=[a-z]*\n|#[a-z ]*\n|\n){0,8}",
        key in "[A-D]",
        value in "[ -~äß\t\r\n]{0,20}|.{0,20}"
    ) {
        if let Ok(mut file) = EnvFile::parse("f", &text) {
            let others: Vec<_> = ["A", "B", "C", "D"].into_iter().filter(|k| *k != key).collect();
            let comments = |file: &EnvFile| file.to_text().matches('#').count();
            let before = (comments(&file), file.modifiers(&key));
            file.set(&key, &value).unwrap();
            prop_assert_eq!(file.get(&key), Some(value.as_str()));
            prop_assert_eq!(file.modifiers(&key), before.1);
            for other in others {
                let _ = file.get(other);
            }
            let again = EnvFile::parse("f", &file.to_text()).unwrap();
            prop_assert_eq!(again, file);
        }
    }
}
