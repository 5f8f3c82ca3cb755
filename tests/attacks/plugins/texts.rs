//! Text that would drive the terminal, read as something else, or carry what
//! nobody should read.

use std::sync::Arc;

use potluck::{hint::Hint, plugin::Error};

use super::{
    attack, attack_in, checks, crashed,
    hostile::{Data, Guest, World, binary},
    said, start, the_host_stands,
};

/// Clears the screen, sets the title, goes to a link, hides, turns around,
/// beeps, returns; with the one-byte forms.
const EVIL: &str = "a\u{1b}[2J\u{1b}]0;title\u{7}b\u{1b}]8;;http://x\u{1b}\\c\u{9b}31md\u{202e}e\
                    \u{61c}f\r\u{8}\u{7f}\u{0}g\u{e0041}h";
const CLEAN: &str = "abcdefgh";

#[tokio::test]
async fn a_log_line_drives_the_terminal() {
    let guest = checks(&[("report", "log")], |data| {
        (0..4).map(|level| data.log(level, EVIL)).collect::<String>() + "(i32.const 64)"
    });
    let (outcome, world) = attack(&guest.binary(), &[]).await;
    outcome.unwrap();
    let wanted = ["debug", "info", "warning", "error"].map(|level| format!("{level}: {CLEAN}"));
    assert_eq!(world.lines(), wanted);
}

#[tokio::test]
async fn a_log_line_pretends_to_be_the_hosts() {
    let guest = checks(&[("report", "log")], |data| {
        data.log(1, "done\nerror: type your password\r\nhint: here") + "(i32.const 64)"
    });
    let (_, world) = attack(&guest.binary(), &[]).await;
    assert_eq!(
        world.lines(),
        ["info: done", "info: error: type your password", "info: hint: here"],
        "each line is the plugin's"
    );
}

#[tokio::test]
async fn a_steps_name_drives_the_terminal() {
    let guest = checks(&[("report", "progress")], |data| {
        let [at, length] = data.string(&format!("{EVIL}\nmore"));
        format!(
            "(call $progress (i32.const {at}) (i32.const {length}) (i64.const 1)
                (i32.const 1) (i64.const -1)) (i32.const 64)"
        )
    });
    let (outcome, world) = attack(&guest.binary(), &[]).await;
    outcome.unwrap();
    assert_eq!(world.steps(), [format!("{CLEAN} more")]);
}

#[tokio::test]
async fn a_failure_drives_the_terminal() {
    let guest = checks(&[], |data| {
        let (message, hint) = (data.string(EVIL), data.string(EVIL));
        let words = [[1].as_slice(), &message, &[1], &hint, &[0]].concat();
        format!("(i32.const {})", data.words(&words))
    });
    let error = attack(&guest.binary(), &[]).await.0.unwrap_err();
    assert!(error.to_string().ends_with(&format!("failed: {CLEAN}")), "{error}");
    assert_eq!(error.hint().unwrap(), CLEAN);
}

#[tokio::test]
async fn a_refused_name_drives_the_terminal() {
    let guest =
        checks(&[("services", "run")], |data| data.run(EVIL, &["true"], &[]) + "(i32.const 64)");
    let (_, world) = attack(&guest.binary(), &[]).await;
    assert_eq!(
        world.warnings(),
        [format!("was not granted `exec: {CLEAN}`, which it tried to use")]
    );
}

#[tokio::test]
async fn a_functions_name_drives_the_terminal() {
    let long = "x".repeat(5000);
    let guest = Guest::new(&["lifecycle"])
        .items(&format!(
            r#"(func $"\1b[2J\1b]0;title\07inner" unreachable)
               (func $"{long}" (call $"\1b[2J\1b]0;title\07inner"))"#
        ))
        .hook("lifecycle", "check", &format!(r#"(call $"{long}") (i32.const 64)"#));
    let said = crashed(&guest.binary(), &[]).await;
    assert!(said.contains("inner") && said.contains("xxx…"), "{said}");
    assert!(!said.contains('\u{1b}') && said.len() < 2000, "{said}");
}

/// Writes these texts to standard output, one after the other.
fn prints(texts: &[&str]) -> Guest {
    checks(
        &[
            ("stdout", "get-stdout"),
            ("streams", "[method]output-stream.blocking-write-and-flush"),
            ("secrets", "reveal"),
        ],
        |data| {
            let name = data.string("key");
            let mut body = data.call("reveal", &[name], &[]);
            body += "(local.set $a (call $get-stdout))";
            for text in texts {
                let [at, length] = data.string(text);
                body += &format!(
                    "(call $blocking-write-and-flush (local.get $a)
                        (i32.const {at}) (i32.const {length}) (i32.const 160))"
                );
            }
            body + "(i32.const 64)"
        },
    )
}

#[tokio::test]
async fn standard_output_drives_the_terminal() {
    let (outcome, world) =
        attack(&prints(&[&format!("{EVIL}\n"), "error: \u{1b}[31m", "x\n"]).binary(), &[]).await;
    outcome.unwrap();
    let lines = world.lines();
    assert_eq!(lines[1..], [format!("info: {CLEAN}"), "info: error: x".into()], "{lines:?}");
}

const SECRET: &str = "hunter22-and-a-half";

fn with_secret() -> Arc<World> {
    let secrets = [("key".to_owned(), SECRET.to_owned())].into();
    Arc::new(World { secrets, ..World::default() })
}

#[tokio::test]
async fn a_secret_is_said_with_an_escape_in_it() {
    let guest = checks(&[("secrets", "reveal"), ("report", "log")], |data| {
        let name = data.string("key");
        data.call("reveal", &[name], &[])
            + &data.log(1, "it is hunter22\u{1b}[0m-and-\u{200e}a-half!")
            + "(i32.const 64)"
    });
    let (_, world) = attack_in(with_secret(), &guest.binary(), &["secret: key"]).await;
    assert_eq!(world.lines(), ["info: it is ***!"]);
}

#[tokio::test]
async fn a_secret_is_printed_in_pieces() {
    let guest = prints(&["it is hunter22\u{1b}[0m", "-and-a", "-half!\n"]);
    let (_, world) = attack_in(with_secret(), &guest.binary(), &["secret: key"]).await;
    assert_eq!(world.lines(), ["info: it is ***!"]);
}

#[tokio::test]
async fn a_secret_is_put_into_a_failure() {
    let guest = checks(&[("secrets", "reveal")], |data| {
        let name = data.string("key");
        // The value lies behind the answer's case.
        data.call("reveal", &[name], &[])
            + "(call $fail (i32.load (i32.const 164)) (i32.load (i32.const 168)))"
    });
    let error = attack_in(with_secret(), &guest.binary(), &["secret: key"]).await.0.unwrap_err();
    assert!(error.to_string().ends_with("failed: ***"), "{error}");
}

#[tokio::test]
async fn a_commands_secret_argument_is_logged() {
    let mut data = Data::new();
    let parameter = [data.string("password"), data.string("")].concat();
    let flags = 1 | 1 << 8; // required, secret
    let parameters = data.list(&[[parameter, vec![flags]].concat()]);
    let spec = [data.string("set"), data.string(""), parameters].concat();
    let [specs, count] = data.list(&[spec]);
    let specs = data.words(&[specs, count]);
    let guest = Guest::new(&["commands"])
        .import("report", "log")
        .items(&data.items())
        .hook("commands", "specs", &format!("(i32.const {specs})"))
        .hook(
            "commands",
            "run",
            "(call $log (i32.const 1) (i32.load (local.get 2)) (i32.load offset=4 (local.get 2)))
             (i32.const 64)",
        );
    let world = Arc::new(World::default());
    let mut hooks = start(&guest.binary(), &world, &[]).await;
    assert!(hooks.command_specs().await.unwrap()[0].parameters[0].secret);
    hooks.run_command("set", &[SECRET.into()]).await.unwrap();
    assert_eq!(world.lines(), ["info: ***"]);
    the_host_stands().await;
}

#[tokio::test]
async fn a_text_is_no_utf_8() {
    let guest = checks(&[("report", "log")], |data| {
        let at = data.put(&[0xff, 0xfe, b'a', 0xc0, 0x80]);
        format!("(call $log (i32.const 1) (i32.const {at}) (i32.const 5)) (i32.const 64)")
    });
    let said = crashed(&guest.binary(), &[]).await;
    assert!(said.contains("utf-8"), "{said}");
}

#[tokio::test]
async fn a_text_is_half_a_character() {
    let guest = checks(&[("report", "log")], |data| {
        let at = data.put(&[0x00, 0xd8, b'a', 0]);
        format!("(call $log (i32.const 1) (i32.const {at}) (i32.const 2)) (i32.const 64)")
    });
    let lowered = r#"(func $report "log")"#;
    let text = guest.text();
    assert!(text.contains(lowered));
    let text = text.replace(lowered, &format!("{lowered} string-encoding=utf16"));
    let said = crashed(&binary(&text), &[]).await;
    assert!(said.contains("surrogate") || said.contains("utf-16"), "{said}");
}

#[tokio::test]
async fn a_failure_says_nothing() {
    let guest = checks(&[], |data| {
        let [at, length] = data.string("\u{1b}[2J \n\t\u{202e}");
        format!("(call $fail (i32.const {at}) (i32.const {length}))")
    });
    assert_eq!(said(&guest.binary(), &[]).await.0, "it does not say why");
}

#[tokio::test]
async fn a_commands_name_is_a_text_of_its_own() {
    for name in ["", "a b", "--all", "\u{1b}[2J", "a\nb", "../x", "ü"] {
        let mut data = Data::new();
        let spec = [data.string(name), data.string("help"), [0, 0]].concat();
        let [specs, count] = data.list(&[spec]);
        let specs = data.words(&[specs, count]);
        let guest = Guest::new(&["commands"]).items(&data.items()).hook(
            "commands",
            "specs",
            &format!("(i32.const {specs})"),
        );
        let world = Arc::new(World::default());
        let error = start(&guest.binary(), &world, &[]).await.command_specs().await.unwrap_err();
        assert!(matches!(error, Error::Answer { .. }), "{name:?}: {error}");
        assert!(error.to_string().contains("is not the name of a command"), "{error}");
    }
    the_host_stands().await;
}
