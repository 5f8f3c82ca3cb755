//! `app plan` says what a deploy would change, and scripts whether there is anything.

use crate::support::cli::Lab;

#[test]
fn a_plan_is_the_dry_run_of_a_deploy_and_its_exit_code_says_whether_it_differs() {
    let lab = Lab::with_tiny_app();
    let good = |arguments: &[&str]| {
        let run = lab.run(arguments);
        assert_eq!(run.code, 0, "{run}");
        run
    };
    good(&["app", "secret", "generate", "t.example"]);
    let inserted = lab.run_with(&["app", "secret", "insert", "t.example", "mail_password"], b"x");
    assert_eq!(inserted.code, 0, "{inserted}");
    let differs = |more: &[&str]| {
        let mut arguments = vec!["app", "plan", "t.example"];
        arguments.extend(more);
        let run = lab.run(&arguments);
        (run.code, run)
    };

    let (code, first) = differs(&[]);
    assert_eq!(code, 0, "{first}");
    let dry = good(&["app", "deploy", "t.example", "--dry-run"]);
    let end = "Nothing was changed: this was a dry run.\n";
    assert_eq!(format!("{}{end}", first.stderr), dry.stderr);
    assert_eq!(differs(&["--exit-code"]).0, 7);

    good(&["app", "deploy", "t.example", "-n"]);
    let (code, none) = differs(&["--exit-code"]);
    assert!(code == 0 && none.stderr.contains("Nothing to change."), "{none}");
    let report = lab.json(&["app", "plan", "t.example", "--json"]);
    assert_eq!((&report["app"], &report["differs"]), (&"t.example".into(), &false.into()));

    good(&["app", "config", "t.example", "--set", "TITLE=new"]);
    assert_eq!(differs(&["--exit-code"]).0, 7);
    let report = lab.json(&["app", "plan", "t.example", "--json"]);
    assert_eq!(report["differs"], true);
    assert_eq!(report["plan"]["changes"][0]["name"], "t_example_app");

    // What prevents it is an error as ever.
    let (code, unknown) = differs(&["9.9.9", "--exit-code"]);
    assert_eq!(code, 1, "{unknown}");
}

#[test]
fn an_image_that_is_made_for_no_node_is_named_before_anything_is_changed() {
    let lab = Lab::new();
    lab.write("tiny/compose.yml", "services: {app: {image: 'example/app:1'}}\n");
    lab.write("tiny/.env.sample", "TYPE=tiny\nDOMAIN=\n");
    lab.release("1.0.0+1");
    let good = |arguments: &[&str]| {
        let run = lab.run(arguments);
        assert_eq!(run.code, 0, "{run}");
    };
    good(&["server", "add", "one", "simulated"]);
    good(&["app", "new", "./tiny", "--domain", "a.example", "--server", "one"]);
    let made_for = |platforms: &str| {
        let script = format!("tasks: [{{image: '*app:1*', platforms: [{platforms}]}}]\n");
        lab.write("potluck/state/simulated/one/script.yml", &script);
    };
    made_for("linux/arm64, linux/ppc64le");
    for command in [&["app", "plan", "a.example"][..], &["app", "deploy", "a.example", "--yes"]] {
        let run = lab.run(command);
        let said = "the image `example/app:1` is made for linux/arm64, linux/ppc64le, and the \
                    nodes are linux/x86_64";
        assert!(run.code == 1 && run.stderr.contains(said), "{run}");
    }
    let none = lab.run(&["app", "ls", "--status", "--json"]);
    assert!(none.stdout.contains("not deployed"), "{none}");
    made_for("linux/amd64, linux/arm64");
    good(&["app", "deploy", "a.example", "--yes"]);
}
