//! Mounts (docker/cli, `compose/convert/volume.go`).

use super::{Converter, some, some_map, word};
use crate::{compose::value::volumes::Mount, hint::nearest};
use crate::{
    compose::{
        model::{Service, Volume},
        problem::{Path, Spot},
    },
    engine::api,
};

impl<'a> Converter<'a> {
    /// Mounts in the order of the file.
    pub(super) fn mounts(&mut self, service: &Service, path: Path<'_>) -> Vec<api::Mount> {
        let path = path.key("volumes");
        let mut mounts = vec![];
        for (index, placed) in service.volumes.iter().enumerate() {
            let path = path.index(index);
            mounts.extend(self.mount(&placed.it, placed.at, path));
        }
        mounts
    }

    fn mount(&mut self, mount: &Mount, at: Spot, path: Path<'_>) -> Option<api::Mount> {
        let (kind, allowed, needs_source) = match mount.kind.as_str() {
            "volume" => (Some(api::MountType::VOLUME), "volume", None),
            "" => (None, "volume", None),
            "bind" => (Some(api::MountType::BIND), "bind", Some(true)),
            "npipe" => (Some(api::MountType::NPIPE), "bind", Some(true)),
            "tmpfs" => (Some(api::MountType::TMPFS), "tmpfs", Some(false)),
            "image" => (Some(api::MountType::IMAGE), "image", Some(true)),
            // Docker also sends `ClusterOptions`, which is always empty; the API's
            // model has no place for it.
            "cluster" => (Some(api::MountType::CLUSTER), "cluster", Some(true)),
            other => {
                let message = format!("`{other}` is not a type of mount");
                let hint = "use volume, bind, tmpfs, npipe, cluster or image";
                self.sink.hint(at, path, message, hint);
                return None;
            }
        };
        let given = [
            ("bind", mount.bind.is_some()),
            ("volume", mount.volume.is_some()),
            ("tmpfs", mount.tmpfs.is_some()),
        ];
        for (options, _) in given.iter().filter(|(options, given)| *given && *options != allowed) {
            let message = format!("`{options}` options do not go with the type `{}`", mount.kind);
            self.sink.push(at, path, message);
        }
        match needs_source {
            Some(true) if mount.source.is_empty() => {
                let message = format!("a mount of type `{}` needs a `source`", mount.kind);
                self.sink.push(at, path, message);
            }
            Some(false) if !mount.source.is_empty() => {
                let message = format!("a mount of type `{}` has no `source`", mount.kind);
                self.sink.push(at, path, message);
            }
            _ => {}
        }
        let mut out = api::Mount {
            target: some(mount.target.clone()),
            source: some(mount.source.clone()),
            typ: kind,
            read_only: some(mount.read_only),
            consistency: some(mount.consistency.clone()),
            ..api::Mount::default()
        };
        match allowed {
            "volume" if !mount.source.is_empty() => self.named_volume(mount, &mut out, at, path)?,
            // Volume groups have names of their own.
            "cluster" if !mount.source.starts_with("group:") => {
                let volume = self.declared(mount, at, path)?;
                out.source = Some(self.full_name(&mount.source, &volume.name));
            }
            "bind" => {
                if let Some(propagation) = &mount.bind {
                    let propagation = self.propagation(propagation, at, path);
                    out.bind_options = Some(api::MountBindOptions {
                        propagation,
                        ..api::MountBindOptions::default()
                    });
                }
            }
            "tmpfs" => {
                out.tmpfs_options = mount.tmpfs.map(|size| api::MountTmpfsOptions {
                    size_bytes: some(size),
                    ..api::MountTmpfsOptions::default()
                });
            }
            _ => {}
        }
        Some(out)
    }

    fn named_volume(
        &mut self,
        mount: &Mount,
        out: &mut api::Mount,
        at: Spot,
        path: Path<'_>,
    ) -> Option<()> {
        let volume = self.declared(mount, at, path)?;
        out.source = Some(self.full_name(&mount.source, &volume.name));
        let mut options = api::MountVolumeOptions::default();
        if let Some(given) = &mount.volume {
            options.no_copy = some(given.nocopy);
            options.subpath = some(given.subpath.clone());
        }
        if !volume.external {
            options.labels = Some(self.labels(&volume.labels));
            if !volume.driver.is_empty() || volume.driver_opts.is_some() {
                options.driver_config = Some(api::MountVolumeOptionsDriverConfig {
                    name: some(volume.driver.clone()),
                    options: volume.driver_opts.as_ref().and_then(some_map),
                });
            }
        }
        out.volume_options = Some(options);
        Some(())
    }

    /// The volume that a mount names.
    fn declared(&mut self, mount: &Mount, at: Spot, path: Path<'_>) -> Option<&'a Volume> {
        let file = self.file;
        let volume = file.volumes.get(&mount.source);
        if volume.is_none() {
            let message = format!("the volume `{}` is not defined", mount.source);
            let hint = nearest(&mount.source, file.volumes.keys().map(String::as_str)).map_or_else(
                || "add it under the top-level `volumes`".to_owned(),
                |near| format!("did you mean `{near}`?"),
            );
            self.sink.hint(at, path, message, hint);
        }
        volume
    }

    fn propagation(
        &mut self,
        text: &str,
        at: Spot,
        path: Path<'_>,
    ) -> Option<api::MountBindOptionsPropagationEnum> {
        if text.is_empty() {
            return None;
        }
        let known = word(text);
        if known.is_none() {
            let message = format!("`{text}` is not a propagation");
            let hint = "use private, rprivate, shared, rshared, slave or rslave";
            self.sink.hint(at, path, message, hint);
        }
        known
    }
}
