"""The Monitoring stack of each environment, built by `stacks/`: the counterpart of `javascript/`.

This application is synthesized like `app.py`, but never restored from the cache.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from stacks.synthesis import SynthesisRequest, synthesize

if TYPE_CHECKING:
    from aws_cdk import App

    from deeplens.config import EnvironmentConfig

_FREE_DISK_MIB = 256


def compose(app: "App", _: SynthesisRequest, environments: "list[EnvironmentConfig]") -> None:
    """Add one stage with the Monitoring stack for each environment."""
    from aws_cdk import Environment, Stage, Tags  # noqa: PLC0415 - `synthesize` imports CDK

    from stacks.constructs.iam import permissions_boundary  # noqa: PLC0415
    from stacks.monitoring_stack import MonitoringStack  # noqa: PLC0415

    for environment in environments:
        stage = Stage(
            app,
            environment.name,
            env=Environment(account=environment.account, region=environment.region),
            permissions_boundary=permissions_boundary(environment.permissions_boundary),
        )
        MonitoringStack(
            stage,
            "Monitoring",
            environment=environment,
            least_free_disk_mib=environment.monitoring.free_disk_mib or _FREE_DISK_MIB,
        )
        tags = Tags.of(stage)
        for key, value in environment.tags.items():
            tags.add(key, value)
        tags.add("deeplens:environment", environment.name)


if __name__ == "__main__":
    request = SynthesisRequest.read(Path(__file__).resolve().parents[2])
    synthesize(request, request.output, compose)
