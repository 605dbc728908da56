"""The command `deeplens model invoke`."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from model_tools.cli.errors import echo
from model_tools.cli.options import FiniteRange, examples, json_option
from shared.artifact.strict_json import parse_json

if TYPE_CHECKING:
    from model_tools.sagemaker.invoke import EndpointClient, InvokeResult

_LONGEST_LINE = 400
_MOST_LINES = 10
_LARGEST_SIDE = 4096


@click.command(
    epilog=examples(
        "invoke --url http://127.0.0.1:8080 --data-file request.json",
        "invoke --endpoint-name NAME --data-file request.json",
    ),
    short_help="Send requests to an endpoint or server.",
)
@click.option("--endpoint-name", help="Name of a SageMaker endpoint.")
@click.option("--endpoint-url", help="URL of an emulator, such as http://127.0.0.1:4566.")
@click.option("--region", help="[default: as AWS' own tools]")
@click.option(
    "--url", help="URL of a server: http://HOST:PORT, or http://HOST:PORT/v1/models/NAME."
)
@click.option("--data", help="JSON, such as '{\"instances\": [[5.1, 3.5, 1.4, 0.2]]}'.")
@click.option(
    "--data-file",
    "files",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="Sent as it is; may be repeated.",
)
@click.option(
    "--image",
    "--picture",
    "pictures",
    multiple=True,
    type=click.Path(path_type=Path),
    help="File or folder; may be repeated.",
)
@click.option(
    "--size",
    metavar="WIDTHxHEIGHT",
    help="Send images as JSON of this size.  [default: the unchanged files, for an inference.py]",
)
@click.option("--mean", default=0.0, show_default=True, help="With --size: (value - mean) * scale.")
@click.option(
    "--scale",
    default=1.0,
    show_default=True,
    help="Factor with --size: (value - mean) * scale; values are 0 to 255.",
)
@click.option("--content-type", help="[default: application/json, or that of the image]")
@click.option(
    "--accept", default="application/json", show_default=True, help="Content type of the answer."
)
@click.option("--custom-attributes", help="Such as tfs-model-version=2.")
@click.option("--target-variant", help="Variant of an endpoint that has several.")
@click.option(
    "--rounds",
    type=click.IntRange(1, 100_000),
    default=1,
    show_default=True,
    help="Number of times that each request is sent.",
)
@click.option(
    "--expected",
    type=click.Path(path_type=Path, dir_okay=False),
    help="JSON that the last answer must be; exit code 1 if it is not.",
)
@click.option(
    "--tolerance",
    type=FiniteRange(0),
    default=1e-6,
    show_default=True,
    help="Largest difference of a number from --expected.",
)
@click.option(
    "--wait",
    "wait_seconds",
    type=FiniteRange(0, 3600),
    default=0.0,
    show_default=True,
    help="Longest time in seconds to wait until the server at --url accepts connections.",
)
@click.option(
    "--labels",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File with the names of a classifier's classes, to print names and not numbers.",
)
@json_option
def invoke(
    endpoint_name: str | None,
    endpoint_url: str | None,
    region: str | None,
    url: str | None,
    data: str | None,
    files: tuple[Path, ...],
    pictures: tuple[Path, ...],
    size: str | None,
    mean: float,
    scale: float,
    content_type: str | None,
    accept: str,
    custom_attributes: str | None,
    target_variant: str | None,
    rounds: int,
    expected: Path | None,
    tolerance: float,
    wait_seconds: float,
    labels: Path | None,
    *,
    as_json: bool,
) -> None:
    """Send requests to a SageMaker endpoint or a local server, and print responses and latency."""
    from model_tools.sagemaker.invoke import InvokeRequest, invoke, wait_for  # noqa: PLC0415 - keeps --help fast

    bodies = [
        *_data(data),
        *[(str(file), file.read_bytes(), "application/json") for file in files],
        *_pictures(pictures, size, mean, scale),
    ]
    if not bodies:
        raise click.UsageError("nothing to send: give --data, --data-file or --image")
    asked: list[InvokeRequest] = [
        InvokeRequest(name, body, content_type or kind, accept, custom_attributes, target_variant)
        for name, body, kind in bodies
    ]
    names = _names(labels)
    wanted = None if expected is None else _document(expected)
    if wait_seconds and url is not None:
        wait_for(url, wait_seconds)
    answers = invoke(_endpoint(endpoint_name, endpoint_url, region, url), asked, rounds)
    _print(answers, rounds, names, as_json=as_json)
    if expected is not None:
        _compare(expected, wanted, answers[-1].document(), tolerance)


def _print(
    answers: "list[InvokeResult]", rounds: int, names: Mapping[int, str], *, as_json: bool
) -> None:
    if as_json:
        documents: list[dict[str, Any]] = [
            {
                "request": answer.name,
                "answer": answer.document(),
                "content_type": answer.response.content_type,
                "variant": answer.response.variant,
                "median_ms": round(answer.median_ms, 3),
                "milliseconds": [round(one, 3) for one in answer.milliseconds],
            }
            for answer in answers
        ]
        click.echo(json.dumps(documents))
        return
    for answer in answers:
        variant = f" from {answer.response.variant}" if answer.response.variant else ""
        named = named_classes(answer.document(), names)
        if named:
            click.echo(f"{answer.name}{variant}:")
            for line in named[:_MOST_LINES]:
                echo(f"  {line}")
            if len(named) > _MOST_LINES:
                counts = Counter(line.split("  ")[1] for line in named)
                summary = ", ".join(f"{number} {name}" for name, number in counts.items())
                echo(f"  … and {len(named) - _MOST_LINES} more; in all: {summary}")
        else:
            said = json.dumps(answer.document())
            shown = said if len(said) <= _LONGEST_LINE else f"{said[:_LONGEST_LINE]}…"
            click.echo(f"{answer.name}{variant}: {shown}")
        times = f"median of {rounds}" if rounds > 1 else "once"
        click.echo(f"  {answer.median_ms:.1f} ms ({times})")


def named_classes(answer: Any, names: Mapping[int, str]) -> list[str]:
    """Return a line for each prediction of a classifier.

    The result is empty if the response is not that of a classifier with these names.

    Args:
        answer: TensorFlow Serving's response, with `classes` and `probabilities` per prediction.
        names: class names by index, from 0.
    """
    predictions = answer.get("predictions") if isinstance(answer, dict) else None
    if not names or not isinstance(predictions, list):
        return []
    lines = []
    for number, one in enumerate(predictions, start=1):
        chosen = one.get("classes") if isinstance(one, dict) else None
        if not isinstance(chosen, int) or chosen not in names:
            return []
        scores = one.get("probabilities")
        score = f"  {max(scores):.3f}" if isinstance(scores, list) and scores else ""
        lines.append(f"{number}  {names[chosen]}{score}")
    return lines


def _names(labels: Path | None) -> dict[int, str]:
    from model_tools.artifact.labels import read_labels  # noqa: PLC0415 - keeps --help fast

    if labels is None:
        return {}
    # The labels of a file may start at 1, but the classes of a network start at 0.
    by_id = read_labels(labels)
    return {id_ - min(by_id): name for id_, name in by_id.items()}


def _compare(file: Path, wanted: Any, answer: Any, tolerance: float) -> None:
    from model_tools.errors import VerifyError  # noqa: PLC0415 - keeps --help fast
    from model_tools.sagemaker.json_diff import largest_difference  # noqa: PLC0415 - as above

    difference = largest_difference(wanted, answer)
    if difference > tolerance:
        raise VerifyError(f"it differs from {file} by {difference:.1e}, over {tolerance:g}")
    click.echo(
        f"as {file}: differs by {difference:.1e}, at most {tolerance:g} is accepted", err=True
    )


def _document(file: Path) -> Any:
    try:
        return parse_json(file.read_bytes())
    except ValueError as error:
        raise click.BadParameter(f"{file} is not JSON: {error}", param_hint="--expected") from None


def _endpoint(
    name: str | None, endpoint_url: str | None, region: str | None, url: str | None
) -> "EndpointClient":
    from model_tools.sagemaker.invoke import LocalEndpoint, SageMakerEndpoint  # noqa: PLC0415

    if (name is None) == (url is None):
        raise click.UsageError("give one of --endpoint-name (SageMaker) and --url (a server)")
    if name is not None:
        return SageMakerEndpoint(name, region, endpoint_url)
    if endpoint_url is not None or region is not None:
        raise click.UsageError("--endpoint-url and --region go with --endpoint-name")
    return LocalEndpoint(url or "")


def _data(data: str | None) -> list[tuple[str, bytes, str]]:
    if data is None:
        return []
    try:
        parse_json(data)
    except ValueError as error:
        raise click.BadParameter(f"not valid JSON: {error}", param_hint="--data") from None
    return [("--data", data.encode(), "application/json")]


def _pictures(
    paths: tuple[Path, ...], size: str | None, mean: float, scale: float
) -> list[tuple[str, bytes, str]]:
    from model_tools.images import image_files  # noqa: PLC0415 - as above
    from model_tools.sagemaker.invoke import image_body  # noqa: PLC0415 - keeps --help fast

    sides = None if size is None else _sides(size)
    return [(file.name, *image_body(file, sides, mean, scale)) for file in image_files(paths)]


def _sides(size: str) -> tuple[int, int]:
    match = re.fullmatch("([0-9]{1,5})x([0-9]{1,5})", size)
    if match is None:
        raise click.BadParameter(f"{size!r}: expected WIDTHxHEIGHT", param_hint="--size")
    width, height = int(match[1]), int(match[2])
    if not (0 < width <= _LARGEST_SIDE and 0 < height <= _LARGEST_SIDE):
        raise click.BadParameter(
            f"{size}: sides are from 1 to {_LARGEST_SIDE}", param_hint="--size"
        )
    return width, height
