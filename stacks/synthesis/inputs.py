"""One digest over everything that a synthesis reads."""

import hashlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from stacks.synthesis.request import Request

_SOURCES = (
    "app.py",
    "stacks",
    "lambda_src",
    # The code of training jobs.
    "model_tools",
    "requirements",
    "package.json",
    "package-lock.json",
)
_VARIABLES = ("CDK_", "JSII_", "NODE_")
# Where the assembly goes is no part of it; the context has its own line.
_NOT_READ = ("CDK_OUTDIR", "CDK_CONTEXT_JSON")
# What the set-up installs for functions in the cloud.
_INSTALLED = ".lambda-layer"
_LEFT_BY_PYTHON = "__pycache__"


def digest_of_inputs(request: Request) -> str:
    """Return the SHA-256, in lower-case hex, of what `request` is synthesized from.

    Files count by name and content; artifacts and what is installed into the checkout by name,
    size and time of change, because they may be large and are named or locked by their digests;
    libraries by the names and versions that are installed.

    Raises:
        OSError: a file cannot be read.
    """
    digest = hashlib.sha256()
    for line in _lines(request):
        digest.update(line.encode())
        digest.update(b"\n")
    return digest.hexdigest()


def _lines(request: Request) -> Iterator[str]:
    yield json.dumps(request.context, sort_keys=True)
    yield f"validated {request.validated}"
    yield f"python {sys.version}"
    for name in sorted(os.environ):
        if name.startswith(_VARIABLES) and name not in _NOT_READ:
            yield f"{name}={os.environ[name]}"
    yield from _libraries()
    for source in (*(request.root / name for name in _SOURCES), request.environments):
        for file in _files(source):
            yield f"{file} {hashlib.sha256(file.read_bytes()).hexdigest()}"
    if request.pipeline and request.pipeline.is_file():
        yield f"{request.pipeline} {hashlib.sha256(request.pipeline.read_bytes()).hexdigest()}"
    for folder in (request.models, request.runtimes, request.root / _INSTALLED):
        for file in _files(folder):
            about = file.stat()
            yield f"{file} {about.st_size} {about.st_mtime_ns}"


def _libraries() -> list[str]:
    """Name what is installed beside the interpreter, with versions, as pip's folders do."""
    return sorted(
        entry.name
        for folder in sys.path
        if os.path.basename(folder) == "site-packages"  # noqa: PTH119 - a Path for each is slow
        for entry in os.scandir(folder)
        if entry.name.endswith(".dist-info")
    )


def _files(source: Path) -> Iterator[Path]:
    """Yield the files below `source` by name; nothing where it is absent."""
    if source.is_file():
        yield source
        return
    for folder, folders, names in os.walk(source):
        folders[:] = sorted(name for name in folders if name != _LEFT_BY_PYTHON)
        for name in sorted(names):
            yield Path(folder, name)
