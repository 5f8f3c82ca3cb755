//! The pipeline of one load, in docker's order: per file YAML, version,
//! forbidden keys, interpolation, schema, typed values; then merge, then
//! warnings. Problems of all files are collected as far as each file gets.

use super::{
    Config, LoadOptions, Problems, Source, Warning,
    decode::{self, Decoder},
    interpolate, merge,
    model::File,
    problem::{Sink, Spot, Texts},
    profiles,
    schema::{self, Version},
    yaml::{self, Map, Node, Value},
};

/// Keys of services that docker says it ignores (docker/cli,
/// `compose/types.UnsupportedProperties`). It says so of `restart`, too, but uses
/// it: that is not repeated here.
const UNSUPPORTED: &[&str] = &[
    "build",
    "cgroupns_mode",
    "cgroup_parent",
    "devices",
    "domainname",
    "external_links",
    "ipc",
    "links",
    "mac_address",
    "network_mode",
    "pid",
    "privileged",
    "security_opt",
    "shm_size",
    "userns_mode",
];

/// Keys of services that docker calls deprecated.
const DEPRECATED: &[(&str, &str)] = &[
    ("container_name", "Setting the container name is not supported."),
    (
        "expose",
        "Exposing ports is unnecessary - services on the same network can access each other's \
         containers on any port.",
    ),
];

pub fn load(
    sources: &[Source],
    options: &LoadOptions<'_>,
) -> Result<(Config, Vec<Warning>), Problems> {
    let texts = Texts::new(sources);
    let mut sink = Sink::default();
    let (mut ignored, mut odd) = (vec![], vec![]);
    let mut notes = vec![];
    let mut first: Option<Version> = None;
    let mut merged: Option<File> = None;
    if sources.is_empty() {
        sink.push(Spot::default(), "", "no compose file was given");
    }
    for (index, source) in sources.iter().enumerate() {
        let file = u32::try_from(index).unwrap_or(u32::MAX);
        let Some(Node { value: Value::Map(mut root), at }) =
            yaml::read(&source.text, file, &mut sink)
        else {
            continue;
        };
        let before = sink.len();
        let Some(version) = version(&root, first, &mut sink) else { continue };
        first.get_or_insert(version);
        schema::check_forbidden(&root, &mut sink);
        if options.interpolate {
            interpolate::interpolate(&mut root, options.environment, &mut sink, &mut notes);
        }
        if sink.len() > before {
            continue;
        }
        yaml::reject_odd_numbers(&root, &mut sink);
        schema::check(&root, at, version, &mut sink, &mut notes);
        if sink.len() > before {
            continue;
        }
        find_ignored(&root, &mut ignored);
        let mut decoder = Decoder {
            sink: &mut sink,
            warnings: &mut odd,
            lookup: options.environment,
            files: options.files,
            working_dir: options.working_dir,
            home_dir: options.home_dir,
            version: first.unwrap_or(version),
        };
        let decoded = decode::decode(&root, &mut decoder);
        match &mut merged {
            None => merged = Some(decoded),
            Some(base) => merge::merge(base, decoded, &mut notes),
        }
    }
    sink.finish(&texts)?;
    let mut file = merged.unwrap_or_default();
    profiles::select(&mut file, options.profiles);
    let mut found = [ignored, odd.clone()].concat();
    found.sort();
    found.dedup();
    let warnings = found
        .into_iter()
        .map(|(at, message)| Warning { position: texts.position(at), message })
        .collect();
    let config = Config {
        // Without a problem there is at least one file.
        version: first.unwrap_or(Version(schema::NEWEST)),
        file,
        texts,
        notes,
        odd,
    };
    Ok((config, warnings))
}

/// The file's version, which must be that of the first file.
fn version(root: &Map, first: Option<Version>, sink: &mut Sink) -> Option<Version> {
    let at = root.entry("version").map(|e| e.value.at).unwrap_or_default();
    match Version::of(root) {
        Err((at, shown)) => {
            sink.hint(
                at,
                "version",
                format!("`{shown}` is not a version that swarm knows"),
                format!("remove `version`, or use \"3.0\" to \"{}\"", Version(schema::NEWEST)),
            );
            None
        }
        Ok(version) => {
            if let Some(first) = first.filter(|first| *first != version) {
                sink.hint(
                    at,
                    "version",
                    format!("this file has version {version}, the first one {first}"),
                    "give all files the same `version`, or none",
                );
                return None;
            }
            Some(version)
        }
    }
}

/// Collects what docker warns of.
fn find_ignored(root: &Map, found: &mut Vec<(Spot, String)>) {
    if let Some(name) = root.entry("name") {
        let message = "ignoring `name`: a stack is named when it is deployed";
        found.push((name.at, message.to_owned()));
    }
    let Some(Node { value: Value::Map(services), .. }) = root.get("services") else { return };
    for service in &services.0 {
        let Value::Map(keys) = &service.value.value else { continue };
        for entry in &keys.0 {
            let name = &service.key;
            if UNSUPPORTED.contains(&entry.key.as_str()) {
                let message =
                    format!("service {name}: ignoring unsupported option `{}`", entry.key);
                found.push((entry.at, message));
            }
            if let Some((key, why)) = DEPRECATED.iter().find(|(key, _)| *key == entry.key) {
                let message = format!("service {name}: ignoring deprecated option `{key}`: {why}");
                found.push((entry.at, message));
            }
        }
    }
}
