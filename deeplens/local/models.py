"""Training, packaging and pinning of the demo's models."""

import json
from collections.abc import Callable
from typing import Any

import click

from deeplens.local.emulator import LOGS, ROOT
from deeplens.local.processes import run

_DEEPLENS = ROOT / ".venv" / "bin" / "deeplens"
_HEADPOSE = ROOT / "build" / "headpose"


def prepare_shapes(environment: str) -> None:
    """Train the detector of drawn shapes, package it, and pin it in the environment's file.

    Raises:
        CommandFailed: a step failed.
    """
    built = _last_line(run([_DEEPLENS, "model", "train", "shapes", "--json"], LOGS / "train.log"))
    how = "trained before" if built["from_cache"] else "trained now"
    click.echo(
        f"  {how}: precision {built['precision']:.3f}, recall {built['recall']:.3f} on unseen "
        f"images; artifact {built['digest'][:12]}…"
    )
    _pin(environment, built["digest"])


def prepare_headpose(environment: str) -> None:
    """Train, freeze, package and verify the head-pose classifier, and pin its artifact.

    Raises:
        CommandFailed: a step failed.
    """
    trained = _last_line(
        run(
            [_DEEPLENS, "model", "train", "headpose", "--output", _HEADPOSE, "--json"],
            LOGS / "train.log",
        )
    )
    click.echo(f"  accuracy {trained['accuracy']:.3f} on {trained['pictures']} unseen images")
    frozen = _HEADPOSE / "frozen"
    archive = _HEADPOSE / "model.tar.gz"
    run(
        [_DEEPLENS, "model", "freeze", archive, frozen, "--signature", "camera"],
        LOGS / "freeze.log",
    )
    described = ("--labels", _HEADPOSE / "labels.txt", "--training", _HEADPOSE / "training.json")
    # The network scales images itself, so the packaged preprocessing does not.
    unscaled = ("--mean", "0", "--scale", "1")
    packaged = _last_line(
        run(
            [
                _DEEPLENS,
                "model",
                "package",
                frozen,
                "--name",
                "headpose",
                *described,
                *unscaled,
                "--json",
            ],
            LOGS / "package.log",
        )
    )
    run([_DEEPLENS, "model", "verify", packaged["path"], "--against", archive], LOGS / "verify.log")
    _pin(environment, packaged["sha256"])


PREPARE: dict[str, Callable[[str], None]] = {
    "shapes": prepare_shapes,
    "headpose": prepare_headpose,
}


def _pin(environment: str, digest: str) -> None:
    file = ROOT / "environments" / f"{environment}.toml"
    pinned = run([_DEEPLENS, "release", "pin", file, digest], LOGS / "pin.log")
    click.echo(f"  {pinned.strip().removeprefix(str(ROOT) + '/')[:90]}…")


def _last_line(output: str) -> Any:
    return json.loads(output.strip().splitlines()[-1])
