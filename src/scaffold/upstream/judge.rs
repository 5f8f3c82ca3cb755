//! Which variables hold secrets, judged by name and value: `DB_PASSWORD` does, `PUBLIC_KEY`,
//! `TOKEN_EXPIRY` and `PASSWORD_FILE` do not.

/// Words at the end of a name whose value is a secret.
const LAST: &[&str] = &[
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "PASSCODE",
    "PASS",
    "PWD",
    "PW",
    "SECRET",
    "SECRETS",
    "TOKEN",
    "APIKEY",
    "SALT",
    "PEPPER",
    "CREDENTIALS",
    "SECRETKEY",
    "HTPASSWD",
    "PASSWORDSALT",
];
/// Words before a last `KEY` that make it a secret one.
const KEYS: &[&str] = &[
    "ACCESS",
    "ADMIN",
    "API",
    "APP",
    "AUTH",
    "CRYPTO",
    "ENCRYPTION",
    "ENC",
    "HMAC",
    "JWT",
    "LICENSE",
    "MASTER",
    "PRIVATE",
    "SECRET",
    "SESSION",
    "SIGNING",
    "VAULT",
    "DETERMINISTIC",
    "PRIMARY",
];
/// Words that say that a secret comes from elsewhere: nobody here can make one up.
const ELSEWHERE: &[&str] = &[
    "API",
    "APIKEY",
    "AWS",
    "AZURE",
    "BOT",
    "CAPTCHA",
    "CLIENT",
    "CLOUDFLARE",
    "DISCORD",
    "FACEBOOK",
    "GITHUB",
    "GITLAB",
    "GOOGLE",
    "HCAPTCHA",
    "LDAP",
    "LICENSE",
    "MAIL",
    "MAILER",
    "MAILGUN",
    "MAXMIND",
    "OAUTH",
    "OIDC",
    "OPENAI",
    "POSTMARK",
    "PRIVATE",
    "PUSH",
    "RECAPTCHA",
    "S3",
    "SAML",
    "SENDGRID",
    "SENTRY",
    "SES",
    "SLACK",
    "SMTP",
    "STRIPE",
    "TELEGRAM",
    "TUNNEL",
    "TURNSTILE",
    "TWILIO",
    "TWITTER",
    "VAPID",
    "MANDRILL",
    "GENERIC",
    "PRIMARY",
    "DETERMINISTIC",
    "DERIVATION",
    "EMAIL",
    "DEEPL",
    "PROVIDER",
];

/// Where the value of a secret comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Both ends are in the app: any random text will do.
    Own,
    /// Someone else gives it.
    Elsewhere,
}

fn words(name: &str) -> Vec<String> {
    let mut apart = String::new();
    for c in name.chars() {
        // `apiToken` is of two words.
        if c.is_ascii_uppercase() && apart.ends_with(|c: char| c.is_ascii_lowercase()) {
            apart.push('_');
        }
        apart.push(c);
    }
    let upper = apart.to_ascii_uppercase();
    upper.split(['_', '-', '.']).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// Whether a variable of this name holds a secret.
pub fn is_secret_name(name: &str) -> bool {
    // What is done with passwords, and not one of them.
    const VERBS: &[&str] =
        &["ALLOW", "CHANGE", "DISABLE", "ENABLE", "FORGOT", "RANDOM", "REQUIRE", "RESET", "SHOW"];
    let words = words(name);
    if words.iter().any(|word| VERBS.contains(&word.as_str())) {
        return false;
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        // The working folder.
        [] | ["PWD" | "PW" | "PASS"] => false,
        // Rails.
        [.., "SECRET", "KEY", "BASE"] | [.., "AUTHKEY"] => true,
        [.., before, "KEY"] => KEYS.contains(before) || before.ends_with("SECRET"),
        [.., "KEY", "PASSWORD" | "PASSPHRASE"] => true,
        // Key pairs of WordPress and the like.
        [.., last] => LAST.contains(last) || ends_as_password(last) || last.ends_with("SECRET"),
    }
}

/// Whether a variable holds a secret, judged by its value, too: an empty one is to be set.
pub fn is_secret(name: &str, value: &str) -> bool {
    if has_private_key(value) {
        return true;
    }
    let is_key = words(name).last().is_some_and(|word| word.ends_with("KEY"));
    is_secret_name(name) && (value.is_empty() || is_secret_value(value))
        || is_key && is_placeholder(value)
}

/// Whether a text has a private key in it (RFC 7468, and the formats of OpenSSH and OpenPGP).
pub fn has_private_key(text: &str) -> bool {
    let mut lines = text.split("-----BEGIN ").skip(1);
    lines.any(|rest| rest.split("-----").next().is_some_and(|it| it.contains("PRIVATE KEY")))
}

/// `changeme`, `your-secret-here`: what a person is to replace.
fn is_placeholder(value: &str) -> bool {
    const WORDS: &[&str] = &[
        "changeme",
        "changethis",
        "changeit",
        "generateme",
        "insecure",
        "replaceme",
        "replacethis",
        "replacewith",
        "secretkey",
        "somesecret",
        "supersecret",
        "topsecret",
        "yoursecret",
        "yourkey",
        "yourpassword",
    ];
    let plain: String =
        value.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    is_secret_value(value) && WORDS.iter().any(|word| plain.contains(word))
}

/// `DBPASS`, `ROOTPASSWORD`.
fn ends_as_password(word: &str) -> bool {
    let is_other = ["BYPASS", "COMPASS"].contains(&word);
    !is_other && ["PASS", "PASSWORD", "PASSWD"].iter().any(|end| word.ends_with(end))
}

/// Whether a server of this name often asks for no password, so that an empty one is right.
pub fn is_often_open(name: &str) -> bool {
    const SERVERS: &[&str] =
        &["CACHE", "ELASTIC", "ELASTICSEARCH", "MEMCACHED", "OPENSEARCH", "REDIS", "VALKEY"];
    words(name).iter().any(|word| SERVERS.contains(&word.as_str()))
}

/// Whether two variables with one value mean one thing: passwords do, where a key that
/// happens to have the same placeholder does not.
pub fn is_password_name(name: &str) -> bool {
    let words = words(name);
    let password =
        |word: &String| word.starts_with("PASS") || ends_as_password(word) || word == "PWD";
    words.last().is_some_and(password)
}

pub fn is_root(name: &str) -> bool {
    words(name).iter().any(|word| word == "ROOT")
}

pub fn origin(name: &str) -> Origin {
    let words = words(name);
    match words.iter().any(|word| ELSEWHERE.contains(&word.as_str())) {
        true => Origin::Elsewhere,
        false => Origin::Own,
    }
}

/// Switches, numbers of seconds, paths and addresses are not secret.
pub fn is_secret_value(value: &str) -> bool {
    const SWITCHES: &[&str] =
        &["true", "false", "yes", "no", "on", "off", "none", "null", "0", "1"];
    let value = value.trim();
    !SWITCHES.contains(&value.to_ascii_lowercase().as_str())
        && !value.starts_with('/')
        && !value.starts_with("./")
        && !value.contains("://")
}

/// Where the password is in an address such as `postgres://user:password@host`.
pub fn in_address(address: &str) -> Option<std::ops::Range<usize>> {
    let scheme = address.find("://")?;
    let letters = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    if !address[..scheme].chars().all(letters) {
        return None;
    }
    let begin = scheme + 3;
    let mut depth = 0_usize;
    let mut colon = None;
    let mut at = None;
    for (index, c) in address[begin..].char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ if depth > 0 => {}
            ':' if colon.is_none() => colon = Some(begin + index),
            '@' => at = Some(begin + index),
            '/' | '?' | '#' | ' ' => break,
            _ => {}
        }
    }
    let (colon, at) = (colon?, at?);
    (colon + 1 < at).then_some(colon + 1..at)
}

/// The host of an address, or of a list such as `Server=db;Password=x`.
pub fn host_in(text: &str) -> Option<String> {
    let host = match text.split_once("://") {
        Some((_, rest)) => {
            let authority = rest.split(['/', '?', '#', ' ']).next()?;
            authority.rsplit('@').next()?
        }
        None => text.split([';', '&', ' ']).find_map(|part| {
            let (key, value) = part.split_once('=')?;
            let key = key.rsplit(':').next()?.to_ascii_lowercase();
            ["host", "server"].contains(&key.as_str()).then_some(value)
        })?,
    };
    let host = host.split([':', ',']).next()?;
    (!host.is_empty()).then(|| host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_told_by_name() {
        for (names, secret) in [
            (
                "DB_PASSWORD MYSQL_ROOT_PASSWORD SECRET_KEY SECRET_KEY_BASE APP_KEY API_KEY \
                 JWT_SECRET ADMIN_TOKEN \
                 GITEA__database__PASSWD OTP_SECRET N8N_ENCRYPTION_KEY PG_PASS HASH_SALT VAPID_PRIVATE_KEY \
                 PAPERLESS_SECRET_KEY apiToken sessionSecret SMTP_USER_PWD TOTP_VAULT_KEY SYMFONY__ENV__DATABASE_PASSWORD \
                 PAPERLESS_DBPASS",
                true,
            ),
            (
                "PUBLIC_KEY VAPID_PUBLIC_KEY DB_PASSWORD_FILE TOKEN_EXPIRY PASSWORD_LENGTH \
                 ACCESS_KEY_ID SORT_KEY \
                 PWD ALLOW_EMPTY_PASSWORD DB_USER SECRET_NAME KEY REDIS_KEY_PREFIX SSH_PORT \
                 CACHE_BYPASS",
                false,
            ),
        ] {
            for name in names.split_whitespace() {
                assert_eq!(is_secret_name(name), secret, "{name}");
            }
        }
        assert_eq!(origin("SMTP_PASSWORD"), Origin::Elsewhere);
        assert_eq!(origin("DB_PASSWORD"), Origin::Own);
    }

    #[test]
    fn hosts_are_found_in_addresses_and_lists() {
        for (text, host) in [
            ("redis://:x@cache:6379/0", Some("cache")),
            ("jdbc:mysql://db/x?user=u&password=p", Some("db")),
            ("Server=db,1433;Password=x", Some("db")),
            ("mysql:host=db;password=x", Some("db")),
            ("{\"password\":\"x\"}", None),
        ] {
            assert_eq!(host_in(text).as_deref(), host, "{text}");
        }
    }

    #[test]
    fn placeholders_make_a_key_a_secret() {
        for (name, value, secret) in [
            ("DB_PASSWORD", "", true),
            ("DB_PASSWORD", "true", false),
            ("COOKIE_KEY", "change-me!", true),
            ("COOKIE_KEY", "<YOUR_SECRET_HERE>", true),
            ("COOKIE_KEY", "/etc/changeme.pem", false),
            ("COOKIE_KEY", "session", false),
            ("COOKIE_KEY", "", false),
            ("TITLE", "changeme", false),
        ] {
            assert_eq!(is_secret(name, value), secret, "{name}={value}");
        }
    }

    #[test]
    fn passwords_are_found_in_addresses() {
        for (text, password) in [
            ("postgres://me:hunter2@db:5432/x", Some("hunter2")),
            ("redis://:s3@redis:6379/0", Some("s3")),
            ("postgres://${U:-a}:${P:-b}@db/x", Some("${P:-b}")),
            ("redis://redis:6379", None),
            ("postgres://me@db/x", None),
            ("postgres://me:@db/x", None),
            ("http://example.org/a:b@c", None),
            ("text with :// a:b@c", None),
        ] {
            assert_eq!(in_address(text).map(|range| &text[range]), password, "{text}");
        }
    }
}
