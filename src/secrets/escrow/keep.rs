//! Making secrets and storing them, on the swarm and encrypted beside the settings.
//!
//! Neither may have a value that the other lacks for good, wherever potluck is killed:
//!
//! 1. the encrypted value is written under a name that says that it is not finished, with
//!    an id of its own;
//! 2. the secret is made on the swarm, with that id as a label;
//! 3. the file gets its final name.
//!
//! So a file with its final name always holds what the swarm has. An unfinished one holds
//! it if, and only if, the secret on the swarm has its id; the next command that makes
//! secrets gives it its final name then. If the swarm has the secret with another id (or
//! with none), the file's value went nowhere, and it is removed. If the swarm has no such
//! secret, a request may still be on its way: the file stays until a secret of that name
//! exists, which decides.

use std::{fmt, path::PathBuf};

use zeroize::Zeroizing;

use super::{
    Error as EscrowError,
    folder::{File, Folder, Stem},
    recipients::Recipients,
    seal,
};
use crate::{
    engine::{self, Engine, api},
    home::{AppEntry, AppName, Home, StackName},
    secrets::{
        Error, SecretPlan,
        store::{self, KEPT_LABEL},
        value::make,
    },
};

/// Where an app's secrets are kept, and for whom.
#[derive(Debug, Clone, Default)]
pub struct Keeper(Option<Keeping>);

#[derive(Debug, Clone)]
struct Keeping {
    folder: Folder,
    /// Where the list is: it is read again for each value, so that somebody who was removed
    /// while an app was loaded does not get it.
    list: PathBuf,
    recipients: Recipients,
    stack: StackName,
}

impl Keeper {
    /// Of an app.
    ///
    /// # Errors
    /// Recipients that cannot be read.
    pub fn of(home: &Home, app: &AppEntry, stack: &StackName) -> Result<Self, EscrowError> {
        let list = home.recipients_path();
        let recipients = Recipients::read(&list)?;
        let folder = Folder::of(home, app);
        Ok(Keeper(Some(Keeping { folder, list, recipients, stack: stack.clone() })))
    }

    /// That keeps nothing.
    pub fn none() -> Self {
        Keeper(None)
    }

    /// Whether new values are kept.
    pub fn keeps(&self) -> bool {
        self.0.as_ref().is_some_and(|keeping| !keeping.recipients.is_empty())
    }

    /// Whether a value is kept for good.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub fn has(&self, full_name: &str) -> Result<bool, EscrowError> {
        match &self.0 {
            // What cannot be a file's name is in no file.
            Some(keeping) => Stem::of(full_name, &keeping.stack)
                .map_or(Ok(false), |stem| keeping.folder.has(&stem)),
            None => Ok(false),
        }
    }

    /// Keeps a value that the swarm has.
    ///
    /// # Errors
    /// [`EscrowError::NoRecipients`]; a file that cannot be written.
    pub fn keep(&self, full_name: &str, value: &[u8]) -> Result<(), EscrowError> {
        let keeping = self.0.as_ref().ok_or(EscrowError::NoRecipients)?;
        let sealed = keeping.seal(value)?;
        keeping.folder.write(&File::finished(Stem::of(full_name, &keeping.stack)?), &sealed)
    }

    /// Removes the copies of a value.
    ///
    /// # Errors
    /// A folder that cannot be read or written.
    pub fn forget(&self, full_name: &str) -> Result<(), EscrowError> {
        let Some(keeping) = &self.0 else { return Ok(()) };
        let stem = Stem::of(full_name, &keeping.stack)?;
        for file in keeping.folder.files()?.iter().filter(|file| file.stem == stem) {
            keeping.folder.remove(file)?;
        }
        Ok(())
    }

    /// Encrypts a value into a file that is not finished.
    fn begin(&self, full_name: &str, value: &[u8]) -> Result<Option<File>, Error> {
        let Some(keeping) = self.0.as_ref().filter(|_| self.keeps()) else { return Ok(None) };
        let mut id = [0; 8];
        getrandom::fill(&mut id).map_err(|e| Error::Random(e.to_string()))?;
        let stem = Stem::of(full_name, &keeping.stack)?;
        let file = File { stem, unfinished: Some(hex::encode(id)) };
        let sealed = keeping.seal(value)?;
        keeping.folder.write(&file, &sealed)?;
        Ok(Some(file))
    }

    /// After the swarm has the value: the file's final name, and no other unfinished one.
    fn finish(&self, file: &File) -> Result<(), Error> {
        let Some(keeping) = &self.0 else { return Ok(()) };
        // A command beside this one may have seen the id on the swarm first.
        match keeping.folder.finish(file) {
            Err(_) if keeping.folder.has(&file.stem)? && !keeping.folder.path_of(file).exists() => {
            }
            finished => finished?,
        }
        for other in keeping.folder.files()? {
            if other.stem == file.stem && other.unfinished.is_some() {
                keeping.folder.remove(&other)?;
            }
        }
        Ok(())
    }

    fn drop_unfinished(&self, file: &File) -> Result<(), EscrowError> {
        match &self.0 {
            Some(keeping) => keeping.folder.remove(file),
            None => Ok(()),
        }
    }

    /// Decides what earlier commands left unfinished, as far as the swarm's secrets do.
    fn mend<'a>(&self, secrets: impl Fn(&str) -> Option<&'a api::Secret>) -> Result<(), Error> {
        let Some(keeping) = &self.0 else { return Ok(()) };
        for file in keeping.folder.files()? {
            let Some(id) = &file.unfinished else { continue };
            let Some(secret) = secrets(&file.stem.full_name(&keeping.stack)) else { continue };
            match kept_id(secret) == Some(id) {
                true => self.finish(&file)?,
                false => keeping.folder.remove(&file)?,
            }
        }
        Ok(())
    }
}

impl Keeping {
    fn seal(&self, value: &[u8]) -> Result<Vec<u8>, EscrowError> {
        let readers = Recipients::read(&self.list)?;
        seal::seal(value, readers.all(), &Default::default())
    }
}

/// The id of the file that was written before the secret was made.
pub(super) fn kept_id(secret: &api::Secret) -> Option<&String> {
    secret.spec.as_ref()?.labels.as_ref()?.get(KEPT_LABEL)
}

/// Finishes what earlier commands left unfinished.
///
/// # Errors
/// The engine's; files that cannot be read or written.
pub async fn mend(engine: &dyn Engine, keeper: &Keeper) -> Result<(), Error> {
    if keeper.0.is_some() {
        let present = store::by_name(engine).await?;
        keeper.mend(|name| present.get(name))?;
    }
    Ok(())
}

/// Whether the engine said no, so that nothing that was sent is still on its way.
fn is_an_answer(error: &engine::Error) -> bool {
    use engine::Error;
    matches!(error, Error::Refused { .. } | Error::Foreign(_) | Error::LeaseLost { .. })
}

/// A new value, shown once or never.
pub struct Generated {
    pub name: String,
    pub version: String,
    pub value: Zeroizing<String>,
}

impl fmt::Debug for Generated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Generated")
            .field("name", &self.name)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// What `generate` did.
#[derive(Debug, Default)]
pub struct Made {
    pub made: Vec<Generated>,
    /// Names of those that exist already.
    pub kept: Vec<String>,
    /// Names of those that are missing and have to be inserted.
    pub to_insert: Vec<String>,
    /// Names of those that are missing on the swarm, and whose encrypted copy exists.
    pub to_restore: Vec<String>,
}

/// Generates the secrets that are missing; keeps those that exist. One that is missing on
/// the swarm, while its encrypted copy exists, is not made anew: data may depend on it. After
/// a failure, the secrets made so far are kept, and a second run continues from there.
///
/// # Errors
/// [`Error::Engine`], [`Error::Random`], [`Error::Escrow`].
pub async fn generate(
    engine: &dyn Engine,
    app: &AppName,
    plans: &[SecretPlan],
    keeper: &Keeper,
) -> Result<Made, Error> {
    let present = store::by_name(engine).await?;
    keeper.mend(|name| present.get(name))?;
    let mut made = Made::default();
    for plan in plans {
        if present.contains_key(&plan.full_name) {
            made.kept.push(plan.name.clone());
        } else if keeper.has(&plan.full_name)? {
            made.to_restore.push(plan.name.clone());
        } else if !plan.generate {
            made.to_insert.push(plan.name.clone());
        } else {
            match generate_one(engine, app, plan, keeper).await {
                Ok(generated) => made.made.push(generated),
                // Somebody else made it since we looked: theirs counts.
                Err(Error::Exists { name, .. }) => made.kept.push(name),
                Err(e) => return Err(e),
            }
        }
    }
    Ok(made)
}

/// Generates one secret, even one that `generate` would leave to be inserted.
///
/// # Errors
/// [`Error::Exists`], [`Error::Engine`], [`Error::Random`], [`Error::Escrow`].
pub async fn generate_one(
    engine: &dyn Engine,
    app: &AppName,
    plan: &SecretPlan,
    keeper: &Keeper,
) -> Result<Generated, Error> {
    let value = make(&plan.shape)?;
    insert(engine, app, plan, value.as_bytes(), keeper).await?;
    Ok(Generated { name: plan.name.clone(), version: plan.version.clone(), value })
}

/// Stores a value that somebody else made. A copy of another value, which the swarm lacks, is
/// not replaced: it may be the last one.
///
/// # Errors
/// [`Error::Size`], [`Error::Exists`], [`Error::KeptOnly`], [`Error::Engine`],
/// [`Error::Escrow`].
pub async fn insert(
    engine: &dyn Engine,
    app: &AppName,
    plan: &SecretPlan,
    value: &[u8],
    keeper: &Keeper,
) -> Result<(), Error> {
    insert_with(engine, app, plan, (value, None), keeper).await
}

/// The same of a value that [`with_value`] recognises.
///
/// # Errors
/// As [`insert`].
pub async fn insert_recognisable(
    engine: &dyn Engine,
    app: &AppName,
    plan: &SecretPlan,
    value: &[u8],
    keeper: &Keeper,
) -> Result<(), Error> {
    insert_with(engine, app, plan, (value, Some(store::digest(value)?)), keeper).await
}

/// The first of these secrets that the swarm has with this value, as far as it says so.
///
/// # Errors
/// [`Error::Engine`].
pub async fn with_value(
    engine: &dyn Engine,
    secrets: Vec<SecretPlan>,
    value: &[u8],
) -> Result<Option<SecretPlan>, Error> {
    let present = store::by_name(engine).await?;
    let is_same = |secret: &SecretPlan| {
        let found = present.get(&secret.full_name);
        found.is_some_and(|found| store::is_same(found, value))
    };
    Ok(secrets.into_iter().find(is_same))
}

async fn insert_with(
    engine: &dyn Engine,
    app: &AppName,
    plan: &SecretPlan,
    (value, digest): (&[u8], Option<String>),
    keeper: &Keeper,
) -> Result<(), Error> {
    let SecretPlan { name, version, full_name, .. } = plan;
    if keeper.has(full_name)? && !store::by_name(engine).await?.contains_key(full_name) {
        return Err(Error::KeptOnly { name: name.clone(), version: version.clone() });
    }
    let fits = !value.is_empty() && value.len() <= store::MAX_SIZE;
    let file = if fits { keeper.begin(full_name, value)? } else { None };
    let id = file.as_ref().and_then(|file| file.unfinished.as_deref());
    let labels = (id, digest);
    let stored = store::create(engine, app, (name, version, full_name), value, labels).await;
    match (&stored, &file) {
        (Ok(()), Some(file)) => keeper.finish(file)?,
        // What the swarm has decides about this file and about others.
        (Err(Error::Exists { .. }), _) => mend(engine, keeper).await?,
        (Err(Error::Engine(error)), Some(file)) if is_an_answer(error) => {
            let present = store::by_name(engine).await?;
            match present.contains_key(full_name) {
                true => keeper.mend(|name| present.get(name))?,
                false => keeper.drop_unfinished(file)?,
            }
        }
        _ => {}
    }
    stored
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets::{
        Shape,
        escrow::{Identity, seal::tests::person},
    };

    struct Lab {
        folder: tempfile::TempDir,
        home: Home,
        entry: AppEntry,
        stack: StackName,
        engine: std::sync::Arc<dyn Engine>,
        anna: Identity,
    }

    impl Lab {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let home = Home::new(folder.path().join("home"));
            let (anna, recipient) = person(folder.path(), "anna");
            let mut recipients = Recipients::default();
            recipients.add(recipient);
            std::fs::create_dir_all(home.root()).unwrap();
            std::fs::write(home.recipients_path(), recipients.to_text()).unwrap();
            let entry = AppEntry {
                name: "a.example".parse().unwrap(),
                server: "simulated".parse().unwrap(),
            };
            let engine =
                engine::connect("simulated", Default::default(), &home.state(), "simulated")
                    .unwrap();
            let stack = entry.name.stack();
            Lab { folder, home, entry, stack, engine, anna }
        }

        fn keeper(&self) -> Keeper {
            Keeper::of(&self.home, &self.entry, &self.stack).unwrap()
        }

        fn plan(&self) -> SecretPlan {
            SecretPlan {
                name: "token".into(),
                version: "v1".into(),
                full_name: "a_example_token_v1".into(),
                key: None,
                shape: Shape::Passphrase,
                generate: true,
            }
        }

        async fn generate(&self) -> Made {
            let plans = [self.plan()];
            generate(&*self.engine, &self.entry.name, &plans, &self.keeper()).await.unwrap()
        }

        fn files(&self) -> Vec<File> {
            Folder::of(&self.home, &self.entry).files().unwrap()
        }

        /// What the one finished file holds.
        fn kept(&self) -> String {
            let files = self.files();
            let [file] = files.as_slice() else { panic!("{files:?}") };
            assert_eq!(file.unfinished, None);
            let sealed = Folder::of(&self.home, &self.entry).read(file).unwrap();
            String::from_utf8(seal::open(&sealed, &self.anna).unwrap().to_vec()).unwrap()
        }
    }

    #[tokio::test]
    async fn what_is_made_is_kept() {
        let lab = Lab::new();
        let made = lab.generate().await;
        assert_eq!(lab.kept(), *made.made[0].value);
        assert_eq!(lab.generate().await.kept, ["token"]);
        assert_eq!(lab.kept(), *made.made[0].value);
    }

    #[tokio::test]
    async fn a_kill_before_the_swarm_has_it_is_mended() {
        let lab = Lab::new();
        lab.keeper().begin("a_example_token_v1", b"lost").unwrap().unwrap();
        assert!(lab.files()[0].unfinished.is_some());
        let made = lab.generate().await;
        assert_eq!(lab.kept(), *made.made[0].value);
    }

    #[tokio::test]
    async fn a_kill_after_the_swarm_has_it_is_mended() {
        let lab = Lab::new();
        let file = lab.keeper().begin("a_example_token_v1", b"stored").unwrap().unwrap();
        let id = file.unfinished.as_deref();
        let names = ("token", "v1", "a_example_token_v1");
        store::create(&*lab.engine, &lab.entry.name, names, b"stored", (id, None)).await.unwrap();
        let made = lab.generate().await;
        assert_eq!((made.made.len(), made.kept.len()), (0, 1));
        assert_eq!(lab.kept(), "stored");
    }

    #[tokio::test]
    async fn a_value_that_somebody_else_was_faster_than_is_not_kept() {
        let lab = Lab::new();
        lab.keeper().begin("a_example_token_v1", b"mine").unwrap().unwrap();
        let names = ("token", "v1", "a_example_token_v1");
        store::create(&*lab.engine, &lab.entry.name, names, b"theirs", (None, None)).await.unwrap();
        let (plan, keeper) = (lab.plan(), lab.keeper());
        let again = insert(&*lab.engine, &lab.entry.name, &plan, b"mine, too", &keeper).await;
        assert!(matches!(again, Err(Error::Exists { .. })));
        assert_eq!(lab.files(), []);
    }

    #[tokio::test]
    async fn what_is_kept_and_missing_on_the_swarm_is_not_made_anew() {
        let lab = Lab::new();
        let made = lab.generate().await;
        // Another server, with nothing on it.
        let state = lab.folder.path().join("other");
        let empty = engine::connect("simulated", Default::default(), &state, "simulated").unwrap();
        let plans = [lab.plan()];
        let again = generate(&*empty, &lab.entry.name, &plans, &lab.keeper()).await.unwrap();
        assert_eq!((again.made.len(), again.to_restore), (0, vec!["token".to_owned()]));
        let given = insert(&*empty, &lab.entry.name, &lab.plan(), b"new", &lab.keeper()).await;
        assert!(matches!(given, Err(Error::KeptOnly { .. })), "{given:?}");
        assert_eq!(lab.kept(), *made.made[0].value);
    }

    #[tokio::test]
    async fn what_the_swarm_never_takes_leaves_no_file() {
        let lab = Lab::new();
        for value in [vec![], vec![0; store::MAX_SIZE + 1]] {
            let stored =
                insert(&*lab.engine, &lab.entry.name, &lab.plan(), &value, &lab.keeper()).await;
            assert!(matches!(stored, Err(Error::Size { .. })));
        }
        assert_eq!(lab.files(), []);
    }

    #[tokio::test]
    async fn without_recipients_nothing_is_kept() {
        let lab = Lab::new();
        std::fs::remove_file(lab.home.recipients_path()).unwrap();
        assert!(!lab.keeper().keeps());
        assert_eq!(lab.generate().await.made.len(), 1);
        assert_eq!(lab.files(), []);
    }
}
