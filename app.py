"""Every environment of environments/*.toml, one Stage each; the pipeline of delivery.toml, if any.

`cdk synth -c environments=FOLDER` takes the files of another folder, `-c delivery=FILE` another
pipeline; `-c environment=NAME` builds that one alone. With `--validation`, cdk-nag and CDK's own
template validation check everything, as in `make check`; with `-c nag=true`, cdk-nag alone.
"""

# ruff: noqa: PLC0415 - an unchanged synthesis needs none of CDK, which takes a second to load

import sys
from pathlib import Path

from stacks.synthesis import Request, run, take_turns

HERE = Path(__file__).resolve().parent


def synthesize(request: Request, output: Path) -> None:
    """Build what is asked for, and write its cloud assembly into `output`."""
    from deeplens.config import (
        ConfigError,
        chosen,
        hashed_meanwhile,
        load_delivery,
        load_environments,
    )

    try:
        environments = load_environments(request.environments)
        wanted = chosen(environments, request.environment)
        with hashed_meanwhile(request.models, wanted):
            from aws_cdk import App, Validations

            from stacks.application import DeepLensApplication
            from stacks.delivery_stack import Delivered, DeliveryStack

        take_turns()
        app = App(
            outdir=str(output),
            # Traces would name the machine's folders in the assembly, or jsii's insides, and take
            # time at each construct; the keys are none for cdk.json.
            context={
                "aws:cdk:disable-stack-trace": True,
                "aws:cdk:disable-creation-stack-traces": True,
            },
        )
        if request.nag:
            from cdk_nag import AwsSolutionsChecks

            Validations.of(app).add_plugins(AwsSolutionsChecks(app))
        applications = {
            environment.name: DeepLensApplication(
                app,
                environment.name,
                environment=environment,
                models=request.models,
                runtimes=request.runtimes,
            )
            for environment in wanted
        }
        if request.pipeline and (delivered := load_delivery(request.pipeline, environments)):
            delivery, order = delivered
            DeliveryStack(
                app,
                "Delivery",
                delivery=delivery,
                stages=[Delivered(one, applications[one.name]) for one in order],
            )
        app.synth()
    except ConfigError as error:
        sys.exit(f"{error}")


if __name__ == "__main__":
    run(HERE, synthesize)
