//! Puts the standard plugins into potluck: what `plugins/build.sh` made of
//! `plugins/std/*` becomes a table of names and bytes. Without them potluck
//! builds all the same, and says so when one is asked for.

use std::{env, fs, io, path::Path};

const BUILT: &str = "plugins/std/built";

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={BUILT}");
    let variable = |name| env::var(name).map_err(io::Error::other);
    let root = variable("CARGO_MANIFEST_DIR")?;
    let mut components = Vec::new();
    // A packed source has no guests.
    let folder = Path::new(&root).join(BUILT);
    if folder.is_dir() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.file_stem().and_then(|name| name.to_str()).map(str::to_owned);
            if let (Some(name), Some("wasm")) = (name, path.extension().and_then(|e| e.to_str())) {
                components.push((name, path));
            }
        }
    }
    components.sort();
    let mut table = String::from("&[\n");
    for (name, path) in components {
        table.push_str(&format!("    ({name:?}, include_bytes!({path:?}) as &[u8]),\n"));
    }
    table.push_str("]\n");
    fs::write(Path::new(&variable("OUT_DIR")?).join("std_plugins.rs"), table)
}
