//! Arguments and environments that say more than they seem to.

use std::sync::Arc;

use potluck::plugin::{BackupItem, Belief, Command, Error};

use super::{
    attack, checks,
    hostile::{Guest, World, fail_with_error, plan_of},
    said, start, the_host_stands,
};

async fn refused(argv: &[&str], env: &[(&str, &str)], why: &str) {
    let guest =
        checks(&[("services", "run")], |data| data.run("db", argv, env) + &fail_with_error());
    let (message, world) = said(&guest.binary(), &["exec: db"]).await;
    assert!(message.contains(why), "{argv:?} {env:?}: {message}");
    assert!(world.commands.lock().unwrap().is_empty(), "nothing ran");
}

#[tokio::test]
async fn an_argument_is_cut_short_by_a_zero() {
    refused(&["rm", "/tmp/x\0/keep"], &[], "zero byte").await;
    refused(&["rm\0"], &[], "zero byte").await;
}

#[tokio::test]
async fn a_command_names_no_program() {
    refused(&[], &[], "names no program").await;
    refused(&["", "x"], &[], "names no program").await;
}

#[tokio::test]
async fn an_environment_variable_brings_another() {
    refused(&["true"], &[("A=B\0LD_PRELOAD", "/tmp/x.so")], "holds `=`").await;
    refused(&["true"], &[("LD_PRELOAD=/tmp/x.so", "")], "holds `=`").await;
    refused(&["true"], &[("", "x")], "is empty").await;
    refused(&["true"], &[("A", "b\0LD_PRELOAD=/tmp/x.so")], "zero byte").await;
}

#[tokio::test]
async fn an_argument_is_written_for_a_shell() {
    let tricks = ["echo", "; rm -rf /", "$(id)", "`id`", "&& id", "| id", "> /etc/x", "'", "\n id"];
    let guest = checks(&[("services", "run")], |data| {
        data.run("db", &tricks, &[("A", "$(id)\nB=c")]) + &fail_with_error()
    });
    let (outcome, world) = attack(&guest.binary(), &["exec: db"]).await;
    outcome.unwrap();
    let commands = world.commands.lock().unwrap();
    let (service, command, _) = &commands[0];
    assert_eq!(service, "db");
    assert_eq!(command.argv, tricks, "each is one argument, and there is no shell");
    assert_eq!(command.env, [("A".to_owned(), "$(id)\nB=c".to_owned())]);
}

#[tokio::test]
async fn a_dump_carries_a_command_that_run_would_refuse() {
    let command = |argv: &[&str]| Command {
        argv: argv.iter().map(|argument| argument.to_string()).collect(),
        env: Vec::new(),
        user: None,
        workdir: None,
        timeout: None,
    };
    for (take, put_back) in
        [(&["dump\0"][..], &["load"][..]), (&["dump"], &[]), (&[], &["load"]), (&["dump"], &[""])]
    {
        let dump = BackupItem::Dump {
            name: "db.sql".into(),
            service: "db".into(),
            take: command(take),
            put_back: command(put_back),
            belief: Belief::default(),
        };
        let guest = Guest::new(&["backup"])
            .items(&plan_of(&[dump]))
            .hook("backup", "plan", "(call $plan)")
            .binary();
        let world = Arc::new(World::default());
        let error = start(&guest, &world, &["exec: db"]).await.backup_plan().await.unwrap_err();
        assert!(matches!(error, Error::Answer { .. }), "{error}");
        assert!(error.to_string().contains("(dump \"db.sql\")"), "{error}");
    }
    the_host_stands().await;
}
