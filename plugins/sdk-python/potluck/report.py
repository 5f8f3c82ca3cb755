"""Lines and progress for the person at the terminal. Never log a secret."""

from . import _host


def debug(message):
    """Shown with `--verbose`."""
    _log(0, message)


def info(message):
    _log(1, message)


def warn(message):
    _log(2, message)


def error(message):
    _log(3, message)


def progress(step, done, total=None):
    """`done` of `total` units of a step."""
    _host.call("report", "progress", step, done, total)


def _log(level, message):
    _host.call("report", "log", _host.case("report", "Level", level), str(message))
