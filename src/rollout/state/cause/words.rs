//! Causes in words, and the words by which programs know them.

use std::fmt;

use crate::text::line;

use super::{Cause, Coming, Elsewhere, Ended, Fault, How, SHOWN, Then};
use crate::rollout::state::State;

impl Cause {
    /// What programs call it; part of the interface.
    pub fn code(&self) -> &'static str {
        match self {
            Cause::Ended(ended) => match ended.how {
                How::Exited | How::Killed => "exited",
                How::OutOfMemory => "out-of-memory",
                How::Unhealthy => "unhealthy",
                How::NotStarted => "not-started",
            },
            Cause::Sick { .. } => "unhealthy",
            Cause::Coming(_) => "starting",
            Cause::Image { fault, .. } => match fault {
                Fault::Missing => "image-missing",
                Fault::Denied => "image-denied",
                Fault::Unreachable => "registry-unreachable",
                Fault::Limited => "registry-limit",
                Fault::OfNode | Fault::Unknown => "image-unavailable",
                Fault::Platform => "image-platform",
            },
            Cause::Refused { .. } => "refused",
            Cause::PortOfNode { .. } | Cause::Port(_) => "port-taken",
            Cause::Unplaced { .. } => "no-node",
            Cause::NoReplicas => "scaled-to-0",
            Cause::Held => "held",
            Cause::Update(State::Paused { .. }) => "update-paused",
            Cause::Update(_) => "rolled-back",
            Cause::Elsewhere(_) => "data-elsewhere",
        }
    }

    /// What belongs to it, a line each: what every node says.
    pub fn details(&self) -> Vec<String> {
        let of_node = |name: &str, what: &dyn fmt::Display| match name {
            "" => line(&what.to_string()).into_owned(),
            name => line(&format!("node `{name}`: {what}")).into_owned(),
        };
        let mut lines: Vec<String> = match self {
            Cause::Unplaced { nodes, .. } => nodes
                .iter()
                .map(|(name, unfit)| match unfit {
                    Some(unfit) => of_node(name, &format_args!("it {unfit}")),
                    None => of_node(name, &"it would fit, if other tasks left room"),
                })
                .collect(),
            Cause::Refused { by } if by.len() > 1 => {
                by.iter().map(|(name, reason)| of_node(name, reason)).collect()
            }
            _ => Vec::new(),
        };
        let more = lines.len().saturating_sub(SHOWN);
        if more > 0 {
            lines.truncate(SHOWN);
            lines.push(format!("and {more} more nodes"));
        }
        lines
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Ended(ended) => write!(f, "{ended}"),
            Cause::Sick { node, output, .. } => {
                write!(f, "its health check fails{}", on(node.as_deref()))?;
                match output {
                    Some(output) => write!(f, ": {}", line(output.trim())),
                    None => f.write_str("; what it printed is unknown here"),
                }
            }
            Cause::Coming(coming) => write!(f, "{coming}"),
            Cause::Image { image, fault, reason, node } => {
                of_image(f, image, *fault, reason, node.as_deref())
            }
            Cause::Refused { by } => match by.as_slice() {
                [(node, reason)] if !node.is_empty() => {
                    write!(f, "the node `{}` refuses it: {}", line(node), line(reason))
                }
                [(_, reason)] => write!(f, "refused: {}", line(reason)),
                _ => f.write_str("nodes refuse it"),
            },
            Cause::PortOfNode { port, node } => write!(
                f,
                "port {port} of {} is taken by a container or program outside of the swarm",
                match node {
                    Some(node) => format!("the node `{}`", line(node)),
                    None => "its node".to_owned(),
                }
            ),
            Cause::Port(port) => f.write_str(&line(&port.message)),
            Cause::Unplaced { reason, .. } => {
                write!(f, "no node takes it: {}", line(reason))
            }
            Cause::NoReplicas => f.write_str("scaled to 0: it runs nowhere"),
            Cause::Held => f.write_str("stopped by a restore that did not finish"),
            Cause::Update(state) => write!(f, "{}", line(&state.to_string())),
            Cause::Elsewhere(elsewhere) => write!(f, "{elsewhere}"),
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&line(&self.message))?;
        if self.how == How::Killed {
            f.write_str(": by hand, or for want of memory")?;
        }
        let times = (self.times > 1).then(|| format!("{} times", self.times));
        let node = self.node.as_deref().map(|node| format!("on the node `{}`", line(node)));
        let then = match self.then {
            Then::Restarts => None,
            Then::Runs => Some("it runs again, and not for long yet".to_owned()),
            Then::Over => Some("swarm does not start it again".to_owned()),
        };
        let more: Vec<String> = [times, node, then].into_iter().flatten().collect();
        match more.is_empty() {
            true => Ok(()),
            false => write!(f, " ({})", more.join("; ")),
        }
    }
}

impl fmt::Display for Coming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not running yet ({})", self.state)?;
        let doing = match self.state {
            State::Preparing { .. } => Some("its node fetches the image and prepares volumes"),
            State::Starting { .. } => {
                Some("it has just started, or its health check has not passed yet")
            }
            _ => None,
        };
        match self.why.as_deref().or(doing) {
            Some(why) => write!(f, ": {}{}", line(why), on(self.node.as_deref())),
            None => f.write_str(&on(self.node.as_deref())),
        }
    }
}

impl fmt::Display for Elsewhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Elsewhere { volume, home, unfit, runs, .. } = self;
        write!(f, "the data of its volume `{}` is on the node `{}`", line(volume), line(home))?;
        if let Some(unfit) = unfit {
            write!(f, ", which {unfit}")?;
        }
        match runs.as_slice() {
            [] => Ok(()),
            runs => {
                let runs: Vec<String> = runs.iter().map(|it| format!("`{}`", line(it))).collect();
                write!(f, "; it runs on {}, with another volume of that name", runs.join(" and "))
            }
        }
    }
}

fn of_image(
    f: &mut fmt::Formatter<'_>,
    image: &str,
    fault: Fault,
    reason: &str,
    node: Option<&str>,
) -> fmt::Result {
    let image = line(image.split('@').next().unwrap_or_default());
    let reason = line(reason);
    match fault {
        Fault::Missing => write!(f, "its image `{image}` does not exist: {reason}"),
        Fault::Denied => write!(
            f,
            "its registry gives no access to the image `{image}`, or has no such image: {reason}"
        ),
        Fault::Unreachable => write!(
            f,
            "its image `{image}` cannot be pulled{}, as its registry cannot be reached: {reason}",
            on(node)
        ),
        Fault::Limited => {
            write!(f, "its image `{image}` cannot be pulled for some time: {reason}")
        }
        Fault::OfNode => write!(
            f,
            "its image `{image}` cannot be pulled{}, although the registry has it: {reason}",
            on(node)
        ),
        Fault::Platform => {
            write!(f, "its image `{image}` is not for this kind of machine: {reason}")
        }
        Fault::Unknown => write!(f, "its image `{image}` cannot be pulled{}: {reason}", on(node)),
    }
}

/// `` on the node `a` ``, with a blank before it.
fn on(node: Option<&str>) -> String {
    node.map(|node| format!(" on the node `{}`", line(node))).unwrap_or_default()
}
