"""What the plugin is told about the app, and by `recipe.yml`."""

import json

from . import _host
from .types import Facts


def facts():
    """The app's name, its stack's, its recipe and where it runs."""
    told = _host.call("app", "describe")
    return Facts(told.name, told.stack, told.recipe, told.version, told.server)


def options():
    """This plugin's `options` in `recipe.yml`, a dict."""
    return json.loads(_host.call("app", "options"))
