"""The command `deeplens model bench`."""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from model_tools.cli.errors import echo
from model_tools.cli.options import check_exists, examples, json_option
from model_tools.output_paths import OutputPath

if TYPE_CHECKING:
    from collections.abc import Callable

    from model_tools.benchmark.bench import Benchmark, EngineMeasurement

_METRICS: tuple[tuple[str, "Callable[[EngineMeasurement], str]"], ...] = (
    (
        "compile, s",
        lambda one: "-" if one.compile_seconds is None else f"{one.compile_seconds:.2f}",
    ),
    ("load, s", lambda one: f"{one.load_seconds:.2f}"),
    ("first inference, ms", lambda one: f"{one.first_ms:.1f}"),
    ("median, ms", lambda one: f"{one.median_ms:.2f}"),
    ("95th percentile, ms", lambda one: f"{one.p95_ms:.2f}"),
    ("inferences per second", lambda one: f"{one.frames_per_second:.1f}"),
    ("memory (RSS), MiB", lambda one: f"{one.rss_mib:.0f}"),
    ("speed-up", lambda one: f"{one.speed_up:.2f}"),
    ("share of the peak", lambda one: f"{one.share_of_peak:.0%}" if one.share_of_peak else "?"),
)


@click.command(
    epilog=examples("bench models/NAME/DIGEST/model.zip --rounds 50"),
    short_help="Measure the engines on an artifact.",
)
@click.argument("artifact", type=click.Path(path_type=Path))
@click.option(
    "--image",
    "--picture",
    "pictures",
    multiple=True,
    type=click.Path(path_type=Path),
    help="File or folder; may be repeated.  [default: noise]",
)
@click.option(
    "--rounds",
    type=click.IntRange(1, 10_000),
    default=20,
    show_default=True,
    help="Number of measured inferences per engine.",
)
@click.option(
    "--threads",
    type=click.IntRange(1, 256),
    default=2,
    show_default=True,
    help="Number of threads per engine.",
)
@click.option("--bf16", is_flag=True, help="Measure OpenVINO in bfloat16, too.")
@click.option("--plot", type=OutputPath(), help="Draw the metrics: .png or .svg.")
@json_option
def bench(
    artifact: Path,
    pictures: tuple[Path, ...],
    rounds: int,
    threads: int,
    plot: Path | None,
    *,
    bf16: bool,
    as_json: bool,
) -> None:
    """Compare the time, memory and share of peak of ARTIFACT, plain and accelerated.

    The engines run in turn, so that other load affects all of them.
    """
    from model_tools.benchmark.bench import compare_engines  # noqa: PLC0415 - keeps --help fast
    from model_tools.benchmark.plot import draw_benchmark  # noqa: PLC0415 - as above
    from model_tools.images import image_files, read_image  # noqa: PLC0415 - as above
    from model_tools.progress import progress_of  # noqa: PLC0415 - as above

    if plot is not None and plot.suffix.lower() not in {".png", ".svg"}:
        raise click.BadParameter(f"{plot}: expected .png or .svg", param_hint="--plot")
    if plot is not None and find_spec("matplotlib") is None:
        raise click.UsageError(
            "--plot needs matplotlib, which is not installed: in a checkout, "
            "`.venv/bin/uv pip install matplotlib` installs it; elsewhere, `pip install matplotlib`"
        )
    check_exists(artifact)
    files = image_files(pictures)
    with progress_of("measuring", rounds, "round") as progress:
        found = compare_engines(
            artifact,
            images=[read_image(file) for file in files] or None,
            rounds=rounds,
            threads=threads,
            bf16=bf16,
            progress=progress,
        )
    if plot is not None:
        draw_benchmark(found, plot)
    if as_json:
        echo(json.dumps(found.as_dict()))
        return
    for line in report(found):
        click.echo(line)
    if plot is not None:
        echo(f"plot: {plot}")


def report(found: "Benchmark") -> list[str]:
    """Return the results as lines: one row per metric, one column per contender."""
    work = f"{found.gflop:.2f} GFLOP, " if found.gflop else ""
    rows = [["", *(one.title for one in found.contenders)]]
    for title, cell in _METRICS:
        rows.append([title, *(cell(one) for one in found.contenders)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            f"{value:{width}}" if number == 0 else f"{value:>{width}}"
            for number, (value, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    peak = f"matrix products reach {found.peak_gflops_per_second:.0f} GFLOP/s"
    return [f"{found.name}: {work}{found.threads} threads, {peak}", *lines]
