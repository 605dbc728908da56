"""Every environment of environments/*.toml, one Stage each.

`cdk synth -c environments=FOLDER` takes the files of another folder.
"""

import sys
from pathlib import Path

from aws_cdk import App, Validations
from cdk_nag import AwsSolutionsChecks

from stacks.application import DeepLensApplication
from stacks.config import ConfigError, load_environments

HERE = Path(__file__).resolve().parent

try:
    app = App()
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    folder = Path(app.node.try_get_context("environments") or HERE / "environments")
    for environment in load_environments(folder):
        DeepLensApplication(app, environment.name, environment=environment, models=HERE / "models")
    app.synth()
except ConfigError as error:
    sys.exit(f"{error}")
