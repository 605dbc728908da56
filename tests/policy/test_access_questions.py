"""Decisions of an IAM evaluator on requests, with all policies of an environment."""

import json
from collections.abc import Iterator

import pytest

from deeplens.assembly import as_list, by_environment, read_assembly
from deeplens.config import load_environment
from tests.policy.account import REGION, Account, Evaluator, running_evaluator
from tests.synth.synthesis import ROOT, synthesize, with_everything

pytestmark = pytest.mark.process

EVERYTHING = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}
ALLOW, DENY, IMPLICIT_DENY = "Allow", "Deny", "ImplicitDeny"


@pytest.fixture(scope="module")
def evaluator() -> Iterator[Evaluator]:
    with running_evaluator() as running:
        yield running


@pytest.fixture(scope="module")
def accounts(evaluator: Evaluator, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Account]:
    """The accounts of the committed environments and of `full`, by environment."""
    folder = tmp_path_factory.mktemp("everything")
    with_everything(folder, load_environment(ROOT / "environments/dev.toml").model.digest)
    result = synthesize(folder / "out", folder)
    assert result.returncode == 0, result.stderr
    environments = by_environment(read_assembly(folder / "out"))
    return {name: Account(stacks, evaluator) for name, stacks in environments.items()}


@pytest.fixture(scope="module")
def dev(accounts: dict[str, Account]) -> Account:
    return accounts["dev"]


def role(account: Account, stack: str, begin: str) -> tuple[str, str]:
    (role,) = (
        (name, logical_id)
        for name, logical_id in account.roles()
        if name == stack and logical_id.startswith(begin)
    )
    return role


@pytest.fixture(scope="module")
def camera(dev: Account) -> tuple[str, str]:
    """The role that devices assume with their certificates."""
    return role(dev, "Devices", "TokenExchangeRole")


@pytest.fixture(scope="module")
def publisher(dev: Account) -> tuple[str, str]:
    return role(dev, "ModelStore", "ModelsPublisherRole")


def bucket(account: Account) -> str:
    models = account.only("ModelStore", "AWS::S3::Bucket", "ModelsBucket")
    return f"arn:aws:s3:::{models['BucketName']}"


def key(account: Account) -> str:
    ((logical_id, _),) = account.definitions("ModelStore", "AWS::KMS::Key")
    return f"arn:aws:kms:{REGION}:{account.id}:key/{logical_id}"


def function(account: Account) -> str:
    name = f"deeplens-{account.environment}-inference"
    return f"arn:aws:lambda:{REGION}:{account.id}:function:{name}"


def test_a_device_reads_its_own_components(dev: Account, camera: tuple[str, str]) -> None:
    model = f"{bucket(dev)}/components/shapes/0/model.zip"
    assert dev.may(camera, "s3:GetObject", model) == ALLOW
    via_s3 = {"kms_ViaService": f"s3.{REGION}.amazonaws.com"}
    assert dev.may(camera, "kms:Decrypt", key(dev), **via_s3) == ALLOW


@pytest.mark.parametrize(
    ("action", "below"),
    [
        ("s3:GetObject", "/datasets/faces.zip"),
        ("s3:GetObject", "/headpose/TFartifacts/graph.pb"),
        ("s3:ListBucket", ""),
        ("s3:PutObject", "/components/shapes/0/model.zip"),
        ("s3:PutObject", "/datasets/faces.zip"),
        ("s3:DeleteObject", "/components/shapes/0/model.zip"),
        ("s3:PutBucketPolicy", ""),
    ],
)
def test_a_device_can_do_nothing_else_with_its_bucket(
    dev: Account, camera: tuple[str, str], action: str, below: str
) -> None:
    assert dev.may(camera, action, f"{bucket(dev)}{below}") != ALLOW


def test_a_device_uses_the_key_through_s3_only(dev: Account, camera: tuple[str, str]) -> None:
    assert dev.may(camera, "kms:Decrypt", key(dev)) != ALLOW
    via_another = {"kms_ViaService": f"secretsmanager.{REGION}.amazonaws.com"}
    assert dev.may(camera, "kms:Decrypt", key(dev), **via_another) != ALLOW
    via_s3 = {"kms_ViaService": f"s3.{REGION}.amazonaws.com"}
    assert dev.may(camera, "kms:GenerateDataKey", key(dev), **via_s3) != ALLOW


@pytest.mark.parametrize("action", ["GetObject", "PutObject", "ListBucket", "DeleteObject"])
def test_no_role_touches_another_environments_bucket(
    accounts: dict[str, Account], action: str
) -> None:
    decisions = 0
    for account in accounts.values():
        for other in accounts.values():
            if other is not account:
                for caller in account.roles():
                    for below in ("", "/components/shapes/0/model.zip", "/datasets/x"):
                        decision = account.may(caller, f"s3:{action}", f"{bucket(other)}{below}")
                        assert decision != ALLOW, (caller, other.environment, below)
                        decisions += 1
    assert decisions > 100


@pytest.mark.parametrize(
    "action",
    ["UpdateFunctionCode", "UpdateFunctionConfiguration", "PublishVersion", "DeleteFunction",
     "AddPermission"],
)  # fmt: skip
def test_no_role_of_an_environment_can_replace_the_cameras_function(
    accounts: dict[str, Account], action: str
) -> None:
    for account in accounts.values():
        for caller in account.roles():
            assert account.may(caller, f"lambda:{action}", function(account)) != ALLOW, caller


@pytest.mark.parametrize(
    "action", ["iam:PassRole", "iam:CreateRole", "iam:AttachRolePolicy", "sts:AssumeRole"]
)
def test_no_role_of_an_environment_can_become_another(
    accounts: dict[str, Account], action: str
) -> None:
    for account in accounts.values():
        for caller in account.roles():
            for other in account.roles():
                decision = account.may(caller, action, account.role_arn(*other))
                assert decision != ALLOW, (caller, other)


def test_the_publisher_writes_components_and_deletes_nothing(
    dev: Account, publisher: tuple[str, str]
) -> None:
    model = f"{bucket(dev)}/components/shapes/0/model.zip"
    assert dev.may(publisher, "s3:PutObject", model) == ALLOW
    assert dev.may(publisher, "s3:PutObject", f"{bucket(dev)}/datasets/x") != ALLOW
    for action in ("DeleteObject", "DeleteObjectVersion", "BypassGovernanceRetention"):
        assert dev.may(publisher, f"s3:{action}", model, extra=EVERYTHING) == DENY


def test_not_even_an_administrator_replaces_or_deletes_a_component(
    dev: Account, camera: tuple[str, str]
) -> None:
    model = f"{bucket(dev)}/components/shapes/0/model.zip"
    for action in ("PutObject", "DeleteObject", "DeleteObjectVersion"):
        assert dev.may(camera, f"s3:{action}", model, extra=EVERYTHING) == DENY
    assert dev.may(camera, "s3:PutObject", f"{bucket(dev)}/datasets/x", extra=EVERYTHING) == ALLOW


def test_the_bucket_denies_requests_without_tls_1_2(dev: Account, camera: tuple[str, str]) -> None:
    model = f"{bucket(dev)}/components/shapes/0/model.zip"
    assert dev.may(camera, "s3:GetObject", model, tls=False) == DENY
    assert dev.may(camera, "s3:GetObject", model, s3_TlsVersion="1.1") == DENY
    assert dev.may(camera, "s3:GetObject", model, s3_TlsVersion="1.2") == ALLOW


def test_only_dev_components_are_made_in_dev(dev: Account) -> None:
    handler = role(dev, "Inference", "ComponentsHandlerRole")
    here = f"arn:aws:greengrass:{REGION}:{dev.id}:components"
    create = "greengrass:CreateComponentVersion"
    assert dev.may(handler, create, f"{here}:deeplens.dev.model.shapes") == ALLOW
    for name in ("deeplens.production.model.shapes", "aws.greengrass.Nucleus", "deeplens.dev"):
        assert dev.may(handler, create, f"{here}:{name}") != ALLOW
    delete = "greengrass:DeleteComponent"
    assert dev.may(handler, delete, f"{here}:deeplens.dev.model.shapes:versions:1.0.0") != ALLOW


def test_a_release_goes_to_its_own_fleet_only(dev: Account) -> None:
    handler = role(dev, "Inference", "ProjectHandlerRole")
    groups = f"arn:aws:iot:{REGION}:{dev.id}:thinggroup"
    assert dev.may(handler, "iot:CreateJob", f"{groups}/deeplens-dev") == ALLOW
    assert dev.may(handler, "iot:CreateJob", f"{groups}/deeplens-production") != ALLOW


CAMERA = "camera-1"
SHADOW = f"$aws/things/{CAMERA}/shadow/name/deeplens"


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("iot:Connect", f"client/{CAMERA}"),
        ("iot:Connect", f"client/{CAMERA}#2"),
        ("iot:Publish", f"topic/deeplens/{CAMERA}/infer"),
        ("iot:Publish", f"topic/{SHADOW}/update"),
        ("iot:Receive", f"topic/{SHADOW}/update/delta"),
        ("iot:Subscribe", f"topicfilter/{SHADOW}/update/delta"),
        ("iot:Publish", f"topic/$aws/things/{CAMERA}/greengrassv2/health/json"),
        ("iot:AssumeRoleWithCertificate", "rolealias/deeplens-dev-token-exchange"),
    ],
)
def test_a_certificate_acts_as_its_thing(dev: Account, action: str, resource: str) -> None:
    assert dev.certificate_may(CAMERA, action, resource) == ALLOW
    assert dev.certificate_may("other", action, resource) == (
        ALLOW if "rolealias" in resource else IMPLICIT_DENY
    )


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        # The client id could be another thing's name, and would end the connection of that thing.
        ("iot:Connect", f"client/{CAMERA}1"),
        ("iot:Publish", "topic/anything"),
        ("iot:Publish", f"topic/deeplens/{CAMERA}/other"),
        ("iot:Subscribe", "topicfilter/#"),
        ("iot:Subscribe", "topicfilter/$aws/things/+/shadow/name/deeplens/update"),
        ("iot:Subscribe", "topicfilter/deeplens/+/infer"),
        ("iot:Receive", f"topic/deeplens/{CAMERA}/infer"),
        ("iot:AssumeRoleWithCertificate", "rolealias/deeplens-production-token-exchange"),
        ("iot:CreateThing", "thing/new"),
        ("iot:UpdateThingShadow", "thing/other"),
    ],
)
def test_a_certificate_acts_as_nothing_else(dev: Account, action: str, resource: str) -> None:
    assert dev.certificate_may(CAMERA, action, resource) == IMPLICIT_DENY


def test_the_cameras_role_is_for_its_own_alias_of_its_own_account(
    dev: Account, camera: tuple[str, str]
) -> None:
    trust = dev.only(*("Devices", "AWS::IAM::Role"))["AssumeRolePolicyDocument"]
    aliases = f"arn:aws:iot:{REGION}:{dev.id}:rolealias"

    def may(service: str, account: str, alias: str) -> str:
        return dev.service_may(
            service, trust, "sts:AssumeRole", dev.role_arn(*camera),
            aws_SourceAccount=account, aws_SourceArn=f"{aliases}/{alias}",
        )  # fmt: skip

    provider = "credentials.iot.amazonaws.com"
    assert may(provider, dev.id, "deeplens-dev-token-exchange") == ALLOW
    assert may(provider, "999999999999", "deeplens-dev-token-exchange") != ALLOW
    assert may(provider, dev.id, "somebody-elses") != ALLOW
    assert may("lambda.amazonaws.com", dev.id, "deeplens-dev-token-exchange") != ALLOW


def test_each_role_is_assumed_for_its_own_account_only(accounts: dict[str, Account]) -> None:
    services = set()
    for account in accounts.values():
        for stack, logical_id in account.roles():
            trust = account.only(stack, "AWS::IAM::Role", logical_id)["AssumeRolePolicyDocument"]
            arn = account.role_arn(stack, logical_id)
            for statement in trust["Statement"]:
                if "AWS" in statement["Principal"]:
                    assert statement["Principal"] == {"AWS": f"arn:aws:iam::{account.id}:root"}
                    continue
                service = as_list(statement["Principal"]["Service"])[0]
                services.add(service)
                condition = statement["Condition"]
                source = condition.get("ArnLike", {}).get("aws:SourceArn", "arn:aws:x:::y")
                for owner, expected in ((account.id, ALLOW), ("999999999999", IMPLICIT_DENY)):
                    decision = account.service_may(
                        service, trust, "sts:AssumeRole", arn,
                        aws_SourceAccount=owner, aws_SourceArn=source.replace("*", "x"),
                    )  # fmt: skip
                    assert decision == expected, (arn, service, owner)
    assert "iot.amazonaws.com" in services


def test_alarms_of_this_account_publish_and_nobody_else_does(dev: Account) -> None:
    policy = dev.only("Monitoring", "AWS::SNS::TopicPolicy")
    (topic,) = policy["Topics"]
    document, cloudwatch = policy["PolicyDocument"], "cloudwatch.amazonaws.com"
    (allowed,) = (
        statement for statement in document["Statement"] if statement["Effect"] == "Allow"
    )
    arn = allowed["Condition"]["ArnLike"]["aws:SourceArn"].replace("*", "any")

    def may(service: str, account: str) -> str:
        return dev.service_may(
            service, document, "sns:Publish", topic, aws_SourceAccount=account, aws_SourceArn=arn
        )

    assert may(cloudwatch, dev.id) == ALLOW
    assert may(cloudwatch, "999999999999") != ALLOW
    assert may("s3.amazonaws.com", dev.id) != ALLOW


def test_the_metrics_function_writes_only_its_log(dev: Account) -> None:
    caller = role(dev, "Monitoring", "MetricsRole")
    groups = dict(dev.definitions("Monitoring", "AWS::Logs::LogGroup"))
    assert len(groups) == 2
    logs = f"arn:aws:logs:{REGION}:{dev.id}:log-group"
    written = [
        name
        for name in (*groups, "another")
        if dev.may(caller, "logs:PutLogEvents", f"{logs}:{name}:log-stream:x") == ALLOW
    ]
    assert [name for name in written if name.startswith("MetricsLog")] == written
    assert len(written) == 1


def test_training_of_deeplens_accounts_cannot_write_a_component(
    accounts: dict[str, Account],
) -> None:
    full = accounts["full"]
    training = role(full, "DeepLensRoles", "RolesAWSDeepLensSageMakerRole")
    assert full.may(training, "s3:PutObject", f"{bucket(full)}/datasets/x") == ALLOW
    model = f"{bucket(full)}/components/shapes/0/model.zip"
    assert full.may(training, "s3:PutObject", model) == DENY
    assert full.may(training, "s3:GetObject", model) != ALLOW


def test_the_deeplens_service_passes_its_greengrass_roles_to_greengrass_only(
    accounts: dict[str, Account],
) -> None:
    full = accounts["full"]
    service = role(full, "DeepLensRoles", "RolesAWSDeepLensServiceRole")
    passed = {
        (target[1], to)
        for target in full.roles()
        for to in ("greengrass.amazonaws.com", "lambda.amazonaws.com")
        if full.may(service, "iam:PassRole", full.role_arn(*target), iam_PassedToService=to)
        == ALLOW
    }
    assert {to for _, to in passed} == {"greengrass.amazonaws.com"}
    assert sorted(name[: len("RolesAWSDeepLensGreengrass")] for name, _ in passed) == (
        ["RolesAWSDeepLensGreengrass"] * 2
    )


def test_no_role_trusts_the_closed_service(accounts: dict[str, Account]) -> None:
    full = accounts["full"]
    trusts = {
        logical_id: json.dumps(properties["AssumeRolePolicyDocument"])
        for logical_id, properties in full.definitions("DeepLensRoles", "AWS::IAM::Role")
    }
    assert len(trusts) == 5
    assert not any("deeplens.amazonaws.com" in trust for trust in trusts.values())
    (service,) = (trust for name, trust in trusts.items() if "ServiceRole" in name)
    assert f"arn:aws:iam::{full.id}:root" in service


def test_a_boundary_limits_every_policy_of_a_role(dev: Account, camera: tuple[str, str]) -> None:
    boundary = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "logs:*", "Resource": "*"}],
    }
    model = f"{bucket(dev)}/components/shapes/0/model.zip"
    assert dev.may(camera, "s3:GetObject", model, boundary=boundary) != ALLOW


def test_an_additional_policy_changes_the_decision(dev: Account, camera: tuple[str, str]) -> None:
    """An additional policy changes the decision, so the evaluator does not always deny."""
    assert dev.may(camera, "lambda:UpdateFunctionCode", function(dev), extra=EVERYTHING) == ALLOW
    assert len(dev.policies(*camera)) == 1


@pytest.fixture(scope="module")
def project(dev: Account) -> tuple[str, str]:
    return role(dev, "Inference", "ProjectHandlerRole")


OWNER = "arn:aws:cloudformation:eu-central-1:{}:stack/{}-Inference/uuid/Project"


@pytest.mark.parametrize(
    ("owner", "keys", "decision"),
    [
        ("dev", ["deeplens:owner", "deeplens:model-digest"], ALLOW),
        ("staging", ["deeplens:owner"], IMPLICIT_DENY),
        ("dev", ["deeplens:owner", "cost-center"], IMPLICIT_DENY),
        (None, None, IMPLICIT_DENY),
    ],
)
def test_the_project_creates_deployments_with_its_own_tags_only(
    dev: Account,
    project: tuple[str, str],
    owner: str | None,
    keys: list[str] | None,
    decision: str,
) -> None:
    # IAM evaluates this action on "*", because the action has no resource type.
    context = {} if keys is None else {"aws_TagKeys": keys}
    if owner:
        context["aws_RequestTag/deeplens:owner"] = OWNER.format(dev.id, owner)
    assert dev.may(project, "greengrass:CreateDeployment", "*", **context) == decision


def dependent_actions(account: Account) -> list[tuple[str, str]]:
    """Return the dependent actions of Greengrass' operations with their resources."""
    arn = f"arn:aws:iot:{REGION}:{account.id}"
    job, thing, fleet = f"{arn}:job/uuid", f"{arn}:thing/cam-1", f"{arn}:thinggroup/deeplens-dev"
    other = f"{arn}:thinggroup/of-somebody-else"
    return [
        ("iot:CreateJob", job),
        ("iot:CreateJob", fleet),
        ("iot:CancelJob", job),
        ("iot:DeleteJob", job),
        ("iot:DescribeJob", job),
        ("iot:UpdateJob", job),
        ("iot:DescribeJobExecution", job),
        ("iot:DescribeJobExecution", thing),
        ("iot:DescribeThing", thing),
        ("iot:DescribeThingGroup", fleet),
        ("iot:DescribeThingGroup", other),
        ("iot:GetThingShadow", thing),
    ]


def test_the_project_has_the_actions_on_which_its_own_calls_depend(
    dev: Account, project: tuple[str, str]
) -> None:
    refused = [call for call in dependent_actions(dev) if dev.may(project, *call) != ALLOW]
    assert refused == []
    other = f"arn:aws:iot:{REGION}:{dev.id}:thinggroup/of-somebody-else"
    assert dev.may(project, "iot:CreateJob", other) != ALLOW


def test_the_project_creates_and_deletes_the_groups_of_waves_and_no_others(
    dev: Account, project: tuple[str, str]
) -> None:
    groups = f"arn:aws:iot:{REGION}:{dev.id}:thinggroup"
    # In an earlier release, the fleet can have had another name.
    for wave in ("deeplens-dev-wave-1-of-deeplens-dev", "deeplens-dev-wave-2-of-shops"):
        for action in ("CreateThingGroup", "DeleteThingGroup", "ListThingsInThingGroup"):
            assert dev.may(project, f"iot:{action}", f"{groups}/{wave}") == ALLOW
    for group in ("deeplens-dev", "shops", "deeplens-staging-wave-1-of-deeplens-staging"):
        assert dev.may(project, "iot:DeleteThingGroup", f"{groups}/{group}") != ALLOW


def test_the_metrics_function_reads_owners_of_deployments_and_no_device(dev: Account) -> None:
    metrics = role(dev, "Monitoring", "MetricsRole")
    deployment = f"arn:aws:greengrass:{REGION}:{dev.id}:deployments:uuid"
    assert dev.may(metrics, "greengrass:ListTagsForResource", deployment) == ALLOW
    thing = f"arn:aws:iot:{REGION}:{dev.id}:thing/cam-1"
    assert dev.may(metrics, "iot:GetThingShadow", thing) != ALLOW


def test_the_publisher_can_tell_an_absent_asset_from_a_forbidden_one(
    dev: Account, publisher: tuple[str, str]
) -> None:
    assets = f"arn:aws:s3:::cdk-deeplens-assets-{dev.id}-{REGION}"
    asset = {"s3_prefix": f"{'0' * 64}.zip"}
    assert dev.may(publisher, "s3:ListBucket", assets, **asset) == ALLOW
    assert dev.may(publisher, "s3:ListBucket", assets) != ALLOW
