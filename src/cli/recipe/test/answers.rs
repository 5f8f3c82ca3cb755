//! What programs answer on the simulated servers of a test: what the recipe says, then what the
//! scripts of the standard plugins expect of a database in order. A dump of such a database is
//! whole and holds nothing: what comes back of it, only a real server shows.

use serde_json::{Value, json};

use super::copy::{ANSWERS, Copied};
use crate::{cli::failure::Failure, recipe::ComponentRef, yaml};

/// The script of a simulated server, as JSON, which is YAML.
///
/// # Errors
/// An invalid file of the recipe.
pub fn script(recipe: &Copied) -> Result<String, Failure> {
    let mut script = match recipe.files.exists(ANSWERS) {
        true => {
            let text = recipe.files.text(ANSWERS)?;
            yaml::document(&text)
                .map_err(|error| Failure::new(format!("{ANSWERS} cannot be read: {error}")))?
        }
        false => json!({}),
    };
    if script.is_null() {
        script = json!({});
    }
    let Some(all) = script.as_object_mut() else {
        return Err(Failure::new(format!("{ANSWERS} cannot be read: expected a mapping")));
    };
    let exec = all.entry("exec").or_insert_with(|| json!([]));
    let Some(exec) = exec.as_array_mut() else {
        return Err(Failure::new(format!("{ANSWERS} cannot be read: `exec` is not a list")));
    };
    for plugin in &recipe.files.manifest.plugins {
        if let ComponentRef::Standard(standard) = plugin.component {
            let service = plugin.options["service"].as_str();
            exec.extend(standard_answers(standard.name, service));
        }
    }
    Ok(script.to_string())
}

/// The answers of a store: to its dump, to its checks, and to everything else of its scripts.
fn standard_answers(plugin: &str, service: Option<&str>) -> Vec<Value> {
    let (usual, part, take, dump) = match plugin {
        "postgres" => ("db", "POTLUCK_DATABASE", "pg_dump -U", POSTGRES.to_owned()),
        "mariadb" => ("db", "POTLUCK_DATABASE", "try_root\ndump \"$database\"", MARIADB.to_owned()),
        "sqlite" => ("app", "POTLUCK_FILE", "VACUUM INTO", sqlite()),
        _ => return Vec::new(),
    };
    let service = service.unwrap_or(usual);
    let rule = |part: &str, stdout: &str| json!({"service": service, "matches": format!("sh -c *{part}*"), "stdout": stdout});
    vec![
        rule(take, &dump),
        rule(&format!("finding()*{part}"), "passed\tthe simulated database answers\t\n"),
        rule(part, ""),
    ]
}

/// A whole dump of nothing.
const POSTGRES: &str = "--\n-- PostgreSQL database dump\n--\n\nSELECT 1;\n\n--\n-- PostgreSQL \
                        database dump complete\n--\n";
/// With the line by which the plugin knows the end.
const MARIADB: &str = "-- MariaDB dump 10.19\n\nSELECT 1;\n\n-- Dump completed\nCREATE TABLE \
                       `potluck_complete` (`at` INT);\n";

/// A database of one page of 512 bytes (<https://www.sqlite.org/fileformat.html>, 1.3).
fn sqlite() -> String {
    const PAGE: usize = 512;
    let mut page = [0_u8; PAGE];
    page[..16].copy_from_slice(b"SQLite format 3\0");
    page[16] = 2;
    page[31] = 1;
    page.iter().map(|byte| char::from(*byte)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{backup::set::proof::Proof, engine::simulated::Script};

    #[test]
    fn the_dumps_are_whole() {
        for dump in [POSTGRES.to_owned(), MARIADB.to_owned(), sqlite()] {
            let mut proof = Proof::default();
            proof.push(dump.as_bytes());
            assert_eq!(proof.end().unwrap().unknown, None, "{dump:?}");
        }
    }

    #[test]
    fn a_simulated_server_reads_them() {
        let rules: Vec<Value> = ["postgres", "mariadb", "sqlite", "files"]
            .map(|it| standard_answers(it, None))
            .concat();
        let script: Script = serde_saphyr::from_str(&json!({"exec": rules}).to_string()).unwrap();
        assert_eq!(script.exec.len(), 9);
        assert_eq!(script.exec[6].stdout, sqlite());
        assert_eq!(script.exec[3].service.as_deref(), Some("db"));
    }
}
