"""The stack of an environment that contains its release, as other stacks and policies name it."""

from aws_cdk import Stack, Stage
from constructs import Construct

from deeplens.config import Place
from stacks.constructs.statements import Statement


def release_stack_arn(scope: Construct, place: Place) -> str:
    """Return the pattern of the ARNs of the environment's release stack, `…:stack/NAME/*`."""
    return place.arn("cloudformation", f"stack/{release_stack_name(scope)}/*")


def release_stack_name(scope: Construct) -> str:
    """Return the name of the release stack of the environment that contains `scope`."""
    stage = Stage.of(scope)
    name = stage.stage_name if stage else Stack.of(scope).stack_name
    return f"{name}-Inference"


def see_roll_back(scope: Construct, place: Place) -> Statement:
    """Allow a handler to read whether CloudFormation rolls the release's stack back."""
    return Statement(
        sid="SeeWhetherTheStackRollsBack",
        actions=["cloudformation:DescribeStacks"],
        resources=[release_stack_arn(scope, place)],
    )
