#!/usr/bin/python3
"""The part of the upstream synapse image's contract that recipes use.

`run` (the default) starts Synapse with the configuration at SYNAPSE_CONFIG_PATH;
`generate` makes one, with a signing key, from SYNAPSE_SERVER_NAME and
SYNAPSE_REPORT_STATS. Both as the account 991, which owns the volume /data.
"""

import os
import sys

ACCOUNT = 991


def fail(text):
    print(text, file=sys.stderr)
    sys.exit(2)


def main():
    mode = sys.argv[1] if len(sys.argv) > 1 else "run"
    folder = os.environ.get("SYNAPSE_CONFIG_DIR", "/data")
    config = os.environ.get("SYNAPSE_CONFIG_PATH", folder + "/homeserver.yaml")
    command = [sys.executable, "-m", os.environ.get("SYNAPSE_WORKER", "synapse.app.homeserver")]
    command += ["--config-path", config]
    if mode == "generate":
        for name in ("SYNAPSE_SERVER_NAME", "SYNAPSE_REPORT_STATS"):
            if name not in os.environ:
                fail(f"the variable {name} is needed to generate a configuration")
        command += ["--server-name", os.environ["SYNAPSE_SERVER_NAME"]]
        command += ["--report-stats", os.environ["SYNAPSE_REPORT_STATS"]]
        command += ["--config-directory", folder, "--data-directory", "/data"]
        command += ["--generate-config", "--open-private-ports"]
        os.chown("/data", ACCOUNT, ACCOUNT)
    elif mode != "run":
        fail(f"there is no mode `{mode}`: there are run and generate")
    elif not os.path.exists(config):
        fail(f"the configuration {config} is missing: run `generate`, or set SYNAPSE_CONFIG_PATH")
    else:
        command += sys.argv[2:]
    os.setgroups([])
    os.setgid(ACCOUNT)
    os.setuid(ACCOUNT)
    os.execv(command[0], command)


main()
