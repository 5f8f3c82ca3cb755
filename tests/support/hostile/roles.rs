//! The roles of `wit/` as the builder needs them.

use super::wit::RoleText;

const NOTHING: &str = "(result (result (error $failure)))";
const TRANSITION: &str = r#"(param "to" $transition) (result (result (error $failure)))"#;
const STREAM_IN: &str = r#"(param "name" string) (param "into" (own $sink))
    (result (result (error $failure)))"#;
const STREAM_OUT: &str = r#"(param "name" string) (param "contents" (own $source))
    (result (result (error $failure)))"#;
const CHANGES: &str = "(result (result $changes (error $failure)))";

/// The types of `backup` in 0.3.0; its hooks are as in 0.1.0.
pub const BACKUP_0_3: &[(&str, &str)] = &[
    BACKUP[0],
    (
        "ending",
        r#"(variant (case "any") (case "known") (case "line" string) (case "bytes" (list u8))
            (case "unmarked"))"#,
    ),
    (
        "names",
        r#"(record (field "listing" $command) (field "between" (option (tuple string string)))
            (field "all" bool))"#,
    ),
    (
        "dump",
        r#"(record (field "name" string) (field "service" string)
            (field "take" $command) (field "put-back" $command) (field "ending" $ending)
            (field "may-shrink" bool) (field "names" (option $names)))"#,
    ),
    BACKUP[2],
    BACKUP[3],
];

const BACKUP: &[(&str, &str)] = &[
    (
        "volume",
        r#"(record (field "name" string) (field "paths" (list string))
            (field "exclude" (list string)))"#,
    ),
    (
        "dump",
        r#"(record (field "name" string) (field "service" string)
            (field "take" $command) (field "put-back" $command))"#,
    ),
    ("item", r#"(variant (case "volume" $volume) (case "dump" $dump) (case "custom" string))"#),
    (
        "finding",
        r#"(record (field "name" string) (field "passed" bool)
            (field "detail" (option string)))"#,
    ),
];

pub const ROLES: &[RoleText] = &[
    RoleText {
        name: "lifecycle",
        uses: &["failure"],
        types: &[(
            "transition",
            r#"(record (field "before" (option string)) (field "after" (option string)))"#,
        )],
        hooks: &[
            ("check", TRANSITION, "(param i32 i32 i32 i32 i32 i32)"),
            ("before-deploy", TRANSITION, "(param i32 i32 i32 i32 i32 i32)"),
            ("after-deploy", TRANSITION, "(param i32 i32 i32 i32 i32 i32)"),
            // Since 0.2.0.
            (
                "deploy-failed",
                r#"(param "to" $transition) (param "restored" bool)
                    (result (result (error $failure)))"#,
                "(param i32 i32 i32 i32 i32 i32 i32)",
            ),
            ("before-remove", NOTHING, ""),
        ],
    },
    RoleText {
        name: "migration",
        uses: &["failure"],
        types: &[(
            "step",
            r#"(record (field "id" string) (field "description" string)
                (field "reversible" bool))"#,
        )],
        hooks: &[
            (
                "plan",
                r#"(param "before" string) (param "after" string)
                    (result (result (list $step) (error $failure)))"#,
                "(param i32 i32 i32 i32)",
            ),
            ("run", r#"(param "id" string) (result (result (error $failure)))"#, "(param i32 i32)"),
        ],
    },
    RoleText {
        name: "backup",
        uses: &["failure", "command", "sink", "source"],
        types: BACKUP,
        hooks: &[
            ("plan", "(result (result (list $item) (error $failure)))", ""),
            ("before-backup", NOTHING, ""),
            (
                "after-backup",
                r#"(param "succeeded" bool) (result (result (error $failure)))"#,
                "(param i32)",
            ),
            ("produce", STREAM_IN, "(param i32 i32) (param $handle i32)"),
            ("consume", STREAM_OUT, "(param i32 i32) (param $handle i32)"),
            ("after-restore", NOTHING, ""),
            ("verify", "(result (result (list $finding) (error $failure)))", ""),
        ],
    },
    RoleText {
        name: "sso-provider",
        uses: &["failure", "client-request", "client"],
        types: &[],
        hooks: &[
            (
                "register",
                r#"(param "request" $client-request) (result (result $client (error $failure)))"#,
                "(param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)",
            ),
            (
                "unregister",
                r#"(param "client" string) (result (result (error $failure)))"#,
                "(param i32 i32)",
            ),
            // Since 0.4.0.
            (
                "rotate",
                r#"(param "request" $client-request) (result (result $client (error $failure)))"#,
                "(param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)",
            ),
        ],
    },
    RoleText {
        name: "sso-client",
        uses: &["failure", "changes", "client-request", "client"],
        types: &[],
        hooks: &[
            ("request", "(result (result $client-request (error $failure)))", ""),
            (
                "connect",
                r#"(param "client" $client) (result (result $changes (error $failure)))"#,
                "(param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)",
            ),
            ("disconnect", CHANGES, ""),
        ],
    },
    RoleText {
        name: "mail-provider",
        uses: &["failure", "encryption", "relay"],
        types: &[],
        hooks: &[
            (
                "account",
                r#"(param "sender" string) (result (result $relay (error $failure)))"#,
                "(param i32 i32)",
            ),
            (
                "close-account",
                r#"(param "sender" string) (result (result (error $failure)))"#,
                "(param i32 i32)",
            ),
            // Since 0.4.0.
            (
                "rotate",
                r#"(param "sender" string) (result (result $relay (error $failure)))"#,
                "(param i32 i32)",
            ),
        ],
    },
    RoleText {
        name: "mail-client",
        uses: &["failure", "changes", "encryption", "relay"],
        types: &[],
        hooks: &[
            (
                "connect",
                r#"(param "relay" $relay) (result (result $changes (error $failure)))"#,
                "(param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)",
            ),
            ("disconnect", CHANGES, ""),
            (
                "send-test",
                r#"(param "recipient" string) (result (result (error $failure)))"#,
                "(param i32 i32)",
            ),
        ],
    },
    RoleText {
        name: "commands",
        uses: &["failure"],
        types: &[
            (
                "parameter",
                r#"(record (field "name" string) (field "help" string) (field "required" bool)
                    (field "secret" bool))"#,
            ),
            (
                "spec",
                r#"(record (field "name" string) (field "help" string)
                    (field "parameters" (list $parameter)))"#,
            ),
        ],
        hooks: &[
            ("specs", "(result (list $spec))", ""),
            (
                "run",
                r#"(param "name" string) (param "arguments" (list string))
                    (result (result string (error $failure)))"#,
                "(param i32 i32 i32 i32)",
            ),
        ],
    },
];
