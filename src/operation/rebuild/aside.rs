//! The folder of an app, made aside: as it is going to be, out of the set alone.
//!
//! It is below `state/`, on the same disk as the folder itself, so that a recipe takes its
//! place by a rename. What is shared (state, caches, who signs) is linked into it.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, symlink},
    path::{Path, PathBuf},
};

use super::{
    plan::{NewApp, RecipeFrom},
    rename::{Renamed, rename},
};
use crate::{
    app::{self, Context},
    backup::{
        Error, Repository, SetId,
        restore::obstacle::Obstacle,
        set::{
            ItemKind,
            facts::{self, RecipeFacts, Settings},
            manifest::Manifest,
        },
    },
    home::{self, AppGuard, EnvFile, Home, RecipeName, ServerName, ServerSettings},
    recipe::{self, Store, Version},
    secrets::escrow::Folder,
};

/// The folder, and what was found out when it was made; removed when dropped.
#[derive(Debug)]
pub(super) struct Aside {
    path: PathBuf,
    pub recipe: Option<RecipeName>,
    pub recipe_from: RecipeFrom,
    pub renamed: Renamed,
    pub recipients: Option<Vec<u8>>,
    pub warnings: Vec<String>,
}

impl Drop for Aside {
    fn drop(&mut self) {
        // What is left is removed by the next rebuild of this app.
        let _ = fs::remove_dir_all(&self.path);
    }
}

impl Aside {
    /// The folder with its servers, and no app. The app's guard is held, so nobody else has
    /// one of this name.
    ///
    /// # Errors
    /// [`Obstacle::NoRepository`] and its like; what cannot be written.
    pub fn new(home: &Home, target: &NewApp) -> Result<Self, Error> {
        let path = home.state().join("rebuild").join(target.app.server.as_str());
        let path = path.join(target.app.name.as_str());
        let failed = |path: &Path| Error::io("making", path.to_owned());
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed(&path)(error));
            }
            _ => {}
        }
        let mut folder = fs::DirBuilder::new();
        folder.recursive(true).mode(0o700).create(&path).map_err(failed(&path))?;
        let aside = Aside {
            path,
            recipe: None,
            recipe_from: RecipeFrom::Folder,
            renamed: Renamed::default(),
            recipients: None,
            warnings: Vec::new(),
        };
        for shared in ["state", "cache"] {
            let real = home.root().join(shared);
            fs::create_dir_all(&real).map_err(failed(&real))?;
        }
        for shared in ["state", "cache", "signers"] {
            let link = aside.path.join(shared);
            symlink(home.root().join(shared), &link).map_err(failed(&link))?;
        }
        let target_server = server(home, &target.app.server, target.server.as_ref())?;
        aside.home().write_server(&target.app.server, &target_server)?;
        if target.source.server != target.app.server {
            let settings = server(home, &target.source.server, None)?;
            aside.home().write_server(&target.source.server, &settings)?;
        }
        let server = &target.source.server;
        let repository = Repository::of(&aside.home(), server, None, &[])?;
        if repository.own && !Path::new(&repository.location).is_dir() {
            return Err(Box::new(Obstacle::NoRepository { server: server.clone() }).into());
        }
        Ok(aside)
    }

    /// Whether it uses the folder's own recipes.
    pub fn is_linked(&self) -> bool {
        self.home().recipes().is_symlink()
    }

    pub fn home(&self) -> Home {
        Home::new(&self.path)
    }

    /// Makes the app's files, out of what the set has.
    ///
    /// # Errors
    /// [`Obstacle::NoSettings`], [`Obstacle::NoRecipe`], [`Error::Settings`], and what
    /// cannot be read or written.
    pub async fn fill(
        &mut self,
        context: &Context,
        guard: &AppGuard,
        target: &NewApp,
        read: &super::super::restore::Read,
    ) -> Result<(), Error> {
        let manifest = &read.opened.manifest;
        let set = &manifest.set;
        let item = manifest.items.iter().find(|item| item.kind == ItemKind::Settings);
        let item = item.ok_or_else(|| Box::new(Obstacle::NoSettings { set: set.to_string() }))?;
        let settings = facts::read(&read.restic, set, item, &target.source.name).await?;
        self.write_app(guard, target, set, &settings)?;
        self.recipients.clone_from(&settings.recipients);
        let from = context.home.recipes();
        let aside = self.home().recipes();
        let recipe = recipe_of(manifest, &settings)?;
        let facts = settings.recipe.clone();
        let (name, root) = (set.to_string(), from.clone());
        let offline = context.home.is_offline();
        let taking = tokio::task::spawn_blocking(move || {
            let files = settings.has_files.then(|| settings.files.path());
            let taken = take_recipe(&recipe, &root, offline, &aside, files, facts.as_ref());
            taken.map(|taken| (recipe, taken))
        });
        let taken = taking.await.unwrap_or_else(|e| std::panic::resume_unwind(e.into_panic()));
        let (recipe, taken) = taken.map_err(app::Error::from)?;
        let Some(Taken { from: recipe_from, said }) = taken else {
            let recipes = from.display().to_string();
            let obstacle = Obstacle::NoRecipe { set: name, recipe: recipe.to_string(), recipes };
            return Err(Box::new(obstacle).into());
        };
        self.recipe_from = recipe_from;
        self.warnings.extend(said);
        self.recipe = Some(recipe);
        Ok(())
    }

    /// The app's settings, lock file and kept secrets.
    fn write_app(
        &mut self,
        guard: &AppGuard,
        target: &NewApp,
        set: &SetId,
        settings: &Settings,
    ) -> Result<(), Error> {
        let home = self.home();
        let bad = |reason: String| Error::Settings { set: set.clone(), reason };
        let mut env = EnvFile::parse(&format!("{}.env", target.source.name), &settings.env)
            .map_err(|e| bad(e.to_string()))?;
        if target.source.name != target.app.name {
            self.renamed = rename(&mut env, &target.source.name, &target.app.name)
                .map_err(|e| bad(e.to_string()))?;
        }
        home.create_app(&target.app, &env)?;
        let path = home.lock_path(&target.app);
        if let Some(lock) = &settings.lock {
            fs::write(&path, lock).map_err(Error::io("writing", &path))?;
        }
        let mut lock = home.lock_file(&target.app).map_err(|e| match e {
            home::Error::Yaml { message, .. } => bad(message),
            other => other.into(),
        })?;
        // What the swarm that is gone knew of it.
        (lock.owner, lock.begun) = (None, None);
        (lock.release, lock.releasing) = (None, None);
        lock.resting.clear();
        if target.source.name != target.app.name {
            lock.stack = None;
        }
        lock.restoring = Some(set.to_string());
        home.write_lock_file(guard, &lock)?;
        let folder = Folder::of(&home, &target.app);
        let wanted = |name: &str| {
            let is_new = |new: &String| {
                name.strip_prefix(new.as_str()).is_some_and(|rest| {
                    rest.strip_prefix('_').is_some_and(|version| !version.contains('_'))
                })
            };
            !target.new_secrets.iter().any(is_new)
        };
        for (file, sealed) in settings.kept().filter(|(file, _)| wanted(file.stem.as_str())) {
            let written = folder.write(&file, sealed);
            written.map_err(|e| app::Error::from(crate::secrets::Error::from(e)))?;
        }
        Ok(())
    }
}

fn recipe_of(manifest: &Manifest, settings: &Settings) -> Result<RecipeName, Error> {
    let name = settings.recipe.as_ref().map_or(&manifest.recipe, |facts| &facts.name);
    RecipeName::new(name)
        .map_err(|e| Error::Settings { set: manifest.set.clone(), reason: e.to_string() })
}

/// What a server's settings are going to be, with whole paths.
fn server(
    home: &Home,
    name: &ServerName,
    given: Option<&ServerSettings>,
) -> Result<ServerSettings, Error> {
    let known = match (home.server(name), given) {
        (Ok(known), _) => known,
        (Err(home::Error::UnknownServer { .. }), Some(given)) if given.endpoint.is_some() => {
            return Ok(given.clone());
        }
        (Err(error), _) => return Err(error.into()),
    };
    let endpoint = home.endpoint(name)?;
    let backup = home.backup(name)?;
    let obstacle = |obstacle| Err(Error::from(Box::new(obstacle)));
    let wanted = given.and_then(|given| given.endpoint.as_ref());
    if let Some(given) = wanted.filter(|given| **given != endpoint) {
        let (known, given) = (endpoint, given.clone());
        return obstacle(Obstacle::OtherEndpoint { server: name.clone(), known, given });
    }
    let names_one = known.backup.as_ref().is_some_and(|backup| backup.names_repository());
    let backup = match given.and_then(|given| given.backup.clone()) {
        Some(given) if names_one && given.repository != backup.repository => {
            let (known, given) = (backup.repository, given.repository);
            return obstacle(Obstacle::OtherRepository { server: name.clone(), known, given });
        }
        Some(given) => Some(given),
        None if names_one => Some(backup),
        // potluck's own, where it is.
        None => Path::new(&backup.repository).join("config").exists().then_some(backup),
    };
    Ok(ServerSettings { endpoint: Some(endpoint), backup, ..known })
}

/// A recipe that was found.
struct Taken {
    from: RecipeFrom,
    said: Option<String>,
}

/// The recipe: the one that the folder has; else of its repository, if that still has the
/// very commit; else made of the files in the set.
fn take_recipe(
    recipe: &RecipeName,
    real: &Path,
    offline: bool,
    aside: &Path,
    files: Option<&Path>,
    facts: Option<&RecipeFacts>,
) -> Result<Option<Taken>, recipe::Error> {
    let failed = |path: &Path| {
        let path = path.display().to_string();
        move |source| recipe::Error::Io { path, source }
    };
    let version = facts.and_then(|facts| facts.version.as_deref());
    let commit = facts.and_then(|facts| facts.commit.as_deref());
    let there = Store::new(real).offline(offline);
    if there.place(recipe).is_dir() {
        symlink(real, aside).map_err(failed(aside))?;
        let said = missing_version(&there, recipe, version.or(commit))?;
        return Ok(Some(Taken { from: RecipeFrom::Folder, said }));
    }
    let store = Store::new(aside).offline(offline);
    let mut said = None;
    let address = facts.and_then(|facts| facts.address.as_deref());
    if let (Some(address), Some(commit)) = (address, commit) {
        let cloned = store.add_as(recipe, address).and_then(|()| {
            let wanted = Version::Named(version.unwrap_or(commit).to_owned());
            store.checkout(recipe, &wanted)
        });
        let reason = match cloned {
            Ok(found) if found.commit.as_deref() == Some(commit) => {
                return Ok(Some(Taken { from: RecipeFrom::Repository, said: None }));
            }
            Ok(_) => "its repository has other files under this version now".to_owned(),
            Err(error) => error.to_string(),
        };
        if store.place(recipe).exists() {
            store.take_out(recipe)?;
        }
        said = Some(format!(
            "the recipe `{recipe}` is made of the files in the backup: {}",
            reason.lines().next().unwrap_or_default()
        ));
    }
    let Some(files) = files else { return Ok(None) };
    store.add_files(recipe, files, (version, commit), address)?;
    Ok(Some(Taken { from: RecipeFrom::Backup, said }))
}

/// Fetches what is new where the folder's clone lacks a version.
fn missing_version(
    store: &Store,
    recipe: &RecipeName,
    wanted: Option<&str>,
) -> Result<Option<String>, recipe::Error> {
    let Some(wanted) = wanted else { return Ok(None) };
    match store.checkout(recipe, &Version::Named(wanted.to_owned())) {
        Err(recipe::Error::UnknownVersion { .. }) => match store.update(recipe) {
            Ok(_) => Ok(None),
            Err(error) => Ok(Some(format!(
                "the folder's recipe `{recipe}` lacks the version {wanted}, and no newer ones can \
                 be fetched: {error}"
            ))),
        },
        Ok(_) => Ok(None),
        Err(error) => Err(error),
    }
}
