//! The settings item: the app's environment file, its lock file and the stack
//! as it was rendered, as one small tar. It holds names of secrets, never
//! their values.

use serde_json::json;

use super::SetId;
use crate::{
    app::{App, Context},
    backup::error::Error,
    compose::Stack,
};

/// Name of the item and of its file.
pub const NAME: &str = "settings.tar";

/// The tar.
pub(crate) fn pack(context: &Context, app: &App, set: &SetId) -> Result<Vec<u8>, Error> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut add = |name: &str, content: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(u64::try_from(set.begun().as_second()).unwrap_or(0));
        tar.append_data(&mut header, name, content).map_err(Error::io("packing", name))
    };
    let name = &app.entry.name;
    add(&format!("{name}.env"), app.env.to_text().as_bytes())?;
    let lock = context.home.lock_path(&app.entry);
    match std::fs::read(&lock) {
        Ok(content) => add(&format!("{name}.lock.yml"), &content)?,
        // An app that was never deployed with plugins has none.
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
        Err(e) => return Err(Error::io("reading", lock)(e)),
    }
    let stack = serde_json::to_vec_pretty(&stack(&app.stack)).map_err(|e| Error::Io {
        action: "writing",
        path: "stack.json".into(),
        source: e.into(),
    })?;
    add("stack.json", &stack)?;
    tar.into_inner().map_err(Error::io("packing", NAME))
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
