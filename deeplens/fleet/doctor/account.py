"""Checks of the account: identity, Region, and the resources of `cdk bootstrap`."""

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError, EndpointConnectionError

from deeplens.fleet import toolkit
from deeplens.fleet.doctor.findings import Finding, Outcome, Patient

# The shortest session duration that STS accepts.
_SESSION_SECONDS = 900
_ADMINISTRATOR = "AdministratorAccess"


def identity(patient: Patient) -> Iterator[Finding]:
    """Report the ARN of the caller; `open_session` has already checked the caller's account."""
    client: Any = patient.session.boto_session.client("sts")
    place = patient.session.environment.aws_environment
    text = f"{client.get_caller_identity()['Arn']} in account {place.account}"
    yield Finding("identity", Outcome.OK, text)


def region(patient: Patient) -> Iterator[Finding]:
    """Check that AWS IoT and Greengrass respond in the Region."""
    name = patient.session.environment.region
    try:
        for kind in ("iot:Data-ATS", "iot:CredentialProvider"):
            patient.session.iot.describe_endpoint(endpointType=kind)
        patient.session.greengrass.list_core_devices(maxResults=1)
    except EndpointConnectionError as error:
        yield Finding(
            "region",
            Outcome.BLOCKED,
            f"{name} does not respond ({error}): it has no such service, or is not enabled",
            f"aws account enable-region --region-name {name}",
        )
        return
    yield Finding("region", Outcome.OK, f"AWS IoT and Greengrass respond in {name}")


def bootstrap(patient: Patient) -> Iterator[Finding]:
    """Check that `cdk bootstrap` ran with this project's qualifier and a supported version."""
    client: Any = patient.session.boto_session.client("ssm")
    repair = toolkit.bootstrap_command(patient.session.environment.aws_environment)
    name = toolkit.VERSION_PARAMETER
    try:
        version = client.get_parameter(Name=name)["Parameter"]["Value"]
    except client.exceptions.ParameterNotFound:
        text = f"the SSM parameter {name} does not exist: the account is not bootstrapped"
        yield Finding("bootstrap", Outcome.BLOCKED, text, repair)
        return
    if not version.isdecimal() or int(version) < toolkit.LEAST_VERSION:
        text = f"version {version} is too old: expected {toolkit.LEAST_VERSION} or later"
        yield Finding("bootstrap", Outcome.BLOCKED, text, repair)
        return
    text = f"version {version} with the qualifier {toolkit.QUALIFIER}"
    yield Finding("bootstrap", Outcome.OK, text)


def deploy_role(patient: Patient) -> Iterator[Finding]:
    """Check that the caller may assume the roles that `cdk deploy` uses."""
    client: Any = patient.session.boto_session.client("sts")
    refused = []
    for purpose in ("deploy", "file-publishing"):
        arn = toolkit.role_arn(patient.session.environment.aws_environment, purpose)
        try:
            client.assume_role(
                RoleArn=arn, RoleSessionName="fleet-doctor", DurationSeconds=_SESSION_SECONDS
            )
        except ClientError as error:
            refused.append(f"{arn} ({error.response['Error']['Code']})")
    if refused:
        yield Finding(
            "deploy role",
            Outcome.WARNING,
            f"this identity cannot assume {', '.join(refused)}, so it cannot deploy",
            "attach policies/people/deploy.json to the identity that deploys",
        )
        return
    yield Finding("deploy role", Outcome.OK, "this identity may deploy")


def execution_role(patient: Patient) -> Iterator[Finding]:
    """Check that CloudFormation's role exists and has policies, but not AdministratorAccess."""
    client: Any = patient.session.boto_session.client("iam")
    arn = toolkit.role_arn(patient.session.environment.aws_environment, "cfn-exec")
    name = arn.rpartition("/")[2]
    try:
        pages = list(client.get_paginator("list_attached_role_policies").paginate(RoleName=name))
    except client.exceptions.NoSuchEntityException:
        repair = toolkit.bootstrap_command(patient.session.environment.aws_environment)
        text = f"the role {name} does not exist"
        yield Finding("CloudFormation role", Outcome.BLOCKED, text, repair)
        return
    attached = [
        policy["PolicyName"]
        for page in pages
        for policy in page["AttachedPolicies"]
        if policy["PolicyName"]
    ]
    repair = (
        f"{toolkit.bootstrap_command(patient.session.environment.aws_environment)} "
        "--cloudformation-execution-policies ARNS, as in docs/policies.md"
    )
    if not attached:
        text = f"{name} has no policy: CloudFormation can create nothing"
        yield Finding("CloudFormation role", Outcome.BLOCKED, text, repair)
        return
    if _ADMINISTRATOR in attached:
        text = f"{name} has {_ADMINISTRATOR}: more than the stacks need"
        yield Finding("CloudFormation role", Outcome.WARNING, text, repair)
        return
    yield Finding("CloudFormation role", Outcome.OK, f"has the policies {', '.join(attached)}")


def boundary(patient: Patient) -> Iterator[Finding]:
    """Check that the environment file sets a permissions boundary, and that the policy exists."""
    policy, place = (
        patient.session.environment.permissions_boundary,
        patient.session.environment.aws_environment,
    )
    if policy is None:
        text = f"{patient.name}.toml sets no permissions_boundary"
        repair = f'set permissions_boundary = "DeepLensBoundary" in {patient.name}.toml'
        yield Finding("boundary", Outcome.WARNING, text, repair)
        return
    arn = (
        policy
        if policy.startswith("arn:")
        else f"arn:{place.partition}:iam::{place.account}:policy/{policy}"
    )
    client: Any = patient.session.boto_session.client("iam")
    try:
        client.get_policy(PolicyArn=arn)
    except client.exceptions.NoSuchEntityException:
        text = f"permissions_boundary {policy}: the policy {arn} does not exist"
        repair = (
            "aws cloudformation deploy --stack-name DeepLensPolicies --capabilities "
            "CAPABILITY_NAMED_IAM --template-file policies/environment-account.yaml"
        )
        yield Finding("boundary", Outcome.BLOCKED, text, repair)
        return
    yield Finding("boundary", Outcome.OK, f"{arn} exists")
