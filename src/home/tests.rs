use std::{fs, os::unix::fs::PermissionsExt};

use super::*;
use crate::hint::Hint;

fn home() -> (tempfile::TempDir, Home) {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::new(folder.path());
    (folder, home)
}

fn server(name: &str) -> ServerName {
    ServerName::new(name).unwrap()
}

fn entry(name: &str, on: &str) -> AppEntry {
    AppEntry { name: AppName::new(name).unwrap(), server: server(on) }
}

fn env(text: &str) -> EnvFile {
    EnvFile::parse("test", text).unwrap()
}

#[test]
fn an_empty_folder_is_an_empty_home() {
    let (_folder, home) = home();
    assert!(home.servers().unwrap().is_empty());
    assert!(home.apps().unwrap().is_empty());
    assert!(matches!(
        home.app(&AppName::new("a.example").unwrap()),
        Err(Error::UnknownApp { nearest: None, .. })
    ));
}

#[test]
fn an_abra_folder_is_a_home() {
    let (folder, home) = home();
    let shared = folder.path().join("team");
    fs::create_dir_all(&shared).unwrap();
    fs::create_dir_all(folder.path().join("servers/b.example")).unwrap();
    fs::create_dir_all(folder.path().join("servers/.git")).unwrap();
    fs::write(folder.path().join("servers/README.md"), "").unwrap();
    std::os::unix::fs::symlink(&shared, folder.path().join("servers/a.example")).unwrap();
    fs::write(shared.join("wiki.example.env"), "TYPE=wiki:1.0.0+2\n").unwrap();
    fs::write(shared.join(".hidden.env"), "").unwrap();
    fs::write(shared.join("notes.txt"), "").unwrap();
    assert_eq!(home.servers().unwrap(), [server("a.example"), server("b.example")]);
    assert_eq!(home.apps().unwrap(), [entry("wiki.example", "a.example")]);
    let app = home.app(&AppName::new("wiki.example").unwrap()).unwrap();
    assert_eq!(home.env(&app).unwrap().get("TYPE"), Some("wiki:1.0.0+2"));
    assert_eq!(home.endpoint(&server("a.example")).unwrap(), "ssh://a.example");
}

#[test]
fn endpoints() {
    let (folder, home) = home();
    fs::create_dir_all(folder.path().join("servers/default")).unwrap();
    let settings =
        ServerSettings { endpoint: Some("ssh://u@h:2".into()), ..ServerSettings::default() };
    home.write_server(&server("s"), &settings).unwrap();
    for (name, endpoint) in [
        ("simulated", "simulated"),
        ("default", "unix:///var/run/docker.sock"),
        ("s", "ssh://u@h:2"),
    ] {
        assert_eq!(home.endpoint(&server(name)).unwrap(), endpoint);
    }
    let error = home.endpoint(&server("defualt")).unwrap_err();
    assert_eq!(error.hint().unwrap(), "did you mean `default`?");
}

#[test]
fn server_yml_is_read_strictly_with_the_line() {
    let (folder, home) = home();
    let path = folder.path().join("servers/s/server.yml");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, "endpoint: simulated\nendpiont: x\n").unwrap();
    let error = home.server(&server("s")).unwrap_err().to_string();
    assert!(error.contains("server.yml: ") && error.contains("line 2"), "{error}");
    assert!(error.contains("endpiont"), "{error}");
    fs::write(&path, "# nothing yet\n").unwrap();
    assert_eq!(home.server(&server("s")).unwrap(), ServerSettings::default());
}

#[test]
fn a_server_with_apps_stays() {
    let (folder, home) = home();
    home.write_server(&server("s"), &ServerSettings::default()).unwrap();
    home.create_app(&entry("a.example", "s"), &env("TYPE=a\n")).unwrap();
    assert!(matches!(home.remove_server(&server("s")), Err(Error::ServerInUse { .. })));
    home.remove_app(&entry("a.example", "s")).unwrap();
    home.remove_server(&server("s")).unwrap();
    assert!(!folder.path().join("servers/s").exists());
    assert!(matches!(home.remove_server(&server("s")), Err(Error::UnknownServer { .. })));
}

#[test]
fn an_app_is_created_once_and_found_by_name() {
    let (_folder, home) = home();
    for name in ["s", "t"] {
        home.write_server(&server(name), &ServerSettings::default()).unwrap();
    }
    let app = entry("wiki.example.org", "s");
    home.create_app(&app, &env("TYPE=wiki\n")).unwrap();
    assert!(matches!(home.create_app(&app, &env("")), Err(Error::AppExists(_))));
    assert_eq!(home.env(&app).unwrap().to_text(), "TYPE=wiki\n");
    assert_eq!(home.app(&app.name).unwrap(), app);
    let error = home.app(&AppName::new("wkii.example.org").unwrap()).unwrap_err();
    assert_eq!(error.hint().unwrap(), "did you mean `wiki.example.org`?");
    home.create_app(&entry("wiki.example.org", "t"), &env("")).unwrap();
    assert!(matches!(home.app(&app.name), Err(Error::AmbiguousApp { .. })));
    assert_eq!(home.app_on(&app.name, &server("t")).unwrap().server, server("t"));
    assert!(matches!(
        home.create_app(&entry("x", "nowhere"), &env("")),
        Err(Error::UnknownServer { .. })
    ));
    home.create_app(&entry("x.example", "simulated"), &env("")).unwrap();
}

#[test]
fn a_lock_file_reads_back() {
    let (_folder, home) = home();
    let app = entry("a.example", "simulated");
    assert_eq!(home.lock_file(&app).unwrap(), LockFile::default());
    home.create_app(&app, &env("")).unwrap();
    let mut lock = LockFile {
        recipe: Some(lock_file::RecipePin {
            version: Some("1.0.0+2".into()),
            commit: Some("1234567".into()),
            label: None,
            chaos: None,
        }),
        ..LockFile::default()
    };
    let grants = vec!["exec: db".into(), "http: https://sso.example.org".into()];
    let plugin = lock_file::PluginPin {
        sha256: "0".repeat(64),
        component: Some("plugins/wordpress.wasm".into()),
        recipe: lock.recipe.clone(),
        grants,
        earlier: vec![lock_file::AgreedVersion {
            version: "0.9.0+1".into(),
            sha256: "1".repeat(64),
        }],
    };
    lock.plugins.insert("wordpress".into(), plugin);
    let guard = home.guard_app(&app, "a test").unwrap();
    home.write_lock_file(&guard, &lock).unwrap();
    assert_eq!(home.lock_file(&app).unwrap(), lock);
    // One that was written before plugins had a component and a recipe there.
    for plugin in lock.plugins.values_mut() {
        (plugin.component, plugin.recipe) = (None, None);
        plugin.earlier.clear();
    }
    home.write_lock_file(&guard, &lock).unwrap();
    assert_eq!(home.lock_file(&app).unwrap(), lock);
    home.write_lock_file(&guard, &LockFile::default()).unwrap();
    assert_eq!(home.lock_file(&app).unwrap(), LockFile::default());
}

#[test]
fn writing_keeps_the_mode_and_follows_links() {
    let (folder, home) = home();
    let app = entry("a.example", "simulated");
    home.create_app(&app, &env("A=1\n")).unwrap();
    let elsewhere = folder.path().join("elsewhere.env");
    fs::rename(home.env_path(&app), &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, home.env_path(&app)).unwrap();
    fs::set_permissions(&elsewhere, fs::Permissions::from_mode(0o640)).unwrap();
    home.write_env(&app, &env("A=2\n")).unwrap();
    assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "A=2\n");
    assert_eq!(fs::metadata(&elsewhere).unwrap().permissions().mode() & 0o777, 0o640);
    assert!(home.env_path(&app).is_symlink());
}

#[test]
fn a_link_in_a_folder_that_others_filled_is_not_followed() {
    use write::{Existing, Readers, write_whole};
    let (folder, _) = home();
    let [elsewhere, link] =
        ["elsewhere", "recipe/plugins/wiki.wasm"].map(|p| folder.path().join(p));
    fs::write(&elsewhere, "mine").unwrap();
    fs::create_dir_all(link.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &link).unwrap();
    let mode = || fs::symlink_metadata(&link).unwrap().permissions().mode() & 0o7777;
    let write = || write_whole(&link, b"built", Existing::ReplaceLink, Readers::Shared).unwrap();
    write();
    assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "mine");
    assert!(fs::read(&link).unwrap() == b"built" && !link.is_symlink());
    assert_eq!(mode() & 0o111, 0);
    fs::set_permissions(&link, fs::Permissions::from_mode(0o600)).unwrap();
    write();
    assert_eq!(mode(), 0o600);
}

#[test]
fn backup_settings_are_whole_paths() {
    let (folder, home) = home();
    let own = home.backup(&server("simulated")).unwrap();
    let root = folder.path().display();
    assert_eq!(own.repository, format!("{root}/state/backups/simulated/repository"));
    for (given, expected) in [
        ("/srv/restic", "/srv/restic".to_owned()),
        ("local:/srv/restic", "/srv/restic".to_owned()),
        ("restic", format!("{root}/servers/s/restic")),
        ("sftp:b@h:/srv", "sftp:b@h:/srv".to_owned()),
        ("s3:https://x/y", "s3:https://x/y".to_owned()),
    ] {
        let backup = BackupSettings {
            repository: given.into(),
            password_file: "password".into(),
            ..BackupSettings::default()
        };
        let settings = ServerSettings { backup: Some(backup), ..ServerSettings::default() };
        home.write_server(&server("s"), &settings).unwrap();
        let resolved = home.backup(&server("s")).unwrap();
        assert_eq!(resolved.repository, expected);
        assert_eq!(resolved.password_file, folder.path().join("servers/s/password"));
    }
}

#[test]
fn rules_of_retention_need_no_repository_of_the_operators() {
    let (folder, home) = home();
    let path = folder.path().join("servers/s/server.yml");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, "backup:\n  keep: {daily: 7}\n").unwrap();
    let own = home.backup(&server("s")).unwrap();
    assert!(own.repository.ends_with("state/backups/s/repository"));
    assert_eq!(own.keep.unwrap().daily.number(), 7);
    for (given, lacking) in [
        ("repository: /srv", "no `password-file`"),
        ("repository: /srv, password-file: p, password-command: [x]", "either `password-file`"),
        ("copies: {vault: {repository: /srv}}", "the copy `vault` of `backup` names a repository"),
        ("copies: {Vault: {repository: /srv, password-file: p}}", "cannot name a copy"),
        ("password-file: p", "no `repository`"),
        ("environment-file: e", "no `repository`"),
    ] {
        fs::write(&path, format!("backup: {{{given}}}\n")).unwrap();
        let error = home.backup(&server("s")).unwrap_err().to_string();
        assert!(error.contains(lacking), "{given}: {error}");
    }
}

#[test]
fn memory_is_kept_within_bounds() {
    let (_folder, home) = home();
    let app = entry("a.example", "simulated");
    let memory = home.memory(&app, "wordpress").unwrap();
    assert_eq!(memory.get("k").unwrap(), None);
    memory.set("k", "v").unwrap();
    assert_eq!(home.memory(&app, "wordpress").unwrap().get("k").unwrap().unwrap(), "v");
    assert_eq!(home.memory(&app, "other").unwrap().get("k").unwrap(), None);
    assert!(memory.set("k", &"x".repeat(memory::MAX_VALUE + 1)).is_err());
    assert!(memory.set("", "x").is_err());
    for i in 1..memory::MAX_KEYS {
        memory.set(&format!("k{i}"), "v").unwrap();
    }
    assert!(memory.set("one-more", "v").is_err());
    memory.set("k", "").unwrap();
    memory.set("one-more", "v").unwrap();
    assert!(home.memory(&app, "../../x").is_err());
    home.remove_app(&app).unwrap();
    assert_eq!(memory.get("one-more").unwrap(), None);
}

#[test]
fn two_writers_never_tear_a_file_or_lose_a_fact() {
    let (_folder, home) = home();
    let app = entry("a.example", "simulated");
    let memory = home.memory(&app, "p").unwrap();
    let texts = ["A=1\n".repeat(2000), "B=2\n".repeat(3000)];
    home.create_app(&app, &env(&texts[0])).unwrap();
    let racing = entry("race.example", "simulated");
    let created = std::thread::scope(|scope| {
        let creators: Vec<_> =
            (0..8).map(|_| scope.spawn(|| home.create_app(&racing, &env("")).is_ok())).collect();
        for (writer, text) in texts.iter().enumerate() {
            let (home, app, memory) = (&home, &app, &memory);
            scope.spawn(move || {
                for i in 0..20 {
                    home.write_env(app, &env(text)).unwrap();
                    memory.set(&format!("{writer}-{i}"), "v").unwrap();
                }
            });
        }
        for _ in 0..100 {
            let read = fs::read_to_string(home.env_path(&app)).unwrap();
            assert!(texts.contains(&read));
        }
        creators.into_iter().map(|c| c.join().unwrap()).filter(|ok| *ok).count()
    });
    assert_eq!(created, 1);
    for key in (0..2).flat_map(|writer| (0..20).map(move |i| format!("{writer}-{i}"))) {
        assert_eq!(memory.get(&key).unwrap().as_deref(), Some("v"), "{key}");
    }
    let folder = home.env_path(&app);
    let left = fs::read_dir(folder.parent().unwrap()).unwrap().count();
    assert_eq!(left, 2, "temporary files were left behind");
}

#[test]
fn nodes_are_added_and_comments_stay() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::new(folder.path());
    let server = ServerName::new("lab").unwrap();
    let path = folder.path().join("servers/lab/server.yml");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let add = |node: &str, endpoint: &str| {
        home.add_nodes(&server, &[(node.to_owned(), endpoint.to_owned())].into()).unwrap();
    };
    add("db1", "ssh://10.0.0.2");
    assert_eq!(home.server(&server).unwrap().nodes["db1"], "ssh://10.0.0.2");
    fs::write(&path, "# ours\nendpoint: ssh://lab  # by key\n").unwrap();
    add("db1", "ssh://root@10.0.0.2?jump=lab");
    add("db2", "unix:///run/db2.sock");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("# ours\nendpoint: ssh://lab  # by key\nnodes:\n"), "{text}");
    assert_eq!(home.server(&server).unwrap().nodes.len(), 2);
    // In another form, or with that name: written anew.
    add("db2", "unix:///run/other.sock");
    assert_eq!(home.server(&server).unwrap().nodes["db2"], "unix:///run/other.sock");
    fs::write(&path, "nodes: {a: \"ssh://a\"}\n").unwrap();
    add("b", "ssh://b");
    assert_eq!(home.server(&server).unwrap().nodes.len(), 2);
}
