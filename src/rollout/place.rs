//! The commands that create the objects which a deploy expects on its server;
//! pure. These are docker's own commands, except on a simulated server, where a stack creates them.

/// Where something is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    Docker,
    /// A simulated server, by its name.
    Simulated(String),
}

impl Place {
    pub(crate) fn of(engine: &dyn crate::engine::Engine) -> Self {
        engine.simulated().map_or(Place::Docker, |server| Place::Simulated(server.to_owned()))
    }

    pub(super) fn network(&self, name: &str) -> String {
        match self {
            Place::Docker => format!(
                "create it with `docker network create --driver overlay --attachable {name}`, or \
                 deploy the app that owns it"
            ),
            Place::Simulated(server) => by_stack(
                "it",
                server,
                &format!("network-{}", name.replace(|c: char| !c.is_ascii_alphanumeric(), "-")),
                &format!("services: {{x: {{image: x}}}}, networks: {{default: {{name: {name}}}}}"),
            ),
        }
    }

    pub(super) fn secret(&self, name: &str) -> String {
        match self {
            Place::Docker => format!("make it with `docker secret create {name} FILE`"),
            Place::Simulated(server) => by_stack(
                "it",
                server,
                "secrets",
                &format!(
                    "services: {{x: {{image: x}}}}, secrets: {{s: {{name: {name}, file: FILE}}}}"
                ),
            ),
        }
    }

    pub(super) fn config(&self, name: &str) -> String {
        match self {
            Place::Docker => format!("make it with `docker config create {name} FILE`"),
            Place::Simulated(server) => by_stack(
                "it",
                server,
                "configs",
                &format!(
                    "services: {{x: {{image: x}}}}, configs: {{c: {{name: {name}, content: TEXT}}}}"
                ),
            ),
        }
    }
}

fn by_stack(what: &str, server: &str, stack: &str, compose: &str) -> String {
    format!(
        "on a simulated server a stack makes {what}: `echo '{{{compose}}}' | potluck stack deploy \
         --server {server} -c - {stack}`"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docker_makes_what_is_missing_and_on_a_simulated_server_a_stack() {
        let here = Place::Docker;
        let there = Place::Simulated("practice".into());
        for text in [here.network("proxy"), here.secret("a"), here.config("a")] {
            assert!(text.contains("`docker ") && !text.contains("simulated"), "{text}");
        }
        for (text, command) in [
            (
                there.network("my_proxy"),
                "`echo '{services: {x: {image: x}}, networks: {default: {name: my_proxy}}}' | \
                 potluck stack deploy --server practice -c - network-my-proxy`",
            ),
            (
                there.secret("a"),
                "`echo '{services: {x: {image: x}}, secrets: {s: {name: a, file: FILE}}}' | \
                 potluck stack deploy --server practice -c - secrets`",
            ),
            (
                there.config("a"),
                "`echo '{services: {x: {image: x}}, configs: {c: {name: a, content: TEXT}}}' | \
                 potluck stack deploy --server practice -c - configs`",
            ),
        ] {
            assert!(text.ends_with(command) && !text.contains("docker"), "{text}");
        }
    }
}
