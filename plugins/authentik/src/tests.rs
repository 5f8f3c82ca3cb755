//! The plugin against a small authentik in memory: lists with their filters, objects that get
//! what the API adds to them, changes of single fields.

use std::{cell::RefCell, rc::Rc};

use potluck_sdk::{
    ClientRequest, Commands, Lifecycle, SsoProvider, Transition,
    testing::{Played, Run, Script, ServiceError},
};
use serde_json::{Value, json};

use crate::Authentik;

type House = Rc<RefCell<Fake>>;

const PROVIDERS: &str = "/providers/oauth2/";
const APPLICATIONS: &str = "/core/applications/";
const MAPPINGS: &str = "/propertymappings/provider/scope/";

struct Fake {
    objects: Vec<(&'static str, Value)>,
    /// Requests that change something.
    writes: Vec<String>,
    made: u64,
    page: usize,
}

fn mapping(scope: &str) -> Value {
    json!({
        "pk": format!("pk-{scope}"),
        "managed": format!("goauthentik.io/providers/oauth2/scope-{scope}"),
        "name": format!("authentik default OAuth Mapping: OpenID '{scope}'"),
        "expression": "return {}",
        "scope_name": scope,
    })
}

fn house() -> House {
    let flow = |slug: &str| json!({"pk": format!("pk-{slug}"), "slug": slug});
    let mut objects = vec![
        ("/flows/instances/", flow("default-provider-authorization-implicit-consent")),
        ("/flows/instances/", flow("default-provider-invalidation-flow")),
        (
            "/crypto/certificatekeypairs/",
            json!({"pk": "key", "name": "authentik Self-signed Certificate", "key_type": "rsa"}),
        ),
        (
            "/crypto/certificatekeypairs/",
            json!({"pk": "key-2", "name": "of our own", "key_type": "rsa"}),
        ),
        ("/crypto/certificatekeypairs/", json!({"pk": "ec", "name": "short", "key_type": "ec"})),
    ];
    objects.extend(["openid", "profile", "email"].map(|scope| (MAPPINGS, mapping(scope))));
    Rc::new(RefCell::new(Fake { objects, writes: Vec::new(), made: 0, page: 100 }))
}

impl Fake {
    fn answer(&mut self, method: &str, address: &str, body: &[u8]) -> (u16, Value) {
        if method != "GET" {
            self.writes.push(format!("{method} {address}"));
        }
        let (path, search) = address.split_once('?').unwrap_or((address, ""));
        let kinds = [
            "/flows/instances/",
            "/crypto/certificatekeypairs/",
            PROVIDERS,
            APPLICATIONS,
            MAPPINGS,
        ];
        let kind = kinds.into_iter().find(|it| path.starts_with(it)).unwrap();
        let id = path[kind.len()..].trim_end_matches('/');
        let is_it = |(of, it): &(&str, Value)| {
            let key = if kind == APPLICATIONS { "slug" } else { "pk" };
            *of == kind && it[key].to_string().trim_matches('"') == id
        };
        match method {
            "GET" => (200, self.list(kind, search)),
            "POST" => {
                self.made += 1;
                let mut made: Value = serde_json::from_slice(body).unwrap();
                made["pk"] = match kind {
                    PROVIDERS => self.made.into(),
                    _ => format!("pk-made-{}", self.made).into(),
                };
                made["sub_mode"] = "hashed_user_id".into();
                if kind == MAPPINGS {
                    made["managed"] = Value::Null;
                }
                self.objects.push((kind, made.clone()));
                (201, made)
            }
            "PATCH" => match self.objects.iter_mut().find(|it| is_it(it)) {
                None => (404, json!({"detail": "No such object."})),
                Some((_, found)) => {
                    let body: Value = serde_json::from_slice(body).unwrap();
                    for (key, value) in body.as_object().unwrap() {
                        found[key] = value.clone();
                    }
                    (200, found.clone())
                }
            },
            "DELETE" => {
                let before = self.objects.len();
                self.objects.retain(|it| !is_it(it));
                if self.objects.len() == before { (404, json!({})) } else { (204, Value::Null) }
            }
            _ => unreachable!("{method}"),
        }
    }

    fn list(&self, kind: &str, search: &str) -> Value {
        let search: Vec<_> = search.split('&').filter_map(|it| it.split_once('=')).collect();
        let matches = |it: &Value| {
            search.iter().all(|(key, wanted)| it.get(key).is_none_or(|value| value == wanted))
        };
        let all = self.objects.iter().filter(|(of, it)| *of == kind && matches(it));
        let all: Vec<&Value> = all.map(|(_, it)| it).collect();
        let number = |key: &str| {
            let found = search.iter().find(|it| it.0 == key);
            found.and_then(|it| it.1.parse::<usize>().ok()).unwrap()
        };
        let (page, size) = (number("page"), number("page_size").min(self.page));
        let next = if page * size < all.len() { page + 1 } else { 0 };
        let results: Vec<&Value> = all.into_iter().skip((page - 1) * size).take(size).collect();
        json!({"pagination": {"next": next, "current": page}, "results": results})
    }

    fn one(&mut self, kind: &str) -> &mut Value {
        let mut found = self.objects.iter_mut().filter(|it| it.0 == kind).map(|it| &mut it.1);
        let one = found.next().unwrap();
        assert!(found.next().is_none());
        one
    }
}

fn script(house: &House) -> Script {
    let house = Rc::clone(house);
    Script::new().setting("PUBLIC_URL", "https://sso.example.org").on_run(
        move |service, command, input| {
            assert_eq!(service, "app");
            let [python, script, method, address] = &command.argv[..] else {
                panic!("{:?}", command.argv)
            };
            assert_eq!((python.as_str(), script.as_str()), ("python3", "/potluck/api.py"));
            let (status, body) = house.borrow_mut().answer(method, address, input);
            Ok(Script::printed(&json!({"status": status, "body": body}).to_string()))
        },
    )
}

fn wiki() -> ClientRequest {
    ClientRequest {
        client: "wiki_example_org".into(),
        display_name: "Wiki".into(),
        home_url: Some("https://wiki.example.org".into()),
        redirect_uris: vec!["https://wiki.example.org/back?a=1".into()],
        post_logout_uris: vec!["https://wiki.example.org/".into()],
        scopes: ["openid", "profile", "email", "groups"].map(Into::into).into(),
        public: false,
    }
}

fn said<T>(played: &Played<T>) -> Vec<&str> {
    played.log.iter().map(|it| it.1.as_str()).collect()
}

#[test]
fn a_client_is_made_once_and_left_alone_afterwards() {
    let house = house();
    let played = script(&house).play(|| Authentik::register(wiki()));
    let made = played.result.unwrap();
    assert_eq!(made.issuer, "https://sso.example.org/application/o/wiki_example_org/");
    assert_eq!(made.groups_claim.as_deref(), Some("groups"));
    let secret = made.client_secret.unwrap();
    assert_eq!(secret.len(), 128);
    let provider = house.borrow_mut().one(PROVIDERS).clone();
    assert_eq!(provider["client_secret"], secret.as_str());
    assert_eq!(provider["signing_key"], "key");
    assert_eq!(
        provider["redirect_uris"],
        json!([
            {"matching_mode": "strict", "url": "https://wiki.example.org/back?a=1",
             "redirect_uri_type": "authorization"},
            {"matching_mode": "strict", "url": "https://wiki.example.org/",
             "redirect_uri_type": "logout"},
        ])
    );
    let mappings = ["pk-openid", "pk-profile", "pk-email", "pk-made-1"];
    assert_eq!(provider["property_mappings"], json!(mappings));
    assert_eq!(house.borrow_mut().one(APPLICATIONS)["provider"], provider["pk"]);
    let writes = ["POST /propertymappings/provider/scope/", "POST /providers/oauth2/"];
    assert_eq!(house.borrow().writes[..2], writes);
    house.borrow_mut().writes.clear();

    let played = script(&house).play(|| Authentik::register(wiki()));
    assert_eq!(said(&played), [""; 0]);
    assert_eq!(played.result.unwrap().client_secret.unwrap(), secret);
    assert!(house.borrow().writes.is_empty(), "{:?}", house.borrow().writes);
}

#[test]
fn a_secret_is_in_no_argument_and_no_line() {
    let house = house();
    for rotated in [false, true] {
        let played = script(&house).play(|| match rotated {
            false => Authentik::register(wiki()),
            true => Authentik::rotate(wiki()),
        });
        let argued = |run: &Run| format!("{:?}", run.command);
        let seen: String = played.runs.iter().map(argued).collect();
        let secret = played.result.unwrap().client_secret.unwrap();
        assert!(!seen.contains(&secret) && !format!("{:?}", played.log).contains(&secret));
    }
}

#[test]
fn what_differs_is_corrected_and_nothing_else() {
    let house = house();
    script(&house).play(|| Authentik::register(wiki()).unwrap());
    {
        let mut house = house.borrow_mut();
        // By somebody in authentik: another key, a scope more, one of their own making.
        let own = json!({"pk": "own", "managed": null, "name": "of our own", "expression": "",
                         "scope_name": "email"});
        house.objects.push((MAPPINGS, own));
        let provider = house.one(PROVIDERS);
        provider["signing_key"] = "key-2".into();
        provider["property_mappings"] =
            json!(["pk-openid", "pk-profile", "own", "more", "pk-made-1"]);
        provider["sub_mode"] = "user_username".into();
        provider["redirect_uris"] = json!([]);
        house.writes.clear();
    }
    let mut moved = wiki();
    moved.display_name = "Wiki of the house".into();
    let played = script(&house).play(|| Authentik::register(moved));
    assert_eq!(
        said(&played),
        [
            "the client wiki_example_org is corrected",
            "the application wiki_example_org is corrected"
        ]
    );
    played.result.unwrap();
    let patch = played.runs.iter().find(|it| it.command.argv[2] == "PATCH").unwrap();
    let patch: Value = serde_json::from_slice(&patch.input).unwrap();
    let keys: Vec<_> = patch.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["redirect_uris"]);
    let mut house = house.borrow_mut();
    assert_eq!(house.one(PROVIDERS)["signing_key"], "key-2");
    assert_eq!(house.one(APPLICATIONS)["name"], "Wiki of the house");
}

#[test]
fn a_key_that_apps_cannot_verify_is_replaced() {
    for key in [Value::Null, json!("ec")] {
        let house = house();
        script(&house).play(|| Authentik::register(wiki()).unwrap());
        house.borrow_mut().one(PROVIDERS)["signing_key"] = key;
        script(&house).play(|| Authentik::register(wiki()).unwrap());
        assert_eq!(house.borrow_mut().one(PROVIDERS)["signing_key"], "key");
    }
    let house = house();
    let played =
        script(&house).setting("SIGNING_KEY", "short").play(|| Authentik::register(wiki()));
    assert_eq!(played.result.unwrap_err().message(), "authentik has no RSA key pair `short`");
    assert!(house.borrow().writes.is_empty());
}

#[test]
fn addresses_are_verified_where_the_setting_says_so() {
    let house = house();
    let mappings = |verified: &str| {
        let script = script(&house).setting("EMAIL_VERIFIED", verified);
        script.play(|| Authentik::register(wiki()).unwrap());
        let found = house.borrow_mut().one(PROVIDERS)["property_mappings"].to_string();
        (found.contains("pk-email"), found.matches("pk-made").count())
    };
    assert_eq!(mappings("no"), (true, 1));
    assert_eq!(mappings("yes"), (false, 2));
    assert_eq!(mappings("no"), (true, 1));
    let played = script(&house)
        .setting("EMAIL_VERIFIED", "true")
        .play(|| Authentik::check(Transition { before: None, after: None }));
    assert_eq!(played.result.unwrap_err().message(), "EMAIL_VERIFIED is `true`");
}

#[test]
fn another_secret_leaves_the_client_as_it_is() {
    let house = house();
    let first = script(&house).play(|| Authentik::register(wiki()).unwrap());
    let before = house.borrow_mut().one(PROVIDERS).clone();
    let played = script(&house).play(|| Authentik::rotate(wiki()));
    assert_eq!(said(&played), ["the client wiki_example_org has another secret"]);
    let rotated = played.result.unwrap();
    assert_eq!(rotated.client_id, first.result.client_id);
    let mut after = house.borrow_mut().one(PROVIDERS).clone();
    assert_eq!(after["client_secret"].as_str(), rotated.client_secret.as_deref());
    after["client_secret"] = before["client_secret"].clone();
    assert_eq!(after, before);
    // One that is missing is made.
    script(&house).play(|| Authentik::unregister("wiki_example_org".into()).unwrap());
    let played = script(&house).play(|| Authentik::rotate(wiki()));
    assert!(played.result.unwrap().client_secret.is_some());
}

#[test]
fn a_client_without_a_secret_is_told_none() {
    let house = house();
    let public = || ClientRequest { public: true, ..wiki() };
    let played = script(&house).play(|| Authentik::register(public()));
    assert_eq!(played.result.unwrap().client_secret, None);
    assert_eq!(house.borrow_mut().one(PROVIDERS)["client_type"], "public");
}

#[test]
fn both_objects_go_and_nothing_of_others() {
    let house = house();
    script(&house).play(|| Authentik::register(wiki()).unwrap());
    let played = script(&house).play(|| Authentik::unregister("wiki_example_org".into()));
    played.result.as_ref().unwrap();
    assert_eq!(said(&played), ["the client wiki_example_org is removed"]);
    let left = |kind: &str| house.borrow().objects.iter().filter(|it| it.0 == kind).count();
    assert_eq!((left(PROVIDERS), left(APPLICATIONS)), (0, 0));
    let played = script(&house).play(|| Authentik::unregister("wiki_example_org".into()));
    assert_eq!(said(&played), ["the client wiki_example_org is gone already"]);
    // An application of this slug that somebody made for another provider.
    let other = json!({"slug": "wiki_example_org", "name": "Wiki", "provider": 77});
    house.borrow_mut().objects.push((APPLICATIONS, other));
    let played = script(&house).play(|| Authentik::register(wiki()));
    assert_eq!(
        played.result.unwrap_err().message(),
        "the application `wiki_example_org` has another provider"
    );
    script(&house).play(|| Authentik::unregister("wiki_example_org".into()).unwrap());
    assert_eq!((left(PROVIDERS), left(APPLICATIONS)), (0, 1));
}

#[test]
fn lists_are_read_to_their_end() {
    let house = house();
    house.borrow_mut().page = 1;
    script(&house).play(|| Authentik::register(wiki()).unwrap());
    let played = script(&house).play(|| Authentik::run("list-clients".into(), Vec::new()));
    assert_eq!(played.result.unwrap(), "wiki_example_org\t\thttps://wiki.example.org/back?a=1");
}

#[test]
fn a_scope_that_authentik_does_not_have_is_said_before_anything_changes() {
    let house = house();
    let asked = ClientRequest { scopes: vec!["openid".into(), "phone".into()], ..wiki() };
    let played = script(&house).play(|| Authentik::register(asked));
    assert_eq!(played.result.unwrap_err().message(), "authentik has no scope `phone`");
    assert!(house.borrow().writes.is_empty());
}

#[test]
fn the_first_deploy_waits_for_what_the_worker_makes() {
    let to = || Transition { before: None, after: Some("0.1.0+2026.8.3".into()) };
    let mut looks = 0;
    let started = move |_: &str, command: &potluck_sdk::Command, _: &[u8]| {
        if command.argv[0] == "sleep" {
            return Ok(Script::printed(""));
        }
        looks += 1;
        let (status, body) = match looks {
            1 => (503, json!("authentik starting")),
            2 => (403, json!({"detail": "Token invalid/expired"})),
            _ => (200, house().borrow_mut().answer("GET", &command.argv[3], &[]).1),
        };
        Ok(Script::printed(&json!({"status": status, "body": body}).to_string()))
    };
    let played = Script::new().on_run(started).play(|| Authentik::after_deploy(to()));
    played.result.unwrap();
    let slept = played.runs.iter().filter(|it| it.command.argv == ["sleep", "5"]).count();
    assert_eq!(slept, 2);
    let refused = json!({"status": 403, "body": {"detail": "Token invalid/expired"}}).to_string();
    let played = Script::new()
        .on_run(move |_, _, _| Ok(Script::printed(&refused)))
        .play(|| Authentik::after_deploy(to()));
    let failure = played.result.unwrap_err();
    assert_eq!(failure.message(), "authentik refuses the token: Token invalid/expired");
    let later = Transition { before: Some("0.1.0+2026.8.3".into()), ..to() };
    let played = Script::new().play(|| Authentik::after_deploy(later));
    played.result.unwrap();
    assert!(played.runs.is_empty() && played.calls.is_empty());
    let played = Script::new()
        .on_run(|_, _, _| Err(ServiceError::NotRunning("app".into())))
        .play(|| Authentik::unregister("wiki_example_org".into()));
    assert_eq!(played.result.unwrap_err().message(), "authentik: the service `app` is not running");
}

#[test]
fn an_address_ends_without_a_slash() {
    let check = |url: &str| {
        let script = Script::new().setting("PUBLIC_URL", url);
        script.play(|| Authentik::check(Transition { before: None, after: None })).result
    };
    for wrong in ["", "sso.example.org", "https://", "https://sso.example.org/", "https://a@b"] {
        assert!(check(wrong).is_err(), "{wrong}");
    }
    for right in ["https://sso.example.org", "http://127.0.0.1:9000"] {
        check(right).unwrap();
    }
}
