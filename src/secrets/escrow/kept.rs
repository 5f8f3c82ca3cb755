//! One kept value, found by its name and opened.

use std::collections::BTreeSet;

use zeroize::Zeroizing;

use super::{
    Error, Tag,
    folder::{File, Folder, Stem},
    identity::Identity,
    seal,
};
use crate::{
    hint::nearest,
    home::{AppEntry, EnvFile, Home, StackName},
};

/// The value of a kept secret.
///
/// # Errors
/// [`Error::File`] with the reason.
pub fn open(
    folder: &Folder,
    stem: &Stem,
    identity: &Identity,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    let file = File::finished(stem.clone());
    let sealed = folder.read(&file)?;
    seal::open(&sealed, identity)
        .map_err(|message| Error::File { path: folder.path_of(&file), message })
}

/// The names on the swarm of the secrets that are kept; none where the folder cannot be
/// read, which is said by the commands that read what is in it.
pub fn kept_names(home: &Home, app: &AppEntry, stack: &StackName) -> BTreeSet<String> {
    let files = Folder::of(home, app).files().unwrap_or_default();
    let kept = files.into_iter().filter(|file| file.unfinished.is_none());
    kept.map(|file| file.stem.full_name(stack)).collect()
}

/// The keys that open a kept secret; none when the file does not say.
///
/// # Errors
/// [`Error::File`] with the reason.
pub fn readers_of(folder: &Folder, stem: &Stem) -> Result<Option<BTreeSet<Tag>>, Error> {
    let file = File::finished(stem.clone());
    let header = seal::header(&folder.read(&file)?);
    let header = header.map_err(|message| Error::File { path: folder.path_of(&file), message })?;
    Ok(header.readers)
}

/// The kept secret that is meant, found without the recipe and without a server, which
/// may both be lost: the version that is named; else the one that is a setting's value;
/// else the only one.
///
/// # Errors
/// [`Error::NotKept`], [`Error::SeveralVersions`].
pub fn pick(
    kept: &[Stem],
    name: &str,
    version: Option<&str>,
    env: &EnvFile,
) -> Result<Stem, Error> {
    let versions: Vec<(&Stem, &str)> = kept
        .iter()
        .filter_map(|stem| match stem.as_str().strip_prefix(name)? {
            "" => Some((stem, "")),
            rest => rest.strip_prefix('_').map(|version| (stem, version)),
        })
        // `db` with `password_v1` is most likely `db_password` with `v1`.
        .filter(|(_, found)| version == Some(found) || !found.contains('_'))
        .collect();
    let names = || versions.iter().map(|(_, version)| (*version).to_owned()).collect();
    let settings: Vec<(String, String)> = env.values();
    let is_set = |version: &str| {
        let word = name.to_ascii_uppercase().replace(['-', '.'], "_");
        let key = |key: &str| {
            key.strip_prefix("SECRET_").map(|k| k.trim_end_matches("_VERSION").to_owned())
        };
        settings.iter().any(|(k, value)| key(k).as_deref() == Some(&word) && value == version)
    };
    let found = match version {
        Some(version) => versions.iter().find(|(_, found)| *found == version),
        None => match versions.as_slice() {
            [one] => Some(one),
            several => several.iter().find(|(_, version)| is_set(version)),
        },
    };
    match found {
        Some((stem, _)) => Ok((*stem).clone()),
        None if version.is_none() && versions.len() > 1 => {
            Err(Error::SeveralVersions { name: name.into(), versions: names() })
        }
        None if versions.is_empty() => {
            let stems = kept.iter().map(|stem| {
                let stem = stem.as_str();
                stem.rsplit_once('_').map_or(stem, |(name, _)| name)
            });
            let nearest = nearest(name, stems).map(str::to_owned);
            Err(Error::NothingKept { name: name.into(), nearest })
        }
        None => Err(Error::NotKept { name: name.into(), versions: names() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_that_is_meant_is_found_without_a_recipe() {
        let stems = ["db_password_v1", "db_password_v2", "db_v1", "plain", "key_v7"];
        let kept: Vec<Stem> = stems.map(|stem| Stem::new(stem).unwrap()).into();
        for (name, version, env, expected) in [
            ("db_password", Some("v1"), "", Ok("db_password_v1")),
            ("db_password", None, "SECRET_DB_PASSWORD_VERSION=v2", Ok("db_password_v2")),
            ("db_password", None, "SECRET_DB_PASSWORD=v1", Ok("db_password_v1")),
            ("db_password", None, "", Err("is kept in several versions: v1, v2")),
            ("db_password", None, "SECRET_OTHER_VERSION=v1", Err("several versions")),
            ("db_password", Some("v3"), "", Err("in this version; kept are v1, v2")),
            ("db", None, "", Ok("db_v1")),
            ("plain", None, "", Ok("plain")),
            ("key", None, "SECRET_KEY_VERSION=v8", Ok("key_v7")),
            ("kez", None, "", Err("the secret `kez` is not kept")),
        ] {
            let env = EnvFile::parse("env", env).unwrap();
            let found = pick(&kept, name, version, &env);
            match (found, expected) {
                (Ok(stem), Ok(expected)) => assert_eq!(stem.as_str(), expected),
                (Err(error), Err(expected)) => {
                    assert!(error.to_string().contains(expected), "{error}");
                }
                other => panic!("{name} {version:?}: {other:?}"),
            }
        }
    }
}
