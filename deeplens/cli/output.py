"""The results of commands: text for a person, or one JSON document for a program."""

import contextlib
import json
import sys
from collections.abc import Iterator
from typing import Any

import click


@contextlib.contextmanager
def json_result(*, as_json: bool) -> Iterator[dict[str, Any]]:
    """Yield the document of a command, and print it at the end if `as_json` is true.

    With `as_json`, stdout contains the document only: text that the command prints goes to stderr.
    A command that fails prints no document.
    """
    document: dict[str, Any] = {}
    stdout = sys.stdout
    with contextlib.redirect_stdout(sys.stderr if as_json else stdout):
        yield document
    if as_json:
        click.echo(json.dumps(document, indent=1), file=stdout)
