"""The command line of model_tools.

Exit codes: 0 done, 1 the work failed, 2 wrong usage or input.
"""

import os
import sys

import click

from model_tools.commands.bench import bench
from model_tools.commands.errors import ReportingGroup
from model_tools.commands.freeze import freeze
from model_tools.commands.host_package import host_package
from model_tools.commands.inspect import inspect
from model_tools.commands.invoke import invoke
from model_tools.commands.keys import keys
from model_tools.commands.models import models
from model_tools.commands.package import package
from model_tools.commands.pin import pin
from model_tools.commands.predict import predict
from model_tools.commands.serve import serve
from model_tools.commands.serve_container import serve_container
from model_tools.commands.sign import sign, verify_signature
from model_tools.commands.train import scenes, train
from model_tools.commands.verify import verify


@click.group(cls=ReportingGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="deeplens-tensorflow")
def main() -> None:
    """Turn trained models into verified, frozen artifacts.

    Exit codes: 0 done, 1 the work failed, 2 wrong usage or input.
    """
    # TensorFlow reads these when it is imported.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")


for command in (
    *(inspect, freeze, package, verify, predict, bench, train, scenes, pin, models),
    *(keys, sign, verify_signature),
    *(host_package, serve, serve_container, invoke),
):
    main.add_command(command)


if __name__ == "__main__":
    sys.exit(main())
