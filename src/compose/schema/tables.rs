//! The tables: every key of every version, with the version that brought it.
//! Order within a table is of no consequence.

use super::{
    Field, Keys, Object, Others, Rule,
    Rule::{
        Any, Beyond, Dict, Duration, Flag, List, Natural, Null, Number, OneOf, Port, Since, Text,
        Whole, Words,
    },
    Unique,
};

/// A key that is there since 3.0.
const fn key(name: &'static str, rule: Rule) -> Field {
    Field { name, since: 0, rule }
}

/// A key that came with a minor version.
const fn since(since: u8, name: &'static str, rule: Rule) -> Field {
    Field { name, since, rule }
}

const fn closed(fields: &'static [Field]) -> Object {
    Object { fields, others: Others::Refused, extensions: None, required: &[] }
}

const fn extensible(fields: &'static [Field]) -> Object {
    Object { fields, others: Others::Refused, extensions: Some(7), required: &[] }
}

const fn open(fields: &'static [Field]) -> Object {
    Object { fields, others: Others::Ignored, extensions: None, required: &[] }
}

const STRINGS: Rule = List(&Text, Unique::Always);
const STRINGS_OR_DOUBLES: Rule = List(&Text, Unique::Never);
const STRING_OR_LIST: Rule = OneOf(&[Text, STRINGS]);
const COMMAND: Rule = OneOf(&[Text, STRINGS_OR_DOUBLES]);
const LIST_OR_DICT: Rule = OneOf(&[
    Dict(Keys::Filled, &OneOf(&[Text, Number, Null, Beyond(&Flag)]), Others::Refused),
    STRINGS,
]);
const DRIVER_OPTS: Rule = Dict(Keys::Filled, &OneOf(&[Text, Number]), Others::Ignored);

pub const ROOT: Object = Object {
    fields: &[
        // Docker wants quotes around it.
        key("version", OneOf(&[Text, Beyond(&Number)])),
        key("name", Beyond(&Text)),
        key("include", Beyond(&List(&OneOf(&[Text, Rule::Object(&INCLUDE)]), Unique::Never))),
        key("services", Dict(Keys::Names, &Rule::Object(&SERVICE), Others::Refused)),
        key(
            "networks",
            Dict(Keys::Names, &OneOf(&[Rule::Object(&NETWORK), Null]), Others::Ignored),
        ),
        key("volumes", Dict(Keys::Names, &OneOf(&[Rule::Object(&VOLUME), Null]), Others::Refused)),
        since(1, "secrets", Dict(Keys::Names, &Rule::Object(&SECRET), Others::Refused)),
        since(3, "configs", Dict(Keys::Names, &Rule::Object(&CONFIG), Others::Refused)),
    ],
    others: Others::Refused,
    extensions: Some(4),
    required: &[],
};

const INCLUDE: Object = Object {
    fields: &[key("path", STRING_OR_LIST), key("project_directory", Text)],
    others: Others::Refused,
    extensions: None,
    required: &["path"],
};

const SERVICE: Object = extensible(&[
    key("deploy", OneOf(&[Rule::Object(&DEPLOY), Null])),
    key("annotations", Beyond(&Any)),
    key("attach", Beyond(&Flag)),
    key("blkio_config", Beyond(&Any)),
    key("build", OneOf(&[Text, Rule::Object(&BUILD)])),
    key("cap_add", STRINGS),
    key("cap_drop", STRINGS),
    key("cgroup", Beyond(&Text)),
    since(9, "cgroupns_mode", Text),
    key("cgroup_parent", Text),
    key("command", COMMAND),
    since(3, "configs", List(&OneOf(&[Text, Rule::Object(&FILE_REFERENCE)]), Unique::Never)),
    key("container_name", Text),
    key("cpu_shares", Beyond(&Any)),
    key("cpuset", Beyond(&Any)),
    since(3, "credential_spec", Rule::Object(&CREDENTIAL_SPEC)),
    key("depends_on", OneOf(&[STRINGS, Beyond(&DEPENDENCIES)])),
    key("develop", Beyond(&Any)),
    key("devices", STRINGS),
    key("dns", STRING_OR_LIST),
    key("dns_opt", Beyond(&STRINGS_OR_DOUBLES)),
    key("dns_search", STRING_OR_LIST),
    key("domainname", Text),
    key("entrypoint", COMMAND),
    key(
        "env_file",
        OneOf(&[Text, List(&OneOf(&[Text, Beyond(&Rule::Object(&ENV_FILE))]), Unique::Always)]),
    ),
    key("environment", LIST_OR_DICT),
    key("expose", List(&OneOf(&[Text, Number]), Unique::Always)),
    key("external_links", STRINGS),
    key("extra_hosts", LIST_OR_DICT),
    key("group_add", Beyond(&List(&OneOf(&[Text, Whole]), Unique::Never))),
    key("healthcheck", Rule::Object(&HEALTHCHECK)),
    key("hostname", Text),
    key("image", Text),
    since(7, "init", Flag),
    key("ipc", Text),
    since(5, "isolation", Text),
    key("labels", LIST_OR_DICT),
    key("links", STRINGS),
    key("logging", Rule::Object(&LOGGING)),
    key("mac_address", Text),
    key("mem_swappiness", Beyond(&Any)),
    key("memswap_limit", Beyond(&Any)),
    key("network_mode", Text),
    key("networks", OneOf(&[STRINGS, SERVICE_NETWORKS])),
    key("pid", OneOf(&[Text, Null])),
    key("ports", List(&OneOf(&[Port, Since(2, &Rule::Object(&PORT))]), Unique::Always)),
    key("privileged", Flag),
    key("profiles", Beyond(&STRINGS)),
    key("pull_policy", Beyond(&Text)),
    key("read_only", Flag),
    key("restart", Text),
    key("security_opt", STRINGS),
    // Docker's schema takes a number, its decoder does not.
    key("shm_size", OneOf(&[Text, Beyond(&Number)])),
    since(1, "secrets", List(&OneOf(&[Text, Rule::Object(&FILE_REFERENCE)]), Unique::Never)),
    key("storage_opt", Beyond(&Any)),
    key("sysctls", LIST_OR_DICT),
    key("stdin_open", Flag),
    key("stop_grace_period", Duration),
    key("stop_signal", Text),
    key("tmpfs", STRING_OR_LIST),
    key("tty", Flag),
    key("ulimits", Dict(Keys::Lower, &OneOf(&[Whole, Rule::Object(&ULIMIT)]), Others::Ignored)),
    key("oom_kill_disable", Beyond(&Any)),
    since(13, "oom_score_adj", Whole),
    key("user", Text),
    key("userns_mode", Text),
    key("uts", Beyond(&Text)),
    key("volumes", List(&OneOf(&[Text, Since(2, &Rule::Object(&MOUNT))]), Unique::Below(2))),
    key("working_dir", Text),
]);

const DEPENDENCIES: Rule = Dict(
    Keys::Names,
    &Rule::Object(&Object {
        fields: &[
            key(
                "condition",
                Words(&["service_started", "service_healthy", "service_completed_successfully"]),
            ),
            key("restart", Flag),
            key("required", Flag),
        ],
        others: Others::Refused,
        extensions: None,
        required: &["condition"],
    }),
    Others::Refused,
);

const ENV_FILE: Object = Object {
    fields: &[key("path", Text), key("required", Flag), key("format", Words(&["raw"]))],
    others: Others::Refused,
    extensions: None,
    required: &["path"],
};

const SERVICE_NETWORKS: Rule = Dict(
    Keys::Names,
    &OneOf(&[
        Rule::Object(&closed(&[
            key("aliases", STRINGS),
            since(13, "driver_opts", DRIVER_OPTS),
            key("ipv4_address", Text),
            key("ipv6_address", Text),
        ])),
        Null,
    ]),
    Others::Refused,
);

const BUILD: Object = Object {
    fields: &[
        key("context", Text),
        key("dockerfile", Text),
        key("args", LIST_OR_DICT),
        since(3, "labels", LIST_OR_DICT),
        since(2, "cache_from", STRINGS),
        since(4, "network", Text),
        since(4, "target", Text),
        since(5, "shm_size", OneOf(&[Whole, Text])),
        since(9, "extra_hosts", LIST_OR_DICT),
    ],
    others: Others::IgnoredSince(11),
    extensions: None,
    required: &[],
};

const FILE_REFERENCE: Object = open(&[
    key("source", Text),
    key("target", Text),
    key("uid", Text),
    key("gid", Text),
    key("mode", Number),
]);

const CREDENTIAL_SPEC: Object =
    closed(&[since(8, "config", Text), key("file", Text), key("registry", Text)]);

const LOGGING: Object = closed(&[
    key("driver", Text),
    key("options", Dict(Keys::Filled, &OneOf(&[Text, Number, Null]), Others::Ignored)),
]);

const PORT: Object = closed(&[
    key("mode", Text),
    key("target", OneOf(&[Whole, Beyond(&Text)])),
    key("published", OneOf(&[Whole, Beyond(&Text)])),
    key("protocol", Text),
    key("name", Beyond(&Text)),
    key("app_protocol", Beyond(&Text)),
]);

const ULIMIT: Object = Object {
    fields: &[key("hard", Whole), key("soft", Whole)],
    others: Others::Refused,
    extensions: None,
    required: &["soft", "hard"],
};

const MOUNT: Object = Object {
    fields: &[
        key("type", Text),
        key("source", Text),
        key("target", Text),
        key("read_only", Flag),
        key("consistency", Text),
        key("bind", Rule::Object(&open(&[key("propagation", Text)]))),
        key("volume", Rule::Object(&open(&[key("nocopy", Flag)]))),
        since(6, "tmpfs", Rule::Object(&open(&[key("size", OneOf(&[Natural, Beyond(&Text)]))]))),
    ],
    others: Others::Refused,
    extensions: None,
    required: &["type"],
};

const HEALTHCHECK: Object = closed(&[
    key("disable", Flag),
    key("interval", Duration),
    key("retries", Number),
    key("test", COMMAND),
    key("timeout", Duration),
    since(4, "start_period", Duration),
    since(12, "start_interval", Duration),
]);

const DEPLOY: Object = closed(&[
    key("mode", Text),
    since(2, "endpoint_mode", Text),
    key("replicas", Whole),
    key("labels", LIST_OR_DICT),
    since(7, "rollback_config", Rule::Object(&UPDATE)),
    key("update_config", Rule::Object(&UPDATE)),
    key("resources", Rule::Object(&RESOURCES)),
    key("restart_policy", Rule::Object(&RESTART_POLICY)),
    key("placement", Rule::Object(&PLACEMENT)),
]);

const UPDATE: Object = closed(&[
    key("parallelism", Whole),
    key("delay", Duration),
    key("failure_action", Text),
    key("monitor", Duration),
    key("max_failure_ratio", Number),
    since(4, "order", Words(&["start-first", "stop-first"])),
]);

const CPUS: Rule = OneOf(&[Text, Beyond(&Number)]);

const RESOURCES: Object = closed(&[
    key(
        "limits",
        Rule::Object(&closed(&[key("cpus", CPUS), key("memory", Text), since(9, "pids", Whole)])),
    ),
    key(
        "reservations",
        Rule::Object(&closed(&[
            key("cpus", CPUS),
            key("memory", Text),
            since(5, "generic_resources", GENERIC_RESOURCES),
        ])),
    ),
]);

const GENERIC_RESOURCES: Rule = List(
    &Rule::Object(&closed(&[key(
        "discrete_resource_spec",
        Rule::Object(&closed(&[key("kind", Text), key("value", Number)])),
    )])),
    Unique::Never,
);

const RESTART_POLICY: Object = closed(&[
    key("condition", Text),
    key("delay", Duration),
    key("max_attempts", Whole),
    key("window", Duration),
]);

const PLACEMENT: Object = closed(&[
    key("constraints", STRINGS_OR_DOUBLES),
    since(3, "preferences", List(&Rule::Object(&closed(&[key("spread", Text)])), Unique::Never)),
    since(8, "max_replicas_per_node", Whole),
]);

const EXTERNAL: Rule = OneOf(&[Flag, Rule::Object(&closed(&[key("name", Text)]))]);
/// The same, but other keys are not looked at.
const EXTERNAL_OPEN: Rule = OneOf(&[Flag, Rule::Object(&open(&[key("name", Text)]))]);

const NETWORK: Object = extensible(&[
    since(5, "name", Text),
    key("driver", Text),
    key("driver_opts", DRIVER_OPTS),
    key(
        "ipam",
        Rule::Object(&closed(&[
            key("driver", Text),
            key("config", List(&Rule::Object(&SUBNET), Unique::Never)),
        ])),
    ),
    key("external", EXTERNAL),
    key("internal", Flag),
    since(2, "attachable", Flag),
    key("enable_ipv6", Beyond(&Flag)),
    key("labels", LIST_OR_DICT),
]);

const SUBNET: Object = closed(&[
    key("subnet", Text),
    key("aux_addresses", Beyond(&Dict(Keys::Filled, &Text, Others::Refused))),
    key("gateway", Beyond(&Text)),
    key("ip_range", Beyond(&Text)),
]);

const VOLUME: Object = extensible(&[
    since(4, "name", Text),
    key("driver", Text),
    key("driver_opts", DRIVER_OPTS),
    key("external", EXTERNAL),
    key("labels", LIST_OR_DICT),
    since(10, "x-cluster-spec", Rule::Object(&CLUSTER_SPEC)),
]);

const CLUSTER_SPEC: Object = open(&[
    key("group", Text),
    key(
        "access_mode",
        Rule::Object(&open(&[
            key("scope", Text),
            key("sharing", Text),
            key("block_volume", Dict(Keys::Filled, &Any, Others::Ignored)),
            key(
                "mount_volume",
                Rule::Object(&open(&[
                    key("fs_type", Text),
                    key("mount_flags", STRINGS_OR_DOUBLES),
                ])),
            ),
        ])),
    ),
    key(
        "accessibility_requirements",
        Rule::Object(&open(&[key("requisite", TOPOLOGIES), key("preferred", TOPOLOGIES)])),
    ),
    key(
        "capacity_range",
        Rule::Object(&open(&[key("required_bytes", Text), key("limit_bytes", Text)])),
    ),
    key("availability", Text),
]);

const TOPOLOGIES: Rule =
    List(&Rule::Object(&open(&[key("segments", LIST_OR_DICT)])), Unique::Never);

const SECRET: Object = extensible(&[
    since(5, "name", Text),
    key("file", Text),
    key("external", EXTERNAL_OPEN),
    key("labels", LIST_OR_DICT),
    since(8, "driver", Text),
    since(8, "driver_opts", DRIVER_OPTS),
    since(8, "template_driver", Text),
    key("environment", Beyond(&Text)),
]);

const CONFIG: Object = extensible(&[
    since(5, "name", Text),
    key("file", Text),
    key("content", Beyond(&Text)),
    key("environment", Beyond(&Text)),
    key("external", EXTERNAL_OPEN),
    key("labels", LIST_OR_DICT),
    since(8, "template_driver", Text),
]);
