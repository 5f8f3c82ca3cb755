//! Mounts of services.

use super::{
    super::{
        draft::{Mounted, Setting, Variable},
        inside::{Named, local},
        read::Mount,
        yaml::{memory, text},
    },
    kind::{self, CLOCK},
    store::{Storage, base},
};

impl Storage<'_, '_> {
    pub(super) fn mount(&mut self, index: usize, mount: Mount) {
        let key = self.draft.services[index].key.clone();
        let at = mount.position.clone();
        if mount.is_tmpfs {
            self.draft.services[index].mounts.push(memory(&mount.target, mount.size));
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
        if kind::is_host(&mount.source) {
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
        if kind::is_project(&mount.source) {
            return self.project_itself(index, &mount);
        }
        let Some(path) = local(&mount.source) else { return self.outside(index, mount) };
        let found = self.project.named.get(&path).cloned().map(|named| (path, named));
        match found {
            Some((path, named)) if kind::is_credential(&path, &mount.target, &named) => {
                self.credential(index, &path, Mounted::new("", Some(within(&mount, &path))), at);
            }
            Some((path, named)) if kind::is_data(&path, &mount, &named) => {
                self.data_file(index, &path, &mount);
            }
            Some((path, Named::LeadsOut)) => {
                let what = format!("`{path}` is a link that leads out of the project");
                self.unread(index, &mount, &what);
            }
            Some((path, Named::Text(content))) => {
                let mounted = Mounted::new("", Some(within(&mount, &path)));
                self.config(index, &path, content, mounted, at);
            }
            Some((path, Named::Folder(Some(files))))
                if !files.is_empty() && kind::is_settings(&mount) =>
            {
                let mut left_out = vec![];
                for (below, content) in files {
                    let target = format!("{}/{below}", mount.target.trim_end_matches('/'));
                    let path = format!("{path}/{below}");
                    let named = Named::Text(content);
                    if kind::is_credential(&path, &target, &named) {
                        left_out.push((path, target));
                    } else if let Named::Text(content) = named {
                        let mounted = Mounted::new("", Some(target));
                        self.config(index, &path, content, mounted, at.clone());
                    }
                }
                self.credentials_left_out(index, at, &left_out);
            }
            Some((path, Named::Missing)) if kind::is_file(&path, &mount.target) => {
                self.unread(index, &mount, &format!("the project has no file `{path}`"));
            }
            Some((path, Named::Other | Named::Database)) => {
                let what = format!("the file `{path}` is not a text of at most 1 MB");
                self.unread(index, &mount, &what);
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
                    Some((_, Named::Folder(None))) => true,
                    _ => false,
                };
                if has_files {
                    let what = format!("the files of `{}`", mount.source);
                    self.left_behind(&key, at, &what, &name, &mount.target);
                }
                self.volume(index, name, &mount);
            }
        }
    }

    /// The folder that the project is in, which a swarm does not have.
    fn project_itself(&mut self, index: usize, mount: &Mount) {
        let target = &mount.target;
        let service = &mut self.draft.services[index];
        service.comment.push(format!("Decide: {target} is missing."));
        self.draft.log.decision(
            &service.key,
            mount.position.clone(),
            format!("the project's own folder is not mounted at {target}: no node has it"),
            "put what the app needs of it into an image; mount single files as configs, and what \
             the app writes as volumes",
        );
    }

    /// A path that leads out of the project, at which nobody looks: a file is left out, a folder
    /// becomes a volume.
    fn outside(&mut self, index: usize, mount: Mount) {
        let what = format!("`{}` is outside of the project", mount.source);
        if kind::is_file(&mount.source, &mount.target) || kind::is_host(&mount.target) {
            return self.unread(index, &mount, &what);
        }
        let key = self.draft.services[index].key.clone();
        let name = self.volume_name(&key, &mount);
        self.draft.log.change(
            &key,
            mount.position.clone(),
            format!("`{}` is the volume `{name}`", shown(&mount)),
            "a swarm makes no folder on a node",
        );
        let what = format!("{what}, so its files");
        self.left_behind(&key, mount.position.clone(), &what, &name, &mount.target);
        self.volume(index, name, &mount);
    }

    /// A single file that the app writes: a volume has its folder, if that holds nothing but data.
    fn data_file(&mut self, index: usize, path: &str, mount: &Mount) {
        let service = &self.draft.services[index];
        let key = service.key.clone();
        let at = mount.position.clone();
        let target = mount.target.trim_end_matches('/');
        let folder = target.rsplit_once('/').map_or("", |(folder, _)| folder);
        let is_within = |present: &str| {
            let present = present.trim_end_matches('/');
            folder == present || folder.starts_with(&format!("{present}/"))
        };
        if service.volumes.iter().any(|(_, present)| is_within(present)) {
            let why = "the volume of its folder has it";
            self.draft.log.change(&key, at, format!("the mount of `{path}` was removed"), why);
            return;
        }
        if !kind::is_data_folder(folder) {
            self.draft.services[index]
                .comment
                .push(format!("Decide: {target} is data, which no volume has."));
            self.draft.log.decision(
                &key,
                at,
                format!(
                    "`{path}` is data in a single file, which a volume cannot be: {target} is new, \
                     and empty, after every update, and no backup has it"
                ),
                format!(
                    "have the app keep it in a folder of its own, by a variable or its settings, \
                     and mount a volume there; a volume at `{folder}` would hide what the image has"
                ),
            );
            return;
        }
        let of_folder = Mount { target: folder.to_owned(), ..mount.clone() };
        let name = self.volume_name(&key, &of_folder);
        self.draft.log.change(
            &key,
            at.clone(),
            format!("the folder of `{path}` is the volume `{name}`, mounted at {folder}"),
            "it is data, which a backup must have, and a volume is a folder",
        );
        self.draft.log.decision(
            &key,
            at,
            format!("the volume `{name}` hides what the image has in {folder} after an update"),
            format!(
                "see what else is in {folder}; if there is more than data, have the app keep \
                 `{}` in a folder of its own",
                base(target)
            ),
        );
        self.volume(index, name, &of_folder);
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
}

/// Where a file is in the container; a folder that is named holds it.
fn within(mount: &Mount, path: &str) -> String {
    match mount.target.ends_with('/') {
        true => format!("{}{}", mount.target, base(path)),
        false => mount.target.clone(),
    }
}

fn shown(mount: &Mount) -> String {
    format!(
        "{}:{}",
        if mount.written.is_empty() { &mount.source } else { &mount.written },
        mount.target
    )
}
