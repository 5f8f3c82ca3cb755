"""The roles: a base class for each, with defaults for what a plugin need not care
about. Methods mean what the WIT interface says of the hook of that name."""

import inspect

from .failure import Failure
from .types import Changes, Parameter, Spec


class Role:
    """What all roles have in common."""

    #: The name of the role's interface in Python, `sso_client`.
    role = None


class Lifecycle(Role):
    """Around deploy, upgrade and removal."""

    role = "lifecycle"

    def check(self, to):
        """Reads only; a failure stops the operation before anything changed."""

    def before_deploy(self, to):
        """Before anything changes on the swarm."""

    def after_deploy(self, to):
        """All services run and are healthy. Must be idempotent."""

    def deploy_failed(self, to, restored):
        """The deploy failed after `before_deploy` was called: to end a maintenance
        mode, say. `restored` is true when the services run as they did before."""

    def before_remove(self):
        """While the services still run."""


class Migration(Role):
    """Data migrations, in an upgrade."""

    role = "migration"

    def plan(self, before, after):
        """The `Step`s from one version to the other, in order."""
        return []

    def run(self, id):
        """Runs one step."""
        raise Failure(f"there is no step `{id}`")


class Backup(Role):
    """What to back up, how to put it back, and how to tell that it works."""

    role = "backup"

    def plan(self):
        """A list of `Volume`, `Dump` and `Custom`."""
        return []

    def before_backup(self):
        """Before the first item is taken."""

    def after_backup(self, succeeded):
        """Called whenever `before_backup` was."""

    def produce(self, name, into):
        """Writes an item of its own: `into.write(chunk)`, 64 KiB at a time."""
        raise Failure(f"the plugin makes no item `{name}` itself")

    def consume(self, name, contents):
        """Takes an item of its own back: `contents.read(65536)`, empty at the end."""
        raise Failure(f"the plugin takes no item `{name}` back itself")

    def after_restore(self):
        """Everything is back and the services run."""

    def verify(self):
        """A list of `Finding`s about the app's data; reads only."""
        return []


class SsoProvider(Role):
    """An app that others can sign in with."""

    role = "sso_provider"

    def register(self, request):
        """Creates the client, or updates it when it exists; returns a `Client`."""
        raise NotImplementedError

    def unregister(self, client):
        """Removes the client; one that is not there is no failure."""
        raise NotImplementedError

    def rotate(self, request):
        """Gives the client another secret, its id stays; returns a `Client`."""
        raise Failure("this provider gives a client no other secret")


class SsoClient(Role):
    """An app that signs its people in through another."""

    role = "sso_client"

    def request(self):
        """What this app needs of a provider, a `ClientRequest`; reads only."""
        raise NotImplementedError

    def connect(self, client):
        """The `Changes` that make the app use this client."""
        raise NotImplementedError

    def disconnect(self):
        """The `Changes` that undo that."""
        return Changes()


class MailProvider(Role):
    """An app that others can send mail through."""

    role = "mail_provider"

    def account(self, sender):
        """Makes or finds an account that may send as this address; a `Relay`."""
        raise NotImplementedError

    def close_account(self, sender):
        """Removes the account; one that is not there is no failure."""
        raise NotImplementedError

    def rotate(self, sender):
        """Gives the account another password; returns a `Relay`."""
        raise Failure("this relay gives an account no other password")


class MailClient(Role):
    """An app that sends mail."""

    role = "mail_client"

    def connect(self, relay):
        """The `Changes` that make the app send through this relay."""
        raise NotImplementedError

    def disconnect(self):
        """The `Changes` that undo that."""
        return Changes()

    def send_test(self, recipient):
        """Sends a message through the app itself."""
        raise Failure("the app cannot send a message for a test")


class Commands(Role):
    """Commands of the recipe's own; `@command` on functions is shorter."""

    role = "commands"

    def specs(self):
        """Every command, a list of `Spec`."""
        return []

    def run(self, name, arguments):
        """Runs a command; what it returns is printed."""
        raise Failure(f"there is no command `{name}`")


class Secret(str):
    """Annotates a command's parameter that is never on the command line."""


def command(function):
    """Makes a command of a function.

    Its name is the function's, with `-`; its help the docstring's first line, and
    of a parameter the line `name: help` below. Parameters with a default may be
    left out; those annotated with `Secret` are asked for. The list is fixed: `*args`
    and keyword arguments are refused.
    """
    function.potluck_command = _spec(function)
    return function


#: What is given by its place.
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def _spec(function):
    text = inspect.cleandoc(function.__doc__ or function.__name__.replace("_", " "))
    first, *rest = text.splitlines()
    help = dict(line.strip().split(": ", 1) for line in rest if ": " in line)
    signature = inspect.signature(function).parameters
    for parameter in signature.values():
        if parameter.kind not in _POSITIONAL:
            raise TypeError(
                f"the command `{function.__name__}` takes `{parameter}`, but a command's "
                "parameters are a fixed list: name each one, with a default where it may "
                "be left out"
            )
    parameters = [
        Parameter(
            name,
            help.get(name, ""),
            parameter.default is inspect.Parameter.empty,
            parameter.annotation in (Secret, "Secret"),
        )
        for name, parameter in signature.items()
    ]
    return Spec(function.__name__.replace("_", "-"), first, parameters)


def _counted(spec, arguments):
    """Says what is missing or too much, where the number of arguments does not fit."""
    missing = [p.name.upper() for p in spec.parameters[len(arguments) :] if p.required]
    if missing:
        message = f"`{spec.name}` needs {' and '.join(missing)}"
    elif len(arguments) > len(spec.parameters):
        extra = arguments[len(spec.parameters)]
        message = f"`{spec.name}` takes {len(spec.parameters)} arguments: `{extra}` is one too many"
    else:
        return
    names = [p.name.upper() if p.required else f"[{p.name.upper()}]" for p in spec.parameters]
    raise Failure(message, hint=f"it is used as `{' '.join([spec.name, *names])}`")


def commands_of(functions):
    """The role that these functions, made by `command`, play together."""

    class Functions(Commands):
        known = {function.potluck_command.name: function for function in functions}

        def specs(self):
            return [function.potluck_command for function in self.known.values()]

        def run(self, name, arguments):
            function = self.known.get(name)
            if function is None:
                raise Failure(f"there is no command `{name}`")
            _counted(function.potluck_command, arguments)
            answer = function(*arguments)
            return "" if answer is None else str(answer)

    return Functions


#: The base class of each role.
BASES = (
    Lifecycle,
    Migration,
    Backup,
    SsoProvider,
    SsoClient,
    MailProvider,
    MailClient,
    Commands,
)


def played(module):
    """The class that plays each role in an author's module, by the role's name.

    Raises ValueError when two of them play the same role.
    """
    found = {}

    def add(role, name, cls):
        if role in found:
            raise ValueError(f"two classes play the role {role}: {found[role][0]} and {name}")
        found[role] = (name, cls)

    own = [thing for thing in vars(module).values() if inspect.isclass(thing)]
    for cls in own:
        if issubclass(cls, Role) and cls is not Role and cls not in BASES:
            # A base of another class in the module is not the plugin itself.
            if any(other is not cls and issubclass(other, cls) for other in own):
                continue
            for base in BASES:
                if issubclass(cls, base):
                    add(base.role, cls.__name__, cls)
    functions = [f for f in vars(module).values() if hasattr(f, "potluck_command")]
    if functions:
        add("commands", "@command", commands_of(functions))
    return {role: cls for role, (_, cls) in found.items()}
