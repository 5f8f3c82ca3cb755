# Synapse's own program upgrades the database, as its account.
import fcntl, os, re, subprocess, sys
with open("/data/.upgrading-to", "w") as mark:
    mark.write(str(INPUT["schema"]))
# One that was cut off may still be at work: this waits for it. The program keeps the
# lock if this here is killed.
lock = open("/data/.upgrading-lock", "w")
fcntl.flock(lock, fcntl.LOCK_EX)
command = [sys.executable, "-m", "synapse._scripts.update_synapse_database"]
command += ["--database-config", os.environ["SYNAPSE_CONFIG_PATH"]]
if INPUT["background"]:
    command.append("--run-background-updates")
program = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, errors="replace",
                           stdout=subprocess.DEVNULL, pass_fds=[lock.fileno()])
error = last = ""
for line in program.stderr:
    # It gave up, but would never end.
    if "back-to-back background update failures" in line:
        program.kill()
        program.wait()
        sys.exit(f"Synapse gave up after five failures: {error}")
    last = line.strip() or last
    if re.match(r"[\w.]+(Error|Exception)\b|psycopg2\.\w", line):
        error = line.strip()
code = program.wait()
if code < 0:
    sys.exit(f"update_synapse_database was ended by signal {-code}")
if code:
    sys.exit(f"update_synapse_database ended with code {code}: {error or last}")
answer(None)
