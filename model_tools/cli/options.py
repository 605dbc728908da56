"""Options that several commands share."""

import glob
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from model_tools.errors import SourceError
from model_tools.formats.signatures import Choice


def examples(*lines: str) -> str:
    """Return the epilog of a command's help, with examples of its use."""
    # click does not wrap text after a line with "\b".
    return "\b\nExamples:\n" + "\n".join(f"  deeplens model {line}" for line in lines)


class FiniteRange(click.FloatRange):
    """An option type for finite numbers within bounds; click's FloatRange accepts NaN."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Convert the value to a number in the range, or fail if the number is not finite."""
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number", param, ctx)
        return number


def source_argument(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the argument SOURCE, a model in any supported format."""
    return click.argument("source", type=click.Path(path_type=Path))(command)


def choice_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that select the signature, inputs, outputs and weights of SOURCE."""
    options = (
        click.option(
            "--signature", help="Signature of a SavedModel to use.  [default: serving_default]"
        ),
        click.option(
            "--tag",
            "tags",
            multiple=True,
            help="Tag of the SavedModel's graph; may be repeated.  [default: serve]",
        ),
        click.option(
            "--input",
            "inputs",
            multiple=True,
            help="Node or tensor to use as an input, or ALIAS=TENSOR; may be repeated.",
        ),
        click.option(
            "--output",
            "outputs",
            multiple=True,
            help="Node or tensor to use as an output, or ALIAS=TENSOR, or an output of the "
            "signature or Keras file; may be repeated.",
        ),
        click.option(
            "--checkpoint",
            type=click.Path(path_type=Path),
            help="Path prefix of the checkpoint with the weights of a .pbtxt graph.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def check_exists(source: Path) -> None:
    """Check that a model exists, before slow imports.

    Args:
        source: a file, a folder, or the prefix of a checkpoint.

    Raises:
        SourceError: there is no such file, folder or checkpoint.
    """
    pattern = f"{glob.escape(source.name)}.*"
    if not source.exists() and next(source.parent.glob(pattern), None) is None:
        raise SourceError(f"{source}: there is no such file or folder")


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option --json, for output that programs can read."""
    return click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")(
        command
    )


def choice_of(
    signature: str | None,
    tags: tuple[str, ...],
    inputs: tuple[str, ...],
    outputs: tuple[str, ...],
) -> Choice:
    """Return the signature, tags, inputs and outputs of the command line as a `Choice`."""
    return Choice(signature, tags or ("serve",), inputs, outputs)
