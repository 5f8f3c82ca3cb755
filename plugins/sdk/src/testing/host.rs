//! The imports, answered by the script that plays.

use super::{PLAYING, Script};

fn script<T>(answer: impl FnOnce(&mut Script) -> T) -> T {
    PLAYING.with(|playing| {
        let mut playing = playing.borrow_mut();
        answer(playing.as_mut().expect("outside WebAssembly, calls need a testing::Script"))
    })
}

pub mod app {
    use super::script;
    use crate::Facts;

    pub fn describe() -> Facts {
        script(|s| s.facts.clone())
    }
    pub fn setting(key: &str) -> Option<String> {
        script(|s| s.settings.iter().rev().find(|(k, _)| k == key).map(|(_, v)| v.clone()))
    }
    pub fn settings() -> Vec<(String, String)> {
        script(|s| s.settings.clone())
    }
    pub fn options() -> String {
        script(|s| s.options.clone())
    }
}

pub mod report {
    use super::script;
    use crate::report::Level;

    pub fn log(level: Level, message: &str) {
        script(|s| s.log.push((level, message.into())));
    }
    pub fn progress(step: &str, done: u64, total: Option<u64>) {
        script(|s| s.progress.push((step.into(), done, total)));
    }
}

pub mod services {
    use std::time::Duration;

    use super::script;
    use crate::{
        services::{Command, Output},
        testing::{Call, Run, Script, ServiceError},
    };

    fn granted(script: &Script, service: &str) -> Result<(), ServiceError> {
        let grant = format!("exec: {service}");
        if script.denied.contains(&grant) { Err(ServiceError::Denied(grant)) } else { Ok(()) }
    }

    fn call(service: &str, call: Call) -> Result<(), ServiceError> {
        script(|s| {
            granted(s, service)?;
            let answer = (s.on_call)(&call);
            s.calls.push(call);
            answer
        })
    }

    pub fn run(service: &str, command: &Command, input: &[u8]) -> Result<Output, ServiceError> {
        script(|s| {
            granted(s, service)?;
            s.runs.push(Run {
                service: service.into(),
                command: command.clone(),
                input: input.into(),
            });
            (s.on_run)(service, command, input)
        })
    }
    pub fn wait_ready(service: &str, timeout_ms: u32) -> Result<(), ServiceError> {
        let at_most = Duration::from_millis(timeout_ms.into());
        call(service, Call::WaitReady { service: service.into(), at_most })
    }
    pub fn restart(service: &str, timeout_ms: u32) -> Result<(), ServiceError> {
        let at_most = Duration::from_millis(timeout_ms.into());
        call(service, Call::Restart { service: service.into(), at_most })
    }
    pub fn put_file(
        service: &str,
        path: &str,
        content: &[u8],
        mode: u32,
    ) -> Result<(), ServiceError> {
        let (at, to) = (service.to_owned(), path.to_owned());
        let put =
            Call::PutFile { service: at.clone(), path: to.clone(), content: content.into(), mode };
        call(service, put)?;
        script(|s| s.files.insert((at, to), content.into()));
        Ok(())
    }
    pub fn get_file(service: &str, path: &str) -> Result<Vec<u8>, ServiceError> {
        call(service, Call::GetFile { service: service.into(), path: path.into() })?;
        script(|s| s.files.get(&(service.into(), path.into())).cloned())
            .ok_or_else(|| ServiceError::Engine(format!("there is no file {path}")))
    }
    pub fn logs(service: &str, lines: u32) -> Result<Vec<String>, ServiceError> {
        call(service, Call::Logs { service: service.into(), lines })?;
        let mut logs = script(|s| s.logs.get(service).cloned()).unwrap_or_default();
        let wanted = usize::try_from(lines).unwrap_or(usize::MAX);
        Ok(logs.split_off(logs.len().saturating_sub(wanted)))
    }
}

pub mod recipe_files {
    use super::script;
    use crate::recipe_files::Error;

    pub fn read(path: &str) -> Result<Vec<u8>, Error> {
        script(|s| s.recipe.get(path).cloned()).ok_or(Error::NotFound)
    }
    pub fn names(folder: &str) -> Result<Vec<String>, Error> {
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let mut names: Vec<String> = script(|s| {
            let inside = s.recipe.keys().filter_map(|path| path.strip_prefix(&prefix));
            inside.map(|rest| rest.split_inclusive('/').next().unwrap_or(rest).into()).collect()
        });
        names.dedup();
        if names.is_empty() { Err(Error::NotFound) } else { Ok(names) }
    }
}

pub mod secrets {
    use super::script;
    use crate::{bindings::recipe::secrets::Error, testing::Script};

    fn granted(script: &Script, name: &str) -> Result<(), Error> {
        let grant = format!("secret: {name}");
        if script.denied.contains(&grant) { Err(Error::Denied(grant)) } else { Ok(()) }
    }

    pub fn reveal(name: &str) -> Result<String, Error> {
        script(|s| {
            granted(s, name)?;
            match s.secrets.get(name) {
                Some(Some(value)) => Ok(value.clone()),
                Some(None) => {
                    Err(Error::Unavailable(format!("there is no copy of the secret `{name}`")))
                }
                None => Err(Error::UnknownSecret(name.into())),
            }
        })
    }
    pub fn put(name: &str, value: &str) -> Result<(), Error> {
        script(|s| {
            granted(s, name)?;
            match s.secrets.get_mut(name) {
                Some(Some(_)) => Err(Error::Exists(name.into())),
                Some(empty) => {
                    *empty = Some(value.into());
                    Ok(())
                }
                None => Err(Error::UnknownSecret(name.into())),
            }
        })
    }
}

pub mod http {
    use super::script;
    use crate::{
        bindings::recipe::http::Error,
        http::{Request, Response},
    };

    pub fn send(request: &Request) -> Result<Response, Error> {
        script(|s| {
            let grant = format!("http: {}", origin(&request.url));
            if s.denied.contains(&grant) {
                return Err(Error::Denied(grant));
            }
            s.requests.push(request.clone());
            (s.on_http)(request)
        })
    }

    /// A URL up to its path.
    fn origin(url: &str) -> &str {
        let from = url.find("://").map_or(0, |at| at + 3);
        let to = url[from..].find(['/', '?', '#']).map_or(url.len(), |at| from + at);
        &url[..to]
    }
}

pub mod memory {
    use super::script;

    pub fn get(key: &str) -> Result<Option<String>, String> {
        Ok(script(|s| s.memory.get(key).cloned()))
    }
    pub fn set(key: &str, value: &str) -> Result<(), String> {
        script(|s| match value {
            "" => s.memory.remove(key),
            value => s.memory.insert(key.into(), value.into()),
        });
        Ok(())
    }
}

pub mod tools {
    use super::script;
    use crate::tools::{KeyKind, KeyPair};

    pub fn now() -> u64 {
        script(|s| s.now)
    }
    /// Repeatable, the same as in a scenario: a step of SplitMix64 for each byte.
    pub fn random_bytes(length: u32) -> Vec<u8> {
        script(|s| {
            (0..length)
                .map(|_| {
                    s.random = s.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
                    let mixed = (s.random ^ (s.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                    (mixed >> 56) as u8
                })
                .collect()
        })
    }
    pub fn bcrypt(password: &str) -> Result<String, String> {
        if password.len() > 72 || password.contains('\0') {
            return Err("bcrypt would cut this password".into());
        }
        Ok(format!("$2b$scripted${password}"))
    }
    pub fn argon2id(password: &str) -> String {
        format!("$argon2id$scripted${password}")
    }
    pub fn keypair(kind: KeyKind) -> KeyPair {
        KeyPair { private_pem: format!("private {kind:?}"), public_pem: format!("public {kind:?}") }
    }
}
