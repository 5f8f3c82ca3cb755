//! The example plugin in Rust, as `plugins/build.sh` built it.

use std::{fs, path::Path};

use super::{super::common::skip, Lab};

/// A folder `admin` with the component and its scenarios; none after saying so.
pub fn lab() -> Option<Lab> {
    let Ok(component) =
        fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/admin.wasm"))
    else {
        skip("tests/fixtures/admin.wasm is not there; plugins/build.sh makes it");
        return None;
    };
    let lab = Lab::new();
    for file in
        fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("plugins/examples/tests")).unwrap()
    {
        let file = file.unwrap().path();
        let name = file.file_name().unwrap().to_str().unwrap();
        lab.write(&format!("admin/tests/{name}"), &fs::read_to_string(&file).unwrap());
    }
    fs::write(lab.path("admin/admin.wasm"), component).unwrap();
    Some(lab)
}
