//! What a sealed stack mounts: its own volumes, and empty ones in place of anything else.

use std::collections::BTreeMap;

use crate::{compose::StackVolume, engine::api, home::StackName};

/// Folders of the host without which the program behind the mount is another one, or that
/// give it the host: a drill with an empty folder in their place would show nothing.
const SYSTEM: &[&str] = &[
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/lib",
    "/lib64",
    "/proc",
    "/root",
    "/run",
    "/sbin",
    "/sys",
    "/usr",
    "/var/lib/containerd",
    "/var/lib/docker",
    "/var/run",
];
/// Files of the host that programs do without.
const CLOCK: &[&str] = &["/etc/localtime", "/etc/timezone", "/usr/share/zoneinfo"];

/// A mount that is sealed.
#[derive(Debug)]
pub(super) struct SealedMount {
    /// None where it is left out.
    pub mount: Option<api::Mount>,
    pub left_out: Option<String>,
}

/// The volumes of a stack, to which empty ones are added.
#[derive(Debug)]
pub(super) struct Mounts {
    prefix: String,
    own: Vec<StackVolume>,
    /// By what they replace.
    empty: BTreeMap<String, StackVolume>,
}

impl Mounts {
    pub fn new(stack: &StackName, volumes: Vec<StackVolume>) -> Self {
        let prefix = format!("{stack}_");
        let own = volumes.into_iter().filter(|it| !it.external && it.name.starts_with(&prefix));
        let own = own
            .map(|it| StackVolume {
                driver: None,
                driver_opts: BTreeMap::new(),
                labels: BTreeMap::new(),
                ..it
            })
            .collect();
        Mounts { own, prefix, empty: BTreeMap::new() }
    }

    /// # Errors
    /// Why a drill without it would show nothing.
    pub fn seal(&mut self, key: &str, mount: api::Mount) -> Result<SealedMount, String> {
        let source = mount.source.clone().unwrap_or_default();
        let target = mount.target.clone().unwrap_or_default();
        match mount.typ {
            Some(api::MountType::TMPFS) => {
                let mount =
                    api::Mount { tmpfs_options: mount.tmpfs_options.clone(), ..bare(&mount) };
                Ok(SealedMount { mount: Some(mount), left_out: None })
            }
            Some(api::MountType::VOLUME) if source.is_empty() => {
                Ok(SealedMount { mount: Some(bare(&mount)), left_out: None })
            }
            Some(api::MountType::VOLUME) if self.own.iter().any(|it| it.name == source) => {
                let options = mount.volume_options.as_ref();
                let left_out = options.and_then(|it| it.driver_config.as_ref());
                let left_out =
                    left_out.map(|_| format!("{key}: the driver of the volume {source}"));
                let options = api::MountVolumeOptions {
                    no_copy: options.and_then(|it| it.no_copy),
                    subpath: options.and_then(|it| it.subpath.clone()),
                    ..Default::default()
                };
                let mount = api::Mount {
                    source: Some(source),
                    volume_options: Some(options),
                    ..bare(&mount)
                };
                Ok(SealedMount { mount: Some(mount), left_out })
            }
            Some(api::MountType::VOLUME) => {
                let left_out = format!("{key}: the volume {source} of others (empty instead)");
                Ok(self.emptied(key, &mount, &source, left_out))
            }
            Some(api::MountType::BIND) => {
                let path = normal(&source);
                let is = |known: &&str| path == **known || path.starts_with(&format!("{known}/"));
                if CLOCK.iter().any(is) {
                    let left_out = Some(format!("{key}: the host's {path}"));
                    return Ok(SealedMount { mount: None, left_out });
                }
                if path == "/" || path.ends_with(".sock") || SYSTEM.iter().any(is) {
                    return Err(format!("`{key}` mounts {path} of the host at {target}"));
                }
                let left_out = format!("{key}: the host's {path} (empty instead)");
                Ok(self.emptied(key, &mount, &path, left_out))
            }
            other => Err(format!(
                "`{key}` has a mount at {target} of a kind that a drill does not know: {}",
                other.map(|it| it.to_string()).unwrap_or_default()
            )),
        }
    }

    /// An empty volume; services that share what it replaces share it.
    fn emptied(
        &mut self,
        key: &str,
        mount: &api::Mount,
        replaced: &str,
        left_out: String,
    ) -> SealedMount {
        let number = self.empty.len();
        let prefix = &self.prefix;
        let volume = self.empty.entry(replaced.to_owned()).or_insert_with(|| StackVolume {
            key: format!("drill-empty-{number}"),
            name: format!("{prefix}drill-empty-{number}"),
            external: false,
            services: Vec::new(),
            driver: None,
            driver_opts: BTreeMap::new(),
            labels: BTreeMap::new(),
        });
        if !volume.services.iter().any(|it| it == key) {
            volume.services.push(key.to_owned());
        }
        let mount = api::Mount {
            typ: Some(api::MountType::VOLUME),
            source: Some(volume.name.clone()),
            ..bare(mount)
        };
        SealedMount { mount: Some(mount), left_out: Some(left_out) }
    }

    pub fn into_volumes(self) -> Vec<StackVolume> {
        self.own.into_iter().chain(self.empty.into_values()).collect()
    }
}

/// Only where it is, and whether it can be written.
fn bare(mount: &api::Mount) -> api::Mount {
    api::Mount {
        target: mount.target.clone(),
        typ: mount.typ,
        read_only: mount.read_only,
        ..Default::default()
    }
}

/// A path without `.`, `..` and repeated slashes.
fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}
