"""Lambda code signing: Lambda rejects code without a signature of the signing profile."""

from aws_cdk import Stack, Stage, aws_lambda
from constructs import IConstruct


def enforce_code_signing(stage: Stage, profile_version: str) -> None:
    """Enforce signatures for the code and the layers of every function in a stage."""
    stacks = [node for node in stage.node.find_all() if isinstance(node, Stack)]
    for stack in stacks:
        functions = _functions(stack)
        if not functions:
            continue
        config = aws_lambda.CfnCodeSigningConfig(
            stack,
            "CodeSigning",
            description="Only what the release's signing profile signed",
            allowed_publishers=aws_lambda.CfnCodeSigningConfig.AllowedPublishersProperty(
                signing_profile_version_arns=[profile_version]
            ),
            code_signing_policies=aws_lambda.CfnCodeSigningConfig.CodeSigningPoliciesProperty(
                untrusted_artifact_on_deployment="Enforce"
            ),
        )
        for function in functions:
            function.code_signing_config_arn = config.attr_code_signing_config_arn


def _functions(stack: IConstruct) -> list[aws_lambda.CfnFunction]:
    return [node for node in stack.node.find_all() if isinstance(node, aws_lambda.CfnFunction)]
