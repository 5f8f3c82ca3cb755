//! `wit/` as the builder needs it: each interface's types and functions as
//! component text, and what its functions are in core WebAssembly.

/// An interface that a guest may import, or that holds only types.
pub struct Interface {
    /// `potluck:recipe/services`
    pub name: &'static str,
    /// Types of interfaces above it.
    pub uses: &'static [&'static str],
    /// Name and definition; `resource` is one.
    pub types: &'static [(&'static str, &'static str)],
    pub functions: &'static [Function],
}

/// A function of the host.
pub struct Function {
    pub name: &'static str,
    pub ty: &'static str,
    /// As the core module imports it.
    pub core: &'static str,
}

/// A role that a guest may play.
pub struct RoleText {
    pub name: &'static str,
    pub uses: &'static [&'static str],
    pub types: &'static [(&'static str, &'static str)],
    /// Name, type, core parameters.
    pub hooks: &'static [(&'static str, &'static str, &'static str)],
}

const fn function(name: &'static str, ty: &'static str, core: &'static str) -> Function {
    Function { name, ty, core }
}

const SERVICE_ERROR: &str = r#"(variant (case "denied" string) (case "unknown-service" string)
    (case "not-running" string) (case "timed-out") (case "invalid" string)
    (case "too-large" u32) (case "engine" string))"#;

/// In an order in which each finds what it uses above itself.
pub const INTERFACES: &[Interface] = &[
    Interface {
        name: "potluck:recipe/failures",
        uses: &[],
        types: &[(
            "failure",
            r#"(record (field "message" string) (field "hint" (option string))
                (field "retryable" bool))"#,
        )],
        functions: &[],
    },
    Interface {
        name: "potluck:recipe/process-types",
        uses: &[],
        types: &[(
            "command",
            r#"(record (field "argv" (list string)) (field "env" (list (tuple string string)))
                (field "user" (option string)) (field "workdir" (option string))
                (field "timeout-ms" (option u32)))"#,
        )],
        functions: &[],
    },
    Interface {
        name: "potluck:recipe/bytes",
        uses: &[],
        types: &[("sink", "resource"), ("source", "resource")],
        functions: &[
            function(
                "[method]sink.write",
                r#"(param "self" (borrow $sink)) (param "chunk" (list u8))
                    (result (result (error string)))"#,
                "(param i32 i32 i32 i32)",
            ),
            function(
                "[method]source.read",
                r#"(param "self" (borrow $source)) (param "max" u32)
                    (result (result (list u8) (error string)))"#,
                "(param i32 i32 i32)",
            ),
        ],
    },
    Interface {
        name: "potluck:recipe/changes",
        uses: &[],
        types: &[(
            "changes",
            r#"(record (field "settings" (list (tuple string (option string))))
                (field "secrets" (list (tuple string string)))
                (field "overlays-on" (list string)) (field "overlays-off" (list string)))"#,
        )],
        functions: &[],
    },
    Interface {
        name: "potluck:recipe/sso-types",
        uses: &[],
        types: &[
            (
                "client-request",
                r#"(record (field "client" string) (field "display-name" string)
                    (field "home-url" (option string)) (field "redirect-uris" (list string))
                    (field "post-logout-uris" (list string)) (field "scopes" (list string))
                    (field "public" bool))"#,
            ),
            (
                "client",
                r#"(record (field "issuer" string) (field "client-id" string)
                    (field "client-secret" (option string))
                    (field "groups-claim" (option string)))"#,
            ),
        ],
        functions: &[],
    },
    Interface {
        name: "potluck:recipe/mail-types",
        uses: &[],
        types: &[
            ("encryption", r#"(enum "none" "starttls" "tls")"#),
            (
                "relay",
                r#"(record (field "host" string) (field "port" u16)
                    (field "encryption" $encryption) (field "username" (option string))
                    (field "password" (option string)) (field "sender" string))"#,
            ),
        ],
        functions: &[],
    },
    Interface {
        name: "potluck:recipe/app",
        uses: &[],
        types: &[],
        functions: &[function("settings", "(result (list (tuple string string)))", "(param i32)")],
    },
    Interface {
        name: "potluck:recipe/report",
        uses: &[],
        types: &[("level", r#"(enum "debug" "info" "warn" "error")"#)],
        functions: &[
            function(
                "log",
                r#"(param "level" $level) (param "message" string)"#,
                "(param i32 i32 i32)",
            ),
            function(
                "progress",
                r#"(param "step" string) (param "done" u64) (param "total" (option u64))"#,
                "(param i32 i32 i64 i32 i64)",
            ),
        ],
    },
    Interface {
        name: "potluck:recipe/recipe-files",
        uses: &[],
        types: &[(
            "error",
            r#"(variant (case "not-found") (case "invalid" string) (case "too-large" u32))"#,
        )],
        functions: &[
            function(
                "read",
                r#"(param "path" string) (result (result (list u8) (error $error)))"#,
                "(param i32 i32 i32)",
            ),
            function(
                "names",
                r#"(param "folder" string) (result (result (list string) (error $error)))"#,
                "(param i32 i32 i32)",
            ),
        ],
    },
    Interface {
        name: "potluck:recipe/services",
        uses: &["command"],
        types: &[
            ("error", SERVICE_ERROR),
            (
                "output",
                r#"(record (field "exit-code" s32) (field "stdout" (list u8))
                    (field "stderr" (list u8)) (field "truncated" bool))"#,
            ),
        ],
        functions: &[
            // Sixteen parameters are the most that is handed over flat.
            function(
                "run",
                r#"(param "service" string) (param "command" $command) (param "input" (list u8))
                    (result (result $output (error $error)))"#,
                "(param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)",
            ),
            function(
                "wait-ready",
                r#"(param "service" string) (param "timeout-ms" u32)
                    (result (result (error $error)))"#,
                "(param i32 i32 i32 i32)",
            ),
            function(
                "restart",
                r#"(param "service" string) (param "timeout-ms" u32)
                    (result (result (error $error)))"#,
                "(param i32 i32 i32 i32)",
            ),
            function(
                "put-file",
                r#"(param "service" string) (param "path" string) (param "content" (list u8))
                    (param "mode" u32) (result (result (error $error)))"#,
                "(param i32 i32 i32 i32 i32 i32 i32 i32)",
            ),
            function(
                "get-file",
                r#"(param "service" string) (param "path" string)
                    (result (result (list u8) (error $error)))"#,
                "(param i32 i32 i32 i32 i32)",
            ),
            // Since 0.2.0.
            function(
                "logs",
                r#"(param "service" string) (param "lines" u32)
                    (result (result (list string) (error $error)))"#,
                "(param i32 i32 i32 i32)",
            ),
        ],
    },
    Interface {
        name: "potluck:recipe/secrets",
        uses: &[],
        types: &[(
            "error",
            r#"(variant (case "denied" string) (case "unknown-secret" string)
                (case "unavailable" string) (case "exists" string) (case "invalid" string)
                (case "engine" string))"#,
        )],
        functions: &[
            function(
                "reveal",
                r#"(param "name" string) (result (result string (error $error)))"#,
                "(param i32 i32 i32)",
            ),
            function(
                "put",
                r#"(param "name" string) (param "value" string)
                    (result (result (error $error)))"#,
                "(param i32 i32 i32 i32 i32)",
            ),
        ],
    },
    Interface {
        name: "potluck:recipe/http",
        uses: &[],
        types: &[
            (
                "error",
                r#"(variant (case "denied" string) (case "timed-out") (case "invalid" string)
                    (case "failed" string))"#,
            ),
            (
                "request",
                r#"(record (field "method" string) (field "url" string)
                    (field "headers" (list (tuple string string))) (field "body" (list u8))
                    (field "timeout-ms" (option u32)))"#,
            ),
            (
                "response",
                r#"(record (field "status" u16) (field "headers" (list (tuple string string)))
                    (field "body" (list u8)))"#,
            ),
        ],
        functions: &[function(
            "send",
            r#"(param "request" $request) (result (result $response (error $error)))"#,
            "(param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)",
        )],
    },
    Interface {
        name: "potluck:recipe/memory",
        uses: &[],
        types: &[],
        functions: &[
            function(
                "get",
                r#"(param "key" string) (result (result (option string) (error string)))"#,
                "(param i32 i32 i32)",
            ),
            function(
                "set",
                r#"(param "key" string) (param "value" string)
                    (result (result (error string)))"#,
                "(param i32 i32 i32 i32 i32)",
            ),
        ],
    },
    Interface {
        name: "potluck:recipe/tools",
        uses: &[],
        types: &[],
        functions: &[
            function("now", "(result u64)", "(result i64)"),
            function("random-bytes", r#"(param "len" u32) (result (list u8))"#, "(param i32 i32)"),
            function(
                "argon2id",
                r#"(param "password" string) (result string)"#,
                "(param i32 i32 i32)",
            ),
        ],
    },
    Interface { name: "wasi:io/error", uses: &[], types: &[("error", "resource")], functions: &[] },
    Interface {
        name: "wasi:io/streams",
        uses: &["error"],
        types: &[
            ("output-stream", "resource"),
            (
                "stream-error",
                r#"(variant (case "last-operation-failed" (own $error)) (case "closed"))"#,
            ),
        ],
        functions: &[function(
            "[method]output-stream.blocking-write-and-flush",
            r#"(param "self" (borrow $output-stream)) (param "contents" (list u8))
                (result (result (error $stream-error)))"#,
            "(param i32 i32 i32 i32)",
        )],
    },
    Interface {
        name: "wasi:cli/stdout",
        uses: &["output-stream"],
        types: &[],
        functions: &[function("get-stdout", "(result (own $output-stream))", "(result i32)")],
    },
    Interface {
        name: "wasi:filesystem/types",
        uses: &[],
        types: &[("descriptor", "resource")],
        functions: &[],
    },
    Interface {
        name: "wasi:filesystem/preopens",
        uses: &["descriptor"],
        types: &[],
        functions: &[function(
            "get-directories",
            "(result (list (tuple (own $descriptor) string)))",
            "(param i32)",
        )],
    },
    Interface {
        name: "wasi:cli/environment",
        uses: &[],
        types: &[],
        functions: &[
            function("get-environment", "(result (list (tuple string string)))", "(param i32)"),
            function("get-arguments", "(result (list string))", "(param i32)"),
        ],
    },
    Interface {
        name: "wasi:cli/exit",
        uses: &[],
        types: &[],
        functions: &[function("exit", r#"(param "status" (result))"#, "(param i32)")],
    },
    Interface {
        name: "wasi:sockets/network",
        uses: &[],
        types: &[
            ("network", "resource"),
            (
                "error-code",
                r#"(enum "unknown" "access-denied" "not-supported" "invalid-argument"
                    "out-of-memory" "timeout" "concurrency-conflict" "not-in-progress"
                    "would-block" "invalid-state" "new-socket-limit" "address-not-bindable"
                    "address-in-use" "remote-unreachable" "connection-refused"
                    "connection-reset" "connection-aborted" "datagram-too-large"
                    "name-unresolvable" "temporary-resolver-failure"
                    "permanent-resolver-failure")"#,
            ),
            ("ip-address-family", r#"(enum "ipv4" "ipv6")"#),
            ("ipv4-address", "(tuple u8 u8 u8 u8)"),
            ("ipv6-address", "(tuple u16 u16 u16 u16 u16 u16 u16 u16)"),
            (
                "ipv4-socket-address",
                r#"(record (field "port" u16) (field "address" $ipv4-address))"#,
            ),
            (
                "ipv6-socket-address",
                r#"(record (field "port" u16) (field "flow-info" u32)
                    (field "address" $ipv6-address) (field "scope-id" u32))"#,
            ),
            (
                "ip-socket-address",
                r#"(variant (case "ipv4" $ipv4-socket-address)
                    (case "ipv6" $ipv6-socket-address))"#,
            ),
        ],
        functions: &[],
    },
    Interface {
        name: "wasi:sockets/instance-network",
        uses: &["network"],
        types: &[],
        functions: &[function("instance-network", "(result (own $network))", "(result i32)")],
    },
    Interface {
        name: "wasi:sockets/ip-name-lookup",
        uses: &["network", "error-code"],
        types: &[("resolve-address-stream", "resource")],
        functions: &[function(
            "resolve-addresses",
            r#"(param "network" (borrow $network)) (param "name" string)
                (result (result (own $resolve-address-stream) (error $error-code)))"#,
            "(param i32 i32 i32 i32)",
        )],
    },
    Interface {
        name: "wasi:sockets/tcp",
        uses: &["network", "error-code", "ip-socket-address"],
        types: &[("tcp-socket", "resource")],
        functions: &[function(
            "[method]tcp-socket.start-connect",
            r#"(param "self" (borrow $tcp-socket)) (param "network" (borrow $network))
                (param "remote-address" $ip-socket-address)
                (result (result (error $error-code)))"#,
            "(param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)",
        )],
    },
    Interface {
        name: "wasi:sockets/tcp-create-socket",
        uses: &["error-code", "ip-address-family", "tcp-socket"],
        types: &[],
        functions: &[function(
            "create-tcp-socket",
            r#"(param "address-family" $ip-address-family)
                (result (result (own $tcp-socket) (error $error-code)))"#,
            "(param i32 i32)",
        )],
    },
];
