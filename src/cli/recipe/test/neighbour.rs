//! A stack of others beside the apps of a test: deployed as `docker stack deploy` would, with a
//! file in its volume. In the end it has to be as it was.

use std::{collections::BTreeMap, fs};

use super::bench::{Bench, SERVER, Stop};
use crate::{
    app::{self, Mounted},
    engine::{Engine, Error, Scope, api},
    home::StackName,
    hooks::running_container,
};

/// The file in its volume, and what is in it.
const FILE: &str = "/kept/neighbour.txt";
const WORD: &str = "a neighbour's";

/// The stack, and what it was.
#[derive(Debug, Clone)]
pub struct Neighbour {
    stack: StackName,
    was: Seen,
}

/// What a stack is, part by part.
type Seen = BTreeMap<String, String>;

fn of_engine(error: Error) -> Stop {
    Stop::Failed(error.to_string())
}

impl Neighbour {
    /// Moves in, with an image that the server has already.
    pub async fn move_in(bench: &mut Bench, image: &str) -> Result<Self, Stop> {
        let name = bench.stack_name("neighbour");
        let stack = StackName::new(&name).map_err(|error| Stop::Failed(error.to_string()))?;
        let file = "neighbour.txt";
        fs::write(bench.path().join(file), WORD)
            .map_err(|error| Stop::Failed(format!("writing {file}: {error}")))?;
        bench.stack(SERVER, &name, &text(image)).await?;
        let engine = bench.engine(SERVER)?;
        let engine = engine.as_ref();
        let container = container(engine, &stack).await?;
        let source = bench.path().join(file);
        app::copy_in(engine, &container, &Mounted::default(), &source, FILE)
            .await
            .map_err(|error| Stop::Failed(error.to_string()))?;
        let was = seen(bench, engine, &stack).await?;
        Ok(Neighbour { stack, was })
    }

    /// Whether everything of it is what it was.
    pub async fn is_as_it_was(&self, bench: &mut Bench) -> Result<(), Stop> {
        let engine = bench.engine(SERVER)?;
        let now = seen(bench, engine.as_ref(), &self.stack).await?;
        match changed(&self.was, &now).as_slice() {
            [] => Ok(()),
            parts => {
                let parts = parts.join(", ");
                Err(Stop::Failed(format!("of the stack {}, these changed: {parts}", self.stack)))
            }
        }
    }
}

/// What is another in one of the two, by its name.
fn changed(was: &Seen, now: &Seen) -> Vec<String> {
    let all = was.keys().chain(now.keys());
    let mut changed: Vec<String> =
        all.filter(|part| was.get(*part) != now.get(*part)).cloned().collect();
    changed.sort();
    changed.dedup();
    changed
}

/// The compose file: a service that only waits, with one of each thing that a stack has.
fn text(image: &str) -> String {
    format!(
        "services:\n  quiet:\n    image: '{image}'\n    entrypoint: [sh, -c, 'while :; do sleep 3600; \
         done']\n    healthcheck: {{disable: true}}\n    volumes: ['data:/kept']\n    configs: \
         [note]\n    secrets: [word]\n    deploy: {{update_config: {{monitor: 1s}}}}\nvolumes: \
         {{data: }}\nconfigs: {{note: {{file: neighbour.txt}}}}\nsecrets: {{word: {{file: \
         neighbour.txt}}}}\n"
    )
}

async fn container(engine: &dyn Engine, stack: &StackName) -> Result<String, Stop> {
    let found = running_container(engine, &format!("{stack}_quiet")).await.map_err(of_engine)?;
    let none = || Stop::Failed(format!("the stack {stack} does not run"));
    found.map(|container| container.id).ok_or_else(none)
}

/// What a part is, with the version that swarm counts.
fn part(id: Option<&String>, version: Option<&api::ObjectVersion>) -> String {
    let index = version.and_then(|version| version.index).unwrap_or_default();
    format!("{} {index}", id.map_or("", String::as_str))
}

async fn seen(bench: &Bench, engine: &dyn Engine, stack: &StackName) -> Result<Seen, Stop> {
    let scope = Scope::Stack(stack);
    let (services, networks, secrets, configs, volumes) = futures_util::try_join!(
        engine.services(scope),
        engine.networks(scope),
        engine.secrets(scope),
        engine.configs(scope),
        engine.volumes(scope),
    )
    .map_err(of_engine)?;
    let mut seen = Seen::new();
    for it in services {
        let name = it.spec.as_ref().and_then(|spec| spec.name.clone()).unwrap_or_default();
        seen.insert(format!("the service {name}"), part(it.id.as_ref(), it.version.as_ref()));
    }
    for it in networks {
        let name = it.name.unwrap_or_default();
        seen.insert(format!("the network {name}"), it.id.unwrap_or_default());
    }
    for it in secrets {
        let name = it.spec.as_ref().and_then(|spec| spec.name.clone()).unwrap_or_default();
        seen.insert(format!("the secret {name}"), part(it.id.as_ref(), it.version.as_ref()));
    }
    for it in configs {
        let name = it.spec.as_ref().and_then(|spec| spec.name.clone()).unwrap_or_default();
        seen.insert(format!("the config {name}"), part(it.id.as_ref(), it.version.as_ref()));
    }
    for it in volumes {
        let place = it.mountpoint.display().to_string();
        seen.insert(format!("the volume {}", it.name), format!("{place} {:?}", it.labels));
    }
    // One that was restarted has another.
    let container = container(engine, stack).await?;
    let back = bench.path().join("neighbour-back.txt");
    let copied = app::copy_out(engine, &container, &Mounted::default(), FILE, &back).await;
    let word = match copied {
        Ok(_) => fs::read_to_string(&back).unwrap_or_default(),
        Err(error) => error.to_string(),
    };
    // The next one is not to be taken for this one.
    let _ = fs::remove_file(&back);
    seen.insert("the file in its volume".into(), word);
    seen.insert("the container of its service".into(), container);
    Ok(seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_is_named() {
        let seen = |parts: &[(&str, &str)]| -> Seen {
            parts.iter().map(|(name, is)| ((*name).to_owned(), (*is).to_owned())).collect()
        };
        let was = seen(&[("a", "1"), ("b", "1")]);
        assert_eq!(changed(&was, &was), [""; 0]);
        assert_eq!(changed(&was, &seen(&[("b", "2"), ("c", "1")])), ["a", "b", "c"]);
    }
}
