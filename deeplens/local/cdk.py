"""Commands of the pinned CDK CLI for the emulator, and the state of stacks."""

import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import click
from botocore.exceptions import BotoCoreError, ClientError

from deeplens.config import EnvironmentConfig
from deeplens.local.checkout_lock import checkout_lock
from deeplens.local.emulator import LOGS, ROOT, Endpoint, session, shell, tools
from deeplens.local.policies import create_policies
from deeplens.local.processes import run
from deeplens.local.status import status_line
from deeplens.local.steps import Steps

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

CDK = ROOT / "node_modules" / "aws-cdk" / "bin" / "cdk"
NODE = ROOT / ".venv" / "bin" / "node"
ASSEMBLY = ROOT / "cdk.out"
ENVIRONMENTS = ROOT / "environments"
_POLL_SECONDS = 0.5
_TOOLKIT = "DeepLensToolkit"


def assembly_lock() -> AbstractContextManager[int]:
    """Return a context manager that locks cdk.out against other commands of this checkout."""
    return checkout_lock(ASSEMBLY.name, click.echo)


def synthesize(steps: Steps, environments: Path = ENVIRONMENTS) -> None:
    """Synthesize all environment files in the folder `environments` into cdk.out."""
    with steps.step("synthesize", "synthesize the CloudFormation of every environment"):
        _synth(LOGS / "synth.log", f"--context=environments={environments}")


def bootstrap(
    environment: EnvironmentConfig,
    endpoint: Endpoint,
    assembly: Path = ASSEMBLY,
    pipeline_account: str | None = None,
) -> bool:
    """Create the policies, and bootstrap the account with them; return True if `cdk bootstrap` ran.

    If `pipeline_account` is given, the bootstrap roles trust that account for deploys and lookups.
    """
    client = session(environment, endpoint).client("cloudformation", endpoint_url=endpoint.url)
    expected = {"CloudFormationExecutionPolicies": ",".join(create_policies(client))}
    options = ["--cloudformation-execution-policies", *expected.values()]
    if pipeline_account:
        expected |= dict.fromkeys(("TrustedAccounts", "TrustedAccountsForLookup"), pipeline_account)
        options += ["--trust", pipeline_account, "--trust-for-lookup", pipeline_account]
    if expected.items() <= _bootstrapped_with(client).items():
        return False
    target = f"aws://{environment.account}/{environment.region}"
    run(
        [NODE, CDK, "bootstrap", target, "--app", assembly, *options],
        LOGS / "bootstrap.log",
        shell(environment, endpoint),
    )
    return True


def _bootstrapped_with(client: "CloudFormationClient") -> dict[str, str]:
    """Return the parameters of the last `cdk bootstrap`; empty if none has run."""
    try:
        (stack,) = client.describe_stacks(StackName=_TOOLKIT)["Stacks"]
    except ClientError:
        return {}
    return {
        parameter.get("ParameterKey", ""): parameter.get("ParameterValue", "")
        for parameter in stack.get("Parameters", [])
    }


def deploy(environment: EnvironmentConfig, endpoint: Endpoint) -> str:
    """Run `cdk deploy '<environment>/*'` on the prebuilt assembly; return its output."""
    return run(
        [
            NODE,
            CDK,
            "deploy",
            f"{environment.name}/*",
            "--app",
            ASSEMBLY,
            "--require-approval=never",
            "--progress=events",
            "--method=direct",
            "--concurrency=6",
        ],
        LOGS / f"deploy-{environment.name}.log",
        shell(environment, endpoint),
    )


def stacks_under_way(environment: EnvironmentConfig, endpoint: Endpoint) -> list[str]:
    """Return the name and status of each of the environment's stacks with an operation in progress.

    The result is empty if the emulator does not respond.
    """
    client = session(environment, endpoint).client("cloudformation", endpoint_url=endpoint.url)
    try:
        stacks = client.describe_stacks()["Stacks"]
    except (BotoCoreError, ClientError):
        return []
    return [
        f"{stack['StackName']} ({stack['StackStatus']})"
        for stack in stacks
        if stack["StackName"].startswith(f"{environment.name}-")
        and stack["StackStatus"].endswith("_IN_PROGRESS")
        and stack["StackStatus"] != "REVIEW_IN_PROGRESS"
    ]


def wait_for_stacks(
    environment: EnvironmentConfig, endpoint: Endpoint, seconds: float
) -> list[str]:
    """Wait at most `seconds` for the environment's stacks; return the stacks still in progress."""
    give_up_at = time.monotonic() + seconds
    with status_line() as status:
        while stacks := stacks_under_way(environment, endpoint):
            if time.monotonic() > give_up_at:
                break
            status.update(f"waiting for {', '.join(stacks)}")
            time.sleep(_POLL_SECONDS)
    return stacks


def synthesize_pipeline(pipeline: Path, output: Path) -> None:
    """Synthesize every environment and the pipeline of a delivery file into `output`."""
    _synth(LOGS / "synth-pipeline.log", f"--output={output}", f"--context=delivery={pipeline}")


def _synth(log: Path, *options: str) -> None:
    """Run `cdk synth` without validation; write its output to `log`."""
    run([NODE, CDK, "synth", "--quiet", "--no-validation", *options], log, tools())


def difference(environment: EnvironmentConfig, endpoint: Endpoint) -> str:
    """Run `cdk diff '<environment>/*'` on the prebuilt assembly; return its output."""
    return run(
        [NODE, CDK, "diff", f"{environment.name}/*", "--app", ASSEMBLY, "--method=template"],
        LOGS / f"diff-{environment.name}.log",
        shell(environment, endpoint),
    )


def changed_nothing(output: str) -> bool:
    """Return true if the output of `cdk deploy` reports no change in any stack."""
    return output.count("(no changes)") == output.count("Stack ARN:")
