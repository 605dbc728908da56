"""The command `deeplens model verify`."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from model_tools.cli.errors import FAILED, echo
from model_tools.cli.options import (
    FiniteRange,
    check_exists,
    choice_of,
    examples,
    json_option,
)
from model_tools.output_paths import OutputPath


@click.command(
    epilog=examples("verify models/NAME/DIGEST/model.zip --against my_model.keras"),
    short_help="Compare engines, source and expectations.",
)
@click.argument("artifact", type=click.Path(path_type=Path))
@click.option(
    "--image",
    "--picture",
    "pictures",
    multiple=True,
    type=click.Path(path_type=Path),
    help="File or folder; may be repeated.  [default: generated noise]",
)
@click.option("--against", type=click.Path(path_type=Path), help="The model that was frozen.")
@click.option("--signature", help="Signature of the model of --against.")
@click.option(
    "--input", "inputs", multiple=True, help="Input of the model of --against, as in freeze."
)
@click.option(
    "--output", "outputs", multiple=True, help="Output of the model of --against, as in freeze."
)
@click.option(
    "--expected",
    type=click.Path(path_type=Path),
    help='JSON: {"kitten.jpg": "cat"}, or what predict --json printed.',
)
@click.option(
    "--engine",
    type=click.Choice(["all", "tensorflow"]),
    default="all",
    show_default=True,
    help="tensorflow: without OpenVINO, for an artifact that it cannot load.",
)
@click.option("--bf16", is_flag=True, help="Compare OpenVINO in bfloat16, too.")
@click.option(
    "--max-drop",
    type=FiniteRange(0, 1),
    default=0.01,
    show_default=True,
    help="Largest share of answers that may differ.",
)
@click.option(
    "--report",
    type=OutputPath(),
    help="Write a web page with the images and what each run detects.",
)
@json_option
def verify(
    artifact: Path,
    pictures: tuple[Path, ...],
    against: Path | None,
    signature: str | None,
    inputs: tuple[str, ...],
    outputs: tuple[str, ...],
    expected: Path | None,
    engine: str,
    max_drop: float,
    report: Path | None,
    *,
    bf16: bool,
    as_json: bool,
) -> None:
    """Compare ARTIFACT's engines with each other, with its source, and with expected results.

    Exit code 1 if more detections differ than --max-drop allows. If preprocessing is the cause, the
    output names the change.
    """
    from model_tools.images import image_files  # noqa: PLC0415 - keeps --help fast
    from model_tools.verification.expected_detections import read_expected  # noqa: PLC0415 - as above
    from model_tools.verification.report import next_step, report_page  # noqa: PLC0415 - as above
    from model_tools.verification.verify import (  # noqa: PLC0415 - as above
        VerifyRequest,
        verify_artifact,
    )

    if engine == "tensorflow" and (bf16 or not (against or expected)):
        raise click.UsageError(
            "--engine tensorflow compares with --against or --expected, and has no --bf16"
        )
    precisions = ("f32", "bf16") if bf16 else ("f32",)
    files = image_files(pictures)
    request = VerifyRequest(
        artifact=artifact,
        images=tuple(files),
        against=against,
        choice=choice_of(signature, (), inputs, outputs),
        expected=read_expected(expected) if expected else None,
        precisions=precisions if engine == "all" else (),
    )
    check_exists(artifact)
    if not as_json:
        echo(f"verify {artifact}: every engine loads it (some seconds) …", err=True)
    found = verify_artifact(request)
    if report is not None:
        report.parent.mkdir(parents=True, exist_ok=True)
        page = report_page(found, {file.name: file for file in files}, max_drop)
        report.write_text(page, encoding="utf-8")
    if as_json:
        echo(json.dumps({**asdict(found), "drop": found.drop}))
    else:
        echo(f"{found.name} {found.version} ({found.digest[:12]})")
        for one in found.comparisons:
            same = one.agreement
            echo(
                f"  {one.title}: {same.share:.2%} agree, differ by at most "
                f"{same.largest_absolute:.1e} ({same.largest_relative:.1e} relative), "
                f"{same.pictures} images"
            )
        if found.diagnosis:
            echo(f"  likely cause: {found.diagnosis}")
        if report is not None:
            echo(f"  report: {report}")
        echo(f"  next: {next_step(found, max_drop).replace('`', '')}")
    if found.drop > max_drop:
        raise SystemExit(FAILED)
