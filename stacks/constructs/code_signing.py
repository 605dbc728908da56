"""Lambda code signing: AWS refuses code that the named signing profile did not sign."""

from aws_cdk import Stack, Stage, aws_lambda
from constructs import IConstruct


def enforce_code_signing(stage: Stage, profile_version: str) -> None:
    """Let Lambda refuse unsigned code, for every function of a stage; its layers count too."""
    stacks = [one for one in stage.node.find_all() if isinstance(one, Stack)]
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
    return [one for one in stack.node.find_all() if isinstance(one, aws_lambda.CfnFunction)]
