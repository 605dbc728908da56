"""A process of the project's Python environment that runs each `deeplens` command in a fork.

Importing `deeplens.fleet` takes half a second of processor time, and the tests run over a hundred
commands. The tests run in the emulator's environment, which lacks the packages that
`deeplens.fleet` imports.

The process reads one request per line from stdin, and writes the exit code to stdout. Each command
has its own process, variables, working directory, output and exit code; only the start of Python is
shared.
"""

import gc
import importlib
import json
import os
import pkgutil
import sys
import traceback
from pathlib import Path
from typing import Any

import deeplens.fleet
from deeplens.cli.main import main


def serve() -> None:
    """Run commands until stdin ends."""
    for module in pkgutil.walk_packages(deeplens.fleet.__path__, "deeplens.fleet."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    gc.freeze()
    for line in sys.stdin:
        process = os.fork()
        if not process:
            os._exit(_run(json.loads(line)))
        _, status = os.waitpid(process, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _run(request: dict[str, Any]) -> int:
    """Run a command in this forked process; return the exit code."""
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    for number, name in ((1, "stdout"), (2, "stderr")):
        with Path(request[name]).open("wb") as file:
            os.dup2(file.fileno(), number)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    sys.argv = ["deeplens", *request["words"]]
    code = 1
    try:
        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - the interpreter also prints every error
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    return code


if __name__ == "__main__":
    serve()
