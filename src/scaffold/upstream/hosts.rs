//! Names of hosts in the environment: those of other services, and the address at which
//! people reach the app.

use super::{
    draft::{Draft, Variable},
    judge::{self, Origin},
    project::Project,
    reference,
};

/// Words of names whose values are hosts.
const HOSTS: &[&str] = &[
    "HOST", "HOSTNAME", "SERVER", "ADDR", "ADDRESS", "BROKER", "ENDPOINT", "SERVERS", "HOSTS",
    "DBHOST",
];
/// Names whose values are the address of the app itself.
const OWN: &[&str] = &[
    "APP_URL",
    "BASE_URL",
    "BASEURL",
    "DOMAIN_NAME",
    "EXTERNAL_URL",
    "LOCAL_DOMAIN",
    "PUBLIC_URL",
    "PUBLICURL",
    "ROOT_URL",
    "SERVER_URL",
    "SITE_URL",
    "URL",
    "WEB_URL",
    "WEBHOOK_URL",
    "HOST_URL",
    "FRONTEND_URL",
    "EDITOR_BASE_URL",
    "PAPERLESS_URL",
    "N8N_HOST",
    "DOMAIN",
    "CMD_DOMAIN",
    "SSH_DOMAIN",
    "WEB_DOMAIN",
    "KC_HOSTNAME",
    "OVERWRITEHOST",
    "TRUSTED_DOMAINS",
    "SUBDOMAIN_URL",
];
/// Hosts that stand for whatever the app's is.
const EXAMPLES: &[&str] =
    &["localhost", "127.0.0.1", "yourhost", "your-domain", "yourdomain", "domain.tld", "example"];

/// Domains that belong to nobody (RFC 2606).
const RESERVED: &[&str] = &["example.com", "example.net", "example.org"];
/// Words of names whose value, a reserved domain as a whole, is the app's own.
const OWN_WORDS: &[&str] = &["DOMAIN", "DOMAINS", "HOST", "HOSTNAME", "HOSTS", "ORIGIN", "URL"];
/// Words of names whose hosts are others'.
const OTHERS: &[&str] =
    &["AUTH", "CDN", "DATABASE", "DB", "IMAP", "MEDIA", "PROXY", "REDIS", "SSO"];
/// Words of names of mail, in whose values an example is of whom it is sent from.
const MAIL: &[&str] = &["EMAIL", "FROM", "MAIL", "MAILER", "SMTP"];

/// Writes the names of services with that of the stack before them, where the service is on a
/// network with other apps: a bare `db` could be another's there.
pub fn services(draft: &mut Draft, project: &Project) {
    let Some(web) = draft.web.clone() else { return };
    let names: Vec<(String, String)> = draft
        .services
        .iter()
        .enumerate()
        .filter(|(index, _)| *index != web.service)
        .map(|(_, service)| (service.key.clone(), service.name.clone()))
        .collect();
    let service = &mut draft.services[web.service];
    let mut changed = vec![];
    for variable in &mut service.env {
        let Some(value) = &variable.value else { continue };
        let resolved = project.resolved(value);
        let upper = variable.key.to_ascii_uppercase();
        let is_host =
            upper.split('_').any(|word| HOSTS.contains(&word)) || upper.ends_with("DBHOST");
        for (key, name) in &names {
            let full = format!("${{STACK_NAME}}_{name}");
            let sole = reference::sole(value).is_some();
            let new = if resolved == *key && is_host {
                Some(full)
            } else if let Some(port) =
                resolved.strip_prefix(&format!("{key}:")).filter(|it| it.parse::<u16>().is_ok())
            {
                Some(format!("{full}:{port}"))
            } else {
                let value = if sole { &resolved } else { value };
                in_address(value, key)
                    .map(|range| format!("{}{full}{}", &value[..range.start], &value[range.end..]))
            };
            if let Some(new) = new {
                changed.push(variable.key.clone());
                variable.value = Some(new);
                break;
            }
        }
    }
    let key = service.key.clone();
    // The same in addresses that are templates.
    let templates: Vec<String> = service.configs.iter().map(|it| it.source.clone()).collect();
    let mut in_template = false;
    for config in draft
        .configs
        .iter()
        .filter(|it| it.template && it.file.ends_with(".tmpl") && templates.contains(&it.name))
    {
        let Some(text) = draft.files.get_mut(&config.file) else { continue };
        for (key, name) in &names {
            if let Some(range) = in_address(text, key) {
                let full = format!("{{{{ env \"STACK_NAME\" }}}}_{name}");
                *text = format!("{}{full}{}", &text[..range.start], &text[range.end..]);
                changed.push(config.file.clone());
                in_template = true;
                break;
            }
        }
    }
    if in_template {
        let env = &mut draft.services[web.service].env;
        if !env.iter().any(|it| it.key == "STACK_NAME") {
            env.push(Variable {
                key: "STACK_NAME".into(),
                value: Some("${STACK_NAME}".into()),
                position: None,
                comment: vec![],
                file: None,
            });
        }
    }
    if !changed.is_empty() {
        draft.log.change(
            &key,
            project.outline.line(draft.services[web.service].at),
            format!("hosts of services have the stack's name before them: {}", changed.join(", ")),
            "on the proxy's network a bare name could be another app's",
        );
    }
}

/// Where the host of an address is, if it is this one.
fn in_address(text: &str, host: &str) -> Option<std::ops::Range<usize>> {
    let scheme = text.find("://")? + 3;
    let rest = &text[scheme..];
    // Braces of a template or variable may be before the host.
    let begin = scheme + rest.rfind('@').map_or(0, |at| at + 1);
    let after = text[begin..].strip_prefix(host)?;
    let ends = after.is_empty() || after.starts_with([':', '/', '?']);
    ends.then(|| begin..begin + host.len())
}

/// Puts the app's domain where the upstream has an example of one.
pub fn own(draft: &mut Draft, project: &Project) {
    let mut changed = vec![];
    for service in &mut draft.services {
        for variable in &mut service.env {
            let upper = variable.key.to_ascii_uppercase();
            let Some(value) = &variable.value else { continue };
            let value_of = project.resolved(value);
            let named = OWN.iter().any(|own| upper == *own || upper.ends_with(&format!("_{own}")))
                || is_own_by_value(&variable.key, &value_of);
            let new = if let Some((scheme, rest)) = value_of.split_once("://") {
                let (host, path) =
                    rest.split_once('/').map_or((rest, ""), |(host, path)| (host, path));
                let slash = if rest.contains('/') { "/" } else { "" };
                let is_web = matches!(scheme, "http" | "https");
                (is_web && named && is_example(host))
                    .then(|| format!("https://${{DOMAIN}}{slash}{path}"))
            } else if named && value_of.is_empty() && reference::sole(value).is_some() {
                let address = upper.contains("URL");
                Some(if address { "https://${DOMAIN}".to_owned() } else { "${DOMAIN}".to_owned() })
            } else {
                (named && is_example(&value_of)).then(|| "${DOMAIN}".to_owned())
            };
            if let Some(new) = new {
                changed.push((
                    service.key.clone(),
                    variable.position.clone(),
                    variable.key.clone(),
                    new.clone(),
                ));
                variable.value = Some(new);
            }
        }
    }
    for (service, position, key, value) in changed {
        draft.log.change(
            &service,
            position,
            format!("{key} is `{value}`"),
            "each app has a domain of its own",
        );
    }
}

/// Whether the whole value is a reserved domain, and the name says that it is a host of the app.
fn is_own_by_value(key: &str, value: &str) -> bool {
    let host = value.split_once("://").map_or(value, |(_, rest)| rest);
    let host = host.split(['/', ':']).next().unwrap_or_default();
    let upper = key.to_ascii_uppercase();
    let has = |words: &[&str]| upper.split('_').any(|word| words.contains(&word));
    is_reserved(host)
        && (has(OWN_WORDS) || upper.ends_with("SERVER_NAME"))
        && !has(OTHERS)
        && judge::origin(key) == Origin::Own
}

fn is_reserved(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    host.chars().all(|c| c.is_ascii_alphanumeric() || ".-".contains(c))
        && RESERVED.iter().any(|it| host == *it || host.ends_with(&format!(".{it}")))
}

/// Says where a reserved domain is left.
pub fn examples(draft: &mut Draft, project: &Project) {
    for service in &draft.services {
        let is_left = |variable: &&Variable| {
            let value = project.resolved(variable.value.as_deref().unwrap_or_default());
            let upper = variable.key.to_ascii_uppercase();
            let is_mail = upper.split('_').any(|word| MAIL.contains(&word)) && value.contains('@');
            let lower = value.to_ascii_lowercase();
            !is_mail && RESERVED.iter().any(|domain| lower.contains(domain))
        };
        let left: Vec<&Variable> = service.env.iter().filter(is_left).collect();
        let Some(first) = left.first() else { continue };
        let names: Vec<&str> = left.iter().map(|it| it.key.as_str()).collect();
        draft.log.decision(
            &service.key,
            first.position.clone(),
            format!("the domain of an example is left in {}", names.join(", ")),
            "write `${DOMAIN}` for the app's own, and a setting for any other",
        );
    }
}

fn is_example(host: &str) -> bool {
    let host = host.split(':').next().unwrap_or_default().to_ascii_lowercase();
    !host.is_empty()
        && (host.starts_with("your-")
            || host.starts_with('<')
            || EXAMPLES.contains(&host.as_str())
            || EXAMPLES.iter().any(|example| host.starts_with(&format!("{example}.")))
            || [
                ".example.com",
                ".example.org",
                ".example.net",
                ".domain.tld",
                ".localhost",
                ".mydomain.com",
                ".mycompany.com",
            ]
            .iter()
            .any(|ending| host.ends_with(ending))
            || ["example.com", "example.org", "example.net"].contains(&host.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserved_domain_is_the_apps_own_where_its_name_says_so() {
        for (key, value, own) in [
            ("GTS_HOST", "example.org", true),
            ("VIRTUAL_HOST", "wiki.example.com", true),
            ("CORS_ORIGIN", "https://wiki.example.com/", true),
            ("SMTP_HOST", "smtp.example.com", false),
            ("DB_HOST", "db.example.com", false),
            ("TITLE", "example.org", false),
            ("GTS_HOST", "matomo.org", false),
            ("ALLOWED_HOSTS", "localhost,wiki.example.com", false),
        ] {
            assert_eq!(is_own_by_value(key, value), own, "{key}={value}");
        }
    }

    #[test]
    fn hosts_are_found_in_addresses() {
        for (text, found) in [
            ("redis://redis:6379", true),
            ("postgres://u:${P}@redis/x", true),
            ("redis://redis2:6379", false),
            ("redis", false),
        ] {
            assert_eq!(in_address(text, "redis").is_some(), found, "{text}");
        }
        assert!(
            is_example("localhost:3000")
                && is_example("cloud.example.com")
                && is_example("your-wiki.wiki.org")
                && !is_example("matomo.org")
        );
    }
}
