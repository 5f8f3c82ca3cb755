//! Every rule, once. `docs/lint.md` shows the same table; a test keeps them equal.

use super::Severity::{self, Error, Info, Warning};

/// What lint looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Stable.
    pub code: &'static str,
    pub severity: Severity,
    /// Why it matters.
    pub reason: &'static str,
    /// What to do, unless a finding has a fix of its own.
    pub fix: &'static str,
}

/// Whether a code is that of a rule for compose files.
pub fn is_of_compose(code: &str) -> bool {
    COMPOSE.iter().any(|rule| rule.code == code)
}

macro_rules! rules {
    (
        $(#[$about:meta])* $all:ident;
        $($name:ident: $severity:ident $code:literal, $reason:literal, $fix:literal;)*
    ) => {
        $(pub const $name: Rule =
            Rule { code: $code, severity: $severity, reason: $reason, fix: $fix };)*

        $(#[$about])*
        pub const $all: &[Rule] = &[$($name),*];
    };
}

rules! {
    /// About compose files.
    COMPOSE;

    BAD_CONSTRAINT: Error "bad-constraint",
        "swarm refuses other operators than `==` and `!=`, and no node fits a key that it doesn't know",
        "compare `node.hostname`, `node.role`, `node.id`, `node.ip`, `node.platform.os`, `node.platform.arch`, `node.labels.…` or `engine.labels.…`";
    BIND_INSIDE_RECIPE: Error "bind-inside-recipe",
        "a bind mount is a folder of the node; a recipe's own folder is a private copy that is gone after the deploy",
        "use a config for a file, a volume for data, or an absolute path that exists on the node";
    DNSRR_INGRESS: Error "dnsrr-ingress",
        "swarm refuses ports of the ingress network with `endpoint_mode: dnsrr`",
        "publish it with `mode: host`, or remove `endpoint_mode`";
    MOUNT_TAKEN: Error "mount-taken",
        "swarm refuses two mounts of one target",
        "give each mount a target of its own";
    NAME_TOO_LONG: Error "name-too-long",
        "swarm allows 63 bytes for the name of a service, the stack's name included",
        "shorten the key or the app's name";
    PORT_TAKEN: Error "port-taken",
        "a port of the ingress network can be published once",
        "publish it once, by one service";
    SUBNETS_OVERLAP: Error "subnets-overlap",
        "swarm gives addresses to one of two networks that overlap; tasks on the other stay \
         `new`, and swarm does not say why",
        "give each network a subnet of its own, or none, for swarm to choose";
    SWARM_REFUSES: Error "swarm-refuses",
        "the engine refuses the service, after networks and configs of the stack were made",
        "correct it as the message says";
    TAG_UNSAFE: Error "tag-unsafe",
        "docker ignores `!reset` and `!override`: what they were to take away stays open, or `null` becomes a text",
        "change the file that has the value, or leave that file out";
    TASK_REFUSED: Error "task-refused",
        "swarm takes the service, but every node refuses its tasks: none ever runs",
        "correct it as the message says";
    TOO_MANY_REPLICAS: Error "too-many-replicas",
        "swarm makes a task for each at once: its managers run out of memory, and the whole swarm is down",
        "correct the number";
    ANONYMOUS_VOLUME: Warning "anonymous-volume",
        "every task gets a new one: what was written is left behind at each update",
        "name the volume, or use a mount of type `tmpfs` for data that may be lost";
    BLANK_AT_EDGE: Warning "blank-at-edge",
        "a blank at the start or the end of a name is part of it: docker looks for something else than was meant",
        "write it without that blank";
    COMPOSE_ODD: Warning "compose-odd",
        "docker itself warns of it",
        "write it as the message says";
    DATABASE_PUBLISHED: Warning "database-published",
        "a published port listens on all addresses of every node and bypasses most firewalls",
        "remove the port: services on one network reach all ports of each other";
    DEPENDS_ON: Warning "depends-on",
        "swarm starts all services at once, whatever `depends_on` says",
        "let the service wait for what it needs, or fail and be restarted";
    DOCKER_SOCKET_EXPOSED: Warning "docker-socket-exposed",
        "anyone who breaks into a service that is reachable from outside and has the Docker \
         socket controls the machine; read-only does not help",
        "give the socket to a proxy that filters requests, and the service a network to it";
    END_ROLLED_BACK: Warning "end-rolled-back",
        "swarm treats the end of a task as a failed update, even with exit code 0, and rolls back",
        "remove `failure_action: rollback`, or use `mode: replicated-job`";
    ENTRY_MISREAD: Warning "entry-misread",
        "in lists only `=` parts a name from its value, blanks are part of the name, and docker drops a host without an address",
        "write `NAME=value`, and `HOST:ADDRESS` for a host";
    ENV_FILE_RAW: Warning "env-file-raw",
        "docker takes a line of an environment file as it is: blanks and comments at its end and `${NAME}` are part of the value",
        "write the plain value, or use `environment`";
    ERROR_SWALLOWED: Warning "error-swallowed",
        "docker says nothing of a variable that is required or malformed when another one follows in the same value",
        "set the variable, or write `$$` for a dollar sign";
    HEALTHCHECK_APPENDED: Warning "healthcheck-appended",
        "overlays append to `healthcheck.test`: what runs is both commands in one",
        "keep `test` in one file only";
    IGNORED_KEY: Warning "ignored-key",
        "swarm ignores the key",
        "remove it";
    INVISIBLE_CHARACTER: Warning "invisible-character",
        "an invisible character is part of a name or a value",
        "write it again without that character";
    LABEL_UNREAD: Warning "label-unread",
        "in a swarm, proxies and backups read `deploy.labels`; what looks at containers reads `labels`",
        "move it to where it is read";
    LOGGING_OPTIONS_LOST: Warning "logging-options-lost",
        "docker drops options of an overlay when the earlier file names a driver without options",
        "give `logging` of the earlier file an option, too";
    MERGE_LOSES: Warning "merge-loses",
        "docker's merge tells ports apart by the published number, secrets and configs by their source, and takes the later of two definitions",
        "give the whole list or definition in one file only, and do not change that service in another one";
    MODE_ODD: Warning "mode-odd",
        "without a leading zero, the mode of a secret or config is a decimal number, which stands for other permissions",
        "write it in octal, such as `0440`";
    NESTED_DEFAULT: Warning "nested-default",
        "a default ends at the first brace, so a variable within is not filled in, and a brace is left behind the value",
        "write `${NAME}`, and give NAME its value in the settings, where variables are filled in";
    ONE_LETTER_VOLUME: Warning "one-letter-volume",
        "docker takes `v:/v` for one path on a Windows drive",
        "give the volume a name of two letters or more";
    OVERLAY_WITHOUT_EFFECT: Warning "overlay-without-effect",
        "in an overlay, false, zero and an empty value replace nothing",
        "remove the value from the earlier file";
    PLAIN_SECRET: Warning "plain-secret",
        "anyone who may look at the service or the process reads its environment",
        "use a secret, and the variable that names its file, often the same name with `_FILE`";
    QUOTES_KEPT: Warning "quotes-kept",
        "docker keeps quotes in environment files and in items like `KEY=\"value\"`: they become part of the value",
        "remove the quotes, or write `KEY: \"value\"`";
    REGISTRY_NONE: Warning "registry-none",
        "no registry has a name that ends in `.invalid`: the image stands for one that is still to be named",
        "name the image; build and push it first, if the project has none";
    REPLICAS_SHARE_PORT: Warning "replicas-share-port",
        "a port of the node (`mode: host`) has room for one task on each node: with fewer nodes than replicas, some wait for ever",
        "use one replica or `mode: global`, or publish the port through the ingress network";
    REPLICAS_SHARE_VOLUME: Warning "replicas-share-volume",
        "a local volume exists separately on each node: replicas on one node write to the same, those on others see other data",
        "use one replica, or a volume driver that shares between nodes";
    REQUIRED_NEVER_FAILS: Warning "required-never-fails",
        "docker takes `${V:?a - b}` for a default, because the message holds a dash",
        "write the message without a dash";
    START_FIRST_HOST_PORT: Warning "start-first-host-port",
        "with `order: start-first` the new task finds the node's port taken, and waits for ever where there is no other node",
        "use `order: stop-first`, or publish the port through the ingress network";
    START_FIRST_VOLUME: Warning "start-first-volume",
        "with `order: start-first` two tasks write to the volume at once during an update",
        "use `order: stop-first`, or mount the volume read-only";
    TAG_IGNORED: Warning "tag-ignored",
        "docker ignores YAML tags of others, `!reset` and `!override` among them",
        "remove the tag, and change the file that has the value";
    TARGET_INVALID: Warning "target-invalid",
        "a published port leads to one from 1 to 65535 of the task",
        "name the port in `target` on which the service listens";
    TEMPLATE_UNKNOWN: Warning "template-unknown",
        "swarm fills in templates in `environment` and `hostname`, and refuses a service with one that it does not know",
        "use `.Service`, `.Node` or `.Task`; `{{\"{{\"}}` is a text of two braces";
    TEMPLATE_UNREAD: Warning "template-unread",
        "swarm fills in templates in `environment`, `hostname` and mounts only",
        "put it into a variable, and let the command read that";
    UNPINNED_IMAGE: Warning "unpinned-image",
        "what runs depends on the day it was pulled, and nobody can go back",
        "name a version";
    UNUSED_DEFINITION: Warning "unused-definition",
        "docker makes no network or volume, and mounts no secret or config, that no service uses",
        "name it at the service that needs it, or remove it";
    UPDATE_PAUSES: Warning "update-pauses",
        "with `failure_action: pause`, docker leaves a failed update half done; `potluck app \
         deploy` restores the previous version anyway",
        "use `failure_action: rollback`, so that docker does so, too";
    VALUE_CHANGED: Warning "value-changed",
        "without quotes, `022`, `1.10`, `1e3` and `2024-01-01` are numbers and dates, which docker writes in its own way",
        "put it in quotes";
    VARIABLE_UNSET: Warning "variable-unset",
        "docker says nothing of a variable that is set nowhere: it becomes an empty text",
        "set it, or write `${NAME:-}` where it may be empty";
    BEYOND_DOCKER: Info "beyond-docker",
        "`docker stack` refuses this form of the Compose specification; potluck takes it",
        "write docker's own form, where the file is for both";
    BIND_NOT_PINNED: Info "bind-not-pinned",
        "swarm does not make the folder, and refuses the task on a node that lacks it",
        "name the node in `deploy.placement.constraints`, or use a volume";
    DOCKER_SOCKET: Info "docker-socket",
        "anyone who can use the Docker socket controls the machine; read-only does not help",
        "give the socket to a proxy that filters requests";
    NO_HEALTHCHECK: Info "no-healthcheck",
        "without a health check, swarm counts a task as working once it has started, unless the \
         image has one",
        "add a `healthcheck`";
    NO_MEMORY_LIMIT: Info "no-memory-limit",
        "one service that leaks takes the whole node down",
        "set `deploy.resources.limits.memory`";
    RESTART_GIVES_UP: Info "restart-gives-up",
        "after `max_attempts` failures the service stays down until someone looks",
        "remove `max_attempts`, or set a `window`";
    RESTART_TWICE: Info "restart-twice",
        "`restart` has no effect beside `deploy.restart_policy`",
        "remove `restart`";
    UPDATE_PAUSES_BY_DEFAULT: Info "update-pauses-by-default",
        "without `failure_action`, docker leaves a failed update half done; `potluck app deploy` \
         restores the previous version",
        "for docker, set `deploy.update_config.failure_action: rollback`";
    VOLUME_NOT_PINNED: Info "volume-not-pinned",
        "a local volume exists separately on each node: a task that moves starts with an empty one",
        "where the swarm has several nodes, name one in `deploy.placement.constraints`";
}

rules! {
    /// About the files of a recipe among each other.
    RECIPE;

    ABRA_SH_UNREADABLE: Error "abra-sh-unreadable",
        "versions of configs come from `abra.sh`",
        "make it a text file of the recipe";
    ANSWERS_INVALID: Error "answers-invalid",
        "`recipe test` plays what services answer in `tests/simulated.yml`",
        "correct it as the message says";
    COMPONENT_DIFFERS: Error "component-differs",
        "the component is not the one that `sha256` pins",
        "write its digest into recipe.yml if it is the right one";
    COMPONENT_MISSING: Error "component-missing",
        "a plugin without its component cannot run",
        "build the plugin into that place, or correct `component`";
    COMPOSE_INVALID: Error "compose-invalid",
        "docker refuses the files",
        "correct it as the message says";
    COMPOSE_UNREADABLE: Error "compose-unreadable",
        "`COMPOSE_FILE` names a file that cannot be read",
        "name the files that the recipe has in `COMPOSE_FILE`";
    GRANT_NEEDED: Error "grant-needed",
        "without the grant the plugin fails: in the `check` of a deploy, or once it is used",
        "add the grant, which operators are asked for";
    GRANT_UNKNOWN_SERVICE: Error "grant-unknown-service",
        "a plugin asks to run commands in a service that does not exist",
        "name one of the recipe's services";
    MANIFEST_INVALID: Error "manifest-invalid",
        "the recipe's plugins are not known",
        "correct it as the message says";
    NAME_RESERVED: Error "name-reserved",
        "docker and potluck use some names and labels to tell which stack or app owns an object",
        "remove it; labels of your own need another prefix";
    OPTION_INVALID: Error "option-invalid",
        "a standard plugin refuses the option, and stops every deploy",
        "docs/std-plugins.md lists the options";
    OPTION_UNKNOWN_NAME: Error "option-unknown-name",
        "a standard plugin cannot work in a service, save a volume or switch an overlay on that does not exist",
        "name what the recipe has";
    SAMPLE_INVALID: Error "sample-invalid",
        "a new app's settings are a copy of the sample",
        "correct the line";
    SAMPLE_MISSING: Error "sample-missing",
        "a new app's settings are a copy of the sample",
        "add a `.env.sample` that begins with `TYPE=` and the recipe's name";
    SECRET_WITHOUT_KEY: Error "secret-without-key",
        "a secret is made by the rules beside its `SECRET_…_VERSION`, which the sample lacks",
        "add `SECRET_NAME_VERSION=v1 # length=32` to `.env.sample`";
    ABRA_SH_BACKUP: Warning "abra-sh-backup",
        "`abra.sh` is read as data: nothing runs its functions for backups",
        "use a plugin, or `backupbot.backup.pre-hook` and `backupbot.restore.post-hook` labels";
    ABRA_SH_EXPORT: Warning "abra-sh-export",
        "`abra.sh` is read as data: exports in functions and conditions are ignored, and so are \
         values that a shell would compute",
        "export it at the top, with a plain value; one that only the function uses can stay";
    BACKUP_LABELS: Warning "backup-labels",
        "`backupbot.*` labels count for the app as a whole, and only with `backupbot.backup`",
        "keep them at one service";
    BACKUP_REFUSED: Warning "backup-refused",
        "every backup of the app would fail",
        "write a file in `backupbot.backup.pre-hook`, or use a plugin";
    GRANT_UNKNOWN_SECRET: Warning "grant-unknown-secret",
        "a plugin asks for a secret that the compose files don't have",
        "name one of the recipe's secrets";
    NO_APP_SERVICE: Warning "no-app-service",
        "hooks, labels and other recipes expect a service `app`",
        "call the main service `app`";
    SAMPLE_ODD: Warning "sample-odd",
        "a setting of the sample will not be read as it looks",
        "correct it as the message says";
    SAMPLE_WITHOUT_TYPE: Warning "sample-without-type",
        "an app's settings must say which recipe it is of",
        "write `TYPE=` and the recipe's name into the sample's first line";
    SECRET_NAME_LONG: Warning "secret-name-long",
        "with a longer domain the secret's name exceeds Docker's 64 bytes",
        "keep names of secrets within 20 bytes";
    SECRET_WITHOUT_VERSION: Warning "secret-without-version",
        "a secret whose name carries no version cannot be changed",
        "write its name as `${STACK_NAME}_NAME_${SECRET_NAME_VERSION}`";
    NOT_CONNECTED: Info "not-connected",
        "apps of the recipe cannot be connected with `potluck sso connect` or `mail connect`",
        "list `std:oidc` or `std:smtp` in recipe.yml: docs/std-plugins.md has examples";
    REACHES_OUT: Info "reaches-out",
        "what reaches beyond the app needs the operator's yes",
        "remove it if the app works without; `docs/reach.md` lists what needs a yes";
}

rules! {
    /// About an app and its recipe, or a stack and its server: `app check`, and what
    /// stops a deploy.
    APP;

    CONFIG_MISSING: Error "config-missing",
        "a service that asks for a config does not start without it",
        "make it with `docker config create`";
    DRIVER_MISSING: Error "driver-missing",
        "swarm places no task of the service until a node has the driver",
        "name another driver, or install it with `docker plugin install` on the nodes";
    NETWORK_MISSING: Error "network-missing",
        "a service does not start without its networks",
        "create it with `docker network create --driver overlay --attachable`";
    OTHER_RECIPE: Error "other-recipe",
        "the settings name another recipe than the one that is deployed",
        "correct it with `potluck app config`";
    PLATFORM_MISSING: Error "platform-missing",
        "swarm places tasks only on nodes whose platform the image is for",
        "name an image that is made for the nodes' platform, or add a node of its platform";
    RECIPE_UNAVAILABLE: Error "recipe-unavailable",
        "without its recipe an app cannot be deployed",
        "correct `TYPE` in the settings, or add the recipe";
    SECRET_MISSING: Error "secret-missing",
        "a service that asks for a secret does not start without it",
        "store it with `potluck app secret generate` or `insert`";
    SECRET_SETTING_INVALID: Error "secret-setting-invalid",
        "the settings say what a secret is called and how it is made",
        "correct it with `potluck app config`";
    SECRET_VERSION_MISSING: Error "secret-version-missing",
        "the name of a secret ends in its version, which the settings must have",
        "add the line to the settings with `potluck app config`";
    SERVER_UNAVAILABLE: Error "server-unavailable",
        "it is unknown whether the secrets exist",
        "see `potluck server ls`, or pass `--offline`";
    SETTINGS_INVALID: Error "settings-invalid",
        "the app's settings cannot be read",
        "correct them with `potluck app config`";
    CERTIFICATE_ODD: Warning "certificate-odd",
        "browsers warn of a domain whose certificate they do not believe",
        "look into the log of the reverse proxy";
    DOMAIN_ELSEWHERE: Warning "domain-elsewhere",
        "people reach an app only if its domain leads to its server",
        "change the A or AAAA record of the domain";
    SETTING_MISSING: Warning "setting-missing",
        "the recipe's sample has a setting that the app lacks",
        "set it with `potluck app config`";
    SETTING_UNREAD: Warning "setting-unread",
        "a template reads a setting that its service does not get: abra hands all settings to \
         the service `app`",
        "name it in the service's `environment`";
    SETTINGS_ODD: Warning "settings-odd",
        "a setting will not be read as it looks",
        "correct it with `potluck app config`";
    TIMEOUT_INVALID: Warning "timeout-invalid",
        "a deploy waits 5 minutes where the stack's timeout label is not a number of seconds",
        "set it to a whole number of seconds above 0, or pass `--timeout`";
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> impl Iterator<Item = &'static Rule> {
        [COMPOSE, RECIPE, APP].into_iter().flatten()
    }

    #[test]
    fn the_page_shows_every_rule() {
        let page = include_str!("../../docs/lint.md");
        let is_rule = |line: &&str| line.starts_with("| `") && line.matches(" | ").count() == 3;
        let mut shown = page.lines().filter(is_rule);
        for Rule { code, severity, reason, fix } in all() {
            let row = format!("| `{code}` | {severity} | {reason} | {fix} |");
            assert_eq!(shown.next(), Some(row.as_str()));
        }
        assert_eq!(shown.next(), None);
    }

    #[test]
    fn codes_are_unique_and_sorted_by_severity() {
        let codes: std::collections::BTreeSet<_> = all().map(|rule| rule.code).collect();
        assert_eq!(codes.len(), all().count());
        for rules in [COMPOSE, RECIPE, APP] {
            let key = |rule: &Rule| (rule.severity, rule.code);
            assert!(rules.is_sorted_by_key(key), "{rules:#?}");
        }
    }
}
