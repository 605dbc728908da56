"""A plain Lambda function behind a custom resource, one per kind, with its own least privilege."""

from collections.abc import Sequence
from pathlib import Path

from aws_cdk import Duration, aws_iam, aws_lambda
from constructs import Construct

from stacks.constructs.findings import (
    accept_of_function,
    accept_python_3_12,
    accept_wildcards,
)
from stacks.constructs.service_role import ServiceLog, lambda_role

SOURCES = Path(__file__).resolve().parents[2] / "lambda_src" / "custom_resources"
NOT_SOURCE = ["**/__pycache__", "**/*.pyc"]

_LOG_RETENTION_DAYS = 90


class CustomResourceHandler(Construct):
    """Runs `<package>.handler` of lambda_src/custom_resources."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        package: str,
        statements: Sequence[aws_iam.PolicyStatement],
        wildcard_reason: str,
        timeout_seconds: int,
        layers: Sequence[aws_lambda.ILayerVersion] = (),
    ) -> None:
        super().__init__(scope, id_)
        log_group = ServiceLog(self, "Log", retention_days=_LOG_RETENTION_DAYS)
        self.role = lambda_role(self, "Role", log_group=log_group, statements=statements)
        accept_wildcards(self, statements, wildcard_reason)
        self.function = aws_lambda.Function(
            self,
            "Function",
            description=f"Custom resource {package}",
            runtime=aws_lambda.Runtime.PYTHON_3_12,
            architecture=aws_lambda.Architecture.X86_64,
            code=aws_lambda.Code.from_asset(str(SOURCES), exclude=NOT_SOURCE),
            handler=f"{package}.handler",
            timeout=Duration.seconds(timeout_seconds),
            memory_size=512,
            layers=list(layers) or None,
            role=self.role,
            log_group=log_group,
        )
        accept_python_3_12(self.function)
        accept_of_function(
            self.function,
            no_limit="CloudFormation calls it a few times in a deploy, and a reserved share would "
            "be taken from the rest of the account",
            no_queue="CloudFormation waits for its answer and fails the stack without one; nobody "
            "would read a queue",
        )

    @property
    def service_token(self) -> str:
        """What a custom resource names as its provider."""
        return self.function.function_arn
