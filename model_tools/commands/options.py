"""Options that several commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from model_tools.sources.selection import Choice


def source_argument(command: Callable[..., Any]) -> Callable[..., Any]:
    """SOURCE: a model in any format that is read."""
    return click.argument("source", type=click.Path(path_type=Path))(command)


def choice_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Which signature, inputs and outputs of SOURCE, and its weights if they are elsewhere."""
    options = (
        click.option("--signature", help="Of a SavedModel.  [default: serving_default]"),
        click.option("--tag", "tags", multiple=True, help="Of a SavedModel.  [default: serve]"),
        click.option(
            "--input", "inputs", multiple=True, help="Node or tensor, perhaps as ALIAS=TENSOR."
        ),
        click.option(
            "--output",
            "outputs",
            multiple=True,
            help="As --input, or an output of the signature or Keras file; may be repeated.",
        ),
        click.option(
            "--checkpoint",
            type=click.Path(path_type=Path),
            help="Prefix of the weights of a .pbtxt graph.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """--json: for machines."""
    return click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")(
        command
    )


def choice_of(
    signature: str | None,
    tags: tuple[str, ...],
    inputs: tuple[str, ...],
    outputs: tuple[str, ...],
) -> Choice:
    """Return what was chosen on the command line."""
    return Choice(signature, tags or ("serve",), inputs, outputs)
