//! A volume on a node that no endpoint reaches, through jobs of its swarm.
//!
//! No engine says where that node keeps the volume, or whether it is a plain folder there. A
//! job that mounts it does: what it sees of its own mounts names the folder, and a second one
//! that mounts this folder has to find the same one in it.

use std::{path::PathBuf, sync::Arc, time::Duration};

use super::{
    helper::{Container, Network, Use, Wanted, is_data},
    job::Node,
    there::There,
};
use crate::{
    app::App,
    backup::{error::Error, restic::Restic},
    compose::StackVolume,
    engine::{self, Engine},
};

/// Where engines keep their volumes, unless they are told otherwise.
const USUAL: &str = "/var/lib/docker/volumes";
/// How long a job may take that only looks.
const LOOK: Duration = Duration::from_secs(120);

/// Prints device and inode of a mounted folder, and what is mounted there, as a path within
/// its file system (`proc(5)`, mountinfo).
const WHERE: &str =
    r#"stat -c '%d:%i' "$1" && awk -v at="$1" '$5 == at { print $4 }' /proc/self/mountinfo"#;
/// Whether the folder with these device and inode is there.
const SAME: &str = r#"[ "$(stat -c '%d:%i' "$1")" = "$2" ]"#;

/// A node without an endpoint.
#[derive(Debug)]
pub(crate) struct Unreached {
    pub manager: Arc<dyn Engine>,
    pub node: Node,
    /// The server's name, for messages.
    pub server: Option<String>,
}

/// A volume as a job mounts it: what else its engine knows of it cannot be asked.
pub(crate) fn unseen(volume: &StackVolume) -> engine::Volume {
    engine::Volume {
        name: volume.name.clone(),
        driver: "local".into(),
        mountpoint: PathBuf::from(USUAL).join(&volume.name).join("_data"),
        labels: volume.labels.clone(),
        options: Default::default(),
    }
}

impl Unreached {
    /// How the volume is read, or restored, there.
    ///
    /// # Errors
    /// [`engine::Error::NoEndpoint`] where the repository is reached only from this machine;
    /// [`Error::Volume`] where the volume is no plain folder of that node.
    pub async fn open(
        &self,
        app: &App,
        restic: &Restic,
        live: &engine::Volume,
        access: Use,
    ) -> Result<There, Error> {
        if restic.helper_network().ok() != Some(Network::Bridge) {
            let (node, server) = (self.node.name.clone(), self.server.clone());
            return Err(engine::Error::NoEndpoint { node, server }.into());
        }
        let verb = match access {
            Use::Read => "read",
            Use::Write => "restored",
        };
        let bad = |reason: String| Error::Volume { volume: live.name.clone(), verb, reason };
        let wanted = Wanted {
            stack: app.name.as_str(),
            image: restic.helper_image(),
            volume: &live.name,
            data: &live.mountpoint,
            access: Use::Read,
            network: Network::Bridge,
        };
        let reading = self.jobs(&wanted).await?;
        let looked = [live.mountpoint.to_string_lossy().into_owned()];
        let ran = reading.run(WHERE, &looked, None, LOOK).await?;
        let seen = Seen::parse(&ran.stdout, &live.name).filter(|_| ran.code == 0);
        let Some(Seen { id, folder }) = seen else {
            return Err(bad(format!(
                "on the node `{}` it is not a plain folder of its engine; only such volumes are \
                 saved and restored",
                self.node.name
            )));
        };
        if access == Use::Read {
            return Ok(There::new(reading, &live.name, &live.mountpoint));
        }
        // The file system that holds it may be mounted elsewhere on the node.
        let mut last = None;
        for data in [folder, live.mountpoint.clone()] {
            let writing = self.jobs(&Wanted { data: &data, access: Use::Write, ..wanted }).await?;
            let same = [data.to_string_lossy().into_owned(), id.clone()];
            match writing.run(SAME, &same, None, LOOK).await {
                Ok(ran) if ran.code == 0 => {
                    return Ok(There::new(writing, &live.name, &data));
                }
                Ok(_) => {}
                Err(error) => last = Some(error),
            }
        }
        let why = last.map(|error| format!(" ({error})")).unwrap_or_default();
        Err(bad(format!(
            "where the node `{}` keeps its volumes is not known{why}: give it an endpoint with \
             `potluck server nodes`",
            self.node.name
        )))
    }

    async fn jobs(&self, wanted: &Wanted<'_>) -> Result<Container, Error> {
        Ok(Container::by_jobs(Arc::clone(&self.manager), &self.node, wanted).await?)
    }
}

/// What a job sees of the volume that it mounts.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    /// Its device and inode.
    id: String,
    /// Where it is in its file system, if the volume is a plain folder.
    folder: PathBuf,
}

impl Seen {
    fn parse(printed: &str, volume: &str) -> Option<Self> {
        let mut lines = printed.lines();
        let (id, folder) = (lines.next()?.to_owned(), PathBuf::from(lines.next()?));
        (lines.next().is_none() && is_data(&folder, volume)).then_some(Seen { id, folder })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_folder_of_an_engines_volumes_is_a_plain_volume() {
        let seen = |printed: &str| Seen::parse(printed, "wiki_data").map(|seen| seen.folder);
        for plain in ["/var/lib/docker/volumes/wiki_data/_data", "/volumes/wiki_data/_data"] {
            assert_eq!(seen(&format!("2049:77\n{plain}\n")), Some(PathBuf::from(plain)));
        }
        for other in [
            "",
            "2049:77\n",
            // A mount of another place: NFS, a device.
            "48:2\n/\n",
            "48:2\n/export/wiki_data\n",
            "2049:77\n/var/lib/docker/volumes/other/_data\n",
            "2049:77\n/volumes/wiki_data/_data\n/again\n",
            // With a space, as the kernel writes it.
            "2049:77\n/my\\040data/volumes/wiki_data/_data\n",
        ] {
            assert_eq!(seen(other), None, "{other:?}");
        }
    }
}
