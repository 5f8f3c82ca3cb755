use std::{collections::BTreeMap, io, path::Path};

use super::*;
use crate::compose::{self, Files, LoadOptions, Source};

struct NoFiles;

impl Files for NoFiles {
    fn read(&self, _: &Path) -> io::Result<Vec<u8>> {
        Ok(b"x".to_vec())
    }
}

/// The stack `wiki_example_org` of these files.
fn stack(files: &[&str]) -> Stack {
    let sources: Vec<Source> = files
        .iter()
        .enumerate()
        .map(|(index, text)| Source { name: format!("{index}.yml"), text: (*text).to_owned() })
        .collect();
    let environment = |key: &str| match key {
        "STACK_NAME" => Some("wiki_example_org".to_owned()),
        "DOMAIN" => Some("wiki.example.org".to_owned()),
        "HIDDEN" => Some("/etc".to_owned()),
        _ => None,
    };
    let options = LoadOptions {
        working_dir: Path::new("/tmp/.tmpAb12"),
        home_dir: None,
        environment: &environment,
        files: &NoFiles,
        interpolate: true,
        profiles: &BTreeSet::new(),
    };
    let (config, _) = compose::load(&sources, &options).unwrap();
    config.to_stack(&StackName::new("wiki_example_org").unwrap(), &NoFiles).unwrap()
}

fn facts() -> Facts<'static> {
    Facts {
        domain: "wiki.example.org",
        hosts: ["www.example.net".to_owned()].into(),
        shared_networks: vec!["proxy".into()],
        checkout: Some(Path::new("/tmp/.tmpAb12")),
        neighbours: Vec::new(),
        registries: BTreeSet::new(),
    }
}

fn lines(reaches: &Reaches) -> String {
    let line = |(service, all): (&String, &BTreeSet<Reach>)| {
        let all: Vec<String> = all.iter().map(ToString::to_string).collect();
        format!("{service} {}", all.join("; "))
    };
    reaches.iter().map(line).collect::<Vec<_>>().join(" | ")
}

/// Of a service `app` with these lines, and of the values beside it.
fn of(service: &str, beside: &str) -> String {
    let service = service.replace('\n', "\n    ");
    let text = format!("services:\n  app:\n    image: a\n    {service}\n{beside}\n");
    lines(&reach(&stack(&[&text]), &facts()))
}

fn check(table: &[(&str, &str, &str)]) {
    for (service, beside, expected) in table {
        let expected = if expected.is_empty() { String::new() } else { format!("app {expected}") };
        assert_eq!(of(service, beside), expected, "{service}\n{beside}");
    }
}

#[test]
fn a_path_of_the_node_in_every_spelling() {
    check(&[
        ("volumes: ['/srv/x:/x']", "", "host: /srv/x"),
        ("volumes: ['/srv/x:/x:ro']", "", "host-read: /srv/x"),
        ("volumes: ['/srv//y/../x/./:/x']", "", "host: /srv/x"),
        ("volumes: ['/:/host:ro']", "", "host-read: /"),
        ("volumes: ['../..:/x']", "", "host: /"),
        ("volumes: ['../other:/x']", "", "host: /tmp/other"),
        ("volumes: ['./data:/x']", "", "host: ./data"),
        ("volumes: ['.:/x']", "", "host: ./"),
        ("volumes: ['${HIDDEN}:/x']", "", "host: /etc"),
        (
            "volumes: [{type: bind, source: /srv/x, target: /x, read_only: true}]",
            "",
            "host-read: /srv/x",
        ),
        ("volumes: [{type: bind, source: '../../../etc', target: /x}]", "", "host: /etc"),
        (
            "volumes: [{type: bind, source: '/srv/{{.Node.Hostname}}', target: /x}]",
            "",
            "host: /srv/{{.Node.Hostname}}",
        ),
        ("volumes: ['/srv/{{index .Service.Labels \"x\"}}:/x']", "", "host: /"),
        (
            "volumes: [{type: npipe, source: '\\\\.\\pipe\\docker_engine', target: '\\\\.\\pipe\\x'}]",
            "",
            "docker-socket",
        ),
        ("volumes: ['/x']", "", ""),
        ("volumes: [{type: tmpfs, target: /x}]", "", ""),
        ("tmpfs: /x", "", ""),
    ]);
}

#[test]
fn an_engines_socket_and_what_holds_it() {
    for socket in [
        "/var/run/docker.sock",
        "/run/docker.sock",
        "/run/../run/docker.sock",
        "/run/containerd/containerd.sock",
        "/run/user/1000/podman/podman.sock",
        "/proc/1/root/run/docker.sock",
        "/srv/docker.sock",
    ] {
        for suffix in ["", ":ro"] {
            let service = format!("volumes: ['{socket}:/s{suffix}']");
            check(&[(&service, "", "docker-socket")]);
        }
    }
    for (path, words) in [
        ("/", "socket included"),
        ("/run", "socket included"),
        ("/var", "socket included"),
        ("/var/run", "socket included"),
        ("/run/user/1000", "socket included"),
        ("/run/containerd", "socket included"),
        ("/etc", "take over the node"),
        ("/var/lib/docker/volumes", "take over the node"),
    ] {
        let reach = Reach::new(crate::home::Way::Host, path);
        assert!(sentence(&reach).contains(words), "{path}: {}", sentence(&reach));
    }
    let plain = sentence(&Reach::new(crate::home::Way::Host, "/srv/x"));
    assert_eq!(plain, "read and write `/srv/x` on the node");
}

#[test]
fn volumes_that_are_more_than_volumes() {
    let with = |options: &str| format!("volumes: {{vol: {{driver_opts: {options}}}}}");
    let service = "volumes: ['vol:/x']";
    for (options, expected) in [
        ("{type: none, o: bind, device: /srv}", "host: /srv"),
        ("{type: '', o: 'rw,rbind', device: /srv}", "host: /srv"),
        ("{type: none, o: 'ro,bind', device: /srv/../etc}", "host-read: /etc"),
        ("{type: none, o: bind, device: /var/run/docker.sock}", "docker-socket"),
        // The type counts for nothing beside `bind`.
        (
            "{type: tmpfs, o: bind, device: /etc}",
            "host: /etc; volume-driver: local device=/etc type=tmpfs",
        ),
        ("{type: ext4, device: /dev/sda1}", "host: /dev/sda1"),
        (
            "{type: overlay, device: overlay, o: 'lowerdir=/etc:/srv,upperdir=/u,workdir=/w'}",
            "host: /etc; host: /srv; host: /u; host: /w; volume-driver: local device=overlay type=overlay",
        ),
        (
            "{type: nfs, o: 'addr=10.0.0.1,rw', device: ':/export'}",
            "volume-driver: local addr=10.0.0.1 device=:/export type=nfs",
        ),
        ("{type: proc, device: proc}", "volume-driver: local device=proc type=proc"),
        ("{type: tmpfs, device: tmpfs, o: 'size=10m,uid=1000'}", ""),
    ] {
        check(&[(service, &with(options), expected)]);
    }
    check(&[
        (service, "volumes: {vol: {}}", ""),
        (service, "volumes: {vol: {driver: local}}", ""),
        (service, "volumes: {vol: {name: wiki_example_org_data}}", ""),
        (service, "volumes: {vol: {external: true, name: wiki_example_org_data}}", ""),
        (
            service,
            "volumes: {vol: {name: victim_example_org_data}}",
            "external-volume: victim_example_org_data",
        ),
        (service, "volumes: {vol: {external: true}}", "external-volume: vol"),
        (
            service,
            "volumes: {vol: {name: 'wiki_example_org_{{index .Service.Labels \"x\"}}'}}",
            "external-volume: wiki_example_org_{{index .Service.Labels \\u{22}x\\u{22}}}",
        ),
        (service, "volumes: {vol: {name: 'wiki_example_org_{{.Task.Slot}}'}}", ""),
        (
            service,
            "volumes: {vol: {driver: rclone, driver_opts: {remote: 's3:x', password: geheim}}}",
            "volume-driver: rclone password=#addb0f5e remote=s3:x",
        ),
        (
            "volumes: [{type: volume, source: vol, target: /x, read_only: true}]",
            "volumes: {vol: {driver: local, driver_opts: {type: none, o: bind, device: /srv}}}",
            "host-read: /srv",
        ),
    ]);
}

#[test]
fn capabilities_kernel_settings_and_drivers() {
    check(&[
        (
            "cap_add: [NET_ADMIN, cap_sys_ptrace]",
            "",
            "capability: NET_ADMIN; capability: SYS_PTRACE",
        ),
        ("cap_add: [ALL]", "", "capability: ALL"),
        ("cap_drop: [ALL]\ncap_add: [CHOWN, SETUID, NET_BIND_SERVICE]", "", ""),
        ("sysctls: {net.ipv4.ip_forward: 1}", "", "sysctl: net.ipv4.ip_forward"),
        ("ulimits: {memlock: -1, nofile: 65536, core: 0}", "", "ulimit: memlock"),
        ("ulimits: {nofile: {soft: 1, hard: 2000000}}", "", "ulimit: nofile"),
        ("logging: {driver: json-file, options: {max-size: 1m}}", "", ""),
        (
            "logging: {driver: syslog, options: {syslog-address: 'tcp://evil.test:1', tag: x}}",
            "",
            "log-driver: syslog syslog-address=tcp://evil.test:1",
        ),
        ("logging: {driver: gelf}", "", "log-driver: gelf"),
        ("credential_spec: {file: x.json}", "", "credential-spec: file x.json"),
        (
            "credential_spec: {config: c}",
            "configs: {c: {external: true, name: other_c}}",
            "external-config: other_c; credential-spec: config other_c",
        ),
        ("isolation: process", "", "isolation: process"),
        ("isolation: hyperv", "", ""),
        ("user: root", "", ""),
        (
            "ports: ['8080:80', '53:53/udp', '80']",
            "",
            "port: 53/udp; port: 8080/tcp; port: any/tcp",
        ),
    ]);
}

#[test]
fn networks_of_others() {
    let networks = |text: &str| format!("networks: {text}");
    for (of_app, text, expected) in [
        ("[proxy]", "{proxy: {external: true}}", "network: proxy"),
        ("[x]", "{x: {external: true, name: proxy}}", "network: proxy"),
        ("[x]", "{x: {external: true, name: victim_default}}", "external-network: victim_default"),
        ("[x]", "{x: {name: victim_default}}", "external-network: victim_default"),
        ("[x]", "{x: {external: true, name: host}}", "host-network"),
        ("[x]", "{x: {name: host}}", "host-network"),
        ("[ingress]", "{ingress: {external: true}}", "external-network: ingress"),
        (
            "[docker_gwbridge]",
            "{docker_gwbridge: {external: true}}",
            "external-network: docker_gwbridge",
        ),
        (
            "[x]",
            "{x: {driver: weave, driver_opts: {parent: eth0}}}",
            "network-driver: weave parent=eth0",
        ),
        ("[x]", "{x: {driver_opts: {encrypted: ''}}}", ""),
        (
            "[x]",
            "{x: {driver_opts: {com.docker.network.driver.overlay.vxlanid_list: '4097'}}}",
            "network-driver: overlay com.docker.network.driver.overlay.vxlanid_list=4097",
        ),
        ("[x]", "{x: {attachable: true, internal: true}}", ""),
        ("[x]", "{x: {ipam: {config: [{subnet: 10.0.0.0/8}]}}}", "subnet: 10.0.0.0/8"),
        ("{x: {aliases: [db]}}", "{x: {}}", ""),
        (
            "{proxy: {aliases: [wiki_example_org_app]}}",
            "{proxy: {external: true}}",
            "network: proxy",
        ),
        (
            "{proxy: {aliases: [sso.example.org]}}",
            "{proxy: {external: true}}",
            "alias: proxy/sso.example.org; network: proxy",
        ),
        (
            "{proxy: {aliases: [victim_app]}}",
            "{proxy: {external: true}}",
            "alias: proxy/victim_app; network: proxy",
        ),
    ] {
        check(&[(&format!("networks: {of_app}"), &networks(text), expected)]);
    }
    // Docker ignores it, and so does the swarm.
    check(&[("network_mode: host", "", "")]);
}

#[test]
fn secrets_and_configs_of_others() {
    check(&[
        ("secrets: [s]", "secrets: {s: {external: true, name: 'wiki_example_org_s_v1'}}", ""),
        ("secrets: [s]", "secrets: {s: {file: ./x}}", ""),
        (
            "secrets: [s]",
            "secrets: {s: {external: true, name: victim_pw_v1}}",
            "external-secret: victim_pw_v1",
        ),
        ("secrets: [s]", "secrets: {s: {external: true}}", "external-secret: s"),
        (
            "secrets: [s]",
            "secrets: {s: {file: ./x, name: victim_pw_v1}}",
            "external-secret: victim_pw_v1",
        ),
        ("configs: [c]", "configs: {c: {file: ./x, template_driver: golang}}", ""),
        (
            "configs: [c]",
            "configs: {c: {external: true, name: victim_c}}",
            "external-config: victim_c",
        ),
    ]);
    let unused = of("user: a", "secrets: {s: {file: ./x, name: victim_pw}}");
    assert_eq!(unused, "stack external-secret: victim_pw");
}

#[test]
fn what_overlays_and_extends_bring_is_seen() {
    let base = "services:\n  app: {image: a}\n";
    let overlay = "services:\n  app: {cap_add: [NET_ADMIN], volumes: ['/srv:/x']}\n";
    assert_eq!(
        lines(&reach(&stack(&[base, overlay]), &facts())),
        "app host: /srv; capability: NET_ADMIN"
    );
    let extends =
        "services:\n  base: {image: a, volumes: ['/srv:/x']}\n  app: {extends: {service: base}}\n";
    let found = lines(&reach(&stack(&[extends]), &facts()));
    assert_eq!(found, "app host: /srv | base host: /srv");
    let anchor = "x-a: &a {volumes: ['/srv:/x']}\nservices:\n  app: {image: a, <<: *a}\n";
    assert_eq!(lines(&reach(&stack(&[anchor]), &facts())), "app host: /srv");
}

#[test]
fn a_network_that_no_service_joins_is_made_nevertheless() {
    let mut stack = stack(&["services: {app: {image: a}}"]);
    let name = "wiki_example_org_x".to_owned();
    let driver = Some("macvlan".to_owned());
    let request = api::NetworkCreateRequest {
        name: name.clone(),
        driver,
        ..api::NetworkCreateRequest::default()
    };
    stack.networks.insert(name, request);
    assert_eq!(lines(&reach(&stack, &facts())), "stack network-driver: macvlan");
}

#[test]
fn routes_beyond_the_app() {
    for (label, expected) in [
        ("traefik.enable=true", ""),
        ("traefik.http.routers.w.rule=Host(`wiki.example.org`)", ""),
        ("traefik.http.routers.w.rule=Host(`${DOMAIN}`, `a.${DOMAIN}`) && PathPrefix(`/x`)", ""),
        ("traefik.http.routers.w.rule=Host(`www.example.net`)", ""),
        ("traefik.http.routers.w.rule=Host(`victim.example.org`)", "route: victim.example.org"),
        ("traefik.http.routers.w.rule=Host(`evilwiki.example.org`)", "route: evilwiki.example.org"),
        ("Traefik.HTTP.Routers.w.Rule=Host(`VICTIM.example.org`)", "route: victim.example.org"),
        ("traefik.http.routers.w.rule=PathPrefix(`/`)", "route: *"),
        ("traefik.http.routers.w.rule=Host(`${DOMAIN}`) || PathPrefix(`/.well-known`)", "route: *"),
        ("traefik.http.routers.w.rule=HostRegexp(`.*`)", "route: *"),
        ("traefik.http.routers.w.rule=HostRegexp(`{s:[a-z]+}.wiki.example.org`)", ""),
        ("traefik.http.routers.w.rule=HostRegexp(`^v.ctim$$`)", "route: regexp ^v.ctim$"),
        ("traefik.http.routers.w.rule=Host(bad", "route: rule Host(bad"),
        ("traefik.http.routers.w.rule=Host(``)", ""),
        ("traefik.tcp.routers.w.rule=HostSNI(`*`)", "route: *"),
        ("traefik.udp.routers.w.entrypoints=dns", "route: *"),
        (
            "traefik.http.routers.w.tls.domains[0].main=victim.example.org",
            "route: victim.example.org",
        ),
        ("traefik.http.routers.w.service=api@internal", "router: api@internal"),
        ("traefik.http.routers.w.service=noop@internal", ""),
        ("traefik.http.routers.w.service=other@docker", "router: other@docker"),
        ("traefik.http.routers.w.service=wiki_example_org-app", ""),
        ("traefik.http.routers.w.middlewares=security@file", ""),
        (
            "traefik.frontend.rule=Host:wiki.example.org,victim.example.org",
            "route: victim.example.org",
        ),
        ("traefik.web.frontend.rule=PathPrefix:/", "route: *"),
        ("caddy=victim.example.org", "route: victim.example.org"),
        ("caddy_0=https://wiki.example.org, http://www.example.net:80", ""),
        ("caddy=:80", "route: *"),
        ("caddy=(snippet)", "router: (snippet)"),
        // Without a site they are options of the whole proxy.
        ("caddy.email=me@victim.example.org", "router: caddy global options"),
        ("caddy=", "router: caddy global options"),
        // The node fills it in, and the proxy splits it then.
        (
            "caddy={{\"victim.example.org\\x20x\"}}.wiki.example.org",
            "route: {{\\u{22}victim.example.org\\u{5c}x20x\\u{22}}}.wiki.example.org",
        ),
        ("traefik.http.routerſ.w.rule=Host(`victim.example.org`)", "route: victim.example.org"),
        ("traefiK.http.routers.w.rule=Host(`victim.example.org`)", "route: victim.example.org"),
        (
            "traefik.http.routers.w.rule=HostRegexp(`{a|.*|b:x}.wiki.example.org`)",
            "route: regexp {a|.*|b:x}.wiki.example.org",
        ),
        ("traefik.http.middlewares.w.errors.service=api@internal", "router: api@internal"),
        ("traefik.http.services.w.failover.fallback=victim_app@swarm", "router: victim_app@swarm"),
        (
            "traefik.http.middlewares.w.forwardauth.address=http://victim_app/",
            "router: http://victim_app/",
        ),
        (
            "traefik.tls.stores.default.defaultgeneratedcert.resolver=x",
            "router: tls stores.default.defaultgeneratedcert.resolver",
        ),
        ("com.docker.lb.hosts=wiki.example.org,victim.example.org", "route: victim.example.org"),
        ("com.df.serviceDomain.1=victim.example.org", "route: victim.example.org"),
    ] {
        for place in ["deploy: {labels: [LABEL]}", "labels: [LABEL]"] {
            let quoted = format!("'{}'", label.replace('\'', "''"));
            check(&[(&place.replace("LABEL", &quoted), "", expected)]);
        }
    }
    check(&[
        (
            "environment: {VIRTUAL_HOST: 'victim.example.org,wiki.example.org'}",
            "",
            "route: victim.example.org",
        ),
        ("environment: {VIRTUAL_HOST: '~^.*$$'}", "", "route: *"),
        (
            "environment: {VIRTUAL_HOST: '~^.*,x\\.wiki\\.example\\.org$$'}",
            "",
            "route: *; route: x\\u{5c}.wiki\\u{5c}.example\\u{5c}.org$",
        ),
        (
            "environment: {VIRTUAL_HOST: '{{\"victim.example.org\"}}.wiki.example.org'}",
            "",
            "route: {{\\u{22}victim.example.org\\u{22}}}.wiki.example.org",
        ),
        (
            "environment: {VIRTUAL_HOST_MULTIPORTS: '{\"~^.*$$\": {\"/\": {\"port\": 80}}}'}",
            "",
            "route: *",
        ),
        (
            "environment: {VIRTUAL_HOST_MULTIPORTS: '{wiki.example.org: {}, victim.example.org: {}}'}",
            "",
            "route: victim.example.org",
        ),
        ("environment: {VIRTUAL_HOST: '*.wiki.example.org'}", "", ""),
        ("environment: {LETSENCRYPT_HOST: wiki.example.org}", "", ""),
        ("environment: {OTHER_HOST: victim.example.org}", "", ""),
    ]);
    // Proxies read the container's labels as well as the service's.
    let twice = "labels: [\"traefik.http.routers.w.rule=Host(`victim.example.org`)\"]\n\
                 deploy: {labels: [\"traefik.http.routers.w.rule=Host(`wiki.example.org`)\"]}";
    check(&[(twice, "", "route: victim.example.org")]);
    let site = "deploy: {labels: [caddy=wiki.example.org, 'caddy.reverse_proxy={{upstreams 80}}']}";
    check(&[(site, "", "")]);
    let own = "deploy:\n  labels:\n    - traefik.http.routers.a.service=web\n    \
               - traefik.http.services.web.loadbalancer.server.port=80";
    check(&[(own, "", "")]);
}

fn neighbour(stack: &str, key: &str, networks: &[(&str, &[&str])], labels: &[&str]) -> Neighbour {
    let text = |text: &&str| (*text).to_owned();
    Neighbour {
        stack: stack.into(),
        name: format!("{stack}_{key}"),
        networks: networks
            .iter()
            .map(|(name, aliases)| ((*name).to_owned(), aliases.iter().map(text).collect()))
            .collect(),
        labels: labels
            .iter()
            .filter_map(|label| label.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect(),
    }
}

#[test]
fn names_of_other_stacks() {
    let mut facts = facts();
    facts.neighbours = vec![
        neighbour(
            "victim",
            "app",
            &[("proxy", &["app"])],
            &[
                "traefik.http.routers.shop.rule=Host(`v`)",
                "traefik.http.middlewares.login.basicauth.users=x",
            ],
        ),
        neighbour("victim", "db", &[("victim_default", &["db"])], &[]),
        neighbour("wiki_example_org_b", "data", &[], &[]),
        neighbour("wiki", "app", &[("proxy", &["app", "mailer"])], &[]),
    ];
    for (key, rest, beside, expected) in [
        ("app", "networks: [proxy]", "", "app network: proxy"),
        ("web", "networks: [proxy]", "", "web network: proxy"),
        ("mailer", "networks: [proxy]", "", "mailer alias: proxy/mailer; network: proxy"),
        ("db", "networks: [proxy]", "", "db alias: proxy/db; network: proxy"),
        ("db", "networks: [default]", "", ""),
        ("victim_db", "networks: [proxy]", "", "victim_db alias: proxy/victim_db; network: proxy"),
        (
            "app",
            "deploy: {labels: ['traefik.http.routers.shop.rule=Host(`wiki.example.org`)']}",
            "",
            "app router: shop",
        ),
        (
            "app",
            "deploy: {labels: ['traefik.http.routers.SHOP.priority=1']}",
            "",
            "app router: shop",
        ),
        (
            "app",
            "deploy: {labels: ['traefik.http.middlewares.login.chain.middlewares=x']}",
            "",
            "app router: login",
        ),
        (
            "app",
            "deploy: {labels: ['traefik.http.routers.victim-x.priority=1']}",
            "",
            "app router: victim-x",
        ),
        ("app", "deploy: {labels: ['traefik.http.routers.wiki_example_org.priority=1']}", "", ""),
        (
            "app",
            "deploy: {labels: ['traefik.http.routers.w.service=victim-app']}",
            "",
            "app router: victim-app",
        ),
        (
            "app",
            "volumes: ['b_data:/x']",
            "volumes: {b_data: {}}",
            "app external-volume: wiki_example_org_b_data",
        ),
    ] {
        let networks = "networks: {proxy: {external: true}}";
        let text = format!("services:\n  {key}:\n    image: a\n    {rest}\n{networks}\n{beside}\n");
        assert_eq!(lines(&reach(&stack(&[&text]), &facts)), expected, "{key} {rest}");
    }
}

#[test]
fn an_image_from_elsewhere_is_one_on_an_update_only() {
    let files = "services: {app: {image: 'evil.example/a:1'}, b: {image: 'b:2'}}";
    assert_eq!(lines(&reach(&stack(&[files]), &facts())), "");
    let facts = Facts { registries: ["docker.io".to_owned()].into(), ..facts() };
    assert_eq!(lines(&reach(&stack(&[files]), &facts)), "app registry: evil.example");
}

#[test]
fn hosts_of_the_settings_are_the_operators_where_they_differ_from_the_sample() {
    let parse = |text: &str| EnvFile::parse("x", text).unwrap();
    let sample = parse("TYPE=x\nEXTRA=victim.example.org\nALIAS=\nURL=https://x.example\n");
    let settings = parse(
        "TYPE=x\nEXTRA=victim.example.org\nALIAS=\", `www.Example.net`\"\n\
         URL=https://cloud.example.net/path\nMAIL=me@victim.example.org\nOWN=a.b:8080\nVERSION=1.2\n",
    );
    let found: Vec<String> = hosts(&settings, &sample, &BTreeMap::new()).into_iter().collect();
    assert_eq!(found, ["a.b", "www.example.net"]);
}

#[test]
fn what_was_agreed_to_covers_as_much_and_no_more() {
    let set = |lines: &[&str]| lines.iter().map(|line| line.parse().unwrap()).collect();
    let wanted: Reaches = [
        ("app".to_owned(), set(&["host-read: /a", "host: /b", "capability: ALL", "port: 80/tcp"])),
        ("db".to_owned(), set(&["network: proxy"])),
    ]
    .into();
    let given: BTreeMap<String, Vec<String>> = [
        ("app".to_owned(), vec!["host: /a".into(), "host-read: /b".into(), "nonsense".into()]),
        ("other".to_owned(), vec!["capability: ALL".into()]),
    ]
    .into();
    assert_eq!(lines(&missing(&wanted, &given)), "app host: /b; capability: ALL");
}
