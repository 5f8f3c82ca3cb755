//! Providers outside: what registers clients by the standard in other ways than expected, and
//! clients that somebody makes by hand.

use super::*;

/// A world with a key and a provider `house` that registers clients.
fn dynamic() -> Option<World> {
    let world = World::new()?;
    world.provider.state().clients.clear();
    world.good(&["key", "new"]);
    world.good(&["provider", "add", "house", "--issuer", &world.provider.issuer, "--dynamic"]);
    Some(world)
}

/// The standard has one status for each request, and providers others; whatever comes, what a
/// client is known by is not said.
#[test]
fn an_answer_of_another_status_is_taken_and_never_quoted() {
    let Some(world) = dynamic() else { return };
    let connect = ["sso", "connect", WIKI, "house", "-n"];
    for status in [500, 302] {
        world.provider.state().told_with = Some(status);
        let words = format!("/register answers {status}\n");
        let run = world.fails(1, &connect, &[&words]);
        let history = world.good(&["app", "history", WIKI, "--json"]);
        for said in [run.stdout, run.stderr, history.stdout] {
            assert!(!said.contains("secret-") && !said.contains("token-"), "{said}");
        }
    }
    world.provider.state().clients.clear();
    for status in [202, 203, 201] {
        world.provider.state().told_with = Some(status);
        world.set("CALLBACK", &format!("/{status}"));
        assert_eq!(world.connect(&["house"])["changed"], json!(true), "{status}");
    }
    assert_eq!(world.provider.state().clients.len(), 1);
    assert_eq!(world.found(0), []);
}
