"""The iris classifier of the DeepLens guide behind an endpoint of the emulator."""

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from deeplens.config import EnvironmentConfig, load_environment
from deeplens.local.cdk import CDK, NODE, bootstrap
from deeplens.local.checkout_lock import checkout_lock
from deeplens.local.emulator import (
    LOCAL,
    LOGS,
    ROOT,
    Endpoint,
    running_emulator,
    session,
    shell,
    started_emulator,
)
from deeplens.local.processes import run
from deeplens.local.steps import Steps

_DEEPLENS = ROOT / ".venv" / "bin" / "deeplens"
_BUILD = ROOT / "build" / "iris"
_ARCHIVE = _BUILD / "model.tar.gz"
# A separate environment and account, so that the environments of the checkout do not change.
_SITE = LOCAL / "iris"
_ACCOUNT = "555555555555"
_TEXT = """\
account = "{account}"
region = "{like.region}"
permissions_boundary = "{like.permissions_boundary}"

[model]
name = "{like.model.name}"
digest = "{like.model.digest}"

[model_store]

[fleet]

[hosting]
enabled = true

[hosting.scaling]
maximum_instances = 2
invocations_per_minute = 600

[[hosting.variants]]
name = "AllTraffic"
model_data = "{archive}"
framework = "tensorflow"
framework_version = "2.19"
"""


def host_classifier(steps: Steps, *, keep: bool, only_destroy: bool) -> dict[str, Any]:
    """Deploy the classifier to an endpoint, call the endpoint, and destroy it; return the results.

    Args:
        steps: the runner of the steps.
        keep: keep the endpoint on the running emulator.
        only_destroy: only destroy the endpoint of an earlier run.

    Returns:
        `comparison`: the comparison of the predictions, and `endpoints_left`: the names of the
        remaining endpoints. A result is absent if its step was skipped.

    Raises:
        CommandFailed: a step failed, or the emulator is not running and `keep` or `only_destroy` is
            true.
    """
    result: dict[str, Any] = {}
    with checkout_lock("iris", click.echo), ExitStack() as stack:
        if not only_destroy:
            with steps.step("train", "train the iris classifier and pack it for SageMaker"):
                click.echo(f"  {_train()}")
        with steps.step("emulator", "use the emulator (an AWS on this machine)"):
            needs_running = keep or only_destroy
            endpoint = (
                running_emulator() if needs_running else stack.enter_context(started_emulator())
            )
        environment = _environment()
        if not only_destroy:
            with steps.step("deploy", "cdk deploy 'iris/Hosting'"):
                _deploy(environment, endpoint)
            with steps.step("call", "call the endpoint, and compare to 1e-6"):
                result["comparison"] = _invoke(environment, endpoint).rstrip()
                click.echo(result["comparison"])
        if not keep:
            with steps.step("destroy", "cdk destroy"):
                remaining = _destroy(environment, endpoint)
            result["endpoints_left"] = remaining
            click.echo(f"  endpoints left: {', '.join(remaining) or 'none'}")
    return result


def _train() -> str:
    """Train the classifier and pack it for SageMaker; return a phrase with its accuracy.

    Raises:
        CommandFailed: a step failed.
    """
    trained = run(
        [_DEEPLENS, "model", "train", "iris", "--output", _BUILD, "--json"], LOGS / "train.log"
    )
    run([_DEEPLENS, "model", "host-package", _BUILD, _ARCHIVE], LOGS / "host-package.log")
    result = json.loads(trained.strip().splitlines()[-1])
    return f"accuracy {result['accuracy']:.3f} on the test set"


def _environment() -> EnvironmentConfig:
    """Write an environment file with the artifact that dev pins, and read it."""
    folder = _SITE / "environments"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "iris.toml"
    like = load_environment(ROOT / "environments" / "dev.toml")
    text = _TEXT.format(account=_ACCOUNT, like=like, archive=_ARCHIVE)
    file.write_text(text, encoding="utf-8")
    return load_environment(file)


def _deploy(iris: EnvironmentConfig, endpoint: Endpoint) -> None:
    """Deploy the endpoint, and the Monitoring stack for its alarms.

    Raises:
        CommandFailed: a step failed.
    """
    _cdk(iris, endpoint, "synth", "--quiet", "--no-validation", f"--output={_SITE / 'cdk.out'}",
         f"--context=environments={_SITE / 'environments'}")  # fmt: skip
    bootstrap(iris, endpoint, _assembly())
    _cdk(iris, endpoint, "deploy", "iris/Hosting", "--app", _assembly(),
         "--require-approval=never", "--progress=events")  # fmt: skip


def _invoke(iris: EnvironmentConfig, endpoint: Endpoint) -> str:
    """Request predictions for the test set; return their comparison with those of the training.

    Raises:
        CommandFailed: a prediction differs by more than 1e-6.
    """
    return run(
        [_DEEPLENS, "model", "invoke", "--endpoint-name", "deeplens-iris",
         "--endpoint-url", endpoint.url,
         "--region", iris.region, "--data-file", _BUILD / "request.json",
         "--expected", _BUILD / "expected.json", "--tolerance", "1e-6", "--rounds", "5",
         "--labels", _BUILD / "labels.txt"],
        LOGS / "invoke.log",
        shell(iris, endpoint),
    )  # fmt: skip


def _destroy(iris: EnvironmentConfig, endpoint: Endpoint) -> list[str]:
    """Destroy both stacks; return the remaining endpoints (expected: none)."""
    _cdk(iris, endpoint, "destroy", "iris/Hosting", "iris/Monitoring", "--app", _assembly(),
         "--force")  # fmt: skip
    connect = session(iris, endpoint).client
    listed = connect("sagemaker", endpoint_url=endpoint.url).list_endpoints()["Endpoints"]
    return [item["EndpointName"] for item in listed]


def _assembly() -> Path:
    return _SITE / "cdk.out"


def _cdk(iris: EnvironmentConfig, endpoint: Endpoint, *words: str | Path) -> None:
    run([NODE, CDK, *words], LOGS / "iris.log", shell(iris, endpoint))
