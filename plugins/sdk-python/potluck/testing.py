"""A host made of a script, for a plugin's own tests: outside of WebAssembly every
call of the SDK comes here.

::

    with Script(settings={"ADMIN_EMAIL": "ada@example.org"}) as host:
        host.on("app", ["app-ctl", "create-admin", "*"], stdout="done")
        Greeter().after_deploy(Transition(None, "1.0.0"))
    assert host.runs[0].argv[-1] == "ada@example.org"
    assert host.log == ["info: created the administrator ada@example.org"]

A program that no rule fits ends with code 0 and says nothing. Grants are not
checked, but for those that `denied` names: a scenario in the real host does that
(`potluck plugin test`).
"""

import fnmatch
import json
import re
from dataclasses import dataclass

from .failure import HostError
from .services import Output
from .types import Facts

LEVELS = ("debug", "info", "warning", "error")

_playing = []


@dataclass
class Run:
    """A program that the plugin ran."""

    service: str
    argv: list[str]
    input: bytes
    env: dict[str, str]
    user: str | None
    workdir: str | None


class Script:
    """What the host knows and answers while it plays, and what was done."""

    def __init__(
        self,
        *,
        app="app.example.org",
        recipe="recipe",
        version=None,
        settings=None,
        options=None,
        secrets=None,
        memory=None,
        files=None,
        logs=None,
        denied=(),
        now=1_767_225_600,
        random=0,
    ):
        self.facts = Facts(app, app.replace(".", "_"), recipe, version, "default")
        self.settings = {"DOMAIN": app, "STACK_NAME": self.facts.stack, **(settings or {})}
        self.options = options or {}
        #: Those without a value (None) can be put, and not be revealed.
        self.secrets = dict(secrets or {})
        self.memory = dict(memory or {})
        #: Of the recipe, by path.
        self.files = dict(files or {})
        #: Of services, by service and path.
        self.service_files = {}
        #: What services wrote to their logs: lists of lines.
        self.logs = dict(logs or {})
        #: Grants that the plugin was not given, `exec: db`.
        self.denied = set(denied)
        self.now = now
        self.random = random
        self.runs = []
        self.requests = []
        #: Other calls of services, `("restart", "app")`.
        self.calls = []
        self.log = []
        self.progress = []
        self._programs = []
        self._answers = []
        self._failures = {}

    def on(self, service, command=None, *, input=None, stdout="", stderr="", exit_code=0, error=None):
        """What a program answers; `*` in an argument, and in `input`, stands for
        any text. `error` is a kind of `HostError` instead."""
        self._programs.append((service, command, input, stdout, stderr, exit_code, error))
        return self

    def on_call(self, call, service, error):
        """What another call of a service fails with, a kind of `HostError`:
        `host.on_call("wait_ready", "db", error="timed-out")`."""
        self._failures[call, service] = error
        return self

    def on_http(self, request, *, status=200, headers=None, body="", json_body=None, error=None):
        """What a request is answered: `request` is `GET https://example.org/*`."""
        if json_body is not None:
            body = json.dumps(json_body)
        self._answers.append((request, status, dict(headers or {}), body, error))
        return self

    def __enter__(self):
        _playing.append(self)
        return self

    def __exit__(self, *_):
        _playing.remove(self)

    def _granted(self, grant):
        if grant in self.denied:
            raise HostError("denied", grant)

    def _call(self, call, service, *what):
        self._granted(f"exec: {service}")
        self.calls.append((call, service, *what))
        error = self._failures.get((call, service))
        if error is not None:
            raise HostError(error, service)

    # What the SDK calls, by the interface's name and the function's.

    def app_describe(self):
        return self.facts

    def app_setting(self, key):
        value = self.settings.get(key)
        return None if value is None else str(value)

    def app_settings(self):
        return sorted((key, str(value)) for key, value in self.settings.items())

    def app_options(self):
        return json.dumps(self.options)

    def recipe_files_read(self, path):
        if path not in self.files:
            raise HostError("not-found")
        return _bytes(self.files[path])

    def recipe_files_names(self, folder):
        prefix = f"{folder}/" if folder else ""
        inside = [path[len(prefix) :] for path in self.files if path.startswith(prefix)]
        if folder and not inside:
            raise HostError("not-found")
        return sorted({rest.split("/")[0] + "/" * ("/" in rest) for rest in inside})

    def report_log(self, level, message):
        self.log += (f"{LEVELS[level]}: {line}" for line in message.splitlines() if line.strip())

    def report_progress(self, step, done, total):
        self.progress.append((step, done, total))

    def services_run(self, service, command, input):
        self._granted(f"exec: {service}")
        run = Run(
            service,
            command["argv"],
            bytes(input),
            dict(command["env"]),
            command["user"],
            command["workdir"],
        )
        self.runs.append(run)
        for where, argv, wanted, stdout, stderr, exit_code, error in self._programs:
            if where != service or not _fits_all(argv, run.argv):
                continue
            if wanted is not None and not _fits(wanted, run.input.decode(errors="replace")):
                continue
            if error is not None:
                raise HostError(error, service)
            return Output(exit_code, _bytes(stdout), _bytes(stderr))
        return Output()

    def services_wait_ready(self, service, timeout_ms):
        self._call("wait_ready", service)

    def services_restart(self, service, timeout_ms):
        self._call("restart", service)

    def services_put_file(self, service, path, content, mode):
        self._call("put_file", service, path)
        self.service_files[service, path] = bytes(content)

    def services_get_file(self, service, path):
        self._call("get_file", service, path)
        if (service, path) not in self.service_files:
            raise HostError("engine", f"there is no file {path}")
        return _bytes(self.service_files[service, path])

    def services_logs(self, service, lines):
        self._call("logs", service)
        return list(self.logs.get(service, ()))[-lines:]

    def secrets_reveal(self, name):
        self._granted(f"secret: {name}")
        if name not in self.secrets:
            raise HostError("unknown-secret", name)
        if self.secrets[name] is None:
            raise HostError("unavailable", f"there is no copy of the secret `{name}`")
        return self.secrets[name]

    def secrets_put(self, name, value):
        self._granted(f"secret: {name}")
        if name not in self.secrets:
            raise HostError("unknown-secret", name)
        if self.secrets[name] is not None:
            raise HostError("exists", name)
        self.secrets[name] = value

    def http_send(self, request):
        scheme, _, rest = request["url"].partition("://")
        self._granted(f"http: {scheme}://{re.split('[/?#]', rest)[0]}")
        self.requests.append(request)
        line = f"{request['method']} {request['url']}"
        for pattern, status, headers, body, error in self._answers:
            if _fits(pattern, line):
                if error is not None:
                    raise HostError("timed-out" if error == "timed-out" else "failed", error)
                return _Answer(status, list(headers.items()), _bytes(body))
        raise HostError("failed", f"nothing answers {line} in this script")

    def memory_get(self, key):
        return self.memory.get(key)

    def memory_set(self, key, value):
        if value:
            self.memory[key] = value
        else:
            self.memory.pop(key, None)

    def tools_now(self):
        return self.now

    def tools_random_bytes(self, length):
        """Repeatable, the same as in a scenario: a step of SplitMix64 for each byte."""
        mask = (1 << 64) - 1
        made = bytearray()
        for _ in range(length):
            self.random = (self.random + 0x9E3779B97F4A7C15) & mask
            mixed = ((self.random ^ (self.random >> 30)) * 0xBF58476D1CE4E5B9) & mask
            made.append(mixed >> 56)
        return bytes(made)

    def tools_bcrypt(self, password):
        if len(password.encode()) > 72 or "\0" in password:
            raise HostError("failed", "bcrypt would cut this password")
        return f"$2b$scripted${password}"

    def tools_argon2id(self, password):
        return f"$argon2id$scripted${password}"

    def tools_keypair(self, kind):
        return _Pair(f"private {kind}", f"public {kind}")


@dataclass
class _Answer:
    status: int
    headers: list
    body: bytes


@dataclass
class _Pair:
    private_pem: str
    public_pem: str


def answer(interface, function, *arguments):
    """A call of the SDK, answered by the script that plays."""
    if not _playing:
        raise RuntimeError("outside of WebAssembly, calls need a potluck.testing.Script")
    return getattr(_playing[-1], f"{interface}_{function}")(*arguments)


def _bytes(content):
    return content.encode() if isinstance(content, str) else bytes(content)


def _fits_all(patterns, argv):
    if patterns is None:
        return True
    return len(patterns) == len(argv) and all(map(_fits, patterns, argv))


def _fits(pattern, text):
    # Only `*` is special.
    return fnmatch.fnmatchcase(text, pattern.replace("[", "[[]").replace("?", "[?]"))
