//! What `bindgen!` makes of `wit/`: the interfaces that every plugin may
//! import, once, and one world for each role that shares them.
//!
//! A component rarely plays every role, so that no single world fits; the
//! roles' worlds hold nothing but their export.

/// The imports, and the interfaces that hold only types.
pub mod shared {
    wasmtime::component::bindgen!({
        path: "wit",
        inline: "
            package potluck:host;
            world shared {
                include potluck:recipe/imports@0.1.0;
                import potluck:recipe/failures@0.1.0;
                import potluck:recipe/process-types@0.1.0;
                import potluck:recipe/bytes@0.1.0;
            }
        ",
        world: "potluck:host/shared",
        imports: {
            "potluck:recipe/app": trappable,
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

macro_rules! role {
    ($module:ident, $inline:literal) => {
        pub mod $module {
            wasmtime::component::bindgen!({
                path: "wit",
                inline: $inline,
                world: "potluck:host/role",
                exports: { default: async },
                with: { "potluck:recipe": crate::plugin::bindings::shared::potluck::recipe },
            });
        }
    };
}

role!(lifecycle, "package potluck:host; world role { export potluck:recipe/lifecycle@0.1.0; }");
role!(backup, "package potluck:host; world role { export potluck:recipe/backup@0.1.0; }");
role!(commands, "package potluck:host; world role { export potluck:recipe/commands@0.1.0; }");

pub use shared::potluck::recipe::{
    app, bytes, failures, http, memory, process_types, report, secrets, services, tools,
};
