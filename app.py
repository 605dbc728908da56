"""Every environment of environments/*.toml, one Stage each."""

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
    for environment in load_environments(HERE / "environments"):
        DeepLensApplication(app, environment.name, environment=environment, models=HERE / "models")
    app.synth()
except ConfigError as error:
    sys.exit(f"{error}")
