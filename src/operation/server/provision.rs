//! Makes a fresh Debian into a server: the engine from Debian's packages, a swarm of one node,
//! the network that a reverse proxy shares with apps, and automatic updates where they are
//! wanted.
//!
//! Each step is a question and a command for the server's shell. The question says whether the
//! step is done already, so that running it all again changes nothing; it is asked again after
//! the command, because an exit code of 0 proves little. What exists is left as it is.

use std::{process::Stdio, time::Duration};

use serde::Serialize;
use tokio::{io::AsyncWriteExt, process::Command};

use crate::{engine::ssh_command, text::line};

/// For looking at all steps.
const LOOK: Duration = Duration::from_secs(60);
/// For one step: packages come over a slow line.
const STEP: Duration = Duration::from_secs(30 * 60);
/// What of a step's output is kept for an error, in bytes.
const SAID: usize = 4096;
/// How a step's shell ends if the step came to nothing.
const UNDONE: i32 = 90;

/// One step.
struct Step {
    name: &'static str,
    /// What it does, for people.
    about: &'static str,
    /// Ends with 0 if it is done.
    look: &'static str,
    act: &'static str,
    optional: bool,
}

/// In their order. `$ADDRESS` is that of the swarm.
const STEPS: &[Step] = &[
    // Before the engine first starts.
    Step {
        name: "logs",
        about: "write /etc/docker/daemon.json: logs of containers have a largest size",
        look: "[ -e /etc/docker/daemon.json ]",
        act: "mkdir -p /etc/docker\n\
              printf '{\\n  \"log-driver\": \"local\"\\n}\\n' > /etc/docker/daemon.json.new\n\
              mv /etc/docker/daemon.json.new /etc/docker/daemon.json",
        optional: false,
    },
    // Debian 13 has the client in a package of its own.
    Step {
        name: "engine",
        about: "install the engine: Debian's packages docker.io and ca-certificates",
        look: "command -v dockerd && command -v docker",
        act: "export DEBIAN_FRONTEND=noninteractive\n\
              apt-get -q update\n\
              set -- docker.io ca-certificates\n\
              if apt-cache show docker-cli > /dev/null 2>&1; then set -- \"$@\" docker-cli; fi\n\
              apt-get -q -y install \"$@\"",
        optional: false,
    },
    Step {
        name: "start",
        about: "start the engine, now and with the machine",
        look: "docker info",
        act: "if [ -d /run/systemd/system ]; then systemctl enable --now docker; \
              else service docker start; fi\n\
              for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do\n\
              if docker info > /dev/null 2>&1; then break; fi; sleep 2; done",
        optional: false,
    },
    Step {
        name: "swarm",
        about: "make a swarm with this machine as its manager",
        look: "[ \"$(docker info --format '{{.Swarm.ControlAvailable}}')\" = true ]",
        act: "docker swarm init --advertise-addr \"$ADDRESS\" > /dev/null",
        optional: false,
    },
    Step {
        name: "network",
        about: "create the network `proxy`, which a reverse proxy shares with apps",
        look: "[ \"$(docker network inspect --format '{{.Scope}}' proxy)\" = swarm ]",
        act: "docker network create --driver overlay --attachable proxy > /dev/null",
        optional: false,
    },
    Step {
        name: "updates",
        about: "install Debian's security updates by itself (unattended-upgrades)",
        look: "dpkg-query -W -f '${Status}' unattended-upgrades | grep -q 'ok installed' && \
               grep -q 'Unattended-Upgrade \"1\"' /etc/apt/apt.conf.d/20auto-upgrades",
        act: "export DEBIAN_FRONTEND=noninteractive\n\
              apt-get -q update\n\
              apt-get -q -y install unattended-upgrades\n\
              printf '%s\\n' 'APT::Periodic::Update-Package-Lists \"1\";' \
              'APT::Periodic::Unattended-Upgrade \"1\";' > /etc/apt/apt.conf.d/20auto-upgrades",
        optional: true,
    },
];

/// Whether the server updates itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Updates {
    Wanted,
    LeftAlone,
}

/// Where a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// It was done before.
    Done,
    Planned,
    /// It was done now.
    Made,
}

/// A step for people and programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProvisionStep {
    pub step: &'static str,
    pub about: &'static str,
    pub standing: Standing,
}

/// What is to be done at a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvisionPlan {
    /// `Debian GNU/Linux 12 (bookworm)`
    pub system: String,
    /// That its swarm advertises.
    pub address: String,
    pub steps: Vec<ProvisionStep>,
    root: Root,
}

/// How commands come to the rights of root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Root {
    Itself,
    Sudo,
}

/// Why a machine cannot be made into a server.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    #[error("`{endpoint}` cannot be reached over SSH: {reason}")]
    Unreachable { endpoint: String, reason: String },
    #[error("the machine runs {system}, and this works on Debian and its derivatives only")]
    System { system: String },
    #[error("the account at `{endpoint}` is neither root nor may it use sudo without a password")]
    Rights { endpoint: String },
    #[error("which address the swarm should advertise is unknown")]
    Address,
    #[error("the step `{step}` failed: {reason}")]
    Step { step: &'static str, reason: String },
}

impl crate::hint::Hint for ProvisionError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unreachable { .. } => "check that `ssh` reaches it without a password".into(),
            Self::System { .. } => {
                "install an engine there by hand, run `docker swarm init`, then `potluck server add`"
                    .into()
            }
            Self::Rights { .. } => "name root: `ssh://root@HOST`".into(),
            Self::Address => "name it: `--advertise-addr ADDRESS`".into(),
            Self::Step { .. } => {
                "what was done before it is kept; run the command again once that is mended".into()
            }
        })
    }
}

/// Looks at a machine, and changes nothing.
///
/// # Errors
/// A machine that cannot be reached, or that does not run Debian.
pub async fn plan_provision(
    endpoint: &str,
    address: Option<&str>,
    updates: Updates,
) -> Result<ProvisionPlan, ProvisionError> {
    let looked = run(endpoint, Root::Itself, &question(), LOOK).await;
    let output = looked.map_err(|reason| unreachable(endpoint, &reason))?;
    if output.code != Some(0) {
        return Err(unreachable(endpoint, &output.said));
    }
    read(&output.printed, endpoint, address, updates)
}

fn unreachable(endpoint: &str, reason: &str) -> ProvisionError {
    ProvisionError::Unreachable { endpoint: endpoint.to_owned(), reason: line(reason).into_owned() }
}

/// Does one step, which has to be one of the plan's.
///
/// # Errors
/// [`ProvisionError::Step`]; [`ProvisionError::Unreachable`].
pub async fn provision(
    endpoint: &str,
    plan: &ProvisionPlan,
    step: &ProvisionStep,
) -> Result<(), ProvisionError> {
    let Some(known) = STEPS.iter().find(|known| known.name == step.step) else { return Ok(()) };
    let script = action(known, &plan.address);
    let done = run(endpoint, plan.root, &script, STEP).await;
    let failed =
        |reason: &str| ProvisionError::Step { step: known.name, reason: line(reason).into_owned() };
    let output = done.map_err(|reason| failed(&reason))?;
    match output.code {
        Some(0) => Ok(()),
        // ssh's own code for a connection that broke.
        Some(255) => Err(unreachable(endpoint, &output.said)),
        Some(UNDONE) => Err(failed("its command succeeded and changed nothing")),
        _ if output.said.is_empty() => Err(failed("it said nothing")),
        _ => Err(failed(&output.said)),
    }
}

/// The script that says what a machine is and which steps are done.
fn question() -> String {
    let mut script = String::from(
        "if [ -r /etc/os-release ]; then . /etc/os-release; fi\n\
         echo \"system ${ID:-unknown} ${ID_LIKE:-}\"\n\
         echo \"name ${PRETTY_NAME:-unknown}\"\n\
         set -- ${SSH_CONNECTION:-}\n\
         echo \"address ${3:-}\"\n\
         if [ \"$(id -u)\" = 0 ]; then echo root itself; as=sh\n\
         elif sudo -n true 2> /dev/null; then echo root sudo; as='sudo -n sh'\n\
         else echo root none; as=sh; fi\n",
    );
    for Step { name, look, .. } in STEPS {
        script += &format!(
            "if $as > /dev/null 2>&1 <<'POTLUCK'\n{look}\nPOTLUCK\n\
             then echo \"done {name}\"; fi\n"
        );
    }
    script
}

/// The script of a step, which ends with [`UNDONE`] if it came to nothing.
fn action(step: &Step, address: &str) -> String {
    let Step { look, act, .. } = step;
    // It has been checked that the address needs no quotes.
    format!(
        "set -e\nADDRESS='{address}'\n{act}\nset +e\n( {look} ) > /dev/null 2>&1 || exit {UNDONE}\n"
    )
}

fn read(
    printed: &str,
    endpoint: &str,
    address: Option<&str>,
    updates: Updates,
) -> Result<ProvisionPlan, ProvisionError> {
    let of = |key: &str| {
        let mut lines = printed.lines().filter_map(|line| line.split_once(' '));
        lines.find(|(found, _)| *found == key).map(|(_, value)| value.trim()).unwrap_or_default()
    };
    let system = line(of("name")).into_owned();
    if !of("system").split_whitespace().any(|id| id == "debian") {
        return Err(ProvisionError::System { system });
    }
    let root = match of("root") {
        "itself" => Root::Itself,
        "sudo" => Root::Sudo,
        _ => return Err(ProvisionError::Rights { endpoint: endpoint.to_owned() }),
    };
    let address = address.unwrap_or_else(|| of("address"));
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | '-' | '_' | '/');
    if address.is_empty() || address.starts_with('-') || !address.chars().all(plain) {
        return Err(ProvisionError::Address);
    }
    let is_done = |name: &str| printed.lines().any(|line| line.strip_prefix("done ") == Some(name));
    let steps = STEPS
        .iter()
        .filter(|step| !step.optional || updates == Updates::Wanted)
        .map(|step| ProvisionStep {
            step: step.name,
            about: step.about,
            standing: if is_done(step.name) { Standing::Done } else { Standing::Planned },
        })
        .collect();
    Ok(ProvisionPlan { system, address: address.to_owned(), steps, root })
}

/// What a script came to.
struct Output {
    code: Option<i32>,
    printed: String,
    /// The end of what it said on standard error.
    said: String,
}

/// Runs a script in a shell of the machine.
async fn run(endpoint: &str, root: Root, script: &str, limit: Duration) -> Result<Output, String> {
    let mut ssh: Command = ssh_command(endpoint)?;
    ssh.arg(match root {
        Root::Itself => "sh -s",
        Root::Sudo => "sudo -n sh -s",
    });
    ssh.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let running = async {
        let mut child = ssh.spawn().map_err(|error| format!("cannot run `ssh`: {error}"))?;
        if let Some(mut stdin) = child.stdin.take() {
            // One that ends early says why.
            let _ = stdin.write_all(script.as_bytes()).await;
        }
        child.wait_with_output().await.map_err(|error| error.to_string())
    };
    let output = tokio::time::timeout(limit, running)
        .await
        .map_err(|_| format!("no end within {} s", limit.as_secs()))??;
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    let begin = said.ceil_char_boundary(said.len().saturating_sub(SAID));
    let last: Vec<&str> = said[begin..].lines().rev().take(3).collect();
    let said = last.into_iter().rev().collect::<Vec<_>>().join(" ");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(Output { code: output.status.code(), printed, said })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRESH: &str = "system debian \nname Debian GNU/Linux 12 (bookworm)\n\
                         address 10.0.0.2\nroot itself\n";

    fn planned(printed: &str, address: Option<&str>, updates: Updates) -> Result<String, String> {
        let plan = read(printed, "ssh://x", address, updates).map_err(|it| it.to_string())?;
        let steps = plan.steps.iter().filter(|it| it.standing == Standing::Planned);
        let steps: Vec<&str> = steps.map(|it| it.step).collect();
        Ok(format!("{} {}", plan.address, steps.join(" ")))
    }

    #[test]
    fn what_is_done_is_not_planned() {
        let left = Updates::LeftAlone;
        let all = "10.0.0.2 logs engine start swarm network";
        assert_eq!(planned(FRESH, None, left).unwrap(), all);
        assert_eq!(planned(FRESH, None, Updates::Wanted).unwrap(), format!("{all} updates"));
        assert_eq!(planned(FRESH, Some("eth1"), left).unwrap().split(' ').next(), Some("eth1"));
        let half = format!("{FRESH}done logs\ndone engine\ndone start\n");
        assert_eq!(planned(&half, None, left).unwrap(), "10.0.0.2 swarm network");
        let derived = FRESH.replace("system debian ", "system ubuntu debian");
        assert_eq!(planned(&derived, None, left).unwrap(), all);
    }

    #[test]
    fn a_machine_that_cannot_become_a_server_is_refused() {
        let left = Updates::LeftAlone;
        for (printed, address, part) in [
            (FRESH.replace("debian", "alpine"), None, "works on Debian"),
            (FRESH.replace("root itself", "root none"), None, "neither root"),
            (FRESH.replace("10.0.0.2", ""), None, "is unknown"),
            (FRESH.replace("10.0.0.2", "a';reboot;'"), None, "is unknown"),
            (FRESH.to_owned(), Some("--force-new-cluster"), "is unknown"),
            (String::new(), None, "works on Debian"),
        ] {
            let error = planned(&printed, address, left).unwrap_err();
            assert!(error.contains(part), "{printed}: {error}");
        }
    }

    #[test]
    fn every_script_is_one_that_a_shell_can_read() {
        let scripts = STEPS.iter().map(|step| action(step, "10.0.0.2")).chain([question()]);
        for script in scripts {
            let mut shell = std::process::Command::new("sh");
            let output = shell.args(["-n", "-c", &script]).output().unwrap();
            assert!(output.status.success(), "{script}\n{output:?}");
        }
    }
}
