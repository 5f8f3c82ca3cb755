//! What `bindgen!` generates from `wit/`: the interfaces that every plugin may
//! import, once, and one world for each role that shares them.
//!
//! A component rarely plays every role, so that no single world fits; the
//! roles' worlds hold nothing but their export. For a later version of
//! the interface, this holds only what changed in it; the rest is in [`shared`].

/// The imports of 0.1.0, and the interfaces that hold only types.
pub mod shared {
    wasmtime::component::bindgen!({
        path: "wit/v0.1.0",
        inline: "
            package potluck:host;
            world shared {
                include potluck:recipe/imports@0.1.0;
                import potluck:recipe/failures@0.1.0;
                import potluck:recipe/process-types@0.1.0;
                import potluck:recipe/bytes@0.1.0;
                import potluck:recipe/changes@0.1.0;
                import potluck:recipe/sso-types@0.1.0;
                import potluck:recipe/mail-types@0.1.0;
            }
        ",
        world: "potluck:host/shared",
        imports: {
            "potluck:recipe/app": trappable,
            "potluck:recipe/recipe-files": trappable,
            "potluck:recipe/report": trappable,
            "potluck:recipe/memory": trappable,
            default: async | trappable,
        },
        with: {
            "potluck:recipe/bytes.sink": crate::plugin::host::bytes::SinkStream,
            "potluck:recipe/bytes.source": crate::plugin::host::bytes::SourceStream,
        },
    });
}

/// The imports that changed in 0.2.0.
mod shared_0_2 {
    wasmtime::component::bindgen!({
        path: "wit/v0.2.0",
        inline: "
            package potluck:host;
            world shared {
                import potluck:recipe/services@0.2.0;
            }
        ",
        world: "potluck:host/shared",
        imports: { default: async | trappable },
        with: {
            "potluck:recipe/process-types@0.1.0":
                crate::plugin::bindings::shared::potluck::recipe::process_types,
        },
    });
}

macro_rules! role {
    ($module:ident, $inline:literal) => {
        pub mod $module {
            wasmtime::component::bindgen!({
                path: "wit/v0.1.0",
                inline: $inline,
                world: "potluck:host/role",
                exports: { default: async },
                with: { "potluck:recipe": crate::plugin::bindings::shared::potluck::recipe },
            });
        }
    };
}

role!(lifecycle_0_1, "package potluck:host; world role { export potluck:recipe/lifecycle@0.1.0; }");
role!(migration, "package potluck:host; world role { export potluck:recipe/migration@0.1.0; }");
role!(backup_0_1, "package potluck:host; world role { export potluck:recipe/backup@0.1.0; }");
role!(
    sso_provider_0_1,
    "package potluck:host; world role { export potluck:recipe/sso-provider@0.1.0; }"
);
role!(sso_client, "package potluck:host; world role { export potluck:recipe/sso-client@0.1.0; }");
role!(
    mail_provider_0_1,
    "package potluck:host; world role { export potluck:recipe/mail-provider@0.1.0; }"
);
role!(mail_client, "package potluck:host; world role { export potluck:recipe/mail-client@0.1.0; }");
role!(commands, "package potluck:host; world role { export potluck:recipe/commands@0.1.0; }");

/// The role that changed in 0.2.0.
pub mod lifecycle {
    wasmtime::component::bindgen!({
        path: "wit/v0.2.0",
        inline: "package potluck:host; world role { export potluck:recipe/lifecycle@0.2.0; }",
        world: "potluck:host/role",
        exports: { default: async },
        with: {
            "potluck:recipe/failures@0.1.0":
                crate::plugin::bindings::shared::potluck::recipe::failures,
        },
    });
}

/// The role that changed in 0.3.0.
pub mod backup {
    wasmtime::component::bindgen!({
        path: "wit/v0.3.0",
        inline: "package potluck:host; world role { export potluck:recipe/backup@0.3.0; }",
        world: "potluck:host/role",
        exports: { default: async },
        with: {
            "potluck:recipe/failures@0.1.0":
                crate::plugin::bindings::shared::potluck::recipe::failures,
            "potluck:recipe/process-types@0.1.0":
                crate::plugin::bindings::shared::potluck::recipe::process_types,
            "potluck:recipe/bytes@0.1.0":
                crate::plugin::bindings::shared::potluck::recipe::bytes,
        },
    });
}

/// A role that changed in 0.4.0.
pub mod sso_provider {
    wasmtime::component::bindgen!({
        path: "wit/v0.4.0",
        inline: "package potluck:host; world role { export potluck:recipe/sso-provider@0.4.0; }",
        world: "potluck:host/role",
        exports: { default: async },
        with: {
            "potluck:recipe/failures@0.1.0":
                crate::plugin::bindings::shared::potluck::recipe::failures,
            "potluck:recipe/sso-types@0.1.0":
                crate::plugin::bindings::shared::potluck::recipe::sso_types,
        },
    });
}

/// A role that changed in 0.4.0.
pub mod mail_provider {
    wasmtime::component::bindgen!({
        path: "wit/v0.4.0",
        inline: "package potluck:host; world role { export potluck:recipe/mail-provider@0.4.0; }",
        world: "potluck:host/role",
        exports: { default: async },
        with: {
            "potluck:recipe/failures@0.1.0":
                crate::plugin::bindings::shared::potluck::recipe::failures,
            "potluck:recipe/mail-types@0.1.0":
                crate::plugin::bindings::shared::potluck::recipe::mail_types,
        },
    });
}

pub use shared::potluck::recipe::{
    app, bytes, changes, failures, http, mail_types, memory, process_types, recipe_files, report,
    secrets, services as services_0_1, sso_types, tools,
};
pub use shared_0_2::potluck::recipe0_2_0::services;
