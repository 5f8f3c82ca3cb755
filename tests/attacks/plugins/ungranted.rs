//! Services and secrets that nobody granted.

use std::sync::Arc;

use potluck::{
    hint::Hint,
    plugin::{BackupItem, Belief, Client, Command, Error},
};

use super::{
    attack, attack_in, checks,
    hostile::{Data, Guest, World, fail_with_error, first, plan_of, surroundings},
    said, start, start_in, the_host_stands,
};

const SERVICES: [(&str, &str); 5] = [
    ("services", "run"),
    ("services", "wait-ready"),
    ("services", "restart"),
    ("services", "put-file"),
    ("services", "get-file"),
];

/// Tries this function on a service, with arguments that are right.
fn tries(function: &'static str, service: &str) -> Vec<u8> {
    checks(&[("services", function)], |data| {
        let name = data.string(service);
        let (path, content) = (data.string("/tmp/x"), data.string("x"));
        let call = match function {
            "run" => data.run(service, &["true"], &[]),
            "put-file" => data.call(function, &[name, path, content], &[0o644]),
            "get-file" => data.call(function, &[name, path], &[]),
            _ => data.call(function, &[name], &[1000]),
        };
        call + &fail_with_error()
    })
    .binary()
}

#[tokio::test]
async fn a_service_is_used_without_its_grant() {
    for (_, function) in SERVICES {
        let (outcome, world) =
            attack(&tries(function, "db"), &["exec: app", "secret: db", "http: https://db"]).await;
        let error = outcome.unwrap_err();
        let Error::Failed { message, .. } = &error else { panic!("{error}") };
        assert_eq!(message, "exec: db", "{function}: the author is told the line");
        assert!(error.hint().unwrap().contains("`exec: db`"), "{function}: so is the operator");
        assert_eq!(world.warnings(), ["was not granted `exec: db`, which it tried to use"]);
        assert!(world.commands.lock().unwrap().is_empty());
        assert!(world.files.lock().unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_service_is_called_by_a_name_that_is_nearly_granted() {
    for name in ["DB", " db", "db ", "db\0", "db\n", "other_example_org_db", "../db", "db,app", "*"]
    {
        let (message, world) = said(&tries("run", name), &["exec: db", "exec: app"]).await;
        assert!(message.starts_with("exec: "), "{name:?}: {message}");
        assert!(world.commands.lock().unwrap().is_empty(), "{name:?}");
    }
}

#[tokio::test]
async fn a_refusal_is_kept_from_the_operator() {
    // The guest takes the error and calls itself done.
    let quiet =
        checks(&[("services", "run")], |data| data.run("db", &["true"], &[]) + "(i32.const 64)");
    let (outcome, world) = attack(&quiet.binary(), &[]).await;
    outcome.unwrap();
    assert_eq!(world.warnings(), ["was not granted `exec: db`, which it tried to use"]);
}

#[tokio::test]
async fn a_hint_takes_the_place_of_what_was_refused() {
    let guest = checks(&[("services", "run")], |data| {
        let (message, hint) = (data.string("no luck"), data.string("buy a new server"));
        let words = [[1].as_slice(), &message, &[1], &hint, &[0]].concat();
        let failure = data.words(&words);
        format!("{} (i32.const {failure})", data.run("db", &["true"], &[]))
    });
    let error = attack(&guest.binary(), &[]).await.0.unwrap_err();
    let hint = error.hint().unwrap();
    assert!(hint.starts_with("it was not granted `exec: db`; "), "{hint}");
    assert!(hint.ends_with("; the plugin says: buy a new server"), "{hint}");
}

#[tokio::test]
async fn a_thousand_names_are_refused() {
    // Each is another one, so that none is told once for all.
    let flood = checks(&[("services", "run")], |data| {
        let name = data.string("aaaaaaaa");
        let call = data.call("run", &[name], &[0; 14]);
        let at = name[0];
        format!(
            "(loop $on
                (i32.store (i32.const {at}) (i32.add (i32.const 0x61616161) (local.get $a)))
                {call}
                (local.set $a (i32.add (local.get $a) (i32.const 1)))
                (br_if $on (i32.lt_u (local.get $a) (i32.const 25))))
             (loop $more
                (i32.store8 (i32.const {at}) (i32.add (i32.const 97) (local.get $b)))
                (i32.store8 (i32.const {}) (i32.const 98))
                {call}
                (local.set $b (i32.add (local.get $b) (i32.const 1)))
                (br_if $more (i32.lt_u (local.get $b) (i32.const 25))))
             {}",
            at + 1,
            fail_with_error()
        )
    });
    let (outcome, world) = attack(&flood.binary(), &[]).await;
    let error = outcome.unwrap_err();
    assert_eq!(world.warnings().len(), 20, "more are not told");
    let hint = error.hint().unwrap();
    assert!(hint.len() < 1000, "{hint}");
}

#[tokio::test]
async fn a_name_of_many_megabytes_is_refused() {
    let large = checks(&[("services", "run")], |data| {
        let call = data.call("run", &[[65536, 6 << 20]], &[0; 14]);
        format!(
            "(drop (memory.grow (i32.const 97)))
             (memory.fill (i32.const 65536) (i32.const 65) (i32.const {}))
             {call} {}",
            6 << 20,
            fail_with_error()
        )
    });
    let (outcome, world) = attack(&large.binary(), &[]).await;
    let error = outcome.unwrap_err();
    assert!(world.warnings()[0].len() < 400);
    assert!(error.to_string().len() < 500 && error.hint().unwrap().len() < 600, "{error}");
}

#[tokio::test]
async fn a_secret_is_read_without_its_grant() {
    let reveal = checks(&[("secrets", "reveal")], |data| {
        let name = data.string("db_password");
        data.call("reveal", &[name], &[]) + &fail_with_error()
    });
    let secrets = [("db_password".to_owned(), "hunter22".to_owned())].into();
    let world = Arc::new(World { secrets, ..World::default() });
    let (outcome, world) =
        attack_in(world, &reveal.binary(), &["secret: other", "exec: db_password"]).await;
    let error = outcome.unwrap_err();
    let Error::Failed { message, .. } = &error else { panic!("{error}") };
    assert_eq!(message, "secret: db_password");
    assert!(error.hint().unwrap().contains("`secret: db_password`"));
    assert_eq!(world.warnings(), ["was not granted `secret: db_password`, which it tried to use"]);
}

#[tokio::test]
async fn a_secret_is_written_without_its_grant() {
    let put = checks(&[("secrets", "put")], |data| {
        let (name, value) = (data.string("db_password"), data.string("mine now"));
        data.call("put", &[name, value], &[]) + &fail_with_error()
    });
    let (message, _) = said(&put.binary(), &["secret: other"]).await;
    assert_eq!(message, "secret: db_password");
}

/// A guest that answers `sso-client.connect` with these changes: four lists by
/// address and length, behind the case.
fn answers(changes: impl FnOnce(&mut Data) -> [[u32; 2]; 4]) -> Vec<u8> {
    let mut data = Data::new();
    let [settings, secrets, on, off] = changes(&mut data);
    let answer = data.words(&[[0].as_slice(), &settings, &secrets, &on, &off].concat());
    Guest::new(&["sso-client"])
        .items(&data.items())
        .hook("sso-client", "connect", &format!("(i32.const {answer})"))
        .binary()
}

async fn connect(component: &[u8], grants: &[&str]) -> Error {
    let client = Client {
        issuer: "https://sso.example.org".into(),
        client_id: "wiki".into(),
        client_secret: None,
        groups_claim: None,
    };
    let world = Arc::new(World::default());
    let mut hooks = start(component, &world, grants).await;
    let error = hooks.sso_connect(&client).await.unwrap_err();
    the_host_stands().await;
    error
}

#[tokio::test]
async fn an_answer_sets_a_secret_without_its_grant() {
    let guest =
        answers(|data| [[0, 0], data.pairs(&[("db_password", "mine now")]), [0, 0], [0, 0]]);
    let error = connect(&guest, &["secret: other"]).await;
    assert!(
        error.to_string().ends_with("asks for `secret: db_password`, which is not granted"),
        "{error}"
    );
    assert!(error.hint().unwrap().contains("`secret: db_password`"));
}

#[tokio::test]
async fn an_answer_names_a_secret_that_drives_the_terminal() {
    let guest = answers(|data| {
        [[0, 0], data.pairs(&[("\u{1b}[2J\u{1b}]0;x\u{7}db", "mine")]), [0, 0], [0, 0]]
    });
    let error = connect(&guest, &[]).await;
    assert!(error.to_string().contains("asks for `secret: db`"), "{error:?}");
    assert!(!error.hint().unwrap().contains('\u{1b}'));
}

#[tokio::test]
async fn an_answer_puts_the_app_in_anothers_place() {
    for key in ["DOMAIN", "STACK_NAME", "COMPOSE_FILE", "TYPE", "RECIPE", "A=B", "A\nDOMAIN", ""] {
        let guest = answers(|data| {
            let [at, length] = data.string(key);
            let [value, size] = data.string("evil.example");
            [data.list(&[vec![at, length, 1, value, size]]), [0, 0], [0, 0], [0, 0]]
        });
        let error = connect(&guest, &[]).await;
        assert!(matches!(error, Error::Answer { .. }), "{key:?}: {error}");
        assert!(!error.to_string().contains('\n'), "{error}");
    }
}

#[tokio::test]
async fn an_answer_turns_on_an_overlay_from_elsewhere() {
    for overlay in ["../../evil/compose.x.yml", "/tmp/compose.x.yml", "compose.yml", ".env"] {
        let guest = answers(|data| [[0, 0], [0, 0], data.strings(&[overlay]), [0, 0]]);
        let error = connect(&guest, &[]).await.to_string();
        assert!(error.contains("is not an overlay"), "{error}");
    }
}

#[tokio::test]
async fn a_dump_runs_where_nothing_was_granted() {
    let command = |program: &str| Command {
        argv: vec![program.into()],
        env: Vec::new(),
        user: None,
        workdir: None,
        timeout: None,
    };
    let dump = BackupItem::Dump {
        name: "db.sql".into(),
        service: "db".into(),
        take: command("true"),
        put_back: command("true"),
        belief: Belief::default(),
    };
    let guest = Guest::new(&["backup"])
        .items(&plan_of(&[dump]))
        .hook("backup", "plan", "(call $plan)")
        .binary();
    let world = Arc::new(World::default());
    let error = start(&guest, &world, &["exec: app"]).await.backup_plan().await.unwrap_err();
    assert!(error.to_string().ends_with("asks for `exec: db`, which is not granted"), "{error}");
    the_host_stands().await;
}

#[tokio::test]
async fn a_grant_of_another_plugin_is_used() {
    // Two instances of one component; only the other one has the grant.
    let guest = tries("run", "db");
    let world = Arc::new(World::default());
    let mut granted = start(&guest, &world, &["exec: db"]).await;
    let mut other = start_in(&guest, surroundings(&world, &[])).await.unwrap();
    granted.check(&first()).await.unwrap();
    let error = other.check(&first()).await.unwrap_err();
    assert!(matches!(error, Error::Failed { ref message, .. } if message == "exec: db"), "{error}");
    granted.check(&first()).await.unwrap();
    assert_eq!(world.commands.lock().unwrap().len(), 2);
}
