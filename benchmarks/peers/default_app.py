"""The project's own application as CDK runs it by default: the peer without any lever.

Every environment is built and every template validated, as `app.py` of `cdk init` does it; what
`app.py` of this checkout does to be faster is left out. The stacks and cdk-nag are the same.
"""

import os
from pathlib import Path

from aws_cdk import App, Validations
from cdk_nag import AwsSolutionsChecks

from stacks.application import DeepLensApplication
from stacks.config import load_environments

ROOT = Path(__file__).resolve().parents[2]

# No lever: as in app.py, traces would name the machine's folders in the assembly.
app = App(context={"aws:cdk:disable-stack-trace": True})
Validations.of(app).add_plugins(AwsSolutionsChecks(app))
folder = app.node.try_get_context("environments") or os.environ.get("ENVIRONMENTS")
for environment in load_environments(Path(folder or ROOT / "environments")):
    DeepLensApplication(app, environment.name, environment=environment, models=ROOT / "models")
app.synth()
