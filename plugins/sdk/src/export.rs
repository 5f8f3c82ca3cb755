//! From traits to a component: the macro, and what surrounds every hook.

use std::sync::Once;

use crate::{Result, bindings::recipe::failures, report};

/// Makes a component of a type that implements the roles' traits:
/// `potluck_sdk::export!(Plugin: lifecycle, backup, commands);`
///
/// Roles: `lifecycle`, `migration`, `backup`, `sso_provider`, `sso_client`,
/// `mail_provider`, `mail_client`, `commands`.
#[macro_export]
macro_rules! export {
    ($plugin:ident: $($role:ident),+ $(,)?) => {
        $($crate::__potluck_role!($plugin $role);)+
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __potluck_role {
    ($plugin:ident lifecycle) => { $crate::__potluck_export!($plugin lifecycle __export_lifecycle); };
    ($plugin:ident migration) => { $crate::__potluck_export!($plugin migration __export_migration); };
    ($plugin:ident backup) => { $crate::__potluck_export!($plugin backup __export_backup); };
    ($plugin:ident sso_provider) => { $crate::__potluck_export!($plugin sso_provider __export_sso_provider); };
    ($plugin:ident sso_client) => { $crate::__potluck_export!($plugin sso_client __export_sso_client); };
    ($plugin:ident mail_provider) => { $crate::__potluck_export!($plugin mail_provider __export_mail_provider); };
    ($plugin:ident mail_client) => { $crate::__potluck_export!($plugin mail_client __export_mail_client); };
    ($plugin:ident commands) => { $crate::__potluck_export!($plugin commands __export_commands); };
    ($plugin:ident $other:ident) => {
        compile_error!(concat!("potluck knows no role called `", stringify!($other), "`"));
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __potluck_export {
    ($plugin:ident $role:ident $export:ident) => {
        // Names like `potluck:recipe/lifecycle@0.1.0#check` are none for a native
        // linker; there, the traits are called as they are.
        #[cfg(target_family = "wasm")]
        const _: () = {
            type Adapter = $crate::roles::$role::Adapter<$plugin>;
    $crate::bindings::$role::$export!(Adapter with_types_in $crate::bindings::$role);
        };
    };
}

/// Surrounds every exported function: a panic says what and where before the
/// sandbox only knows that a trap was hit.
pub(crate) fn guarded<T>(hook: impl FnOnce() -> Result<T>) -> Result<T, failures::Failure> {
    watch_panics();
    hook().map_err(Into::into)
}

pub(crate) fn watch_panics() {
    static WATCHED: Once = Once::new();
    WATCHED.call_once(|| {
        std::panic::set_hook(Box::new(|panic| {
            let message = panic.payload_as_str().unwrap_or("no message");
            let place = panic.location().map(|place| format!(" at {place}")).unwrap_or_default();
            report::error(format!("the plugin panicked{place}: {message}"));
        }));
    });
}
