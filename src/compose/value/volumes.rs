//! Volumes of a service (docker/cli, `internal/volumespec`).

/// One mount, as both syntaxes end up. Empty strings stand for "not given".
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mount {
    pub kind: String,
    pub source: String,
    pub target: String,
    pub read_only: bool,
    pub consistency: String,
    /// Propagation.
    pub bind: Option<String>,
    pub volume: Option<VolumeOptions>,
    /// Bytes.
    pub tmpfs: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VolumeOptions {
    pub nocopy: bool,
    pub subpath: String,
}

const PROPAGATIONS: &[&str] = &["private", "rprivate", "shared", "rshared", "slave", "rslave"];

/// Reads `[source:]target[:options]`. The rule for Windows drives holds here as
/// in docker: `v:/v` is one path.
pub fn parse_short(text: &str) -> Result<Mount, String> {
    let mut mount = Mount::default();
    if text.is_empty() {
        return Err("a volume must not be empty".into());
    }
    if text.len() <= 2 {
        mount.target = text.into();
        mount.kind = "volume".into();
        return Ok(mount);
    }
    let mut section = String::new();
    for c in text.chars() {
        if c == ':' && !is_drive(&section) {
            take(&mut mount, &section, false)
                .map_err(|why| format!("`{text}` is not a volume: {why}"))?;
            section.clear();
        } else if c == '\0' {
            return Err("a volume must not hold a zero byte".into());
        } else {
            section.push(c);
        }
    }
    take(&mut mount, &section, true).map_err(|why| format!("`{text}` is not a volume: {why}"))?;
    mount.kind = if is_path(&mount.source) { "bind" } else { "volume" }.into();
    Ok(mount)
}

fn is_drive(section: &str) -> bool {
    let mut chars = section.chars();
    chars.next().is_some_and(char::is_alphabetic) && chars.next().is_none()
}

fn take(mount: &mut Mount, section: &str, last: bool) -> Result<(), &'static str> {
    if section.is_empty() {
        return Err("a part between colons is empty");
    }
    if mount.source.is_empty() {
        if last { &mut mount.target } else { &mut mount.source }.push_str(section);
        return Ok(());
    }
    if mount.target.is_empty() {
        mount.target.push_str(section);
        return Ok(());
    }
    if !last {
        return Err("it has too many colons");
    }
    for option in section.split(',') {
        match option {
            "ro" => mount.read_only = true,
            "rw" => mount.read_only = false,
            "nocopy" => {
                mount.volume = Some(VolumeOptions { nocopy: true, ..VolumeOptions::default() });
            }
            _ if PROPAGATIONS.contains(&option) => mount.bind = Some(option.into()),
            // Docker ignores what it does not know (`z`, `cached`).
            _ => {}
        }
    }
    Ok(())
}

fn is_path(source: &str) -> bool {
    let mut chars = source.chars();
    match (chars.next(), chars.next()) {
        (Some('.' | '/' | '~'), _) => true,
        (Some('\\'), Some('\\')) => true,
        (Some(first), Some(':')) => first.is_alphabetic(),
        _ => false,
    }
}

/// Whether a path is absolute, on Unix or on Windows.
pub fn is_absolute(path: &str) -> bool {
    let b = path.as_bytes();
    let slash = |c: u8| matches!(c, b'/' | b'\\');
    path.starts_with('/')
        || matches!(b, [drive, b':', c, ..] if drive.is_ascii_alphabetic() && slash(*c))
        || is_share(path)
}

/// `\\server\share\…`
fn is_share(path: &str) -> bool {
    let slash = |c: char| matches!(c, '/' | '\\');
    let Some(rest) = path.strip_prefix("\\\\").or_else(|| path.strip_prefix("//")) else {
        return false;
    };
    let mut parts = rest.split(slash);
    let server = parts.next().unwrap_or_default();
    let share = parts.next().unwrap_or_default();
    !server.is_empty()
        && !server.starts_with('.')
        && !share.is_empty()
        && !share.starts_with('.')
        && parts.next().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_volumes() {
        for (text, kind, source, target) in [
            ("/data", "volume", "", "/data"),
            ("/", "volume", "", "/"),
            ("ab", "volume", "", "ab"),
            ("data:/data", "volume", "data", "/data"),
            ("./data:/data", "bind", "./data", "/data"),
            ("/srv:/data", "bind", "/srv", "/data"),
            ("~/data:/data", "bind", "~/data", "/data"),
            ("C:\\data:D:\\x", "bind", "C:\\data", "D:\\x"),
            ("C:\\data:/x", "bind", "C:\\data", "/x"),
            ("\\\\.\\pipe\\x:/y", "bind", "\\\\.\\pipe\\x", "/y"),
            ("v:/v", "volume", "", "v:/v"),
        ] {
            let mount = parse_short(text).unwrap();
            assert_eq!(
                (mount.kind.as_str(), mount.source.as_str(), mount.target.as_str()),
                (kind, source, target),
                "{text}"
            );
        }
        let mount = parse_short("data:/data:ro,nocopy,rshared,z").unwrap();
        assert!(mount.read_only && mount.volume.unwrap().nocopy);
        assert_eq!(mount.bind.unwrap(), "rshared");
        assert!(!parse_short("data:/data:ro,rw").unwrap().read_only);
    }

    #[test]
    fn what_is_no_volume() {
        for text in ["", "::/x", "data::ro", "data:/data:ro:z", "data:/data:", ":/data", "data:"] {
            assert!(parse_short(text).is_err(), "{text}");
        }
    }

    #[test]
    fn absolute_paths() {
        for (path, absolute) in [
            ("/a", true),
            ("a", false),
            ("C:\\a", true),
            ("C:a", false),
            ("\\\\server\\share\\x", true),
            ("\\\\.\\pipe\\x", false),
        ] {
            assert_eq!(is_absolute(path), absolute, "{path}");
        }
    }
}
