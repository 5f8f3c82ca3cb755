"""`python -m potluck build MODULE`: makes a component of a module."""

import argparse
import importlib
import pathlib
import shutil
import subprocess
import sys
import tempfile
import traceback

from .roles import played

#: The version that the SDK was tried with.
COMPONENTIZE_PY = "0.25.1"

WORLD = """package potluck:python-plugin;

world plugin {{
    include potluck:recipe/imports@0.2.0;
    import potluck:recipe/failures@0.1.0;
    import potluck:recipe/changes@0.1.0;
    import potluck:recipe/sso-types@0.1.0;
    import potluck:recipe/mail-types@0.1.0;
{exports}
}}
"""

#: The newest version of each role that is not 0.1.0's.
VERSIONS = {
    "backup": "0.3.0",
    "lifecycle": "0.2.0",
    "mail_provider": "0.4.0",
    "sso_provider": "0.4.0",
}

#: What componentize-py looks for in its module: a class for each role.
ENTRY = """import {module}
from potluck import _export, roles

for _cls in roles.played({module}).values():
    for _adapter in _export.export(_cls).values():
        globals()[_adapter.__name__] = _adapter
"""


def main():
    parser = argparse.ArgumentParser(prog="python -m potluck", description=__doc__)
    commands = parser.add_subparsers(required=True)
    making = commands.add_parser("build", help="make a component of a module")
    making.add_argument("module", help="the module's name, in this folder")
    making.add_argument("-o", "--output", type=pathlib.Path, help="[default: MODULE.wasm]")
    making.add_argument(
        "--componentize-py",
        metavar="PROGRAM",
        default="componentize-py",
        help="the program that makes components",
    )
    arguments = parser.parse_args()
    output = arguments.output or pathlib.Path(f"{arguments.module}.wasm")
    sys.exit(build(arguments.module, output, arguments.componentize_py))


def build(name, output, program):
    """Makes a component of the module `name` in this folder."""
    if shutil.which(program) is None:
        print(f"error: {program} is missing", file=sys.stderr)
        print(f"hint: pip install componentize-py=={COMPONENTIZE_PY}", file=sys.stderr)
        return 1
    sys.path.insert(0, ".")
    try:
        roles = played(importlib.import_module(name))
    except (Exception, SystemExit) as error:
        _show(name, error)
        return 1
    if not roles:
        print(f"error: nothing in {name} plays a role", file=sys.stderr)
        print("hint: derive a class from potluck.Lifecycle, say", file=sys.stderr)
        return 1
    package = pathlib.Path(__file__).resolve().parent
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        exports = (
            f"    export potluck:recipe/{r.replace('_', '-')}@{VERSIONS.get(r, '0.1.0')};"
            for r in roles
        )
        for version in ("v0.1.0", "v0.2.0", "v0.3.0", "v0.4.0"):
            (work / "wit/deps" / version).mkdir(parents=True)
            shutil.copy(package / "wit" / version / "recipe.wit", work / "wit/deps" / version)
        (work / "wit/plugin.wit").write_text(WORLD.format(exports="\n".join(exports)))
        (work / "potluck_plugin_entry.py").write_text(ENTRY.format(module=name))
        command = [program, "-d", work / "wit", "-w", "plugin", "componentize"]
        # Only these folders: what else is installed on this machine is not asked for.
        for path in (folder, pathlib.Path.cwd(), package.parent):
            command += ["-p", path]
        # In place of what is there, not into it.
        part = output.with_name(output.name + ".part")
        command += ["potluck_plugin_entry", "-o", part.resolve()]
        made = subprocess.run(command, stdout=sys.stderr)
        if made.returncode != 0 or not part.is_file():
            print(f"error: {program} made no component", file=sys.stderr)
            return 1
        part.replace(output)
        print(f"{output}: plays {', '.join(r.replace('_', '-') for r in roles)}")
        return 0


def _show(name, error):
    """What is wrong with a module, without the frames of Python's machinery."""
    own = str(pathlib.Path(__file__).resolve().parent)
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(("<frozen", own)) and "importlib" not in frame.filename
    ]
    lines = traceback.format_list(frames) + traceback.format_exception_only(error)
    print(f"error: the module {name} does not load", file=sys.stderr)
    print("".join(lines).rstrip(), file=sys.stderr)


if __name__ == "__main__":
    main()
