//! What mounts become: volumes, configs, or a decision.

use std::collections::BTreeMap;

use super::super::{
    draft::{Config, Draft, Mounted, Secret, Volume},
    names,
    project::Project,
    read::Mount,
    yaml::text,
};

pub(super) struct Storage<'d, 'p> {
    pub(super) draft: &'d mut Draft,
    pub(super) project: &'p Project,
    /// Names of volumes, by what they were.
    pub(super) volumes: BTreeMap<String, String>,
    /// Names of secrets, by the file that each stands for.
    pub(super) credentials: BTreeMap<String, String>,
}

impl Storage<'_, '_> {
    pub(super) fn volume(&mut self, index: usize, name: String, mount: &Mount) {
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
    pub(super) fn volume_name(&mut self, key: &str, mount: &Mount) -> String {
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

    pub(super) fn config(
        &mut self,
        index: usize,
        path: &str,
        content: String,
        mounted: Mounted,
        at: Option<String>,
    ) {
        let key = self.draft.services[index].key.clone();
        let target = mounted.target.clone().unwrap_or_default();
        let file = file_name(path);
        let is_new = !self.draft.files.contains_key(&file);
        let known = self.draft.configs.iter().find(|config| config.file == file);
        let name = match known {
            Some(config) => config.name.clone(),
            None => {
                let taken =
                    |name: &str| self.draft.configs.iter().any(|config| config.name == name);
                let name = names::unique(&names::config(base(path)), &taken);
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
        let runs = content.starts_with("#!").then(|| "0555".to_owned());
        self.draft.files.insert(file, content);
        let mode = mounted.mode.clone().or(runs);
        let mounted = Mounted { source: name, mode, ..mounted };
        let configs = &mut self.draft.services[index].configs;
        if !configs.iter().any(|present| present.target == mounted.target) {
            configs.push(mounted);
        }
    }

    /// A file that is nothing but a credential: operators store one of their own.
    pub(super) fn credential(
        &mut self,
        index: usize,
        path: &str,
        mounted: Mounted,
        at: Option<String>,
    ) {
        let target = mounted.target.clone().unwrap_or_default();
        let known = self.credentials.get(path).cloned();
        let name = known.unwrap_or_else(|| {
            let taken = |name: &str| self.draft.secrets.iter().any(|it| it.name == name);
            let name = names::unique(&names::secret(base(path)), &taken);
            self.credentials.insert(path.to_owned(), name.clone());
            self.draft.secrets.push(Secret {
                name: name.clone(),
                rule: names::GIVEN,
                comment: vec![format!("The file {target}, which each operator stores.")],
            });
            name
        });
        let service = &mut self.draft.services[index];
        self.draft.log.decision(
            &service.key,
            at,
            format!("`{path}` is a key or has passwords only: it is not copied, and {target} is the secret `{name}`"),
            format!(
                "say in README.md what it is; operators store theirs with `potluck app secret \
                 insert APP {name}`. Write `uid`, `gid` and `mode` at the secret if the program \
                 insists on an owner or a mode"
            ),
        );
        service.secrets.push(Mounted { source: name, ..mounted });
    }

    /// Credentials in a folder whose other files are configs.
    pub(super) fn credentials_left_out(
        &mut self,
        index: usize,
        at: Option<String>,
        left_out: &[(String, String)],
    ) {
        let Some((_, first)) = left_out.first() else { return };
        let paths: Vec<_> = left_out.iter().map(|(path, _)| format!("`{path}`")).collect();
        self.draft.log.decision(
            &self.draft.services[index].key.clone(),
            at,
            format!("left out, as they are keys or have passwords only: {}", paths.join(", ")),
            format!(
                "if the app needs them, add a secret marked `generate=false` for each, mounted in \
                 its place, such as {first}"
            ),
        );
    }

    /// A file that is not mounted, and why.
    pub(super) fn unread(&mut self, index: usize, mount: &Mount, what: &str) {
        let service = &mut self.draft.services[index];
        let target = &mount.target;
        service.comment.push(format!("Decide: {target} is missing."));
        let or_data = match mount.read_only {
            true => "",
            false => "; if the app writes it, mount a volume at its folder instead",
        };
        self.draft.log.decision(
            &service.key,
            mount.position.clone(),
            format!("{what}, so nothing is mounted at {target}"),
            format!(
                "put a copy of it into the project and run the command again, or into the recipe, \
                 mounted at {target} as a config{or_data}"
            ),
        );
    }

    /// Files that the recipe does not have.
    pub(super) fn left_behind(
        &mut self,
        key: &str,
        at: Option<String>,
        what: &str,
        volume: &str,
        target: &str,
    ) {
        self.draft.log.decision(
            key,
            at,
            format!("{what} are not in the recipe: the volume `{volume}` is empty at first"),
            format!(
                "copy them with `potluck app cp` after the first deploy, if the app needs them; \
                 write configs for those that never change, mounted in {target}"
            ),
        );
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

pub(super) fn base(path: &str) -> &str {
    path.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
}
