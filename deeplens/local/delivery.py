"""Delivery to all environments by the synthesized pipeline, on the running emulator."""

import subprocess
import sys
from pathlib import Path
from typing import TextIO

import click

from deeplens.config import EnvironmentConfig, load_delivery, load_environments
from deeplens.local import cdk
from deeplens.local.checkout_lock import checkout_lock
from deeplens.local.emulator import LOCAL, LOGS, ROOT, Endpoint, running_emulator
from deeplens.local.interrupts import Interrupted
from deeplens.local.processes import run
from deeplens.local.steps import Steps

PIPELINE = ROOT / "deeplens/local/delivery.toml"
_ASSEMBLY = LOCAL / "deliver" / "cdk.out"


def deliver_environments(
    steps: Steps,
    pipeline: Path,
    answers: list[str],
    base: str | None,
    output: TextIO | None = None,
) -> int:
    """Synthesize the pipeline of a delivery file, run the pipeline, and return its exit code.

    Args:
        steps: the runner of the steps before the pipeline.
        pipeline: the delivery file.
        answers: the pipeline's options for approvals.
        base: the commit with which a new review page compares the working tree; None for no new
            page.
        output: receives the output of the pipeline; by default, stdout.

    Raises:
        CommandFailed: a step failed.
        Interrupted: SIGTERM or Ctrl-C occurred; the message describes the operations that continue.
    """
    endpoint = running_emulator()
    with checkout_lock("deliver", click.echo):
        environments = load_environments(ROOT / "environments")
        if base is not None:
            with steps.step("review", f"review what changes, compared with {base}"):
                click.echo(f"  {_review(base)}")
        with steps.step("synthesize", "synthesize every environment and the pipeline"):
            cdk.synthesize_pipeline(pipeline.resolve(), _ASSEMBLY)
        with steps.step("bootstrap", "cdk bootstrap"), cdk.assembly_lock():
            _bootstrap(pipeline, environments, endpoint)
        try:
            return subprocess.run(  # noqa: S603 - a command of this project
                [
                    sys.executable,
                    "-m",
                    "deeplens.local.pipeline",
                    "--assembly",
                    _ASSEMBLY,
                    *answers,
                ],
                cwd=ROOT,
                check=False,
                stdout=output,
            ).returncode
        except Interrupted:
            raise Interrupted("what CloudFormation began continues on the emulator") from None


def _bootstrap(pipeline: Path, environments: list[EnvironmentConfig], endpoint: Endpoint) -> None:
    """Bootstrap each environment's account with trust in the account of the pipeline."""
    delivered = load_delivery(pipeline, environments)
    account = delivered[0].account if delivered else None
    for environment in environments:
        cdk.bootstrap(environment, endpoint, _ASSEMBLY, account)


def _review(base: str) -> str:
    """Write a review page that compares the working tree with a commit; return the page's path."""
    output = run([ROOT / ".venv/bin/python", "-m", "deeplens", "review", base], LOGS / "review.log")
    return output.strip().splitlines()[-1]
