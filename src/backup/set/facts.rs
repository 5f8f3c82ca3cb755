//! The settings item: what a server that holds nothing needs to have the app again, as one
//! small tar.
//!
//! It has the app's environment file and lock file; the files of its recipe, and where they
//! are from; the encrypted copies of its secrets, and for whom they are encrypted; and, to
//! read by hand, the stack as it was rendered and the app's last release. It holds names of
//! secrets, never their values.
//!
//! What is read back is foreign in form, although its maker is known: paths lead nowhere,
//! and all of it is bounded.

use std::{
    io::{self, Read, Seek, SeekFrom, Write},
    path::Path,
};

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{SetId, manifest::Item};
use crate::{
    app::{App, Context},
    backup::{error::Error, restic::Restic},
    compose::Stack,
    engine::Scope,
    home::AppName,
    owner::release::{Kept, RELEASE_OF, Release},
    recipe::{Store, packed::Unpacking},
    secrets::escrow::{File, Folder, Stem},
};

/// Name of the item and of its file.
pub const NAME: &str = "settings.tar";

/// The folder with the recipe's files.
const RECIPE: &str = "recipe";
const RECIPE_FACTS: &str = "recipe.json";
const SECRETS: &str = "secrets";
const RECIPIENTS: &str = "recipients";
const AGE: &str = ".age";
/// Bytes of all of it: a recipe of the largest kind, and some.
const MOST: u64 = 300 << 20;
/// Bytes of one small file of it.
const SMALL: u64 = 2 << 20;

/// Where a recipe is from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RecipeFacts {
    pub name: String,
    pub version: Option<String>,
    pub commit: Option<String>,
    /// The address of its git repository, without credentials.
    pub address: Option<String>,
}

/// The tar.
pub(crate) async fn pack(context: &Context, app: &App, set: &SetId) -> Result<Vec<u8>, Error> {
    let release = last_release(app).await?;
    let mut tar = tar::Builder::new(Vec::new());
    // First, and always the same bytes: restic stores them once.
    if app.replays.is_none() {
        app.checkout.pack(&mut tar, RECIPE).map_err(Error::io("packing", RECIPE))?;
    }
    let mut add = |name: &str, content: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(u64::try_from(set.begun().as_second()).unwrap_or(0));
        tar.append_data(&mut header, name, content).map_err(Error::io("packing", name))
    };
    let name = &app.entry.name;
    add(&format!("{name}.env"), app.env.to_text().as_bytes())?;
    let optional = |path: &Path| match std::fs::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::io("reading", path)(e)),
    };
    // An app that was never deployed with plugins has none.
    if let Some(lock) = optional(&context.home.lock_path(&app.entry))? {
        add(&format!("{name}.lock.yml"), &lock)?;
    }
    let facts = RecipeFacts {
        name: app.checkout.recipe.to_string(),
        version: app.checkout.version.clone(),
        commit: app.checkout.commit.clone(),
        address: Store::new(context.home.recipes())
            .address(&app.checkout.recipe)
            .map_err(crate::app::Error::from)?,
    };
    add(RECIPE_FACTS, &as_json(&facts)?)?;
    let folder = Folder::of(&context.home, &app.entry);
    let kept = folder.files().map_err(escrow)?;
    for file in kept.iter().filter(|file| file.unfinished.is_none()) {
        let sealed = folder.read(file).map_err(escrow)?;
        add(&format!("{SECRETS}/{}{AGE}", file.stem), &sealed)?;
    }
    if let Some(recipients) = optional(&context.home.recipients_path())? {
        add(RECIPIENTS, &recipients)?;
    }
    add("stack.json", &as_json(&stack(&app.stack))?)?;
    if let Some(release) = release {
        add("release.json", &as_json(&release)?)?;
    }
    tar.into_inner().map_err(Error::io("packing", NAME))
}

fn escrow(error: crate::secrets::escrow::Error) -> Error {
    crate::app::Error::from(crate::secrets::Error::from(error)).into()
}

fn as_json(value: &impl Serialize) -> Result<Vec<u8>, Error> {
    serde_json::to_vec_pretty(value).map_err(|e| Error::io("packing", NAME)(e.into()))
}

/// The newest release that can be read.
async fn last_release(app: &App) -> Result<Option<Release>, Error> {
    let engine = app.engine.beneath();
    let configs = engine.configs(Scope::Labelled(RELEASE_OF, app.name.as_str())).await?;
    let releases = configs.into_iter();
    let releases = releases.filter_map(|config| Kept::read(&app.name, &config).ok());
    Ok(releases.map(|kept| kept.release).max_by_key(|release| release.number))
}

fn stack(stack: &Stack) -> serde_json::Value {
    json!({
        "name": stack.name.as_str(),
        "services": stack.services.iter().map(|s| json!({ "key": s.key, "spec": s.spec })).collect::<Vec<_>>(),
        "networks": stack.networks,
        "external-networks": stack.external_networks,
        "volumes": stack.volumes.iter().map(|v| json!({
            "key": v.key,
            "name": v.name,
            "external": v.external,
            "driver": v.driver,
            "driver-opts": v.driver_opts,
            "labels": v.labels,
        })).collect::<Vec<_>>(),
        "configs": stack.configs,
        "external-configs": stack.external_configs,
        "secrets": stack.secrets.keys().collect::<Vec<_>>(),
        "external-secrets": stack.external_secrets,
    })
}

/// A settings item, read back.
#[derive(Debug)]
pub(crate) struct Settings {
    pub env: String,
    pub lock: Option<String>,
    /// None in one of an older potluck.
    pub recipe: Option<RecipeFacts>,
    /// A folder with the recipe's files; empty where there are none.
    pub files: tempfile::TempDir,
    pub has_files: bool,
    /// Encrypted.
    pub secrets: Vec<(Stem, Vec<u8>)>,
    pub recipients: Option<Vec<u8>>,
}

/// Reads the settings item of a set.
///
/// # Errors
/// [`Error::Settings`] with the reason, and restic's failures.
pub(crate) async fn read(
    restic: &Restic,
    set: &SetId,
    item: &Item,
    app: &AppName,
) -> Result<Settings, Error> {
    let bad = |reason: String| Error::Settings { set: set.clone(), reason };
    let snapshot = item.snapshot.as_deref().ok_or_else(|| bad("it is empty".into()))?;
    let failed = |e: io::Error| Error::io("reading", NAME)(e);
    let mut file = tempfile::tempfile().map_err(failed)?;
    let mut download = restic.dump(snapshot, NAME).await?;
    let (mut piece, mut length) = (vec![0; 256 * 1024], 0);
    loop {
        let read = download.read(&mut piece).await?;
        if read == 0 {
            break;
        }
        length += read as u64;
        if length > MOST {
            return Err(bad(format!("it is larger than {} MiB", MOST >> 20)));
        }
        file.write_all(&piece[..read]).map_err(failed)?;
    }
    download.finish().await?;
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    unpack(file, app).map_err(|e| bad(e.to_string()))
}

fn unpack(from: impl Read, app: &AppName) -> io::Result<Settings> {
    let odd = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let files = tempfile::tempdir()?;
    let mut recipe = Unpacking::new(files.path())?;
    let (mut env, mut lock, mut facts, mut recipients) = (None, None, None, None);
    let mut secrets = Vec::new();
    for entry in tar::Archive::new(from).entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        if let Ok(inside) = path.strip_prefix(RECIPE) {
            recipe.take(inside, &mut entry)?;
            continue;
        }
        if entry.size() > SMALL {
            // As the stack of an app with many services, which nobody reads here.
            continue;
        }
        let mut content = Vec::new();
        entry.read_to_end(&mut content)?;
        let text = |content: Vec<u8>| {
            String::from_utf8(content).map_err(|_| odd("a file of it is not UTF-8 text"))
        };
        let name = path.to_str().unwrap_or_default();
        match name {
            RECIPE_FACTS => facts = Some(serde_json::from_slice(&content)?),
            RECIPIENTS => recipients = Some(content),
            _ if name == format!("{app}.env") => env = Some(text(content)?),
            _ if name == format!("{app}.lock.yml") => lock = Some(text(content)?),
            _ => {
                let stem = path.strip_prefix(SECRETS).ok().and_then(|name| {
                    let stem = name.to_str()?.strip_suffix(AGE)?;
                    Stem::new(stem).ok()
                });
                secrets.extend(stem.map(|stem| (stem, content)));
            }
        }
    }
    let has_files = recipe.any;
    recipe.finish()?;
    let env = env.ok_or_else(|| odd("the app's environment file is missing"))?;
    Ok(Settings { env, lock, recipe: facts, files, has_files, secrets, recipients })
}

impl Settings {
    /// The files of the kept secrets.
    pub fn kept(&self) -> impl Iterator<Item = (File, &[u8])> {
        self.secrets.iter().map(|(stem, sealed)| (File::finished(stem.clone()), &**sealed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tar(files: &[(&str, &str)]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, content) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o600);
            tar.append_data(&mut header, name, content.as_bytes()).unwrap();
        }
        tar.into_inner().unwrap()
    }

    #[test]
    fn what_is_known_is_read_and_the_rest_left_out() {
        let app = AppName::new("a.example").unwrap();
        let facts = r#"{"name":"tiny","version":null,"commit":null,"address":null}"#;
        let read = unpack(
            &*tar(&[
                ("recipe/compose.yml", "services: {}"),
                ("a.example.env", "TYPE=tiny\n"),
                ("a.example.lock.yml", "{}\n"),
                ("recipe.json", facts),
                ("secrets/db_v1.age", "sealed"),
                ("secrets/sub/db_v1.age", "elsewhere"),
                ("secrets/.hidden.age", "elsewhere"),
                ("other.env", "TYPE=other\n"),
                ("of-the-future.json", "?"),
            ]),
            &app,
        )
        .unwrap();
        assert_eq!((read.env.as_str(), read.lock.as_deref()), ("TYPE=tiny\n", Some("{}\n")));
        assert_eq!(read.recipe.as_ref().map(|it| &*it.name), Some("tiny"));
        let stems: Vec<_> = read.secrets.iter().map(|(stem, _)| stem.as_str()).collect();
        assert_eq!(stems, ["db_v1"]);
        assert!(read.has_files && read.files.path().join("compose.yml").is_file());

        // Of an older potluck.
        let read = unpack(&*tar(&[("a.example.env", "TYPE=tiny\n")]), &app).unwrap();
        assert!(!read.has_files && read.recipe.is_none() && read.lock.is_none());
        for (files, reason) in [
            (&[("b.example.env", "")][..], "environment file is missing"),
            (&[("a.example.env", ""), ("recipe.json", "{}")], "missing field"),
        ] {
            let error = unpack(&*tar(files), &app).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }
}
