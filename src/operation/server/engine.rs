//! What an engine says of itself and its machine; pure.

use jiff::Timestamp;

use crate::{
    engine::{LogKeeping, api},
    text::line,
    wiring::Finding,
};

/// The oldest engine that potluck is tried with: API 1.41.
const LEAST: (u32, u32) = (20, 10);
/// Seconds between two clocks that are worth a word: a lease is renewed every few seconds.
const APART: i64 = 5;
/// Seconds after which tokens, certificates and leases go wrong.
const FAR_APART: i64 = 60;

/// What it says; `asked` is when it was asked, and when the answer was complete.
pub(super) fn judge(info: &api::SystemInfo, asked: (Timestamp, Timestamp)) -> Vec<Finding> {
    let mut findings = vec![version(info), clock(info, asked)];
    findings.extend(warnings(info));
    findings.extend(security(info));
    if let Some(live) = live_restore(info) {
        findings.push(live);
    }
    findings
}

fn version(info: &api::SystemInfo) -> Finding {
    let name = info.name.as_deref().unwrap_or("the server");
    let version = info.server_version.as_deref().unwrap_or_default();
    let told = format!("{} runs Docker {}", line(name), line(version));
    let mut numbers = version.split(['.', '-', '+', '~']).map(|part| part.parse::<u32>().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(major), Some(minor)) if (major, minor) >= LEAST => Finding::good("engine", told),
        (Some(_), Some(_)) => Finding::bad("engine", told)
            .fix(format!("upgrade it: potluck needs {}.{} or newer", LEAST.0, LEAST.1)),
        _ => Finding::note("engine", format!("{told}, whose age is unknown"))
            .fix(format!("potluck needs {}.{} or newer", LEAST.0, LEAST.1)),
    }
}

fn clock(info: &api::SystemInfo, (before, after): (Timestamp, Timestamp)) -> Finding {
    let theirs = info.system_time.as_deref().and_then(|time| time.parse::<Timestamp>().ok());
    let Some(theirs) = theirs else {
        return Finding::note("clock", "the server does not tell the time");
    };
    // Anything in between may be right.
    let apart = if theirs < before {
        theirs.as_second() - before.as_second()
    } else if theirs > after {
        theirs.as_second() - after.as_second()
    } else {
        0
    };
    let way = if apart > 0 { "ahead of" } else { "behind" };
    let told = format!("its clock is {} s {way} this machine's", apart.abs());
    let fix = "set both clocks by NTP (`timedatectl set-ntp true`)";
    match apart.abs() {
        0..=APART => Finding::good("clock", "its clock agrees with this machine's"),
        ..=FAR_APART => Finding::note("clock", told).fix(fix),
        _ => Finding::bad("clock", told).fix(fix),
    }
}

/// What the engine itself warns of.
fn warnings(info: &api::SystemInfo) -> Vec<Finding> {
    let texts = info.warnings.iter().flatten().map(|text| text.trim());
    let finding = |text: &str| {
        let text = text.strip_prefix("WARNING: ").unwrap_or(text);
        let told = format!("the engine warns: {}", line(text));
        if text.contains("API is accessible on http") {
            return Finding::bad("security", told).fix(
                "anyone who reaches this port is root there: remove `-H tcp://…` from the \
                 engine's options; potluck needs SSH only",
            );
        }
        if text.contains("bridge-nf-call-ip") {
            let fix = "`modprobe br_netfilter`, and set what it names to 1 with `sysctl -w`";
            return Finding::note("kernel", told).fix(fix);
        }
        Finding::note("kernel", told)
    };
    texts.filter(|text| !text.is_empty()).map(finding).collect()
}

/// What keeps containers from the machine, and strangers from the images.
fn security(info: &api::SystemInfo) -> Vec<Finding> {
    let mut findings = Vec::new();
    let options: Vec<&str> = info.security_options.iter().flatten().map(String::as_str).collect();
    let has = |name: &str| {
        let named = |option: &&str| {
            option.split(',').any(|part| part.strip_prefix("name=").unwrap_or(part) == name)
        };
        options.iter().find(|option| named(option)).copied()
    };
    if has("rootless").is_some() {
        let told = "the engine runs without root: it has no overlay networks";
        findings.push(Finding::bad("security", told).fix(
            "swarm needs the engine of the system; `systemctl enable --now docker` starts it",
        ));
    }
    match has("seccomp") {
        None => findings.push(
            Finding::bad("security", "containers may make any system call (no seccomp)")
                .fix("use a kernel and an engine with seccomp: those of Debian have it"),
        ),
        Some(option) if option.contains("profile=unconfined") => findings.push(
            Finding::bad("security", "the engine's own seccomp profile is `unconfined`")
                .fix("remove `seccomp-profile` from /etc/docker/daemon.json"),
        ),
        Some(_) => {
            findings.push(Finding::good("security", "system calls of containers are filtered"));
        }
    }
    if has("apparmor").is_none() && has("selinux").is_none() {
        let told = "containers are confined by neither AppArmor nor SELinux";
        findings.push(
            Finding::note("security", told).fix(
                "`apt install apparmor`, then restart the engine; the kernel needs to have it",
            ),
        );
    }
    if has("userns").is_some() {
        let told = "containers have users of their own (userns-remap)";
        findings.push(Finding::note("security", told).fix(
            "files of volumes belong to shifted users; bind mounts of recipes may not be readable",
        ));
    }
    let insecure = insecure_registries(info);
    if !insecure.is_empty() {
        let told = format!("images come unprotected from {}", line(&insecure.join(", ")));
        findings.push(
            Finding::note("security", told)
                .fix("remove `insecure-registries` from /etc/docker/daemon.json"),
        );
    }
    findings
}

/// Those that are not this machine's own.
fn insecure_registries(info: &api::SystemInfo) -> Vec<String> {
    let Some(config) = &info.registry_config else { return Vec::new() };
    let of_loopback = |name: &str| {
        ["127.", "::1", "[::1]", "localhost"].iter().any(|begin| name.starts_with(begin))
    };
    let ranges = config.insecure_registry_cidrs.iter().flatten().cloned();
    let named = config.index_configs.iter().flatten();
    let named = named.filter(|(_, index)| index.secure == Some(false)).map(|it| it.0.clone());
    let mut all: Vec<String> = ranges.chain(named).filter(|name| !of_loopback(name)).collect();
    all.sort();
    all
}

fn live_restore(info: &api::SystemInfo) -> Option<Finding> {
    let fix = "remove `live-restore` from /etc/docker/daemon.json, then restart the engine";
    let told = "the engine keeps containers running while it restarts (live-restore), which a \
                swarm cannot have";
    (info.live_restore_enabled == Some(true)).then(|| Finding::bad("swarm", told).fix(fix))
}

/// Whether logs have an end, judged by how containers that run keep theirs.
pub(super) fn logs(kept: &[(String, LogKeeping)]) -> Option<Finding> {
    let endless =
        |log: &LogKeeping| log.driver == "json-file" && !log.options.contains_key("max-size");
    let all: Vec<&str> =
        kept.iter().filter(|(_, log)| endless(log)).map(|(name, _)| name.as_str()).collect();
    let first = match all.first() {
        None if kept.is_empty() => return None,
        None => return Some(Finding::good("logs", "logs of containers have a largest size")),
        Some(first) => line(first),
    };
    let told = match all.len() {
        1 => format!("the log of the container {first} grows without end"),
        many => format!("the logs of {many} containers, such as {first}, grow without end"),
    };
    Some(Finding::note("logs", told).fix(
        "`{\"log-driver\": \"local\"}` in /etc/docker/daemon.json, restart the engine, then deploy \
         the apps again with `--force`",
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::wiring::Level;

    fn at(time: &str) -> Timestamp {
        time.parse().unwrap()
    }

    fn judged(info: Value) -> Vec<(&'static str, Level, String)> {
        let mut whole = json!({
            "Name": "web1",
            "ServerVersion": "20.10.24+dfsg1",
            "SystemTime": "2026-11-28T03:00:00.5Z",
            "SecurityOptions": ["name=apparmor", "name=seccomp,profile=default"],
            "RegistryConfig": {"InsecureRegistryCIDRs": ["127.0.0.0/8", "::1/128"]},
        });
        for (key, value) in info.as_object().unwrap() {
            whole[key] = value.clone();
        }
        let info: api::SystemInfo = serde_json::from_value(whole).unwrap();
        let asked = (at("2026-11-28T03:00:00Z"), at("2026-11-28T03:00:01Z"));
        judge(&info, asked).into_iter().map(|it| (it.check, it.level, it.message)).collect()
    }

    /// What is not as it should be.
    fn odd(info: Value) -> Vec<(&'static str, Level, String)> {
        judged(info).into_iter().filter(|it| it.1 != Level::Good).collect()
    }

    #[test]
    fn an_engine_in_order_has_nothing_odd() {
        assert_eq!(odd(json!({})), []);
        let all = judged(json!({}));
        assert!(all.iter().any(|it| it.2 == "web1 runs Docker 20.10.24+dfsg1"), "{all:?}");
    }

    #[test]
    fn what_is_wrong_with_an_engine_is_said() {
        for (info, check, level, part) in [
            (json!({"ServerVersion": "19.03.15"}), "engine", Level::Bad, "Docker 19.03.15"),
            (json!({"ServerVersion": "20.4.0"}), "engine", Level::Bad, "Docker 20.4.0"),
            (json!({"ServerVersion": "dev"}), "engine", Level::Note, "whose age is unknown"),
            (json!({"ServerVersion": "a\u{1b}[2J"}), "engine", Level::Note, "whose age"),
            (json!({"SystemTime": "2026-11-28T02:59:40Z"}), "clock", Level::Note, "20 s behind"),
            (json!({"SystemTime": "2026-11-28T04:00:01Z"}), "clock", Level::Bad, "3600 s ahead"),
            (json!({"SystemTime": "noon"}), "clock", Level::Note, "does not tell"),
            (
                json!({"Warnings": ["WARNING: API is accessible on http://0.0.0.0:2375 without \
                                     encryption.\n  Access to the remote API is root"]}),
                "security",
                Level::Bad,
                "0.0.0.0:2375",
            ),
            (
                json!({"Warnings": ["WARNING: bridge-nf-call-iptables is disabled"]}),
                "kernel",
                Level::Note,
                "bridge-nf-call-iptables",
            ),
            (json!({"SecurityOptions": ["name=apparmor"]}), "security", Level::Bad, "seccomp"),
            (
                json!({"SecurityOptions": ["name=apparmor", "name=seccomp,profile=unconfined"]}),
                "security",
                Level::Bad,
                "unconfined",
            ),
            (
                json!({"SecurityOptions": ["name=seccomp,profile=builtin"]}),
                "security",
                Level::Note,
                "neither AppArmor",
            ),
            (
                json!({"SecurityOptions": ["name=apparmor", "name=seccomp,profile=default",
                                           "name=rootless"]}),
                "security",
                Level::Bad,
                "without root",
            ),
            (
                json!({"RegistryConfig": {"InsecureRegistryCIDRs": ["127.0.0.0/8", "10.0.0.0/8"],
                       "IndexConfigs": {"r.example:5000": {"Name": "r", "Secure": false}}}}),
                "security",
                Level::Note,
                "10.0.0.0/8, r.example:5000",
            ),
            (json!({"LiveRestoreEnabled": true}), "swarm", Level::Bad, "live-restore"),
        ] {
            let found = odd(info.clone());
            let fits =
                |it: &(&str, Level, String)| it.0 == check && it.1 == level && it.2.contains(part);
            assert!(found.len() == 1 && fits(&found[0]), "{info}: {found:?}");
            assert!(!found[0].2.contains(['\n', '\u{1b}']), "{found:?}");
        }
    }

    #[test]
    fn a_log_without_end_is_found_among_others() {
        let log = |name: &str, driver: &str, options: &[(&str, &str)]| {
            let options = options.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
            (name.to_owned(), LogKeeping { driver: driver.to_owned(), options })
        };
        let well = [log("a", "local", &[]), log("b", "json-file", &[("max-size", "10m")])];
        assert_eq!(logs(&[]), None);
        assert_eq!(logs(&well).unwrap().level, Level::Good);
        let one = [well.to_vec(), vec![log("c", "json-file", &[("max-file", "3")])]].concat();
        let found = logs(&one).unwrap();
        assert_eq!(
            (found.level, &*found.message),
            (Level::Note, "the log of the container c grows without end")
        );
        let two = [one, vec![log("d", "json-file", &[])]].concat();
        assert!(logs(&two).unwrap().message.starts_with("the logs of 2 containers, such as c,"));
    }
}
