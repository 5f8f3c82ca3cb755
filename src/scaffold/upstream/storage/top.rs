//! Secrets, configs and volumes that the compose file defines at its top.

use std::collections::BTreeSet;

use crate::compose::tree::{Map, Node, Value};

use super::{
    super::{
        draft::{Mounted, Secret},
        inside::{Named, local},
        names, read, reference,
    },
    kind,
    store::Storage,
};

/// A mode as people write it: the number that YAML makes of `0440` is decimal.
fn octal(written: String) -> String {
    match written.parse::<u32>() {
        Ok(mode) if !written.starts_with('0') => format!("0{mode:o}"),
        _ => written,
    }
}

/// What a config at the top is.
struct Content {
    /// In the recipe.
    path: String,
    text: String,
    /// Variables of Compose in it, sorted.
    variables: Vec<String>,
}

impl Storage<'_, '_> {
    /// Secrets and configs that the service names itself.
    pub(super) fn references(&mut self, index: usize, map: &Map) {
        let key = self.draft.services[index].key.clone();
        for section in ["secrets", "configs"] {
            let Some(Node { value: Value::List(items), .. }) = map.get(section) else { continue };
            for node in items {
                let at = self.project.outline.line(node.at);
                let mut mounted = match &node.value {
                    Value::Map(map) => Mounted {
                        mode: read::text(map, "mode").map(octal),
                        uid: read::text(map, "uid"),
                        gid: read::text(map, "gid"),
                        ..Mounted::new(
                            &read::text(map, "source").unwrap_or_default(),
                            read::text(map, "target"),
                        )
                    },
                    _ => Mounted::new(&read::scalar(node).unwrap_or_default(), None),
                };
                if section == "secrets" {
                    self.secret(index, mounted, at);
                    continue;
                }
                let source = mounted.source.clone();
                let target = mounted.target.get_or_insert_with(|| format!("/{source}")).clone();
                match self.content(&source) {
                    Some(Content { path, text, .. })
                        if kind::is_credential(&path, &target, &Named::Text(text.clone())) =>
                    {
                        self.credential(index, &path, mounted, at);
                    }
                    Some(Content { path, text, variables }) => {
                        if let Some(first) = variables.first() {
                            self.draft.log.decision(
                                &key,
                                at.clone(),
                                format!(
                                    "the content of the config `{source}` has variables, which a \
                                     swarm does not fill in: {}",
                                    variables.join(", ")
                                ),
                                format!(
                                    "write `{{{{ env \"{first}\" }}}}` into `{path}`, the variable \
                                     into `environment` of `{key}`, and `template_driver: golang` \
                                     at the config; a password as `{{{{ secret \"NAME\" }}}}`"
                                ),
                            );
                        }
                        self.config(index, &path, text, mounted, at);
                    }
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
    fn content(&self, source: &str) -> Option<Content> {
        let Value::Map(configs) = &self.project.outline.root.get("configs")?.value else {
            return None;
        };
        let Value::Map(config) = &configs.get(source)?.value else { return None };
        if let Some(content) = read::text(config, "content") {
            let named = reference::variables(&content).into_iter().map(|it| it.name);
            let variables: BTreeSet<String> = named.collect();
            return Some(Content {
                path: format!("{}.conf", names::plain(source, '-')),
                text: content.replace("$$", "$"),
                variables: variables.into_iter().collect(),
            });
        }
        let path = local(&self.project.resolved(&read::text(config, "file")?))?;
        match self.project.named.get(&path)? {
            Named::Text(text) => Some(Content { path, text: text.clone(), variables: vec![] }),
            _ => None,
        }
    }

    fn secret(&mut self, index: usize, mounted: Mounted, at: Option<String>) {
        let source = mounted.source.clone();
        let name = names::secret(&source);
        let is_owned = mounted.mode.is_some() || mounted.uid.is_some() || mounted.gid.is_some();
        // An owner is only written with a target.
        let named = || (name != source || is_owned).then(|| source.clone());
        let target = mounted.target.clone().or_else(named);
        let mounted = Mounted { source: name.clone(), target, ..mounted };
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
    pub(super) fn definitions(&mut self) {
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
