//! What takes long to look at and changes slowly: disks, and the certificates of domains. Of
//! `--watch`, it is looked at anew once in a while.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream};

use crate::{
    cli::{
        failure::Failure,
        fleet::{NOT_DEPLOYED, Seen, What},
        session::wait,
    },
    home::{AppEntry, Home, ServerName},
    operation::Disk,
    wiring::{self, Certificate},
};

/// How old it may be.
const AGE: Duration = Duration::from_secs(600);
/// Domains that are asked at a time.
const AT_A_TIME: usize = 16;
/// Of one app.
const MOST: usize = 20;

/// What was seen last.
#[derive(Default)]
pub struct Slow {
    at: Option<Instant>,
    disks: BTreeMap<ServerName, Disk>,
    certificates: BTreeMap<String, Certificate>,
}

impl Slow {
    fn is_old(&self) -> bool {
        self.at.is_none_or(|at| at.elapsed() > AGE)
    }

    /// What is to be asked of the servers.
    pub fn what(&self) -> What {
        if self.is_old() { What::Everything } else { What::History }
    }

    /// Looks anew, where what was seen is too old.
    ///
    /// # Errors
    /// If it was interrupted.
    pub fn renew(&mut self, seen: &Seen, home: &Home, apps: &[AppEntry]) -> Result<(), Failure> {
        if !self.is_old() {
            return Ok(());
        }
        let servers = seen.0.iter().filter_map(|(name, said)| Some((name, said.as_ref().ok()?)));
        self.disks =
            servers.filter_map(|(name, said)| Some((name.clone(), said.disk.clone()?))).collect();
        let names: BTreeSet<String> = match home.is_offline() {
            true => BTreeSet::new(),
            false => apps.iter().flat_map(|app| domains(seen, home, app)).collect(),
        };
        self.certificates = wait("interrupted", async {
            let asked = names.into_iter().map(|name| async {
                let certificate = wiring::certificate(&name).await;
                (name, certificate)
            });
            Ok(stream::iter(asked).buffer_unordered(AT_A_TIME).collect().await)
        })?;
        self.at = Some(Instant::now());
        Ok(())
    }

    pub fn disk(&self, server: &ServerName) -> Option<&Disk> {
        self.disks.get(server)
    }

    /// Those of an app's domains.
    pub fn certificates(&self, seen: &Seen, home: &Home, app: &AppEntry) -> Vec<&Certificate> {
        domains(seen, home, app).iter().filter_map(|name| self.certificates.get(name)).collect()
    }
}

/// The domains by which people reach an app that is deployed, without reserved ones: those in
/// its rules for a reverse proxy, else the one in its settings.
fn domains(seen: &Seen, home: &Home, app: &AppEntry) -> Vec<String> {
    let server = seen.0.get(&app.server).and_then(|said| said.as_ref().ok());
    if server.is_none_or(|server| server.is_simulated) || seen.status(home, app).0 == NOT_DEPLOYED {
        return Vec::new();
    }
    let routed = seen.app(home, app).map(|found| found.domains.clone()).unwrap_or_default();
    let named = match routed.is_empty() {
        true => home.env(app).ok().and_then(|env| env.get("DOMAIN").map(str::to_lowercase)),
        false => None,
    };
    let all = routed.into_iter().chain(named);
    all.map(|name| name.trim().to_owned())
        .filter(|name| wiring::is_public(name))
        .take(MOST)
        .collect()
}
