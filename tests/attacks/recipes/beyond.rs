//! Ways out of the app by the swarm itself: what the recipe's services ask for
//! is named, nobody says yes, and nothing is made.

use super::{Guest, QUIET, attack, world::docker};

/// `QUIET` with something more in its service, and beside it.
fn with(service: &str, beside: &str) -> String {
    format!(
        "{}{beside}",
        QUIET.replace("    volumes: [data", &format!("{service}    volumes: [data"))
    )
}

/// `QUIET` whose one volume is mounted from there.
fn mounting(source: &str, volumes: &str) -> String {
    QUIET.replace("data:/data", source).replace("volumes: {data: {}}", volumes)
}

fn nothing_is_there(guest: &Guest) {
    for kind in ["service", "network", "config", "secret"] {
        let label = format!("label=com.docker.stack.namespace={}", guest.stack);
        assert_eq!(docker(&[kind, "ls", "-q", "--filter", &label]), "", "{kind}");
    }
}

/// The deploy ends with exit code 6 and names the line; nothing is made.
fn asks(guest: &Guest, compose: &str, line: &str) {
    guest.compose(compose);
    guest.new_app();
    guest.refused(&["app", "deploy", "APP", "-n"], 6, &guest.text(line));
    nothing_is_there(guest);
}

fn asked(compose: &str, line: &str) {
    attack(|guest| asks(guest, compose, line));
}

#[test]
fn the_machines_files_are_mounted() {
    asked(&mounting("'/:/host:ro'", ""), "host-read: /");
}

#[test]
fn the_engines_socket_is_mounted() {
    let long = "{type: bind, source: /var/run/docker.sock, target: /s}";
    asked(&mounting(long, ""), "docker-socket");
}

#[test]
fn a_relative_path_climbs_to_the_machines_files() {
    asked(&mounting("'../../../../../../..:/x'", ""), "host: /");
}

#[test]
fn a_path_is_filled_in_from_the_sample() {
    attack(|guest| {
        guest.write(".env.sample", "TYPE=x\nDOMAIN=x\nDATA=/etc\n");
        asks(guest, &mounting("'${DATA}:/x'", ""), "host: /etc");
    });
}

#[test]
fn a_path_is_filled_in_by_the_node() {
    asked(&mounting("'/srv/{{.Node.Hostname}}:/x'", ""), "host: /srv/{{.Node.Hostname}}");
}

#[test]
fn a_volumes_options_bind_a_folder() {
    let volumes = "volumes: {v1: {driver_opts: {type: none, o: bind, device: /srv}}}";
    asked(&mounting("'v1:/x'", volumes), "host: /srv");
}

#[test]
fn a_volumes_options_lay_folders_over_each_other() {
    let options = "{type: overlay, device: overlay, o: 'lowerdir=/etc,upperdir=/u,workdir=/w'}";
    let volumes = format!("volumes: {{v1: {{driver_opts: {options}}}}}");
    asked(&mounting("'v1:/x'", &volumes), "host: /etc");
}

#[test]
fn a_volume_is_another_machines() {
    let options = "{type: nfs, o: 'addr=127.0.0.1', device: ':/x'}";
    let volumes = format!("volumes: {{v1: {{driver_opts: {options}}}}}");
    asked(&mounting("'v1:/x'", &volumes), "volume-driver: local");
}

#[test]
fn the_neighbours_volume_is_renamed_into_the_stack() {
    asked(
        &mounting("'v1:/x'", "volumes: {v1: {name: VICTIM_data}}"),
        "external-volume: VICTIM_data",
    );
}

#[test]
fn the_neighbours_volume_is_external() {
    let volumes = "volumes: {v1: {external: true, name: VICTIM_data}}";
    asked(&mounting("'v1:/x'", volumes), "external-volume: VICTIM_data");
}

#[test]
fn the_neighbours_secret_is_external() {
    asked(
        &with(
            "    secrets: [pw]\n",
            "secrets: {pw: {external: true, name: VICTIM_db_password_v1}}\n",
        ),
        "external-secret: VICTIM_db_password_v1",
    );
}

#[test]
fn the_neighbours_config_is_external() {
    asked(
        &with(
            "    configs: [{source: c, target: /c}]\n",
            "configs: {c: {external: true, name: VICTIM_settings}}\n",
        ),
        "external-config: VICTIM_settings",
    );
}

#[test]
fn the_neighbours_network_is_joined() {
    asked(
        &with("    networks: [n1]\n", "networks: {n1: {external: true, name: VICTIM_default}}\n"),
        "external-network: VICTIM_default",
    );
}

#[test]
fn the_machines_network_is_joined() {
    asked(
        &with("    networks: [n1]\n", "networks: {n1: {external: true, name: host}}\n"),
        "host-network",
    );
}

#[test]
fn capabilities_are_taken() {
    asked(&with("    cap_add: [NET_ADMIN, sys_ptrace]\n", ""), "capability: NET_ADMIN");
    asked(&with("    cap_add: [ALL]\n", ""), "capability: ALL");
}

#[test]
fn a_mount_comes_by_extends() {
    attack(|guest| {
        guest.write("base.yml", "services: {base: {image: BUSYBOX, volumes: ['/etc:/e']}}\n");
        asks(guest, &with("    extends: {file: base.yml, service: base}\n", ""), "host: /etc");
    });
}

#[test]
fn a_mount_comes_by_an_overlay_of_the_sample() {
    attack(|guest| {
        guest.write("compose.x.yml", "services: {app: {volumes: ['/etc:/e']}}\n");
        let sample = "TYPE=x\nDOMAIN=x\nCOMPOSE_FILE=compose.yml:compose.x.yml\n";
        guest.write(".env.sample", sample);
        asks(guest, QUIET, "host: /etc");
    });
}

#[test]
fn the_neighbours_visitors_are_routed_here() {
    let rule = |rule: &str| {
        let labels = format!("{{endpoint_mode: dnsrr, labels: [\"{rule}\"]}}");
        QUIET.replace("{endpoint_mode: dnsrr}", &labels)
    };
    for (label, line) in [
        ("traefik.http.routers.x.rule=Host(`bank.example.com`)", "route: bank.example.com"),
        ("traefik.http.routers.x.rule=PathPrefix(`/`) || Host(`${DOMAIN}`)", "route: *"),
        ("traefik.frontend.rule=Host:${DOMAIN},bank.example.com", "route: bank.example.com"),
        ("caddy=bank.example.com", "route: bank.example.com"),
        ("traefik.http.routerſ.x.rule=Host(`bank.example.com`)", "route: bank.example.com"),
        ("traefik.http.middlewares.x.errors.service=api@internal", "router: api@internal"),
        ("traefik.tls.stores.default.defaultgeneratedcert.resolver=x", "router: tls stores"),
        ("caddy.email=x@bank.example.com", "router: caddy global options"),
    ] {
        asked(&rule(label), line);
    }
}

#[test]
fn a_sample_names_the_host_that_is_routed_here() {
    attack(|guest| {
        guest.write(".env.sample", "TYPE=x\nDOMAIN=x\nOTHER=bank.example.com\n");
        let labels =
            "{endpoint_mode: dnsrr, labels: [\"traefik.http.routers.x.rule=Host(`${OTHER}`)\"]}";
        let compose = QUIET.replace("{endpoint_mode: dnsrr}", labels);
        asks(guest, &compose, "route: bank.example.com");
    });
}

/// A key that the container's labels and the service's have with other values.
#[test]
fn a_harmless_label_hides_another_of_its_name() {
    let key = "traefik.http.routers.x.rule";
    let compose = with(&format!("    labels: [\"{key}=Host(`bank.example.com`)\"]\n"), "").replace(
        "{endpoint_mode: dnsrr}",
        &format!("{{endpoint_mode: dnsrr, labels: [\"{key}=Host(`${{DOMAIN}}`)\"]}}"),
    );
    asked(&compose, "route: bank.example.com");
}

/// The node fills it in, and the proxy splits it at the comma that comes out.
#[test]
fn a_template_becomes_another_host() {
    let host = "'{{\"bank.example.com\\x2cx\"}}.${DOMAIN}'";
    asked(&with(&format!("    environment: {{VIRTUAL_HOST: {host}}}\n"), ""), "route: {{");
}

/// The host of the operator's own address is not the recipe's to route.
#[test]
fn an_address_of_the_operator_gives_its_host_away() {
    attack(|guest| {
        guest.write(".env.sample", "TYPE=x\nDOMAIN=x\nADMIN_EMAIL=\nRELAY=\n");
        guest.compose(&QUIET.replace(
            "{endpoint_mode: dnsrr}",
            "{endpoint_mode: dnsrr, labels: [\"traefik.http.routers.x.rule=Host(`bank.example.com`)\"]}",
        ));
        guest.new_app();
        for setting in ["ADMIN_EMAIL=me@bank.example.com", "RELAY=smtp://bank.example.com:25"] {
            guest.ok(&["app", "config", "APP", "--set", setting]);
        }
        guest.refused(&["app", "deploy", "APP", "-n"], 6, "route: bank.example.com");
    });
}

#[test]
fn logs_are_sent_elsewhere() {
    let logging =
        "    logging: {driver: syslog, options: {syslog-address: 'tcp://127.0.0.1:PORT'}}\n";
    asked(&with(logging, ""), "log-driver: syslog");
}

#[test]
fn kernel_settings_and_limits_are_changed() {
    asked(&with("    sysctls: {net.ipv4.ip_forward: 1}\n", ""), "sysctl: net.ipv4.ip_forward");
    asked(&with("    ulimits: {memlock: -1}\n", ""), "ulimit: memlock");
}

#[test]
fn addresses_are_taken_for_a_network() {
    asked(
        &with(
            "    networks: [n1]\n",
            "networks: {n1: {ipam: {config: [{subnet: 10.99.0.0/16}]}}}\n",
        ),
        "subnet: 10.99.0.0/16",
    );
}

/// What was agreed to once does not cover what a later version adds.
#[test]
fn a_later_version_asks_for_more() {
    attack(|guest| {
        guest.compose(&with("    cap_add: [NET_ADMIN]\n", ""));
        guest.new_app();
        guest.ok(&["app", "deploy", "APP", "-n", "--grant", "app capability: NET_ADMIN"]);
        let name = format!("{}_app", guest.stack);
        let before = docker(&["service", "inspect", "-f", "{{json .Spec}}", &name]);
        guest.compose(&with("    cap_add: [NET_ADMIN, SYS_ADMIN]\n", ""));
        guest.refused(&["app", "deploy", "APP", "-n"], 6, "app capability: SYS_ADMIN");
        assert_eq!(docker(&["service", "inspect", "-f", "{{json .Spec}}", &name]), before);
    });
}

/// Agreed to, it is used; and still it is not the app's.
#[test]
fn the_neighbours_volume_is_used_by_consent_and_neither_saved_nor_removed() {
    attack(|guest| {
        let volumes = "volumes: {v1: {external: true, name: VICTIM_data}}";
        guest.compose(&mounting("'v1:/x:ro'", volumes));
        guest.new_app();
        let yes = guest.text("app external-volume: VICTIM_data");
        guest.ok(&["app", "deploy", "APP", "-n", "--grant", &yes]);
        guest.ok(&["backup", "create", "APP"]);
        assert!(!guest.everything_saved().contains(super::world::NEIGHBOURS));
        guest.ok(&["app", "undeploy", "APP", "-n"]);
        guest.ok(&["app", "rm", "APP", "--yes", "--no-backup"]);
    });
}
