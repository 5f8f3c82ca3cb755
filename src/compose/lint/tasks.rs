//! Services that swarm accepts but every node refuses: the service is created,
//! but none of its tasks ever runs. The engine checks a container only where it starts (moby,
//! `daemon/container.go`, `daemon/volume/local`, `daemon/logger`; opencontainers/runc),
//! so a deploy would notice only when its deadline passes. Each case was tried on an engine.
//!
//! This covers only what every Linux node refuses, whatever its kernel, plugins and images.
//! A service without replicas has no tasks, and is not checked. A plain stack is deployed
//! nevertheless, because its other services may run.

use std::{collections::BTreeMap, net::IpAddr};

use super::{Findings, Subject};
use crate::compose::value::{size, volumes};
use crate::{
    compose::model::{CredentialSpec, File, FileReference, Logging, Placed, Service, Ulimit},
    lint::rules,
};

/// Bytes (moby, `daemon/daemon_unix.go`, `linuxMinMemory`).
const LEAST_MEMORY: i64 = 6 << 20;
/// Bytes that Linux keeps of a host's name.
const LONGEST_HOSTNAME: usize = 64;

/// Capabilities of Linux, without `CAP_`; which of them a node supports depends on its kernel.
const CAPABILITIES: &[&str] = &[
    "AUDIT_CONTROL",
    "AUDIT_READ",
    "AUDIT_WRITE",
    "BLOCK_SUSPEND",
    "BPF",
    "CHECKPOINT_RESTORE",
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "IPC_LOCK",
    "IPC_OWNER",
    "KILL",
    "LEASE",
    "LINUX_IMMUTABLE",
    "MAC_ADMIN",
    "MAC_OVERRIDE",
    "MKNOD",
    "NET_ADMIN",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_RAW",
    "PERFMON",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYSLOG",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_CHROOT",
    "SYS_MODULE",
    "SYS_NICE",
    "SYS_PACCT",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "WAKE_ALARM",
];

/// Without `SIG` (moby/sys, `signal/signal_linux.go`); real-time signals are given by
/// number.
const SIGNALS: &[&str] = &[
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL",
    "PIPE", "POLL", "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP",
    "TTIN", "TTOU", "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ", "RTMIN", "RTMAX",
];

const ULIMITS: &[&str] = &[
    "as",
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

/// What a container has of its own (runc, `libcontainer/configs/validate`).
const SYSCTLS: &[&str] = &[
    "kernel.domainname",
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shm_rmid_forced",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
];

/// Options that the engine's own drivers for files know, in any of its versions.
const LOG_OPTIONS: &[&str] = &[
    "cache-compress",
    "cache-disabled",
    "cache-max-file",
    "cache-max-size",
    "compress",
    "env",
    "env-regex",
    "labels",
    "labels-regex",
    "max-buffer-size",
    "max-file",
    "max-size",
    "mode",
    "tag",
];

/// A key of a service, and why no node accepts its value.
type Refusal = (String, String);

pub fn check(subject: Subject<'_>, findings: &mut Findings<'_>) {
    if !is_checked(subject) {
        return;
    }
    for (key, why) in refusals(subject.file, subject.service) {
        let (at, path) = (subject.spot(&key), subject.path(&key));
        findings.push(&rules::TASK_REFUSED, at, path, why);
    }
}

/// Whether it has tasks, and Linux nodes run them.
pub(super) fn is_checked(subject: Subject<'_>) -> bool {
    subject.service.deploy.replicas != Some(0) && !is_of_windows(subject.service)
}

/// Whether it is for nodes that do not run Linux.
fn is_of_windows(service: &Service) -> bool {
    let named = |constraint: &String| constraint.to_lowercase().contains("windows");
    service.deploy.constraints.iter().any(named)
        || !service.isolation.is_empty()
        || service.credential_spec != CredentialSpec::default()
}

fn refusals(file: &File, service: &Service) -> Vec<Refusal> {
    let mut all = Vec::new();
    let mut refuse = |key: &str, why: String| all.push((key.to_owned(), why));
    for (key, names) in [("cap_add", &service.cap_add), ("cap_drop", &service.cap_drop)] {
        for name in unknown_capabilities(names) {
            refuse(key, format!("`{name}` is not a capability of Linux"));
        }
    }
    for (key, references) in [("secrets", &service.secrets), ("configs", &service.configs)] {
        for why in references.iter().flat_map(|Placed { it, .. }| owners(it)) {
            refuse(key, why);
        }
    }
    for (key, references, objects) in
        [("secrets", &service.secrets, &file.secrets), ("configs", &service.configs, &file.configs)]
    {
        for object in references.iter().filter_map(|placed| objects.get(&placed.it.source)) {
            let driver = object.template_driver.as_str();
            if !matches!(driver, "" | "golang") {
                refuse(key, format!("`{driver}` is not a driver of templates: use golang"));
            }
        }
    }
    if service.environment.contains_key("") {
        refuse("environment", "a variable has no name".into());
    }
    for host in &service.extra_hosts {
        if let Some((_, address)) = host.split_once(':')
            && !is_address(address.trim())
        {
            refuse("extra_hosts", format!("`{address}` is not an IP address"));
        }
    }
    if !service.hostname.contains("{{") && service.hostname.len() > LONGEST_HOSTNAME {
        let why = format!(
            "the name has {} bytes; Linux takes {LONGEST_HOSTNAME}",
            service.hostname.len()
        );
        refuse("hostname", why);
    }
    let directory = service.working_dir.as_str();
    if !directory.is_empty() && !volumes::is_absolute(directory) {
        refuse("working_dir", format!("`{directory}` is not an absolute path"));
    }
    if !service.stop_signal.is_empty() && !is_signal(&service.stop_signal) {
        refuse("stop_signal", format!("`{}` is not a signal", service.stop_signal));
    }
    for (name, limit) in &service.ulimits {
        if let Some(why) = ulimit(name, limit) {
            refuse("ulimits", why);
        }
    }
    for name in service.sysctls.keys().filter(|name| !is_own_sysctl(name)) {
        refuse(
            "sysctls",
            format!("`{name}` is a setting of the whole node, which no container may change"),
        );
    }
    if let Some(limits) = &service.deploy.limits
        && (4 << 20..LEAST_MEMORY).contains(&limits.memory)
    {
        let why = format!("{} bytes are too few: a container needs 6 MiB or more", limits.memory);
        refuse("deploy.resources.limits.memory", why);
    }
    if let Some(check) = &service.healthcheck
        && let Some(first) = check.test.first()
        && !check.disable
        && !matches!(first.as_str(), "CMD" | "CMD-SHELL" | "NONE")
    {
        let why = format!(
            "the list begins with `{first}` instead of `CMD` or `CMD-SHELL`: nothing is checked, \
             and swarm waits for ever for the task to be healthy"
        );
        refuse("healthcheck.test", why);
    }
    if let Some(logging) = &service.logging {
        for why in logs(logging) {
            refuse("logging", why);
        }
    }
    if let Some(why) = host_network(file, service) {
        refuse("networks", why);
    }
    for why in mounts(file, service) {
        refuse("volumes", why);
    }
    all
}

/// As they are sent: `ALL` takes the place of all others.
fn unknown_capabilities(names: &[String]) -> impl Iterator<Item = &str> {
    let upper = |name: &str| name.trim().to_uppercase();
    let all = names.iter().any(|name| upper(name) == "ALL");
    names.iter().map(String::as_str).filter(move |name| {
        let name = upper(name);
        let bare = name.strip_prefix("CAP_").unwrap_or(&name);
        !all && name != "RESET" && !CAPABILITIES.contains(&bare)
    })
}

/// Owners are numbers, as Go's `strconv.Atoi` reads them.
fn owners(reference: &FileReference) -> Vec<String> {
    let is_number = |text: &str| text.is_empty() || text.parse::<i64>().is_ok();
    [("uid", &reference.uid), ("gid", &reference.gid)]
        .into_iter()
        .filter(|(_, text)| !is_number(text))
        .map(|(key, text)| format!("the {key} `{text}` of `{}` is not a number", reference.source))
        .collect()
}

fn is_address(text: &str) -> bool {
    // Older engines take `010.0.0.1`, too.
    let parts: Vec<&str> = text.split('.').collect();
    let is_part = |part: &&str| part.bytes().all(|b| b.is_ascii_digit()) && part.len() <= 4;
    text.is_empty()
        || text == "host-gateway"
        || text.parse::<IpAddr>().is_ok()
        || parts.len() == 4 && parts.iter().all(is_part)
}

fn is_signal(text: &str) -> bool {
    if let Ok(number) = text.parse::<i64>() {
        return number != 0;
    }
    let upper = text.to_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let below = |name: &str, sign: &str, most: u8| {
        name.strip_prefix(sign).and_then(|n| n.parse().ok()).is_some_and(|n: u8| n <= most)
    };
    SIGNALS.contains(&name) || below(name, "RTMIN+", 15) || below(name, "RTMAX-", 14)
}

fn ulimit(name: &str, limit: &Ulimit) -> Option<String> {
    if !ULIMITS.contains(&name.to_lowercase().as_str()) {
        return Some(format!("`{name}` is not a limit of Linux"));
    }
    // Without sign, as Linux compares them: -1 is no limit.
    let over = limit.single == 0 && limit.soft.cast_unsigned() > limit.hard.cast_unsigned();
    over.then(|| {
        format!("the soft limit {} of `{name}` is above the hard one, {}", limit.soft, limit.hard)
    })
}

fn is_own_sysctl(name: &str) -> bool {
    let name = name.replace('/', ".");
    SYSCTLS.contains(&name.as_str()) || name.starts_with("net.") || name.starts_with("fs.mqueue.")
}

/// Options of the drivers that the engine has of its own and checks first.
fn logs(logging: &Logging) -> Vec<String> {
    let Logging { driver, options } = logging;
    if !matches!(driver.as_str(), "json-file" | "local") {
        return Vec::new();
    }
    let mut all = Vec::new();
    for (name, value) in options {
        let why = match name.as_str() {
            "mode" if !matches!(value.as_str(), "" | "blocking" | "non-blocking") => {
                "expected blocking or non-blocking"
            }
            "max-size" if !size::parse(value).is_ok_and(|bytes| bytes > 0) => {
                "expected a size such as `10m`"
            }
            "max-file" if !value.parse::<i64>().is_ok_and(|count| count >= 1) => {
                "expected a number from 1"
            }
            "compress" if !is_go_bool(value) => "expected `true` or `false`, in quotes",
            name if !LOG_OPTIONS.contains(&name) => {
                all.push(format!("the driver `{driver}` has no option `{name}`"));
                continue;
            }
            _ => continue,
        };
        all.push(format!("the option `{name}: {value}` is invalid: {why}"));
    }
    all
}

/// Go's `strconv.ParseBool`.
fn is_go_bool(text: &str) -> bool {
    const WORDS: &[&str] =
        &["1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False"];
    WORDS.contains(&text)
}

/// The network of the host cannot be shared with another one, that of published ports
/// among them.
fn host_network(file: &File, service: &Service) -> Option<String> {
    let is_host = |key: &String| {
        file.networks.get(key).is_some_and(|network| network.external && network.name == "host")
    };
    service.networks.keys().find(|key| is_host(key))?;
    if service.networks.len() > 1 {
        return Some("a task on the host's network can be on no other network".into());
    }
    let port = service.ports.iter().find(|port| port.it.mode != "host")?;
    Some(format!(
        "a task on the host's network can have no port of the ingress network, such as {}: it \
         listens on the node's own addresses",
        port.it.target
    ))
}

fn mounts(file: &File, service: &Service) -> Vec<String> {
    let mut all = Vec::new();
    for Placed { it: mount, .. } in &service.volumes {
        let target = mount.target.as_str();
        let drive = target.split_once(':').map(|(drive, _)| drive);
        if let Some(volume) = drive.filter(|drive| file.volumes.contains_key(*drive)) {
            all.push(format!(
                "docker takes `{target}` for one path on a Windows drive, and not for the volume \
                 `{volume}`"
            ));
        } else if target.contains("{{") {
            continue;
        } else if !volumes::is_absolute(target) {
            all.push(format!("the target `{target}` of a mount is not an absolute path"));
        } else if is_root(target) {
            all.push("nothing can be mounted on `/`".into());
        }
        let is_volume = matches!(mount.kind.as_str(), "volume" | "") && !mount.source.is_empty();
        let Some(volume) = file.volumes.get(&mount.source).filter(|_| is_volume) else { continue };
        if volume.external || !matches!(volume.driver.as_str(), "" | "local") {
            continue;
        }
        if !volume.name.is_empty() && !volume.name.contains("{{") && !is_volume_name(&volume.name) {
            all.push(format!(
                "`{}` is not a name of a volume: letters, digits, `_`, `.` and `-`, at least two, \
                 beginning with a letter or digit",
                volume.name
            ));
        }
        let none = BTreeMap::new();
        let options = volume.driver_opts.as_ref().unwrap_or(&none);
        all.extend(
            volume_options(options).map(|why| format!("the volume `{}` {why}", mount.source)),
        );
    }
    all
}

/// Go's `filepath.Clean` makes `/` of it.
fn is_root(target: &str) -> bool {
    let mut depth = 0_usize;
    for part in target.split('/').filter(|part| !matches!(*part, "" | ".")) {
        depth = if part == ".." { depth.saturating_sub(1) } else { depth + 1 };
    }
    depth == 0 && target.starts_with('/')
}

fn is_volume_name(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    name.len() > 1
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(inner)
}

/// Of the driver `local` on Linux.
fn volume_options(options: &BTreeMap<String, String>) -> Option<String> {
    const KNOWN: &[&str] = &["device", "o", "size", "type"];
    if let Some(name) = options.keys().find(|name| !KNOWN.contains(&name.as_str())) {
        return Some(format!("has the option `{name}`, which the driver `local` does not know"));
    }
    let has = |name: &str| options.contains_key(name);
    let mount = has("device") || has("o") || has("type");
    let missing = ["device", "type"].into_iter().find(|name| mount && !has(name));
    missing.map(|name| format!("lacks the option `{name}`, which its other options need"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals() {
        for text in ["SIGTERM", "sigterm", "INT", "9", "300", "SIGRTMIN+15", "rtmax-1", "SIGRTMIN"]
        {
            assert!(is_signal(text), "{text}");
        }
        for text in ["", "SIGTERM ", "NONESUCH", "0", "RTMIN+16", "RTMAX-15", "RTMIN+"] {
            assert!(!is_signal(text), "{text}");
        }
    }

    #[test]
    fn capabilities_are_told_as_docker_sends_them() {
        let unknown = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            unknown_capabilities(&names).map(str::to_owned).collect::<Vec<_>>()
        };
        let known = ["net_admin", "CAP_CHOWN", " SYS_TIME ", "RESET", "BPF"];
        assert_eq!(unknown(&known), Vec::<String>::new());
        assert_eq!(unknown(&["NONESUCH", "CHOWN", ""]), ["NONESUCH", ""]);
        assert_eq!(unknown(&["ALL", "NONESUCH"]), Vec::<String>::new());
    }

    #[test]
    fn addresses() {
        for text in ["1.2.3.4", "::1", "fd00::2", "host-gateway", "", "010.0.0.1"] {
            assert!(is_address(text), "{text}");
        }
        for text in ["notip", "1.2.3", "db", "1.2.3.4.5", "::x"] {
            assert!(!is_address(text), "{text}");
        }
    }

    #[test]
    fn targets() {
        for text in ["/", "//", "/x/..", "/../.", "/x/../.."] {
            assert!(is_root(text), "{text}");
        }
        for text in ["/x", "/..x", "/x/../y", "/.x"] {
            assert!(!is_root(text), "{text}");
        }
    }

    #[test]
    fn limits() {
        let pair = |soft, hard| Ulimit { single: 0, soft, hard };
        assert_eq!(ulimit("nofile", &pair(10, 20)), None);
        assert_eq!(ulimit("MEMLOCK", &pair(-1, -1)), None);
        assert_eq!(ulimit("core", &pair(0, -1)), None);
        assert_eq!(ulimit("memlock", &Ulimit { single: -1, soft: 0, hard: 0 }), None);
        assert!(ulimit("nofile", &pair(-1, 20)).is_some());
        assert!(ulimit("nonesuch", &pair(1, 2)).is_some());
    }
}
