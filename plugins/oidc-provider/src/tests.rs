//! The plugin against a scripted host.

use potluck_sdk::{
    ClientRequest, Commands, Lifecycle, SsoProvider, Transition,
    testing::{Call, Run, Script, ServiceError},
};
use serde_json::{Value, json};

use crate::OidcProvider;

const SECRET: &str = "0nly-the-app-and-the-provider";

fn wiki() -> ClientRequest {
    ClientRequest {
        client: "wiki_example_org".into(),
        display_name: "Wiki".into(),
        home_url: Some("https://wiki.example.org".into()),
        redirect_uris: vec!["https://wiki.example.org/back".into()],
        post_logout_uris: vec!["https://wiki.example.org/".into()],
        scopes: ["openid", "profile", "groups"].map(Into::into).into(),
        public: false,
    }
}

fn answering(answer: Value) -> Script {
    Script::new().on_run(move |_, _, _| Ok(Script::printed(&answer.to_string())))
}

fn answer() -> Value {
    json!({
        "issuer": "https://sso.example.org",
        "client": {"client_id": "wiki_example_org", "client_secret": SECRET, "scope": "openid"},
        "done": "created",
    })
}

fn input_of(run: &Run) -> Value {
    serde_json::from_slice(&run.input).unwrap()
}

#[test]
fn a_client_is_registered_by_the_names_of_rfc_7591() {
    let played = answering(answer()).play(|| OidcProvider::register(wiki()));
    let client = played.result.unwrap();
    assert_eq!(
        (client.issuer.as_str(), client.client_id.as_str(), client.client_secret.as_deref()),
        ("https://sso.example.org", "wiki_example_org", Some(SECRET))
    );
    assert_eq!(client.groups_claim.as_deref(), Some("groups"));
    let [run] = &played.runs[..] else { panic!("one script: {:?}", played.runs) };
    assert_eq!(
        (run.service.as_str(), &run.command.argv[..]),
        ("app", &["node", "clients.mjs"].map(String::from)[..])
    );
    assert_eq!(
        input_of(run),
        json!({"action": "register", "client": {
            "client_id": "wiki_example_org",
            "client_name": "Wiki",
            "client_uri": "https://wiki.example.org",
            "redirect_uris": ["https://wiki.example.org/back"],
            "post_logout_redirect_uris": ["https://wiki.example.org/"],
            "scope": "openid profile groups",
            "grant_types": ["authorization_code"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "client_secret_basic",
            "application_type": "web",
        }})
    );
}

#[test]
fn a_secret_is_in_no_argument_and_no_line() {
    let played = answering(answer()).play(|| OidcProvider::register(wiki()));
    assert!(!format!("{:?}{:?}", played.runs[0].command, played.log).contains(SECRET));
    assert_eq!(
        played.log[0].1,
        "the client wiki_example_org is created at https://sso.example.org"
    );
}

#[test]
fn what_an_app_needs_decides_what_kind_of_client_it_is() {
    let request = |change: &dyn Fn(&mut ClientRequest)| {
        let mut request = wiki();
        change(&mut request);
        let played = answering(answer()).play(|| OidcProvider::register(request));
        (input_of(&played.runs[0])["client"].clone(), played.result.unwrap())
    };
    let (public, _) = request(&|request| request.public = true);
    assert_eq!(public["token_endpoint_auth_method"], "none");
    let (phone, _) =
        request(&|request| request.redirect_uris.push("org.example.wiki://back".into()));
    assert_eq!(phone["application_type"], "native");
    let (offline, _) = request(&|request| request.scopes.push("offline_access".into()));
    assert_eq!(offline["grant_types"], json!(["authorization_code", "refresh_token"]));
    let (bare, client) = request(&|request| {
        request.scopes = vec!["openid".into()];
        request.home_url = None;
    });
    assert_eq!((bare["scope"].as_str(), bare.get("client_uri")), (Some("openid"), None));
    assert_eq!(client.groups_claim, None);
}

#[test]
fn a_provider_with_older_data_is_told_how_often_the_secret_was_replaced() {
    let mut answer = answer();
    answer["generation"] = 2.into();
    let played = answering(answer.clone()).play(|| OidcProvider::rotate(wiki()));
    assert_eq!(input_of(&played.runs[0])["action"], "rotate");
    assert_eq!(played.memory["generation of wiki_example_org"], "2");
    assert_eq!(played.result.unwrap().client_secret.as_deref(), Some(SECRET));
    let played = answering(answer)
        .memory("generation of wiki_example_org", "2")
        .play(|| OidcProvider::register(wiki()));
    assert_eq!(input_of(&played.runs[0])["generation"], 2);
    assert_eq!(played.memory["generation of wiki_example_org"], "2");
}

#[test]
fn an_answer_for_another_client_is_refused() {
    let mut other = answer();
    other["client"]["client_id"] = "shop_example_org".into();
    let played = answering(other).play(|| OidcProvider::register(wiki()));
    assert_eq!(
        played.result.unwrap_err().message(),
        "the provider answered with the client shop_example_org instead of wiki_example_org"
    );
}

#[test]
fn what_the_provider_refuses_is_said() {
    let said = "scope must only contain Authorization Server supported scope values\n";
    let played = Script::new()
        .on_run(move |_, _, _| Ok(Script::failed(1, said)))
        .play(|| OidcProvider::register(wiki()));
    assert_eq!(
        played.result.unwrap_err().message(),
        "the provider's clients: `node` ended with code 1: scope must only contain Authorization \
         Server supported scope values"
    );
    let played = Script::new()
        .on_run(|_, _, _| Err(ServiceError::NotRunning("app".into())))
        .play(|| OidcProvider::unregister("wiki_example_org".into()));
    assert_eq!(
        played.result.unwrap_err().message(),
        "the provider's clients: the service `app` is not running"
    );
}

#[test]
fn a_client_that_is_missing_is_removed_already() {
    let played = answering(json!({"done": "missing"}))
        .play(|| OidcProvider::unregister("wiki_example_org".into()));
    played.result.unwrap();
    assert_eq!(
        input_of(&played.runs[0]),
        json!({"action": "remove", "client_id": "wiki_example_org"})
    );
}

#[test]
fn an_issuer_is_an_origin() {
    let to = || Transition { before: None, after: None };
    for wrong in ["", "sso.example.org", "https://", "https://sso.example.org/", "https://a@b"] {
        let played = Script::new().setting("ISSUER", wrong).play(|| OidcProvider::check(to()));
        assert!(played.result.is_err(), "{wrong}");
    }
    for right in ["https://sso.example.org", "http://127.0.0.1:3000"] {
        let played = Script::new().setting("ISSUER", right).play(|| OidcProvider::check(to()));
        played.result.unwrap();
    }
}

#[test]
fn commands_list_clients_and_replace_keys() {
    let listed = json!({"issuer": "https://sso.example.org", "clients": [
        {"client_id": "a", "client_name": "A", "redirect_uris": ["https://a/1", "https://a/2"]},
        {"client_id": "b", "redirect_uris": []},
    ]});
    let played = answering(listed).play(|| OidcProvider::run("list-clients".into(), vec![]));
    assert_eq!(played.result.unwrap(), "a\tA\thttps://a/1 https://a/2\nb\t\t");
    let played = answering(json!({"done": "rotated"}))
        .play(|| OidcProvider::run("rotate-key".into(), vec![]));
    played.result.unwrap();
    assert!(matches!(&played.calls[..], [Call::Restart { service, .. }] if service == "app"));
    let played = Script::new().play(|| OidcProvider::run("rotate-key".into(), vec!["a".into()]));
    assert!(played.result.is_err() && played.runs.is_empty());
}
