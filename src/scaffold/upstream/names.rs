//! Names of what a recipe has: short, of letters that docker and shells take.

/// Docker allows 64 bytes for a secret's name, the app's and the version's included.
const LONGEST_SECRET: usize = 20;
/// How a secret is made that only the app itself knows.
pub const RANDOM: &str = "length=32 charset=hex";
/// The same where the image wants more of it.
pub const LONG: &str = "length=64 charset=hex";
/// Of a secret that someone else gives.
pub const GIVEN: &str = "generate=false";

/// Lower-case letters and digits, all else as one `dash`.
pub fn plain(text: &str, dash: char) -> String {
    let mut out = String::new();
    for c in text.chars() {
        let c = if c.is_ascii_alphanumeric() {
            c.to_ascii_lowercase()
        } else if c == '_' && dash == '-' {
            '_'
        } else {
            dash
        };
        if !(c == dash && out.ends_with(dash)) {
            out.push(c);
        }
    }
    out.trim_matches(['-', '_']).to_owned()
}

/// The name of a secret: `db_password` of `DB_PASSWORD`.
pub fn secret(text: &str) -> String {
    let name = plain(text, '_');
    let mut words: Vec<&str> = name.split('_').filter(|word| !word.is_empty()).collect();
    while words.len() > 1 && words.join("_").len() > LONGEST_SECRET {
        words.remove(0);
    }
    let mut name = words.join("_");
    name.truncate(LONGEST_SECRET);
    if name.is_empty() { "secret".into() } else { name }
}

/// The name of a config; its version is a variable, which begins with no digit.
pub fn config(text: &str) -> String {
    let name = plain(text, '_');
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("config_{name}") } else { name }
}

/// The name, with a number behind it if it is taken.
pub fn unique(name: &str, taken: &dyn Fn(&str) -> bool) -> String {
    let base = if name.is_empty() { "config" } else { name };
    let mut unique = base.to_owned();
    let mut number = 2;
    while taken(&unique) {
        unique = format!("{base}_{number}");
        number += 1;
    }
    unique
}

/// A setting of this name: those that potluck reads itself are others.
pub fn setting(name: &str) -> String {
    const OURS: &[&str] = &[
        "TYPE",
        "RECIPE",
        "PORT",
        "STACK_NAME",
        "COMPOSE_FILE",
        "TIMEOUT",
        "VERSION",
        "LETS_ENCRYPT_ENV",
        "EXTRA_DOMAINS",
    ];
    match OURS.contains(&name) || name.starts_with("SECRET_") && name.ends_with("_VERSION") {
        true => format!("APP_{name}"),
        false => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_plain() {
        for (given, name) in [
            ("DB_PASSWORD", "db_password"),
            ("GITEA__database__PASSWD", "database_passwd"),
            ("SYMFONY__ENV__DATABASE_PASSWORD", "database_password"),
            ("my-secret.txt", "my_secret_txt"),
            ("ACTIVE_RECORD_ENCRYPTION_DETERMINISTIC_KEY", "deterministic_key"),
            ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaaaaaa"),
            ("!", "secret"),
        ] {
            assert_eq!(secret(given), name);
        }
        assert_eq!(plain("Model Cache__x", '-'), "model-cache__x");
        assert_eq!(setting("VERSION"), "APP_VERSION");
        assert_eq!(config("01-init.sql"), "config_01_init_sql");
        assert_eq!(config("app.ini"), "app_ini");
    }
}
