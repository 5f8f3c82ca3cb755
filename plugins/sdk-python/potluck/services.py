"""Programs and files inside the app's own running services. Each service must be
granted in `recipe.yml`: `- exec: db`."""

from . import _host
from .failure import HostError
from .types import Command


class Output:
    """What a program left."""

    def __init__(self, exit_code=0, stdout=b"", stderr=b"", truncated=False):
        self.exit_code = exit_code
        self.stdout = bytes(stdout)
        self.stderr = bytes(stderr)
        self.truncated = truncated

    @property
    def text(self):
        """Standard output as text, without the line end at its end."""
        return self.stdout.decode(errors="replace").rstrip()

    @property
    def error_text(self):
        """Standard error as text, without the line end at its end."""
        return self.stderr.decode(errors="replace").rstrip()


def run(service, command, input=b"", *, check=True, env=None, user=None, workdir=None, timeout=None):
    """Runs a program in a task of the service, with `input` (text or bytes) as
    its standard input, and returns its `Output`.

    `command` is a list, or a `Command`. With `check`, any exit code but 0 is a
    `HostError` of the kind `ended`. `timeout` is in seconds.
    """
    if isinstance(command, str):
        raise TypeError("services.run: a list of arguments belongs there: there is no shell")
    if not isinstance(command, Command):
        timeout_ms = None if timeout is None else int(timeout * 1000)
        command = Command(list(command), dict(env or {}), user, workdir, timeout_ms)
    if isinstance(input, str):
        input = input.encode()
    output = _host.call("services", "run", service, wit_command(command), input)
    output = Output(output.exit_code, output.stdout, output.stderr, output.truncated)
    if check and output.exit_code != 0:
        message = f"`{command.argv[0]}` ended with code {output.exit_code}"
        if output.error_text:
            message += f": {output.error_text[-1000:]}"
        error = HostError("ended", message)
        error.output = output
        raise error
    return output


def wait_ready(service, at_most):
    """Waits until every task of the service runs and is healthy; seconds."""
    _host.call("services", "wait_ready", service, int(at_most * 1000))


def restart(service, at_most):
    """Restarts the service's tasks and waits until they are ready; seconds."""
    _host.call("services", "restart", service, int(at_most * 1000))


def put_file(service, path, content, mode=0o644):
    """Writes a file in a task of the service; text or bytes."""
    if isinstance(content, str):
        content = content.encode()
    _host.call("services", "put_file", service, path, content, mode)


def get_file(service, path):
    """The bytes of a file in a task of the service."""
    return bytes(_host.call("services", "get_file", service, path))


def logs(service, lines=100):
    """The last lines, at most 1000, that the service's tasks wrote to standard
    output and standard error, oldest first."""
    return list(_host.call("services", "logs", service, lines))


def wit_command(command):
    return _host.record(
        "process_types",
        "Command",
        argv=[_host.text(argument, "an argument of a program") for argument in command.argv],
        env=[
            (_host.text(key, "a variable's name"), _host.text(value, f"the variable {key}"))
            for key, value in command.env.items()
        ],
        user=command.user,
        workdir=command.workdir,
        timeout_ms=command.timeout_ms,
    )
