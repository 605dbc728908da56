"""The demo: train and deploy a model, and watch the detections of a virtual camera."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

import click

from deeplens.config import EnvironmentConfig
from deeplens.local import cdk, cores, emulator, signing
from deeplens.local.annotation import show_detections
from deeplens.local.checkout import checkout_environment
from deeplens.local.checkout_lock import checkout_lock
from deeplens.local.cores import RunningCore
from deeplens.local.deployment import bootstrap_and_deploy
from deeplens.local.detections import PATIENCE_SECONDS, detections_of, subscribed
from deeplens.local.emulator import LOCAL, ROOT, Endpoint
from deeplens.local.images import sample_images
from deeplens.local.interrupts import Interrupted
from deeplens.local.keyboard import enter_pressed, is_interactive
from deeplens.local.models import PREPARE
from deeplens.local.processes import CommandFailed
from deeplens.local.steps import Steps
from model_tools.output_paths import why_unwritable

_EXPECTED = {
    "shapes": "2 to 10 minutes the first time, and about a minute after that",
    "headpose": "4 to 15 minutes",
}


@dataclass(frozen=True)
class RunningDemo:
    """The demo after its detections, while the virtual camera still runs.

    Attributes:
        environment: the deployed environment.
        endpoint: the endpoint of the emulator.
        core: the virtual camera.
        seconds: the duration until the last detection, in seconds.
    """

    environment: EnvironmentConfig
    endpoint: Endpoint
    core: RunningCore
    seconds: float


@contextmanager
def running_demo(
    steps: Steps, name: str, model: str | None, detections: int
) -> Iterator[RunningDemo]:
    """Deploy a model, and run a virtual camera; the block begins after the detections.

    Args:
        steps: the runner of the steps.
        name: the name of the environment.
        model: the model to train, or None to use the pinned artifact.
        detections: the number of detections before the block.

    Raises:
        CommandFailed: a step, the camera or the emulator failed.
        ConfigError: the environment file is not valid.
    """
    started = time.monotonic()
    with ExitStack() as stack:
        # Detect an unknown environment or a full disk before the training, which takes minutes.
        cores.check_runtime(checkout_environment(name))
        _check_writable()
        stack.enter_context(checkout_lock("demo", click.echo))
        _introduce(model)
        environment, endpoint = _released(stack, steps, name, model)
        images = sample_images(environment.model.name)
        with subscribed(environment, endpoint) as messages:
            core = stack.enter_context(
                cores.provisioned_core(steps, environment, endpoint, f"{name}-camera-1", images)
            )
            signing.show_verification(environment, core, patience_seconds=PATIENCE_SECONDS)
            with steps.step("detect", f"watch {detections} detections"):
                show_detections(detections_of(messages, environment, core, detections), images)
        yield RunningDemo(environment, endpoint, core, time.monotonic() - started)


def keep_running(demo: RunningDemo) -> None:
    """Keep the camera running until Enter, Ctrl-C or SIGTERM."""
    how = "press Enter to end" if is_interactive() else "SIGTERM or Ctrl-C ends it"

    def announce(address: str | None) -> None:
        click.echo(f"live view: {address} — {how}" if address else f"the camera runs — {how}")

    announce(demo.core.live_view())
    with suppress(Interrupted):
        cores.stay(demo.core, demo.endpoint, announce, enter_pressed)


def _check_writable() -> None:
    """Raise `CommandFailed` if an output folder is not writable or has less than 100 MiB free."""
    for folder in (LOCAL, ROOT / "build", ROOT / "models", ROOT / "environments"):
        if problem := why_unwritable(folder, free_mib=100):
            raise CommandFailed(problem)


def _introduce(model: str | None) -> None:
    expected = "one to two minutes" if model is None else _EXPECTED[model]
    click.echo(
        "The demo downloads nothing more, needs about 100 MB of disk (.local, build, models), and "
        f"takes {expected}."
    )


def _released(
    stack: ExitStack, steps: Steps, name: str, model: str | None
) -> tuple[EnvironmentConfig, Endpoint]:
    """Train and pin `model` unless it is None; then sign and deploy the pinned artifact.

    Returns:
        The deployed environment, and the endpoint of the emulator.
    """
    if model is not None:
        with steps.step("train", f"train the model {model}, freeze and package it"):
            PREPARE[model](name)
    environment = checkout_environment(name)
    with steps.step("sign", "sign the release"):
        trusting = signing.sign(environment)
    with cdk.assembly_lock():
        cdk.synthesize(steps, trusting)
        is_ours = emulator.read_endpoint() is None
        with steps.step("emulator", "start the emulator (an AWS on this machine)"):
            endpoint = stack.enter_context(emulator.started_emulator())
        bootstrap_and_deploy(steps, environment, endpoint, emulator_ends=is_ours)
    return environment, endpoint
