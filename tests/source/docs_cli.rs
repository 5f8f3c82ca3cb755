//! What `docs/cli.md` says of JSON is what the program writes: the fields of each
//! command are those of the types that it serializes, read from the source.

use std::{collections::BTreeSet, fs, path::Path};

/// Where the fields of a command's value stand: file below `src`, type.
type Types = &'static [(&'static str, &'static str)];

const FINDING: (&str, &str) = ("lint/mod.rs", "Finding");
const CHANGE: (&str, &str) = ("rollout/plan.rs", "Change");
const SEEN: (&str, &str) = ("wiring/finding.rs", "Finding");
const DIFFERENCE: (&str, &str) = ("recipe/author/desk.rs", "Difference");
const GRANT: (&str, &str) = ("cli/grants.rs", "GrantRow");
const PLAN: (&str, &str) = ("rollout/plan.rs", "Plan");
const REACH: (&str, &str) = ("rollout/plan.rs", "ReachRow");
const RELEASE: (&str, &str) = ("operation/rollback.rs", "ReleaseRow");
const DRILL_PLAN: (&str, &str) = ("operation/rebuild/drill.rs", "DrillPlan");
const REACHED: (&str, &str) = ("rollout/state/reached.rs", "Reached");

/// Each command with a value of its own.
const COMMANDS: &[(&str, Types)] = &[
    ("server ls", &[("cli/server/ls.rs", "Row")]),
    ("server nodes", &[("engine/reached.rs", "NodeReport")]),
    (
        "server provision",
        &[
            ("cli/server/provision.rs", "Report"),
            ("operation/server/provision.rs", "ProvisionStep"),
        ],
    ),
    ("server prune", &[("operation/server/prune.rs", "PruneItem")]),
    ("server check", &[("cli/server/check.rs", "Row"), SEEN]),
    ("recipe ls", &[("cli/recipe/ls.rs", "Row")]),
    ("recipe search", &[("cli/recipe/search.rs", "Row")]),
    ("recipe fetch", &[("cli/recipe/fetch.rs", "Row")]),
    ("recipe versions", &[("cli/recipe/versions.rs", "Row"), ("recipe/signed.rs", "Signed")]),
    (
        "recipe new",
        &[
            ("cli/recipe/new.rs", "Report"),
            ("scaffold/upstream/log.rs", "Change"),
            ("scaffold/upstream/log.rs", "Decision"),
        ],
    ),
    ("recipe diff", &[("cli/recipe/diff.rs", "Report"), DIFFERENCE]),
    ("recipe reset", &[("cli/recipe/reset.rs", "Report"), DIFFERENCE]),
    (
        "recipe upgrade",
        &[
            ("cli/recipe/upgrade/report.rs", "Report"),
            ("cli/recipe/upgrade/report.rs", "Row"),
            ("cli/recipe/upgrade/report.rs", "Label"),
        ],
    ),
    ("recipe sync", &[("cli/recipe/sync.rs", "Report")]),
    ("recipe release", &[("cli/recipe/release.rs", "Report")]),
    ("catalogue generate", &[("cli/catalogue/generate.rs", "Report")]),
    ("catalogue sync", &[("cli/catalogue/sync.rs", "Report")]),
    (
        "recipe inspect",
        &[
            ("cli/recipe/inspect.rs", "Report"),
            ("cli/recipe/inspect.rs", "Row"),
            ("cli/recipe/inspect.rs", "Plugin"),
            GRANT,
        ],
    ),
    (
        "recipe test",
        &[
            ("cli/recipe/test/mod.rs", "Report"),
            ("acceptance/level.rs", "Level"),
            ("acceptance/level.rs", "Lacking"),
            ("acceptance/stage.rs", "Outcome"),
        ],
    ),
    ("recipe lint", &[("cli/recipe/lint.rs", "Report"), FINDING]),
    (
        "recipe port",
        &[
            ("cli/recipe/port.rs", "Report"),
            ("cli/recipe/port.rs", "LeftOutRow"),
            ("cli/recipe/port.rs", "MissedRow"),
            ("cli/recipe/port.rs", "Row"),
            ("cli/recipe/port.rs", "Standard"),
        ],
    ),
    ("app new", &[("cli/app/new.rs", "Created"), ("cli/app/new.rs", "Connects")]),
    ("app ls", &[("cli/app/ls.rs", "Row")]),
    ("app check", &[("cli/app/check.rs", "Report"), ("cli/app/check.rs", "Row"), FINDING]),
    ("app deploy", &[("operation/options.rs", "DeployReport"), PLAN, CHANGE, REACH, REACHED]),
    (
        "app upgrade",
        &[
            ("cli/app/upgrade/one.rs", "Newest"),
            ("cli/app/upgrade/one.rs", "Report"),
            ("cli/app/upgrade/many.rs", "Row"),
        ],
    ),
    ("app cp", &[("app/copy.rs", "Copied")]),
    (
        "app move",
        &[("operation/moving/plan.rs", "MovePlan"), ("operation/moving/plan.rs", "MoveReport")],
    ),
    ("app restart", &[("operation/restart.rs", "RestartReport")]),
    (
        "app scale",
        &[("operation/scale.rs", "ScaleReport"), ("operation/scale.rs", "ScaledService")],
    ),
    ("app labels", &[("operation/labels.rs", "LabelRow")]),
    ("app env ls", &[("cli/app/env/ls.rs", "Row")]),
    ("app env pull", &[("cli/app/env/pull.rs", "Report"), ("app/pulled.rs", "Pulled")]),
    ("app volume ls", &[("app/volumes.rs", "VolumeRow")]),
    ("app plan", &[("cli/app/plan.rs", "Planned"), PLAN, CHANGE, REACH]),
    ("app ps", &[("rollout/state/ps.rs", "TaskRow")]),
    ("app errors", &[("app/causes/mod.rs", "Causes"), ("app/causes/mod.rs", "CauseRow")]),
    ("app logs", &[("cli/app/logs.rs", "JsonLine")]),
    (
        "app cmd",
        &[
            ("cli/app/cmd.rs", "Known"),
            ("cli/app/cmd.rs", "Ran"),
            ("plugin/types.rs", "CommandSpec"),
            ("plugin/types.rs", "Parameter"),
        ],
    ),
    (
        "app secret generate",
        &[("cli/app/secret/generate.rs", "Report"), ("cli/app/secret/generate.rs", "MadeRow")],
    ),
    ("app secret ls", &[("secrets/versions.rs", "SecretVersion")]),
    ("key ls", &[("cli/key/ls.rs", "Row")]),
    (
        "backup create",
        &[
            ("operation/backup/mod.rs", "SetReport"),
            ("operation/backup/mod.rs", "ItemReport"),
            ("operation/copies.rs", "CopyReport"),
            ("operation/backup/planned.rs", "BackupPlan"),
            ("operation/backup/planned.rs", "PlannedItem"),
        ],
    ),
    ("backup snapshots", &[("backup/set/mod.rs", "SetSummary")]),
    (
        "backup drill",
        &[("cli/backup/drill.rs", "Row"), ("cli/backup/drill.rs", "Planned"), DRILL_PLAN],
    ),
    (
        "backup evidence",
        &[
            ("backup/evidence.rs", "Filed"),
            ("backup/evidence.rs", "Evidence"),
            ("backup/evidence.rs", "Restored"),
            ("backup/evidence.rs", "StepTime"),
        ],
    ),
    (
        "backup restore",
        &[
            ("operation/restore/mod.rs", "RestoreReport"),
            ("operation/restore/places.rs", "RestorePlan"),
            ("operation/rebuild/plan.rs", "RebuildReport"),
            ("operation/rebuild/plan.rs", "RebuildPlan"),
        ],
    ),
    ("backup run", &[("backup/nightly/report.rs", "Report"), ("backup/nightly/row.rs", "Row")]),
    (
        "backup status",
        &[
            ("cli/backup/status.rs", "Report"),
            ("backup/nightly/verdict.rs", "Verdict"),
            ("backup/nightly/finding.rs", "Finding"),
            ("backup/nightly/record.rs", "Attempt"),
        ],
    ),
    (
        "status",
        &[
            ("cli/status/mod.rs", "Report"),
            ("cli/status/mod.rs", "ServerRow"),
            ("cli/status/mod.rs", "Room"),
            ("cli/status/mod.rs", "AppRow"),
            ("cli/status/mod.rs", "Backup"),
            ("cli/status/mod.rs", "Drill"),
            ("backup/nightly/finding.rs", "Finding"),
        ],
    ),
    (
        "log",
        &[
            ("cli/log.rs", "Report"),
            ("cli/log.rs", "Row"),
            ("cli/log.rs", "Unread"),
            ("owner/history.rs", "Line"),
        ],
    ),
    ("upgrade ls", &[("cli/upgrade/ls.rs", "Listed")]),
    (
        "backup schedule install",
        &[
            ("cli/backup/schedule/planned.rs", "Planned"),
            ("cli/backup/schedule/places.rs", "PlannedFile"),
        ],
    ),
    ("backup schedule ls", &[("cli/backup/schedule/ls.rs", "Row")]),
    (
        "backup show",
        &[
            ("backup/look.rs", "Shown"),
            ("backup/look.rs", "ShownItem"),
            ("backup/set/manifest.rs", "VolumeFacts"),
        ],
    ),
    ("backup ls", &[("backup/restic/output.rs", "Listed")]),
    ("backup hold", &[("home/holds.rs", "Hold")]),
    ("backup rm", &[("cli/backup/rm.rs", "Report")]),
    (
        "backup forget",
        &[
            ("cli/backup/forget.rs", "Row"),
            ("operation/forget.rs", "ForgetReport"),
            ("backup/retention.rs", "Verdict"),
        ],
    ),
    ("backup prune", &[("cli/backup/prune.rs", "Row"), ("backup/prune.rs", "PruneReport")]),
    (
        "backup check",
        &[
            ("cli/backup/check.rs", "Row"),
            ("backup/check.rs", "CheckReport"),
            ("backup/append_only.rs", "Proof"),
        ],
    ),
    (
        "backup key rotate",
        &[("backup/rotate.rs", "RotateReport"), ("backup/rotate.rs", "RotatedKey")],
    ),
    (
        "backup stats",
        &[
            ("cli/backup/stats.rs", "Row"),
            ("cli/backup/stats.rs", "Stats"),
            ("backup/stats.rs", "AppStats"),
        ],
    ),
    (
        "app history",
        &[
            ("cli/app/history.rs", "Report"),
            ("owner/history.rs", "Line"),
            RELEASE,
            ("app/error.rs", "Unfinished"),
            ("owner/journal.rs", "Step"),
        ],
    ),
    ("app drift", &[("cli/app/drift.rs", "Row"), ("operation/drift.rs", "Drift"), RELEASE, CHANGE]),
    (
        "app show",
        &[
            ("cli/app/show.rs", "Report"),
            ("owner/history.rs", "Line"),
            ("app/error.rs", "Unfinished"),
            ("owner/journal.rs", "Step"),
        ],
    ),
    ("app resume", &[("cli/app/resume.rs", "Report")]),
    ("app abort", &[("cli/app/resume.rs", "Report")]),
    ("app unlock", &[("cli/app/unlock.rs", "Report"), ("owner/lease.rs", "Holder")]),
    (
        "sso connect",
        &[
            ("cli/connection/change.rs", "Row"),
            ("operation/connection/connect.rs", "ConnectReport"),
            PLAN,
            CHANGE,
            REACH,
            SEEN,
        ],
    ),
    ("sso ls", &[("operation/connection/check.rs", "ConnectionRow")]),
    ("sso check", &[("cli/connection/check.rs", "Row"), SEEN]),
    ("mail test", &[("cli/connection/mail_test.rs", "Report")]),
    ("provider ls", &[("cli/provider/ls.rs", "Row")]),
    ("stack deploy", &[("rollout/stack.rs", "StackReport"), PLAN, CHANGE, REACH, REACHED]),
    ("stack services", &[("rollout/stack.rs", "ServiceRow")]),
    ("stack ls", &[("rollout/stack.rs", "StackRow")]),
    ("plugin new", &[("cli/plugin/new.rs", "Report")]),
    ("plugin build", &[("cli/plugin/build.rs", "Report")]),
    ("plugin ls", &[("cli/plugin/ls.rs", "Row")]),
    (
        "plugin inspect",
        &[
            ("cli/plugin/inspect.rs", "Report"),
            ("cli/plugin/inspect.rs", "Uses"),
            ("cli/plugin/inspect.rs", "Use"),
            ("cli/plugin/inspect.rs", "LimitsRow"),
            GRANT,
        ],
    ),
    (
        "plugin grants",
        &[("cli/plugin/grants.rs", "Report"), ("cli/plugin/grants.rs", "Row"), GRANT],
    ),
    (
        "plugin test",
        &[
            ("cli/plugin/test.rs", "Report"),
            ("cli/plugin/test.rs", "Row"),
            ("cli/plugin/test.rs", "StepRow"),
        ],
    ),
];

/// Rows without fields of their own: another's, or whatever a file says.
const WITHOUT: &[&str] = &[
    "upgrade run",
    "upgrade schedule",
    "backup schedule show",
    "stack lint",
    "stack ps",
    "app config",
    "app rollback",
    "app services",
    "app env check",
    "stack config",
    "plugin run",
    "sso disconnect",
    "sso rotate",
    "mail rotate",
    "mail connect",
    "mail disconnect",
    "mail ls",
    "mail check",
];

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The names under which serde writes a type's fields.
fn fields(file: &str, name: &str) -> BTreeSet<String> {
    let source = syn::parse_file(&read(&format!("src/{file}"))).unwrap();
    let found = source.items.iter().find_map(|item| match item {
        syn::Item::Struct(found) if found.ident == name => Some(found),
        _ => None,
    });
    let found = found.unwrap_or_else(|| panic!("src/{file} has no struct {name}"));
    let mut names = BTreeSet::new();
    for field in &found.fields {
        let mut written = Some(field.ident.as_ref().unwrap().to_string());
        for attribute in field.attrs.iter().filter(|a| a.path().is_ident("serde")) {
            attribute
                .parse_nested_meta(|meta| {
                    if meta.path.is_ident("skip") || meta.path.is_ident("flatten") {
                        written = None;
                    } else if meta.path.is_ident("rename") {
                        written = Some(meta.value()?.parse::<syn::LitStr>()?.value());
                    } else if meta.input.peek(syn::Token![=]) {
                        meta.value()?.parse::<syn::Expr>()?;
                    }
                    Ok(())
                })
                .unwrap();
        }
        names.extend(written);
    }
    names
}

/// The fields that a row of the table names.
fn documented(value: &str) -> BTreeSet<String> {
    let shapes = value.split('`').skip(1).step_by(2).filter(|code| code.contains('{'));
    shapes
        .flat_map(|code| code.split(|c: char| !c.is_ascii_alphanumeric() && c != '_'))
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_fields_of_each_command_are_documented() {
    let text = read("docs/cli.md");
    let begin = text.find("| command | value |").unwrap();
    let rows: Vec<(&str, &str)> = text[begin..]
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let (command, value) = line.trim_matches('|').split_once(" | ").unwrap();
            (command.trim().trim_matches('`'), value)
        })
        .collect();
    for (command, value) in &rows {
        let Some((_, types)) = COMMANDS.iter().find(|(known, _)| known == command) else {
            assert!(WITHOUT.contains(command), "`{command}` is missing in this test");
            continue;
        };
        let written: BTreeSet<String> =
            types.iter().flat_map(|(file, name)| fields(file, name)).collect();
        assert_eq!(documented(value), written, "docs/cli.md, `{command}`: documented, written");
    }
    for (command, _) in COMMANDS {
        assert!(rows.iter().any(|(row, _)| row == command), "docs/cli.md lacks `{command}`");
    }
}
