//! What wit-bindgen makes of `wit/`: the imports once, then each role as a world
//! of its own, so that a plugin exports only the roles it plays. Each interface
//! is in the newest version that has it.
#![allow(missing_docs, reason = "generated; the documentation stands in the WIT")]

wit_bindgen::generate!({
    path: "../../wit/v0.2.0",
    inline: "
        package potluck:sdk;
        world host {
            include potluck:recipe/imports@0.2.0;
            import potluck:recipe/failures@0.1.0;
            import potluck:recipe/bytes@0.1.0;
            import potluck:recipe/changes@0.1.0;
            import potluck:recipe/sso-types@0.1.0;
            import potluck:recipe/mail-types@0.1.0;
        }
    ",
    world: "potluck:sdk/host",
    generate_all,
    generate_unused_types: true,
    additional_derives: [PartialEq],
});

/// Every interface that is imported, whatever version it last changed in.
pub mod recipe {
    pub use super::potluck::{
        recipe0_1_0::{
            app, bytes, changes, failures, http, mail_types, memory, process_types, recipe_files,
            report, secrets, sso_types, tools,
        },
        recipe0_2_0::services,
    };
}

/// One role: its interface as a world of its own, whose types are the host's.
macro_rules! role {
    ($module:ident, $path:literal, $name:literal, $interface:literal, $world:literal, $export:literal, { $($wit:literal: $shared:ident),* }) => {
        pub mod $module {
            wit_bindgen::generate!({
                path: $path,
                inline: $world,
                world: $name,
                export_macro_name: $export,
                pub_export_macro: true,
                type_section_suffix: $export,
                with: {
                    $interface: generate,
                    $($wit: crate::bindings::recipe::$shared,)*
                },
            });
        }
    };
}

role!(
    lifecycle,
    "../../wit/v0.2.0",
    "lifecycle-role",
    "potluck:recipe/lifecycle@0.2.0",
    "package potluck:sdk-lifecycle; world lifecycle-role { export potluck:recipe/lifecycle@0.2.0; }",
    "__export_lifecycle",
    {
        "potluck:recipe/failures@0.1.0": failures
    }
);
role!(
    migration,
    "../../wit/v0.1.0",
    "migration-role",
    "potluck:recipe/migration@0.1.0",
    "package potluck:sdk-migration; world migration-role { export potluck:recipe/migration@0.1.0; }",
    "__export_migration",
    {
        "potluck:recipe/failures@0.1.0": failures
    }
);
role!(
    backup,
    "../../wit/v0.3.0",
    "backup-role",
    "potluck:recipe/backup@0.3.0",
    "package potluck:sdk-backup; world backup-role { export potluck:recipe/backup@0.3.0; }",
    "__export_backup",
    {
        "potluck:recipe/failures@0.1.0": failures,
        "potluck:recipe/process-types@0.1.0": process_types,
        "potluck:recipe/bytes@0.1.0": bytes
    }
);
role!(
    sso_provider,
    "../../wit/v0.4.0",
    "sso-provider-role",
    "potluck:recipe/sso-provider@0.4.0",
    "package potluck:sdk-sso-provider; world sso-provider-role { export potluck:recipe/sso-provider@0.4.0; }",
    "__export_sso_provider",
    {
        "potluck:recipe/failures@0.1.0": failures,
        "potluck:recipe/sso-types@0.1.0": sso_types
    }
);
role!(
    sso_client,
    "../../wit/v0.1.0",
    "sso-client-role",
    "potluck:recipe/sso-client@0.1.0",
    "package potluck:sdk-sso-client; world sso-client-role { export potluck:recipe/sso-client@0.1.0; }",
    "__export_sso_client",
    {
        "potluck:recipe/failures@0.1.0": failures,
        "potluck:recipe/changes@0.1.0": changes,
        "potluck:recipe/sso-types@0.1.0": sso_types
    }
);
role!(
    mail_provider,
    "../../wit/v0.4.0",
    "mail-provider-role",
    "potluck:recipe/mail-provider@0.4.0",
    "package potluck:sdk-mail-provider; world mail-provider-role { export potluck:recipe/mail-provider@0.4.0; }",
    "__export_mail_provider",
    {
        "potluck:recipe/failures@0.1.0": failures,
        "potluck:recipe/mail-types@0.1.0": mail_types
    }
);
role!(
    mail_client,
    "../../wit/v0.1.0",
    "mail-client-role",
    "potluck:recipe/mail-client@0.1.0",
    "package potluck:sdk-mail-client; world mail-client-role { export potluck:recipe/mail-client@0.1.0; }",
    "__export_mail_client",
    {
        "potluck:recipe/failures@0.1.0": failures,
        "potluck:recipe/changes@0.1.0": changes,
        "potluck:recipe/mail-types@0.1.0": mail_types
    }
);
role!(
    commands,
    "../../wit/v0.1.0",
    "commands-role",
    "potluck:recipe/commands@0.1.0",
    "package potluck:sdk-commands; world commands-role { export potluck:recipe/commands@0.1.0; }",
    "__export_commands",
    {
        "potluck:recipe/failures@0.1.0": failures
    }
);
