//! `services`: programs, files and logs of the app's own services, each granted
//! by name with `exec: SERVICE`. [`StackServices`](crate::plugin::StackServices)
//! confines them to the stack.

use std::time::Duration;

use wasmtime::component::{HasSelf, Linker};

use super::State;
use crate::{
    home::Grant,
    plugin::{
        Command, ServiceError,
        bindings::services,
        grants::{Known, Unknown},
        text::clean_line,
    },
};

type Answer<T> = wasmtime::Result<Result<T, services::Error>>;

/// Lines of a log at once.
const LOG_LINES: u32 = 1000;
/// Bytes of a path, as Linux has it (`PATH_MAX`, the zero at its end included).
const PATH: usize = 4095;
/// Bits that a file's mode may have: permissions, no set-uid, set-gid, sticky.
const MODE: u32 = 0o777;

pub fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    services::add_to_linker::<_, HasSelf<State>>(linker, |state| state)
}

impl services::Host for State {
    async fn run(
        &mut self,
        service: String,
        command: services::Command,
        input: Vec<u8>,
    ) -> Answer<services::Output> {
        if let Err(line) = self.prepare(Grant::Exec(service.clone()))? {
            return Ok(Err(services::Error::Denied(line)));
        }
        let command = match checked(command.into()) {
            Ok(command) => command,
            Err(message) => return Ok(Err(services::Error::Invalid(message))),
        };
        let limit = self.account.limits().output;
        let ran = self.surroundings.services.run(&service, &command, input, limit).await;
        Ok(ran
            .map(|output| services::Output {
                exit_code: output.exit_code,
                stdout: output.stdout,
                stderr: output.stderr,
                truncated: output.truncated,
            })
            .map_err(Into::into))
    }

    async fn wait_ready(&mut self, service: String, timeout_ms: u32) -> Answer<()> {
        if let Err(line) = self.prepare(Grant::Exec(service.clone()))? {
            return Ok(Err(services::Error::Denied(line)));
        }
        let timeout = Duration::from_millis(timeout_ms.into());
        Ok(self.surroundings.services.wait_ready(&service, timeout).await.map_err(Into::into))
    }

    async fn restart(&mut self, service: String, timeout_ms: u32) -> Answer<()> {
        if let Err(line) = self.prepare(Grant::Exec(service.clone()))? {
            return Ok(Err(services::Error::Denied(line)));
        }
        let timeout = Duration::from_millis(timeout_ms.into());
        Ok(self.surroundings.services.restart(&service, timeout).await.map_err(Into::into))
    }

    async fn put_file(
        &mut self,
        service: String,
        path: String,
        content: Vec<u8>,
        mode: u32,
    ) -> Answer<()> {
        if let Err(line) = self.prepare(Grant::Exec(service.clone()))? {
            return Ok(Err(services::Error::Denied(line)));
        }
        if let Err(message) = absolute(&path) {
            return Ok(Err(services::Error::Invalid(message)));
        }
        if mode & !MODE != 0 {
            let message = format!("the mode {mode:o} has more than permission bits");
            return Ok(Err(services::Error::Invalid(message)));
        }
        let services = &self.surroundings.services;
        Ok(services.put_file(&service, &path, content, mode).await.map_err(Into::into))
    }

    async fn get_file(&mut self, service: String, path: String) -> Answer<Vec<u8>> {
        if let Err(line) = self.prepare(Grant::Exec(service.clone()))? {
            return Ok(Err(services::Error::Denied(line)));
        }
        if let Err(message) = absolute(&path) {
            return Ok(Err(services::Error::Invalid(message)));
        }
        let limit = self.account.limits().output;
        Ok(self.surroundings.services.get_file(&service, &path, limit).await.map_err(Into::into))
    }

    async fn logs(&mut self, service: String, lines: u32) -> Answer<Vec<String>> {
        if let Err(line) = self.prepare(Grant::Exec(service.clone()))? {
            return Ok(Err(services::Error::Denied(line)));
        }
        if !(1..=LOG_LINES).contains(&lines) {
            let message = format!("between 1 and {LOG_LINES} lines can be had, not {lines}");
            return Ok(Err(services::Error::Invalid(message)));
        }
        let limit = self.account.limits().output;
        Ok(self.surroundings.services.logs(&service, lines, limit).await.map_err(Into::into))
    }
}

/// Whether an app has a service of this name that a grant can be for.
pub fn validate(service: &str, known: &Known) -> Result<(), Unknown> {
    Unknown::unless_in("service", service, &known.services)
}

/// A command as the kernel can take it: a program, and no zero byte, which
/// would end an argument early.
pub fn checked(command: Command) -> Result<Command, String> {
    if command.argv.first().is_none_or(String::is_empty) {
        return Err("the command names no program".into());
    }
    let names = command.env.iter().map(|(name, _)| name);
    if names.clone().any(|name| name.is_empty() || name.contains('=')) {
        return Err("an environment variable's name is empty or holds `=`".into());
    }
    let texts = command.argv.iter().chain(names).chain(command.env.iter().map(|(_, v)| v));
    if texts.chain(&command.user).chain(&command.workdir).any(|text| text.contains('\0')) {
        return Err("the command holds a zero byte".into());
    }
    Ok(command)
}

/// A plain path: absolute, without `.` and `..`.
fn absolute(path: &str) -> Result<(), String> {
    let plain = (2..=PATH).contains(&path.len())
        && path.starts_with('/')
        && !path.contains('\0')
        && path[1..].split('/').all(|part| !matches!(part, "" | "." | ".."));
    if plain {
        Ok(())
    } else {
        Err(format!("{:?} is not an absolute, plain path", clean_line(path, 200)))
    }
}

impl From<services::Command> for Command {
    fn from(command: services::Command) -> Self {
        Command {
            argv: command.argv,
            env: command.env,
            user: command.user,
            workdir: command.workdir,
            timeout: command.timeout_ms.map(|ms| Duration::from_millis(ms.into())),
        }
    }
}

impl From<ServiceError> for services::Error {
    fn from(error: ServiceError) -> Self {
        match error {
            ServiceError::Unknown(name) => services::Error::UnknownService(name),
            ServiceError::NotRunning(name) => services::Error::NotRunning(name),
            ServiceError::TimedOut => services::Error::TimedOut,
            ServiceError::TooLarge(limit) => {
                services::Error::TooLarge(u32::try_from(limit).unwrap_or(u32::MAX))
            }
            ServiceError::Engine(message) => services::Error::Engine(message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_say_where_they_lead() {
        for good in ["/etc/app.conf", "/a", "/var/www/.htaccess", "/a/..b"] {
            assert!(absolute(good).is_ok(), "{good}");
        }
        let long = "/a".repeat(3000);
        for bad in ["", "/", "a/b", "/a/../b", "/..", "/a//b", "/a/", "/a/./b", "/a\0b", &long] {
            let said = absolute(bad).unwrap_err();
            assert!(said.len() < 300, "{said}");
        }
    }

    #[test]
    fn commands_hold_nothing_the_kernel_would_cut() {
        let command = |argv: &[&str], env: &[(&str, &str)]| Command {
            argv: argv.iter().map(|s| s.to_string()).collect(),
            env: env.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect(),
            user: None,
            workdir: None,
            timeout: None,
        };
        assert!(checked(command(&["true"], &[("A", "b=c")])).is_ok());
        for bad in [
            command(&[], &[]),
            command(&[""], &[]),
            command(&["sh", "a\0b"], &[]),
            command(&["sh"], &[("A=B", "c")]),
            command(&["sh"], &[("", "c")]),
            command(&["sh"], &[("A", "\0")]),
        ] {
            assert!(checked(bad.clone()).is_err(), "{bad:?}");
        }
    }
}
