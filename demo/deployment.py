"""`cdk bootstrap` and `cdk deploy` against the emulator, with the pinned CDK CLI."""

from pathlib import Path

from botocore.exceptions import ClientError

from demo.embedded import LOGS, ROOT, Endpoint, session, shell
from demo.processes import run
from stacks.config import EnvironmentConfig

CDK = ROOT / "node_modules" / "aws-cdk" / "bin" / "cdk"
NODE = ROOT / ".venv" / "bin" / "node"
ASSEMBLY = ROOT / "cdk.out"
ENVIRONMENTS = ROOT / "environments"


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
    environment: EnvironmentConfig, endpoint: Endpoint, assembly: Path = ASSEMBLY
) -> bool:
    """Run `cdk bootstrap` unless the account has it; return whether it ran."""
    client = session(environment).client("cloudformation", endpoint_url=endpoint.url)
    try:
        client.describe_stacks(StackName="DeepLensToolkit")
    except ClientError:
        target = f"aws://{environment.account}/{environment.region}"
        run(
            [NODE, CDK, "bootstrap", target, "--app", assembly],
            LOGS / "bootstrap.log",
            shell(environment, endpoint),
        )
        return True
    return False


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
    """Write the review page of the working tree, compared with a commit; return where it is."""
    output = run([ROOT / ".venv/bin/python", "-m", "review", base], LOGS / "review.log")
    return output.strip().splitlines()[-1]


def check_plan(environment: EnvironmentConfig, plan: Path) -> None:
    """Hold what was synthesized to a plan; raise `CommandFailed` with every difference."""
    run(
        [ROOT / ".venv/bin/python", "-m", "tools.plan", environment.name, "--check", plan],
        LOGS / "plan.log",
    )


def roll_back(environment: EnvironmentConfig, reason: str, digest: str | None) -> str:
    """Pin a release again that the environment proved before; return what was said."""
    return run(
        [
            ROOT / ".venv/bin/model-tools",
            "models",
            "rollback",
            environment.name,
            "--local",
            f"--reason={reason}",
            *([f"--to={digest}"] if digest else []),
        ],
        LOGS / f"rollback-{environment.name}.log",
    )


def changed_nothing(output: str) -> bool:
    """Whether every stack of a deploy was as it should be already."""
    return output.count("(no changes)") == output.count("Stack ARN:")


def log_file(environment: EnvironmentConfig) -> Path:
    """Where the last deploy's output is."""
    return LOGS / f"deploy-{environment.name}.log"
