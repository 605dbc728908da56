"""`deeplens local demo`: train, deploy, and watch a virtual camera."""

import contextlib
import json
import sys

import click

from deeplens.cli.options import examples, json_option
from deeplens.local.annotation import ANNOTATED
from deeplens.local.checkout import relative_path
from deeplens.local.demo import keep_running, running_demo
from deeplens.local.emulator import LOGS
from deeplens.local.interrupts import interruptible
from deeplens.local.keyboard import is_interactive
from deeplens.local.models import PREPARE
from deeplens.local.steps import Steps


@click.command(
    epilog=examples("local demo", "local demo --no-keep --json"),
)
@click.option(
    "--detections",
    type=click.IntRange(1),
    default=12,
    show_default=True,
    help="Number of detections to wait for.",
)
@click.option("--env", "name", default="dev", show_default=True, help="The environment.")
@click.option(
    "--model",
    type=click.Choice(sorted(PREPARE)),
    default="shapes",
    show_default=True,
    help="Model to train.",
)
@click.option("--pinned", is_flag=True, help="Train nothing: use the artifact that is pinned.")
@click.option(
    "--keep/--no-keep",
    default=None,
    help="Keep the camera running after the detections, or not.  [default: on a terminal]",
)
@json_option
def demo(
    detections: int, name: str, model: str, *, pinned: bool, keep: bool | None, as_json: bool
) -> None:
    """Train, package and deploy a model, and watch the detections of a virtual camera.

    On a terminal, the camera runs until Enter or Ctrl-C; the last line contains the address of its
    live view.

    Exit codes: 0 done, or stopped by Enter, Ctrl-C or SIGTERM after the detections; 1 a step, the
    camera or the emulator failed; 2 wrong usage; 130 interrupted before the detections.
    """
    keep = is_interactive() if keep is None else keep
    # The document is printed to the original stdout while the camera still runs, so that programs
    # can use the camera.
    result_file = sys.stdout
    steps = Steps()
    with (
        contextlib.redirect_stdout(sys.stderr if as_json else sys.stdout),
        interruptible(),
        running_demo(steps, name, None if pinned else model, detections) as running,
    ):
        click.echo(f"annotated images: {relative_path(ANNOTATED)}/")
        click.echo(f"logs of every step: {relative_path(LOGS)}/")
        click.echo(
            f"demo done in {running.seconds:.0f} s; your model, your camera, your account: "
            "docs/README.md"
        )
        if as_json:
            result = {
                "environment": running.environment.name,
                "thing": running.core.thing,
                "model": running.environment.model.name,
                "digest": running.environment.model.digest,
                "detections": detections,
                "live_view": running.core.live_view(),
                "seconds": round(running.seconds, 1),
                "steps": steps.seconds,
            }
            click.echo(json.dumps(result), file=result_file)
        if keep:
            keep_running(running)
        click.echo("stopping what it started")
