//! A real registry (Debian's `docker-registry`), with images that have no layers.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::common::{ports, skip};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// The only user of a registry with passwords, and its password.
pub const USER: (&str, &str) = ("anna", "correct horse");

/// Who is let in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Readers {
    Anyone,
    /// [`USER`].
    OneUser,
}

/// A registry on this machine, which ends with the test.
pub struct Registry {
    /// `127.0.0.1:20000`
    pub host: String,
    readers: Readers,
    child: Child,
    _folder: tempfile::TempDir,
}

/// An image as it is pushed.
#[derive(Default)]
pub struct Pushed<'a> {
    pub created: Option<&'a str>,
    pub labels: &'a [(&'a str, &'a str)],
    /// `linux/amd64`; an image without an index where there are none.
    pub platforms: &'a [&'a str],
    /// Makes it another one than one with the same dates.
    pub build: u32,
}

impl Registry {
    /// None after saying so, where the program is missing.
    pub fn start(readers: Readers) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let host = format!("127.0.0.1:{}", ports());
        let place = folder.path().to_owned();
        let path = |name: &str| place.join(name).display().to_string();
        let mut config = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\n\
             http: {{addr: {host}}}\n",
            path("data")
        );
        if readers == Readers::OneUser {
            // As `htpasswd -B` writes it, with little work.
            let hash = bcrypt::hash(USER.1, 4).unwrap();
            fs::write(path("users"), format!("{}:{hash}\n", USER.0)).unwrap();
            config += &format!("auth: {{htpasswd: {{realm: tests, path: {}}}}}\n", path("users"));
        }
        fs::write(path("config.yml"), config).unwrap();
        let log = fs::File::create(path("log")).unwrap();
        let child = Command::new("docker-registry")
            .args(["serve", &path("config.yml")])
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        let Ok(child) = child else {
            skip("docker-registry is missing; scripts/setup.sh test installs it");
            return None;
        };
        let registry = Registry { host, readers, child, _folder: folder };
        for _ in 0..600 {
            if TcpStream::connect(&registry.host).is_ok() {
                return Some(registry);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("the registry does not answer: {:?}", fs::read_to_string(path("log")));
    }

    /// Pushes an image under a tag. Returns its digest.
    pub fn push(&self, repository: &str, tag: &str, image: &Pushed<'_>) -> String {
        let of = |platform: &str| {
            let (os, architecture) = platform.split_once('/').unwrap();
            let labels: serde_json::Map<String, Value> =
                image.labels.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
            let config = json!({
                "os": os, "architecture": architecture, "created": image.created,
                "config": {"Labels": labels, "Env": [format!("BUILD={}", image.build)]},
                "rootfs": {"type": "layers", "diff_ids": []},
            });
            let config = config.to_string();
            let digest = self.blob(repository, config.as_bytes());
            json!({
                "schemaVersion": 2, "mediaType": MANIFEST, "layers": [],
                "config": {"mediaType": CONFIG, "size": config.len(), "digest": digest},
            })
            .to_string()
        };
        if image.platforms.is_empty() {
            return self.manifest(repository, tag, MANIFEST, &of("linux/amd64"));
        }
        let manifests: Vec<_> = image
            .platforms
            .iter()
            .map(|platform| {
                let manifest = of(platform);
                let digest = digest_of(manifest.as_bytes());
                self.manifest(repository, &digest, MANIFEST, &manifest);
                let (os, architecture) = platform.split_once('/').unwrap();
                json!({
                    "mediaType": MANIFEST, "size": manifest.len(), "digest": digest,
                    "platform": {"os": os, "architecture": architecture},
                })
            })
            .collect();
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests});
        self.manifest(repository, tag, INDEX, &index.to_string())
    }

    fn manifest(&self, repository: &str, name: &str, kind: &str, content: &str) -> String {
        let path = format!("/v2/{repository}/manifests/{name}");
        let (status, said) = self.send("PUT", &path, kind, content.as_bytes());
        assert_eq!(status, 201, "{path}: {said}");
        digest_of(content.as_bytes())
    }

    fn blob(&self, repository: &str, content: &[u8]) -> String {
        let digest = digest_of(content);
        let path = format!("/v2/{repository}/blobs/uploads/");
        let (status, head) = self.send("POST", &path, "application/octet-stream", b"");
        assert_eq!(status, 202, "{head}");
        let location = head.lines().find_map(|line| line.strip_prefix("location: ")).unwrap();
        let location = location.split_once(&self.host).map_or(location, |(_, path)| path);
        let path = format!("{}&digest={digest}", location.trim());
        let (status, said) = self.send("PUT", &path, "application/octet-stream", content);
        assert_eq!(status, 201, "{path}: {said}");
        digest
    }

    /// Status and head of the answer, the names of headers in small letters.
    fn send(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.host).unwrap();
        let auth = match self.readers {
            Readers::Anyone => String::new(),
            Readers::OneUser => format!("Authorization: Basic {}\r\n", basic()),
        };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\n{auth}Content-Type: {kind}\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n",
            self.host,
            body.len()
        );
        stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        let lines = answer.lines().map(|line| match line.split_once(": ") {
            Some((name, value)) => format!("{}: {value}\n", name.to_lowercase()),
            None => format!("{line}\n"),
        });
        (status, lines.collect())
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// [`USER`] as docker writes it into its configuration.
pub fn basic() -> String {
    STANDARD.encode(format!("{}:{}", USER.0, USER.1))
}

pub fn digest_of(content: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(content)))
}
