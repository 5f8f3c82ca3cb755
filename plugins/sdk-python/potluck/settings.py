"""The app's settings: its environment file, after interpolation."""

from . import _host
from .failure import Failure


def get(key, otherwise=None):
    """The value of one key, or `otherwise` where it is missing or empty."""
    return _host.call("app", "setting", key) or otherwise


def require(key):
    """The value of a key that the app can't do without."""
    value = get(key)
    if value is None:
        hint = f"add a line `{key}=…` to the app's settings"
        raise Failure(f"the setting {key} is missing", hint)
    return value


def all():
    """Every key and its value."""
    return dict(_host.call("app", "settings"))
