//! Settings that name another recipe than the one that is deployed: by mistake,
//! or because the app is to be moved; pure.

use std::fmt;

use crate::{
    home::{AppName, RecipeName},
    text::line,
};

/// The recipe in the settings, and the one in the server's record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mixup {
    pub app: AppName,
    /// `TYPE` or `RECIPE`.
    pub key: String,
    /// What that key names.
    pub written: RecipeName,
    /// The version behind it.
    pub version: Option<String>,
    /// The recipe that is deployed. The server says so: it may be any text.
    pub deployed: String,
}

impl fmt::Display for Mixup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Mixup { app, key, written, deployed, .. } = self;
        write!(f, "the settings of {app} say {key}={written}, deployed is {}", line(deployed))
    }
}

impl Mixup {
    /// The command that corrects a mistake.
    pub fn correct(&self) -> String {
        let Mixup { app, key, version, deployed, .. } = self;
        // Only what can be a recipe's name is offered to a shell.
        let Ok(recipe) = RecipeName::new(deployed) else {
            return format!("correct {key} in the settings");
        };
        let version = version.as_ref().map(|version| format!(":{version}")).unwrap_or_default();
        format!(
            "correct {key}, did you mean {recipe}? `potluck app config {app} --set \
             {key}={recipe}{version}`"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_recipe_is_told_what_to_type() {
        let mixup = |deployed: &str, version: Option<&str>| Mixup {
            app: AppName::new("blog.example").unwrap(),
            key: "TYPE".into(),
            written: RecipeName::new("wordpres").unwrap(),
            version: version.map(str::to_owned),
            deployed: deployed.into(),
        };
        let slip = mixup("wordpress", Some("1.0.0+6"));
        assert_eq!(
            slip.to_string(),
            "the settings of blog.example say TYPE=wordpres, deployed is wordpress"
        );
        assert_eq!(
            slip.correct(),
            "correct TYPE, did you mean wordpress? `potluck app config blog.example --set \
             TYPE=wordpress:1.0.0+6`"
        );
        let forged = mixup("x; rm -rf /", None);
        assert_eq!(forged.correct(), "correct TYPE in the settings");
    }
}
