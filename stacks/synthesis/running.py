"""A run of `app.py`, from what is asked for to the end of the process."""

import gc
import os
from collections.abc import Callable
from pathlib import Path

from stacks.synthesis.inputs import digest_of_inputs
from stacks.synthesis.kept import KeptAssemblies
from stacks.synthesis.leaving import leave
from stacks.synthesis.request import Request

Synthesize = Callable[[Request, Path], None]


def run(root: Path, synthesize: Synthesize) -> None:
    """Write the cloud assembly of the checkout `root` as the CDK command line asks, and leave.

    What an earlier run made from the same inputs is taken as it is; one that looks for findings
    always runs.

    Args:
        root: the checkout.
        synthesize: builds the app of a request and writes its assembly into a folder.
    """
    # A synthesis ends before a collection of garbage would pay.
    gc.disable()
    _use_node_of(root)
    request = Request.of(root)
    kept = KeptAssemblies(root / ".local" / "synthesis")
    if request.nag or not kept.usable():
        synthesize(request, request.output)
    else:
        restore_or_make(request, kept, synthesize)
    leave()


def _use_node_of(checkout: Path) -> None:
    """Let jsii start the checkout's own Node, whichever is first on PATH."""
    node = checkout / ".venv" / "bin" / "node"
    if node.exists():
        os.environ.setdefault("JSII_NODE", str(node))


def restore_or_make(request: Request, kept: KeptAssemblies, synthesize: Synthesize) -> None:
    """Write the assembly of a request into its output: the kept one, or a new one, then kept."""
    key = digest_of_inputs(request)
    if kept.restore(key, request.output):
        return
    with kept.new() as assembly:
        synthesize(request, assembly)
        kept.keep(key, assembly)
    restored = kept.restore(key, request.output)
    if digest_of_inputs(request) != key:
        # Somebody edited a file meanwhile: nobody knows which of its contents was read.
        kept.forget(key)
    if not restored:
        synthesize(request, request.output)
