//! Secrets and configs that a service mounts. They carry names only; ids are
//! filled in when the spec is applied.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Converter, some};
use crate::{
    compose::{
        model::{FileObject, FileReference, Placed, Service},
        problem::Path,
    },
    engine::api,
};

/// Readable by all, as docker mounts them.
const DEFAULT_MODE: u32 = 0o444;

/// A reference with its defaults filled in.
struct Resolved {
    name: String,
    target: String,
    uid: String,
    gid: String,
    mode: u32,
}

impl Converter<'_> {
    pub(super) fn service_secrets(
        &mut self,
        service: &Service,
        path: Path<'_>,
    ) -> Vec<api::TaskSpecContainerSpecSecrets> {
        let path = path.key("secrets");
        let known = &self.file.secrets;
        self.resolve("secret", &service.secrets, known, path)
            .into_iter()
            .map(|r| api::TaskSpecContainerSpecSecrets {
                file: Some(api::TaskSpecContainerSpecFile {
                    name: Some(r.target),
                    uid: Some(r.uid),
                    gid: Some(r.gid),
                    mode: Some(r.mode),
                }),
                secret_id: None,
                secret_name: Some(r.name),
            })
            .collect()
    }

    pub(super) fn service_configs(
        &mut self,
        service: &Service,
        path: Path<'_>,
    ) -> Vec<api::TaskSpecContainerSpecConfigs> {
        let known = &self.file.configs;
        let mut configs: Vec<_> = self
            .resolve("config", &service.configs, known, path.key("configs"))
            .into_iter()
            .map(|r| api::TaskSpecContainerSpecConfigs {
                file: Some(api::TaskSpecContainerSpecFile1 {
                    name: Some(r.target),
                    uid: Some(r.uid),
                    gid: Some(r.gid),
                    mode: Some(r.mode),
                }),
                runtime: None,
                config_id: None,
                config_name: Some(r.name),
            })
            .collect();
        let credential = &service.credential_spec.config;
        if !credential.is_empty() {
            match known.get(credential) {
                Some(object) => configs.push(api::TaskSpecContainerSpecConfigs {
                    file: None,
                    runtime: Some(HashMap::new()),
                    config_id: None,
                    config_name: Some(self.full_name(credential, &object.name)),
                }),
                None => {
                    let message = format!("the config `{credential}` is not defined");
                    let path = path.key("credential_spec");
                    self.sink.push(service.spot(path), path, message);
                }
            }
        }
        configs.sort_by(|a, b| a.config_name.cmp(&b.config_name));
        configs
    }

    fn resolve(
        &mut self,
        kind: &str,
        references: &[Placed<FileReference>],
        known: &BTreeMap<String, FileObject>,
        path: Path<'_>,
    ) -> Vec<Resolved> {
        let mut targets = BTreeSet::new();
        let mut resolved = vec![];
        for (index, Placed { at, it }) in references.iter().enumerate() {
            let path = path.index(index);
            let Some(object) = known.get(&it.source) else {
                let message = format!("the {kind} `{}` is not defined", it.source);
                let hint = crate::hint::nearest(&it.source, known.keys().map(String::as_str))
                    .map_or_else(
                        || format!("add it under the top-level `{kind}s`"),
                        |near| format!("did you mean `{near}`?"),
                    );
                self.sink.hint(*at, path, message, hint);
                continue;
            };
            let or = |text: &str, default: &str| {
                some(text.to_owned()).unwrap_or_else(|| default.to_owned())
            };
            let reference = Resolved {
                name: self.full_name(&it.source, &object.name),
                target: or(&it.target, &it.source),
                uid: or(&it.uid, "0"),
                gid: or(&it.gid, "0"),
                mode: it.mode.unwrap_or(DEFAULT_MODE),
            };
            if !targets.insert(reference.target.clone()) {
                let message = format!("two {kind}s have the target `{}`", reference.target);
                self.sink.push(*at, path, message);
                continue;
            }
            resolved.push(reference);
        }
        // Docker's order among references to one secret is random; this is not.
        resolved.sort_by(|a, b| (&a.name, &a.target).cmp(&(&b.name, &b.target)));
        resolved
    }

    /// Full names of external secrets and configs that services refer to.
    pub(super) fn external_references(&self) -> (Vec<String>, Vec<String>) {
        let mut secrets = BTreeSet::new();
        let mut configs = BTreeSet::new();
        for service in self.file.services.values() {
            for reference in &service.secrets {
                if let Some(object) = self.file.secrets.get(&reference.it.source)
                    && object.external
                {
                    secrets.insert(self.full_name(&reference.it.source, &object.name));
                }
            }
            let credential = &service.credential_spec.config;
            let names = service.configs.iter().map(|r| &r.it.source).chain([credential]);
            for name in names {
                if let Some(object) = self.file.configs.get(name)
                    && object.external
                {
                    configs.insert(self.full_name(name, &object.name));
                }
            }
        }
        (secrets.into_iter().collect(), configs.into_iter().collect())
    }
}
