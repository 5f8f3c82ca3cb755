//! Describes each reach in one sentence, for the person who decides about it.

use super::paths;
use crate::home::{Reach, Way};

/// What the service may do, as in "wants to …".
pub fn sentence(reach: &Reach) -> String {
    let thing = reach.thing();
    match reach.way() {
        Way::DockerSocket => {
            "command the node's container engine: anyone who can do that owns the node".into()
        }
        Way::Host => {
            format!("read and write `{thing}` on the node{}", danger(thing, Access::Write))
        }
        Way::HostRead => format!("read `{thing}` on the node{}", danger(thing, Access::Read)),
        Way::HostNetwork => {
            "use the node's own network: every service that listens on the node only, every port"
                .into()
        }
        Way::Capability => match thing {
            "ALL" | "SYS_ADMIN" | "SYS_MODULE" | "SYS_PTRACE" | "SYS_RAWIO" | "DAC_READ_SEARCH"
            | "BPF" => format!("use {thing}, with which a container can take over the node"),
            _ => format!("use {thing}, a capability that containers don't have by themselves"),
        },
        Way::ExternalVolume => format!("use the volume `{thing}`, which isn't the app's own"),
        Way::ExternalSecret => format!("read the secret `{thing}`, which isn't the app's own"),
        Way::ExternalConfig => format!("read the config `{thing}`, which isn't the app's own"),
        Way::ExternalNetwork => {
            format!("join the network `{thing}` and reach everything on it")
        }
        Way::Route if thing == "*" => {
            "receive visitors of every domain that the reverse proxy serves".into()
        }
        Way::Route => format!("receive visitors of {thing}, which isn't the app's own domain"),
        Way::Router => {
            format!(
                "change, or send visitors to, `{thing}` of the reverse proxy, which isn't its own"
            )
        }
        Way::Alias => match thing.split_once('/') {
            Some((network, name)) => format!(
                "be called `{name}` on the network `{network}`, where others may mean another \
                 service by it"
            ),
            None => format!("be called `{thing}` on a shared network"),
        },
        Way::VolumeDriver => format!("keep a volume by the driver `{thing}`"),
        Way::NetworkDriver => format!("have a network made by the driver `{thing}`"),
        Way::Subnet => format!("take the addresses {thing} for a network of its own"),
        Way::LogDriver => format!("send its log elsewhere: `{thing}`"),
        Way::SecretDriver => format!("take secrets from the driver `{thing}`"),
        Way::CredentialSpec => format!("act as the account of the credential spec `{thing}`"),
        Way::Registry => {
            format!(
                "run an image from {thing}, a registry that none of its images came from so far"
            )
        }
        Way::Sysctl => format!("set the kernel parameter {thing} of its containers"),
        Way::Ulimit => format!("raise the limit {thing} of its containers"),
        Way::Isolation => format!("run with the isolation `{thing}`, beside the node's own kernel"),
        Way::Port => match thing.strip_prefix("any/") {
            Some(protocol) => format!("listen on a {protocol} port of every node"),
            None => format!("listen on port {thing} of every node"),
        },
        Way::Network => format!("join the network `{thing}`, which the server's apps share"),
    }
}

/// What a mount lets a container do.
#[derive(PartialEq)]
enum Access {
    Read,
    Write,
}

fn danger(path: &str, access: Access) -> &'static str {
    if paths::holds_socket(path) {
        ", the container engine's socket included: anyone who has it owns the node"
    } else if access == Access::Write && paths::masters_node(path) {
        ", with which it can take over the node"
    } else {
        ""
    }
}
