"""The five roles that DeepLens fixed by name, for accounts that still use them.

AWS' own policies for them (`AWSLambdaFullAccess`, `AmazonSageMakerFullAccess`, every bucket that
starts with `deeplens`) are not used: each role has what its part of a project needs.

Source: AWS DeepLens Developer Guide, "IAM roles required by AWS DeepLens".
"""

from collections.abc import Sequence

from aws_cdk import Stack, aws_iam
from constructs import Construct

from stacks.constructs.findings import accept_wildcards
from stacks.constructs.model_bucket import ModelBucket
from stacks.constructs.service_role import service_principal

# DeepLens looks for its roles below this path.
_PATH = "/service-role/"


class DeepLensRoles(Construct):
    """Fixed names, one set per account."""

    def __init__(self, scope: Construct, id_: str, *, model_bucket: ModelBucket) -> None:
        super().__init__(scope, id_)
        read_functions = self._statement(
            "ReadDeepLensFunctions", ["lambda:GetFunction"], ["lambda", "function:deeplens-*"]
        )
        write_function_logs = self._statement(
            "WriteFunctionLogs",
            ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
            ["logs", "log-group:/aws/lambda/deeplens-*"],
        )
        write_device_logs = self._statement(
            "WriteDeviceLogs",
            ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
            ["logs", "log-group:/aws/greengrass/*"],
        )
        write_training_logs = self._statement(
            "WriteTrainingLogs",
            ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
            ["logs", "log-group:/aws/sagemaker/*"],
        )

        self._role("AWSDeepLensLambdaRole", ["lambda"], [write_function_logs])
        greengrass = self._role("AWSDeepLensGreengrassRole", ["greengrass"], [read_functions])
        group = self._role(
            "AWSDeepLensGreengrassGroupRole", ["greengrass", "lambda"], [write_device_logs]
        )
        service = self._role(
            "AWSDeepLensServiceRole",
            ["deeplens"],
            [read_functions, self._pass_to_greengrass([greengrass, group])],
        )
        training = self._role("AWSDeepLensSageMakerRole", ["sagemaker"], [write_training_logs])

        for role in (service, greengrass, group):
            model_bucket.grant_download(role)
        model_bucket.grant_work(training)

    def _role(
        self, name: str, services: Sequence[str], statements: Sequence[aws_iam.PolicyStatement]
    ) -> aws_iam.Role:
        principals = [service_principal(self, f"{one}.amazonaws.com") for one in services]
        role = aws_iam.Role(
            self,
            name,
            role_name=name,
            path=_PATH,
            assumed_by=aws_iam.CompositePrincipal(*principals),
            managed_policies=[aws_iam.ManagedPolicy(self, f"{name}Policy", statements=statements)],
        )
        accept_wildcards(
            self, statements, "functions and log groups of DeepLens are an open set by prefix"
        )
        return role

    def _pass_to_greengrass(self, roles: Sequence[aws_iam.Role]) -> aws_iam.PolicyStatement:
        return aws_iam.PolicyStatement(
            sid="PassGreengrassRoles",
            actions=["iam:PassRole"],
            resources=[role.role_arn for role in roles],
            conditions={"StringEquals": {"iam:PassedToService": "greengrass.amazonaws.com"}},
        )

    def _statement(
        self, sid: str, actions: list[str], resource: list[str]
    ) -> aws_iam.PolicyStatement:
        service, name = resource
        arn = Stack.of(self).format_arn(service=service, resource=name)
        return aws_iam.PolicyStatement(sid=sid, actions=actions, resources=[arn])
