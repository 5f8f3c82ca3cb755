//! Taking more than a share: time, memory, tables, stack, instances, turns.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use potluck::{
    hint::Hint,
    plugin::{
        Client, ClientRequest, Encryption, Error, Hooks, Relay, Surroundings,
        limits::{self, Exceeded},
    },
};

use super::{
    attack, checks,
    hostile::{Guest, World, first, surroundings},
    load, runtime, start_in, the_host_stands,
};

const LOOP: &str = "(loop $on (br $on)) unreachable";
const COMPUTE: Exceeded = Exceeded::Compute { limit: Duration::from_millis(300) };

/// `check` runs into a limit, which the error names.
async fn exceeded(guest: &Guest, grants: &[&str]) -> Exceeded {
    let error = attack(&guest.binary(), grants).await.0.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("was stopped at its limit of") && error.hint().is_some(), "{text}");
    let Error::Limit { exceeded, hook: "check", .. } = error else { panic!("{text}") };
    exceeded
}

/// Surroundings with little time to compute.
fn little_time() -> Surroundings {
    let mut surroundings = surroundings(&Arc::new(World::default()), &[]);
    surroundings.limits.compute = Duration::from_millis(300);
    surroundings
}

/// `check` computes longer than it may.
async fn computes_too_long(guest: &Guest) {
    let mut hooks = start_in(&guest.binary(), little_time()).await.unwrap();
    let error = hooks.check(&first()).await.unwrap_err();
    the_host_stands().await;
    let Error::Limit { exceeded: COMPUTE, hook: "check", .. } = error else { panic!("{error}") };
}

/// It does not even start; why.
async fn not_started(component: &[u8]) -> String {
    let error = start_in(component, little_time()).await.err().unwrap();
    assert!(matches!(error, Error::Start { .. }), "{error}");
    the_host_stands().await;
    error.to_string()
}

fn client() -> Client {
    Client {
        issuer: "https://sso.example.org".into(),
        client_id: "wiki".into(),
        client_secret: None,
        groups_claim: None,
    }
}

fn request() -> ClientRequest {
    ClientRequest {
        client: "wiki".into(),
        display_name: "Wiki".into(),
        home_url: None,
        redirect_uris: Vec::new(),
        post_logout_uris: Vec::new(),
        scopes: Vec::new(),
        public: true,
    }
}

fn relay() -> Relay {
    Relay {
        host: "mail".into(),
        port: 25,
        encryption: Encryption::None,
        username: None,
        password: None,
        sender: "a@example.org".into(),
    }
}

/// Every hook of every role, by role and name.
const HOOKS: [(&str, &str); 28] = [
    ("lifecycle", "check"),
    ("lifecycle", "before-deploy"),
    ("lifecycle", "after-deploy"),
    ("lifecycle", "deploy-failed"),
    ("lifecycle", "before-remove"),
    ("migration", "plan"),
    ("migration", "run"),
    ("backup", "plan"),
    ("backup", "before-backup"),
    ("backup", "after-backup"),
    ("backup", "produce"),
    ("backup", "consume"),
    ("backup", "after-restore"),
    ("backup", "verify"),
    ("sso-provider", "register"),
    ("sso-provider", "unregister"),
    ("sso-provider", "rotate"),
    ("sso-client", "request"),
    ("sso-client", "connect"),
    ("sso-client", "disconnect"),
    ("mail-provider", "account"),
    ("mail-provider", "close-account"),
    ("mail-provider", "rotate"),
    ("mail-client", "connect"),
    ("mail-client", "disconnect"),
    ("mail-client", "send-test"),
    ("commands", "specs"),
    ("commands", "run"),
];

async fn call(hooks: &mut Hooks, hook: (&str, &str)) -> Option<Error> {
    let to = first();
    match hook {
        ("lifecycle", "check") => hooks.check(&to).await.err(),
        ("lifecycle", "before-deploy") => hooks.before_deploy(&to).await.err(),
        ("lifecycle", "after-deploy") => hooks.after_deploy(&to).await.err(),
        ("lifecycle", "deploy-failed") => hooks.deploy_failed(&to, true).await.err(),
        ("lifecycle", "before-remove") => hooks.before_remove().await.err(),
        ("migration", "plan") => hooks.migration_plan("1", "2").await.err(),
        ("migration", "run") => hooks.migrate("step").await.err(),
        ("backup", "plan") => hooks.backup_plan().await.err(),
        ("backup", "before-backup") => hooks.before_backup().await.err(),
        ("backup", "after-backup") => hooks.after_backup(true).await.err(),
        ("backup", "produce") => hooks.produce("x", Box::new(tokio::io::sink())).await.err(),
        ("backup", "consume") => hooks.consume("x", Box::new(tokio::io::empty())).await.err(),
        ("backup", "after-restore") => hooks.after_restore().await.err(),
        ("backup", "verify") => hooks.verify().await.err(),
        ("sso-provider", "register") => hooks.sso_register(&request()).await.err(),
        ("sso-provider", "unregister") => hooks.sso_unregister("wiki").await.err(),
        ("sso-provider", "rotate") => hooks.sso_rotate(&request()).await.err(),
        ("sso-client", "request") => hooks.sso_request().await.err(),
        ("sso-client", "connect") => hooks.sso_connect(&client()).await.err(),
        ("sso-client", "disconnect") => hooks.sso_disconnect().await.err(),
        ("mail-provider", "account") => hooks.mail_account("a@example.org").await.err(),
        ("mail-provider", "close-account") => hooks.mail_close_account("a@example.org").await.err(),
        ("mail-provider", "rotate") => hooks.mail_rotate("a@example.org").await.err(),
        ("mail-client", "connect") => hooks.mail_connect(&relay()).await.err(),
        ("mail-client", "disconnect") => hooks.mail_disconnect().await.err(),
        ("mail-client", "send-test") => hooks.mail_send_test("a@example.org").await.err(),
        ("commands", "specs") => hooks.command_specs().await.err(),
        ("commands", "run") => hooks.run_command("x", &[]).await.err(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn every_hook_loops_without_end() {
    let mut guest = Guest::of_all_roles().every_hook(LOOP);
    guest.version = "0.2.0";
    guest.provider = "0.4.0";
    assert_eq!(guest.hook_names(), HOOKS, "every hook of the interface is here");
    let plugin = load(&guest.binary()).await.unwrap();
    let world = Arc::new(World::default());
    for (role, hook) in HOOKS {
        let mut surroundings = surroundings(&world, &[]);
        surroundings.limits.compute = Duration::from_millis(100);
        let mut hooks = plugin.start(surroundings).await.unwrap();
        let error = call(&mut hooks, (role, hook)).await.unwrap();
        assert_eq!(
            error.to_string(),
            format!(
                "the hook `{hook}` of the plugin `guest` ({role}) was stopped at its limit of \
                 computing time (0.1 s)"
            )
        );
    }
    the_host_stands().await;
}

#[tokio::test]
async fn it_loops_before_its_first_hook() {
    let guest = checks(&[], |_| "(i32.const 64)".into())
        .items("(func $start (loop $on (br $on))) (start $start)");
    let said = not_started(&guest.binary()).await;
    assert!(said.ends_with("it reached its limit of computing time (0.3 s)"), "{said}");
}

#[tokio::test]
async fn its_allocator_loops() {
    let guest = checks(&[], |_| "(i32.const 64)".into())
        .libc("(local.get $at))", "(loop $on (br $on)) (local.get $at))");
    computes_too_long(&guest).await;
}

#[tokio::test]
async fn it_loops_after_the_hook_returned() {
    let guest = checks(&[], |_| "(i32.const 64)".into())
        .items(r#"(func (export "after") (param i32) (loop $on (br $on)))"#)
        .lifted_with(r#"(post-return (core func $main "after"))"#);
    computes_too_long(&guest).await;
}

#[tokio::test]
async fn it_hides_its_computing_between_host_calls() {
    // Reads and writes are not counted; each comes before an epoch is over.
    let guest = Guest::new(&["backup"]).import("bytes", "[method]sink.write").hook(
        "backup",
        "produce",
        "(loop $on
            (local.set $a (i32.const 0))
            (loop $work
                (local.set $a (i32.add (local.get $a) (i32.const 1)))
                (br_if $work (i32.lt_u (local.get $a) (i32.const 100000))))
            (call $write (local.get $handle)
                (i32.const 256) (i32.const 0) (i32.const 160))
            (br $on))
         unreachable",
    );
    let mut hooks = start_in(&guest.binary(), little_time()).await.unwrap();
    let error = hooks.produce("x", Box::new(tokio::io::sink())).await.unwrap_err();
    let Error::Limit { exceeded, .. } = &error else { panic!("{error}") };
    assert_eq!(*exceeded, COMPUTE);
    the_host_stands().await;
}

#[tokio::test]
async fn it_has_the_host_compute() {
    let guest = checks(&[("tools", "argon2id")], |data| {
        let password = data.string("password");
        let call = data.call("argon2id", &[password], &[]);
        format!("(loop $on {call} (br $on)) unreachable")
    });
    computes_too_long(&guest).await;
}

#[tokio::test]
async fn it_calls_the_host_without_end() {
    let guest = checks(&[("tools", "now")], |_| {
        "(loop $on (drop (call $now)) (br $on)) unreachable".into()
    });
    assert_eq!(exceeded(&guest, &[]).await, Exceeded::Calls { limit: 1000 });
}

#[tokio::test]
async fn it_waits_for_what_never_comes() {
    let guest =
        checks(&[("services", "run")], |data| data.run("db", &["true"], &[]) + "(i32.const 64)");
    let world = Arc::new(World { hang: true, ..World::default() });
    let mut surroundings = surroundings(&world, &["exec: db"]);
    // Enough for its start on a machine with much else to do.
    surroundings.limits.wall = Duration::from_secs(3);
    let mut hooks = start_in(&guest.binary(), surroundings).await.unwrap();
    let error = hooks.check(&first()).await.unwrap_err();
    assert!(error.to_string().ends_with("its limit of time (3 s)"), "{error}");
    assert!(error.hint().unwrap().contains("`limits:` in `recipe.yml`"));
    the_host_stands().await;
}

#[tokio::test]
async fn it_takes_all_memory() {
    let memory = Exceeded::Memory { limit: 8 << 20 };
    let grow = checks(&[], |_| {
        "(loop $on (drop (memory.grow (i32.const 16))) (br $on)) unreachable".into()
    });
    assert_eq!(exceeded(&grow, &[]).await, memory);
    // At once, to the last page that there can be.
    let whole = checks(&[], |_| "(drop (memory.grow (i32.const 65535))) (i32.const 64)".into());
    assert_eq!(exceeded(&whole, &[]).await, memory);
}

#[tokio::test]
async fn it_has_the_host_fill_its_memory() {
    let guest = checks(&[("tools", "random-bytes")], |_| {
        "(loop $on (call $random-bytes (i32.const 65536) (i32.const 160)) (br $on)) unreachable"
            .into()
    });
    assert_eq!(exceeded(&guest, &[]).await, Exceeded::Memory { limit: 8 << 20 });
}

#[tokio::test]
async fn it_asks_for_all_randomness_at_once() {
    let guest = checks(&[("tools", "random-bytes")], |_| {
        "(call $random-bytes (i32.const -1) (i32.const 160)) (i32.const 64)".into()
    });
    let error = attack(&guest.binary(), &[]).await.0.unwrap_err();
    assert!(error.to_string().contains("at most 65536 bytes, not 4294967295"), "{error}");
}

#[tokio::test]
async fn it_wants_all_memory_from_the_start() {
    let guest = checks(&[], |_| "(i32.const 64)".into()).items("(memory $more 65536)");
    let said = not_started(&guest.binary()).await;
    assert!(said.ends_with("its limit of memory (8 MiB)"), "{said}");
}

#[tokio::test]
async fn it_has_many_small_memories() {
    let memories = "(memory 1)".repeat(60);
    let guest = checks(&[], |_| "(i32.const 64)".into()).items(&memories);
    let said = not_started(&guest.binary()).await;
    assert!(said.contains("memory count too high"), "{said}");
}

#[tokio::test]
async fn it_takes_all_table_elements() {
    let guest = checks(&[], |_| {
        "(loop $on (drop (table.grow $t (ref.null func) (i32.const 65536))) (br $on)) unreachable"
            .into()
    })
    .items("(table $t 1 funcref)");
    assert!(matches!(exceeded(&guest, &[]).await, Exceeded::Tables { .. }));
    let guest = checks(&[], |_| "(i32.const 64)".into()).items("(table $t 5000000 funcref)");
    let said = not_started(&guest.binary()).await;
    assert!(said.contains("its limit of table elements"), "{said}");
}

#[tokio::test]
async fn it_calls_itself_without_end() {
    let stack = |exceeded| matches!(exceeded, Exceeded::Stack { .. });
    let guest = checks(&[], |_| "(call $down) (i32.const 64)".into());
    assert!(stack(exceeded(&guest.items("(func $down (call $down))"), &[]).await));
    // Through a table, with as many locals as there may be.
    let locals = "(local i64)".repeat(5000);
    let guest =
        checks(&[], |_| "(call $down (i32.const 0)) (i32.const 64)".into()).items(&format!(
            "(table 1 funcref) (elem (i32.const 0) $down)
         (func $down (param i32) {locals}
            (call_indirect (param i32) (local.get 0) (i32.const 0)) )"
        ));
    assert!(stack(exceeded(&guest, &[]).await));
}

#[tokio::test]
async fn it_calls_itself_in_its_last_word() {
    // No stack is used; the call is a loop.
    let guest =
        checks(&[], |_| "(call $on) (i32.const 64)".into()).items("(func $on (return_call $on))");
    computes_too_long(&guest).await;
}

#[tokio::test]
async fn it_is_made_of_too_many_instances() {
    let many = format!(
        "(component (core module $Empty) {}",
        "(core instance (instantiate $Empty))".repeat(400)
    );
    let text = Guest::new(&["lifecycle"]).text().replacen("(component", &many, 1);
    let said = not_started(&super::hostile::binary(&text)).await;
    assert!(said.contains("instance count too high"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_hooks_run_at_once() {
    // A runtime of its own: the others' turns are not to be taken.
    let (runtime, _folder) = super::hostile::runtime();
    let guest =
        checks(&[("services", "run")], |data| data.run("db", &["true"], &[]) + "(i32.const 64)");
    let plugin = runtime.load("guest", &guest.binary()).await.unwrap();
    let (mut started, more) = (Vec::new(), 4);
    for _ in 0..limits::CONCURRENT + more {
        let entered = Arc::new(AtomicUsize::new(0));
        let world = World { hang: true, entered: Some(Arc::clone(&entered)), ..World::default() };
        let surroundings = surroundings(&Arc::new(world), &["exec: db"]);
        started.push((plugin.start(surroundings).await.unwrap(), entered));
    }
    // A start takes a turn as well: it would wait for one behind eight that hang.
    let spawn = |(mut hooks, entered): (Hooks, Arc<AtomicUsize>)| {
        (tokio::spawn(async move { drop(hooks.check(&first()).await) }), entered)
    };
    let tasks: Vec<_> = started.into_iter().map(spawn).collect();
    let inside = || tasks.iter().filter(|(_, entered)| entered.load(Ordering::SeqCst) > 0).count();
    let reached = async |wanted: usize| {
        while inside() < wanted {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // The others do not come in, however long one waits.
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(inside(), wanted);
    };
    reached(limits::CONCURRENT).await;
    // A turn that ends, here by being cancelled, is the next one's.
    let have_turns = tasks.iter().filter(|(_, entered)| entered.load(Ordering::SeqCst) > 0);
    for (task, _) in have_turns.take(more) {
        task.abort();
    }
    reached(limits::CONCURRENT + more).await;
    for (task, _) in &tasks {
        task.abort();
    }
    the_host_stands().await;
}

#[tokio::test]
async fn it_is_cancelled_in_a_loop_and_in_a_host_call() {
    let looping = checks(&[], |_| LOOP.into()).binary();
    let waiting =
        checks(&[("services", "run")], |data| data.run("db", &["true"], &[]) + "(i32.const 64)")
            .binary();
    for guest in [looping, waiting] {
        let world = Arc::new(World { hang: true, ..World::default() });
        let surroundings = surroundings(&world, &["exec: db"]);
        let mut hooks = start_in(&guest, surroundings).await.unwrap();
        let to = first();
        tokio::select! {
            ended = hooks.check(&to) => panic!("{ended:?}"),
            () = tokio::time::sleep(Duration::from_millis(50)) => {}
        }
        assert!(matches!(hooks.before_remove().await, Err(Error::Broken { .. })));
        the_host_stands().await;
    }
}

#[tokio::test]
async fn it_is_loaded_a_hundred_times_at_once() {
    let guest = checks(&[], |_| "(i32.const 64)".into()).binary();
    let loads = (0..100).map(|_| runtime().load("guest", &guest));
    for plugin in futures_util::future::join_all(loads).await {
        let world = Arc::new(World::default());
        plugin
            .unwrap()
            .start(surroundings(&world, &[]))
            .await
            .unwrap()
            .check(&first())
            .await
            .unwrap();
    }
}
