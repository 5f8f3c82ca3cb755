//! Which recipe the settings name: `RECIPE=recipe[:version]`, or `TYPE=` in older
//! abra. If both are set, `RECIPE` counts.

use super::{Entry, EnvFile, ParseError};
use crate::home::{RecipeAddress, names::RecipeName};

impl Entry {
    /// The text before the version, and the version.
    fn recipe_and_version(&self) -> (&str, Option<&str>) {
        let value = self.value.trim();
        // A colon before the last slash belongs to `https:` or to a port.
        let name_begins = value.rfind('/').map_or(0, |slash| slash + 1);
        match value[name_begins..].split_once(':') {
            Some((name, version)) => {
                let version = Some(version).filter(|version| !version.is_empty());
                (&value[..name_begins + name.len()], version)
            }
            None => (value, None),
        }
    }
}

impl EnvFile {
    /// The recipe that `RECIPE=` or `TYPE=` names, and its version if one is
    /// pinned: `TYPE=wordpress:1.2.0+6.4.3`. A recipe named by its git address,
    /// `git.example.org/org/cool-recipe`, is kept under
    /// `git_example_org_org_cool-recipe`, as by abra.
    ///
    /// # Errors
    /// [`ParseError`] when the value is not a recipe's name.
    pub fn recipe_pin(&self) -> Result<Option<(RecipeName, Option<String>)>, ParseError> {
        let Some(entry) = self.recipe_entries().next() else { return Ok(None) };
        let (source, version) = entry.recipe_and_version();
        let name = match RecipeAddress::parse(source) {
            Ok(Some(address)) => Ok(address.recipe),
            Ok(None) => RecipeName::new(source.trim_end_matches(".git")),
            Err(error) => Err(error),
        };
        let name = name.map_err(|e| ParseError {
            file: self.name.clone(),
            line: entry.line,
            message: e.to_string(),
        })?;
        Ok(Some((name, version.map(str::to_owned))))
    }

    /// Where the recipe's repository is, if the settings say it.
    pub fn recipe_address(&self) -> Option<RecipeAddress> {
        let (source, _) = self.recipe_entries().next()?.recipe_and_version();
        RecipeAddress::parse(source).ok().flatten()
    }

    /// The key that names the recipe, `RECIPE` or `TYPE`.
    pub fn recipe_key(&self) -> Option<&str> {
        self.recipe_entries().next().map(|entry| entry.key.as_str())
    }

    /// The warning if `RECIPE` and `TYPE` name different recipes or versions, with the one
    /// that counts.
    pub fn rival_recipes(&self) -> Option<String> {
        self.rivals().map(|(line, message)| format!("{}:{line}: {message}", self.name))
    }

    /// The same, with its line apart.
    pub(super) fn rivals(&self) -> Option<(usize, String)> {
        let mut entries = self.recipe_entries();
        let (counts, other) = (entries.next()?, entries.next()?);
        let (value, ignored) = (counts.value.trim(), other.value.trim());
        (value != ignored).then(|| {
            let message = format!(
                "`{}={value}` counts; remove line {}, `{}={ignored}`, which is ignored",
                counts.key, other.line, other.key
            );
            (counts.line, message)
        })
    }

    /// Pins the recipe that the settings name to a version, by each key that names
    /// it.
    ///
    /// # Errors
    /// As [`EnvFile::set`]; settings that name no recipe are not changed.
    pub fn pin(&mut self, version: &str) -> Result<(), ParseError> {
        let named = self
            .recipe_entries()
            .map(|entry| (entry.key.clone(), entry.recipe_and_version().0.to_owned()));
        let named: Vec<(String, String)> = named.collect();
        for (key, recipe) in &named {
            if *recipe == named[0].1 {
                self.set(key, &format!("{recipe}:{version}"))?;
            }
        }
        Ok(())
    }

    /// The lines that name a recipe; the first counts.
    fn recipe_entries(&self) -> impl Iterator<Item = &Entry> {
        let entries = ["RECIPE", "TYPE"].into_iter().filter_map(|key| self.active(key));
        entries.filter(|entry| !entry.value.trim().is_empty())
    }
}
