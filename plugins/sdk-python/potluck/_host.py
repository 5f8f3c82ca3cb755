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


def call(interface, function, *arguments):
    """Calls `interface.function`, both by their names in Python."""
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
