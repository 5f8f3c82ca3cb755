"""Small facts that the plugin keeps between operations on the same app. Not for
secrets, and not for what must not be lost."""

from . import _host


def get(key, otherwise=None):
    """What was kept under this key, or `otherwise`."""
    value = _host.call("memory", "get", key)
    return otherwise if value is None else value


def set(key, value):
    """Keeps a text; an empty one forgets the key."""
    _host.call("memory", "set", key, str(value))
