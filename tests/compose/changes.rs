//! Stacks that change between two deploys.

/// A stack before and after, and how it is deployed the second time.
pub struct Change {
    pub title: &'static str,
    pub before: &'static str,
    pub after: &'static str,
    pub flags: &'static [&'static str],
    /// What the registry says each time; it cannot be reached where none.
    pub registry: [Option<&'static str>; 2],
}

const WEB: &str = "services: {web: {image: 'nginx:1'}, db: {image: mariadb}}";

pub const CHANGES: &[Change] = &[
    Change { title: "nothing", before: WEB, after: WEB, flags: &[], registry: [None, None] },
    Change {
        title: "an image",
        before: WEB,
        after: "services: {web: {image: 'nginx:2'}, db: {image: mariadb}}",
        flags: &["--resolve-image=never"],
        registry: [None, None],
    },
    Change {
        title: "the registry answers only the second time",
        before: WEB,
        after: WEB,
        flags: &[],
        registry: [None, Some("a")],
    },
    Change {
        title: "the registry answers only the first time",
        before: WEB,
        after: WEB,
        flags: &[],
        registry: [Some("a"), None],
    },
    Change {
        title: "a tag moved, always",
        before: WEB,
        after: WEB,
        flags: &["--resolve-image=always"],
        registry: [Some("a"), Some("b")],
    },
    Change {
        title: "a tag moved, changed",
        before: WEB,
        after: "services: {web: {image: 'nginx:2'}, db: {image: mariadb}}",
        flags: &["--resolve-image=changed"],
        registry: [Some("a"), Some("b")],
    },
    Change {
        title: "a tag moved, never",
        before: WEB,
        after: "services: {web: {image: 'nginx:2'}, db: {image: mariadb, hostname: h}}",
        flags: &["--resolve-image=never"],
        registry: [Some("a"), Some("b")],
    },
    Change {
        title: "the same image, written otherwise",
        before: WEB,
        after: "services: {web: {image: 'docker.io/library/nginx:1'}, db: {image: 'mariadb:latest'}}",
        flags: &["--resolve-image=changed"],
        registry: [Some("a"), Some("b")],
    },
    Change {
        title: "a pinned image",
        before: WEB,
        after: "services: {web: {image: 'nginx:1@sha256:\
                0000000000000000000000000000000000000000000000000000000000000000'}}",
        flags: &[],
        registry: [Some("a"), Some("b")],
    },
    Change {
        title: "everything but the image",
        before: WEB,
        after: "services: {web: {image: 'nginx:1', environment: {A: b}, labels: {l: m}, \
                deploy: {replicas: 3, labels: {x: y}}, ports: ['80:80'], volumes: ['v:/v']}, \
                db: {image: mariadb, command: [x], networks: [n]}}\n\
                volumes: {v: }\nnetworks: {n: }",
        flags: &[],
        registry: [Some("a"), Some("a")],
    },
    Change {
        title: "a service more",
        before: WEB,
        after: "services: {web: {image: 'nginx:1'}, db: {image: mariadb}, c: {image: c}}",
        flags: &[],
        registry: [None, None],
    },
    Change {
        title: "a service less",
        before: WEB,
        after: "services: {web: {image: 'nginx:1'}}",
        flags: &[],
        registry: [None, None],
    },
    Change {
        title: "a service less, pruned",
        before: WEB,
        after: "services: {web: {image: 'nginx:1'}}",
        flags: &["--prune"],
        registry: [None, None],
    },
    Change {
        title: "networks, configs and secrets less, pruned",
        before: "services: {a: {image: a, networks: [n, m], configs: [c], secrets: [s]}}\n\
                 networks: {n: , m: }\nconfigs: {c: {file: compose.yml}}\n\
                 secrets: {s: {file: key}}",
        after: "services: {a: {image: a, networks: [n]}}\nnetworks: {n: , m: }",
        flags: &["--prune"],
        registry: [None, None],
    },
    Change {
        title: "labels of a config and of a secret",
        before: "services: {a: {image: a, configs: [c], secrets: [s]}}\n\
                 configs: {c: {file: key, labels: {a: b}}}\nsecrets: {s: {file: key}}",
        after: "services: {a: {image: a, configs: [c], secrets: [s]}}\n\
                configs: {c: {file: key}}\nsecrets: {s: {file: key, labels: {c: d}}}",
        flags: &[],
        registry: [None, None],
    },
    Change {
        title: "credentials, and something changed",
        before: WEB,
        after: "services: {web: {image: 'r.example:5000/web:2'}, db: {image: mariadb, hostname: h}, \
                c: {image: 'none.example/c'}, d: {image: 'helped.example/d:1'}, \
                t: {image: 'token.example/t:1'}, o: {image: 'old.example/o:1'}}",
        flags: &["--with-registry-auth"],
        registry: [Some("a"), Some("b")],
    },
    Change {
        title: "credentials, and nothing changed",
        before: WEB,
        after: WEB,
        flags: &["--with-registry-auth", "--resolve-image=changed"],
        registry: [Some("a"), Some("a")],
    },
];
