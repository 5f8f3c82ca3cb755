//! The plugin against a scripted host.

use potluck_sdk::{
    ClientRequest, Commands, Lifecycle, SsoProvider, Transition,
    testing::{Run, Script, ServiceError},
};
use serde_json::{Value, json};

use crate::LemonldapNg;

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
        "client": {"id": "wiki_example_org", "secret": SECRET},
        "done": "created",
        "generation": 0,
    })
}

fn input_of(run: &Run) -> Value {
    serde_json::from_slice(&run.input).unwrap()
}

#[test]
fn a_client_is_registered_as_the_app_asks_for_it() {
    let played = answering(answer()).play(|| LemonldapNg::register(wiki()));
    let client = played.result.unwrap();
    assert_eq!(
        (client.issuer.as_str(), client.client_id.as_str(), client.client_secret.as_deref()),
        ("https://sso.example.org", "wiki_example_org", Some(SECRET))
    );
    assert_eq!(client.groups_claim.as_deref(), Some("groups"));
    let [run] = &played.runs[..] else { panic!("one script: {:?}", played.runs) };
    assert_eq!(
        (run.service.as_str(), &run.command.argv[..], run.command.workdir.as_deref()),
        ("app", &["perl", "clients.pl"].map(String::from)[..], Some("/app"))
    );
    assert_eq!(
        input_of(run),
        json!({"action": "register", "client": {
            "id": "wiki_example_org",
            "name": "Wiki",
            "home": "https://wiki.example.org",
            "redirect_uris": ["https://wiki.example.org/back"],
            "post_logout_uris": ["https://wiki.example.org/"],
            "scopes": ["openid", "profile", "groups"],
            "public": false,
        }})
    );
    assert!(played.memory.is_empty(), "{:?}", played.memory);
}

#[test]
fn a_secret_is_in_no_argument_and_no_line() {
    let played = answering(answer()).play(|| LemonldapNg::register(wiki()));
    assert!(!format!("{:?}{:?}", played.runs[0].command, played.log).contains(SECRET));
    assert_eq!(
        played.log[0].1,
        "the client wiki_example_org is created at https://sso.example.org"
    );
}

#[test]
fn a_public_client_has_no_secret_and_who_asks_for_no_groups_gets_no_claim() {
    let public = ClientRequest { public: true, scopes: vec!["openid".into()], ..wiki() };
    let mut answer = answer();
    answer["client"]["secret"] = Value::Null;
    let played = answering(answer).play(|| LemonldapNg::register(public));
    assert_eq!(input_of(&played.runs[0])["client"]["public"], true);
    let client = played.result.unwrap();
    assert_eq!((client.client_secret, client.groups_claim), (None, None));
}

#[test]
fn a_provider_with_older_data_is_told_how_often_the_secret_was_replaced() {
    let mut answer = answer();
    answer["generation"] = 2.into();
    let played = answering(answer.clone()).play(|| LemonldapNg::rotate(wiki()));
    assert_eq!(input_of(&played.runs[0])["action"], "rotate");
    assert_eq!(played.memory["generation of wiki_example_org"], "2");
    assert_eq!(played.result.unwrap().client_secret.as_deref(), Some(SECRET));
    let played = answering(answer)
        .memory("generation of wiki_example_org", "2")
        .play(|| LemonldapNg::register(wiki()));
    assert_eq!(input_of(&played.runs[0])["generation"], 2);
    let played = answering(json!({"done": "removed", "generation": 3}))
        .memory("generation of wiki_example_org", "2")
        .play(|| LemonldapNg::unregister("wiki_example_org".into()));
    assert_eq!(played.memory["generation of wiki_example_org"], "3");
}

#[test]
fn an_answer_for_another_client_is_refused() {
    let mut other = answer();
    other["client"]["id"] = "shop_example_org".into();
    let played = answering(other).play(|| LemonldapNg::register(wiki()));
    assert_eq!(
        played.result.unwrap_err().message(),
        "the provider answered with the client shop_example_org instead of wiki_example_org"
    );
}

#[test]
fn what_the_provider_refuses_is_said() {
    let said = "the scope roles is unknown here: it has email, groups, openid\n";
    let played = Script::new()
        .on_run(move |_, _, _| Ok(Script::failed(1, said)))
        .play(|| LemonldapNg::register(wiki()));
    assert_eq!(
        played.result.unwrap_err().message(),
        "the provider's clients: `perl` ended with code 1: the scope roles is unknown here: it \
         has email, groups, openid"
    );
    let played = Script::new()
        .on_run(|_, _, _| Err(ServiceError::NotRunning("app".into())))
        .play(|| LemonldapNg::unregister("wiki_example_org".into()));
    assert_eq!(
        played.result.unwrap_err().message(),
        "the provider's clients: the service `app` is not running"
    );
}

#[test]
fn a_client_that_is_missing_is_removed_already() {
    let played = answering(json!({"done": "missing", "generation": 0}))
        .play(|| LemonldapNg::unregister("wiki_example_org".into()));
    played.result.unwrap();
    assert_eq!(input_of(&played.runs[0]), json!({"action": "remove", "id": "wiki_example_org"}));
}

#[test]
fn an_issuer_is_an_origin_and_words_are_known_ones() {
    let to = || Transition { before: None, after: None };
    for wrong in ["", "sso.example.org", "https://", "https://sso.example.org/", "https://a@b"] {
        let played = Script::new().setting("ISSUER", wrong).play(|| LemonldapNg::check(to()));
        assert!(played.result.is_err(), "{wrong}");
    }
    let check = |key: &str, value: &str| {
        let script = Script::new().setting("ISSUER", "http://127.0.0.1:3000").setting(key, value);
        script.play(|| LemonldapNg::check(to())).result
    };
    for (key, value) in [("PKCE", ""), ("PKCE", "required"), ("CONSENT", "implied")] {
        check(key, value).unwrap();
    }
    assert_eq!(check("CONSENT", "no").unwrap_err().message(), "CONSENT is `no`");
}

#[test]
fn commands_list_clients_and_replace_keys() {
    let listed = json!({"issuer": "https://sso.example.org", "clients": [
        {"id": "a", "name": "A", "redirect_uris": ["https://a/1", "https://a/2"]},
        {"id": "b", "name": null, "redirect_uris": []},
    ]});
    let played = answering(listed).play(|| LemonldapNg::run("list-clients".into(), vec![]));
    assert_eq!(played.result.unwrap(), "a\tA\thttps://a/1 https://a/2\nb\t\t");
    let played = answering(json!({"done": "rotated"}))
        .play(|| LemonldapNg::run("rotate-key".into(), vec![]));
    played.result.unwrap();
    assert_eq!(input_of(&played.runs[0]), json!({"action": "rotate-key"}));
    let played = Script::new().play(|| LemonldapNg::run("rotate-key".into(), vec!["a".into()]));
    assert!(played.result.is_err() && played.runs.is_empty());
}
