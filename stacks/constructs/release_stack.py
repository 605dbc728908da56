"""The name and ARN of the stack that contains an environment's release."""

from aws_cdk import Stack, Stage
from constructs import Construct

from deeplens.config import AwsEnvironment
from stacks.constructs.iam import Statement


def release_stack_arn(scope: Construct, aws_environment: AwsEnvironment) -> str:
    """Return the pattern of the release stack's ARNs, `…:stack/NAME/*`."""
    return aws_environment.arn("cloudformation", f"stack/{release_stack_name(scope)}/*")


def release_stack_name(scope: Construct) -> str:
    """Return the name of the release stack of the environment that contains `scope`."""
    stage = Stage.of(scope)
    name = stage.stage_name if stage else Stack.of(scope).stack_name
    return f"{name}-Inference"


def describe_own_stack(scope: Construct, aws_environment: AwsEnvironment) -> Statement:
    """Return the permission to read the status of the release stack, for example a rollback."""
    return Statement(
        sid="SeeWhetherTheStackRollsBack",
        actions=["cloudformation:DescribeStacks"],
        resources=[release_stack_arn(scope, aws_environment)],
    )
