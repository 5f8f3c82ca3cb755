//! The plugin against a scripted host.

use base64::{Engine, engine::general_purpose::STANDARD};
use potluck_sdk::{
    Backup, Commands, Lifecycle, Transition,
    testing::{Run, Script},
};
use serde_json::Value;

use crate::{Wordpress, site::Site};

fn first_deploy() -> Transition {
    Transition { before: None, after: Some("1.0.0".into()) }
}

fn app() -> Script {
    Script::new()
        .setting("DOMAIN", "blog.example.org")
        .setting("TITLE", "It's \"ours\" <b>")
        .setting("ADMIN_USER", "admin")
        .setting("ADMIN_EMAIL", "admin@example.org")
}

/// What a script was given, taken out of the program again.
fn input_of(run: &Run) -> Value {
    let program = String::from_utf8(run.input.clone()).unwrap();
    let encoded = program.split("base64_decode('").nth(1).unwrap().split('\'').next().unwrap();
    serde_json::from_slice(&STANDARD.decode(encoded).unwrap()).unwrap()
}

#[test]
fn the_site_is_installed_with_its_settings_and_nothing_in_the_arguments() {
    let answer = r#"{"installed":true,"upgraded":false,"moved_from":null,"locale_failed":false}"#;
    let played = app()
        .on_run(move |_, _, _| Ok(Script::printed(answer)))
        .play(|| Wordpress::after_deploy(first_deploy()));
    played.result.unwrap();
    let [run] = &played.runs[..] else { panic!("one script: {:?}", played.runs) };
    assert_eq!((run.service.as_str(), &run.command.argv[..]), ("app", &["php".to_owned()][..]));
    assert_eq!(run.command.user.as_deref(), Some("www-data"));
    let input = input_of(run);
    assert_eq!(input["url"], "https://blog.example.org");
    assert_eq!(input["title"], "It's \"ours\" <b>");
    assert_eq!(input["may_install"], true);
    assert_eq!(played.log[0].1, "WordPress is installed at https://blog.example.org");
}

#[test]
fn a_restore_never_installs_a_new_site_over_a_missing_one() {
    let played = app()
        .on_run(|_, _, _| Ok(Script::failed(1, "the database holds no WordPress site\n")))
        .play(Wordpress::after_restore);
    assert_eq!(input_of(&played.runs[0])["may_install"], false);
    assert_eq!(
        played.result.unwrap_err().message(),
        "WordPress: `php` ended with code 1: the database holds no WordPress site"
    );
}

#[test]
fn a_new_password_is_returned_once_and_is_in_no_argument_and_no_line() {
    let played = app()
        .on_run(|_, _, _| Ok(Script::printed("\"admin\"")))
        .play(|| Wordpress::run("reset-admin-password".into(), vec![]));
    let password = played.result.unwrap();
    assert_eq!(password.len(), 24);
    let run = &played.runs[0];
    assert_eq!(input_of(run)["password"], password);
    assert!(!format!("{:?}", run.command).contains(&password));
    assert!(played.log.iter().all(|(_, line)| !line.contains(&password)));
}

#[test]
fn what_is_missing_or_wrong_stops_a_deploy_before_it_begins() {
    for (script, message) in [
        (Script::new(), "the setting DOMAIN is missing"),
        (app().setting("TITLE", ""), "the setting TITLE is missing"),
        (app().setting("ADMIN_USER", "a/b"), "`a/b` can't be a user's name in WordPress"),
        (app().setting("ADMIN_EMAIL", "admin"), "`admin` is no mail address"),
        (app().setting("SITE_URL", "example.org"), "`example.org` is no address for a site"),
        (app().setting("SITE_URL", "http://"), "`http:` is no address for a site"),
        (
            app().options(r#"{"databse":"db"}"#),
            "the plugin's options in recipe.yml are wrong: unknown field `databse`, \
             expected `app` or `database` at line 1 column 10",
        ),
    ] {
        let played = script.play(|| Wordpress::check(first_deploy()));
        assert_eq!(played.result.unwrap_err().message(), message);
    }
    app().play(|| Wordpress::check(first_deploy())).result.unwrap();
}

#[test]
fn the_address_is_site_url_or_made_of_the_domain() {
    for (url, expected) in [
        ("", "https://blog.example.org"),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
        ("https://example.org/blog", "https://example.org/blog"),
    ] {
        let played = app().setting("SITE_URL", url).play(Site::read);
        assert_eq!(played.result.unwrap().url, expected);
    }
}

#[test]
fn wrong_use_of_a_command_says_so() {
    let played = app().play(|| {
        let wrong = Wordpress::run("search-replace".into(), vec!["x".into()]);
        let unknown = Wordpress::run("fly".into(), vec![]);
        [wrong, unknown].map(|result| result.unwrap_err().message().to_owned())
    });
    assert_eq!(
        played.result,
        ["`search-replace` has too few or too many arguments", "there is no command `fly`"]
    );
    assert!(played.runs.is_empty());
}
