"""Every environment of environments/*.toml, one Stage each; the pipeline of delivery.toml, if any.

`cdk synth -c environments=FOLDER` takes the files of another folder, `-c delivery=FILE` another
pipeline.
"""

import sys
from pathlib import Path

from aws_cdk import App, Validations
from cdk_nag import AwsSolutionsChecks

from stacks.application import DeepLensApplication
from stacks.config import ConfigError, load_delivery, load_environments
from stacks.delivery_stack import Delivered, DeliveryStack

HERE = Path(__file__).resolve().parent

try:
    # Traces would name the machine's folders in the assembly; the key is none for cdk.json.
    app = App(context={"aws:cdk:disable-stack-trace": True})
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    folder = Path(app.node.try_get_context("environments") or HERE / "environments")
    environments = load_environments(folder)
    applications = {
        environment.name: DeepLensApplication(
            app,
            environment.name,
            environment=environment,
            models=HERE / "models",
            runtimes=HERE / ".local" / "runtime",
        )
        for environment in environments
    }
    pipeline = Path(app.node.try_get_context("delivery") or folder.parent / "delivery.toml")
    if delivered := load_delivery(pipeline, environments):
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
