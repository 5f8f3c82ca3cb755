"""Writes plugins for potluck in Python.

A whole plugin::

    from potluck import Lifecycle, command, report, services, settings

    class Greeter(Lifecycle):
        def check(self, to):
            settings.require("ADMIN_EMAIL")

        def after_deploy(self, to):
            if to.before is None:
                email = settings.require("ADMIN_EMAIL")
                services.run("app", ["app-ctl", "create-admin", email])
                report.info(f"created the administrator {email}")

    @command
    def version():
        \"\"\"Says which version runs\"\"\"
        return services.run("app", ["app-ctl", "--version"]).text

- **Roles** are the base classes here (`Lifecycle`, `Backup`, ...); what a plugin
  need not care about has a default. Functions with `@command` are the recipe's
  own commands.
- **Errors** are exceptions: raise `Failure("what happened", hint="what to try")`.
  What the host refuses is a `HostError`, which is a `Failure`; anything else that
  is raised is told as a fault of the plugin, with its traceback in the log.
- **Components** are made by `python -m potluck build MODULE`.
- **Tests** run natively: outside of WebAssembly every call goes to the script of
  `potluck.testing`.
"""

from . import http, memory, recipe_files, report, secrets, services, settings, tools
from .failure import Failure, HostError
from .options import facts, options
from .roles import (
    Backup,
    Commands,
    Lifecycle,
    MailClient,
    MailProvider,
    Migration,
    Secret,
    SsoClient,
    SsoProvider,
    command,
)
from .types import (
    KNOWN,
    UNMARKED,
    Changes,
    Client,
    ClientRequest,
    Command,
    Custom,
    Dump,
    Encryption,
    Facts,
    Finding,
    Names,
    Parameter,
    Relay,
    Spec,
    Step,
    Transition,
    Volume,
)

__all__ = [
    "KNOWN",
    "UNMARKED",
    "Backup",
    "Changes",
    "Client",
    "ClientRequest",
    "Command",
    "Commands",
    "Custom",
    "Dump",
    "Encryption",
    "Facts",
    "Failure",
    "Finding",
    "HostError",
    "Lifecycle",
    "MailClient",
    "MailProvider",
    "Migration",
    "Names",
    "Parameter",
    "Relay",
    "Secret",
    "Spec",
    "SsoClient",
    "SsoProvider",
    "Step",
    "Transition",
    "Volume",
    "command",
    "facts",
    "http",
    "memory",
    "options",
    "recipe_files",
    "report",
    "secrets",
    "services",
    "settings",
    "tools",
]
