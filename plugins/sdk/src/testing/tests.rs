use std::{
    io::{Read, Write},
    time::Duration,
};

use super::*;
use crate::{
    Failure, http, memory, options, recipe_files, report, secrets, services, settings, tools,
};

#[test]
fn the_last_value_of_a_key_counts_and_an_empty_one_is_missing() {
    let played = Script::new().setting("A", "1").setting("A", "2").setting("B", "").play(|| {
        assert_eq!(settings::get("A").as_deref(), Some("2"));
        assert_eq!(settings::get_or("B", "x"), "x");
        settings::require("B")
    });
    assert_eq!(played.result.unwrap_err().message(), "the setting B is missing");
}

#[test]
fn a_failed_program_is_an_error_with_its_last_words() {
    let played = Script::new()
        .on_run(|_, _, _| Ok(Script::failed(2, "no such table\n")))
        .play(|| services::run("db", ["mariadb"]));
    assert_eq!(
        played.result.unwrap_err().to_string(),
        "`mariadb` ended with code 2: no such table"
    );
}

#[test]
fn missing_options_are_all_defaults() {
    #[derive(serde::Deserialize)]
    struct Options {
        #[serde(default)]
        name: String,
    }
    let played = Script::new().options("null").play(options::<Options>);
    assert_eq!(played.result.unwrap().name, "");
}

#[test]
fn services_keep_files_show_logs_and_fail_as_told() {
    let minute = Duration::from_secs(60);
    let played = Script::new()
        .logs("app", &["starting", "first password: hunter22"])
        .on_call(|call| match call {
            Call::WaitReady { service, .. } if service == "db" => Err(ServiceError::TimedOut),
            _ => Ok(()),
        })
        .play(|| {
            services::put_file("app", "/etc/x", "content", 0o600)?;
            assert_eq!(services::get_file("app", "/etc/x")?, b"content");
            assert_eq!(services::logs("app", 1)?, ["first password: hunter22"]);
            assert!(services::get_file("app", "/etc/y").is_err());
            services::restart("app", minute)?;
            services::wait_ready("db", minute)
        });
    assert_eq!(played.result, Err(services::Error::TimedOut));
    assert_eq!(played.calls.len(), 6);
    assert_eq!(played.calls[5], Call::WaitReady { service: "db".into(), at_most: minute });
    assert_eq!(played.files[&("app".into(), "/etc/x".into())], b"content");
}

#[test]
fn origins_answer_what_the_script_says() {
    let played = Script::new()
        .on_http(|request| match request.url.ends_with("/health") {
            true => Ok(Script::response(204, "")),
            false => Err(HttpError::TimedOut),
        })
        .play(|| {
            let get = |path: &str| {
                http::send(&http::Request::new("GET", &format!("https://sso.example.org{path}")))
            };
            (get("/health").map(|response| response.status), get("/").unwrap_err())
        });
    assert_eq!(played.result, (Ok(204), http::Error::TimedOut));
    assert_eq!(played.requests.len(), 2);
    let request = http::Request::new("GET", "https://a.example.org/");
    let failed = Script::new().play(|| http::send(&request)).result.unwrap_err();
    assert!(failed.to_string().contains("nothing answers GET https://a.example.org/"));
}

#[test]
fn a_grant_that_is_not_there_is_denied_with_its_line() {
    let played = Script::new()
        .secret("key", "x")
        .denied("exec: db")
        .denied("secret: key")
        .denied("http: https://sso.example.org:8443")
        .play(|| {
            let request = http::Request::new("GET", "https://sso.example.org:8443/realm?x=y");
            [
                services::run("db", ["true"]).map(drop).map_err(Failure::from),
                services::logs("db", 10).map(drop).map_err(Failure::from),
                secrets::reveal("key").map(drop).map_err(Failure::from),
                http::send(&request).map(drop).map_err(Failure::from),
            ]
        });
    for (result, grant) in played.result.into_iter().zip([
        "exec: db",
        "exec: db",
        "secret: key",
        "http: https://sso.example.org:8443",
    ]) {
        let message = format!("the plugin was not granted `{grant}`");
        assert_eq!(result.unwrap_err().message(), message);
    }
    assert!(played.runs.is_empty() && played.requests.is_empty());
}

#[test]
fn secrets_are_put_once_and_only_where_the_app_has_one() {
    let played = Script::new().secret("old", "1").secret_to_put("new").play(|| {
        assert!(matches!(secrets::reveal("new"), Err(secrets::Error::Unavailable(_))));
        assert_eq!(secrets::put("new", "2"), Ok(()));
        assert_eq!(secrets::put("old", "2"), Err(secrets::Error::Exists("old".into())));
        secrets::put("none", "2")
    });
    assert_eq!(played.result, Err(secrets::Error::UnknownSecret("none".into())));
    assert_eq!(played.secrets["new"], "2");
}

#[test]
fn memory_progress_and_tools_are_those_of_the_script() {
    let played = Script::new().memory("a", "1").now(12).recipe_file("logo", "x").play(|| {
        assert_eq!(memory::get("a").unwrap().as_deref(), Some("1"));
        memory::set("a", "").unwrap();
        memory::set("b", "2").unwrap();
        report::progress("rows", 1, Some(2));
        assert_eq!(tools::now(), 12);
        assert_eq!(recipe_files::read("logo").unwrap(), b"x");
        assert!(tools::bcrypt(&"x".repeat(73)).is_err());
        assert_ne!(tools::random_bytes(8), tools::random_bytes(8));
    });
    assert_eq!(played.memory.into_iter().collect::<Vec<_>>(), [("b".into(), "2".into())]);
    assert_eq!(played.progress, [("rows".to_owned(), 1, Some(2))]);
}

#[test]
fn bytes_flow_between_a_test_and_a_backup() {
    let (mut sink, written) = sink();
    sink.write_all(b"one ").unwrap();
    sink.write_all(b"two").unwrap();
    assert_eq!(written.bytes(), b"one two");
    let mut text = String::new();
    source("back").read_to_string(&mut text).unwrap();
    assert_eq!(text, "back");
}
