"""The code of each Lambda function: its sources, and the shared packages that it imports."""

from functools import cache

from aws_cdk import aws_lambda

from stacks.constructs.archives import LAMBDA_SOURCES, shared, sources, zip_archive
from stacks.constructs.file_assets import StagedFile

INFERENCE_ARCHIVE_NAME = "function.zip"


def inference_members() -> dict[str, bytes]:
    """Return the files of the camera's function."""
    packages = shared("artifact", "messages", "printable", "signatures", "vision")
    return sources(LAMBDA_SOURCES / "inference") | packages


def custom_resources_members() -> dict[str, bytes]:
    """Return the files of all custom resources; `shared.signatures` is in a layer."""
    return sources(LAMBDA_SOURCES / "custom_resources") | shared("fleet", "messages", "printable")


def fleet_metrics_members() -> dict[str, bytes]:
    """Return the files of the function that writes metrics."""
    return sources(LAMBDA_SOURCES, "fleet_metrics") | shared("messages", "printable")


@cache
def inference_archive() -> StagedFile:
    """Pack the camera's function, for Lambda and for a generic component."""
    return zip_archive(INFERENCE_ARCHIVE_NAME, inference_members())


@cache
def custom_resources_archive() -> StagedFile:
    """Pack the function of all custom resources."""
    return zip_archive("custom_resources.zip", custom_resources_members())


@cache
def fleet_metrics_archive() -> StagedFile:
    """Pack the function that writes metrics."""
    return zip_archive("fleet_metrics.zip", fleet_metrics_members())


def code(archive: StagedFile) -> aws_lambda.Code:
    """Return the code of a function from an archive, which CDK does not hash again."""
    return aws_lambda.Code.from_asset(str(archive.path), asset_hash=archive.digest)
