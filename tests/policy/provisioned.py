"""Resources of templates as CloudFormation provisions them, with generated names."""

import re
from collections.abc import Iterator
from typing import Any

from deeplens.assembly import Stack
from local_aws.authorization.cloudformation.demands import Change, Role
from local_aws.authorization.cloudformation.resources import Resource
from local_aws.authorization.cloudformation.table import Step

Document = dict[str, Any]
# Resource types for which Ref returns the ARN.
_REF_IS_ARN = ("AWS::IAM::ManagedPolicy", "AWS::SNS::Topic", "AWS::SageMaker::Model")


class Provisioned:
    """The provisioned stacks of one account and Region."""

    def __init__(self, stacks: list[Stack], region: str) -> None:
        self._stacks, self._region = stacks, region
        self._exports = {
            output["Export"]["Name"]: (stack, output["Value"])
            for stack in stacks
            for output in stack.template.get("Outputs", {}).values()
            if "Export" in output
        }

    def changes(self, steps: tuple[Step, ...]) -> Iterator[Change]:
        """Yield the changes of each resource in these steps."""
        for stack in self._stacks:
            for logical_id in stack.template["Resources"]:
                resource = self._resource(stack, logical_id)
                for step in steps:
                    before = resource.properties if step == "update" else {}
                    yield Change(step, resource, before, self.role_named)

    def policy_documents(self) -> Iterator[Document]:
        """Yield the identity policies of all roles."""
        for stack in self._stacks:
            for logical_id, _ in stack.definitions("AWS::IAM::ManagedPolicy", "AWS::IAM::Policy"):
                yield self._resource(stack, logical_id).properties["PolicyDocument"]
            for logical_id, _ in stack.definitions("AWS::IAM::Role"):
                for policy in self._resource(stack, logical_id).properties.get("Policies", []):
                    yield policy["PolicyDocument"]

    def role_named(self, name: str) -> Role | None:
        for stack in self._stacks:
            for logical_id, _ in stack.definitions("AWS::IAM::Role"):
                resource = self._resource(stack, logical_id)
                if str(resource.own_arn).rpartition("/")[2] == name:
                    return Role(
                        str(resource.own_arn), resource.properties.get("PermissionsBoundary")
                    )
        return None

    def _resource(self, stack: Stack, logical_id: str) -> Resource:
        definition = stack.template["Resources"][logical_id]
        properties = self._plain(stack, definition.get("Properties", {}))
        return self._bare(stack, logical_id, properties)

    def _bare(self, stack: Stack, logical_id: str, properties: Document) -> Resource:
        type_ = stack.template["Resources"][logical_id]["Type"]
        return Resource(type_, logical_id, stack.name, stack.account, self._region, properties)

    def _plain(self, stack: Stack, value: Any) -> Any:
        if isinstance(value, list):
            return [self._plain(stack, item) for item in value]
        if not isinstance(value, dict):
            return value
        if any(key == "Ref" or key.startswith("Fn::") for key in value):
            return self._resolved(stack, value)
        return {key: self._plain(stack, item) for key, item in value.items()}

    def _resolved(self, stack: Stack, value: Document) -> Any:
        match value:
            case {"Fn::Join": [separator, parts]}:
                text = str(separator).join(str(self._plain(stack, part)) for part in parts)
            case {"Fn::Sub": str(given)}:
                text = re.sub(
                    r"\$\{([\w:]+)\}", lambda match: self._reference(stack, match[1]), given
                )
            case {"Fn::ImportValue": name}:
                text = self._plain(*self._exports[name])
            case {"Fn::GetAtt": [name, attribute]}:
                text = self._attribute(stack, name, attribute)
            case {"Ref": name}:
                text = self._reference(stack, name)
            case _:
                raise AssertionError(value)
        return text

    def _reference(self, stack: Stack, name: str) -> str:
        pseudo = {
            "AWS::AccountId": stack.account,
            "AWS::Partition": "aws",
            "AWS::Region": self._region,
        }
        if name in pseudo:
            return pseudo[name]
        resource = self._named(stack, name)
        arn = resource.own_arn or name
        if resource.type in _REF_IS_ARN:
            return arn
        if resource.type == "AWS::SQS::Queue":
            host = f"https://sqs.{self._region}.amazonaws.com"
            return f"{host}/{stack.account}/{arn.rpartition(':')[2]}"
        return arn.rpartition("/")[2].rpartition(":")[2]

    def _attribute(self, stack: Stack, name: str, attribute: str) -> str:
        arn = self._named(stack, name).own_arn
        if arn and attribute.endswith("Arn"):
            return arn
        if arn and attribute.endswith("Name"):
            return arn.rpartition("/")[2].rpartition(":")[2]
        return f"{name}.{attribute}"

    def _named(self, stack: Stack, logical_id: str) -> Resource:
        """Return a resource with only the string properties, which include the name.

        Properties of other resources may refer to the name.
        """
        given = stack.template["Resources"][logical_id].get("Properties", {})
        texts = {key: value for key, value in given.items() if isinstance(value, str)}
        return self._bare(stack, logical_id, texts)
