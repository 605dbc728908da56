"""The device function: published versions of lambda_src/inference, under the name DeepLens asks."""

from pathlib import Path

from aws_cdk import Duration, FileSystem, IgnoreMode, RemovalPolicy, aws_lambda
from constructs import Construct

from stacks.constructs.custom_resource_handler import NOT_SOURCE
from stacks.constructs.findings import accept_of_function, accept_python_3_12
from stacks.constructs.service_role import ServiceLog, lambda_role

SOURCES = Path(__file__).resolve().parents[2] / "lambda_src" / "inference"


def function_name(environment: str) -> str:
    """Return the name of an environment's device function.

    DeepLens lists only functions whose names start with "deeplens".
    """
    return f"deeplens-{environment}-inference"


class InferenceFunction(Construct):
    """Runs on cameras only: in the cloud it is published, versioned and kept."""

    def __init__(
        self, scope: Construct, id_: str, *, environment: str, log_retention_days: int
    ) -> None:
        super().__init__(scope, id_)
        log_group = ServiceLog(self, "Log", retention_days=log_retention_days)
        role = lambda_role(self, "Role", log_group=log_group)
        function = aws_lambda.Function(
            self,
            "Function",
            function_name=function_name(environment),
            description="Frame → inference → message, on a camera",
            runtime=aws_lambda.Runtime.PYTHON_3_12,
            architecture=aws_lambda.Architecture.X86_64,
            code=aws_lambda.Code.from_asset(str(SOURCES), exclude=NOT_SOURCE),
            handler="handler.lambda_handler",
            timeout=Duration.seconds(60),
            role=role,
            log_group=log_group,
            current_version_options=aws_lambda.VersionOptions(removal_policy=RemovalPolicy.RETAIN),
        )
        accept_python_3_12(function)
        accept_of_function(
            function,
            no_limit="it is published for cameras and never called in the cloud",
            no_queue="it is published for cameras and never called in the cloud",
        )
        self.version_arn = function.current_version.function_arn
        self.version = function.current_version.version
        self.source_hash = FileSystem.fingerprint(
            str(SOURCES), exclude=NOT_SOURCE, ignore_mode=IgnoreMode.GLOB
        )
