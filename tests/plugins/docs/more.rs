
/// What the page shows and does not test itself.
mod more {
    use potluck_sdk::{
        Backup, Commands, Migration,
        testing::{Call, Script, sink, source},
    };

    use crate::*;

    fn app() -> Script {
        Script::new().setting("DOMAIN", "wiki.example.org")
    }

    #[test]
    fn programs() {
        let played = app()
            .on_run(|_, command, _| {
                Ok(match &command.argv[..] {
                    [_, word] if word == "--version" => Script::printed("1.2\n"),
                    [_, word] if word == "is-installed" => Script::failed(1, ""),
                    _ => Script::printed(""),
                })
            })
            .play(|| {
                assert_eq!(app_version().unwrap(), "1.2");
                assert!(!is_installed().unwrap());
                rebuild_index().unwrap();
                import_users("ada").unwrap();
                sign_in().unwrap();
            });
        let index = &played.runs[2].command;
        assert_eq!(index.user.as_deref(), Some("www-data"));
        assert_eq!(index.workdir.as_deref(), Some("/srv/app"));
        assert_eq!(index.timeout_ms, Some(600_000));
        assert_eq!(played.runs[3].input, b"ada");
    }

    #[test]
    fn services_and_files() {
        let played = app()
            .logs("app", &["starting", "admin password: hunter2"])
            .file("app", "/data/app.conf", "x = 1")
            .play(|| {
                reload().unwrap();
                assert_eq!(first_password().unwrap(), "hunter2");
                assert_eq!(read_config().unwrap(), "x = 1");
            });
        assert!(matches!(&played.calls[0], Call::Restart { service, .. } if service == "app"));
        let none = app().logs("app", &["starting"]).play(first_password);
        assert_eq!(none.result.unwrap_err().message(), "the app has not printed its first password");
    }

    #[test]
    fn settings_and_options() {
        app().options(r#"{"greeting": "hi"}"#).setting("BASE_PATH", "/w").play(|| {
            assert_eq!(address().unwrap(), "https://wiki.example.org/w");
            assert_eq!(greeting().unwrap(), "hi");
            assert!(describe().starts_with("app.example.org of recipe"));
        });
        assert_eq!(app().play(greeting).result.unwrap(), "hello");
        assert!(app().options(r#"{"greting": "hi"}"#).play(greeting).result.is_err());
        assert!(Script::new().setting("DOMAIN", "a.onion").play(check_address).result.is_err());
    }

    #[test]
    fn http() {
        let ask = |status: u16| {
            app()
                .on_http(move |_| Ok(Script::response(status, r#"{"name": "1.3"}"#)))
                .play(newest_release)
        };
        assert_eq!(ask(200).result.unwrap(), "1.3");
        assert_eq!(ask(503).result.unwrap_err().message(), "the releases answered 503");
    }

    #[test]
    fn secrets_and_memory() {
        let made = app().secret_to_put("api_token").play(|| make_token().unwrap());
        assert_eq!(made.secrets["api_token"].len(), 40);
        app().secret("api_token", "old").play(|| make_token().unwrap());
        app().play(|| assert!(only_once().unwrap() && !only_once().unwrap()));
    }

    #[test]
    fn progress_and_failures() {
        let tables = ["a".to_owned(), "b".to_owned()];
        let played = app().play(move || upgrade_tables(&tables));
        assert_eq!(played.progress[1], ("tables".into(), 1, Some(2)));
        assert_eq!(played.log[0].1, "upgraded 2 tables");
        let failed = app()
            .on_run(|_, _, _| Ok(Script::failed(1, "locked")))
            .play(|| upgrade_tables(&["a".to_owned()]));
        let message = failed.result.unwrap_err().message().to_owned();
        assert_eq!(message, "the table a: `app-ctl` ended with code 1: locked");
    }

    #[test]
    fn roles() {
        assert_eq!(<Plugin as Migration>::plan("1.4.0+6".into(), "2.0.0+7".into()).unwrap().len(), 2);
        assert!(<Plugin as Migration>::plan("2.0.0".into(), "2.1.0".into()).unwrap().is_empty());
        assert_eq!(Plugin::specs().len(), 3);
        let (into, written) = sink();
        let played = app().play(|| {
            Plugin::produce("address.txt".into(), into).unwrap();
            Plugin::consume("address.txt".into(), source("https://other/")).unwrap();
            Plugin::before_backup().unwrap();
            Plugin::after_backup(false).unwrap();
        });
        assert_eq!(written.bytes(), b"https://wiki.example.org/");
        assert!(played.log[0].1.starts_with("the backup is of https://other/"));
        assert_eq!(<Plugin as Backup>::plan().unwrap().len(), 3);
    }
}
