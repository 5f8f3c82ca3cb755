//! What programs answer on the simulated servers of a test: what the recipe says, then what the
//! scripts of the standard plugins expect of a database in order. A dump of such a database is
//! whole and holds nothing: what comes back of it, only a real server shows. That something came
//! back, a file in the database's volume says, for which the recipe's own answers may ask.

use serde_json::{Value, json};

use super::copy::Copied;
use crate::{
    cli::failure::Failure,
    engine::simulated::Script,
    recipe::{ANSWERS, ComponentRef},
    yaml,
};

/// The script of a simulated server, as JSON, which is YAML.
///
/// # Errors
/// An invalid file of the recipe.
pub fn script(recipe: &Copied) -> Result<String, Failure> {
    let mut script = json!({});
    if recipe.files.exists(ANSWERS) {
        let invalid = |error: String| Failure::new(format!("{ANSWERS} is invalid: {error}"));
        let text = recipe.files.text(ANSWERS)?;
        // By its own lines: the server's script has others.
        Script::of_recipe(&text).map_err(invalid)?;
        script = yaml::document(&text).map_err(invalid)?;
    }
    let own = script["exec"].take();
    let mut exec = own.as_array().cloned().unwrap_or_default();
    for plugin in &recipe.files.manifest.plugins {
        if let ComponentRef::Standard(standard) = plugin.component {
            let service = plugin.options["service"].as_str();
            exec.extend(standard_answers(standard.name, service, |service| {
                recipe.volume_of(service)
            })?);
        }
    }
    script["exec"] = exec.into();
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
    let (usual, part, take, put_back) = match plugin {
        "postgres" => ("db", DATABASE, "pg_dump -U", Some("pg_restore -U")),
        "mariadb" => ("db", DATABASE, "try_root\ndump \"$database\"", Some("new=potluck_restore")),
        "redis" => ("redis", "redis-server", "redis --rdb -", Some("REPLICAOF 127.0.0.1")),
        "sqlite" => ("app", "POTLUCK_FILE", "VACUUM INTO", None),
        _ => return Ok(Vec::new()),
    };
    let service = service.unwrap_or(usual);
    let rule = |part: &str, stdout: &str| json!({"service": service, "matches": format!("sh -c *{part}*"), "stdout": stdout});
    let mut dump = rule(take, "");
    dump["stdout_hex"] = hex::encode(dumped(plugin)).into();
    let mut all = vec![dump];
    if let (Some(put_back), Some(volume)) = (put_back, volume_of(service)?) {
        let mut rule = rule(put_back, "");
        rule["stdin_file"] = format!("{volume}:{PUT_BACK}").into();
        all.push(rule);
    }
    all.push(rule(&format!("finding()*{part}"), "passed\tthe simulated database answers\t\n"));
    all.push(rule(part, ""));
    Ok(all)
}

/// A whole dump of nothing.
fn dumped(plugin: &str) -> Vec<u8> {
    match plugin {
        "postgres" => POSTGRES.into(),
        "mariadb" => MARIADB.into(),
        "redis" => REDIS.into(),
        _ => sqlite(),
    }
}

/// What all scripts for a database server have in them.
const DATABASE: &str = "POTLUCK_DATABASE";

const POSTGRES: &str = "--\n-- PostgreSQL database dump\n--\n\nSELECT 1;\n\n--\n-- PostgreSQL \
                        database dump complete\n--\n";
/// With the line by which the plugin knows the end.
const MARIADB: &str = "-- MariaDB dump 10.19\n\nSELECT 1;\n\n-- Dump completed\nCREATE TABLE \
                       `potluck_complete` (`at` INT);\n";

/// Version 11 of the format, its end, and no checksum (redis, `rdb.c`).
const REDIS: &[u8] = b"REDIS0011\xff\0\0\0\0\0\0\0\0";

/// A database of one page of 512 bytes (<https://www.sqlite.org/fileformat.html>, 1.3).
fn sqlite() -> Vec<u8> {
    const PAGE: usize = 512;
    let mut page = [0_u8; PAGE];
    page[..16].copy_from_slice(b"SQLite format 3\0");
    page[16] = 2;
    page[31] = 1;
    page.to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{backup::set::proof::Proof, engine::simulated::Script};

    #[test]
    fn the_dumps_are_whole() {
        for plugin in ["postgres", "mariadb", "redis", "sqlite"] {
            let mut proof = Proof::default();
            proof.push(&dumped(plugin));
            assert_eq!(proof.end().unwrap().unknown, None, "{plugin}");
        }
    }

    #[test]
    fn a_simulated_server_reads_them() {
        let volume_of = |service: &str| Ok((service == "db").then(|| "data".to_owned()));
        let rules: Vec<Value> = ["postgres", "mariadb", "sqlite", "files", "redis"]
            .map(|it| standard_answers(it, None, volume_of).unwrap())
            .concat();
        let script: Script = serde_saphyr::from_str(&json!({"exec": rules}).to_string()).unwrap();
        assert_eq!(script.exec.len(), 14);
        assert_eq!(script.exec[8].stdout_hex, sqlite());
        assert_eq!(script.exec[4].service.as_deref(), Some("db"));
        assert_eq!(script.exec[5].stdin_file.as_deref(), Some("data:potluck-database"));
        assert_eq!(script.exec[11].service.as_deref(), Some("redis"));
    }
}
