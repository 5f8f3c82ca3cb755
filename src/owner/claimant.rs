//! The app that claims a stack, and what the operator's own files say about it; pure.

use crate::{
    engine::{Error, Foreign},
    home::{
        AppEntry, AppName, EnvFile, LockFile, RecipeName, StackName, lock_file::RecipePin,
        names::InvalidName,
    },
    text::line,
};

use super::{mixup::Mixup, record::Owner};

/// An app that works on a stack.
#[derive(Debug, Clone)]
pub(crate) struct Claimant {
    pub app: AppName,
    /// None if the settings name none: then only the app's name is compared.
    pub recipe: Option<RecipeName>,
    pub stack: StackName,
    /// Whether the stack's name follows from the app's, or was chosen by the
    /// operator: a name from the sample does not count.
    pub named: bool,
    /// Whether this folder deployed the app with an older potluck, without a record.
    pub earlier: bool,
    /// The record that this folder made or took over, whatever recipe the settings
    /// name: for commands that work with what runs and do not need the recipe.
    pub made: Option<String>,
    /// The recipe that this folder deployed last, if any.
    pub deployed: Option<RecipePin>,
    /// The key and value that name the recipe: `TYPE=wiki:1.0.0` is `("TYPE", "1.0.0")`.
    pub written: Option<(String, Option<String>)>,
}

impl Claimant {
    /// From the operator's files.
    ///
    /// # Errors
    /// An invalid stack name.
    pub fn new(entry: &AppEntry, env: &EnvFile, lock: &LockFile) -> Result<Self, InvalidName> {
        let stack = entry.stack(env)?;
        let named = stack == entry.name.stack() || lock.stack.as_deref() == Some(stack.as_str());
        let (recipe, version) = env.recipe_pin().ok().flatten().unzip();
        Ok(Claimant {
            app: entry.name.clone(),
            recipe,
            named,
            earlier: lock.recipe.is_some() && lock.owner.is_none(),
            stack,
            made: None,
            deployed: lock.recipe.clone(),
            written: env.recipe_key().map(|key| (key.to_owned(), version.flatten())),
        })
    }

    /// As [`Claimant::new`], for commands that must work whatever recipe the
    /// settings name: the record of this folder's own deploy is the app's.
    ///
    /// # Errors
    /// As [`Claimant::new`].
    pub fn of_what_runs(
        entry: &AppEntry,
        env: &EnvFile,
        lock: &LockFile,
    ) -> Result<Self, InvalidName> {
        Ok(Claimant { made: lock.owner.clone(), ..Self::new(entry, env, lock)? })
    }

    /// Whether a record is this app's, even if a colleague's folder made it.
    pub fn is(&self, owner: &Owner) -> bool {
        owner.app == self.app.as_str()
            && (self.made.as_ref() == Some(&owner.id)
                || self.recipe.as_ref().is_none_or(|recipe| owner.recipe == recipe.as_str()))
    }

    /// The mismatch, if the record has another recipe than the settings.
    pub fn mixup(&self, owner: &Owner) -> Option<Mixup> {
        let recipe = self.recipe.as_ref().filter(|recipe| owner.recipe != recipe.as_str())?;
        if owner.app != self.app.as_str() {
            return None;
        }
        let (key, version) = self.written.clone()?;
        // A version beside another recipe's name is that recipe's.
        let version = version.and_then(|version| match &self.deployed {
            Some(deployed) => deployed.released().cloned(),
            None => Some(version),
        });
        Some(Mixup {
            app: self.app.clone(),
            key,
            written: recipe.clone(),
            version,
            deployed: owner.recipe.clone(),
        })
    }

    /// The stack belongs to someone else.
    pub fn belongs_to(&self, owner: &Owner) -> Error {
        let app = &self.app;
        let (reason, hint) = if owner.app == app.as_str() {
            let recipe = self.recipe.as_ref().map_or("none", |recipe| recipe.as_str());
            (
                format!(
                    "it is recorded for the recipe {}, and {app} uses {recipe} now",
                    owner.recipe
                ),
                match self.mixup(owner) {
                    Some(mixup) => format!(
                        "{}; if you moved {app} to {recipe}, `potluck app deploy {app} --takeover`",
                        mixup.correct()
                    ),
                    None => format!("name the recipe {} in the settings", line(&owner.recipe)),
                },
            )
        } else {
            (
                format!("it belongs to the app {} (recipe {})", owner.app, owner.recipe),
                format!(
                    "give {app} a stack of its own: `potluck app config {app} --set STACK_NAME=NAME`"
                ),
            )
        };
        self.stack_is_foreign(reason, hint)
    }

    /// The stack exists, and only its labels say who owns it.
    pub fn unrecorded(&self) -> Error {
        let app = &self.app;
        self.stack_is_foreign(
            format!("no record on the server says that it is {app}'s"),
            format!("`potluck app deploy {app}` shows what is there, asks, and takes it over"),
        )
    }

    /// The operator did not choose the stack's name.
    pub fn unnamed(&self) -> Error {
        let Claimant { app, stack, .. } = self;
        self.stack_is_foreign(
            format!("the settings of {app} name it, and you have not confirmed that"),
            format!(
                "remove the line STACK_NAME from the settings (the stack is then `{}`), or confirm it: \
                 `potluck app config {app} --set STACK_NAME={stack}`",
                app.stack()
            ),
        )
    }

    fn stack_is_foreign(&self, reason: String, hint: String) -> Error {
        let what = format!("the stack `{}`", self.stack);
        Error::Foreign(Box::new(Foreign { what, reason, hint: Some(hint) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::{ServerName, lock_file::RecipePin};

    #[test]
    fn a_version_is_of_the_recipe_that_it_stands_beside() {
        let app = AppName::new("blog.example").unwrap();
        let entry = AppEntry { name: app, server: ServerName::new("here").unwrap() };
        let owner =
            Owner { app: "blog.example".into(), recipe: "wordpress".into(), id: String::new() };
        let release = |version: Option<&str>| RecipePin {
            version: version.map(str::to_owned),
            ..RecipePin::default()
        };
        for (written, deployed, version) in [
            ("wiki:0.1.0", Some(release(Some("1.0.0+6"))), Some("1.0.0+6")),
            ("wiki:0.1.0", Some(release(None)), None),
            ("wiki", Some(release(Some("1.0.0+6"))), None),
            // Another folder deployed it: a slip of the pen keeps its version.
            ("wordpres:1.0.0", None, Some("1.0.0")),
        ] {
            let env = EnvFile::parse("f", &format!("TYPE={written}\n")).unwrap();
            let lock = LockFile { recipe: deployed, ..LockFile::default() };
            let mixup = Claimant::new(&entry, &env, &lock).unwrap().mixup(&owner).unwrap();
            assert_eq!(mixup.version.as_deref(), version, "{written}");
        }
    }
}
