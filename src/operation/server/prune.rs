//! What a server has and nothing needs: containers that have ended, networks and images that
//! nobody uses, volumes of no app.
//!
//! An app of the folder, whether it is deployed or not, a stack that runs, and anything of which
//! potluck keeps a record on the swarm keep what is theirs, and so do releases that are kept.
//! The engine itself refuses to remove what is used after all.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::{
    app::{self, Context, Error},
    compose::value::image::Image,
    engine::{
        self, Engine, Kind, LocalContainer, LocalImage, STACK_LABEL, Scope, Volume, api,
        helper::{HELPER_LABEL, OPERATION_LABEL},
        label,
    },
    home::{AppEntry, ServerName},
    owner::recorded::Recorded,
    recipe::Version,
};

/// The label of a task's container that names its service.
const SERVICE_LABEL: &str = "com.docker.swarm.service.id";
/// Beginnings of labels of what is ours.
const OURS: &[&str] = &["org.potluck.", HELPER_LABEL, OPERATION_LABEL];
/// Networks that every engine has.
const OF_ENGINE: &[&str] = &["bridge", "host", "none", "docker_gwbridge", "ingress"];

/// What may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PruneOptions {
    pub images: Images,
    pub volumes: Volumes,
}

impl PruneOptions {
    /// Whether more goes than what nobody could want: then all that is needed has to be known.
    fn is_deep(self) -> bool {
        self != PruneOptions::default()
    }
}

/// Which images go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Images {
    /// Those without a name, which newer ones took.
    #[default]
    Nameless,
    /// All that nothing needs.
    Unused,
}

/// Whether volumes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Volumes {
    #[default]
    Kept,
    /// Those of no app.
    Unused,
}

/// Something that goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PruneItem {
    /// `container`, `network`, `image` or `volume`.
    pub kind: &'static str,
    pub name: String,
    /// What the engine calls it.
    pub id: String,
    /// Of an image, layers that others share included; none where unknown.
    pub bytes: Option<u64>,
    pub outcome: Outcome,
    /// Why it stayed.
    pub error: Option<String>,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    Planned,
    Removed,
    /// The engine refused, mostly because it is used again.
    Kept,
}

/// Everything on the node that could go.
#[derive(Debug, Clone, Default)]
struct Found {
    containers: Vec<LocalContainer>,
    networks: Vec<api::Network>,
    images: Vec<LocalImage>,
    volumes: Vec<Volume>,
}

/// What has to stay.
#[derive(Debug, Default)]
struct Needed {
    /// Ids of services that exist: ended containers of their tasks have the logs.
    services: BTreeSet<String>,
    /// Stacks that are apps', run, or are recorded.
    stacks: BTreeSet<String>,
    /// Names or ids.
    networks: BTreeSet<String>,
    /// References, as services name them.
    images: BTreeSet<String>,
    /// Names.
    volumes: BTreeSet<String>,
    /// What else apps own.
    recorded: Recorded,
}

/// What would go from the node that a server's endpoint speaks for.
///
/// # Errors
/// What the engine says; settings or, where images are meant, a recipe of one of the server's
/// apps that cannot be read: what it needs is unknown.
pub async fn plan_prune(
    context: &Context,
    server: &ServerName,
    options: PruneOptions,
) -> Result<Vec<PruneItem>, Error> {
    let home = &context.home;
    let settings = home.server(server)?;
    let engine = connect(context, server)?;
    let engine = &*engine;
    let mut needed = on_swarm(engine, options).await?;
    needed.networks.extend(settings.shared_networks());
    let helper = settings.backup.unwrap_or_default().helper_image().to_owned();
    needed.images.insert(helper);
    for entry in home.apps()?.into_iter().filter(|entry| entry.server == *server) {
        of_app(context, &entry, options, &mut needed).await?;
    }
    let (containers, networks, images) =
        tokio::try_join!(engine.local_containers(), engine.networks(Scope::All), engine.images())?;
    let volumes = match options.volumes {
        Volumes::Kept => Vec::new(),
        Volumes::Unused => engine.volumes(Scope::All).await?,
    };
    let found = Found { containers, networks, images, volumes };
    Ok(plan(&found, &needed, options))
}

/// Removes what was planned, in an order in which nothing is used any more.
///
/// # Errors
/// An engine that does not answer; what it refuses to remove is said in its item.
pub async fn prune(
    context: &Context,
    server: &ServerName,
    items: Vec<PruneItem>,
) -> Result<Vec<PruneItem>, Error> {
    let engine = connect(context, server)?;
    let mut done = Vec::new();
    for mut item in items {
        context.progress.step(format!("remove the {} {}", item.kind, item.name));
        let removed = match item.kind {
            "container" => engine.remove_container(&item.id).await,
            "network" => engine.remove_network(&item.id).await,
            "image" => engine.remove_image(&item.name).await,
            _ => engine.remove_volume(&item.name).await,
        };
        (item.outcome, item.error) = match engine::if_there(removed) {
            Ok(_) => (Outcome::Removed, None),
            Err(error @ engine::Error::Unreachable { .. }) => return Err(error.into()),
            Err(error) => (Outcome::Kept, Some(error.to_string())),
        };
        done.push(item);
    }
    Ok(done)
}

fn connect(context: &Context, server: &ServerName) -> Result<std::sync::Arc<dyn Engine>, Error> {
    let home = &context.home;
    let nodes = home.server(server)?.nodes;
    Ok(engine::connect(&home.endpoint(server)?, nodes, &home.state(), server.as_str())?)
}

/// What services, releases and records of the swarm need.
async fn on_swarm(engine: &dyn Engine, options: PruneOptions) -> Result<Needed, Error> {
    let mut needed = Needed::default();
    let services = engine.services(Scope::All).await?;
    needed.services.extend(services.iter().filter_map(|service| service.id.clone()));
    for service in &services {
        if let Some(spec) = &service.spec {
            needed.of_spec(spec);
        }
    }
    let recorded = Recorded::of(&engine.configs(Scope::All).await?);
    if let (Some((name, reason)), true) = (recorded.unreadable.first(), options.is_deep()) {
        return Err(Error::BadJournal { name: name.clone(), reason: reason.clone() });
    }
    for release in &recorded.releases {
        release.services.iter().for_each(|service| needed.of_spec(&service.spec));
        needed.networks.extend(release.networks.keys().chain(&release.external_networks).cloned());
        needed.volumes.extend(release.volumes.iter().map(|volume| volume.name.clone()));
    }
    needed.stacks.extend(recorded.stacks.iter().cloned());
    needed.recorded = recorded;
    for secret in engine.secrets(Scope::All).await? {
        let labels = secret.spec.as_ref().and_then(|spec| spec.labels.as_ref());
        needed.stacks.extend(label(labels, STACK_LABEL).map(str::to_owned));
    }
    Ok(needed)
}

/// What an app of the folder needs, deployed or not.
async fn of_app(
    context: &Context,
    entry: &AppEntry,
    options: PruneOptions,
    needed: &mut Needed,
) -> Result<(), Error> {
    let name = entry.stack(&context.home.env(entry)?)?;
    needed.stacks.insert(name.to_string());
    if !options.is_deep() {
        return Ok(());
    }
    let app = app::load(context, entry, &Version::Newest).await?;
    for service in &app.stack.services {
        needed.of_spec(&service.spec);
    }
    needed.networks.extend(app.stack.external_networks.iter().cloned());
    needed.volumes.extend(app.stack.volumes.iter().map(|volume| volume.name.clone()));
    Ok(())
}

impl Needed {
    fn of_spec(&mut self, spec: &api::ServiceSpec) {
        self.stacks.extend(label(spec.labels.as_ref(), STACK_LABEL).map(str::to_owned));
        let template = spec.task_template.as_ref();
        let networks = template.and_then(|it| it.networks.as_ref()).into_iter().flatten();
        let networks = networks.chain(spec.networks.iter().flatten());
        self.networks.extend(networks.filter_map(|network| network.target.clone()));
        let Some(container) = template.and_then(|it| it.container_spec.as_ref()) else { return };
        self.images.extend(container.image.clone());
        let mounts = container.mounts.iter().flatten();
        self.volumes.extend(mounts.filter_map(|mount| mount.source.clone()));
    }

    fn has_stack(&self, labels: Option<&str>, name: &str) -> bool {
        labels.is_some_and(|stack| self.stacks.contains(stack))
            || self.stacks.iter().any(|stack| {
                name.strip_prefix(stack.as_str()).is_some_and(|rest| rest.starts_with('_'))
            })
    }
}

/// What goes; pure.
fn plan(found: &Found, needed: &Needed, options: PruneOptions) -> Vec<PruneItem> {
    let (ended, left): (Vec<&LocalContainer>, Vec<&LocalContainer>) =
        found.containers.iter().partition(|container| goes(container, needed));
    let item = |kind, name: &str, id: &str, bytes| PruneItem {
        kind,
        name: name.to_owned(),
        id: id.to_owned(),
        bytes,
        outcome: Outcome::Planned,
        error: None,
    };
    let mut items: Vec<PruneItem> = Vec::new();
    items.extend(ended.iter().map(|it| item("container", &it.name, &it.id, None)));
    let networks = found.networks.iter().filter(|network| is_unused(network, &left, needed));
    items.extend(networks.filter_map(|network| {
        Some(item("network", network.name.as_deref()?, network.id.as_deref()?, None))
    }));
    let wanted = Wanted::of(needed, &left);
    for image in found.images.iter().filter(|image| !wanted.has(image)) {
        match options.images {
            _ if image.tags.is_empty() && image.digests.is_empty() => {
                items.push(item("image", &image.id, &image.id, Some(image.bytes)));
            }
            Images::Nameless => {}
            // By all its names, the last of which takes the image along.
            Images::Unused => {
                let names = match image.tags.is_empty() {
                    true => &image.digests,
                    false => &image.tags,
                };
                let last = names.len() - 1;
                items.extend(names.iter().enumerate().map(|(at, name)| {
                    item("image", name, &image.id, (at == last).then_some(image.bytes))
                }));
            }
        }
    }
    if options.volumes == Volumes::Unused {
        let mounted: BTreeSet<&String> = left.iter().flat_map(|it| &it.volumes).collect();
        let goes = |volume: &&Volume| {
            let stack = volume.labels.get(STACK_LABEL).map(String::as_str);
            !mounted.contains(&volume.name)
                && !needed.recorded.owns(Kind::Volume, &volume.name)
                && !needed.volumes.contains(&volume.name)
                && !needed.has_stack(stack, &volume.name)
                && !is_ours(&volume.labels)
        };
        let volumes = found.volumes.iter().filter(goes);
        items.extend(volumes.map(|volume| item("volume", &volume.name, &volume.name, None)));
    }
    items
}

fn is_ours(labels: &BTreeMap<String, String>) -> bool {
    labels.keys().any(|key| OURS.iter().any(|begin| key.starts_with(begin)))
}

fn goes(container: &LocalContainer, needed: &Needed) -> bool {
    let service = container.labels.get(SERVICE_LABEL);
    let has_logs = service.is_some_and(|service| needed.services.contains(service));
    container.ended && !has_logs && !is_ours(&container.labels)
}

fn is_unused(network: &api::Network, left: &[&LocalContainer], needed: &Needed) -> bool {
    let (Some(name), Some(id)) = (&network.name, &network.id) else { return false };
    let stack = label(network.labels.as_ref(), STACK_LABEL);
    let attached = left.iter().any(|container| container.networks.contains(name));
    !OF_ENGINE.contains(&name.as_str())
        && network.ingress != Some(true)
        && network.config_only != Some(true)
        && !attached
        && !needed.networks.contains(name)
        && !needed.networks.contains(id)
        && !needed.has_stack(stack, name)
        && !needed.recorded.owns(Kind::Network, name)
        && !network
            .labels
            .iter()
            .flatten()
            .any(|(key, _)| OURS.iter().any(|begin| key.starts_with(begin)))
}

/// Images that are needed, by each of their names.
struct Wanted {
    ids: BTreeSet<String>,
    /// Repositories with a tag, and with a digest, as docker normalises them.
    names: BTreeSet<String>,
}

impl Wanted {
    fn of(needed: &Needed, left: &[&LocalContainer]) -> Self {
        let given = needed.images.iter().chain(left.iter().map(|it| &it.image));
        let names = given.flat_map(|name| spellings(name)).collect();
        let ids = left.iter().map(|it| it.image_id.clone()).collect();
        Wanted { ids, names }
    }

    fn has(&self, image: &LocalImage) -> bool {
        self.ids.contains(&image.id)
            || image
                .tags
                .iter()
                .chain(&image.digests)
                .flat_map(|name| spellings(name))
                .any(|name| self.names.contains(&name))
    }
}

/// A reference by its tag and by its digest, as docker normalises it.
fn spellings(name: &str) -> Vec<String> {
    let Some(Image { domain, path, tag, digest }) = Image::parse(name) else {
        return vec![name.to_owned()];
    };
    let repository = format!("{domain}/{path}");
    let tag = match (tag, &digest) {
        (None, None) => Some("latest".to_owned()),
        (tag, _) => tag,
    };
    let by_tag = tag.map(|tag| format!("{repository}:{tag}"));
    by_tag.into_iter().chain(digest.map(|digest| format!("{repository}@{digest}"))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn container(name: &str, ended: bool, image: &str, labels: &[(&str, &str)]) -> LocalContainer {
        LocalContainer {
            id: format!("id-{name}"),
            name: name.to_owned(),
            image: image.to_owned(),
            image_id: format!("sha256:{image}"),
            running: !ended,
            ended,
            labels: labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            ..LocalContainer::default()
        }
    }

    fn image(id: &str, tags: &[&str], digests: &[&str]) -> LocalImage {
        let all = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        LocalImage { id: format!("sha256:{id}"), tags: all(tags), digests: all(digests), bytes: 1 }
    }

    fn volume(name: &str, labels: &[(&str, &str)]) -> Volume {
        Volume {
            name: name.to_owned(),
            driver: "local".into(),
            mountpoint: "/x".into(),
            labels: labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            options: BTreeMap::new(),
        }
    }

    fn networks(all: &[(&str, serde_json::Value)]) -> Vec<api::Network> {
        let one = |(name, more): &(&str, serde_json::Value)| {
            let mut network = json!({"Name": name, "Id": format!("id-{name}")});
            for (key, value) in more.as_object().unwrap() {
                network[key] = value.clone();
            }
            serde_json::from_value(network).unwrap()
        };
        all.iter().map(one).collect()
    }

    fn names(items: &[PruneItem]) -> Vec<(&str, &str)> {
        items.iter().map(|item| (item.kind, item.name.as_str())).collect()
    }

    /// A service of the stack `wiki` that runs, and what it needs.
    fn needed() -> Needed {
        let mut needed = Needed::default();
        needed.services.insert("s1".into());
        let spec = json!({
            "Labels": {STACK_LABEL: "wiki"},
            "TaskTemplate": {
                "ContainerSpec": {
                    "Image": "nginx:1.27@sha256:1111111111111111111111111111111111111111111111111111111111111111",
                    "Mounts": [{"Source": "shared", "Target": "/x", "Type": "volume"}],
                },
                "Networks": [{"Target": "id-back"}],
            },
        });
        needed.of_spec(&serde_json::from_value(spec).unwrap());
        needed
    }

    #[test]
    fn only_containers_that_ended_and_have_no_logs_of_a_service_go() {
        let found = Found {
            containers: vec![
                container("runs", false, "a:1", &[]),
                container("old", true, "a:1", &[]),
                container("task", true, "a:1", &[(SERVICE_LABEL, "s1")]),
                container("orphan", true, "a:1", &[(SERVICE_LABEL, "s9")]),
                container("helper", true, "a:1", &[("potluck.helper", "wiki")]),
            ],
            ..Found::default()
        };
        let items = plan(&found, &needed(), PruneOptions::default());
        assert_eq!(names(&items), [("container", "old"), ("container", "orphan")]);
    }

    #[test]
    fn networks_of_services_apps_and_the_engine_stay() {
        let mut attached = container("runs", false, "a:1", &[]);
        attached.networks.push("by-hand".into());
        let mut gone = container("old", true, "a:1", &[]);
        gone.networks.push("free".into());
        let mut needed = needed();
        needed.networks.insert("proxy".into());
        let found = Found {
            containers: vec![attached, gone],
            networks: networks(&[
                ("bridge", json!({})),
                ("ingress", json!({"Ingress": true})),
                ("back", json!({})),
                ("proxy", json!({})),
                ("by-hand", json!({})),
                ("wiki_other", json!({"Labels": {STACK_LABEL: "wiki"}})),
                ("free", json!({"Labels": {STACK_LABEL: "gone"}})),
            ]),
            ..Found::default()
        };
        let items = plan(&found, &needed, PruneOptions::default());
        assert_eq!(names(&items), [("container", "old"), ("network", "free")]);
    }

    #[test]
    fn an_image_stays_as_long_as_anything_names_it() {
        const DIGEST: &str =
            "sha256:1111111111111111111111111111111111111111111111111111111111111111";
        const OTHER: &str =
            "sha256:2222222222222222222222222222222222222222222222222222222222222222";
        let by_digest = format!("nginx@{DIGEST}");
        let other = format!("nginx@{OTHER}");
        let mut needed = needed();
        needed.images.insert("restic/restic:0.18.0".into());
        let found = Found {
            containers: vec![
                container("runs", false, "a:1", &[]),
                container("old", true, "b:1", &[]),
            ],
            images: vec![
                image("a:1", &["a:1"], &[]),
                image("b:1", &["b:1", "b:latest"], &[]),
                image("helper", &["restic/restic:0.18.0"], &[]),
                image("service", &[], &[&by_digest]),
                image("tagged", &["nginx:1.27"], &[]),
                image("older", &[], &[&other]),
                image("nameless", &[], &[]),
            ],
            ..Found::default()
        };
        let few = plan(&found, &needed, PruneOptions::default());
        assert_eq!(names(&few), [("container", "old"), ("image", "sha256:nameless")]);
        let options = PruneOptions { images: Images::Unused, volumes: Volumes::Kept };
        let all = plan(&found, &needed, options);
        let expected = [
            ("container", "old"),
            ("image", "b:1"),
            ("image", "b:latest"),
            ("image", other.as_str()),
            ("image", "sha256:nameless"),
        ];
        assert_eq!(names(&all), expected);
        assert_eq!((all[1].bytes, all[2].bytes), (None, Some(1)), "counted once");
    }

    #[test]
    fn volumes_of_apps_stay() {
        let mut ended = container("kept", true, "a:1", &[(SERVICE_LABEL, "s1")]);
        ended.volumes.push("of-a-task".into());
        let mut needed = needed();
        needed.stacks.insert("undeployed".into());
        let found = Found {
            containers: vec![ended],
            volumes: vec![
                volume("wiki_data", &[]),
                volume("renamed", &[(STACK_LABEL, "wiki")]),
                volume("shared", &[]),
                volume("of-a-task", &[]),
                volume("undeployed_data", &[]),
                volume("aside", &[("org.potluck.aside", "1")]),
                volume("gone_data", &[(STACK_LABEL, "gone")]),
                volume("wikileaks", &[]),
            ],
            ..Found::default()
        };
        assert_eq!(plan(&found, &needed, PruneOptions::default()), []);
        let options = PruneOptions { images: Images::Nameless, volumes: Volumes::Unused };
        let items = plan(&found, &needed, options);
        assert_eq!(names(&items), [("volume", "gone_data"), ("volume", "wikileaks")]);
    }
}
