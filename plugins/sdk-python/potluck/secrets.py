"""The app's secrets, by their key in the compose file. Each must be granted in
`recipe.yml`: `- secret: NAME`."""

from . import _host


def reveal(name):
    """The value of a secret that potluck keeps."""
    return _host.call("secrets", "reveal", name)


def put(name, value):
    """Stores the version that the settings name; services get it at the next
    deploy."""
    _host.call("secrets", "put", name, value)
