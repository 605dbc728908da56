"""Commands that deploy to the emulator and run virtual cameras.

Exit codes: 0 done, 1 a step failed, 2 wrong usage or input, 3 the emulator is not running,
130 interrupted.
"""

import contextlib
import itertools
import json
import queue
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import click
from botocore.exceptions import BotoCoreError, ClientError

from deeplens.cli.options import examples, json_option
from deeplens.cli.output import json_result
from deeplens.config import (
    EnvironmentConfig,
    load_delivery,
    load_environment,
    load_environments,
)
from deeplens.local import (
    cdk,
    cores,
    emulator,
    iris,
    signing,
)
from deeplens.local.approvals import RECORD, check_answers
from deeplens.local.checkout_lock import checkout_lock
from deeplens.local.cores import EMULATOR_ENDED, RunningCore
from deeplens.local.detections import (
    PATIENCE_SECONDS,
    Message,
    detections_of,
    subscribed,
)
from deeplens.local.emulator import (
    LOCAL,
    LOGS,
    ROOT,
    Endpoint,
)
from deeplens.local.images import check_images, image_files, sample_images
from deeplens.local.keyboard import enter_pressed, is_interactive
from deeplens.local.models import PREPARE
from deeplens.local.processes import WRONG_INPUT, CommandFailed
from deeplens.local.steps import Steps
from deeplens.runtime.device_environment import runtime_problem
from model_tools.output_paths import why_unwritable
from shared.printable import printable

ANNOTATED = ROOT / "build" / "demo"
PIPELINE = ROOT / "deeplens/local/delivery.toml"
_NOT_RUNNING = 3
_POLL_SECONDS = 0.5
_SILENT_SECONDS = 5.0
_INTERRUPTED = 130
# The results of the emulator's pipeline by its exit code.
_OUTCOMES = {0: "delivered", 1: "stopped", 4: "waiting for an approval"}
# The lock of cdk.out, from synthesis to the end of the deploy that reads it.
_ASSEMBLY = "cdk.out"
_UPDATE_SECONDS = 900.0
_SETTLE_SECONDS = 60.0
# It names a folder and an IoT thing.
_THING = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
_EXPECTED = {
    "shapes": "2 to 10 minutes the first time, and about a minute after that",
    "headpose": "4 to 15 minutes",
}


class Interrupted(Exception):  # noqa: N818 - names an event
    """An interrupt by SIGTERM or Ctrl-C, with a text about what continues."""


@click.command(
    "demo",
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
def run_demo(
    detections: int, name: str, model: str, *, pinned: bool, keep: bool | None, as_json: bool
) -> None:
    """Train, package, synthesize, deploy, and watch a virtual camera detect.

    On a terminal the camera keeps running until Enter or Ctrl-C; its live view is the last line.

    Exit codes: 0 done, and kept running until Enter, Ctrl-C or SIGTERM; 1 a step, the camera or the
    emulator failed; 2 wrong usage; 130 interrupted before the detections.
    """
    keep = is_interactive() if keep is None else keep
    # Programs read the document while the camera still runs, so it is not printed at the end.
    result_file = sys.stdout
    with (
        contextlib.redirect_stdout(sys.stderr if as_json else sys.stdout),
        _interruptible(),
        contextlib.ExitStack() as stack,
    ):
        started, steps = time.monotonic(), Steps()
        # An unknown environment, or a disk that is full, is an error before minutes of training.
        _check_runtime(_environment(name))
        _check_writable()
        stack.enter_context(checkout_lock("demo", click.echo))
        trained = None if pinned else model
        _introduce(trained)
        environment, endpoint = _released(stack, steps, name, trained)
        images = sample_images(environment.model.name)
        with subscribed(environment, endpoint) as messages:
            core = _started(stack, steps, environment, endpoint, f"{name}-camera-1", images)
            signing.show_verification(environment, core, patience_seconds=PATIENCE_SECONDS)
            with steps.step("detect", f"watch {detections} detections"):
                _show(detections_of(messages, environment, core, detections), images)
        click.echo(f"annotated images: {_relative(ANNOTATED)}/")
        click.echo(f"logs of every step: {_relative(LOGS)}/")
        seconds = time.monotonic() - started
        click.echo(
            f"demo done in {seconds:.0f} s; your model, your camera, your account: docs/README.md"
        )
        if as_json:
            result = _result(environment, core, steps, detections, seconds)
            click.echo(json.dumps(result), file=result_file)
        if keep:
            _keep(core, endpoint)
        click.echo("stopping what it started")


@click.command(
    "deploy",
    epilog=examples("local deploy dev", "local deploy dev --plan build/plans/dev.json"),
)
@click.argument("name", default="dev")
@click.option(
    "--plan",
    type=click.Path(path_type=Path),
    help="Deploy nothing if what was synthesized differs from this plan.",
)
@json_option
def deploy_environment(name: str, plan: Path | None, *, as_json: bool) -> None:
    """Synthesize and deploy the environment NAME to the running emulator.

    Exit codes: 0 done, 1 a step failed, 2 wrong usage or input, 3 the emulator is not running,
    130 interrupted.
    """
    with (
        json_result(as_json=as_json) as document,
        _interruptible(),
        contextlib.ExitStack() as stack,
    ):
        environment, steps = _environment(name), Steps()
        if plan is not None:
            cdk.check_plan_file(plan)
        endpoint = _running_emulator()
        stack.enter_context(checkout_lock(_ASSEMBLY, click.echo))
        with steps.step("synthesize", "synthesize the CloudFormation of every environment"):
            cdk.synthesize(emulator.tools())
        if plan is not None:
            with steps.step("compare", f"compare with {plan}"):
                cdk.check_plan(environment, plan.resolve())
        status = _deploy(steps, environment, endpoint)
        document.update(_deployed(environment, status), steps=steps.seconds)


@click.command(
    "deliver",
    epilog=examples("local deliver", "local deliver --approve production=CODE"),
)
@click.option(
    "--approve",
    multiple=True,
    metavar="STAGE=CODE",
    help="Approve what a run before this one asked, with the code that it printed.",
)
@click.option(
    "--as",
    "person",
    default="",
    help="Name of the person who approves, for the record.  [default: the user]",
)
@click.option(
    "--review",
    "base",
    metavar="BASE",
    help="Make the review page first, compared with this commit; an approval is bound to it.",
)
@click.option(
    "--pipeline",
    type=click.Path(path_type=Path),
    default=PIPELINE,
    show_default="deeplens/local/delivery.toml",
    help="The file that defines the pipeline.",
)
@json_option
def deliver(
    approve: tuple[str, ...], person: str, base: str | None, pipeline: Path, *, as_json: bool
) -> None:
    """Run the synthesized pipeline on the running emulator, from dev to production.

    Exit codes: 0 delivered, 1 stopped, 2 wrong usage or input, 3 the emulator is not running,
    4 waiting for an approval.
    """
    answers = [word for answer in approve for word in ("--approve", answer)]
    if person:
        answers += ["--as", person]
    with (
        json_result(as_json=as_json) as document,
        _interruptible(),
        contextlib.ExitStack() as stack,
    ):
        check_answers(approve, RECORD)
        if not pipeline.is_file():
            raise click.BadParameter(f"there is no such file: {pipeline}", param_hint="--pipeline")
        endpoint, steps = _running_emulator(), Steps()
        stack.enter_context(checkout_lock("deliver", click.echo))
        environments = load_environments(ROOT / "environments")
        if base is not None:
            with steps.step("review", f"review what changes, compared with {base}"):
                click.echo(f"  {cdk.review(base)}")
        assembly = LOCAL / "deliver" / "cdk.out"
        with steps.step("synthesize", "synthesize every environment and the pipeline"):
            cdk.synthesize_pipeline(pipeline.resolve(), assembly, emulator.tools())
        with (
            steps.step("bootstrap", "cdk bootstrap"),
            checkout_lock(_ASSEMBLY, click.echo),
        ):
            delivered = load_delivery(pipeline, environments)
            account = delivered[0].account if delivered else None
            for environment in environments:
                cdk.bootstrap(environment, endpoint, assembly, account)
        try:
            result = subprocess.run(  # noqa: S603 - this project's own command
                [sys.executable, "-m", "deeplens.local.pipeline", "--assembly", assembly, *answers],
                cwd=ROOT,
                check=False,
                stdout=sys.stderr if as_json else None,
            )
        except Interrupted:
            raise Interrupted("what CloudFormation began continues on the emulator") from None
        document.update(outcome=_OUTCOMES.get(result.returncode, "failed"), steps=steps.seconds)
    sys.exit(result.returncode)


@click.command(
    "diff",
    epilog=examples("local diff dev"),
)
@click.argument("name", default="dev")
@json_option
def show_difference(name: str, *, as_json: bool) -> None:
    """Compare the environment NAME with its deployment on the running emulator (`cdk diff`).

    Exit codes: 0 done, 1 a step failed, 2 wrong usage or input, 3 the emulator is not running,
    130 interrupted.
    """
    with (
        json_result(as_json=as_json) as document,
        _interruptible(),
        contextlib.ExitStack() as stack,
    ):
        environment, endpoint, steps = _environment(name), _running_emulator(), Steps()
        stack.enter_context(checkout_lock(_ASSEMBLY, click.echo))
        with steps.step("synthesize", "synthesize the CloudFormation of every environment"):
            cdk.synthesize(emulator.tools())
        with steps.step("diff", f"cdk diff '{name}/*'"):
            difference = cdk.difference(environment, endpoint)
        document.update(environment=name, difference=difference.strip())
        click.echo(difference.strip())
        click.echo(f"next: `deeplens local deploy {name}`")
        click.echo("access, cost and cameras: `deeplens review main`")


@click.command(
    "rollback",
    epilog=examples('local rollback production --reason "false detections"'),
)
@click.argument("name")
@click.option("--reason", required=True, help="The reason, stored in the audit log.")
@click.option(
    "--to",
    "digest",
    help="Digest of the release, or its beginning.  [default: the last other verified release]",
)
@json_option
def roll_back(name: str, reason: str, digest: str | None, *, as_json: bool) -> None:
    """Pin a release that NAME's cameras ran before, deploy it, and wait until they run it.

    The rollback does not use the pipeline: an earlier environment may be broken, and a release that
    was deployed before needs no approval.

    Exit codes: 0 done, 1 a step failed, 2 wrong usage or input, 3 the emulator is not running,
    130 interrupted.
    """
    if not reason.strip():
        raise click.BadParameter(
            f'expected a reason: `deeplens local rollback {name} --reason "false detections"`',
            param_hint="--reason",
        )
    with (
        json_result(as_json=as_json) as document,
        _interruptible(),
        contextlib.ExitStack() as stack,
    ):
        environment, endpoint, steps = _environment(name), _running_emulator(), Steps()
        stack.enter_context(checkout_lock(_ASSEMBLY, click.echo))
        with steps.step("pin", f"pin the release that {name} ran before"):
            for line in cdk.roll_back(environment, reason, digest).splitlines():
                # The rest of this command does what the line "next: …" recommends.
                if not line.startswith("next: "):
                    click.echo(line)
        with steps.step("synthesize", "synthesize the CloudFormation of every environment"):
            cdk.synthesize(emulator.tools())
        pinned = _environment(name)
        status = _deploy(steps, pinned, endpoint)
        document.update(_deployed(pinned, status), steps=steps.seconds)
        click.echo(f"next: commit environments/{name}.toml and environments/promotions.jsonl")


@click.command("iris", epilog=examples("local iris", "local iris --keep"))
@click.option("--keep", is_flag=True, help="Leave the endpoint on the running emulator.")
@click.option(
    "--destroy", "only_destroy", is_flag=True, help="Only destroy the endpoint that --keep left."
)
@json_option
def host_iris(*, keep: bool, only_destroy: bool, as_json: bool) -> None:
    """Deploy the iris classifier behind an endpoint, call it, compare, destroy it.

    Exit codes: 0 done, 1 a step failed, 2 wrong usage, 3 the emulator is not running (--keep,
    --destroy), 130 interrupted.
    """
    with (
        json_result(as_json=as_json) as document,
        _interruptible(),
        checkout_lock("iris", click.echo),
        contextlib.ExitStack() as stack,
    ):
        steps = Steps()
        if not only_destroy:
            with steps.step("train", "train the iris classifier and pack it for SageMaker"):
                click.echo(f"  {iris.train()}")
        with steps.step("emulator", "use the emulator (an AWS on this machine)"):
            needs_running = keep or only_destroy
            endpoint = (
                _running_emulator()
                if needs_running
                else stack.enter_context(emulator.started_emulator())
            )
        environment = iris.environment()
        if not only_destroy:
            with steps.step("deploy", "cdk deploy 'iris/Hosting'"):
                iris.deploy(environment, endpoint)
            with steps.step("call", "call the endpoint, and compare to 1e-6"):
                answer = iris.ask(environment, endpoint).rstrip()
                document["comparison"] = answer
                click.echo(answer)
        if not keep:
            with steps.step("destroy", "cdk destroy"):
                left = iris.destroy(environment, endpoint)
            document["endpoints_left"] = list(left)
            click.echo(f"  endpoints left: {', '.join(left) or 'none'}")
        document["steps"] = steps.seconds


@click.command(
    "camera",
    epilog=examples("local camera dev", "local camera dev --images folder --name dev-camera-2"),
)
@click.argument("name", default="dev")
@click.option(
    "--images",
    "--pictures",
    "folder",
    type=click.Path(path_type=Path),
    help="Folder of images (.bmp, .jpeg, .jpg, .png) to show.  [default: drawn samples]",
)
@click.option(
    "--name", "thing", metavar="THING", help="Name of the device.  [default: NAME-camera-1]"
)
def run_camera(name: str, folder: Path | None, thing: str | None) -> None:
    """Run a virtual core device of the fleet of NAME until Ctrl-C.

    The device outlives the emulator. It reports a connection that is lost for 10 s, and its return.

    Exit codes: 1 the device ended, or the emulator runs on other ports, 2 wrong usage or input,
    3 the emulator is not running, 130 interrupted.
    """
    thing = thing or f"{name}-camera-1"
    if not _THING.fullmatch(thing):
        raise click.BadParameter(
            f"{thing!r} is not a valid name: expected letters, digits, - and _ (at most 128)",
            param_hint="--name",
        )
    with _interruptible(), contextlib.ExitStack() as stack:
        if folder is not None:
            check_images(folder)
        environment, endpoint = _environment(name), _running_emulator()
        _check_runtime(environment)
        images = folder or sample_images(environment.model.name)
        core = _started(stack, Steps(), environment, endpoint, thing, images)
        click.echo(f"{thing} shows {len(image_files(images))} images of {_relative(images)}")
        if folder is None:
            click.echo("  to show your own: `deeplens local camera --images folder`")
        click.echo(f"  its log: {_relative(core.log)}; Ctrl-C stops it")
        if environment.inference.live_view_port is not None:
            address = cores.wait_for_live_view(core)
            click.echo(f"live view: {address or f'not open yet; see {core.live_view_file}'}")
        cores.stay(
            core,
            endpoint,
            lambda address: click.echo(f"live view: {address}"),
            _never,
            outage=lambda line: click.echo(line, err=True),
        )


@click.command("watch", epilog=examples("local watch dev", "local watch dev --count 1 --json"))
@click.argument("name", default="dev")
@click.option("--count", type=click.IntRange(1), help="End after so many messages.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print each message unchanged, one JSON document a line.",
)
def watch_topic(name: str, count: int | None, *, as_json: bool) -> None:
    """Print the messages that the cameras of one environment publish.

    Exit codes: 0 COUNT messages were printed, 1 the emulator ended, 3 it is not running,
    130 interrupted.
    """
    from local_aws.devices.mqtt_subscription import describe

    with _interruptible():
        endpoint, environment = _running_emulator(), _environment(name)
        with subscribed(environment, endpoint) as messages:
            click.echo(f"listening to {environment.inference.topic_filter}; Ctrl-C ends", err=True)
            for payload in itertools.islice(_arriving(messages, name, endpoint), count):
                line = f"{time.strftime('%H:%M:%S')}  {printable(describe(payload))}"
                click.echo(_as_json(payload) if as_json else line)


def _arriving(messages: "queue.Queue[Message]", name: str, endpoint: Endpoint) -> Iterator[bytes]:
    """Yield messages without end; raise `CommandFailed` if the emulator ends or moves."""
    silent_since: float | None = time.monotonic()
    while True:
        try:
            yield messages.get(timeout=_POLL_SECONDS).payload
            silent_since = None
        except queue.Empty:
            if emulator.read_endpoint() != endpoint:
                raise CommandFailed(EMULATOR_ENDED) from None
            if silent_since is not None and time.monotonic() - silent_since > _SILENT_SECONDS:
                click.echo(
                    f"no message yet; `deeplens local camera {name}` starts a camera", err=True
                )
                silent_since = None


def _check_writable() -> None:
    """Raise `CommandFailed` if a folder that the demo writes cannot be written."""
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
    stack: contextlib.ExitStack, steps: Steps, name: str, model: str | None
) -> tuple[EnvironmentConfig, Endpoint]:
    """Train and pin `model`, or keep the pinned one; sign and deploy it to the emulator."""
    if model is not None:
        with steps.step("train", f"train the model {model}, freeze and package it"):
            PREPARE[model](name)
    environment = _environment(name)
    with steps.step("sign", "sign the release"):
        trusting = signing.sign(environment)
    with checkout_lock(_ASSEMBLY, click.echo):
        with steps.step("synthesize", "synthesize the CloudFormation of every environment"):
            cdk.synthesize(emulator.tools(), trusting)
        is_ours = emulator.read_endpoint() is None
        with steps.step("emulator", "start the emulator (an AWS on this machine)"):
            endpoint = stack.enter_context(emulator.started_emulator())
        _deploy(steps, environment, endpoint, emulator_ends=is_ours)
    return environment, endpoint


def _deploy(
    steps: Steps, environment: EnvironmentConfig, endpoint: Endpoint, *, emulator_ends: bool = False
) -> str:
    """Bootstrap the account, deploy the environment, and return the status of its fleet."""
    with _truthful_interrupt(environment, endpoint, emulator_ends=emulator_ends):
        with steps.step("bootstrap", "cdk bootstrap"):
            if not cdk.bootstrap(environment, endpoint):
                click.echo("  the account is already bootstrapped")
        with steps.step("deploy", f"cdk deploy '{environment.name}/*'"):
            # An interrupted deploy may still go on; CloudFormation accepts no other meanwhile.
            cdk.wait_for_stacks(environment, endpoint, _UPDATE_SECONDS)
            output = cdk.deploy(environment, endpoint)
    status = emulator.outputs(environment, endpoint, "Inference")["ProjectStatus"]
    if not cdk.changed_nothing(output):
        click.echo(f"  project: {status}")
        return str(status)
    fleet = cdk.fleet_status(environment)
    click.echo(f"  no changes since {fleet.deployed_at}; the result at that time: {status}")
    click.echo(f"  now: {fleet.summary}")
    return fleet.summary


def _deployed(environment: EnvironmentConfig, status: str) -> dict[str, Any]:
    """Return the result of a deployment."""
    return {
        "environment": environment.name,
        "model": environment.model.name,
        "digest": environment.model.digest,
        "status": status,
    }


@contextlib.contextmanager
def _truthful_interrupt(
    environment: EnvironmentConfig, endpoint: Endpoint, *, emulator_ends: bool
) -> Iterator[None]:
    """After an interrupt, report the update that continues, or wait for it if the emulator ends."""
    try:
        yield
    except Interrupted:
        if not cdk.stacks_under_way(environment, endpoint):
            raise
        if not emulator_ends:
            raise Interrupted(
                "the update that CloudFormation began continues: "
                f"`deeplens local deploy {environment.name}` waits for it"
            ) from None
        click.echo(
            "interrupted; the emulator stops when CloudFormation has ended what it began, at most "
            f"{_SETTLE_SECONDS:.0f} s from now"
        )
        left = cdk.wait_for_stacks(environment, endpoint, _SETTLE_SECONDS)
        if left:
            raise Interrupted(
                f"the emulator stops in the middle of {', '.join(left)}: its next start returns to "
                "the state before that, of every account"
            ) from None
        raise


def _started(
    stack: contextlib.ExitStack,
    steps: Steps,
    environment: EnvironmentConfig,
    endpoint: Endpoint,
    thing: str,
    images: Path,
) -> RunningCore:
    cores.check_free(thing)
    with steps.step("provision", f"provision {thing}: thing, certificate, member of the fleet"):
        emulator.provision(environment, endpoint, thing)
    with steps.step("start", f"start the virtual core device {thing}"):
        return stack.enter_context(cores.running_core(environment, thing, images))


def _keep(core: RunningCore, endpoint: Endpoint) -> None:
    """Keep the camera running until Enter, Ctrl-C or SIGTERM."""
    how = "press Enter to end" if is_interactive() else "SIGTERM or Ctrl-C ends it"

    def announce(address: str | None) -> None:
        click.echo(f"live view: {address} — {how}" if address else f"the camera runs — {how}")

    announce(core.live_view())
    with contextlib.suppress(Interrupted):
        cores.stay(core, endpoint, announce, enter_pressed)


def _result(
    environment: EnvironmentConfig,
    core: RunningCore,
    steps: Steps,
    detections: int,
    seconds: float,
) -> dict[str, Any]:
    return {
        "environment": environment.name,
        "thing": core.thing,
        "model": environment.model.name,
        "digest": environment.model.digest,
        "detections": detections,
        "live_view": core.live_view(),
        "seconds": round(seconds, 1),
        "steps": steps.seconds,
    }


def _show(payloads: Iterable[bytes], images: Path) -> None:
    """Print detections as they arrive; save each with its image."""
    from local_aws.devices.mqtt_subscription import describe
    from model_tools.images import draw_detections
    from shared.vision.images import open_image

    ANNOTATED.mkdir(parents=True, exist_ok=True)
    # In the order of their arrival, so that a label has the same color on every image.
    labels: dict[str, None] = {}
    for payload in payloads:
        click.echo(f"  {printable(describe(payload))}")
        message = json.loads(payload)
        source = message["frame"]["source"]
        detections = message["detections"]
        labels |= dict.fromkeys(detection["label"] for detection in detections)
        image = open_image(images / source)
        draw_detections(image, detections, list(labels)).save(ANNOTATED / source)


def _as_json(payload: bytes) -> str:
    """Return a message as one line of ASCII."""
    try:
        return json.dumps(json.loads(payload))
    except (ValueError, RecursionError):
        return json.dumps({"not_json": payload.decode(errors="replace")})


def _never(seconds: float) -> bool:
    time.sleep(seconds)
    return False


def _relative(path: Path) -> Path:
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


def _environment(name: str) -> EnvironmentConfig:
    return load_environment(ROOT / "environments" / f"{name}.toml")


def _check_runtime(environment: EnvironmentConfig) -> None:
    """Check that the virtual device can run what the environment pins for devices.

    Raises:
        CommandFailed: it has another Python than the pinned [runtime].
    """
    if environment.runtime.to_pins() and (problem := runtime_problem(ROOT)):
        raise CommandFailed(f"environments/{environment.name}.toml: {problem}", WRONG_INPUT)


def _running_emulator() -> Endpoint:
    endpoint = emulator.read_endpoint()
    if endpoint is None:
        raise CommandFailed(
            "the emulator is not running; start it with `deeplens local up`", _NOT_RUNNING
        )
    return endpoint


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Stop what was started on a signal, and name the logs in an error of the emulator."""
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, _interrupt)
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise CommandFailed(f"the emulator: {error}; see the logs in {LOGS}") from None
    except Interrupted as interrupted:
        remains = str(interrupted) or "everything that was started is stopped"
        click.echo(f"interrupted; {remains}", err=True)
        sys.exit(_INTERRUPTED)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    # A second signal must not cut the clean-up short.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise Interrupted
