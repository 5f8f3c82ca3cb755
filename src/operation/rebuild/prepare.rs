//! What keeps an app from being made, all of it found before anything is.

use std::collections::BTreeSet;

use super::{
    aside::Aside,
    plan::{NewApp, RebuildPlan},
    secrets,
};
use crate::{
    app::{self, App, Context},
    backup::{
        Error, Manifest, Options, Which, options::unless_cancelled, restore::obstacle::Obstacle,
        set::manifest::Item,
    },
    engine::{Kind, Scope},
    home::{AppEntry, AppGuard, Fingerprint, Home, Signer},
    operation::{
        prepare::require_others,
        restore::{Part, Read, Restore, set_of},
        unfinished,
    },
    owner::journal::MadeKind,
    secrets::escrow::Folder,
};

/// A rebuild that is ready to run.
#[derive(Debug)]
pub struct Rebuild {
    pub plan: RebuildPlan,
    pub(super) target: NewApp,
    pub(super) aside: Aside,
    pub(super) secrets: secrets::Found,
    /// What did not exist and is made, as the journal has it.
    pub(super) made: Vec<(MadeKind, String)>,
    /// The maker of the set, whom the folder does not know.
    pub(super) signer: Option<(Fingerprint, Signer)>,
    /// What the set holds.
    pub(super) items: Vec<Item>,
    /// What was taken from the app's stack, if it is sealed.
    pub(super) left_out: Vec<String>,
}

impl Rebuild {
    /// Reads a set, makes the app's files of it aside, and looks for all that could keep the
    /// app from being made. Changes nothing.
    ///
    /// # Errors
    /// [`Obstacle`], [`Error::NoSet`] and its like, [`Error::Distrusted`],
    /// [`app::Error::Unfinished`].
    pub async fn prepare(
        context: &Context,
        guard: &AppGuard,
        target: NewApp,
        which: &Which,
        options: &Options,
    ) -> Result<Self, Error> {
        not_in_folder(&context.home, &target)?;
        let mut aside = Aside::new(&context.home, &target)?;
        let there = context.in_folder(aside.home())?;
        let read = set_of(&there, &target.source, which, options);
        let read = unless_cancelled(&options.cancel, "nothing was made", read).await?;
        let filling = aside.fill(context, guard, &target, &read);
        unless_cancelled(&options.cancel, "nothing was made", filling).await?;
        let app = app::load_deployed(&there, &target.app).await?;
        context.home.check_stack(&target.app, &app.name)?;
        is_free(&app, &target).await?;
        let found = secrets::look(&app, (&context.home, &aside.home()), &target).await?;
        require_others(&app).await?;
        let signer = signer(context, &read, options)?;
        let Read { restic, opened, told } = read;
        let mut plan = describe(&app, &target, &aside, &opened.manifest, &found);
        let items = opened.manifest.items.clone();
        let left_out = app.left_out.clone();
        let data = Restore::of(
            &there,
            guard,
            &app,
            &target.source,
            (restic, opened.manifest, told),
            &Part::All,
        )
        .await?;
        plan.of_data(data.into_plan());
        plan.files.extend(files(&context.home, &target, &aside, signer.is_some()));
        let made = made(&app, &found, &aside.home(), &context.home);
        Ok(Rebuild { plan, target, aside, secrets: found, made, signer, items, left_out })
    }
}

impl Rebuild {
    /// What the set holds.
    pub(in crate::operation) fn items(&self) -> &[Item] {
        &self.items
    }

    /// The app that is made.
    pub(in crate::operation) fn target(&self) -> &AppEntry {
        &self.target.app
    }

    /// The folder that the app was made in aside, with all that it is going to be.
    ///
    /// # Errors
    /// A folder whose plugin cache cannot be used.
    pub(in crate::operation) fn context(&self, context: &Context) -> Result<Context, Error> {
        Ok(context.in_folder(self.aside.home())?)
    }

    /// What it would have made, and of what; nothing is.
    pub(in crate::operation) fn into_parts(self) -> (RebuildPlan, NewApp) {
        (self.plan, self.target)
    }
}

/// Fails for an app that exists in the folder; the files of a rebuild that was killed before
/// it had a journal are not one, because nothing of it is on the server.
fn not_in_folder(home: &Home, target: &NewApp) -> Result<(), Error> {
    if !home.env_path(&target.app).exists() {
        return Ok(());
    }
    let lock = home.lock_file(&target.app)?;
    if lock.restoring.is_some() && lock.owner.is_none() {
        return Ok(());
    }
    let (app, server) = (target.app.name.clone(), target.app.server.clone());
    let begun = lock.restoring.is_some();
    Err(Box::new(Obstacle::Exists { app, server, begun }).into())
}

/// Fails where the server has anything of the app.
async fn is_free(app: &App, target: &NewApp) -> Result<(), Error> {
    let (name, server) = (target.app.name.clone(), target.app.server.clone());
    unfinished::refuse_unfinished(&app.engine, name.as_str()).await?;
    let beneath = app.engine.beneath();
    let scope = Scope::Stack(&app.name);
    let (services, networks, configs, volumes) = futures_util::try_join!(
        beneath.services(scope),
        beneath.networks(scope),
        beneath.configs(scope),
        beneath.volumes(Scope::All),
    )?;
    let mut found: Vec<String> = Vec::new();
    found.extend(services.into_iter().filter_map(|service| service.spec?.name));
    found.extend(networks.into_iter().filter_map(|network| network.name));
    found.extend(configs.into_iter().filter_map(|config| config.spec?.name));
    let obstacle = |obstacle| Err(Error::from(Box::new(obstacle)));
    if !found.is_empty() || app.engine.record_id().await?.is_some() {
        if found.is_empty() {
            found.push("the record that says whose it is".into());
        }
        found.sort();
        return obstacle(Obstacle::OnServer { app: name, server, found });
    }
    let wanted = app.stack.volumes.iter().filter(|volume| !volume.external);
    let wanted: BTreeSet<&str> = wanted.map(|volume| volume.name.as_str()).collect();
    let volumes: Vec<String> = volumes
        .into_iter()
        .map(|volume| volume.name)
        .filter(|name| wanted.contains(name.as_str()))
        .collect();
    if !volumes.is_empty() {
        return obstacle(Obstacle::Volumes { app: name, server, volumes });
    }
    Ok(())
}

/// The signer that the operator named and the folder does not know: it is recorded, because
/// anyone who resumes has no paper.
fn signer(
    context: &Context,
    read: &Read,
    options: &Options,
) -> Result<Option<(Fingerprint, Signer)>, Error> {
    let (Some(wanted), Some(key)) = (&options.trust.signer, &read.opened.key) else {
        return Ok(None);
    };
    if context.home.signers()?.iter().any(|(known, _)| known == wanted) {
        return Ok(None);
    }
    let manifest = &read.opened.manifest;
    let by = format!("named by {}@{}", context.operator.user, context.operator.host);
    let signer = Signer { key: key.clone(), by, since: manifest.created };
    Ok(Some((wanted.clone(), signer)))
}

fn describe(
    app: &App,
    target: &NewApp,
    aside: &Aside,
    manifest: &Manifest,
    found: &secrets::Found,
) -> RebuildPlan {
    let mut warnings = aside.warnings.clone();
    if !aside.renamed.left.is_empty() {
        warnings.push(format!(
            "these settings still name {}: {}",
            target.source.name,
            aside.renamed.left.join(", ")
        ));
    }
    if !found.made.is_empty() {
        warnings.push(format!(
            "new values are made for {}: data that was encrypted or signed with the old ones \
             cannot be read with them, and passwords in the data stay the old ones",
            found.made().join(", ")
        ));
    }
    RebuildPlan {
        set: manifest.set.clone(),
        source: target.source.name.to_string(),
        app: target.app.name.to_string(),
        server: target.app.server.to_string(),
        taken: manifest.created,
        taken_on: manifest.server.clone(),
        recipe: app.checkout.recipe.to_string(),
        version: app.checkout.version.clone(),
        recipe_from: aside.recipe_from,
        renamed: aside.renamed.changed.clone(),
        still_named: aside.renamed.left.clone(),
        files: Vec::new(),
        secrets: found.restored(),
        present_secrets: found.present.clone(),
        new_secrets: found.made(),
        services: app.stack.services.iter().map(|service| service.key.clone()).collect(),
        volumes: Vec::new(),
        dumps: Vec::new(),
        consumes: Vec::new(),
        bytes: 0,
        warnings,
    }
}

/// What the folder gets, as paths below it.
fn files(home: &Home, target: &NewApp, aside: &Aside, signs: bool) -> Vec<String> {
    let (server, name) = (&target.app.server, &target.app.name);
    let mut files = Vec::new();
    if target.server.is_some() {
        files.push(format!("servers/{server}/server.yml"));
    }
    files.push(format!("servers/{server}/{name}.env"));
    files.push(format!("servers/{server}/{name}.lock.yml"));
    if Folder::of(&aside.home(), &target.app).path().exists() {
        files.push(format!("servers/{server}/{name}.secrets/"));
    }
    if let Some(recipe) = aside.recipe.as_ref().filter(|_| !aside.is_linked()) {
        files.push(format!("recipes/{recipe}/"));
    }
    if aside.recipients.is_some() && !home.recipients_path().exists() {
        files.push("recipients".into());
    }
    if signs {
        files.push("signers/".into());
    }
    files
}

/// What the journal says is made: none of it exists.
fn made(app: &App, found: &secrets::Found, aside: &Home, home: &Home) -> Vec<(MadeKind, String)> {
    let stack = &app.stack;
    let mut made: BTreeSet<(MadeKind, String)> = BTreeSet::new();
    let services = stack.services.iter().filter_map(|service| service.spec.name.clone());
    made.extend(services.map(|name| (MadeKind::Service, name)));
    made.extend(stack.networks.keys().map(|name| (MadeKind::Network, name.clone())));
    made.extend(stack.configs.keys().map(|name| (MadeKind::Config, name.clone())));
    made.extend(stack.secrets.keys().map(|name| (MadeKind::Secret, name.clone())));
    made.extend(found.names.iter().map(|name| (MadeKind::Secret, name.clone())));
    let volumes = stack.volumes.iter().filter(|volume| !volume.external);
    made.extend(volumes.map(|volume| (MadeKind::Volume, volume.name.clone())));
    // Copies that the folder had before are not ours to remove.
    let kept = |home: &Home| Folder::of(home, &app.entry).files().unwrap_or_default();
    let had = kept(home);
    let new = kept(aside).into_iter().filter(|file| !had.contains(file));
    made.extend(new.map(|file| (MadeKind::Kept, file.stem.to_string())));
    made.into_iter().collect()
}

/// The names that the app claims before anything is made under them.
pub(super) fn claims(made: &[(MadeKind, String)]) -> Vec<(Kind, String)> {
    made.iter()
        .filter_map(|(kind, name)| {
            let kind = match kind {
                MadeKind::Volume => Kind::Volume,
                MadeKind::Secret => Kind::Secret,
                _ => return None,
            };
            Some((kind, name.clone()))
        })
        .collect()
}
