"""What hooks take and give. The fields mean what the WIT interface says of them
(`wit/`)."""

import enum
from dataclasses import dataclass, field

from ._host import text


@dataclass
class Facts:
    """The app that a hook runs for."""

    name: str
    stack: str
    recipe: str
    version: str | None
    server: str


@dataclass
class Transition:
    """From which version to which; None before a first deploy, and after a
    removal."""

    before: str | None = None
    after: str | None = None


@dataclass
class Command:
    """A program to run inside a service; no shell unless it is named.

    Whoever can list processes on the server can read `argv` and `env`: secrets
    go through standard input, or are read from `/run/secrets`.
    """

    argv: list[str]
    env: dict[str, str] = field(default_factory=dict)
    user: str | None = None
    workdir: str | None = None
    timeout_ms: int | None = None


@dataclass
class Step:
    """One step of a data migration."""

    id: str
    description: str
    reversible: bool = False


@dataclass
class Volume:
    """A volume to back up, by its key in the compose file."""

    name: str
    paths: list[str] = field(default_factory=list)
    exclude: list[str] = field(default_factory=list)


class _Ending:
    def __init__(self, name):
        self.name = name

    def __repr__(self):
        return self.name


#: The ending of a dump that ends as its kind does, which potluck has to know: what it
#: does not recognise fails the backup.
KNOWN = _Ending("KNOWN")
#: The ending of a dump whose end nothing marks: exit code 0 is all there is to know.
UNMARKED = _Ending("UNMARKED")


@dataclass
class Names:
    """What the engine holds, to be compared with what its dumps hold."""

    #: Prints the names, one a line, in the dump's service.
    listing: Command
    #: What stands before and after a name on a line of the dump; without it, what is usual
    #: for its kind.
    between: tuple[str, str] | None = None
    #: Whether the dump is to hold all of them: then a backup without one fails.
    all: bool = False


@dataclass
class Dump:
    """A file in the backup that a command in a service writes and takes back."""

    name: str
    service: str
    take: Command
    put_back: Command
    #: What one of its last lines begins with (text), its last bytes, `KNOWN` or `UNMARKED`;
    #: None where it ends as its kind does, if potluck knows it.
    ending: str | bytes | _Ending | None = None
    #: Whether it may become much smaller from one backup to the next, as a cache does.
    may_shrink: bool = False
    names: Names | None = None


@dataclass
class Custom:
    """An item that the plugin writes in `produce` and takes back in `consume`."""

    name: str


@dataclass
class Finding:
    """One check of the app's data and its outcome."""

    name: str
    passed: bool
    detail: str | None = None


@dataclass
class ClientRequest:
    """What an app needs of a provider so that people can sign in there."""

    client: str
    display_name: str
    redirect_uris: list[str]
    scopes: list[str] = field(default_factory=lambda: ["openid", "profile", "email"])
    home_url: str | None = None
    post_logout_uris: list[str] = field(default_factory=list)
    public: bool = False


@dataclass
class Client:
    """What a provider gives an app."""

    issuer: str
    client_id: str
    client_secret: str | None = field(default=None, repr=False)
    groups_claim: str | None = None


class Encryption(enum.Enum):
    """How a mail relay wants to be spoken to."""

    NONE = 0
    STARTTLS = 1
    TLS = 2


@dataclass
class Relay:
    """A way to send mail."""

    host: str
    port: int
    encryption: Encryption
    sender: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)


@dataclass
class Changes:
    """What a hook wants changed; shown in a plan before anything happens."""

    #: Keys of the app's settings to set, or to remove with None.
    settings: dict[str, str | None] = field(default_factory=dict)
    #: By their key in the compose file.
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    overlays_on: list[str] = field(default_factory=list)
    overlays_off: list[str] = field(default_factory=list)

    def __post_init__(self):
        self.check()

    def check(self):
        """Makes texts of the numbers among the settings, and refuses what else is
        none."""
        for key, value in self.settings.items():
            if isinstance(value, int) and not isinstance(value, bool):
                self.settings[key] = str(value)
            elif value is not None:
                text(value, f"settings[{key!r}]")
        for key, value in self.secrets.items():
            text(value, f"secrets[{key!r}]")
        for overlays in (self.overlays_on, self.overlays_off):
            if isinstance(overlays, str):
                raise TypeError("overlays are a list of file names")
            for overlay in overlays:
                text(overlay, "an overlay")


@dataclass
class Parameter:
    """A parameter of a command; a secret one is never on the command line."""

    name: str
    help: str = ""
    required: bool = True
    secret: bool = False


@dataclass
class Spec:
    """A command of the recipe's own."""

    name: str
    help: str
    parameters: list[Parameter] = field(default_factory=list)
