// Creates an app's administrator after the first deploy.

import { setting } from "potluck:recipe/app@0.1.0";
import { get, set } from "potluck:recipe/memory@0.1.0";
import { log } from "potluck:recipe/report@0.1.0";
import { run } from "potluck:recipe/services@0.2.0";

/** The password is read where it is, in the service: it is in no argument. */
const CREATE = 'app-ctl create-admin "$1" </run/secrets/admin_password';

/** A failure as the interface has it; what is thrown becomes a result's error. */
const failure = (message, hint, retryable = false) => ({ message, hint, retryable });

/** Calls the host; what it refuses becomes a failure that says why. */
function host(call) {
  try {
    return call();
  } catch (error) {
    const { tag, val } = error.payload ?? { val: String(error) };
    switch (tag) {
      case "denied":
        throw failure(
          `the plugin was not granted \`${val}\``,
          `write \`${val}\` under this plugin's grants in recipe.yml`,
        );
      case "not-running":
        throw failure(`the service \`${val}\` is not running`, undefined, true);
      case "timed-out":
        throw failure("it took longer than was allowed", undefined, true);
      default:
        throw failure(`${tag}: ${val}`);
    }
  }
}

function required(key) {
  const value = setting(key);
  if (!value) {
    throw failure(
      `the setting ${key} is missing`,
      `add a line \`${key}=…\` to the app's settings`,
    );
  }
  return value;
}

function program(service, argv) {
  const command = { argv, env: [] };
  const output = host(() => run(service, command, new Uint8Array()));
  if (output.exitCode !== 0) {
    const said = new TextDecoder().decode(output.stderr).trimEnd();
    throw failure(`\`${argv[0]}\` ended with code ${output.exitCode}${said && `: ${said}`}`);
  }
}

export const lifecycle = {
  check(to) {
    required("ADMIN_EMAIL");
  },

  beforeDeploy(to) {},

  afterDeploy(to) {
    if (host(() => get("administrator"))) return;
    const email = required("ADMIN_EMAIL");
    program("app", ["sh", "-c", CREATE, "sh", email]);
    host(() => set("administrator", email));
    log("info", `created the administrator ${email}`);
  },

  deployFailed(to, restored) {},

  beforeRemove() {},
};
