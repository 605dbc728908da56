"""The five roles with DeepLens' fixed names, for accounts that still use them.

AWS' policies for these roles (`AWSLambdaFullAccess`, `AmazonSageMakerFullAccess`, and access to
every bucket that starts with `deeplens`) are not used. Each role has only the permissions that it
requires.

Source: AWS DeepLens Developer Guide, "IAM roles required by AWS DeepLens".
"""

from collections.abc import Sequence
from dataclasses import replace

from aws_cdk import aws_iam
from constructs import Construct

from deeplens.config import AwsEnvironment
from stacks.constructs.iam import Statement, managed_policy
from stacks.constructs.model_bucket import ModelBucket
from stacks.constructs.scanner_suppressions import suppress_wildcard_findings
from stacks.constructs.service_role import service_principal

# The path of the roles that DeepLens uses.
_PATH = "/service-role/"
_BY_OTHERS = "software of the account that still uses these roles; the project assumes none of them"


class DeepLensRoles(Construct):
    """The five DeepLens roles of one account."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        aws_environment: AwsEnvironment,
        model_bucket: ModelBucket,
    ) -> None:
        super().__init__(scope, id_)
        self._account = aws_environment.account
        read_functions = Statement(
            sid="ReadDeepLensFunctions",
            actions=["lambda:GetFunction"],
            resources=[aws_environment.arn("lambda", "function:deeplens-*")],
        )
        write_function_logs, write_device_logs, write_training_logs = (
            Statement(
                sid=f"Write{whose}Logs",
                actions=["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
                resources=[aws_environment.arn("logs", f"log-group:{prefix}*")],
            )
            for whose, prefix in (
                ("Function", "/aws/lambda/deeplens-"),
                ("Device", "/aws/greengrass/"),
                ("Training", "/aws/sagemaker/"),
            )
        )

        self._role("AWSDeepLensLambdaRole", ["lambda"], [write_function_logs])
        greengrass = self._role("AWSDeepLensGreengrassRole", ["greengrass"], [read_functions])
        group = self._role(
            "AWSDeepLensGreengrassGroupRole", ["greengrass", "lambda"], [write_device_logs]
        )
        service = self._role(
            "AWSDeepLensServiceRole",
            # The service has ended, and IAM rejects principals of services that do not exist.
            [],
            [read_functions, self._pass_to_greengrass([greengrass, group])],
        )
        training = self._role("AWSDeepLensSageMakerRole", ["sagemaker"], [write_training_logs])

        for role in (service, greengrass, group):
            model_bucket.grant_download(role, without_call=_BY_OTHERS)
        model_bucket.grant_work(training)

    def _role(
        self, name: str, services: Sequence[str], statements: Sequence[Statement]
    ) -> aws_iam.Role:
        """Create a role for services, or for principals of the account if `services` is empty."""
        principals: list[aws_iam.IPrincipal] = [
            service_principal(f"{service}.amazonaws.com", account=self._account)
            for service in services
        ] or [aws_iam.AccountPrincipal(self._account)]
        role = aws_iam.Role(
            self,
            name,
            role_name=name,
            path=_PATH,
            assumed_by=aws_iam.CompositePrincipal(*principals),
            managed_policies=[
                managed_policy(
                    self,
                    f"{name}Policy",
                    [replace(statement, without_call=_BY_OTHERS) for statement in statements],
                )
            ],
        )
        suppress_wildcard_findings(
            self, statements, "functions and log groups of DeepLens are an open set by prefix"
        )
        return role

    def _pass_to_greengrass(self, roles: Sequence[aws_iam.Role]) -> Statement:
        return Statement(
            sid="PassGreengrassRoles",
            actions=["iam:PassRole"],
            resources=[role.role_arn for role in roles],
            conditions={"StringEquals": {"iam:PassedToService": "greengrass.amazonaws.com"}},
        )
