//! What to type to make what a deploy takes from its server; pure. Docker's own
//! commands do it, but for a simulated server: there a stack has to.

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
                name,
                &format!("services: {{x: {{image: x}}}}, networks: {{default: {{name: {name}}}}}"),
            ),
        }
    }

    pub(super) fn secrets(&self, names: &[String]) -> String {
        match self {
            Place::Docker => "make them with `docker secret create`".into(),
            Place::Simulated(server) => {
                let secrets = numbered('s', names, |name| format!("{{name: {name}, file: FILE}}"));
                by_stack(
                    "them",
                    server,
                    "made",
                    &format!("services: {{x: {{image: x}}}}, secrets: {{{secrets}}}"),
                )
            }
        }
    }

    pub(super) fn configs(&self, names: &[String]) -> String {
        match self {
            Place::Docker => "make them with `docker config create`".into(),
            Place::Simulated(server) => {
                let configs =
                    numbered('c', names, |name| format!("{{name: {name}, content: TEXT}}"));
                by_stack(
                    "them",
                    server,
                    "made",
                    &format!("services: {{x: {{image: x}}}}, configs: {{{configs}}}"),
                )
            }
        }
    }
}

/// `s1: …, s2: …`
fn numbered(letter: char, names: &[String], one: impl Fn(&String) -> String) -> String {
    let each = names.iter().enumerate();
    each.map(|(n, name)| format!("{letter}{n}: {}", one(name))).collect::<Vec<_>>().join(", ")
}

fn by_stack(what: &str, server: &str, stack: &str, compose: &str) -> String {
    format!(
        "on a simulated server a stack makes {what}: `echo '{{{compose}}}' | potluck stack deploy \
         --server {server} -c - {stack}`"
    )
}
