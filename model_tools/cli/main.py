"""The command line of model_tools.

Exit codes: 0 success, 1 the command failed, 2 wrong usage or input.
"""

import os
import sys

import click

from model_tools.cli.bench import bench
from model_tools.cli.errors import ReportingGroup
from model_tools.cli.freeze import freeze
from model_tools.cli.host_package import host_package
from model_tools.cli.inspect import inspect
from model_tools.cli.invoke import invoke
from model_tools.cli.package import package
from model_tools.cli.predict import predict
from model_tools.cli.serve import serve
from model_tools.cli.serve_container import serve_container
from model_tools.cli.train import scenes, train
from model_tools.cli.verify import verify


@click.group(cls=ReportingGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="deeplens-tensorflow")
def main() -> None:
    """Convert trained models into verified, frozen artifacts.

    Exit codes: 0 success, 1 the command failed, 2 wrong usage or input.
    """
    # TensorFlow reads these variables when it is imported.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")


for command in (
    *(inspect, freeze, package, verify, predict, bench, train, scenes),
    *(host_package, serve, serve_container, invoke),
):
    main.add_command(command)


if __name__ == "__main__":
    sys.exit(main())
