"""This project's application with CDK's default synthesis, without any optimization.

The application builds every environment and validates every template, like an `app.py` of
`cdk init`. The stacks and cdk-nag rules are those of `app.py`, but the application does not use
`stacks/synthesis.py`.
"""

import os
import sys
from pathlib import Path

from aws_cdk import App, Validations
from cdk_nag import AwsSolutionsChecks

from deeplens.config import ConfigError, load_delivery, load_environments
from stacks.application import DeepLensApplication
from stacks.delivery_stack import DeliveryStack

ROOT = Path(__file__).resolve().parents[2]

try:
    # This setting is not an optimization: stack traces contain folders of this machine.
    app = App(context={"aws:cdk:disable-stack-trace": True})
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    folder = app.node.try_get_context("environments") or os.environ.get("ENVIRONMENTS")
    environments = load_environments(Path(folder or ROOT / "environments"))
    stages = {
        environment.name: DeepLensApplication(
            app, environment, models=ROOT / "models", runtimes=ROOT / ".local" / "runtime"
        )
        for environment in environments
    }
    pipeline = app.node.try_get_context("delivery")
    if pipeline and (loaded := load_delivery(Path(pipeline), environments)):
        delivery, order = loaded
        DeliveryStack(app, delivery, stages=[stages[environment.name] for environment in order])
    app.synth()
except ConfigError as error:
    sys.exit(f"{error}")
