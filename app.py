"""Build one stage for each environment file and, if delivery.toml exists, the pipeline.

`cdk synth -c environments=FOLDER` reads the files of another folder, and `-c delivery=FILE` reads
another delivery file. `-c environment=NAME` builds only that environment. `--validation` runs
cdk-nag and CDK's template validation, as `make check` does; `-c nag=true` runs only cdk-nag.
"""

# ruff: noqa: PLC0415 - CDK takes a second to import, and a cached assembly does not need it

from pathlib import Path
from typing import TYPE_CHECKING

from stacks.synthesis import SynthesisRequest, run

if TYPE_CHECKING:
    from aws_cdk import App

    from deeplens.config import EnvironmentConfig


def compose(app: "App", request: SynthesisRequest, environments: "list[EnvironmentConfig]") -> None:
    """Add a stage for each environment and, if a delivery file exists, their pipeline."""
    from deeplens.config import load_delivery
    from stacks.application import DeepLensApplication
    from stacks.delivery_stack import DeliveryStack

    models, runtimes = request.models, request.runtimes
    stages = {
        config.name: DeepLensApplication(app, config, models=models, runtimes=runtimes)
        for config in environments
    }
    if request.pipeline and (loaded := load_delivery(request.pipeline, environments)):
        delivery, order = loaded
        DeliveryStack(app, delivery, stages=[stages[config.name] for config in order])


if __name__ == "__main__":
    run(Path(__file__).resolve().parent, compose)
