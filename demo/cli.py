"""The demo, whole or step by step.

Exit codes: 0 done, 1 a step failed, 2 wrong usage, 3 the embedded AWS does not run,
130 interrupted.
"""

import contextlib
import json
import queue
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import click
from botocore.exceptions import BotoCoreError, ClientError

from demo import deployment, embedded, iris, signing
from demo.embedded import LOCAL, LOGS, ROOT, Endpoint
from demo.models import PREPARE, pictures_for
from demo.processes import CommandFailed, running
from stacks.config import ConfigError, EnvironmentConfig, load_environment, load_environments

ANNOTATED = ROOT / "build" / "demo"
PIPELINE = ROOT / "demo" / "delivery.toml"
_FIRST_MESSAGE_SECONDS = 45.0
_LIVE_VIEW_SECONDS = 20.0
_NOT_RUNNING = 3
_INTERRUPTED = 130


@dataclass(frozen=True)
class Message:
    """One message of a camera's, as it arrived."""

    topic: str
    payload: bytes


class Interrupted(Exception):  # noqa: N818 - says what happened
    """SIGTERM or Ctrl-C: end everything that was started, in order."""


@click.group()
def main() -> None:
    """From a trained model to a detection on a camera, on this machine.

    Exit codes: 0 done, 1 a step failed, 2 wrong usage, 3 the embedded AWS does not run,
    130 interrupted.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, _interrupt)


@main.command("run")
@click.option("--detections", type=click.IntRange(1), default=12, show_default=True)
@click.option("--env", "name", default="dev", show_default=True, help="The environment.")
@click.option("--model", type=click.Choice(sorted(PREPARE)), default="shapes", show_default=True)
def run_demo(detections: int, name: str, model: str) -> None:
    """Train, package, synthesize, deploy, and watch a virtual camera detect."""
    with _told(), contextlib.ExitStack() as stack:
        started = time.monotonic()
        with _step(f"train the model {model}, freeze and package it"):
            PREPARE[model](name)
        environment = _environment(name)
        with _step("sign the release"):
            trusting = signing.sign(environment)
        with _step("synthesize the CloudFormation of every environment"):
            deployment.synthesize(embedded.tools(), trusting)
        with _step("start the embedded AWS (emulated, on loopback)"):
            endpoint = stack.enter_context(embedded.embedded_aws())
        _deploy(environment, endpoint)
        thing = _camera(environment, endpoint)
        messages = stack.enter_context(_subscribed(environment, endpoint))
        with _step(f"start the virtual core device {thing}"):
            log = LOGS / f"{thing}.log"
            stack.enter_context(
                running(embedded.core_command(thing, pictures_for(environment.model.name)), log)
            )
            _wait_for_core(log)
        _say_live_view(environment, thing)
        signing.say_verified(environment, thing, patience_seconds=_FIRST_MESSAGE_SECONDS)
        with _step(f"watch {detections} detections"):
            _show(messages, environment, detections)
        click.echo(f"annotated pictures: {ANNOTATED.relative_to(ROOT)}/")
        click.echo(f"logs of every step: {LOGS.relative_to(ROOT)}/")
        click.echo(f"watch the camera as long as you like: make local-up, make camera ENV={name}")
        click.echo(f"demo done in {time.monotonic() - started:.0f} s; stopping what it started")


@main.command("deploy")
@click.argument("name", default="dev")
@click.option("--plan", type=click.Path(path_type=Path), help="Refuse what is not this plan.")
def deploy_environment(name: str, plan: Path | None) -> None:
    """Synthesize and deploy one environment to the running embedded AWS."""
    with _told():
        endpoint, environment = _running_aws(), _environment(name)
        with _step("synthesize the CloudFormation of every environment"):
            deployment.synthesize(embedded.tools())
        if plan is not None:
            with _step(f"compare with {plan}"):
                deployment.check_plan(environment, plan.resolve())
        _deploy(environment, endpoint)


@main.command("deliver")
@click.option("--approve", multiple=True, metavar="STAGE=CODE", help="Approve what was asked.")
@click.option("--as", "person", default="", help="Who approves, for the record; else the user.")
@click.option(
    "--pipeline",
    type=click.Path(path_type=Path),
    default=PIPELINE,
    show_default="demo/delivery.toml",
)
def deliver(approve: tuple[str, ...], person: str, pipeline: Path) -> None:
    """Run the synthesized pipeline on the running embedded AWS, from dev to production.

    Exit codes: 0 delivered, 1 stopped, 3 the embedded AWS does not run, 4 it waits for a person.
    """
    with _told():
        endpoint = _running_aws()
        environments = load_environments(ROOT / "environments")
        assembly = LOCAL / "deliver" / "cdk.out"
        with _step("synthesize every environment and the pipeline"):
            deployment.synthesize_pipeline(pipeline.resolve(), assembly, embedded.tools())
        with _step("cdk bootstrap"):
            for environment in environments:
                deployment.bootstrap(environment, endpoint, assembly)
    answers = [word for one in approve for word in ("--approve", one)]
    if person:
        answers += ["--as", person]
    result = subprocess.run(  # noqa: S603 - this project's own command
        [*embedded.LOCAL_AWS, "deliver", "--assembly", assembly, *answers], cwd=ROOT, check=False
    )
    sys.exit(result.returncode)


@main.command("rollback")
@click.argument("name")
@click.option("--reason", required=True, help="Why, for the trail.")
@click.option("--to", "digest", help="Digest (or its beginning); else the last proven other one.")
def roll_back(name: str, reason: str, digest: str | None) -> None:
    """Pin what NAME's own cameras proved before, deploy it there, and wait until they run it.

    It passes by the pipeline: an environment before NAME may be broken, and nothing new is
    deployed that would need an approval.
    """
    with _told():
        endpoint, environment = _running_aws(), _environment(name)
        with _step(f"pin what {name} ran before"):
            click.echo(deployment.roll_back(environment, reason, digest), nl=False)
        with _step("synthesize the CloudFormation of every environment"):
            deployment.synthesize(embedded.tools())
        _deploy(_environment(name), endpoint)


@main.command("iris")
@click.option("--keep", is_flag=True, help="Leave the endpoint on the running embedded AWS.")
@click.option("--destroy", "only_destroy", is_flag=True, help="Only destroy what --keep left.")
def host_iris(*, keep: bool, only_destroy: bool) -> None:
    """Put the iris classifier behind an endpoint, ask it, compare, destroy it."""
    with _told(), contextlib.ExitStack() as stack:
        if not only_destroy:
            with _step("train the iris classifier and pack it for SageMaker"):
                click.echo(f"  {iris.train()}")
        with _step("use the embedded AWS (emulated, on loopback)"):
            kept = keep or only_destroy
            endpoint = _running_aws() if kept else stack.enter_context(embedded.embedded_aws())
        environment = iris.environment()
        if not only_destroy:
            with _step("cdk deploy 'iris/Hosting'"):
                iris.deploy(environment, endpoint)
            with _step("ask the endpoint, and compare to 1e-6"):
                click.echo(iris.ask(environment, endpoint).rstrip())
        if not keep:
            with _step("cdk destroy"):
                left = iris.destroy(environment, endpoint)
            click.echo(f"  endpoints left: {', '.join(left) or 'none'}")


@main.command("camera")
@click.argument("name", default="dev")
def run_camera(name: str) -> None:
    """Run a virtual core device of one environment's fleet until it is interrupted."""
    with _told():
        endpoint, environment = _running_aws(), _environment(name)
        thing = _camera(environment, endpoint)
        log = LOGS / f"{thing}.log"
        with running(
            embedded.core_command(thing, pictures_for(environment.model.name)), log
        ) as core:
            click.echo(f"{thing} runs; its log: {log.relative_to(ROOT)}; Ctrl-C stops it")
            _say_live_view(environment, thing)
            core.wait()
        raise CommandFailed(f"{thing} ended with {core.returncode}; see {log}")


@main.command("watch")
@click.argument("name", default="dev")
@click.option("--count", type=click.IntRange(1), help="End after so many messages.")
@click.option("--json", "as_json", is_flag=True, help="Print each message as it is.")
def watch_topic(name: str, count: int | None, *, as_json: bool) -> None:
    """Print what the cameras of one environment publish."""
    from local_aws.watch import describe  # noqa: PLC0415 - its MQTT client is not needed for help

    with _told():
        endpoint, environment = _running_aws(), _environment(name)
        with _subscribed(environment, endpoint) as messages:
            seen = 0
            while count is None or seen < count:
                payload = messages.get().payload
                click.echo(payload.decode() if as_json else describe(payload))
                seen += 1


def _deploy(environment: EnvironmentConfig, endpoint: Endpoint) -> None:
    with _step("cdk bootstrap"):
        if not deployment.bootstrap(environment, endpoint):
            click.echo("  the account is bootstrapped already")
    with _step(f"cdk deploy '{environment.name}/*'"):
        output = deployment.deploy(environment, endpoint)
    if deployment.changed_nothing(output):
        click.echo("  no changes")
    status = embedded.outputs(environment, endpoint, "Inference")["ProjectStatus"]
    click.echo(f"  project: {status}")


def _camera(environment: EnvironmentConfig, endpoint: Endpoint) -> str:
    thing = f"{environment.name}-camera-1"
    with _step(f"provision {thing}: thing, certificate, member of the fleet"):
        embedded.provision(environment, endpoint, thing)
    return thing


@contextlib.contextmanager
def _subscribed(
    environment: EnvironmentConfig, endpoint: Endpoint
) -> Iterator["queue.Queue[Message]"]:
    from local_aws.watch import Broker, Subscription, ensure_identity  # noqa: PLC0415 - as above

    identity = ensure_identity(
        LOCAL / "cores" / f"watch-{environment.name}", embedded.session(environment), endpoint.url
    )
    messages: queue.Queue[Message] = queue.Queue()
    subscription = Subscription(
        Broker(endpoint.mqtt_host, endpoint.mqtt_port, endpoint.ca_file),
        identity,
        environment.inference.topic_filter,
        lambda topic, payload: messages.put(Message(topic, payload)),
    )
    try:
        yield messages
    finally:
        subscription.close()


def _show(messages: "queue.Queue[Message]", environment: EnvironmentConfig, wanted: int) -> None:
    """Print detections as they arrive; save each with its picture."""
    from PIL import Image  # noqa: PLC0415 - not needed for help

    from local_aws.watch import describe  # noqa: PLC0415 - as above
    from model_tools.annotate import draw_detections  # noqa: PLC0415 - as above

    ANNOTATED.mkdir(parents=True, exist_ok=True)
    seen = 0
    while seen < wanted:
        try:
            payload = messages.get(timeout=_FIRST_MESSAGE_SECONDS).payload
        except queue.Empty:
            raise CommandFailed(
                f"no message on {environment.inference.topic} for {_FIRST_MESSAGE_SECONDS:.0f} s; "
                f"see the logs in {LOGS}"
            ) from None
        click.echo(f"  {describe(payload)}")
        message = json.loads(payload)
        if "detections" in message:
            source = message["frame"]["source"]
            with Image.open(pictures_for(environment.model.name) / source) as picture:
                draw_detections(picture, message["detections"]).save(ANNOTATED / source)
            seen += 1


def _say_live_view(environment: EnvironmentConfig, thing: str) -> None:
    """Say where the camera's live view is, once its function runs, if it has one."""
    if environment.inference.live_view_port is None:
        return
    component = embedded.inference_component(environment)
    file = embedded.core_files(thing).work(component) / "state" / "live-view.url"
    give_up_at = time.monotonic() + _LIVE_VIEW_SECONDS
    while time.monotonic() < give_up_at:
        if file.is_file():
            click.echo(f"live view, while the camera runs: {file.read_text('utf-8').strip()}")
            return
        time.sleep(0.2)
    click.echo(f"no live view yet; it will be in {file.relative_to(ROOT)}")


def _wait_for_core(log: Path) -> None:
    give_up_at = time.monotonic() + _FIRST_MESSAGE_SECONDS
    while "waits for deployments" not in log.read_text(encoding="utf-8"):
        if time.monotonic() > give_up_at:
            raise CommandFailed(f"the core device did not join; see {log}")
        time.sleep(0.2)


def _environment(name: str) -> EnvironmentConfig:
    return load_environment(ROOT / "environments" / f"{name}.toml")


def _running_aws() -> Endpoint:
    endpoint = embedded.read_endpoint()
    if endpoint is None:
        click.echo("the embedded AWS does not run; start it with `make local-up`", err=True)
        sys.exit(_NOT_RUNNING)
    return endpoint


@contextlib.contextmanager
def _step(what: str) -> Iterator[None]:
    """Say what begins, and how long it took."""
    click.echo(f"▸ {what} …")
    started = time.monotonic()
    yield
    click.echo(f"  {time.monotonic() - started:.1f} s")


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Turn what a user can cause into one message and an exit code."""
    try:
        yield
    except (CommandFailed, ConfigError, ConnectionError) as error:
        raise click.ClickException(str(error)) from None
    except (BotoCoreError, ClientError) as error:
        raise click.ClickException(f"the embedded AWS: {error}; see the logs in {LOGS}") from None
    except Interrupted:
        click.echo("interrupted; everything that was started is stopped", err=True)
        sys.exit(_INTERRUPTED)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    # A second signal must not cut the clean-up short.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise Interrupted
