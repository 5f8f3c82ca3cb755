"""Starts Synapse as the image does, once its database fits.

A new Synapse upgrades the database when it starts, after which the old one refuses it. So
where the database is of an older Synapse, or an upgrade of it did not end, this waits: the
recipe's plugin upgrades it while potluck watches, after a backup. UPGRADE=at-start leaves
the upgrade to Synapse.
"""

import os
import signal
import subprocess
import sys
import time

import psycopg2
import yaml

from synapse.storage.schema import SCHEMA_VERSION

CONFIG = os.environ["SYNAPSE_CONFIG_PATH"]
# For the health check: it waits, and nothing is wrong.
HELD = "/tmp/held"
# In it, the schema to which an upgrade was begun that did not end.
MARK = "/data/.upgrading-to"
# Those of the image, and the one of compose.smtp-ca.yml.
AUTHORITIES = "/tmp/authorities.pem"
# Synapse's own account in the image.
ACCOUNT = 991


def say(text):
    print(f"entrypoint: {text}", file=sys.stderr, flush=True)


def schema(database):
    """The schema of the database; none where Synapse has not made its tables yet."""
    while True:
        try:
            connection = psycopg2.connect(**database)
            break
        except psycopg2.OperationalError as error:
            say(f"the database does not answer yet: {str(error).strip()}")
            time.sleep(2)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT to_regclass('schema_version')")
            if cursor.fetchone()[0] is None:
                return None
            cursor.execute("SELECT version FROM schema_version")
            row = cursor.fetchone()
            return row and row[0]
    finally:
        connection.close()


def begun():
    """Whether an upgrade to this Synapse's schema was begun, and did not end."""
    try:
        with open(MARK) as mark:
            return mark.read().strip() == str(SCHEMA_VERSION)
    except FileNotFoundError:
        return False


def fits(database):
    found = schema(database)
    return found is None or (found >= SCHEMA_VERSION and not begun())


def trust(authority):
    """Adds an authority to those that Synapse trusts."""
    with open(AUTHORITIES, "w") as both:
        for path in ("/etc/ssl/certs/ca-certificates.crt", authority):
            with open(path) as file:
                both.write(file.read().rstrip("\n") + "\n")
    os.environ["SSL_CERT_FILE"] = AUTHORITIES


def main():
    # The first process of a container ends by a signal only where it says so.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with open(CONFIG) as file:
        settings = yaml.safe_load(file)
    database = {k: v for k, v in settings["database"]["args"].items() if not k.startswith("cp_")}

    if os.environ.get("UPGRADE") != "at-start" and not fits(database):
        say(f"waiting: the database has to be upgraded to schema {SCHEMA_VERSION}")
        open(HELD, "w").close()
        while not fits(database):
            time.sleep(1)
        os.remove(HELD)

    # A fresh volume belongs to root.
    if os.stat("/data").st_uid == 0:
        os.chown("/data", ACCOUNT, ACCOUNT)
    if not os.path.exists(settings["signing_key_path"]):
        say("making the signing key")
        command = [sys.executable, "-m", "synapse.app.homeserver", "--generate-keys"]
        command += ["--config-path", CONFIG]
        subprocess.run(command, check=True, user=ACCOUNT, group=ACCOUNT, extra_groups=[])
    if os.environ.get("SMTP_CA_FILE"):
        trust(os.environ["SMTP_CA_FILE"])
    os.execv("/start.py", ["/start.py", "run"])


main()
