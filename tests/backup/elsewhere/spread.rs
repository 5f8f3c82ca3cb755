//! An app whose services are on several nodes, with a real PostgreSQL that moves.

use super::{BUSYBOX, Command, HELPER, PLANTED, SLEEP, Somebody, skip, three_nodes};

const STORES: &str = "potluck-test/stores:1";

fn compose(app: &str, db: &str) -> String {
    let on = |node: &str| {
        format!(
            "    stop_grace_period: 0s\n    deploy:\n      endpoint_mode: dnsrr\n      placement:\n        \
             constraints: [\"node.hostname == {node}\"]\n"
        )
    };
    format!(
        "version: \"3.8\"\nservices:\n  app:\n    image: {BUSYBOX}\n    command: {SLEEP}\n    volumes: \
         [\"content:/content\"]\n{}  db:\n    image: {STORES}\n    command: [postgres]\n    environment: \
         {{POSTGRES_USER: wiki, POSTGRES_DB: pages, POSTGRES_PASSWORD_FILE: /run/secrets/pg_password}}\n    \
         secrets: [pg_password]\n    volumes: [\"db:/var/lib/postgresql/data\"]\n    healthcheck:\n      \
         test: [CMD, pg_isready, -q, -h, 127.0.0.1, -U, wiki, -d, pages]\n      interval: 1s\n      \
         retries: 60\n      start_period: 10m\n{}volumes: {{content: , db: }}\nsecrets:\n  pg_password:\n    \
         external: true\n    name: ${{STACK_NAME}}_pg_password_${{SECRET_PG_PASSWORD_VERSION}}\n",
        on(app),
        on(db)
    )
}

const PLUGINS: &str = "plugins:\n  - name: postgres\n    component: std:postgres\n    options: {service: db, \
                       secret: pg_password}\n    grants: [exec: db, secret: pg_password]\n  - name: \
                       content\n    component: std:files\n    options: {volumes: [content]}\n";

impl Somebody {
    fn query(&self, sql: &str) -> String {
        let psql = ["psql", "-qXAt", "-v", "ON_ERROR_STOP=1", "-U", "wiki", "pages", "-c", sql];
        let run = ["app", "run", &self.domain, "db", "--no-input", "--"];
        self.run(&[&run[..], &psql].concat()).trim().to_owned()
    }

    fn deploy_spread(&self, app: &str, db: &str) {
        self.write("spread/compose.yml", &compose(app, db));
        let grants = ["--grant", "exec: db", "--grant", "secret: pg_password"];
        let deploy = ["app", "deploy", &self.domain, "--no-input", "--leave-data"];
        self.run(&[&deploy[..], &grants].concat());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_is_dumped_and_put_back_on_whichever_node_it_is() {
    let image = Command::new("docker").args(["image", "inspect", STORES]).output().unwrap();
    if !image.status.success() {
        return skip::skip("no image of the stores: tests/images/build.sh stores");
    }
    let Some((mut three, member)) = three_nodes().await else { return };
    let [manager, one, two] = &three.nodes;
    let images = tempfile::tempdir().unwrap();
    for node in [one, two] {
        node.load_image(images.path(), STORES);
    }
    let nodes = [one, two].map(|node| format!("  {}: {}\n", node.name, node.endpoint())).concat();
    let settings = format!(
        "endpoint: {}\nbackup:\n  helper-image: {HELPER}\nnodes:\n{nodes}",
        manager.endpoint()
    );
    member.write("potluck/servers/here/server.yml", &settings);
    member.write("spread/recipe.yml", PLUGINS);
    member.write("spread/.env.sample", "DOMAIN=\nSECRET_PG_PASSWORD_VERSION=v1\n");
    member.write("spread/compose.yml", &compose(&one.name, &two.name));
    let domain = member.domain.as_str();
    member.run(&["app", "new", "./spread", "--domain", domain, "--server", "here"]);
    member.run(&["key", "new"]);
    member.run(&["app", "secret", "generate", domain]);
    member.deploy_spread(&one.name, &two.name);
    member.query("CREATE TABLE page (title text); INSERT INTO page VALUES ('soup')");
    member.shell("echo soup >/content/page");
    let titles = || member.query("SELECT title FROM page ORDER BY title");

    let report = member.backup();
    let items = report["items"].as_array().unwrap().iter();
    let mut items: Vec<_> = items.map(|item| item["kind"].as_str().unwrap()).collect();
    items.sort_unstable();
    assert_eq!(items, ["dump", "settings", "volume"], "{report}");
    assert_eq!(report["warnings"], serde_json::json!([]), "{report}");
    member.drill();

    // It begins anew where its volume is empty, and gets the dump back there.
    member.deploy_spread(&one.name, &one.name);
    member.restore();
    assert_eq!(titles(), "soup");
    member.query("INSERT INTO page VALUES ('stew')");
    member.backup();
    member.query("DELETE FROM page");
    member.shell("echo spoiled >/content/page");
    // What the node that it left has is of no use any more, nor is the node.
    three.nodes[2].lose();
    member.restore();
    assert_eq!(titles(), "soup\nstew");
    assert_eq!(member.shell("cat /content/page"), "soup\n");
    let manager = &three.nodes[0];
    let specs = manager.docker(&["service", "ls", "-q"]);
    let specs: Vec<&str> = specs.split_whitespace().collect();
    let specs = manager.docker(&[&["service", "inspect"][..], &specs].concat());
    assert!(!specs.contains(PLANTED), "{specs}");
}
