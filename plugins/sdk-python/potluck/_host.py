"""Where every call of the SDK goes: the host inside of WebAssembly, the script of
`potluck.testing` outside of it. Both raise `HostError` for what is refused."""

import re

try:
    # Made by componentize-py for the component's own world.
    from componentize_py_types import Err
    from wit_world import imports as wit

    # A component finds only what was imported when it was made.
    from wit_world.imports import (  # noqa: F401
        app,
        http,
        memory,
        process_types,
        recipe_files,
        report,
        secrets,
        services,
        tools,
    )
except ImportError:
    wit = None

from .failure import HostError

NATIVE = wit is None


#: How many of a function's first arguments are texts.
_TEXTS = {
    ("app", "setting"): 1,
    ("memory", "get"): 1,
    ("memory", "set"): 2,
    ("recipe_files", "names"): 1,
    ("recipe_files", "read"): 1,
    ("report", "progress"): 1,
    ("secrets", "put"): 2,
    ("secrets", "reveal"): 1,
    ("services", "get_file"): 2,
    ("services", "logs"): 1,
    ("services", "put_file"): 2,
    ("services", "restart"): 1,
    ("services", "run"): 1,
    ("services", "wait_ready"): 1,
    ("tools", "argon2id"): 1,
    ("tools", "bcrypt"): 1,
}


def text(value, what):
    """A text, as what is none would end the component without a word of where.
    Never says the value, which may be a secret."""
    if not isinstance(value, str):
        raise TypeError(f"{what}: a text belongs there, not {type(value).__name__}")
    return value


def call(interface, function, *arguments):
    """Calls `interface.function`, both by their names in Python."""
    for value in arguments[: _TEXTS.get((interface, function), 0)]:
        text(value, f"{interface}.{function}")
    if NATIVE:
        from . import testing

        return testing.answer(interface, function, *arguments)
    try:
        return getattr(getattr(wit, interface), function)(*arguments)
    except Err as error:
        raise _error(error.value) from None


def _error(value):
    if isinstance(value, str):
        return HostError("failed", value)
    # `Error_UnknownService`, by the convention of componentize-py.
    name = type(value).__name__.removeprefix("Error_")
    kind = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()
    return HostError(kind, getattr(value, "value", None))


def record(interface, name, **fields):
    """A record to hand over: the world's own class, or the fields alone."""
    if NATIVE:
        return fields
    return getattr(getattr(wit, interface), name)(**fields)


def case(interface, name, number):
    """A case of an enum to hand over."""
    if NATIVE:
        return number
    return getattr(getattr(wit, interface), name)(number)
