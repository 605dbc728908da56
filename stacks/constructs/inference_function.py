"""The device function: published versions of lambda_src/inference, with DeepLens' name prefix."""

from aws_cdk import Duration, RemovalPolicy, aws_lambda
from constructs import Construct

from deeplens.config import EnvironmentConfig
from stacks.constructs.function_code import code, inference_archive
from stacks.constructs.lambda_defaults import ARCHITECTURE, RUNTIME
from stacks.constructs.scanner_suppressions import (
    suppress_lambda_findings,
    suppress_python_runtime_finding,
)
from stacks.constructs.service_role import ServiceLog, lambda_role

_TIMEOUT = Duration.seconds(60)


def function_name(environment: str) -> str:
    """Return the name of an environment's device function.

    DeepLens lists only functions whose names start with "deeplens".
    """
    return f"deeplens-{environment}-inference"


class InferenceFunction(Construct):
    """A function that runs only on cameras; Lambda publishes and retains its versions."""

    def __init__(self, scope: Construct, id_: str, *, environment: EnvironmentConfig) -> None:
        super().__init__(scope, id_)
        log_group = ServiceLog(self, "Log", retention_days=environment.inference.log_retention_days)
        role = lambda_role(self, "Role", account=environment.account, log_group=log_group)
        function = aws_lambda.Function(
            self,
            "Function",
            function_name=function_name(environment.name),
            description="Frame → inference → message, on a camera",
            runtime=RUNTIME,
            architecture=ARCHITECTURE,
            code=code(inference_archive()),
            handler="handler.lambda_handler",
            timeout=_TIMEOUT,
            role=role,
            log_group=log_group,
            current_version_options=aws_lambda.VersionOptions(removal_policy=RemovalPolicy.RETAIN),
        )
        suppress_python_runtime_finding(function)
        suppress_lambda_findings(
            function,
            no_limit="it is published for cameras and never called in the cloud",
            no_queue="it is published for cameras and never called in the cloud",
        )
        published = function.current_version
        self.version_arn = published.function_arn
        self.version = published.version
        self.source_hash = inference_archive().digest
