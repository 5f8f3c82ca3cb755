//! Settings as the deployed app has them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::home::EnvFile;

use super::{Error, OnServer};

/// The service that abra hands all settings to.
const MAIN: &str = "app";

/// A setting that the deployed app has otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pulled {
    pub key: String,
    /// What the file says; none where it says nothing.
    pub here: Option<String>,
    pub deployed: String,
}

/// The settings whose values the service `app` runs with are others than the file's, by key;
/// only names that the file or the recipe's sample has.
///
/// # Errors
/// [`Error::NotDeployed`] without such a service, and what the engine says.
pub async fn pull_settings(
    on_server: &OnServer,
    env: &EnvFile,
    sample: Option<&EnvFile>,
) -> Result<Vec<Pulled>, Error> {
    let engine = on_server.engine.readable().await?;
    let name = format!("{}_{MAIN}", on_server.stack);
    let service = match engine.service(&name).await {
        Err(error) if error.is_not_found() => {
            return Err(Error::NotDeployed { app: on_server.entry.name.to_string() });
        }
        service => service?,
    };
    let task = service.spec.and_then(|spec| spec.task_template);
    let variables = task.and_then(|task| task.container_spec).and_then(|spec| spec.env);
    Ok(differing(env, sample, &variables.unwrap_or_default()))
}

fn differing(env: &EnvFile, sample: Option<&EnvFile>, variables: &[String]) -> Vec<Pulled> {
    let mut known: BTreeSet<String> = BTreeSet::new();
    for file in [Some(env), sample].into_iter().flatten() {
        known.extend(file.values().into_iter().map(|(key, _)| key));
        known.extend(file.commented_keys());
    }
    let deployed: BTreeMap<&str, &str> =
        variables.iter().filter_map(|variable| variable.split_once('=')).collect();
    known
        .into_iter()
        .filter_map(|key| {
            let deployed = (*deployed.get(key.as_str())?).to_owned();
            let here = env.get(&key).map(str::to_owned);
            // A setting is one line.
            let fits = !deployed.contains(['\n', '\r', '\0']);
            (fits && here.as_ref() != Some(&deployed)).then_some(Pulled { key, here, deployed })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_settings_are_taken_over_and_only_others() {
        let env = EnvFile::parse("it", "TYPE=wiki\nDOMAIN=a.example\n#TITLE=x\nSAME=1\n").unwrap();
        let sample = EnvFile::parse("sample", "LANG=en\n").unwrap();
        let variables =
            ["DOMAIN=b.example", "TITLE=Ours=", "SAME=1", "LANG=nl", "PATH=/bin", "TWO"]
                .map(str::to_owned);
        let found = differing(&env, Some(&sample), &variables);
        let shown: Vec<_> =
            found.iter().map(|it| (it.key.as_str(), it.here.as_deref(), &*it.deployed)).collect();
        assert_eq!(
            shown,
            [
                ("DOMAIN", Some("a.example"), "b.example"),
                ("LANG", None, "nl"),
                ("TITLE", None, "Ours="),
            ]
        );
    }
}
