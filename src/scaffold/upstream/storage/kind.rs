//! What a mount is of: settings, data, or the machine.

use super::super::{inside::Named, judge, read::Mount};

/// Places of the machine that are no data of an app.
const HOST: &[&str] = &[
    "/proc",
    "/sys",
    "/dev",
    "/run",
    "/var/run",
    "/boot",
    "/etc",
    "/var/lib/docker",
    "/usr",
    "/lib",
];
pub(super) const CLOCK: &[&str] = &["/etc/localtime", "/etc/timezone"];

/// Whether a path is the machine's own, rather than an app's.
pub(super) fn is_host(source: &str) -> bool {
    source == "/"
        || source.starts_with('/') && source.ends_with(".sock")
        || HOST.iter().any(|host| source == *host || source.starts_with(&format!("{host}/")))
}

/// `.`, the folder of the project.
pub(super) fn is_project(source: &str) -> bool {
    source.starts_with('.') && source.split('/').all(|part| matches!(part, "" | "."))
}

/// Whether a file is what the app writes: a database, or its state.
pub(super) fn is_data(path: &str, mount: &Mount, named: &Named) -> bool {
    let by_name = || is_data_name(path) || is_data_name(&mount.target);
    match named {
        _ if mount.read_only => false,
        Named::Database => true,
        Named::Folder(_) | Named::LeadsOut => false,
        Named::Text(_) | Named::Other | Named::Missing => by_name(),
    }
}

/// Whether a file is a key, or nothing but passwords, by its name or by what is in it.
pub(super) fn is_credential(path: &str, target: &str, named: &Named) -> bool {
    match named {
        Named::Text(text) => {
            judge::has_private_key(text) || is_credential_name(path) || is_credential_name(target)
        }
        Named::Other => is_credential_name(path) || is_credential_name(target),
        _ => false,
    }
}

fn is_credential_name(path: &str) -> bool {
    const NAMES: &[&str] = &[
        ".git-credentials",
        ".htpasswd",
        ".netrc",
        ".pgpass",
        "_netrc",
        "htpasswd",
        "pgpass.conf",
    ];
    const ENDINGS: &[&str] =
        &["htpasswd", "jks", "key", "keystore", "p12", "p8", "pfx", "pgpass", "ppk"];
    let name = path.rsplit('/').next().unwrap_or_default();
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    let is_ssh = ["id_dsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk", "id_rsa"];
    NAMES.contains(&name) || ENDINGS.contains(&ending) || is_ssh.contains(&name)
}

/// Whether a file of this name is a database or a state.
pub(super) fn is_data_name(path: &str) -> bool {
    const ENDINGS: &[&str] = &["db", "db3", "duckdb", "mdb", "rdb", "sqlite", "sqlite3"];
    // Certificates of Traefik, and what programs call their state.
    const NAMES: &[&str] = &[
        "acme.json",
        "data.json",
        "database.json",
        "db.json",
        "state.json",
        "storage.json",
        "store.json",
    ];
    let name = path.rsplit('/').next().unwrap_or_default();
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    ENDINGS.contains(&ending) || NAMES.contains(&name)
}

/// Whether a folder of a container has data alone, by its name.
pub(super) fn is_data_folder(folder: &str) -> bool {
    const NAMES: &[&str] = &[
        "data",
        "database",
        "databases",
        "db",
        "persist",
        "persistent",
        "sqlite",
        "state",
        "storage",
        "store",
    ];
    let name = folder.rsplit('/').next().unwrap_or_default();
    NAMES.contains(&name)
        || ["/var/lib/", "/data/", "/srv/"].iter().any(|begin| folder.starts_with(begin))
}

/// Whether the files of a folder are settings, rather than data.
pub(super) fn is_settings(mount: &Mount) -> bool {
    mount.read_only
        || mount.target.starts_with("/etc/")
        || mount.target.starts_with("/docker-entrypoint-initdb.d")
}

/// Whether a path that cannot be looked at is that of a file.
pub(super) fn is_file(path: &str, target: &str) -> bool {
    const ENDINGS: &[&str] = &[
        "cfg",
        "cnf",
        "conf",
        "crt",
        "css",
        "env",
        "html",
        "ini",
        "js",
        "json",
        "key",
        "pem",
        "php",
        "properties",
        "py",
        "sh",
        "sock",
        "sql",
        "toml",
        "txt",
        "xml",
        "yaml",
        "yml",
    ];
    let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let ending = |path: &str| {
        name(path).rsplit_once('.').is_some_and(|(_, ending)| ENDINGS.contains(&ending))
    };
    ending(path)
        || ending(target)
        || is_data_name(path)
        || is_data_name(target)
        || name(path) == "Caddyfile"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_told_by_name_and_content() {
        let text = Named::Text("x".into());
        for (path, read_only, named, data) in [
            ("db.sqlite3", false, &text, true),
            ("db.sqlite3", false, &Named::Missing, true),
            ("db.sqlite3", true, &text, false),
            ("seed", false, &Named::Database, true),
            ("seed", true, &Named::Database, false),
            ("acme.json", false, &text, true),
            ("config.json", false, &text, false),
            ("app.db", false, &Named::Folder(None), false),
        ] {
            let mount = Mount {
                source: path.into(),
                written: path.into(),
                target: format!("/app/{path}"),
                read_only,
                is_tmpfs: false,
                size: None,
                position: None,
            };
            assert_eq!(is_data(path, &mount, named), data, "{path}");
        }
        for (folder, data) in [
            ("/app", false),
            ("/app/data", true),
            ("/var/lib/x", true),
            ("", false),
            ("/etc", false),
        ] {
            assert_eq!(is_data_folder(folder), data, "{folder}");
        }
    }
}
