//! The plugin against a scripted host.

use base64::{Engine, engine::general_purpose::STANDARD};
use potluck_sdk::{
    Backup, Commands, Lifecycle, Migration, Step, Transition,
    testing::{Run, Script},
};
use serde_json::Value;

use crate::{Synapse, schemas};

const OPTIONS: &str = r#"{"schemas": {"v1.99.0": {"version": 83, "compat": 83},
    "v1.100.0": {"version": 84, "compat": 83}, "v1.163.2": {"version": 94, "compat": 84}}}"#;

fn app() -> Script {
    Script::new().setting("DOMAIN", "chat.example.org").options(OPTIONS)
}

/// What a script was given, taken out of the program again.
fn input_of(run: &Run) -> Value {
    let program = String::from_utf8(run.input.clone()).unwrap();
    let encoded = program.split("b64decode(\"").nth(1).unwrap().split('"').next().unwrap();
    serde_json::from_slice(&STANDARD.decode(encoded).unwrap()).unwrap()
}

fn steps(before: &str, after: &str, script: Script) -> Vec<(String, bool)> {
    let played = script.play(|| <Synapse as Migration>::plan(before.into(), after.into()));
    let pair = |step: Step| (step.id, step.reversible);
    played.result.unwrap().into_iter().map(pair).collect()
}

#[test]
fn a_step_has_a_way_back_where_the_old_synapse_understands_the_new_schema() {
    let (v1, v2, v3) = ("0.1.0+v1.99.0", "0.1.1+v1.100.0", "0.2.0+v1.163.2");
    let pair = |schema: u32, way_back| {
        vec![(format!("schema-{schema}"), way_back), (format!("background-{schema}"), way_back)]
    };
    for (before, after, expected) in [
        (v1, v2, pair(84, true)),
        (v2, v3, pair(94, true)),
        (v1, v3, pair(94, false)),
        (v3, v3, vec![]),
        (v3, v1, vec![]),
    ] {
        assert_eq!(steps(before, after, app()), expected, "{before} to {after}");
    }
    let later = app().setting("BACKGROUND_UPDATES", "later");
    assert_eq!(steps(v1, v3, later), [("schema-94".to_owned(), false)]);
}

#[test]
fn a_synapse_of_which_nobody_said_the_schema_is_not_upgraded_to() {
    let played =
        app().play(|| <Synapse as Migration>::plan("0.1.0+v1.99.0".into(), "1.0.0+v2.0.0".into()));
    let failure = played.result.unwrap_err();
    assert_eq!(failure.message(), "the schema of Synapse v2.0.0 is unknown");
}

#[test]
fn a_step_runs_synapses_own_program_as_its_account() {
    for (id, schema, background) in [("schema-94", 94, false), ("background-94", 94, true)] {
        let played = app()
            .on_run(|_, _, _| Ok(Script::printed("null")))
            .play(|| <Synapse as Migration>::run(id.into()));
        played.result.unwrap();
        let [run] = &played.runs[..] else { panic!("one script: {:?}", played.runs) };
        assert_eq!(run.service, "app");
        assert_eq!(run.command.argv, ["python3", "-"]);
        assert_eq!(run.command.user.as_deref(), Some("991:991"));
        let input = input_of(run);
        assert_eq!((&input["schema"], &input["background"]), (&schema.into(), &background.into()));
    }
    let unknown = app().play(|| <Synapse as Migration>::run("schema-x".into()));
    assert_eq!(unknown.result.unwrap_err().message(), "there is no step `schema-x`");
    assert!(schemas::work("background-94").unwrap().background);
}

#[test]
fn what_synapses_program_said_last_is_the_failure() {
    let said = "psycopg2.errors.DiskFull: could not extend file\n";
    let played = app()
        .on_run(move |_, _, _| Ok(Script::failed(1, said)))
        .play(|| <Synapse as Migration>::run("schema-94".into()));
    assert_eq!(
        played.result.unwrap_err().message(),
        "Synapse: `python3` ended with code 1: psycopg2.errors.DiskFull: could not extend file"
    );
}

#[test]
fn going_back_to_a_synapse_that_refuses_the_database_is_warned_of() {
    let to = |before: &str, after: &str| Transition {
        before: Some(before.into()),
        after: Some(after.into()),
    };
    let warned = |before, after| {
        let played = app().play(|| Synapse::check(to(before, after)));
        played.result.unwrap();
        played.log.into_iter().map(|(_, line)| line).collect::<Vec<_>>()
    };
    let lines = warned("0.2.0+v1.163.2", "0.1.0+v1.99.0");
    assert!(lines[0].starts_with("0.1.0+v1.99.0 refuses the database of 0.2.0"), "{lines:?}");
    assert!(warned("0.2.0+v1.163.2", "0.1.1+v1.100.0").is_empty());
    assert!(warned("0.1.0+v1.99.0", "0.2.0+v1.163.2").is_empty());
    assert!(warned("0.1.0+v1.99.0", "a commit").is_empty());
}

#[test]
fn what_is_missing_or_wrong_stops_a_deploy_before_it_begins() {
    for (script, message) in [
        (Script::new(), "the setting DOMAIN is missing"),
        (app().setting("DOMAIN", "Chat.example.org"), "`Chat.example.org` is not a server's name"),
        (app().setting("SERVER_NAME", "a/b.c"), "`a/b.c` is not a server's name"),
        (app().setting("BACKGROUND_UPDATES", "no"), "`no` is not a way to do background updates"),
    ] {
        let to = Transition { before: None, after: Some("0.2.0+v1.163.2".into()) };
        let played = script.play(|| Synapse::check(to));
        assert_eq!(played.result.unwrap_err().message(), message);
    }
}

#[test]
fn a_deploy_lets_synapse_start_and_waits_for_it() {
    let first = Transition { before: None, after: Some("0.2.0+v1.163.2".into()) };
    let played =
        app().on_run(|_, _, _| Ok(Script::printed("null"))).play(|| Synapse::after_deploy(first));
    played.result.unwrap();
    assert_eq!(input_of(&played.runs[0])["seconds"], 120);
}

#[test]
fn a_backup_of_an_older_synapse_is_upgraded_before_this_one_starts_on_it() {
    let restored = |version: u32, script: Script| {
        let state = format!(r#"{{"version": {version}, "compat": 83, "code": 94, "open": 0}}"#);
        let mut answers = vec![state];
        let played = script
            .on_run(move |_, _, _| Ok(Script::printed(&answers.pop().unwrap_or("null".into()))))
            .play(Synapse::after_restore);
        played.result.unwrap();
        let inputs = played.runs.iter().map(|run| input_of(run).to_string());
        (inputs.collect::<Vec<_>>(), played.log.len())
    };
    let (asked, start) = ("{}", r#"{"seconds":120}"#);
    let half = |background| format!(r#"{{"background":{background},"schema":94}}"#);
    let (first, second) = (half(false), half(true));
    assert_eq!(restored(94, app()), (vec![asked.into(), start.into()], 0));
    let whole = vec![asked.into(), first.clone(), second, start.into()];
    assert_eq!(restored(83, app()), (whole, 3));
    let later = app().setting("BACKGROUND_UPDATES", "later");
    assert_eq!(restored(83, later), (vec![asked.into(), first, start.into()], 2));

    // The services are still those of an upgrade that failed.
    let mut facts = app().play(potluck_sdk::facts).result;
    facts.version = Some("0.1.0+v1.99.0".into());
    assert_eq!(restored(83, app().facts(facts)), (vec![asked.into()], 1));
}

#[test]
fn a_new_password_is_returned_once_and_is_in_no_argument_and_no_line() {
    for (name, admin) in [("create-admin", Some(true)), ("reset-password", None)] {
        let played = app()
            .on_run(|_, _, _| Ok(Script::printed("\"@ada:chat.example.org\"")))
            .play(|| <Synapse as Commands>::run(name.into(), vec!["ada".into()]));
        let password = played.result.unwrap();
        assert_eq!(password.len(), 24);
        let run = &played.runs[0];
        let input = input_of(run);
        assert_eq!(input["password"], password.clone());
        assert_eq!(input.get("admin").map(|it| it == true), admin);
        assert!(!format!("{:?}", run.command).contains(&password));
        assert!(played.log.iter().all(|(_, line)| !line.contains(&password)));
    }
}
