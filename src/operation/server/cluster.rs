//! How a swarm does: whether this engine leads one, its managers and nodes, its networks, and
//! the authority that signs its certificates; pure.

use jiff::Timestamp;
use x509_parser::pem::Pem;

use crate::{
    engine::{api, label},
    text::line,
    wiring::Finding,
};

/// Days before the end of the authority's certificate that are worth a word.
const DAYS_NOTED: i64 = 90;
/// Days before it after which no time is left for a rotation at leisure.
const DAYS_BAD: i64 = 14;

/// Whether the engine leads a swarm; good only if it does.
pub(super) fn membership(info: &api::SystemInfo) -> Finding {
    use api::LocalNodeState as State;
    let swarm = info.swarm.clone().unwrap_or_default();
    let reason = swarm.error.filter(|error| !error.is_empty());
    let because = reason.map(|error| format!(": {}", line(&error))).unwrap_or_default();
    match swarm.local_node_state {
        Some(State::ACTIVE) if swarm.control_available == Some(true) => {
            Finding::good("swarm", "it is a manager of its swarm")
        }
        Some(State::ACTIVE) => Finding::bad("swarm", "it is a worker of its swarm, and no manager")
            .fix(
                "let the endpoint be that of a manager, or promote it there: `docker node promote`",
            ),
        Some(State::LOCKED) => Finding::bad("swarm", "its swarm is locked").fix(
            "`docker swarm unlock` on the server, with the key that was printed when it was \
                  locked",
        ),
        Some(State::PENDING) => {
            Finding::bad("swarm", format!("it has not joined its swarm yet{because}"))
                .fix("look whether it reaches the managers at port 2377")
        }
        Some(State::ERROR) => {
            Finding::bad("swarm", format!("its part of the swarm failed{because}"))
                .fix("`journalctl -u docker` on the server says more")
        }
        _ => Finding::bad("swarm", "it is in no swarm")
            .fix("run `docker swarm init` on the server, or `potluck server provision`"),
    }
}

/// That no manager leads.
pub(super) fn leaderless(message: &str) -> Finding {
    Finding::bad("managers", format!("the swarm has no leader: {}", line(message))).fix(
        "start the other managers; if they are lost for good, `docker swarm init \
         --force-new-cluster` on this one",
    )
}

fn name(node: &api::Node) -> String {
    let hostname = node.description.as_ref().and_then(|it| it.hostname.clone());
    let name = hostname.filter(|name| !name.is_empty()).or_else(|| node.id.clone());
    line(&name.unwrap_or_default()).into_owned()
}

fn is_ready(node: &api::Node) -> bool {
    node.status.as_ref().and_then(|status| status.state) == Some(api::NodeState::READY)
}

/// Nodes that answer the managers: id and name.
pub(super) fn ready(nodes: &[api::Node]) -> Vec<(String, String)> {
    let ready = nodes.iter().filter(|node| is_ready(node));
    ready.filter_map(|node| Some((node.id.clone()?, name(node)))).collect()
}

/// Managers and nodes.
pub(super) fn nodes(nodes: &[api::Node]) -> Vec<Finding> {
    let mut findings = managers(nodes);
    let gone: Vec<&api::Node> = nodes.iter().filter(|node| !is_ready(node)).collect();
    for node in &gone {
        let message = node.status.as_ref().and_then(|status| status.message.clone());
        let because = message.filter(|it| !it.is_empty());
        let because = because.map(|it| format!(": {}", line(&it))).unwrap_or_default();
        let name = name(node);
        findings.push(
            Finding::bad("nodes", format!("the node {name} is down{because}"))
                .fix(format!("start it, or `docker node rm {name}` if it does not come back")),
        );
    }
    for node in nodes.iter().filter(|node| is_ready(node)) {
        let availability = node.spec.as_ref().and_then(|spec| spec.availability);
        let told = match availability {
            Some(api::NodeSpecAvailabilityEnum::DRAIN) => "runs nothing (drain)",
            Some(api::NodeSpecAvailabilityEnum::PAUSE) => "takes nothing new (pause)",
            _ => continue,
        };
        let name = name(node);
        findings.push(
            Finding::note("nodes", format!("the node {name} {told}"))
                .fix(format!("`docker node update --availability active {name}`")),
        );
    }
    if gone.is_empty() {
        let told = match nodes.len() {
            1 => "its one node is ready".to_owned(),
            all => format!("all {all} nodes are ready"),
        };
        findings.push(Finding::good("nodes", told));
    }
    findings.extend(versions(nodes));
    findings
}

fn managers(nodes: &[api::Node]) -> Vec<Finding> {
    let managers: Vec<(&api::Node, &api::ManagerStatus)> =
        nodes.iter().filter_map(|node| Some((node, node.manager_status.as_ref()?))).collect();
    let is_there =
        |status: &api::ManagerStatus| status.reachability == Some(api::Reachability::REACHABLE);
    let lost: Vec<String> = managers
        .iter()
        .filter(|(_, status)| !is_there(status))
        .map(|(node, _)| name(node))
        .collect();
    let all = managers.len();
    let (there, quorum) = (all - lost.len(), all / 2 + 1);
    let mut findings = Vec::new();
    if !lost.is_empty() {
        let told = format!(
            "of {all} managers {there} can be reached, {quorum} are needed; missing: {}",
            lost.join(", ")
        );
        findings.push(
            Finding::bad("managers", told).fix(
                "start them, or `docker node demote` and `docker node rm` those that are lost",
            ),
        );
    }
    if all > 1 && all.is_multiple_of(2) {
        let told =
            format!("{all} managers survive the loss of no more of them than {} would", all - 1);
        findings.push(
            Finding::note("managers", told).fix("have an odd number: promote one, or demote one"),
        );
    }
    if findings.is_empty() && all > 0 {
        let told = match all {
            1 => "it is the only manager".to_owned(),
            all => format!("all {all} managers can be reached"),
        };
        findings.push(Finding::good("managers", told));
    }
    findings
}

/// Engines of one swarm should have one version.
fn versions(nodes: &[api::Node]) -> Option<Finding> {
    let version = |node: &api::Node| {
        let engine = node.description.as_ref()?.engine.as_ref()?;
        engine.engine_version.clone()
    };
    let mut all: Vec<String> = nodes.iter().filter_map(version).collect();
    all.sort();
    all.dedup();
    (all.len() > 1).then(|| {
        let told = format!("its nodes run different engines: {}", line(&all.join(", ")));
        Finding::note("nodes", told).fix("upgrade the older ones")
    })
}

/// The networks that apps share with a reverse proxy.
pub(super) fn networks(found: &[api::Network], shared: &[String]) -> Vec<Finding> {
    let judge = |wanted: &String| {
        let shown = line(wanted);
        let create = format!("`docker network create --driver overlay --attachable {shown}`");
        let mut named = found.iter().filter(|it| it.name.as_ref() == Some(wanted)).peekable();
        if named.peek().is_none() {
            let told = format!("there is no network `{shown}`, which apps behind a proxy need");
            return Finding::note("network", told).fix(create);
        }
        match named.find(|it| it.scope.as_deref() == Some("swarm")) {
            None => Finding::bad(
                "network",
                format!("the network `{shown}` is of one machine only, so no service can join it"),
            )
            .fix(format!("`docker network rm {shown}`, then {create}")),
            Some(it) if it.attachable != Some(true) => Finding::note(
                "network",
                format!("the network `{shown}` is not attachable: only services can join it"),
            )
            .fix(format!("where other containers need it, make it anew: {create}")),
            Some(_) => Finding::good("network", format!("there is the network `{shown}`")),
        }
    };
    shared.iter().map(judge).collect()
}

/// The certificate that all certificates of the swarm hang on.
pub(super) fn authority(swarm: &api::Swarm, now: Timestamp) -> Vec<Finding> {
    let mut findings = Vec::new();
    if swarm.root_rotation_in_progress == Some(true) {
        let told = "the swarm's authority is being replaced, and not every node has the new one";
        findings.push(Finding::note("certificates", told).fix("start the nodes that are down"));
    }
    let root = swarm.tls_info.as_ref().and_then(|info| info.trust_root.as_deref());
    let Some(end) = root.and_then(first_end) else {
        let told = "when the certificate of the swarm's authority ends is unknown";
        findings.push(Finding::note("certificates", told));
        return findings;
    };
    let rotate = "`docker swarm ca --rotate` on a manager gives it a new one";
    let days = (end.as_second() - now.as_second()).div_euclid(24 * 60 * 60);
    let date = end.strftime("%Y-%m-%d");
    findings.push(match days {
        ..0 => Finding::bad("certificates", format!("the swarm's authority ended on {date}"))
            .fix(rotate),
        0..DAYS_BAD => {
            Finding::bad("certificates", format!("the swarm's authority ends on {date}"))
                .fix(rotate)
        }
        DAYS_BAD..DAYS_NOTED => {
            Finding::note("certificates", format!("the swarm's authority ends on {date}"))
                .fix(rotate)
        }
        _ => Finding::good("certificates", format!("the swarm's authority ends on {date}")),
    });
    findings
}

/// When the first of these certificates ends.
fn first_end(pem: &str) -> Option<Timestamp> {
    let ends = Pem::iter_from_buffer(pem.as_bytes()).map(|pem| {
        let pem = pem.ok()?;
        Timestamp::from_second(pem.parse_x509().ok()?.validity().not_after.timestamp()).ok()
    });
    ends.collect::<Option<Vec<_>>>()?.into_iter().min()
}

/// Whether a service is reached by an address that the kernel balances.
pub(super) fn has_virtual_addresses(services: &[api::Service]) -> bool {
    let has = |service: &api::Service| {
        let addresses = service.endpoint.as_ref().and_then(|it| it.virtual_ips.as_ref());
        let of_helper = service.spec.as_ref().is_some_and(|spec| {
            label(spec.labels.as_ref(), crate::engine::helper::HELPER_LABEL).is_some()
        });
        !of_helper && addresses.is_some_and(|all| !all.is_empty())
    };
    services.iter().any(has)
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use serde_json::{Value, json};

    use super::*;
    use crate::wiring::Level;

    fn told(findings: Vec<Finding>) -> Vec<(&'static str, Level, String)> {
        findings.into_iter().map(|it| (it.check, it.level, it.message)).collect()
    }

    fn node(name: &str, manager: Option<&str>, change: Value) -> Value {
        let mut node = json!({
            "ID": format!("id-{name}"),
            "Spec": {"Availability": "active"},
            "Description": {"Hostname": name, "Engine": {"EngineVersion": "20.10.24"}},
            "Status": {"State": "ready"},
        });
        if let Some(reachability) = manager {
            node["ManagerStatus"] = json!({"Reachability": reachability});
        }
        for (key, value) in change.as_object().unwrap() {
            node[key] = value.clone();
        }
        node
    }

    fn odd_nodes(all: Vec<Value>) -> Vec<(&'static str, Level, String)> {
        let all: Vec<api::Node> = serde_json::from_value(Value::Array(all)).unwrap();
        told(nodes(&all)).into_iter().filter(|it| it.1 != Level::Good).collect()
    }

    #[test]
    fn a_swarm_in_order_has_nothing_odd() {
        let manager = |name: &str| node(name, Some("reachable"), json!({}));
        assert_eq!(odd_nodes(vec![manager("a")]), []);
        assert_eq!(odd_nodes(vec![manager("a"), node("b", None, json!({}))]), []);
        assert_eq!(odd_nodes(vec![manager("a"), manager("b"), manager("c")]), []);
    }

    #[test]
    fn what_is_wrong_with_nodes_is_said() {
        let manager = |name: &str| node(name, Some("reachable"), json!({}));
        let lost = node(
            "c",
            Some("unreachable"),
            json!({"Status": {"State": "down", "Message": "heartbeat failure"}}),
        );
        let found = odd_nodes(vec![manager("a"), manager("b"), lost]);
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(
            found[0],
            (
                "managers",
                Level::Bad,
                "of 3 managers 2 can be reached, 2 are needed; missing: c".to_owned()
            )
        );
        assert_eq!(
            found[1],
            ("nodes", Level::Bad, "the node c is down: heartbeat failure".to_owned())
        );
        let found = odd_nodes(vec![manager("a"), manager("b")]);
        assert_eq!((found.len(), found[0].0, found[0].1), (1, "managers", Level::Note));
        let drained = node("b", None, json!({"Spec": {"Availability": "drain"}}));
        let found = odd_nodes(vec![manager("a"), drained]);
        assert_eq!(found, [("nodes", Level::Note, "the node b runs nothing (drain)".to_owned())]);
        let newer = json!({"Description": {"Hostname": "b", "Engine": {"EngineVersion": "28.0"}}});
        let found = odd_nodes(vec![manager("a"), node("b", None, newer)]);
        assert_eq!((found.len(), found[0].0, found[0].1), (1, "nodes", Level::Note));
        assert!(found[0].2.ends_with("20.10.24, 28.0"), "{found:?}");
    }

    #[test]
    fn only_a_manager_is_good() {
        for (swarm, level, part) in [
            (json!({"LocalNodeState": "active", "ControlAvailable": true}), Level::Good, "manager"),
            (json!({"LocalNodeState": "active", "ControlAvailable": false}), Level::Bad, "worker"),
            (json!({"LocalNodeState": "inactive"}), Level::Bad, "in no swarm"),
            (json!({"LocalNodeState": "locked"}), Level::Bad, "locked"),
            (json!({"LocalNodeState": "pending", "Error": "x\ny"}), Level::Bad, "yet: x y"),
            (json!({"LocalNodeState": "error", "Error": "z"}), Level::Bad, "failed: z"),
        ] {
            let info = serde_json::from_value(json!({"Swarm": swarm.clone()})).unwrap();
            let found = membership(&info);
            assert!(found.level == level && found.message.contains(part), "{swarm}: {found:?}");
        }
    }

    #[test]
    fn a_shared_network_is_one_of_the_whole_swarm() {
        for (found, level, part) in [
            (json!([]), Level::Note, "no network `proxy`"),
            (json!([{"Name": "proxy", "Scope": "local"}]), Level::Bad, "of one machine only"),
            (json!([{"Name": "proxy2", "Scope": "swarm"}]), Level::Note, "no network `proxy`"),
            (
                json!([{"Name": "proxy", "Scope": "swarm", "Attachable": false}]),
                Level::Note,
                "not attachable",
            ),
            (
                json!([{"Name": "proxy", "Scope": "local"},
                       {"Name": "proxy", "Scope": "swarm", "Attachable": true}]),
                Level::Good,
                "there is",
            ),
        ] {
            let there: Vec<api::Network> = serde_json::from_value(found.clone()).unwrap();
            let judged = told(networks(&there, &["proxy".to_owned()]));
            assert!(judged[0].1 == level && judged[0].2.contains(part), "{found}: {judged:?}");
        }
    }

    #[test]
    fn an_authority_near_its_end_is_found() {
        let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
        parameters.not_after = rcgen::date_time_ymd(2026, 12, 31);
        let key = rcgen::KeyPair::generate().unwrap();
        let der = parameters.self_signed(&key).unwrap().der().to_vec();
        let pem = format!(
            "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
            STANDARD.encode(der)
        );
        let judged = |now: &str, root: &str| {
            let swarm = serde_json::from_value(json!({"TLSInfo": {"TrustRoot": root}})).unwrap();
            told(authority(&swarm, now.parse().unwrap())).remove(0)
        };
        for (now, level, part) in [
            ("2026-01-01T00:00:00Z", Level::Good, "ends on 2026-12-31"),
            ("2026-11-28T00:00:00Z", Level::Note, "ends on 2026-12-31"),
            ("2026-12-30T00:00:00Z", Level::Bad, "ends on 2026-12-31"),
            ("2027-01-01T00:00:00Z", Level::Bad, "ended on 2026-12-31"),
        ] {
            let (_, found, message) = judged(now, &pem);
            assert!(found == level && message.ends_with(part), "{now}: {message}");
        }
        for root in ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            assert_eq!(judged("2026-01-01T00:00:00Z", root).1, Level::Note, "{root}");
        }
    }
}
