//! What a function of `abra.sh` seems to need as a plugin: a guess from its
//! words, for a person to look through.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    home::Grant,
    recipe::abra::{Function, store_of},
};

/// Facts about a recipe beside the function.
#[derive(Debug, Clone, Default)]
pub struct Hints {
    /// Keys of the services and the images they run, tags left out.
    pub services: BTreeMap<String, String>,
    /// Text that shows how functions are called: the README, the sample
    /// of settings.
    pub usage: String,
    /// Keys that `.env.sample` and the exports of `abra.sh` have.
    pub settings: BTreeSet<String>,
    /// Keys of the secrets that the compose files have.
    pub secrets: BTreeSet<String>,
}

/// A guess.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guess {
    /// The service that abra runs the function in; none if it runs on the
    /// operator's machine (`--local`), or the place is unknown.
    pub service: Option<String>,
    /// Whether it runs on the operator's machine, with all their rights.
    pub is_local: bool,
    pub grants: BTreeSet<Grant>,
    /// Settings that it reads, `DOMAIN`.
    pub settings: BTreeSet<String>,
    /// Secrets that it reads where they are mounted, in `/run/secrets`.
    pub secrets: BTreeSet<String>,
    /// How many arguments it reads, `$1` and so on.
    pub parameters: usize,
    /// Whether it passes on all of its arguments, `"$@"`.
    pub takes_more: bool,
    /// What a plugin cannot do in this way.
    pub remarks: Vec<String>,
}

/// Programs of databases, and the names of their services' images.
const CLIENTS: [(&str, &[&str]); 8] = [
    ("psql", &["postgres", "pgvector", "postgis"]),
    ("pg_dump", &["postgres", "pgvector", "postgis"]),
    ("pg_restore", &["postgres", "pgvector", "postgis"]),
    ("mysql", &["mariadb", "mysql"]),
    ("mysqldump", &["mariadb", "mysql"]),
    ("mariadb", &["mariadb", "mysql"]),
    ("mariadb-dump", &["mariadb", "mysql"]),
    ("redis-cli", &["redis", "valkey"]),
];
/// The key of a service that keeps an app's data, where its image says nothing.
const STORE: &str = "db";
/// Settings that every app has.
const OF_EVERY_APP: [&str; 2] = ["DOMAIN", "STACK_NAME"];
/// What shells, containers and abra set by themselves.
const OF_NO_RECIPE: &str = "HOME PATH PWD OLDPWD USER UID IFS RANDOM SECONDS HOSTNAME SHELL TERM OPTARG OPTIND \
     PIPESTATUS BASH_SOURCE FUNCNAME LINENO REPLY EDITOR TMPDIR APP_NAME TARGET ABRA_DIR";
/// More than a function has.
const MAX_PARAMETERS: usize = 20;

/// Guesses what a function needs.
pub fn guess(function: &Function, hints: &Hints) -> Guess {
    let text = &function.body;
    let words: Vec<&str> = text.split(is_between).filter(|word| !word.is_empty()).collect();
    let called = how_it_is_called(&function.name, hints);
    let is_local = called == Some(Called::OnOperatorsMachine) || runs_abra(&words);
    let mut guess = Guess {
        service: match called {
            Some(Called::In(service)) => Some(service),
            Some(Called::OnOperatorsMachine) | None => None,
        },
        is_local,
        grants: BTreeSet::new(),
        settings: settings(text, hints),
        secrets: names_behind(text, "/run/secrets/"),
        parameters: parameters(text),
        takes_more: ["$@", "$*", "${@", "${*"].iter().any(|all| text.contains(all)),
        remarks: Vec::new(),
    };
    for (client, images) in CLIENTS {
        if words.contains(&client) {
            let is_store = |image: &str| is_one_of(image, images);
            let known = hints.services.values().any(|image| is_store(image));
            let stores = hints.services.iter().filter(|(key, image)| {
                if known { is_store(image) } else { *key == STORE && client != "redis-cli" }
            });
            guess.grants.extend(stores.map(|(key, _)| Grant::Exec(key.clone())));
        }
    }
    for key in hints.services.keys() {
        if names_service(&words, key) {
            guess.grants.insert(Grant::Exec(key.clone()));
        }
    }
    if !is_local && guess.service.is_none() {
        let main = ["app", "web"].into_iter().find(|key| hints.services.contains_key(*key));
        guess.service = store_of(function, &hints.services)
            .or_else(|| main.map(str::to_owned))
            .or_else(|| hints.services.keys().next().cloned());
    }
    guess.grants.extend(guess.service.clone().map(Grant::Exec));
    if is_local {
        guess.grants.extend(secrets_stored(&words));
        guess.grants.extend(origins(text));
    }
    remarks(&words, &mut guess);
    abras_own(text, &mut guess);
    unknown(text, hints, &mut guess);
    guess
}

fn is_between(c: char) -> bool {
    c.is_whitespace() || matches!(c, ';' | '|' | '&' | '(' | ')' | '"' | '\'' | '`' | '<' | '>')
}

fn runs_abra(words: &[&str]) -> bool {
    words.windows(2).any(|pair| pair == ["abra", "app"])
}

/// Where a function is called.
#[derive(Debug, PartialEq, Eq)]
enum Called {
    /// In a service: `abra app cmd DOMAIN SERVICE NAME`, or
    /// `POST_DEPLOY_CMDS="SERVICE NAME|…"`.
    In(String),
    /// `--local`.
    OnOperatorsMachine,
}

/// Where instructions call it; none when they don't.
fn how_it_is_called(name: &str, hints: &Hints) -> Option<Called> {
    for line in hints.usage.lines() {
        let words: Vec<&str> =
            line.split(|c: char| is_between(c) || c == '=').filter(|w| !w.is_empty()).collect();
        let Some(place) = words.iter().position(|word| *word == name) else { continue };
        if line.contains("--local") || words.contains(&"-l") {
            return Some(Called::OnOperatorsMachine);
        }
        let before = place.checked_sub(1).and_then(|before| words.get(before));
        if let Some(service) = before.filter(|word| hints.services.contains_key(**word)) {
            return Some(Called::In((*service).to_owned()));
        }
    }
    None
}

fn is_one_of(image: &str, names: &[&str]) -> bool {
    let last = image.rsplit('/').next().unwrap_or(image);
    names.iter().any(|name| last.starts_with(name))
}

/// `abra app run DOMAIN db`, `${STACK_NAME}_db`.
fn names_service(words: &[&str], key: &str) -> bool {
    let of_stack = [format!("${{STACK_NAME}}_{key}"), format!("$STACK_NAME_{key}")];
    words.iter().any(|word| of_stack.iter().any(|name| word.contains(name.as_str())))
        || words.windows(5).any(|run| {
            matches!(run, ["abra", "app", "run" | "cp" | "restart", ..])
                && run[3..].iter().any(|word| word.split(':').next() == Some(key))
        })
}

/// The names in `abra app secret insert DOMAIN NAME`.
fn secrets_stored(words: &[&str]) -> Vec<Grant> {
    let named = |run: &[&str]| match run {
        ["abra", "app", "secret", "insert" | "generate", _, name]
            if !name.starts_with(['-', '$']) =>
        {
            Some(Grant::Secret((*name).to_owned()))
        }
        _ => None,
    };
    words.windows(6).filter_map(named).collect()
}

/// Settings of the app, `$DOMAIN`, `${SMTP_HOST}`; other variables are the shell's
/// or the container's.
fn settings(text: &str, hints: &Hints) -> BTreeSet<String> {
    let mut found = variables(text);
    found.retain(|name| {
        (OF_EVERY_APP.contains(&name.as_str()) || hints.settings.contains(name))
            && !text.contains(&format!("{name}="))
    });
    found
}

fn variables(text: &str) -> BTreeSet<String> {
    let mut found = names_behind(text, "$");
    found.extend(names_behind(text, "${"));
    found.into_iter().map(|name| name.split('-').next().unwrap_or_default().to_owned()).collect()
}

/// What abra alone sets (`RunCmdRemote`, and for `--local`).
fn abras_own(text: &str, guess: &mut Guess) {
    let variables = variables(text);
    for (name, instead) in [
        ("APP_NAME", "it is `facts().name` in a plugin"),
        ("TARGET", "it is the service that abra ran the function in, or `local`"),
    ] {
        if variables.contains(name) && !guess.settings.contains(name) {
            guess.remarks.push(format!("`{name}` is not a setting: {instead}"));
        }
    }
    if guess.takes_more {
        guess.remarks.push(
            "the function takes any number of arguments (`$@`): list the ones that the command \
             needs"
                .into(),
        );
    }
}

/// Names that the recipe does not define.
fn unknown(text: &str, hints: &Hints, guess: &mut Guess) {
    let of_no_recipe = |name: &str| OF_NO_RECIPE.split_whitespace().any(|other| other == name);
    let is_setting = |name: &String| {
        name.len() > 1
            && name.starts_with(|c: char| c.is_ascii_uppercase())
            && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
    };
    for name in variables(text).iter().filter(|name| is_setting(name)) {
        let set_here = text.contains(&format!("{name}=")) || text.contains(&format!("read {name}"));
        if !guess.settings.contains(name) && !set_here && !of_no_recipe(name) {
            guess.remarks.push(format!(
                "`{name}` is in neither `.env.sample` nor the exports: the container's own, or a \
                 setting to add"
            ));
        }
    }
    for name in guess.secrets.difference(&hints.secrets) {
        guess.remarks.push(format!("the compose files have no secret `{name}`"));
    }
}

fn names_behind(text: &str, prefix: &str) -> BTreeSet<String> {
    let names = text.match_indices(prefix).map(|(at, _)| {
        let rest = &text[at + prefix.len()..];
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-'));
        rest[..end.unwrap_or(rest.len())].to_owned()
    });
    names.filter(|name| !name.is_empty()).collect()
}

fn parameters(text: &str) -> usize {
    let used = names_behind(text, "$").into_iter().chain(names_behind(text, "${"));
    used.filter_map(|name| name.parse().ok()).max().unwrap_or(0).min(MAX_PARAMETERS)
}

/// Origins that the function fetches from.
fn origins(text: &str) -> Vec<Grant> {
    ["https://", "http://"]
        .into_iter()
        .flat_map(|scheme| {
            text.match_indices(scheme).filter_map(move |(at, _)| {
                let rest = &text[at + scheme.len()..];
                let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || ".-:".contains(c)));
                format!("http: {scheme}{}", &rest[..end.unwrap_or(rest.len())]).parse().ok()
            })
        })
        .collect()
}

fn remarks(words: &[&str], guess: &mut Guess) {
    let has = |word: &str| words.contains(&word);
    let mut say = |remark: &str| guess.remarks.push(remark.to_owned());
    if has("openssl") || has("pwgen") || has("head") && has("/dev/urandom") {
        say(
            "it makes random values: `tools` does that in a plugin; a secret is better made by the \
             recipe's `.env.sample` (`# length=…`)",
        );
    }
    if has("docker") {
        say("it speaks to Docker itself, which no plugin can: use `services` instead");
    }
    if has("read") || has("-it") {
        say("it asks the person at the terminal: take a parameter instead");
    }
    if has("envsubst") || has("gomplate") {
        say("it fills in a template: swarm can do that for a config (`template_driver: golang`)");
    }
    if guess.is_local {
        say("it ran on the operator's machine with all their rights; a plugin has none of these");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::abra::functions;

    fn hints() -> Hints {
        let services =
            [("app", "nextcloud"), ("db", "docker.io/library/postgres"), ("cache", "redis")];
        Hints {
            services: services.map(|(key, image)| (key.into(), image.into())).into(),
            usage: "- run `abra app cmd --local <domain> make_keys`\n\
                    - `abra app command <domain> cache flush now`\n\
                    POST_DEPLOY_CMDS=\"db vacuum|app install_apps calendar\"\n"
                .into(),
            settings: ["SMTP_HOST", "X"].map(str::to_owned).into(),
            secrets: ["db_password"].map(str::to_owned).into(),
        }
    }

    fn of(script: &str) -> (Guess, Vec<String>) {
        let guess = guess(&functions(script)[0], &hints());
        let grants = guess.grants.iter().map(ToString::to_string).collect();
        (guess, grants)
    }

    #[test]
    fn the_service_is_where_instructions_call_it() {
        for (script, service, grants) in [
            ("flush() { redis-cli flushall; }", Some("cache"), &["exec: cache"][..]),
            ("vacuum() { psql -c vacuum; }", Some("db"), &["exec: db"]),
            ("install_apps() { occ app:install $1; }", Some("app"), &["exec: app"]),
            ("unnamed() { echo; }", Some("app"), &["exec: app"]),
            ("dump() { pg_dump | gzip; }", Some("app"), &["exec: app", "exec: db"]),
            (
                "make_keys() { abra app secret insert $D private_key v1 \"$k\"; }",
                None,
                &["secret: private_key"],
            ),
            ("put() { abra app run $D db -- psql; }", None, &["exec: db"]),
            (
                "get() { abra app cp $D app:/x .; curl https://a.example:8443/x; }",
                None,
                &["exec: app", "http: https://a.example:8443"],
            ),
        ] {
            let (guess, found) = of(script);
            assert_eq!(guess.service.as_deref(), service, "{script}");
            assert_eq!(guess.is_local, service.is_none(), "{script}");
            assert_eq!(found, grants, "{script}");
        }
    }

    #[test]
    fn settings_secrets_and_arguments_are_seen() {
        let (guess, _) = of(
            "f() {\n  X=1\n  su -c \"occ $1 ${DOMAIN} ${SMTP_HOST:-x} $X $HOME $2\"\n  cat /run/secrets/db_password\n}",
        );
        assert_eq!(guess.settings, ["DOMAIN", "SMTP_HOST"].map(str::to_owned).into());
        assert_eq!(guess.secrets, ["db_password".to_owned()].into());
        assert_eq!(guess.parameters, 2);
        assert!(!guess.takes_more && guess.remarks.is_empty(), "{:?}", guess.remarks);
    }

    #[test]
    fn what_abra_alone_has_is_no_setting() {
        let (guess, _) = of("f() { occ $1 \"$@\" $APP_NAME ${TARGET}; }");
        assert!(guess.settings.is_empty() && guess.takes_more, "{guess:?}");
        for (remark, word) in guess.remarks.iter().zip(["facts().name", "TARGET", "$@"]) {
            assert!(remark.contains(word), "{remark}");
        }
        assert_eq!((guess.parameters, guess.remarks.len()), (1, 3));
    }

    #[test]
    fn what_the_recipe_does_not_have_is_said() {
        let (guess, _) = of(
            "f() { OWN=1; occ $OWN $POSTGRES_USER $USER $lower; cat /run/secrets/db_password /run/secrets/oidc; }",
        );
        let [setting, secret] = guess.remarks.as_slice() else { panic!("{:?}", guess.remarks) };
        assert!(setting.contains("`POSTGRES_USER` is in neither"), "{setting}");
        assert_eq!(secret, "the compose files have no secret `oidc`");
    }

    #[test]
    fn a_store_whose_image_says_nothing_is_known_by_its_key() {
        let mut hints = hints();
        hints.services.insert("db".into(), "registry.example/our/store".into());
        let function = &functions("rotate() { mysql -u root; }")[0];
        let grants: Vec<_> =
            guess(function, &hints).grants.iter().map(ToString::to_string).collect();
        assert_eq!(grants, ["exec: app", "exec: db"]);
    }

    #[test]
    fn what_no_plugin_can_do_is_said() {
        let (guess, _) = of("f() { docker exec -it x; openssl rand -hex 8; }");
        assert_eq!(guess.remarks.len(), 3);
    }
}
