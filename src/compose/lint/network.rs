//! Ports.

use std::collections::{BTreeMap, BTreeSet};

use super::{Findings, Subject};
use crate::{
    compose::model::{File, Port, Service},
    lint::rules,
};

/// Ports of databases, none of which should be reachable from outside.
const DATABASES: &[(u32, &str)] = &[
    (1433, "SQL Server"),
    (2379, "etcd"),
    (3306, "MySQL"),
    (5432, "PostgreSQL"),
    (5984, "CouchDB"),
    (6379, "Redis"),
    (9042, "Cassandra"),
    (9200, "Elasticsearch"),
    (11211, "memcached"),
    (27017, "MongoDB"),
];

pub(super) const LAST_PORT: u32 = 65_535;

pub fn check(subject: Subject<'_>, findings: &mut Findings<'_>) {
    let service = subject.service;
    let (at, path) = (subject.spot("ports"), subject.path("ports"));
    let dnsrr = service.deploy.endpoint_mode.eq_ignore_ascii_case("dnsrr");
    if let Some(port) = ports(service).find(|port| dnsrr && port.mode != "host") {
        let message = format!(
            "port {} is published through the ingress network, which swarm refuses with \
             `endpoint_mode: dnsrr`",
            port.target
        );
        findings.push(&rules::DNSRR_INGRESS, at, path.clone(), message).certain = true;
    }
    let mut published = BTreeSet::new();
    for port in ports(service).filter(|port| port.published > 0) {
        if !published.insert((port.published, protocol(port))) {
            let message = format!("port {}/{} is published twice", port.published, protocol(port));
            findings.push(&rules::PORT_TAKEN, at, path.clone(), message).certain = true;
        }
    }
    let of_node = ports(service).find(|port| port.published > 0 && port.mode == "host");
    let replicas = service.deploy.replicas.unwrap_or(1);
    if let (Some(port), 2.., "" | "replicated") = (of_node, replicas, &*service.deploy.mode) {
        let message = format!(
            "{replicas} replicas want port {} of their node: where there are fewer nodes, some wait \
             for ever",
            port.published
        );
        findings.push(&rules::REPLICAS_SHARE_PORT, at, path.clone(), message);
    }
    for port in ports(service).filter(|port| !(1..=LAST_PORT).contains(&port.target)) {
        let message = format!("nothing can listen on port {} of a task", port.target);
        findings.push(&rules::TARGET_INVALID, at, path.clone(), message);
    }
    for (port, database) in DATABASES {
        if ports(service).any(|p| p.target == *port && protocol(p) == "tcp") {
            let message = format!(
                "port {port}, that of {database}, is published on all addresses of every node, \
                 bypassing most firewalls"
            );
            findings.push(&rules::DATABASE_PUBLISHED, at, path.clone(), message);
        }
    }
}

/// Two services cannot publish one port through the ingress network, nor one there
/// and the other on its nodes.
pub fn check_taken(file: &File, findings: &mut Findings<'_>) {
    let mut taken: BTreeMap<(u32, &str), Vec<(&str, bool)>> = BTreeMap::new();
    for (name, service) in &file.services {
        let subject = Subject { file, name, service };
        for port in ports(service).filter(|p| p.published > 0) {
            let (protocol, of_node) = (protocol(port), port.mode == "host");
            let holders = taken.entry((port.published, protocol)).or_default();
            let other = |holder: &&(&str, bool)| holder.0 != name && !(holder.1 && of_node);
            let first = holders.iter().find(other).map(|holder| holder.0);
            holders.push((name, of_node));
            if let Some(first) = first {
                let message =
                    format!("port {}/{protocol} is published by `{first}`, too", port.published);
                let (at, path) = (subject.spot("ports"), subject.path("ports"));
                findings.push(&rules::PORT_TAKEN, at, path, message).certain = true;
            }
        }
    }
}

fn ports(service: &Service) -> impl Iterator<Item = &Port> {
    service.ports.iter().map(|placed| &placed.it)
}

fn protocol(port: &Port) -> &str {
    if port.protocol.is_empty() { "tcp" } else { &port.protocol }
}
