//! Plays every role for potluck's own tests: each hook reports that it was
//! called and with what, and answers what the plugin's options say, so that a
//! test can have it answer anything.

#![cfg_attr(not(target_family = "wasm"), allow(dead_code, reason = "only the component is used"))]

use std::time::Duration;

use potluck_sdk::{
    Backup, Changes, Client, ClientRequest, Commands, Encryption, Failure, Finding, Item,
    Lifecycle, MailClient, MailProvider, Migration, Parameter, Relay, Result, Sink, Source, Spec,
    SsoClient, SsoProvider, Step, Transition, export, facts, memory, recipe_files, report, secrets,
    services, settings,
};
use serde::Deserialize;

struct Plugin;

/// What the hooks answer.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Options {
    /// The hook of this name fails; the setting FAIL says the same.
    fail: String,
    /// Ids of steps; those that begin with `once-` are not reversible.
    steps: Vec<String>,
    /// The service in which a step writes its id into the file `/data/steps`.
    journal: Option<String>,
    /// It takes a second for that, and says when it begins, too.
    slow: bool,
    settings: Vec<(String, Option<String>)>,
    secrets: Vec<(String, String)>,
    on: Vec<String>,
    off: Vec<String>,
    redirect: Option<String>,
    client: Option<String>,
    scope: Option<String>,
    issuer: Option<String>,
    secret: Option<String>,
    host: Option<String>,
    port: Option<u16>,
    sender: Option<String>,
}

fn options() -> Result<Options> {
    potluck_sdk::options()
}

/// Says what was called; fails if that is wanted.
fn called(hook: &str, with: &str) -> Result {
    report::info(format!("{hook}({with})"));
    if options()?.fail == hook || settings::get("FAIL").as_deref() == Some(hook) {
        return Err(Failure::new(format!("{hook} was told to fail")).hint("tell it otherwise"));
    }
    Ok(())
}

fn shown(to: &Transition) -> String {
    let name = |version: &Option<String>| version.clone().unwrap_or_else(|| "none".into());
    format!("{} to {}", name(&to.before), name(&to.after))
}

impl Lifecycle for Plugin {
    fn check(to: Transition) -> Result {
        called("check", &shown(&to))
    }
    fn before_deploy(to: Transition) -> Result {
        called("before-deploy", &shown(&to))
    }
    fn after_deploy(to: Transition) -> Result {
        called("after-deploy", &shown(&to))
    }
    fn deploy_failed(to: Transition, restored: bool) -> Result {
        let now = if restored { "restored" } else { "not restored" };
        called("deploy-failed", &format!("{}, {now}", shown(&to)))
    }
    fn before_remove() -> Result {
        called("before-remove", "")
    }
}

impl Migration for Plugin {
    fn plan(before: String, after: String) -> Result<Vec<Step>> {
        called("plan", &format!("{before} to {after}"))?;
        let step = |id: String| Step {
            description: format!("does {id}"),
            reversible: !id.starts_with("once-"),
            id,
        };
        Ok(options()?.steps.into_iter().map(step).collect())
    }
    fn run(id: String) -> Result {
        called(&format!("run-{id}"), "")?;
        if let Some(service) = options()?.journal {
            services::wait_ready(&service, Duration::from_secs(60))?;
            let script = match options()?.slow {
                true => r#"echo "begin $1" >>/data/steps; sleep 1; echo "end $1" >>/data/steps"#,
                false => r#"echo "$1" >>/data/steps"#,
            };
            services::run(&service, ["sh", "-c", script, "sh", id.as_str()])?;
        }
        Ok(())
    }
}

impl Backup for Plugin {
    fn plan() -> Result<Vec<Item>> {
        Ok(vec![Item::Custom("facts.txt".into())])
    }
    fn produce(_: String, into: Sink) -> Result {
        std::io::Write::write_all(&mut { into }, facts().name.as_bytes())?;
        Ok(())
    }
    fn consume(_: String, contents: Source) -> Result {
        let mut text = String::new();
        std::io::Read::read_to_string(&mut { contents }, &mut text)?;
        called("consume", &text)
    }
    fn verify() -> Result<Vec<Finding>> {
        Ok(vec![Finding { name: "there".into(), passed: true, detail: None }])
    }
}

/// How often a secret was replaced.
fn generation(of: &str) -> Result<u32> {
    let known = memory::get(&format!("generation of the {of}"))?;
    Ok(known.and_then(|known| known.parse().ok()).unwrap_or_default())
}

fn rotated(of: &str) -> Result {
    let next = generation(of)? + 1;
    Ok(memory::set(&format!("generation of the {of}"), &next.to_string())?)
}

fn client(request: ClientRequest) -> Result<Client> {
    let options = options()?;
    let secret = match generation("client")? {
        0 => options.secret.unwrap_or_else(|| "s3cret-of-the-client".into()),
        generation => format!("s3cret-{generation}-of-the-client"),
    };
    report::info(format!("the secret is {secret}"));
    Ok(Client {
        issuer: options.issuer.unwrap_or_else(|| "https://sso.example.org/realm".into()),
        client_id: request.client,
        client_secret: Some(secret).filter(|secret| !request.public && !secret.is_empty()),
        groups_claim: Some("groups".into()),
    })
}

impl SsoProvider for Plugin {
    fn register(request: ClientRequest) -> Result<Client> {
        called("register", &request.redirect_uris.join(" "))?;
        client(request)
    }
    fn unregister(client: String) -> Result {
        called("unregister", &client)
    }
    fn rotate(request: ClientRequest) -> Result<Client> {
        called("rotate", &request.client)?;
        rotated("client")?;
        client(request)
    }
}

fn changes() -> Result<Changes> {
    let options = options()?;
    Ok(Changes {
        settings: options.settings,
        secrets: options.secrets,
        overlays_on: options.on,
        overlays_off: options.off,
    })
}

impl SsoClient for Plugin {
    fn request() -> Result<ClientRequest> {
        let options = options()?;
        let facts = facts();
        Ok(ClientRequest {
            client: options.client.unwrap_or(facts.stack),
            display_name: facts.recipe,
            home_url: Some(format!("https://{}/", facts.name)),
            redirect_uris: vec![
                options.redirect.unwrap_or_else(|| format!("https://{}/callback", facts.name)),
            ],
            post_logout_uris: Vec::new(),
            scopes: vec![options.scope.unwrap_or_else(|| "openid".into())],
            public: false,
        })
    }
    fn connect(client: Client) -> Result<Changes> {
        called("connect", &format!("{} with {:?}", client.issuer, client.client_secret))?;
        changes()
    }
    fn disconnect() -> Result<Changes> {
        changes()
    }
}

fn relay(sender: String) -> Result<Relay> {
    let options = options()?;
    let password = match generation("account")? {
        0 => "p4ssword-of-the-relay".into(),
        generation => format!("p4ssword-{generation}-of-the-relay"),
    };
    Ok(Relay {
        host: options.host.unwrap_or_else(|| "mail.example.org".into()),
        port: options.port.unwrap_or(587),
        encryption: Encryption::Starttls,
        username: Some("wiki".into()),
        password: Some(password),
        sender: options.sender.unwrap_or(sender),
    })
}

impl MailProvider for Plugin {
    fn account(sender: String) -> Result<Relay> {
        called("account", &sender)?;
        relay(sender)
    }
    fn close_account(sender: String) -> Result {
        called("close-account", &sender)
    }
    fn rotate(sender: String) -> Result<Relay> {
        called("rotate", &sender)?;
        rotated("account")?;
        relay(sender)
    }
}

impl MailClient for Plugin {
    fn connect(relay: Relay) -> Result<Changes> {
        called("connect", &format!("{}:{} {:?}", relay.host, relay.port, relay.password))?;
        changes()
    }
    fn disconnect() -> Result<Changes> {
        changes()
    }
    fn send_test(recipient: String) -> Result {
        called("send-test", &recipient)
    }
}

impl Commands for Plugin {
    fn specs() -> Vec<Spec> {
        let mut set = Spec::new("set-password", "Sets a password").required("user", "Whose");
        set.parameters.push(Parameter {
            name: "password".into(),
            help: "The new one".into(),
            required: true,
            secret: true,
        });
        vec![set, Spec::new("logo", "Shows the recipe's logo"), Spec::new("count", "Counts")]
    }
    fn run(name: String, arguments: Vec<String>) -> Result<String> {
        match name.as_str() {
            "set-password" => Ok(format!("{} bytes for {}", arguments[1].len(), arguments[0])),
            "logo" => {
                let names = recipe_files::names("")?.join(" ");
                let logo = recipe_files::read("logo.svg")?;
                let outside = recipe_files::read("../outside");
                Ok(format!("{names}: {}, {outside:?}", String::from_utf8_lossy(&logo)))
            }
            "count" => {
                let count = memory::get("count")?.map_or(Ok(0), |n| n.parse::<u32>())? + 1;
                memory::set("count", &count.to_string())?;
                Ok(count.to_string())
            }
            "logs" => Ok(services::logs(&arguments[0], 10)?.join("\n")),
            "find-setting" => {
                let found = settings::all().into_iter().find(|(key, _)| *key == arguments[0]);
                Ok(found.map(|(_, value)| value).unwrap_or_default())
            }
            "panic" => panic!("the sky fell on {}", arguments.join(" and ")),
            "reveal" => Ok(secrets::reveal(&arguments[0])?),
            _ => Err(Failure::new(format!("there is no command `{name}`"))),
        }
    }
}

export!(Plugin: lifecycle, migration, backup, sso_provider, sso_client, mail_provider, mail_client, commands);
