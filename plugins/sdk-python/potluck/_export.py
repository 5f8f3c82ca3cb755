"""Between componentize-py's classes and those of an author: arguments in, results
out, exceptions as failures."""

import inspect
import traceback

from componentize_py_types import Err
from wit_world.imports import changes, failures, mail_types

try:
    from wit_world.exports import backup
except ImportError:
    # The plugin does not play that role.
    backup = None

from . import report, types
from .failure import Failure
from .roles import BASES
from .services import wit_command


def export(cls):
    """A class as componentize-py wants it, for each role that `cls` plays."""
    return {base.role: _adapter(base, cls) for base in BASES if issubclass(cls, base)}


def _adapter(base, cls):
    hooks = {
        name: _hook(base.role, cls, name)
        for name, function in vars(base).items()
        if inspect.isfunction(function)
    }
    return type(base.__name__, (), hooks)


def _hook(role, cls, name):
    def hook(self, *arguments):
        try:
            result = getattr(cls(), name)(*map(_taken, arguments))
            return _given(role, name, result)
        except Failure as failure:
            told = failures.Failure(failure.message, failure.hint, failure.retryable)
            raise Err(told) from None
        except Exception as error:
            # A fault of the plugin: where it happened helps its author.
            report.error("".join(traceback.format_exception(error)))
            message = f"{type(error).__name__}: {error}"
            raise Err(failures.Failure(message, None, False)) from None

    return hook


#: Records that hooks take, by the name of componentize-py's class.
_TAKEN = {"Transition", "ClientRequest", "Client", "Relay"}


def _taken(value):
    name = type(value).__name__
    if name not in _TAKEN:
        return value
    fields = dict(vars(value))
    if name == "Relay":
        fields["encryption"] = types.Encryption(value.encryption.value)
    return getattr(types, name)(**fields)


def _given(role, hook, value):
    if role == "backup" and hook == "plan":
        return [_item(item) for item in value]
    if isinstance(value, types.Changes):
        value.check()
        return changes.Changes(
            list(value.settings.items()),
            list(value.secrets.items()),
            list(value.overlays_on),
            list(value.overlays_off),
        )
    if isinstance(value, types.Relay):
        encryption = mail_types.Encryption(value.encryption.value)
        return mail_types.Relay(**{**vars(value), "encryption": encryption})
    # Other records are read by their fields' names.
    return value


def _ending(ending):
    if ending is None:
        return backup.Ending_Any()
    if ending is types.KNOWN:
        return backup.Ending_Known()
    if ending is types.UNMARKED:
        return backup.Ending_Unmarked()
    if isinstance(ending, str):
        return backup.Ending_Line(ending)
    return backup.Ending_Bytes(bytes(ending))


def _names(names):
    if names is None:
        return None
    between = None if names.between is None else tuple(names.between)
    return backup.Names(wit_command(names.listing), between, names.all)


def _item(item):
    if isinstance(item, types.Volume):
        return backup.Item_Volume(backup.Volume(item.name, item.paths, item.exclude))
    if isinstance(item, types.Dump):
        take, put_back = wit_command(item.take), wit_command(item.put_back)
        return backup.Item_Dump(
            backup.Dump(
                item.name,
                item.service,
                take,
                put_back,
                _ending(item.ending),
                item.may_shrink,
                _names(item.names),
            )
        )
    return backup.Item_Custom(item.name)
