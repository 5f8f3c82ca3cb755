//! `x-cluster-spec` of volumes (docker/cli, `compose/types.ClusterVolumeSpec`).
//! Docker parses and prints it, but does not use it; so it is kept as printed.

use serde_json::{Map as Json, Value as Shown, json};

use super::{Decoder, deploy::map_at};
use crate::compose::problem::Path;
use crate::compose::read::yaml::{Map, Node, Value};

type Object = Json<String, Shown>;

impl Decoder<'_> {
    /// None when it is not given.
    pub(super) fn cluster_spec(&mut self, volume: &Map, path: Path<'_>) -> Option<Shown> {
        let path = path.key("x-cluster-spec");
        let spec = match volume.get("x-cluster-spec")? {
            Node { value: Value::Map(spec), .. } => spec,
            Node { value: Value::Null, .. } => return None,
            Node { value, at } => {
                let message = format!("must be a mapping, not {}", value.kind());
                self.sink.push(*at, path, message);
                return None;
            }
        };
        let mut out = Json::new();
        self.show_text(&mut out, spec, "group", path);
        if let Some(mode) = map_at(spec, "access_mode") {
            let shown = self.access_mode(mode, path.key("access_mode"));
            out.insert("access_mode".into(), shown.into());
        }
        if let Some(wanted) = map_at(spec, "accessibility_requirements") {
            let path = path.key("accessibility_requirements");
            let mut shown = Json::new();
            for key in ["requisite", "preferred"] {
                self.topologies(&mut shown, wanted, key, path);
            }
            out.insert("accessibility_requirements".into(), shown.into());
        }
        if let Some(range) = map_at(spec, "capacity_range") {
            let path = path.key("capacity_range");
            let mut shown = Json::new();
            for key in ["required_bytes", "limit_bytes"] {
                let bytes = self.size_at(range, key, path);
                if bytes != 0 {
                    shown.insert(key.into(), bytes.to_string().into());
                }
            }
            out.insert("capacity_range".into(), shown.into());
        }
        self.secrets(&mut out, spec, path.key("secrets"));
        self.show_text(&mut out, spec, "availability", path);
        Some(out.into())
    }

    fn access_mode(&mut self, mode: &Map, path: Path<'_>) -> Object {
        let mut out = Json::new();
        self.show_text(&mut out, mode, "scope", path);
        self.show_text(&mut out, mode, "sharing", path);
        if let Some(mount) = map_at(mode, "mount_volume") {
            let path = path.key("mount_volume");
            let mut shown = Json::new();
            self.show_text(&mut shown, mount, "fs_type", path);
            let flags = self.texts_at(mount, "mount_flags", path);
            if !flags.is_empty() {
                shown.insert("mount_flags".into(), flags.into());
            }
            out.insert("mount_volume".into(), shown.into());
        }
        if map_at(mode, "block_volume").is_some() {
            out.insert("block_volume".into(), json!({}));
        }
        out
    }

    fn topologies(&mut self, out: &mut Object, map: &Map, key: &str, path: Path<'_>) {
        let path = path.key(key);
        let Some(Node { value: Value::List(items), .. }) = map.get(key) else { return };
        let shown: Vec<Shown> = items
            .iter()
            .enumerate()
            .filter_map(|(index, item)| match &item.value {
                Value::Map(topology) => {
                    let segments = self.dict_at(topology, "segments", path.index(index));
                    let empty = segments.is_empty();
                    Some(if empty { json!({}) } else { json!({ "segments": segments }) })
                }
                _ => None,
            })
            .collect();
        if !shown.is_empty() {
            out.insert(key.into(), shown.into());
        }
    }

    /// The schema does not look at them.
    fn secrets(&mut self, out: &mut Object, spec: &Map, path: Path<'_>) {
        let items = match spec.get("secrets") {
            Some(Node { value: Value::List(items), .. }) => items.as_slice(),
            None | Some(Node { value: Value::Null, .. }) => return,
            Some(Node { value, at }) => {
                let message = format!("must be a list, not {}", value.kind());
                return self.sink.push(*at, path, message);
            }
        };
        let mut shown = vec![];
        for (index, item) in items.iter().enumerate() {
            let path = path.index(index);
            let mut secret = Json::new();
            match &item.value {
                Value::Map(map) => {
                    self.show_text(&mut secret, map, "key", path);
                    self.show_text(&mut secret, map, "secret", path);
                }
                Value::Null => {}
                value => {
                    let message = format!("must be a mapping, not {}", value.kind());
                    self.sink.push(item.at, path, message);
                }
            }
            shown.push(Shown::from(secret));
        }
        if !shown.is_empty() {
            out.insert("secrets".into(), shown.into());
        }
    }

    fn show_text(&mut self, out: &mut Object, map: &Map, key: &str, path: Path<'_>) {
        let text = self.text_at(map, key, path);
        if !text.is_empty() {
            out.insert(key.into(), text.into());
        }
    }
}
