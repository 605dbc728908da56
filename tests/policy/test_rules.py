"""Each rule accepts the deployed templates, and reports the mistake that it targets."""

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from deeplens.assembly import Stack
from deeplens.policy import RULES, violations
from deeplens.policy.storage import protected_state
from tests.policy.defects import DEFECTS

pytestmark = pytest.mark.process

Template = dict[str, Any]
Mistake = Callable[[Template], None]


def resource(template: Template, type_: str, name: str = "") -> dict[str, Any]:
    """Return a type's first resource with `name` in its logical id."""
    return next(
        definition
        for logical_id, definition in template["Resources"].items()
        if definition["Type"] == type_ and name in logical_id
    )


def properties(template: Template, type_: str, name: str = "") -> dict[str, Any]:
    content: dict[str, Any] = resource(template, type_, name)["Properties"]
    return content


def statement(template: Template, type_: str, name: str = "", index: int = 0) -> dict[str, Any]:
    document: dict[str, Any] = properties(template, type_, name)["PolicyDocument"]
    content: dict[str, Any] = document["Statement"][index]
    return content


def swap(template: Template, old: str, new: str) -> None:
    """Replace a string everywhere in a template."""
    content = json.dumps(template)
    assert old in content, old
    changed = json.loads(content.replace(old, new))
    template.clear()
    template.update(changed)


def add(template: Template, **new: Any) -> None:
    template["Resources"]["Added"] = new


POLICY, ROLE = "AWS::IAM::ManagedPolicy", "AWS::IAM::Role"
BUCKET, KEY, BUCKET_POLICY = "AWS::S3::Bucket", "AWS::KMS::Key", "AWS::S3::BucketPolicy"
COMPONENT, PROJECT = "Custom::GreengrassComponent", "Custom::DeepLensProject"
STORE, DEVICES, INFERENCE, MONITORING = "ModelStore", "Devices", "Inference", "Monitoring"
ALARM, TOPIC, TOPIC_RULE = "AWS::CloudWatch::Alarm", "AWS::SNS::Topic", "AWS::IoT::TopicRule"

MISTAKES: list[tuple[str, str, Mistake]] = [
    ("no-full-access", INFERENCE, lambda t: properties(t, ROLE)["ManagedPolicyArns"].append(
        "arn:aws:iam::aws:policy/AmazonS3FullAccess")),
    ("no-action-wildcard", INFERENCE, lambda t: statement(t, POLICY).update(Action="logs:*")),
    ("no-action-wildcard", STORE, lambda t: statement(t, POLICY, index=2).update(Action=["s3:*"])),
    ("no-resource-star", INFERENCE, lambda t: statement(t, POLICY).update(Resource="*")),
    ("trust-condition", INFERENCE, lambda t: properties(t, ROLE)["AssumeRolePolicyDocument"][
        "Statement"][0].pop("Condition")),
    ("no-open-trust", DEVICES, lambda t: properties(t, ROLE)["AssumeRolePolicyDocument"][
        "Statement"][0].update(Principal={"AWS": "*"})),
    ("no-users", DEVICES, lambda t: add(t, Type="AWS::IAM::User", Properties={})),
    ("no-physical-role-names", DEVICES, lambda t: properties(t, ROLE).update(RoleName="mine")),
    ("only-own-account", INFERENCE, lambda t: properties(t, PROJECT).update(
        TargetArn="arn:aws:iot:eu-central-1:999999999999:thinggroup/x")),
    ("certificate-actions", DEVICES, lambda t: statement(t, "AWS::IoT::Policy").update(
        Action="iot:CreateThing")),
    ("certificate-actions", DEVICES, lambda t: statement(t, "AWS::IoT::Policy").update(
        Action="iot:*")),
    ("own-name-only", DEVICES, lambda t: swap(
        t, "client/${iot:Connection.Thing.ThingName}#*", "client/*")),
    ("own-name-only", DEVICES, lambda t: swap(
        t, "client/${iot:Connection.Thing.ThingName}#*",
        "client/${iot:Connection.Thing.ThingName}*")),
    ("own-name-only", DEVICES, lambda t: swap(
        t, "topic/deeplens/${iot:Connection.Thing.ThingName}/infer",
        "topic/deeplens/${iot:Connection.Thing.ThingName}*")),
    ("own-name-only", DEVICES, lambda t: swap(
        t, "topic/deeplens/${iot:Connection.Thing.ThingName}/infer", "topic/deeplens/*")),
    ("data-plane-only", DEVICES, lambda t: statement(t, "AWS::IoT::Policy", index=4).update(
        Resource="*")),
    ("short-credentials", DEVICES, lambda t: properties(t, "AWS::IoT::RoleAlias").update(
        CredentialDurationSeconds=43200)),
    ("camera-role-reads", DEVICES, lambda t: statement(t, POLICY, "Download", 1).update(
        Action=["s3:GetObject", "s3:PutObject"])),
    ("camera-role-reads", DEVICES, lambda t: statement(t, POLICY, "Download", 1).update(
        Action="lambda:UpdateFunctionCode")),
    ("camera-role-own-bucket", DEVICES, lambda t: swap(t, ":::deeplens-dev-", ":::deeplens-prod-")),
    ("camera-role-own-bucket", DEVICES, lambda t: swap(t, "/components/*", "/*")),
    ("camera-role-key-by-s3", DEVICES, lambda t: statement(t, POLICY, "Download", 2).pop(
        "Condition")),
    ("no-secrets", DEVICES, lambda t: properties(t, ROLE).update(
        Description="-----BEGIN RSA PRIVATE KEY-----")),
    ("deeplens-bucket-name", STORE, lambda t: properties(t, BUCKET, "ModelsBucket").update(
        BucketName="models-of-mine")),
    ("private-bucket", STORE, lambda t: properties(t, BUCKET)[
        "PublicAccessBlockConfiguration"].update(BlockPublicPolicy=False)),
    ("private-bucket", STORE, lambda t: properties(t, BUCKET).pop("OwnershipControls")),
    ("retained-state", STORE, lambda t: resource(t, BUCKET, "ModelsBucket").update(
        DeletionPolicy="Delete")),
    ("retained-state", STORE, lambda t: resource(t, KEY).pop("UpdateReplacePolicy")),
    ("bucket-key", STORE, lambda t: properties(t, BUCKET, "ModelsBucket").pop("BucketEncryption")),
    ("bucket-key", STORE, lambda t: properties(t, BUCKET, "ModelsBucket").pop(
        "VersioningConfiguration")),
    ("bucket-key", STORE, lambda t: properties(t, BUCKET, "ModelsBucket").pop(
        "LoggingConfiguration")),
    ("rotated-key", STORE, lambda t: properties(t, KEY).update(EnableKeyRotation=False)),
    ("rotated-key", STORE, lambda t: properties(t, KEY)["KeyPolicy"]["Statement"][0].update(
        Principal={"AWS": "*"})),
    ("tls-only", STORE, lambda t: properties(t, BUCKET_POLICY, "ModelsBucket")["PolicyDocument"][
        "Statement"].pop(0)),
    ("tls-only", STORE, lambda t: swap(t, "s3:TlsVersion", "s3:signatureage")),
    ("written-once", STORE, lambda t: properties(t, BUCKET_POLICY, "ModelsBucket")[
        "PolicyDocument"]["Statement"].pop()),
    ("written-once", STORE, lambda t: swap(t, "s3:DeleteObjectVersion", "s3:GetObjectAcl")),
    ("components-never-expire", STORE, lambda t: properties(t, BUCKET, "ModelsBucket")[
        "LifecycleConfiguration"]["Rules"][0].update(
        NoncurrentVersionExpiration={"NoncurrentDays": 30})),
    ("components-never-expire", STORE, lambda t: properties(t, BUCKET, "ModelsBucket").update(
        LifecycleConfiguration={"Rules": [{"Status": "Enabled", "ExpirationInDays": 30}]})),
    ("components-never-expire", STORE, lambda t: properties(t, BUCKET, "ModelsBucket").update(
        LifecycleConfiguration={"Rules": [
            {"Status": "Enabled", "ExpirationInDays": 30, "Prefix": "components/old"}]})),
    ("no-greengrass-v1", INFERENCE, lambda t: add(
        t, Type="AWS::Greengrass::Group", Properties={})),
    ("own-greengrass-resources", INFERENCE, lambda t: add(
        t, Type="AWS::GreengrassV2::Deployment", Properties={})),
    ("function-name", INFERENCE, lambda t: swap(
        t, '"FunctionName": "deeplens-dev-inference"', '"FunctionName": "inference"')),
    ("function-runtime", INFERENCE, lambda t: swap(t, "python3.12", "python3.13")),
    ("published-versions", INFERENCE, lambda t: resource(t, "AWS::Lambda::Version").update(
        DeletionPolicy="Delete")),
    ("published-versions", INFERENCE, lambda t: properties(t, COMPONENT, "Inference").update(
        LambdaFunction=json.dumps({
            "lambdaArn": "arn:aws:lambda:eu-central-1:111111111111:function:f:$LATEST",
            "componentName": "x", "componentLambdaParameters": {
                "pinned": True, "environmentVariables": {"DEEPLENS_MODEL_DIGEST": "0"},
                "linuxProcessParams": {"isolationMode": "NoContainer"}}}))),
    ("recipe-form", INFERENCE, lambda t: swap(t, "RecipeFormatVersion", "FormatVersion")),
    ("recipe-form", INFERENCE, lambda t: swap(
        t, "TensorFlow model shapes", "TensorFlow model " + "x" * 20_000)),
    ("recipe-form", INFERENCE, lambda t: swap(
        t, 'Unarchive\\": \\"ZIP', 'Unarchive\\": \\"TAR')),
    ("recipe-form", INFERENCE, lambda t: swap(t, 'Read\\": \\"ALL', 'Read\\": \\"OWNER')),
    ("exact-artifacts", INFERENCE, lambda t: swap(t, "s3://deeplens-dev-", "s3://deeplens-other-")),
    ("exact-artifacts", INFERENCE, lambda t: swap(t, "/components/shapes/", "/latest/shapes/")),
    ("pinned-dependencies", INFERENCE, lambda t: swap(
        t, 'versionRequirement\\":\\"=', 'versionRequirement\\":\\">=')),
    ("camera-loop", INFERENCE, lambda t: swap(t, 'pinned\\":true', 'pinned\\":false')),
    ("camera-loop", INFERENCE, lambda t: swap(t, "NoContainer", "GreengrassContainer")),
    ("camera-loop", INFERENCE, lambda t: swap(t, "DEEPLENS_MODEL_DIGEST", "DEEPLENS_DIGEST")),
    ("one-digest", INFERENCE, lambda t: properties(t, PROJECT).update(ModelDigest="0" * 64)),
    ("one-digest", INFERENCE, lambda t: properties(t, "Custom::ModelArtifact").update(
        Sha256="0" * 64)),
    ("complete-deployments", INFERENCE, lambda t: swap(
        t, 'aws.greengrass.Nucleus\\"', 'aws.greengrass.NucleusLite\\"')),
    ("complete-deployments", INFERENCE, lambda t: swap(
        t, 'LambdaManager\\":{\\"componentVersion\\":\\"2.3.7',
        'LambdaManager\\":{\\"componentVersion\\":\\">=2.3.0')),
    ("own-topics", INFERENCE, lambda t: swap(t, "{iot:thingName}/shadow/name", "+/shadow/name")),
    ("own-topics", INFERENCE, lambda t: swap(t, "shadow/name/deeplens/get", "jobs/start-next")),
    ("own-topics", INFERENCE, lambda t: swap(t, "#PublishToIoTCore", "#PublishToTopic")),
    ("devices-roll-back", INFERENCE, lambda t: swap(t, "ROLLBACK", "DO_NOTHING")),
    ("log-retention", INFERENCE, lambda t: properties(t, "AWS::Logs::LogGroup").pop(
        "RetentionInDays")),
    ("log-retention", MONITORING, lambda t: properties(t, "AWS::Logs::LogGroup").pop(
        "RetentionInDays")),
    ("alarms-notify", MONITORING, lambda t: properties(t, ALARM, "Latency").pop("AlarmActions")),
    ("alarms-notify", MONITORING, lambda t: properties(t, ALARM).update(
        OKActions=["arn:aws:sns:eu-central-1:111111111111:elsewhere"])),
    ("alarms-notify", MONITORING, lambda t: properties(t, ALARM).update(ActionsEnabled=False)),
    ("heartbeat-alarms", MONITORING, lambda t: properties(t, ALARM, "NoHeartbeat").update(
        TreatMissingData="missing")),
    ("heartbeat-alarms", MONITORING, lambda t: properties(t, ALARM, "NoHeartbeat").update(
        MetricName="Failing")),
    ("heartbeat-alarms", DEVICES, lambda t: add(
        t, Type="AWS::IoT::Thing", Properties={"ThingName": "new-camera"})),
    ("encrypted-topic", MONITORING, lambda t: properties(t, TOPIC).pop("KmsMasterKeyId")),
    ("encrypted-topic", MONITORING, lambda t: properties(t, TOPIC).update(
        KmsMasterKeyId="alias/aws/sns")),
    ("encrypted-topic", MONITORING, lambda t: statement(t, "AWS::SNS::TopicPolicy").update(
        Condition={})),
    ("encrypted-topic", MONITORING, lambda t: statement(
        t, "AWS::SNS::TopicPolicy", index=1).pop("Condition")),
    ("topic-rules", MONITORING, lambda t: properties(t, TOPIC_RULE)["TopicRulePayload"].update(
        RuleDisabled=True)),
    ("topic-rules", MONITORING, lambda t: properties(t, TOPIC_RULE)["TopicRulePayload"].pop(
        "ErrorAction")),
    ("topic-rules", MONITORING, lambda t: swap(t, "FROM 'deeplens/+/infer'", "FROM '#'")),
    ("topic-rules", MONITORING, lambda t: swap(t, " WHERE regexp_matches", " IF regexp_matches")),
    ("function-callers", MONITORING, lambda t: properties(t, "AWS::Lambda::Permission").pop(
        "SourceArn")),
    ("reasons-given", STORE, lambda t: resource(t, "AWS::Lambda::Function").update(
        Metadata={"checkov": {"skip": [{"id": "CKV_AWS_117", "comment": ""}]}})),
    ("rotated-key", MONITORING, lambda t: properties(t, KEY).update(EnableKeyRotation=False)),
]  # fmt: skip


def test_deployed_templates_violate_no_rule(environments: dict[str, list[Stack]]) -> None:
    assert sorted(environments) == ["dev", "production", "staging"]
    for name, stacks in environments.items():
        assert [str(violation) for violation in violations(stacks)] == [], name


def with_mistake(stacks: list[Stack], name: str, mistake: Mistake) -> list[Stack]:
    """Return copies of the stacks, with the mistake in every stack whose name ends with `name`."""
    changed = []
    for stack in stacks:
        template = stack.template
        if stack.name.endswith(name):
            template = copy.deepcopy(template)
            mistake(template)
        changed.append(replace(stack, template=template))
    return changed


@pytest.mark.parametrize(
    ("rule", "stack", "mistake"),
    MISTAKES,
    ids=[f"{number}-{rule}" for number, (rule, _, _) in enumerate(MISTAKES)],
)
def test_a_mistake_is_a_violation_with_advice(
    environments: dict[str, list[Stack]], rule: str, stack: str, mistake: Mistake
) -> None:
    changed = with_mistake(environments["dev"], stack, mistake)
    of_rule = [violation for violation in violations(changed) if violation.rule == rule]
    assert of_rule
    assert all(violation.stack.endswith(stack) for violation in of_rule)
    assert all(len(violation.advice) > 10 for violation in of_rule)


def test_production_requires_termination_protection(
    environments: dict[str, list[Stack]],
) -> None:
    changed = [replace(stack, termination_protection=False) for stack in environments["production"]]
    assert {violation.rule for violation in violations(changed)} == {"protected-state"}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [("dev", set()), ("dev-eu", set()), ("devops", {"protected-state"})],
)
def test_only_development_may_omit_termination_protection(
    environments: dict[str, list[Stack]], environment: str, expected: set[str]
) -> None:
    changed = [
        replace(
            stack,
            name=stack.name.replace("production", environment),
            termination_protection=False,
        )
        for stack in environments["production"]
    ]
    assert {violation.rule for violation in protected_state(changed)} == expected


def test_each_rule_has_a_mistake(environments: dict[str, list[Stack]]) -> None:
    mistaken = [with_mistake(environments["dev"], stack, mistake) for _, stack, mistake in MISTAKES]
    silent = [
        rule.__name__ for rule in RULES if not any(list(rule(changed)) for changed in mistaken)
    ]
    # `protected_state` applies to production only, and test_defects.py covers the other rules.
    elsewhere = {rule.replace("-", "_") for rule, _, _ in DEFECTS}
    assert [name for name in silent if name not in elsewhere] == ["protected_state"]
