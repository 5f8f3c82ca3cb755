//! What can't be a plugin is refused by name, and no bytes make the host panic.

mod hostile;

use hostile::*;
use potluck::{hint::Hint, plugin::Error};

fn good() -> Vec<u8> {
    lifecycle(&[LOG], "", "(i32.const 64)")
}

async fn refused(component: &[u8]) -> (Error, String) {
    match load(component).await {
        Ok(_) => panic!("it was loaded"),
        Err(error) => {
            let text = error.to_string();
            assert!(text.contains("`guest`"), "it names the plugin: {text}");
            assert!(error.hint().is_some(), "it says what to do: {text}");
            (error, text)
        }
    }
}

#[tokio::test]
async fn a_core_module_is_called_one() {
    let module = binary("(module (func (export \"check\")))");
    let (error, text) = refused(&module).await;
    assert_eq!(
        text,
        "the plugin `guest` is not a WebAssembly component: it is a core WebAssembly module"
    );
    assert!(error.hint().unwrap().contains("wasm-tools component new"));
}

#[tokio::test]
async fn what_is_no_component_is_refused() {
    for bytes in [&b"#!/bin/sh\necho hi\n"[..], b"", b"\0asm", b"(component)"] {
        let (error, text) = refused(bytes).await;
        assert!(matches!(error, Error::NotComponent { .. }), "{text}");
    }
}

#[tokio::test]
async fn a_truncated_component_is_damaged() {
    let good = good();
    for length in [8, 9, 20, good.len() / 2, good.len() - 1] {
        let (error, text) = refused(&good[..length]).await;
        // Cut between two sections, what is left can be whole: it plays no role.
        assert!(matches!(error, Error::Damaged { .. } | Error::NoRole { .. }), "{length}: {text}");
    }
}

#[tokio::test]
async fn a_flipped_bit_never_makes_the_host_panic() {
    let good = good();
    let (runtime, _folder) = runtime();
    let world = std::sync::Arc::new(World::default());
    for at in (8..good.len()).step_by(7) {
        let mut flipped = good.clone();
        flipped[at] ^= 1 << (at % 8);
        // It may still be a component; then it runs like any other.
        let Ok(plugin) = runtime.load("guest", &flipped).await else { continue };
        let Ok(mut hooks) = plugin.start(surroundings(&world, &[])).await else { continue };
        let _ = hooks.check(&first()).await;
    }
}

#[tokio::test]
async fn a_foreign_interface_is_refused_by_name() {
    let text = lifecycle_text(&[LOG], "", "(i32.const 64)");
    let foreign =
        |import: &str| binary(&text.replacen("(component", &format!("(component {import}"), 1));
    for name in [
        "wasi:http/outgoing-handler@0.2.0",
        "evil:host/shell@1.0.0",
        "potluck:recipe/shell@0.1.0",
        "wasi:filesystem/preopens@0.3.0",
    ] {
        let import = format!(r#"(import "{name}" (instance (export "f" (func))))"#);
        let (error, text) = refused(&foreign(&import)).await;
        assert!(matches!(error, Error::ForeignImport { .. }), "{text}");
        assert!(text.contains(name), "{text}");
    }
    let (error, _) = refused(&foreign(r#"(import "exec" (func))"#)).await;
    assert!(matches!(error, Error::ForeignImport { .. }));
}

#[tokio::test]
async fn another_version_of_the_interface_is_told() {
    let text = lifecycle_text(&[LOG], "", "(i32.const 64)");
    for (from, to) in [
        ("potluck:recipe/lifecycle@0.1.0", "potluck:recipe/lifecycle@0.9.0"),
        ("potluck:recipe/report@0.1.0", "potluck:recipe/report@0.9.0"),
    ] {
        let (error, text) = refused(&binary(&text.replace(from, to))).await;
        assert!(matches!(error, Error::OtherVersion { .. }), "{text}");
        assert!(text.contains(to) && text.contains("0.1.0"), "{text}");
    }
}

#[tokio::test]
async fn a_component_for_another_world_is_refused() {
    let text = lifecycle_text(&[], "", "(i32.const 64)");
    let other = text.replace("potluck:recipe/lifecycle@0.1.0", "test:other/thing@1.0.0");
    let (error, text) = refused(&binary(&other)).await;
    assert!(matches!(error, Error::NoRole { .. }), "{text}");
    assert!(text.contains("test:other/thing@1.0.0"), "{text}");
    refused(&binary("(component)")).await;
}

#[tokio::test]
async fn an_import_of_another_type_is_refused() {
    let text = lifecycle_text(&[NOW], "", "(i32.const 64)");
    // `tools.now` gives a u64; this one wants an s64 of the same core type.
    let (error, text) = refused(&binary(&text.replace("(result u64)", "(result s64)"))).await;
    assert!(matches!(error, Error::Mismatch { .. }), "{text}");
    assert!(text.contains("now"), "{text}");
}

#[tokio::test]
async fn a_component_that_is_too_large_is_refused() {
    let mut large = good();
    large.resize(65 << 20, 0);
    let (runtime, _folder) = runtime();
    let Err(error) = runtime.load("guest", &large).await else { panic!("it was loaded") };
    assert!(matches!(error, Error::TooLarge { .. }), "{error}");
}
