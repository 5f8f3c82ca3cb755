//! A deploy of files that no version stands for, which abra calls chaos: labelled as by abra,
//! so that both tools and everyone who looks at the server know.

use std::collections::HashMap;

use crate::{
    compose::Stack,
    home::lock_file::RecipePin,
    recipe::{Chaos, Checkout},
    text,
};

use super::{App, Context};

/// The service that has an app's labels.
const MAIN: &str = "app";

/// Labels the stack, if its files have no version.
pub(super) fn label(stack: &mut Stack, checkout: &Checkout) {
    let Some(chaos) = &checkout.chaos else { return };
    let key = |name: &str| format!("coop-cloud.{}.{name}", stack.name);
    let mut labels = HashMap::from([(key("chaos"), "true".to_owned())]);
    labels.extend(chaos.version().map(|version| (key("chaos-version"), version)));
    if let Some(service) = stack.services.iter_mut().find(|service| service.key == MAIN) {
        service.spec.labels.get_or_insert_default().extend(labels);
    }
}

/// What the lock file says of it.
pub(super) fn pinned(chaos: &Chaos) -> String {
    chaos.version().unwrap_or_else(|| RecipePin::NO_COMMIT.to_owned())
}

/// The warning in a plan.
pub(crate) fn warning(context: &Context, app: &App) -> Option<String> {
    /// At most as many as a person reads.
    const SHOWN: usize = 5;
    let chaos = app.checkout.chaos.as_ref()?;
    let of = match chaos.version() {
        Some(version) => format!(" ({version})"),
        None => String::new(),
    };
    let changed = match chaos.changed.len() {
        0 => String::new(),
        count => {
            let shown: Vec<_> =
                chaos.changed.iter().take(SHOWN).map(|path| text::line(path)).collect();
            let more = if count > SHOWN { ", …" } else { "" };
            format!("; not committed: {}{more}", shown.join(", "))
        }
    };
    let signers = match context.home.recipe_signers(&app.checkout.recipe) {
        Ok(None) => "",
        Ok(Some(_)) | Err(_) => "; no signature covers them",
    };
    Some(format!(
        "chaos: the files of the recipe's folder are deployed as they are{of}{changed}{signers}"
    ))
}
