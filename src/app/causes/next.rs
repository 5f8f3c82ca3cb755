//! What to type about a cause; pure. Commands of potluck come first; docker's are for what
//! is beyond the app, such as nodes and other services.

use crate::{
    compose::value::image::Image,
    home::AppName,
    rollout::{
        Place,
        state::{
            cause::{Cause, Elsewhere, Ended, How, SHOWN, image::Fault},
            placing::{Unfit, label_of, parsed},
        },
    },
    text::line,
};

/// What a cause is about.
pub(super) struct Of<'a> {
    pub app: &'a AppName,
    /// The key in the compose file.
    pub service: &'a str,
    /// The backup whose restore did not finish.
    pub set: Option<&'a str>,
    /// Docker's commands know nothing of a simulated server.
    pub place: &'a Place,
}

/// What to do, one sentence each.
pub(super) fn next(cause: &Cause, of: &Of<'_>) -> Vec<String> {
    let (app, service) = (of.app, line(of.service));
    let again = format!("`potluck app deploy {app}`");
    let logs = format!("`potluck app logs {app} {service}` shows all that it wrote");
    let steps = match cause {
        Cause::Ended(ended) => of_end(ended, &logs, &again),
        Cause::Sick { .. } => vec![
            logs,
            format!("`potluck app run {app} {service} -- COMMAND` runs its health check by hand"),
        ],
        Cause::Coming(coming) if coming.task.is_some() => {
            vec![format!("wait, and look again; `potluck app ps {app}` shows its tasks"), logs]
        }
        Cause::Coming(_) => {
            vec![format!("wait, and look again; `potluck app ps {app}` shows its tasks")]
        }
        Cause::Image { image, fault, node, .. } => of_image(image, *fault, node.as_deref(), of),
        Cause::Refused { .. } => vec![format!(
            "mend what the node names (a folder, a network, a device), or change the recipe's \
             files or the settings (`potluck app config {app}`); then {again}"
        )],
        Cause::PortOfNode { port, node } => vec![
            format!(
                "on {}, `ss -lntup 'sport = :{port}'` shows who has it",
                node.as_deref().map_or_else(
                    || "its node".to_owned(),
                    |node| format!("the node `{}`", line(node))
                )
            ),
            format!("end that program, or publish another port; then {again}"),
        ],
        Cause::Port(port) => {
            let holder = port.holder.as_deref().map(line);
            let look = holder.map(|it| format!("`docker service inspect --pretty {it}` shows it"));
            let publish = format!("publish another port, or take it from who has it; then {again}");
            look.into_iter().chain([publish]).collect()
        }
        Cause::Unplaced { nodes, reason } => of_nodes(nodes, reason, &again),
        Cause::NoReplicas => vec![format!("{again} scales it as the recipe says")],
        Cause::Held => vec![match of.set {
            Some(set) => {
                format!("`potluck backup restore {app} {}` completes the restore", line(set))
            }
            None => format!("{again} starts it with the data that it has"),
        }],
        Cause::Update(_) => vec![format!("correct what made it fail, then {again}"), logs],
        Cause::Elsewhere(elsewhere) => of_data(elsewhere, app, &again),
    };
    let typed = |step: &String| *of.place == Place::Docker || !step.contains("`docker ");
    steps.into_iter().filter(typed).collect()
}

fn of_end(ended: &Ended, logs: &str, again: &str) -> Vec<String> {
    let first = match ended.how {
        How::OutOfMemory => Some(format!(
            "give it more memory (`deploy.resources.limits.memory`), or make it use less; then \
             {again}"
        )),
        How::Killed => ended.node.as_deref().map(|node| {
            format!(
                "on the node `{}`, `dmesg | grep -i oom` shows what the kernel killed",
                line(node)
            )
        }),
        // It wrote nothing.
        How::NotStarted => {
            let correct = "correct the command, the user or the files that it names";
            return vec![format!("{correct}; then {again}")];
        }
        How::Exited | How::Unhealthy => None,
    };
    first.into_iter().chain([logs.to_owned()]).collect()
}

fn of_image(image: &str, fault: Fault, node: Option<&str>, of: &Of<'_>) -> Vec<String> {
    let app = of.app;
    let again = format!("`potluck app deploy {app}`");
    let parsed = Image::parse(image);
    let registry = parsed.as_ref().map_or("docker.io", |image| image.domain.as_str());
    let registry = line(registry);
    let on = node.map(|node| format!("on the node `{}`, ", line(node))).unwrap_or_default();
    let plain = line(image.split('@').next().unwrap_or_default());
    let credentials = format!(
        "`docker login {registry}` on this machine, then `potluck app deploy {app} --force`"
    );
    match fault {
        Fault::Missing => vec![format!("correct the image's name or version, then {again}")],
        Fault::Denied => vec![format!("correct the image's name, or {credentials}")],
        Fault::Limited => vec![format!("wait, or {credentials}")],
        Fault::Unreachable => vec![format!(
            "{on}`docker pull {plain}` shows whether the registry {registry} answers there; swarm tries \
             again by itself"
        )],
        Fault::OfNode => vec![
            format!("{on}`docker pull {plain}` shows why; also look whether its disk is full"),
            format!(
                "if the credentials have changed, `potluck app deploy {app} --force` sends them"
            ),
        ],
        Fault::Platform => {
            vec![format!(
                "use an image for these machines, or name others with a constraint; then {again}"
            )]
        }
        Fault::Unknown => {
            vec![format!("{on}`docker pull {plain}` shows why; then {again}")]
        }
    }
}

fn of_nodes(nodes: &[(String, Option<Unfit>)], reason: &str, again: &str) -> Vec<String> {
    let mut steps = Vec::new();
    let mut label = false;
    for (name, unfit) in nodes.iter().take(SHOWN) {
        let name = line(name);
        let step = match unfit {
            Some(Unfit::Drained | Unfit::Paused) => Some(usable(&name)),
            Some(Unfit::Down | Unfit::Unknown) => Some(bring_back(&name)),
            // One node is enough.
            Some(Unfit::Constraint { constraint, .. }) if !label => {
                labelled(constraint, &name).inspect(|_| label = true)
            }
            _ => None,
        };
        steps.extend(step.filter(|step| !steps.contains(step)));
    }
    let constrained = nodes.iter().any(|(_, it)| matches!(it, Some(Unfit::Constraint { .. })));
    let small =
        |unfit: &Option<Unfit>| matches!(unfit, Some(Unfit::Memory { .. } | Unfit::Cpus { .. }));
    if constrained {
        let or = if steps.is_empty() { "" } else { "or " };
        steps.push(format!("{or}change its `deploy.placement.constraints`, then {again}"));
    }
    if nodes.iter().any(|(_, unfit)| small(unfit)) || reason.contains("insufficient resources") {
        steps.push(format!("reserve less (`deploy.resources.reservations`), then {again}"));
    }
    if steps.is_empty() {
        steps.push("`docker node ls` shows the nodes of the swarm".to_owned());
    }
    steps
}

fn of_data(elsewhere: &Elsewhere, app: &AppName, again: &str) -> Vec<String> {
    let (home, pin) = (line(&elsewhere.home), line(&elsewhere.pin));
    let leave = format!("`potluck app deploy {app} --leave-data`");
    let back = match &elsewhere.unfit {
        None => None,
        Some(Unfit::Drained | Unfit::Paused) => Some(usable(&home)),
        Some(Unfit::Gone) => {
            Some(format!("let the machine of the node `{home}` join the swarm again"))
        }
        Some(_) => Some(bring_back(&home)),
    };
    let runs = !elsewhere.runs.is_empty();
    let stay =
        runs.then(|| format!("add `{pin}` to its `deploy.placement.constraints`, then {again}"));
    let accept = match runs {
        true => format!(
            "or {leave} accepts that it runs with what is where it runs now; the node `{home}` keeps \
             the old volume"
        ),
        false => format!(
            "or, if the data is lost: let its constraints name another node, then {leave} starts it \
             there with an empty volume, and `potluck backup restore {app}` restores the data of a \
             backup"
        ),
    };
    back.into_iter().chain(stay).chain([accept]).collect()
}

fn usable(node: &str) -> String {
    format!("`docker node update --availability active {node}` lets it take tasks")
}

fn bring_back(node: &str) -> String {
    format!("bring the node `{node}` back: `docker node ls` shows how it is")
}

/// The command that gives a node the label that a constraint asks for.
fn labelled(constraint: &str, node: &str) -> Option<String> {
    let (key, equal, value) = parsed(constraint)?;
    let label = label_of(key, "node.labels.").filter(|_| equal)?;
    let (label, value) = (line(label), line(value));
    Some(format!("`docker node update --label-add {label}={value} {node}` makes it fit"))
}

#[cfg(test)]
mod tests {
    use crate::rollout::state::{
        State,
        cause::{Coming, Port, Then},
    };

    use super::*;

    fn steps(cause: &Cause) -> Vec<String> {
        let app = AppName::new("wiki.example.org").unwrap();
        let of = Of {
            app: &app,
            service: "db",
            set: Some("20260101T000000Z-0a0b0c"),
            place: &Place::Docker,
        };
        next(cause, &of)
    }

    fn ended(how: How) -> Cause {
        Cause::Ended(Ended {
            task: "t".into(),
            node: Some("one".into()),
            exit_code: Some(1),
            how,
            message: "exited with code 1".into(),
            times: 1,
            then: Then::Restarts,
            at: None,
        })
    }

    fn image(fault: Fault) -> Cause {
        Cause::Image {
            image: format!("registry.example.org/wiki:1@sha256:{}", "0".repeat(64)),
            fault,
            reason: "no".into(),
            node: Some("one".into()),
        }
    }

    fn unplaced(unfit: Unfit) -> Cause {
        let nodes = vec![("one".to_owned(), Some(unfit))];
        Cause::Unplaced { reason: "no suitable node".into(), nodes }
    }

    #[test]
    fn each_cause_has_something_to_type() {
        let constraint = |text: &str| Unfit::Constraint { constraint: text.into(), has: None };
        let elsewhere = |unfit: Option<Unfit>, runs: &[&str]| {
            Cause::Elsewhere(Elsewhere {
                volume: "data".into(),
                home: "one".into(),
                unfit,
                runs: runs.iter().map(ToString::to_string).collect(),
                pin: "node.hostname == one".into(),
            })
        };
        let coming = |task: Option<&str>| {
            Cause::Coming(Coming {
                state: State::Waiting { running: 0, wanted: 1 },
                task: task.map(str::to_owned),
                node: None,
                since: None,
                why: None,
            })
        };
        let logs = "`potluck app logs wiki.example.org db`";
        let again = "`potluck app deploy wiki.example.org`";
        for (cause, words) in [
            (ended(How::Exited), &[logs][..]),
            (ended(How::Unhealthy), &[logs]),
            (ended(How::OutOfMemory), &["limits.memory", again, logs]),
            (ended(How::Killed), &["on the node `one`, `dmesg", logs]),
            (ended(How::NotStarted), &["correct the command", again]),
            (coming(None), &["`potluck app ps wiki.example.org`"]),
            (coming(Some("t")), &["`potluck app ps wiki.example.org`", logs]),
            (image(Fault::Missing), &["name or version", again]),
            (
                image(Fault::Denied),
                &["`docker login registry.example.org`", "deploy wiki.example.org --force`"],
            ),
            (
                image(Fault::Unreachable),
                &["on the node `one`, `docker pull registry.example.org/wiki:1`"],
            ),
            (image(Fault::OfNode), &["disk is full", "--force"]),
            (Cause::NoReplicas, &[again]),
            (Cause::Held, &["`potluck backup restore wiki.example.org 20260101T000000Z-0a0b0c`"]),
            (
                Cause::PortOfNode { port: "80".into(), node: Some("one".into()) },
                &["on the node `one`, `ss -lntup 'sport = :80'`", again],
            ),
            (
                Cause::Port(Port {
                    message: "x".into(),
                    port: Some(80),
                    holder: Some("web_app".into()),
                }),
                &["`docker service inspect --pretty web_app`", again],
            ),
            (unplaced(Unfit::Drained), &["`docker node update --availability active one`"]),
            (unplaced(Unfit::Down), &["bring the node `one` back"]),
            (
                unplaced(constraint("node.labels.disk == ssd")),
                &["`docker node update --label-add disk=ssd one`", "placement.constraints", again],
            ),
            (unplaced(constraint("node.role == manager")), &["placement.constraints", again]),
            (unplaced(Unfit::Memory { has: 1, wanted: 2 }), &["reserve less"]),
            (elsewhere(None, &["two"]), &["add `node.hostname == one`", "accepts that it runs"]),
            (
                elsewhere(Some(Unfit::Drained), &["two"]),
                &["`docker node update --availability active one`", "add `node.hostname == one`"],
            ),
            (
                elsewhere(Some(Unfit::Down), &[]),
                &["bring the node `one` back", "--leave-data` starts it there", "backup restore"],
            ),
            (elsewhere(Some(Unfit::Gone), &[]), &["join the swarm again", "--leave-data"]),
            (Cause::Refused { by: Vec::new() }, &["mend what the node names", again]),
            (Cause::Update(State::Paused { message: "x".into() }), &[again, logs]),
        ] {
            let told = steps(&cause).join("\n");
            for word in words {
                assert!(told.contains(word), "{word}: {cause:?}: {told}");
            }
        }
    }
}
