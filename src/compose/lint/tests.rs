use std::path::Path;

use super::Severity;
use crate::compose::{Files, LoadOptions, Source, load};

struct NoFiles;

impl Files for NoFiles {
    fn read(&self, _: &Path) -> std::io::Result<Vec<u8>> {
        Err(std::io::ErrorKind::NotFound.into())
    }
}

fn codes(files: &[&str]) -> Vec<(Severity, &'static str)> {
    let sources: Vec<Source> = files
        .iter()
        .enumerate()
        .map(|(i, text)| Source { name: format!("{i}.yml"), text: (*text).to_owned() })
        .collect();
    let options = LoadOptions {
        working_dir: Path::new("/recipe"),
        home_dir: None,
        environment: &|_| None,
        files: &NoFiles,
        interpolate: true,
        profiles: &std::collections::BTreeSet::new(),
    };
    let (config, _) = load(&sources, &options).unwrap();
    let stack = crate::home::StackName::new("app_example_org").unwrap();
    config.lint(Some(&stack)).iter().map(|f| (f.severity, f.code)).collect()
}

/// A service about which there is nothing to say.
const GOOD: &str = "image: nginx:1.27, healthcheck: {test: x}, deploy: {update_config: {failure_action: rollback}}";

#[test]
fn a_good_service_has_no_findings() {
    assert_eq!(codes(&[&format!("services: {{a: {{{GOOD}}}}}")]), []);
}

#[test]
fn each_finding_has_its_code() {
    use Severity::{Error, Info, Warning};
    let deploy = "healthcheck: {test: x}, deploy: {update_config: {failure_action: rollback";
    for (service, expected) in [
        (format!("image: nginx, {deploy}}}}}"), (Warning, "unpinned-image")),
        (format!("image: 'nginx:latest', {deploy}}}}}"), (Warning, "unpinned-image")),
        (
            format!("image: 'n:1', volumes: ['data:/d'], {deploy}, order: start-first}}}}"),
            (Warning, "start-first-volume"),
        ),
        (
            "image: 'n:1', deploy: {update_config: {failure_action: rollback}}".into(),
            (Info, "no-healthcheck"),
        ),
        ("image: 'n:1', healthcheck: {test: x}".into(), (Info, "update-pauses")),
        (
            "image: 'n:1', healthcheck: {test: x}, deploy: {update_config: {failure_action: pause}}"
                .into(),
            (Warning, "update-pauses"),
        ),
        (format!("{GOOD}, depends_on: [b]"), (Info, "depends-on")),
        (format!("{GOOD}, privileged: true"), (Warning, "ignored-key")),
        (format!("{GOOD}, container_name: x"), (Info, "ignored-key")),
        (format!("{GOOD}, volumes: ['/var/run/docker.sock:/s']"), (Warning, "docker-socket")),
        (format!("{GOOD}, volumes: ['d:/d']"), (Warning, "one-letter-volume")),
        (format!("{GOOD}, user: '${{V:?set me - now}}'"), (Warning, "required-never-fails")),
        (
            format!("image: 'n:1', ports: ['80:80'], {deploy}}}, endpoint_mode: dnsrr}}"),
            (Error, "dnsrr-ingress"),
        ),
    ] {
        let text = format!("services: {{a: {{{service}}}}}\nvolumes: {{data: }}");
        assert_eq!(codes(&[&text]), [expected], "{service}");
    }
}

#[test]
fn findings_across_services_and_files() {
    use Severity::{Error, Warning};
    let two = format!(
        "services: {{a: {{{GOOD}, ports: ['80:80']}}, b: {{{GOOD}, ports: ['80:81', '80:80/udp']}}}}"
    );
    assert_eq!(codes(&[&two]), [(Error, "port-taken")]);
    let long = format!("services: {{{}: {{{GOOD}}}}}", "a".repeat(50));
    assert_eq!(codes(&[&long]), [(Error, "name-too-long")]);
    let base = format!("services: {{a: {{{GOOD}, logging: {{driver: x}}}}}}");
    let over = "services: {a: {healthcheck: {test: y}, logging: {options: {a: b}}}}";
    assert_eq!(
        codes(&[&base, over]),
        [(Warning, "healthcheck-appended"), (Warning, "logging-options-lost")]
    );
}
