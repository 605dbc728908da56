"""A Lambda function for each kind of custom resource, each with a least-privilege role."""

from collections.abc import Sequence

from aws_cdk import Duration, aws_lambda
from constructs import Construct

from stacks.constructs.function_code import code, custom_resources_archive
from stacks.constructs.iam import Statement
from stacks.constructs.lambda_defaults import ARCHITECTURE, RUNTIME
from stacks.constructs.scanner_suppressions import (
    suppress_lambda_findings,
    suppress_python_runtime_finding,
    suppress_wildcard_findings,
)
from stacks.constructs.service_role import ServiceLog, lambda_role

_LOG_RETENTION_DAYS = 90


class CustomResourceHandler(Construct):
    """A function with the handler `<package>.handler` of lambda_src/custom_resources."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        package: str,
        account: str,
        statements: Sequence[Statement],
        wildcard_reason: str,
        timeout: Duration,
        layers: Sequence[aws_lambda.ILayerVersion] = (),
    ) -> None:
        super().__init__(scope, id_)
        log_group = ServiceLog(self, "Log", retention_days=_LOG_RETENTION_DAYS)
        self.role = lambda_role(
            self, "Role", account=account, log_group=log_group, statements=statements
        )
        suppress_wildcard_findings(self, statements, wildcard_reason)
        function = aws_lambda.Function(
            self,
            "Function",
            description=f"Custom resource {package}",
            runtime=RUNTIME,
            architecture=ARCHITECTURE,
            code=code(custom_resources_archive()),
            handler=f"{package}.handler",
            timeout=timeout,
            memory_size=512,
            layers=list(layers) or None,
            role=self.role,
            log_group=log_group,
        )
        suppress_python_runtime_finding(function)
        suppress_lambda_findings(
            function,
            no_limit="CloudFormation calls it a few times in a deploy, and a reserved share would "
            "be taken from the rest of the account",
            no_queue="CloudFormation waits for its answer and fails the stack without one; nobody "
            "would read a queue",
        )
        # A template refers to the custom resource's function by this ARN.
        self.service_token = function.function_arn
