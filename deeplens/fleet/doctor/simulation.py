"""Simulation of selected actions that CloudFormation's role needs for an environment's stacks."""

from collections.abc import Iterator
from typing import Any

from deeplens.config import EnvironmentConfig
from deeplens.fleet import toolkit
from deeplens.fleet.doctor.findings import Finding, Outcome, Patient

_CHECK = "CloudFormation's rights"


def rights(patient: Patient) -> Iterator[Finding]:
    """Check by simulation that CloudFormation's role may perform the actions in `needed`."""
    client: Any = patient.session.boto_session.client("iam")
    environment = patient.session.environment
    role = toolkit.role_arn(environment.aws_environment, "cfn-exec")
    denied, number = [], 0
    try:
        for arn, actions in needed(environment):
            answer = client.simulate_principal_policy(
                PolicySourceArn=role, ActionNames=actions, ResourceArns=[arn]
            )
            number += len(actions)
            denied += [
                f"{result['EvalActionName']} on {arn}"
                for result in answer["EvaluationResults"]
                if result["EvalDecision"] != "allowed"
            ]
    except client.exceptions.NoSuchEntityException:
        # The check of the role itself reports the missing role.
        yield Finding(_CHECK, Outcome.NOT_CHECKED, f"the role {role} does not exist")
        return
    if denied:
        yield Finding(
            _CHECK,
            Outcome.BLOCKED,
            f"{len(denied)} of {number} actions are denied: {'; '.join(denied)}",
            "aws cloudformation deploy --stack-name DeepLensPolicies --capabilities "
            "CAPABILITY_NAMED_IAM --template-file policies/environment-account.yaml",
        )
        return
    yield Finding(_CHECK, Outcome.OK, f"IAM allows {number} actions that the stacks need")


def needed(environment: EnvironmentConfig) -> Iterator[tuple[str, list[str]]]:
    """Yield the ARN of each resource, and the actions on it to simulate.

    Actions that need a condition key are not simulated. If one of the simulated actions is denied,
    the error occurs late in a deployment, and the stack may be impossible to roll back or delete.
    """
    place, name = environment.aws_environment, environment.name
    iam = f"arn:{place.partition}:iam::{place.account}"
    yield (
        f"{iam}:role/{name}-Inference-Role",
        ["iam:GetRole", "iam:ListAttachedRolePolicies", "iam:ListRolePolicies", "iam:TagRole"],
    )
    yield (
        f"{iam}:policy/{name}-Inference-Policy",
        ["iam:CreatePolicy", "iam:DeletePolicy", "iam:ListEntitiesForPolicy"],
    )
    yield (
        place.s3_arn(environment.model_store.bucket_name),
        ["s3:CreateBucket", "s3:PutBucketPolicy", "s3:PutEncryptionConfiguration"],
    )
    yield (
        place.arn("lambda", f"function:{name}-Inference-Handler"),
        ["lambda:CreateFunction", "lambda:DeleteFunction", "lambda:UpdateFunctionCode"],
    )
    yield (
        place.arn("iot", f"thinggroup/{environment.fleet.thing_group}"),
        ["iot:CreateThingGroup", "iot:DeleteThingGroup"],
    )
    yield (
        place.arn("iot", f"rolealias/deeplens-{name}-token-exchange"),
        ["iot:CreateRoleAlias", "iot:DeleteRoleAlias"],
    )
    if environment.monitoring.enabled:
        yield (
            place.arn("cloudwatch", f"alarm:{name}-Monitoring-Alarm"),
            ["cloudwatch:DeleteAlarms", "cloudwatch:PutMetricAlarm"],
        )
