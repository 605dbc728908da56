"""Possible defects of an environment, each with its stack and resource."""

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from deeplens.policy import configured, violations
from deeplens.policy.violation import Violation
from tests.policy.conftest import Site

if TYPE_CHECKING:
    from deeplens.assembly import Stack

Template = dict[str, Any]
Defect = Callable[[Template], None]

ROLE, POLICY, BUCKET = "AWS::IAM::Role", "AWS::IAM::ManagedPolicy", "AWS::S3::Bucket"
BUCKET_POLICY, PROJECT = "AWS::S3::BucketPolicy", "Custom::DeepLensProject"
PIPELINE, QUEUE, RULE = "AWS::CodePipeline::Pipeline", "AWS::SQS::Queue", "AWS::Events::Rule"
STORE, DEVICES, INFERENCE = "full-ModelStore", "full-Devices", "full-Inference"
MONITORING, HOSTING, DELIVERY = "full-Monitoring", "full-Hosting", "Delivery"
PUBLIC = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*"}


def of(template: Template, type_: str, name: str = "") -> Template:
    """Return the properties of a type's first resource with `name` in its logical id."""
    return next(
        definition["Properties"]
        for logical_id, definition in template["Resources"].items()
        if definition["Type"] == type_ and name in logical_id
    )


def statements_of(template: Template, type_: str, name: str = "") -> list[Template]:
    """Return the statements of a type's first policy with `name` in its logical id."""
    statements: list[Template] = of(template, type_, name)["PolicyDocument"]["Statement"]
    return statements


def trust(template: Template) -> Template:
    statement: Template = of(template, ROLE)["AssumeRolePolicyDocument"]["Statement"][0]
    return statement


def by_sid(template: Template, sid: str) -> Template:
    return next(
        statement
        for statement in statements_of(template, BUCKET_POLICY, "ModelsBucket")
        if statement.get("Sid") == sid
    )


def lifecycle(template: Template, **rule: Any) -> None:
    rules = of(template, BUCKET, "ModelsBucket")["LifecycleConfiguration"]["Rules"]
    rules.append({"Status": "Enabled", **rule})


def set_rule(template: Template, **values: float) -> None:
    project = of(template, PROJECT)
    plan = json.loads(project["Rollout"])
    plan["rule"].update(values)
    project["Rollout"] = json.dumps(plan)


def stage(template: Template, name: str) -> Template:
    return next(stage for stage in of(template, PIPELINE)["Stages"] if stage["Name"] == name)


def without(template: Template, name: str, provider: str, action: str = "") -> None:
    changed = stage(template, name)
    before = changed["Actions"]
    changed["Actions"] = [
        candidate
        for candidate in before
        if candidate["ActionTypeId"]["Provider"] != provider or action not in candidate["Name"]
    ]
    assert len(changed["Actions"]) < len(before)


def order(template: Template, name: str, provider: str, value: int) -> None:
    for action in stage(template, name)["Actions"]:
        if action["ActionTypeId"]["Provider"] == provider:
            action["RunOrder"] = value


def variables(template: Template, **values: str) -> None:
    function = of(template, "AWS::Lambda::Function", "Function")
    function.setdefault("Environment", {}).setdefault("Variables", {}).update(values)


def without_boundary(template: Template) -> None:
    of(template, ROLE).pop("PermissionsBoundary")


def attach(template: Template, action: str) -> None:
    """Attach a policy resource that allows an action to every role."""
    roles = [
        name for name, definition in template["Resources"].items() if definition["Type"] == ROLE
    ]
    statement = {"Effect": "Allow", "Action": action, "Resource": "*"}
    for role in roles:
        template["Resources"][f"{role}Added"] = {
            "Type": "AWS::IAM::RolePolicy",
            "Properties": {
                "PolicyName": "added",
                "RoleName": {"Ref": role},
                "PolicyDocument": {"Statement": [statement]},
            },
        }


def exempt(template: Template, arn: str) -> None:
    for statement in statements_of(template, BUCKET_POLICY, "ModelsBucket"):
        if "ArnNotEquals" in statement.get("Condition", {}):
            statement["Condition"] = {"ArnNotEquals": {"aws:PrincipalArn": arn}}


def warn(template: Template) -> None:
    config = of(template, "AWS::Lambda::CodeSigningConfig")
    config["CodeSigningPolicies"]["UntrustedArtifactOnDeployment"] = "Warn"


def narrow_tls(template: Template) -> None:
    for statement in statements_of(template, BUCKET_POLICY, "ModelsBucket"):
        if "aws:SecureTransport" in json.dumps(statement):
            statement["Action"] = "s3:GetBucketLocation"


def half_tls(template: Template) -> None:
    for statement in statements_of(template, BUCKET_POLICY, "ModelsBucket"):
        if "aws:SecureTransport" in json.dumps(statement):
            statement["Resource"] = statement["Resource"][0]


DEFECTS: list[tuple[str, str, Defect]] = [
    # Defects in settings of the environment file
    ("object-lock", STORE, lambda t: of(t, BUCKET, "ModelsBucket").pop("ObjectLockConfiguration")),
    ("object-lock", STORE, lambda t: of(t, BUCKET, "ModelsBucket").pop("ObjectLockEnabled")),
    ("object-lock", STORE, lambda t: of(t, BUCKET, "ModelsBucket")["ObjectLockConfiguration"][
        "Rule"]["DefaultRetention"].update(Days=1)),
    ("signed-code", INFERENCE, warn),
    ("signed-code", STORE, lambda t: of(t, "AWS::Lambda::Function").pop("CodeSigningConfigArn")),
    ("bounded-roles", INFERENCE, without_boundary),
    ("bounded-roles", MONITORING, lambda t: of(t, ROLE).update(PermissionsBoundary={
        "Fn::Sub": "arn:aws:iam::444444444444:policy/Another"})),
    ("approvals-stay", DELIVERY, lambda t: without(t, "production", "Manual")),
    # Defects in permissions
    ("no-inverted-allow", INFERENCE, lambda t: statements_of(t, POLICY).append(
        {"Effect": "Allow", "NotAction": "iam:*", "Resource": "arn:aws:s3:::x"})),
    ("no-inverted-allow", STORE, lambda t: statements_of(t, POLICY).append(
        {"Effect": "Allow", "Action": "s3:GetObject", "NotResource": "arn:aws:s3:::x"})),
    ("no-inverted-allow", STORE, lambda t: statements_of(t, BUCKET_POLICY).append(
        {"Effect": "Allow", "NotPrincipal": {"AWS": "x"}, "Action": "s3:GetObject",
         "Resource": "x"})),
    ("no-public-access", STORE, lambda t: statements_of(t, BUCKET_POLICY, "ModelsBucket").append(
        PUBLIC)),
    ("no-public-access", STORE, lambda t: statements_of(t, BUCKET_POLICY, "AccessLogs").append(
        {**PUBLIC, "Principal": {"AWS": ["*"]}})),
    ("no-public-access", MONITORING, lambda t: statements_of(t, "AWS::SNS::TopicPolicy")[1].update(
        Principal="*")),
    ("no-public-access", MONITORING, lambda t: statements_of(t, "AWS::SQS::QueuePolicy")[1].update(
        Principal={"AWS": "*"})),
    ("no-public-access", MONITORING, lambda t: of(t, "AWS::Lambda::Permission").update(
        Principal="*")),
    ("trust-condition", MONITORING, lambda t: trust(t).update(Condition={
        "StringEquals": {"aws:SourceAccount": "444444444444"},
        "ArnLike": {"aws:SourceArn": "*"}})),
    ("trust-condition", MONITORING, lambda t: trust(t).update(Condition={
        "StringEquals": {"aws:SourceAccount": "444444444444"},
        "ArnLike": {"aws:SourceArn": "arn:aws:*:*:*:*"}})),
    ("trust-condition", MONITORING, lambda t: trust(t).update(Condition={
        "StringEquals": {"aws:SourceAccount": "555555555555"}})),
    ("trust-condition", MONITORING, lambda t: trust(t).update(Condition={
        "StringEqualsIfExists": {"aws:SourceAccount": "444444444444"}})),
    ("function-callers", MONITORING, lambda t: of(t, "AWS::Lambda::Permission").update(
        SourceArn="*")),
    # Defects in storage
    ("tls-only", STORE, narrow_tls),
    ("tls-only", STORE, half_tls),
    ("tls-only", DELIVERY, lambda t: statements_of(t, BUCKET_POLICY, "Artifacts")[0].update(
        Principal={"AWS": "arn:aws:iam::999999999999:root"})),
    ("written-once", STORE, lambda t: by_sid(t, "OnlyThePublisherWritesComponents").update(
        Condition={"ArnNotEquals": {"aws:PrincipalArn": "arn:aws:iam::444444444444:role/*"}})),
    ("written-once", STORE, lambda t: by_sid(t, "OnlyThePublisherWritesComponents")[
        "Condition"].update(Bool={"aws:SecureTransport": "false"})),
    ("written-once", STORE, lambda t: by_sid(t, "ComponentsAreKept").update(
        Principal={"AWS": "arn:aws:iam::444444444444:root"})),
    ("components-not-archived", STORE, lambda t: lifecycle(t, Transitions=[
        {"StorageClass": "GLACIER", "TransitionInDays": 30}])),
    ("components-not-archived", STORE, lambda t: lifecycle(
        t, Prefix="components/shapes/", NoncurrentVersionTransitions=[
            {"StorageClass": "DEEP_ARCHIVE", "TransitionInDays": 30}])),
    ("components-not-archived", STORE, lambda t: of(t, BUCKET, "ModelsBucket").update(
        IntelligentTieringConfigurations=[{"Id": "x", "Status": "Enabled", "Tierings": []}])),
    ("logged-access", DELIVERY, lambda t: of(t, BUCKET, "Artifacts").pop("LoggingConfiguration")),
    ("artifacts-expire", DELIVERY, lambda t: of(t, BUCKET, "Artifacts").pop(
        "LifecycleConfiguration")),
    # Defects in components and functions
    ("artifact-digests", INFERENCE, lambda t: of(t, "Custom::GreengrassComponent", "Model").update(
        ArtifactSha256={})),
    ("artifact-digests", INFERENCE, lambda t: of(t, "Custom::GreengrassComponent", "Model").pop(
        "ArtifactSha256")),
    ("gate-asks-devices", INFERENCE, lambda t: set_rule(t, success_percent=0)),
    ("gate-asks-devices", INFERENCE, lambda t: set_rule(t, error_percent=100)),
    ("endpoint-key", HOSTING, lambda t: of(t, "AWS::SageMaker::EndpointConfig").pop("KmsKeyId")),
    ("no-secrets", MONITORING, lambda t: variables(t, DB_PASSWORD="hunter2")),
    ("no-secrets", INFERENCE, lambda t: variables(t, MQTT_AUTH_TOKEN="0123456789")),
    ("no-secrets", MONITORING, lambda t: variables(t, HOOK="xoxb-123456789012-abcdefghij")),
    ("no-secrets", MONITORING, lambda t: variables(t, CAMERA_PWD="hunter2")),
    ("no-secrets", MONITORING, lambda t: variables(
        t, CAMERA="http://192.0.2.7/video.cgi?user=admin&pwd=888888")),
    ("no-secrets", MONITORING, lambda t: variables(t, CAMERA="rtsp://admin:888888@192.0.2.7/1")),
    ("no-secrets", DELIVERY, lambda t: of(t, "AWS::CodeBuild::Project")["Environment"].update(
        EnvironmentVariables=[{"Name": "API_KEY", "Type": "PLAINTEXT", "Value": "0123"}])),
    ("no-privileged-builds", DELIVERY, lambda t: of(t, "AWS::CodeBuild::Project")[
        "Environment"].update(PrivilegedMode=True)),
    # Defects in monitoring
    ("encrypted-topic", MONITORING, lambda t: statements_of(t, "AWS::SNS::TopicPolicy")[1].update(
        Action="*")),
    ("encrypted-topic", MONITORING, lambda t: statements_of(t, "AWS::SNS::TopicPolicy")[0].update(
        Action="sns:GetTopicAttributes")),
    ("undelivered-events", MONITORING, lambda t: of(t, RULE)["Targets"][0].pop(
        "DeadLetterConfig")),
    ("undelivered-events", MONITORING, lambda t: of(t, QUEUE).update(SqsManagedSseEnabled=False)),
    ("undelivered-events", MONITORING, lambda t: statements_of(t, "AWS::SQS::QueuePolicy").pop()),
    ("undelivered-events", DELIVERY, lambda t: statements_of(t, "AWS::SQS::QueuePolicy")[1].pop(
        "Condition")),
    ("undelivered-events", DELIVERY, lambda t: statements_of(t, "AWS::SQS::QueuePolicy").pop(0)),
    # Defects in releases
    ("gates-follow-deploys", DELIVERY, lambda t: without(t, "staging", "CodeBuild", "Gate")),
    ("gates-follow-deploys", DELIVERY, lambda t: order(t, "staging", "CodeBuild", 1)),
    ("approvals-come-first", DELIVERY, lambda t: order(t, "production", "Manual", 3)),
    # Defects in other notations that IAM accepts
    ("no-action-wildcard", MONITORING, lambda t: attach(t, "s3:Get?bject")),
    ("no-action-wildcard", MONITORING, lambda t: attach(t, "s3:*")),
    ("no-resource-star", MONITORING, lambda t: attach(t, "s3:GetObject")),
    ("camera-role-reads", DEVICES, lambda t: attach(t, "s3:PutObject")),
    ("only-own-account", STORE, lambda t: statements_of(t, BUCKET_POLICY, "ModelsBucket").append(
        {**PUBLIC, "Principal": {"AWS": "222222222222"}})),
    ("written-once", STORE, lambda t: exempt(t, "arn:aws:iam::111111111111:role/pub?isher")),
]  # fmt: skip


def violations_with(site: Site, stack: str, defect: Defect) -> list[Violation]:
    """Return all violations after one stack receives a defect."""
    changed: dict[str, list[Stack]] = {}
    for environment, stacks in site.stacks.items():
        changed[environment] = [
            replace(candidate, template=copy.deepcopy(candidate.template))
            if candidate.name == stack
            else candidate
            for candidate in stacks
        ]
    (target,) = (
        candidate for stacks in changed.values() for candidate in stacks if candidate.name == stack
    )
    defect(target.template)
    of_templates = [violation for stacks in changed.values() for violation in violations(stacks)]
    return of_templates + configured.violations(site.environments, site.delivery, changed)
