//! Files, programs and the network of the machine that potluck runs on.

use potluck::plugin::Error;

use super::{
    attack, checks, crashed,
    hostile::{binary, lifecycle_text},
    load, the_host_stands,
};

/// A list lies at 160: its address and length. Anything in it is success for
/// the attacker, who then says so.
const FAIL_IF_ANY: &str = r#"
    (if (result i32) (i32.load (i32.const 164))
        (then (call $fail (i32.const 256) (i32.const 4)))
        (else (i32.const 64)))"#;

#[tokio::test]
async fn the_environment_is_asked_of_wasi() {
    for function in ["get-environment", "get-arguments"] {
        let guest = checks(&[("environment", function)], |data| {
            data.string("got!");
            format!("(call ${function} (i32.const 160)) {FAIL_IF_ANY}")
        });
        attack(&guest.binary(), &[]).await.0.unwrap_or_else(|error| panic!("{function}: {error}"));
    }
}

#[tokio::test]
async fn the_machines_folders_are_asked_of_wasi() {
    let guest = checks(&[("preopens", "get-directories")], |data| {
        data.string("got!");
        format!("(call $get-directories (i32.const 160)) {FAIL_IF_ANY}")
    });
    attack(&guest.binary(), &[]).await.0.unwrap();
}

#[tokio::test]
async fn a_socket_is_connected_through_wasi() {
    // To 127.0.0.1:80, with a grant for just that; the answer is `access-denied`.
    let guest = checks(
        &[
            ("instance-network", "instance-network"),
            ("tcp-create-socket", "create-tcp-socket"),
            ("tcp", "[method]tcp-socket.start-connect"),
        ],
        |data| {
            data.string("connected!");
            let zeros = "(i32.const 0)".repeat(6);
            format!(
                "(call $create-tcp-socket (i32.const 0) (i32.const 160))
                 (if (i32.load8_u (i32.const 160)) (then (return (i32.const 64))))
                 (call $start-connect
                    (i32.load (i32.const 164)) (call $instance-network)
                    (i32.const 0) (i32.const 80)
                    (i32.const 127) (i32.const 0) (i32.const 0) (i32.const 1)
                    {zeros} (i32.const 160))
                 (if (result i32) (i32.and (i32.load8_u (i32.const 160))
                        (i32.eq (i32.load8_u (i32.const 161)) (i32.const 1)))
                    (then (i32.const 64))
                    (else (call $fail (i32.const 256) (i32.const 10))))"
            )
        },
    );
    attack(&guest.binary(), &["http: http://127.0.0.1"]).await.0.unwrap();
}

#[tokio::test]
async fn a_name_is_looked_up_through_wasi() {
    let guest = checks(
        &[("instance-network", "instance-network"), ("ip-name-lookup", "resolve-addresses")],
        |data| {
            let name = data.string("localhost");
            format!(
                "(call $resolve-addresses (call $instance-network)
                    (i32.const {}) (i32.const {}) (i32.const 160))
                 (if (result i32) (i32.load8_u (i32.const 160))
                    (then (i32.const 64))
                    (else (call $fail (i32.const 256) (i32.const 9))))",
                name[0], name[1]
            )
        },
    );
    attack(&guest.binary(), &[]).await.0.unwrap();
}

#[tokio::test]
async fn the_process_is_ended_through_wasi() {
    for status in [0, 1] {
        let guest = checks(&[("exit", "exit")], |_| {
            format!("(call $exit (i32.const {status})) (i32.const 64)")
        });
        let said = crashed(&guest.binary(), &[]).await;
        assert!(said.contains("Exited") || said.contains("exit"), "{said}");
    }
}

#[tokio::test]
async fn an_interface_that_is_not_offered_is_imported() {
    let text = lifecycle_text(&[], "", "(i32.const 64)");
    for name in [
        "wasi:http/outgoing-handler@0.2.0",
        "wasi:filesystem/preopens@0.3.0",
        "wasi:nn/graph@0.2.0",
        "evil:host/shell@1.0.0",
        "potluck:recipe/shell@0.1.0",
        "potluck:host/shared",
        "docker:engine/exec@0.1.0",
    ] {
        let import = format!(r#"(component (import "{name}" (instance (export "f" (func))))"#);
        let error = load(&binary(&text.replacen("(component", &import, 1))).await.err().unwrap();
        assert!(matches!(error, Error::ForeignImport { .. }), "{error}");
        assert!(error.to_string().contains(name), "{error}");
    }
    the_host_stands().await;
}

#[tokio::test]
async fn a_function_that_is_not_there_is_imported_from_wasi() {
    let text = lifecycle_text(&[], "", "(i32.const 64)");
    let import = r#"(component (import "wasi:filesystem/preopens@0.2.0"
        (instance (export "root-of-the-machine" (func))))"#;
    let error = load(&binary(&text.replacen("(component", import, 1))).await.err().unwrap();
    assert!(matches!(error, Error::Mismatch { .. }), "{error}");
    assert!(error.to_string().contains("root-of-the-machine"), "{error}");
    the_host_stands().await;
}
