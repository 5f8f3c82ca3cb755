//! A role of which there are two versions.

/// The functions of a role in the version that the component exports, `Indices` of a component
/// and `Guest` of an instance, and `either!` for a call that both versions have. The first
/// argument is a dollar sign, which a macro cannot write into one that it makes.
//
// The inner macro is moved further to the right by each run of rustfmt.
#[rustfmt::skip]
macro_rules! versioned {
    (
        ($d:tt)
        $old:ident: $old_bindings:ident.$old_interface:ident,
        $new:ident: $new_bindings:ident.$new_interface:ident
    ) => {
        /// The functions of the role, in the version that the component exports.
        pub enum Indices {
            $old($crate::plugin::bindings::$old_bindings::RoleIndices),
            $new($crate::plugin::bindings::$new_bindings::RoleIndices),
        }

        /// The functions of one instance.
        pub enum Guest {
            $old($crate::plugin::bindings::$old_bindings::Role),
            $new($crate::plugin::bindings::$new_bindings::Role),
        }

        impl Indices {
            pub fn find(
                instance: &wasmtime::component::InstancePre<$crate::plugin::host::State>,
                version: &str,
            ) -> wasmtime::Result<Self> {
                use $crate::plugin::bindings::{$new_bindings, $old_bindings};
                Ok(match version {
                    "0.1.0" => Indices::$old($old_bindings::RoleIndices::new(instance)?),
                    _ => Indices::$new($new_bindings::RoleIndices::new(instance)?),
                })
            }

            pub fn load(
                &self,
                store: &mut wasmtime::Store<$crate::plugin::host::State>,
                instance: &wasmtime::component::Instance,
            ) -> wasmtime::Result<Guest> {
                Ok(match self {
                    Indices::$old(indices) => Guest::$old(indices.load(store, instance)?),
                    Indices::$new(indices) => Guest::$new(indices.load(store, instance)?),
                })
            }
        }

        /// The same call in either version.
        macro_rules! either {
            ($d guest:ident, |$d role:ident| $d call:expr) => {
                match $d guest {
                    Guest::$old(role) => {
                        let $d role = role.$old_interface();
                        $d call.await
                    }
                    Guest::$new(role) => {
                        let $d role = role.$new_interface();
                        $d call.await
                    }
                }
            };
        }
    };
}
pub(super) use versioned;
