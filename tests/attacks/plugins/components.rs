//! Bytes that are no plugin, or one for somebody else.

use potluck::{hint::Hint, plugin::Error};

use super::{
    hostile::{Guest, LOG, NOW, World, binary, first, lifecycle, lifecycle_text, surroundings},
    load, the_host_stands,
};

fn good() -> Vec<u8> {
    lifecycle(&[LOG], "", "(i32.const 64)")
}

/// It is not loaded; the error names the plugin and says what to do.
async fn refused(component: &[u8]) -> (Error, String) {
    let Err(error) = load(component).await else { panic!("it was loaded") };
    the_host_stands().await;
    let text = error.to_string();
    assert!(text.contains("`guest`"), "it names the plugin: {text}");
    assert!(error.hint().is_some(), "it says what to do: {text}");
    (error, text)
}

#[tokio::test]
async fn it_is_no_component() {
    for (bytes, what) in [
        (&b"#!/bin/sh\necho hi\n"[..], "something else"),
        (b"", "an empty file"),
        (b"\0asm", "unknown kind"),
        (b"\x7fELF\x02\x01\x01", "a native program"),
        (b"(component)", "WebAssembly text"),
        (&binary("(module (func (export \"check\")))"), "a core WebAssembly module"),
    ] {
        let (error, text) = refused(bytes).await;
        assert!(matches!(error, Error::NotComponent { .. }), "{text}");
        assert!(text.contains(what), "{text}");
    }
}

#[tokio::test]
async fn it_is_native_code_that_was_compiled_elsewhere() {
    // What the cache holds; given as a plugin, it is never run.
    let mut config = wasmtime::Config::new();
    config.epoch_interruption(true);
    let engine = wasmtime::Engine::new(&config).unwrap();
    let code = engine.precompile_component(&good()).unwrap();
    let (_, text) = refused(&code).await;
    assert!(text.contains("compiled for one machine"), "{text}");
}

#[tokio::test]
async fn it_is_cut_off() {
    let good = good();
    for length in (8..good.len()).step_by(37).chain([good.len() - 1]) {
        let (error, text) = refused(&good[..length]).await;
        // Cut between two sections, what is left can be whole: it plays no role.
        assert!(matches!(error, Error::Damaged { .. } | Error::NoRole { .. }), "{length}: {text}");
    }
}

#[tokio::test]
async fn its_bits_are_flipped() {
    let good = good();
    let world = std::sync::Arc::new(World::default());
    let mut damaged = 0;
    for at in (8..good.len()).step_by(11) {
        let mut flipped = good.clone();
        flipped[at] ^= 1 << (at % 8);
        // It may still be a component; then it runs like any other.
        let Ok(plugin) = load(&flipped).await else {
            damaged += 1;
            continue;
        };
        let Ok(mut hooks) = plugin.start(surroundings(&world, &[])).await else { continue };
        let _ = hooks.check(&first()).await;
    }
    assert!(damaged > 0);
    the_host_stands().await;
}

#[tokio::test]
async fn it_is_filled_up_with_rubbish() {
    let mut bytes = good();
    bytes.extend((0..4096u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()));
    let (error, text) = refused(&bytes).await;
    assert!(matches!(error, Error::Damaged { .. }), "{text}");
}

#[tokio::test]
async fn it_is_too_large() {
    let mut large = good();
    large.resize(65 << 20, 0);
    let Err(error) = load(&large).await else { panic!("it was loaded") };
    assert!(matches!(error, Error::TooLarge { .. }), "{error}");
    the_host_stands().await;
}

#[tokio::test]
async fn it_was_compiled_for_another_world() {
    let text = lifecycle_text(&[], "", "(i32.const 64)");
    for other in [
        "wasi:cli/run@0.2.0",
        "wasi:http/incoming-handler@0.2.0",
        "test:other/thing@1.0.0",
        "potluck:recipe/shell@0.1.0",
    ] {
        let other_text = text.replace("potluck:recipe/lifecycle@0.1.0", other);
        let (error, text) = refused(&binary(&other_text)).await;
        assert!(matches!(error, Error::NoRole { .. }), "{text}");
        assert!(text.contains(other), "{text}");
    }
    refused(&binary("(component)")).await;
}

#[tokio::test]
async fn it_was_compiled_for_a_later_version() {
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
async fn an_import_has_another_type() {
    let text = lifecycle_text(&[NOW], "", "(i32.const 64)");
    // `tools.now` gives a u64; this one wants an s64 of the same core type.
    let (error, text) = refused(&binary(&text.replace("(result u64)", "(result s64)"))).await;
    assert!(matches!(error, Error::Mismatch { .. }), "{text}");
    assert!(text.contains("now"), "{text}");
}

#[tokio::test]
async fn a_hook_has_another_type() {
    // `before-remove` answers with a text where it may fail.
    let text = Guest::new(&["lifecycle"]).text();
    let other = text.replace(
        r#"(func $lifecycle.before-remove (result (result (error $failure)))"#,
        r#"(func $lifecycle.before-remove (result string)"#,
    );
    let other = other.replace(
        r#"(import "func-before-remove" (func $before-remove (result (result (error $failure)))))"#,
        r#"(import "func-before-remove" (func $before-remove (result string)))"#,
    );
    let other = other.replace(
        r#"(func $before-remove) (func (result (result (error $failure.out)))))"#,
        r#"(func $before-remove) (func (result string)))"#,
    );
    assert_ne!(text, other);
    let component = binary(&other);
    let world = std::sync::Arc::new(World::default());
    let plugin = load(&component).await.unwrap();
    let error = plugin.start(surroundings(&world, &[])).await.err().unwrap();
    assert!(matches!(error, Error::Mismatch { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("the role `lifecycle`") && text.contains("mismatch"), "{text}");
    the_host_stands().await;
}

#[tokio::test]
async fn a_hook_is_missing() {
    let text = Guest::new(&["lifecycle"]).text();
    let (error, text) = refused(&binary(&text.replace(
        r#"(export "after-deploy" (func $after"#,
        r#"(export "after-deplox" (func $after"#,
    )))
    .await;
    assert!(matches!(error, Error::Mismatch { .. }), "{text}");
    assert!(text.contains("after-deploy"), "{text}");
}

#[tokio::test]
async fn it_uses_what_is_turned_off() {
    for (what, module) in [
        ("memory64", "(module (memory i64 1))"),
        ("shared memory", "(module (memory 1 2 shared))"),
        (
            "relaxed simd",
            "(module (func (param v128) (result v128)
                (i32x4.relaxed_trunc_f32x4_s (local.get 0))))",
        ),
    ] {
        let text = Guest::new(&["lifecycle"]).text();
        let module = module.replacen("(module", "(component (core module", 1);
        let (error, text) = refused(&binary(&text.replacen("(component", &module, 1))).await;
        assert!(matches!(error, Error::Damaged { .. }), "{what}: {text}");
    }
}

/// A component's section of nested components.
fn nested(inner: &[u8]) -> Vec<u8> {
    let mut bytes = b"\0asm\x0d\0\x01\0\x04".to_vec();
    let mut length = inner.len();
    loop {
        let low = (length & 0x7f) as u8;
        length >>= 7;
        bytes.push(if length == 0 { low } else { low | 0x80 });
        if length == 0 {
            break;
        }
    }
    bytes.extend(inner);
    bytes
}

#[tokio::test]
async fn components_are_nested_without_end() {
    let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
    for _ in 0..5000 {
        bytes = nested(&bytes);
    }
    let (error, text) = refused(&bytes).await;
    assert!(matches!(error, Error::Damaged { .. } | Error::NoRole { .. }), "{text}");
}

#[tokio::test]
async fn instances_double_at_every_level() {
    // Thirty levels of two: a thousand million instances, in a few kilobytes.
    let mut text = "(component $C0 (core module $M) (core instance (instantiate $M)))".to_owned();
    for level in 1..=30 {
        let below = level - 1;
        text = format!(
            "(component $C{level} {text}
                (instance (instantiate $C{below})) (instance (instantiate $C{below})))"
        );
    }
    let all = format!("(component {text} (instance (instantiate $C30))");
    let whole = Guest::new(&["lifecycle"]).text().replacen("(component", &all, 1);
    let (error, text) = refused(&binary(&whole)).await;
    assert!(matches!(error, Error::Damaged { .. }), "{text}");
}

#[tokio::test]
async fn types_double_at_every_level() {
    let mut types = "(type $t0 (tuple u8 u8))".to_owned();
    for level in 1..=60 {
        let below = level - 1;
        types += &format!("(type $t{level} (tuple $t{below} $t{below}))");
    }
    let whole =
        Guest::new(&["lifecycle"]).text().replacen("(component", &format!("(component {types}"), 1);
    let (error, text) = refused(&binary(&whole)).await;
    assert!(matches!(error, Error::Damaged { .. }), "{text}");
}
