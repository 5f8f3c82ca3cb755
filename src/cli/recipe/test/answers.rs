//! What programs answer on the simulated servers of a test: what the recipe says, then what the
//! scripts of the standard plugins expect of a database in order. A dump of such a database is
//! whole and holds nothing: what comes back of it, only a real server shows. That something came
//! back, a file in the database's volume says, for which the recipe's own answers may ask.

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
            exec.extend(standard_answers(standard.name, service, |service| {
                recipe.volume_of(service)
            })?);
        }
    }
    Ok(script.to_string())
}

/// The file in a database's volume that has the dump which was put back.
const PUT_BACK: &str = "potluck-database";

/// The answers of a store: to its dump, to the way back, to its checks, and to everything else of
/// its scripts. `volume_of` finds a service's volume.
fn standard_answers(
    plugin: &str,
    service: Option<&str>,
    volume_of: impl Fn(&str) -> Result<Option<String>, Failure>,
) -> Result<Vec<Value>, Failure> {
    let (usual, part, take, put_back, dump) = match plugin {
        "postgres" => ("db", DATABASE, "pg_dump -U", Some("pg_restore -U"), POSTGRES.to_owned()),
        "mariadb" => {
            let take = "try_root\ndump \"$database\"";
            ("db", DATABASE, take, Some("new=potluck_restore"), MARIADB.to_owned())
        }
        "sqlite" => ("app", "POTLUCK_FILE", "VACUUM INTO", None, sqlite()),
        _ => return Ok(Vec::new()),
    };
    let service = service.unwrap_or(usual);
    let rule = |part: &str, stdout: &str| json!({"service": service, "matches": format!("sh -c *{part}*"), "stdout": stdout});
    let mut all = vec![rule(take, &dump)];
    if let (Some(put_back), Some(volume)) = (put_back, volume_of(service)?) {
        let mut rule = rule(put_back, "");
        rule["stdin_file"] = format!("{volume}:{PUT_BACK}").into();
        all.push(rule);
    }
    all.push(rule(&format!("finding()*{part}"), "passed\tthe simulated database answers\t\n"));
    all.push(rule(part, ""));
    Ok(all)
}

/// What all scripts for a database server have in them.
const DATABASE: &str = "POTLUCK_DATABASE";

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
        let volume_of = |service: &str| Ok((service == "db").then(|| "data".to_owned()));
        let rules: Vec<Value> = ["postgres", "mariadb", "sqlite", "files"]
            .map(|it| standard_answers(it, None, volume_of).unwrap())
            .concat();
        let script: Script = serde_saphyr::from_str(&json!({"exec": rules}).to_string()).unwrap();
        assert_eq!(script.exec.len(), 11);
        assert_eq!(script.exec[8].stdout, sqlite());
        assert_eq!(script.exec[4].service.as_deref(), Some("db"));
        assert_eq!(script.exec[5].stdin_file.as_deref(), Some("data:potluck-database"));
    }
}
