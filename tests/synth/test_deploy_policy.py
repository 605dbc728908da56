"""docs/deploy-policy.json lets CloudFormation make what the templates have, and little else."""

import json
import re
from typing import Any

import pytest

from tests.synth.synthesis import ROOT

POLICY = json.loads((ROOT / "docs/deploy-policy.json").read_text(encoding="utf-8"))
TEMPLATES = [
    json.loads(file.read_text(encoding="utf-8"))
    for file in sorted((ROOT / "tests/synth/golden").glob("*.json"))
]
# How IAM calls the service of a resource type, where that is not its name in lower case.
_SERVICES = {"custom": "lambda"}


def listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def allowed() -> set[str]:
    statements = [one for one in POLICY["Statement"] if one["Effect"] == "Allow"]
    return {action.partition(":")[0] for one in statements for action in listed(one["Action"])}


def test_it_names_the_service_of_every_resource_and_no_other() -> None:
    types = {one["Type"] for each in TEMPLATES for one in each["Resources"].values()}
    needed = set()
    for name in types:
        provider, service, *_ = (*name.split("::"), "")
        service = provider if provider == "Custom" else service
        needed.add(_SERVICES.get(service.lower(), service.lower()))
    # The parameter with the bootstrap's version is read, not made.
    assert allowed() == needed | {"ssm"}


def test_every_bucket_name_is_one_that_it_lets_be_made() -> None:
    (statement,) = (one for one in POLICY["Statement"] if one["Action"] == "s3:*")
    patterns = [
        re.escape(one.removeprefix("arn:aws:s3:::")).replace(r"\*", ".*")
        for one in statement["Resource"]
    ]
    names = [
        resource["Properties"]["BucketName"]
        for each in TEMPLATES
        for resource in each["Resources"].values()
        if resource["Type"] == "AWS::S3::Bucket" and "BucketName" in resource["Properties"]
    ]
    assert names
    assert all(any(re.fullmatch(one, name) for one in patterns) for name in names)


@pytest.mark.parametrize("what", ["Action", "Resource"])
def test_identity_is_granted_by_name_and_nothing_on_everything(what: str) -> None:
    granted = [one for one in POLICY["Statement"] if one["Effect"] == "Allow"]
    iam = [one for one in granted if any(each.startswith("iam:") for each in listed(one["Action"]))]
    assert iam
    assert not any("iam:*" in value or value == "*" for one in iam for value in listed(one[what]))
    assert not any("*" in listed(one["Action"]) for one in granted)


def test_it_is_for_the_qualifier_of_this_checkout() -> None:
    settings = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))
    qualifier = settings["context"]["@aws-cdk/core:bootstrapQualifier"]
    text = json.dumps(POLICY)
    assert f"cdk-{qualifier}-assets-" in text
    assert f"/cdk-bootstrap/{qualifier}/version" in text
    assert f'"/cdk-bootstrap/{qualifier}/version"' in json.dumps(TEMPLATES[0])
