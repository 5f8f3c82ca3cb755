"""The recipe's own files, read only."""

from . import _host


def read(path):
    """The bytes of a file, by its path in the recipe."""
    return bytes(_host.call("recipe_files", "read", path))


def names(folder=""):
    """What is in a folder, sorted; names of folders end in `/`."""
    return list(_host.call("recipe_files", "names", folder))
