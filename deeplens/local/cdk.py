"""`cdk bootstrap` and `cdk deploy` against the emulator, with the pinned CDK CLI."""

import json
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from deeplens.config import EnvironmentConfig
from deeplens.local.emulator import (
    LOGS,
    ROOT,
    Endpoint,
    session,
    shell,
    tools,
)
from deeplens.local.policies import create_policies
from deeplens.local.processes import WRONG_INPUT, CommandFailed, run
from deeplens.local.status import status_line
from deeplens.review import ReviewError

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

CDK = ROOT / "node_modules" / "aws-cdk" / "bin" / "cdk"
NODE = ROOT / ".venv" / "bin" / "node"
ASSEMBLY = ROOT / "cdk.out"
ENVIRONMENTS = ROOT / "environments"
# The exit code of `deeplens fleet status` if a reachable device does not run what is planned.
_NOT_AS_PLANNED = 4
_POLL_SECONDS = 0.5
_TOOLKIT = "DeepLensToolkit"


def synthesize(environment: dict[str, str], environments: Path = ENVIRONMENTS) -> None:
    """Write the CloudFormation of every file of `environments` into cdk.out."""
    run(
        [
            NODE,
            CDK,
            "synth",
            "--quiet",
            "--no-validation",
            f"--context=environments={environments}",
        ],
        LOGS / "synth.log",
        environment,
    )


def bootstrap(
    environment: EnvironmentConfig,
    endpoint: Endpoint,
    assembly: Path = ASSEMBLY,
    pipeline_account: str | None = None,
) -> bool:
    """Create the policies and run `cdk bootstrap` with them; return False if both were done.

    The account of a pipeline, if one is given, may deploy and look things up.
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
    """Return the parameters of the last `cdk bootstrap`, empty before the first."""
    try:
        (stack,) = client.describe_stacks(StackName=_TOOLKIT)["Stacks"]
    except ClientError:
        return {}
    return {
        parameter.get("ParameterKey", ""): parameter.get("ParameterValue", "")
        for parameter in stack.get("Parameters", [])
    }


def deploy(environment: EnvironmentConfig, endpoint: Endpoint) -> str:
    """Run `cdk deploy '<environment>/*'` on the prebuilt assembly; return what it printed."""
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
    """Return the environment's stacks that are in the middle of an operation, with their status.

    An emulator that does not answer has none.
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
    """Wait at most `seconds` until every operation has ended; return the stacks that remain."""
    give_up_at = time.monotonic() + seconds
    with status_line() as status:
        while stacks := stacks_under_way(environment, endpoint):
            if time.monotonic() > give_up_at:
                break
            status.update(f"waiting for {', '.join(stacks)}")
            time.sleep(_POLL_SECONDS)
    return stacks


def synthesize_pipeline(pipeline: Path, output: Path, environment: dict[str, str]) -> None:
    """Write every environment and the pipeline of a delivery file into `output`."""
    run(
        [
            NODE,
            CDK,
            "synth",
            "--quiet",
            "--no-validation",
            f"--output={output}",
            f"--context=delivery={pipeline}",
        ],
        LOGS / "synth-pipeline.log",
        environment,
    )


def review(base: str) -> str:
    """Write the review page of the working tree, compared with a commit; return its path."""
    output = run([ROOT / ".venv/bin/python", "-m", "deeplens", "review", base], LOGS / "review.log")
    return output.strip().splitlines()[-1]


@dataclass(frozen=True)
class FleetStatus:
    """The current reports of a fleet's cameras.

    Attributes:
        deployed_at: when its current deployment was created, ISO 8601 in UTC.
        summary: the number of devices by state, with the command that shows more.
    """

    deployed_at: str
    summary: str


def fleet_status(environment: EnvironmentConfig) -> FleetStatus:
    """Ask the fleet's cameras on the emulator.

    Raises:
        CommandFailed: the fleet has no deployment, or the emulator does not answer.
    """
    name = environment.name
    try:
        text = run(
            [ROOT / ".venv/bin/deeplens", "fleet", "status", name, "--local", "--json"],
            LOGS / f"status-{name}.log",
            tools(),
            accepted=(0, _NOT_AS_PLANNED),
        )
    except CommandFailed as error:
        raise CommandFailed(f"the status of {name} is not known: {error}") from None
    document = json.loads(text)
    states = Counter(device["standing"] for device in document["devices"])
    counted = ", ".join(f"{number} {state}" for state, number in sorted(states.items()))
    stopped = f"; the release is stopped: {document['stopped']}" if document["stopped"] else ""
    return FleetStatus(
        document["deployed_at"],
        f"{counted or 'no device'}{stopped} (`deeplens fleet status {name} --local`)",
    )


def difference(environment: EnvironmentConfig, endpoint: Endpoint) -> str:
    """Run `cdk diff '<environment>/*'` on the prebuilt assembly; return what it printed."""
    return run(
        [NODE, CDK, "diff", f"{environment.name}/*", "--app", ASSEMBLY, "--method=template"],
        LOGS / f"diff-{environment.name}.log",
        shell(environment, endpoint),
    )


def check_plan_file(plan: Path) -> None:
    """Check that a plan can be read before the synthesis.

    Raises:
        CommandFailed: the plan cannot be read; the exit code is that of wrong input.
    """
    from deeplens.review.plan import read_plan  # noqa: PLC0415 - imports what only development installs

    try:
        read_plan(plan)
    except ReviewError as error:
        raise CommandFailed(str(error), WRONG_INPUT) from None


def check_plan(environment: EnvironmentConfig, plan: Path) -> None:
    """Compare the assembly with a plan; raise `CommandFailed` with every difference."""
    run(
        [
            ROOT / ".venv/bin/python",
            "-m",
            "deeplens",
            "env",
            "plan",
            environment.name,
            "--check",
            plan,
        ],
        LOGS / "plan.log",
    )


def roll_back(environment: EnvironmentConfig, reason: str, digest: str | None) -> str:
    """Pin a release that the environment verified before; return the output."""
    return run(
        [
            ROOT / ".venv/bin/deeplens",
            "release",
            "rollback",
            environment.name,
            "--local",
            f"--reason={reason}",
            *([f"--to={digest}"] if digest else []),
        ],
        LOGS / f"rollback-{environment.name}.log",
    )


def changed_nothing(output: str) -> bool:
    """Return true if the deployment changed no stack."""
    return output.count("(no changes)") == output.count("Stack ARN:")
