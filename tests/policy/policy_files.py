"""The managed policies of `policies/*.yaml`, as CloudFormation creates them in an account."""

import json
from dataclasses import dataclass
from typing import Any

import yaml

from tests.synth.synthesis import ROOT

Document = dict[str, Any]
FOLDER = ROOT / "policies"
ENVIRONMENT_ACCOUNT = FOLDER / "environment-account.yaml"
PIPELINE_ACCOUNT = FOLDER / "pipeline-account.yaml"
BOUNDARIES = ("DeepLensBoundary", "DeepLensPipelineBoundary")


class _Loader(yaml.SafeLoader):
    """A YAML loader for CloudFormation's short form of Fn::Sub."""


_Loader.add_constructor("!Sub", lambda loader, node: {"Fn::Sub": loader.construct_scalar(node)})


@dataclass(frozen=True)
class Policies:
    """The boundary of one template, and the policies of CloudFormation's role by name."""

    boundary: Document
    deploy: dict[str, Document]

    def without(self, name: str, sid: str) -> "Policies":
        """Return the policies without one statement."""
        document = self.deploy[name]
        statements = [statement for statement in document["Statement"] if statement["Sid"] != sid]
        assert len(statements) == len(document["Statement"]) - 1
        changed = {**document, "Statement": statements}
        return Policies(self.boundary, {**self.deploy, name: changed})


def policies(template: Any, account: str) -> Policies:
    """Read the managed policies in a template file, with the id of an account."""
    content = yaml.load(template.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - _Loader extends the safe loader
    policies = {
        resource["Properties"]["ManagedPolicyName"]: _plain(
            resource["Properties"]["PolicyDocument"], account
        )
        for resource in content["Resources"].values()
    }
    (boundary,) = (name for name in policies if name in BOUNDARIES)
    return Policies(policies.pop(boundary), policies)


def size(document: Document) -> int:
    """Return the size of a policy document in characters, as IAM counts it."""
    return len(json.dumps(document, separators=(",", ":")))


def _plain(value: Any, account: str) -> Any:
    if isinstance(value, list):
        return [_plain(item, account) for item in value]
    if isinstance(value, dict):
        if "Fn::Sub" in value:
            given = str(value["Fn::Sub"])
            return given.replace("${AWS::Partition}", "aws").replace("${AWS::AccountId}", account)
        return {key: _plain(item, account) for key, item in value.items()}
    return value
