//! What keeps an app from being made from a backup: all of it is found before anything is
//! made.

use crate::{
    hint::Hint,
    home::{AppName, ServerName},
    text::line,
};

/// Why an app cannot be made from a set.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Obstacle {
    #[error("{app} exists already in this folder, on the server {server}")]
    Exists {
        app: AppName,
        server: ServerName,
        /// By a rebuild that may not have ended.
        begun: bool,
    },
    #[error("the server {server} has {} already: {}", what_of(.app), .found.join(", "))]
    OnServer { app: AppName, server: ServerName, found: Vec<String> },
    #[error("the server {server} has volumes already that {app} would have: {}", .volumes.join(", "))]
    Volumes { app: AppName, server: ServerName, volumes: Vec<String> },
    #[error("{} of the secrets of {app} cannot be restored from the backup: {}",
        .lost.len(), said(.lost))]
    Secrets { app: AppName, lost: Vec<Lost> },
    #[error("{app} has no secret called {}", .names.join(", "))]
    UnknownSecrets { app: AppName, names: Vec<String> },
    #[error("the server {server} names no repository with backups")]
    NoRepository { server: ServerName },
    #[error("the server {server} uses the repository {known}, not {given}")]
    OtherRepository { server: ServerName, known: String, given: String },
    #[error("the server {server} has the endpoint {known}, not {given}")]
    OtherEndpoint { server: ServerName, known: String, given: String },
    #[error(
        "the backup {set} is of an older potluck: it has no files of the recipe {recipe}, \
        and this folder has none either"
    )]
    NoRecipe { set: String, recipe: String, recipes: String },
    #[error("the backup {set} has no settings")]
    NoSettings { set: String },
    #[error("the name {app} is that of the app in the backup")]
    SameName { app: AppName },
}

/// A secret whose value is not to be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    pub name: String,
    /// As the swarm calls it.
    pub full_name: String,
    pub why: String,
    /// Whether another value can be made.
    pub makes: bool,
}

fn what_of(app: &AppName) -> String {
    format!("objects of {app}")
}

fn said(lost: &[Lost]) -> String {
    let each = lost.iter().map(|lost| format!("{} ({})", line(&lost.name), line(&lost.why)));
    each.collect::<Vec<_>>().join(", ")
}

impl Hint for Obstacle {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Obstacle::Exists { app, begun: true, .. } => format!(
                "if its rebuild did not end, `potluck app resume {app}` finishes it, and `potluck \
                 app abort {app}` removes what it made"
            ),
            Obstacle::Exists { app, .. } => format!(
                "`potluck backup restore {app}` restores the data of an app that exists; or \
                 restore it under another name: `--to-app OTHER`"
            ),
            Obstacle::OnServer { app, .. } => format!(
                "if that is {app}, get its settings into this folder and run `potluck backup \
                 restore {app}`; or restore it under another name: `--to-app OTHER`"
            ),
            Obstacle::Volumes { volumes, .. } => format!(
                "they may hold the only copy of data; if not, remove them: `docker volume rm {}`",
                volumes.join(" ")
            ),
            Obstacle::Secrets { lost, .. } => {
                let (made, inserted): (Vec<&Lost>, Vec<&Lost>) =
                    lost.iter().partition(|lost| lost.makes);
                let names = |all: &[&Lost]| {
                    all.iter().map(|it| it.name.as_str()).collect::<Vec<_>>().join(",")
                };
                let mut hints = vec!["name the key that opens them: `--identity FILE`".to_owned()];
                if !made.is_empty() {
                    hints.push(format!(
                        "or make other values, with which data that depends on the old ones cannot \
                         be used: `--new-secrets {}`",
                        names(&made)
                    ));
                }
                if !inserted.is_empty() {
                    hints.push(format!(
                        "no value can be made for {}: store it on the server first, `docker secret \
                         create {} FILE`",
                        names(&inserted),
                        inserted[0].full_name
                    ));
                }
                hints.join("; ")
            }
            Obstacle::UnknownSecrets { .. } => {
                "`--new-secrets` takes the names that the recipe gives to secrets".into()
            }
            Obstacle::NoRepository { server } => format!(
                "pass `--repository` and `--password-file`, or name them as `backup:` in \
                 servers/{server}/server.yml"
            ),
            Obstacle::OtherRepository { server, .. } => format!(
                "leave `--repository` out, or change `backup:` in servers/{server}/server.yml"
            ),
            Obstacle::OtherEndpoint { server, .. } => format!(
                "leave `--endpoint` out, or change `endpoint` in servers/{server}/server.yml"
            ),
            Obstacle::NoRecipe { recipe, recipes, .. } => {
                format!("put a clone of its repository there: `git clone URL {recipes}/{recipe}`")
            }
            Obstacle::NoSettings { .. } => {
                "restore another backup; `potluck backup snapshots` lists them".into()
            }
            Obstacle::SameName { .. } => "name another one with `--to-app`".into(),
        })
    }
}
