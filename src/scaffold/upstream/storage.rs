//! Mounts: folders beside the compose file become volumes, files become configs, and what is
//! the machine's own is said.

use std::collections::BTreeMap;

use crate::compose::tree::{Map, Node, Value};

use super::{
    draft::{Config, Draft, Mounted, Secret, Setting, Variable, Volume},
    names,
    project::{Named, Project, local},
    read::{self, Mount},
    yaml::{Yaml, pair, text},
};

/// Places of the machine that are no data of an app.
const HOST: &[&str] = &[
    "/proc",
    "/sys",
    "/dev",
    "/run",
    "/var/run",
    "/boot",
    "/etc",
    "/var/lib/docker",
    "/usr",
    "/lib",
];
const CLOCK: &[&str] = &["/etc/localtime", "/etc/timezone"];

/// Files and volumes of all services.
pub fn mounts(draft: &mut Draft, maps: &[&Map], project: &Project) {
    let mut storage = Storage { draft, project, volumes: BTreeMap::new() };
    for (index, map) in maps.iter().enumerate() {
        for mount in read::mounts(map, project) {
            storage.mount(index, mount);
        }
        storage.references(index, map);
    }
    storage.definitions();
}

struct Storage<'d, 'p> {
    draft: &'d mut Draft,
    project: &'p Project,
    /// Names of volumes, by what they were.
    volumes: BTreeMap<String, String>,
}

impl Storage<'_, '_> {
    fn mount(&mut self, index: usize, mount: Mount) {
        let key = self.draft.services[index].key.clone();
        let at = mount.position.clone();
        if mount.is_tmpfs {
            let tmpfs = vec![pair("type", text("tmpfs")), pair("target", text(&mount.target))];
            self.draft.services[index].mounts.push(Yaml::Map(tmpfs));
            return;
        }
        if CLOCK.contains(&mount.target.as_str()) {
            self.draft.log.change(
                &key,
                at,
                format!("the mount of the machine's {} was removed", mount.target),
                "the setting TZ says the time zone, on every node alike",
            );
            self.zone(index);
            return;
        }
        if is_host(&mount.source) {
            let ending = if mount.read_only { ":ro" } else { "" };
            self.draft.services[index]
                .mounts
                .push(text(format!("{}:{}{ending}", mount.source, mount.target)));
            let todo = match mount.source.contains("docker.sock") {
                true => {
                    "remove it if the app works without; else give it to a proxy that filters \
                     requests, as anyone with the socket controls the machine"
                }
                false => "remove it if the app works without: each operator must agree to it",
            };
            self.draft.log.decision(
                &key,
                at,
                format!("{} of the machine is mounted", mount.source),
                todo,
            );
            return;
        }
        let is_path = mount.source.starts_with(['/', '.', '~']) || mount.source.contains('/');
        if !is_path {
            let name = self.volume_name(&key, &mount);
            if mount.source.is_empty() && mount.written.is_empty() {
                self.draft.log.change(
                    &key,
                    at,
                    format!("the volume at {} is called `{name}`", mount.target),
                    "one without a name is new, and empty, after every update",
                );
            }
            self.volume(index, name, &mount);
            return;
        }
        let found = local(&mount.source).and_then(|path| {
            let named = self.project.named.get(&path).cloned();
            named.map(|named| (path, named))
        });
        match found {
            Some((path, Named::Text(content))) => {
                let target = match mount.target.ends_with('/') {
                    true => format!("{}{}", mount.target, base(&path)),
                    false => mount.target.clone(),
                };
                self.config(index, &path, content, target, at);
            }
            Some((path, Named::Folder(Some(files))))
                if !files.is_empty() && is_settings(&mount) =>
            {
                for (below, content) in files {
                    let target = format!("{}/{below}", mount.target.trim_end_matches('/'));
                    self.config(index, &format!("{path}/{below}"), content, target, at.clone());
                }
            }
            Some((path, Named::Missing | Named::Other)) if is_file(&path, &mount.target) => {
                self.draft.services[index]
                    .comment
                    .push(format!("Decide: {} is missing.", mount.target));
                self.draft.log.decision(
                    &key,
                    at,
                    format!(
                        "the file `{path}` could not be read, so nothing is mounted at {}",
                        mount.target
                    ),
                    format!(
                        "put the file into the recipe, and mount it at {} as a config",
                        mount.target
                    ),
                );
            }
            other => {
                let name = self.volume_name(&key, &mount);
                self.draft.log.change(
                    &key,
                    at.clone(),
                    format!("`{}` is the volume `{name}`", shown(&mount)),
                    "a swarm makes no folder on a node, and a recipe's own is gone after the \
                     deploy",
                );
                let has_files = match &other {
                    Some((_, Named::Folder(Some(files)))) => !files.is_empty(),
                    Some((_, Named::Folder(None) | Named::Other)) => true,
                    _ => false,
                };
                if has_files {
                    self.draft.log.decision(
                        &key,
                        at,
                        format!(
                            "the files of `{}` are not in the recipe: the volume `{name}` is \
                                 empty at first",
                            mount.source
                        ),
                        format!(
                            "copy them with `potluck app cp` after the first deploy, if the \
                                 app needs them; write configs for those that never change, \
                                 mounted in {}",
                            mount.target
                        ),
                    );
                }
                self.volume(index, name, &mount);
            }
        }
    }

    fn zone(&mut self, index: usize) {
        let env = &mut self.draft.services[index].env;
        if !env.iter().any(|variable| variable.key == "TZ") {
            env.push(Variable {
                key: "TZ".into(),
                value: Some("${TZ}".into()),
                position: None,
                comment: vec![],
                file: None,
            });
        }
        let value = self.project.setting("TZ").unwrap_or("Etc/UTC").to_owned();
        let comment = vec!["The time zone, such as Europe/Berlin.".to_owned()];
        self.draft.set(Setting { key: "TZ".into(), value, comment, off: false });
    }

    fn volume(&mut self, index: usize, name: String, mount: &Mount) {
        let ending = if mount.read_only { ":ro" } else { "" };
        let service = &mut self.draft.services[index];
        service.mounts.push(text(format!("{name}:{}{ending}", mount.target)));
        if !mount.read_only {
            service.volumes.push((name.clone(), mount.target.clone()));
        }
        if !self.draft.volumes.iter().any(|volume| volume.name == name) {
            self.draft.volumes.push(Volume { name, rest: vec![] });
        }
    }

    /// One name for one source, another for another.
    fn volume_name(&mut self, key: &str, mount: &Mount) -> String {
        let of = match mount.source.as_str() {
            // Another one for each.
            "" if mount.written.is_empty() => format!("{key}{}", mount.target),
            "" => mount.written.clone(),
            source => source.trim_end_matches('/').to_owned(),
        };
        if let Some(name) = self.volumes.get(&of) {
            return name.clone();
        }
        let stem = match (mount.source.as_str(), mount.written.as_str()) {
            ("", "") => base(&mount.target),
            ("", written) => written.trim_matches(|c: char| !c.is_ascii_alphanumeric()),
            (source, _) => base(source),
        };
        let plain = names::plain(stem, '-');
        let taken = |name: &str| self.volumes.values().any(|present| present == name);
        let mut name =
            if plain.len() < 2 { format!("{}-{plain}", names::plain(key, '-')) } else { plain };
        name = name.trim_matches('-').to_owned();
        if taken(&name) {
            name = format!("{}-{name}", names::plain(key, '-'));
        }
        let mut number = 2;
        let first = name.clone();
        while taken(&name) {
            name = format!("{first}-{number}");
            number += 1;
        }
        self.volumes.insert(of, name.clone());
        name
    }

    fn config(
        &mut self,
        index: usize,
        path: &str,
        content: String,
        target: String,
        at: Option<String>,
    ) {
        let key = self.draft.services[index].key.clone();
        let file = file_name(path);
        let is_new = !self.draft.files.contains_key(&file);
        let known = self.draft.configs.iter().find(|config| config.file == file);
        let name = match known {
            Some(config) => config.name.clone(),
            None => {
                let taken =
                    |name: &str| self.draft.configs.iter().any(|config| config.name == name);
                let name = names::unique(&names::plain(base(path), '_'), &taken);
                self.draft.configs.push(Config {
                    name: name.clone(),
                    file: file.clone(),
                    template: false,
                });
                name
            }
        };
        if is_new {
            self.draft.log.change(
                &key,
                at,
                format!("`{path}` is the config `{name}`, mounted at {target}"),
                "a swarm gives files to services as configs, on every node",
            );
        }
        let mode = content.starts_with("#!").then_some("0555");
        self.draft.files.insert(file, content);
        let mounted = Mounted { source: name, target: Some(target), mode };
        let configs = &mut self.draft.services[index].configs;
        if !configs.iter().any(|present| present.target == mounted.target) {
            configs.push(mounted);
        }
    }

    /// Secrets and configs that the service names itself.
    fn references(&mut self, index: usize, map: &Map) {
        let key = self.draft.services[index].key.clone();
        for section in ["secrets", "configs"] {
            let Some(Node { value: Value::List(items), .. }) = map.get(section) else { continue };
            for node in items {
                let at = self.project.outline.line(node.at);
                let (source, target) = match &node.value {
                    Value::Map(map) => {
                        (read::text(map, "source").unwrap_or_default(), read::text(map, "target"))
                    }
                    _ => (read::scalar(node).unwrap_or_default(), None),
                };
                if section == "secrets" {
                    self.secret(index, &source, target, at);
                    continue;
                }
                let target = target.unwrap_or_else(|| format!("/{source}"));
                match self.content(&source) {
                    Some((path, content)) => self.config(index, &path, content, target, at),
                    None => self.draft.log.decision(
                        &key,
                        at,
                        format!(
                            "the config `{source}` could not be read, so nothing is mounted \
                                 at {target}"
                        ),
                        "put its file into the recipe, and mount it as a config",
                    ),
                }
            }
        }
    }

    /// The file of a config at the top of the compose file.
    fn content(&self, source: &str) -> Option<(String, String)> {
        let Value::Map(configs) = &self.project.outline.root.get("configs")?.value else {
            return None;
        };
        let Value::Map(config) = &configs.get(source)?.value else { return None };
        if let Some(content) = read::text(config, "content") {
            return Some((
                format!("{}.conf", names::plain(source, '-')),
                content.replace("$$", "$"),
            ));
        }
        let path = local(&self.project.resolved(&read::text(config, "file")?))?;
        match self.project.named.get(&path)? {
            Named::Text(content) => Some((path, content.clone())),
            _ => None,
        }
    }

    fn secret(&mut self, index: usize, source: &str, target: Option<String>, at: Option<String>) {
        let name = names::secret(source);
        let target = target.or_else(|| (name != source).then(|| source.to_owned()));
        let mounted = Mounted { source: name.clone(), target, mode: None };
        self.draft.services[index].secrets.push(mounted);
        if self.draft.secrets.iter().any(|secret| secret.name == name) {
            return;
        }
        let key = self.draft.services[index].key.clone();
        self.draft.log.change(
            &key,
            at.clone(),
            format!("the secret `{source}` is stored on the swarm, under a name with a version"),
            "a recipe has no secrets in it, and a new version replaces an old one",
        );
        let lower = source.to_ascii_lowercase();
        let made = ["pass", "secret", "token", "salt"].iter().any(|word| lower.contains(word))
            && !["cert", "json", "pem", "private", "smtp", "oauth", "client"]
                .iter()
                .any(|word| lower.contains(word));
        if !made {
            self.draft.log.decision(
                &key,
                at,
                format!("the secret `{name}` is not generated, as it may need a form of its own"),
                format!(
                    "say in README.md what it is; operators store it with `potluck app \
                         secret insert APP {name}`. If any random text will do, remove \
                         `generate=false` in .env.sample"
                ),
            );
        }
        let rule = if made { names::RANDOM } else { names::GIVEN };
        self.draft.secrets.push(Secret { name, rule, comment: vec![] });
    }

    /// Volumes at the top of the compose file.
    fn definitions(&mut self) {
        let Some(Node { value: Value::Map(volumes), .. }) =
            self.project.outline.root.get("volumes")
        else {
            return;
        };
        for entry in &volumes.0 {
            let Value::Map(map) = &entry.value.value else { continue };
            let name = names::plain(&entry.key, '-');
            let at = self.project.outline.line(entry.at);
            if map.get("external").is_some() {
                self.draft.log.change(
                    "",
                    at.clone(),
                    format!("the volume `{name}` is the app's own"),
                    "each app has its own data, and a volume from elsewhere is neither made nor \
                     backed up",
                );
            } else if map.get("name").is_some() {
                self.draft.log.change(
                    "",
                    at.clone(),
                    format!("the volume `{name}` has no name of its own"),
                    "each app has its own: swarm puts the app's name before it",
                );
            }
            if map.get("driver_opts").is_some()
                || read::text(map, "driver").is_some_and(|driver| driver != "local")
            {
                self.draft.log.decision(
                    "",
                    at,
                    format!(
                        "the options of the volume `{name}` were left out, as they say where \
                             the upstream's author keeps data"
                    ),
                    "where data must be elsewhere (NFS, another disk), write `driver_opts` into \
                     an overlay",
                );
            }
        }
    }
}

/// Where the content of the file is in the recipe.
fn file_name(path: &str) -> String {
    let first = path.split('/').next().unwrap_or_default();
    let reserved = first.starts_with('.')
        || first.starts_with("compose")
        || first.starts_with("docker-compose")
        || ["README.md", "recipe.yml", "abra.sh", "release", "plugins"].contains(&first);
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-/".contains(c) { c } else { '-' };
    let path: String = path.chars().map(plain).collect();
    if reserved { format!("config/{}", path.trim_start_matches('.')) } else { path }
}

fn base(path: &str) -> &str {
    path.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
}

fn shown(mount: &Mount) -> String {
    format!(
        "{}:{}",
        if mount.written.is_empty() { &mount.source } else { &mount.written },
        mount.target
    )
}

fn is_host(source: &str) -> bool {
    source == "/"
        || HOST.iter().any(|host| source == *host || source.starts_with(&format!("{host}/")))
}

/// Whether the files of a folder are settings, rather than data.
fn is_settings(mount: &Mount) -> bool {
    mount.read_only
        || mount.target.starts_with("/etc/")
        || mount.target.starts_with("/docker-entrypoint-initdb.d")
}

/// Whether a path that cannot be looked at is that of a file.
fn is_file(path: &str, target: &str) -> bool {
    const ENDINGS: &[&str] = &[
        "cfg",
        "cnf",
        "conf",
        "crt",
        "css",
        "env",
        "html",
        "ini",
        "js",
        "json",
        "key",
        "pem",
        "php",
        "properties",
        "py",
        "sh",
        "sql",
        "toml",
        "txt",
        "xml",
        "yaml",
        "yml",
    ];
    let ending = |path: &str| {
        base(path).rsplit_once('.').is_some_and(|(_, ending)| ENDINGS.contains(&ending))
    };
    ending(path) || ending(target) || base(path) == "Caddyfile"
}
