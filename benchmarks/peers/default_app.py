"""The project's own application as CDK runs it by default: the peer without any lever.

Every environment is built and every template validated, as an `app.py` of `cdk init` would; what
`app.py` of this checkout does to be faster is left out. The stacks and cdk-nag are the same.
"""

import os
import sys
from pathlib import Path

from aws_cdk import App, Validations
from cdk_nag import AwsSolutionsChecks

from deeplens.config import ConfigError, load_delivery, load_environments
from stacks.application import DeepLensApplication
from stacks.delivery_stack import Delivered, DeliveryStack

ROOT = Path(__file__).resolve().parents[2]

try:
    # No lever: as in app.py, traces would name the machine's folders in the assembly.
    app = App(context={"aws:cdk:disable-stack-trace": True})
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    folder = app.node.try_get_context("environments") or os.environ.get("ENVIRONMENTS")
    environments = load_environments(Path(folder or ROOT / "environments"))
    applications = {
        environment.name: DeepLensApplication(
            app,
            environment.name,
            environment=environment,
            models=ROOT / "models",
            runtimes=ROOT / ".local" / "runtime",
        )
        for environment in environments
    }
    pipeline = app.node.try_get_context("delivery")
    if pipeline and (delivered := load_delivery(Path(pipeline), environments)):
        delivery, order = delivered
        stages = [Delivered(one, applications[one.name]) for one in order]
        DeliveryStack(app, "Delivery", delivery=delivery, stages=stages)
    app.synth()
except ConfigError as error:
    sys.exit(f"{error}")
