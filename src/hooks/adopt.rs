//! Secrets that were made earlier, or by abra: read once from a running task, and kept.
//!
//! Swarm gives a value to tasks only, where it is a file below `/run/secrets`. The
//! container's own `cat` reads it, so what is kept is what that container says it is.

use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::{
    app::{App, Error},
    engine::{Container, Engine, Exec, Stream, api},
    secrets::{self, Keeper, MAX_SIZE, SecretVersion, escrow::Failed},
};

use super::services::running_container;

/// How long reading one value may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Of what a program says when it fails.
const COMPLAINT: usize = 200;

/// What became of each secret: names and versions, `db_password_v1`.
#[derive(Debug, Default)]
pub struct Adopted {
    pub adopted: Vec<String>,
    /// Those that cannot be read, which a lost server takes along.
    pub failed: Vec<Failed>,
}

/// Those on the swarm of which no copy is kept.
pub fn not_kept(all: &[SecretVersion]) -> Vec<&SecretVersion> {
    all.iter().filter(|row| row.id.is_some() && !row.kept).collect()
}

/// Reads these from running tasks of the app, and keeps them.
///
/// # Errors
/// What the engine says; files that cannot be written. What cannot be read is in
/// [`Adopted::failed`].
pub async fn adopt(app: &App, rows: &[&SecretVersion], keeper: &Keeper) -> Result<Adopted, Error> {
    let mut done = Adopted::default();
    for row in rows {
        let secret = match row.version.as_str() {
            "" => row.name.clone(),
            version => format!("{}_{version}", row.name),
        };
        match read(&*app.engine, row).await? {
            Ok(value) => {
                keeper.keep(&row.full_name, &value).map_err(secrets::Error::from)?;
                done.adopted.push(secret);
            }
            Err(why) => done.failed.push(Failed { secret, why }),
        }
    }
    Ok(done)
}

/// The value, from the first task that shows it; else why none does.
///
/// # Errors
/// What the engine says.
pub async fn read(
    engine: &dyn Engine,
    row: &SecretVersion,
) -> Result<Result<Zeroizing<Vec<u8>>, String>, Error> {
    let mut why = match row.used_by.as_slice() {
        [] => "no service has it".to_owned(),
        services => format!("no task of {} runs here", services.join(", ")),
    };
    for service in &row.used_by {
        let spec = engine.service(service).await?.spec.unwrap_or_default();
        let Some(path) = path_of(&spec, row) else { continue };
        let Some(container) = running_container(engine, service).await? else { continue };
        match timeout(PATIENCE, cat(engine, &container, &path)).await {
            Ok(Ok(value)) => return Ok(Ok(value)),
            Ok(Err(error)) => why = format!("{service} does not show it: {error}"),
            Err(_) => why = format!("{service} does not show it within 30 s"),
        }
    }
    Ok(Err(why))
}

/// Where a service has it, if it has just this one.
fn path_of(spec: &api::ServiceSpec, row: &SecretVersion) -> Option<String> {
    let container = spec.task_template.as_ref()?.container_spec.as_ref()?;
    let reference = container.secrets.as_ref()?.iter().find(|reference| {
        reference.secret_id == row.id && reference.secret_name.as_ref() == Some(&row.full_name)
    })?;
    let name = reference.file.as_ref()?.name.clone()?;
    Some(match name.starts_with('/') {
        true => name,
        false => format!("/run/secrets/{name}"),
    })
}

async fn cat(
    engine: &dyn Engine,
    container: &Container,
    path: &str,
) -> Result<Zeroizing<Vec<u8>>, String> {
    let exec = Exec {
        argv: vec!["cat".into(), path.to_owned()],
        // Files of secrets may be for another user than the service's.
        user: Some("0".into()),
        ..Exec::default()
    };
    let mut session = engine.exec(&container.id, &exec).await.map_err(|e| e.to_string())?;
    // As much as is ever needed, so that growing leaves no copy behind.
    let mut value = Zeroizing::new(Vec::with_capacity(MAX_SIZE + 1));
    let mut complaint = Vec::new();
    while let Some(chunk) = session.output.next().await {
        let chunk = chunk.map_err(|e| e.to_string())?;
        let (into, most) = match chunk.stream {
            Stream::Stdout => (&mut *value, MAX_SIZE + 1),
            Stream::Stderr => (&mut complaint, COMPLAINT),
        };
        let room = most.saturating_sub(into.len());
        into.extend_from_slice(&chunk.bytes[..chunk.bytes.len().min(room)]);
    }
    match session.exit_code.await.map_err(|e| e.to_string())? {
        0 if value.is_empty() => Err("it is empty".into()),
        0 if value.len() > MAX_SIZE => Err(format!("it has more than {MAX_SIZE} bytes")),
        0 => Ok(value),
        code => {
            let complaint = String::from_utf8_lossy(&complaint);
            let complaint = crate::text::line_of(complaint.trim(), COMPLAINT).into_owned();
            Err(format!("`cat` ends with {code} {complaint}").trim_end().to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_secret_of_the_row_is_read() {
        let reference = |id: &str, name: &str, target: &str| api::TaskSpecContainerSpecSecrets {
            secret_id: Some(id.into()),
            secret_name: Some(name.into()),
            file: Some(api::TaskSpecContainerSpecFile {
                name: Some(target.into()),
                ..Default::default()
            }),
        };
        let spec = |all| api::ServiceSpec {
            task_template: Some(api::TaskSpec {
                container_spec: Some(api::TaskSpecContainerSpec {
                    secrets: Some(all),
                    ..Default::default()
                }),
                ..Default::default()
            }),
            ..Default::default()
        };
        let row = SecretVersion {
            full_name: "a_db_v1".into(),
            id: Some("1".into()),
            ..SecretVersion::default()
        };
        for (references, expected) in [
            (vec![reference("1", "a_db_v1", "db")], Some("/run/secrets/db")),
            (vec![reference("1", "a_db_v1", "/etc/db")], Some("/etc/db")),
            (vec![reference("2", "a_db_v1", "db")], None),
            (vec![reference("1", "a_db_v2", "db")], None),
            (vec![], None),
        ] {
            assert_eq!(path_of(&spec(references), &row).as_deref(), expected);
        }
    }
}
