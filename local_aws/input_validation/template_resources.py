"""Resources of templates as inputs of the operations that create them.

CloudFormation's handlers call these operations. If an operation rejects the properties, the
creation of the resource fails.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from local_aws.input_validation.constraints import Shape

_INTEGER = re.compile(r"-?[0-9]+")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_BOOLEANS = {"true": True, "false": False}
# Properties of all types that are ignored, because CloudFormation has a list of keys and values
# where some operations have a map.
_DIFFERENT_FORM = frozenset({"Tags"})


@dataclass(frozen=True, slots=True)
class Creation:
    """The operation that creates resources of a type, with botocore's names."""

    service: str
    operation: str
    # Placeholders for required members: names that CloudFormation generates, and the ignored
    # `Code`.
    generated: Mapping[str, Any] = field(default_factory=dict)


_NAME = "generated"
CREATIONS = {
    "AWS::CloudWatch::Alarm": Creation("cloudwatch", "PutMetricAlarm", {"AlarmName": _NAME}),
    "AWS::Events::Rule": Creation("events", "PutRule", {"Name": _NAME}),
    "AWS::IAM::ManagedPolicy": Creation("iam", "CreatePolicy", {"PolicyName": _NAME}),
    "AWS::IAM::Role": Creation("iam", "CreateRole", {"RoleName": _NAME}),
    "AWS::IoT::Policy": Creation("iot", "CreatePolicy", {"policyName": _NAME}),
    "AWS::IoT::ThingGroup": Creation("iot", "CreateThingGroup", {"thingGroupName": _NAME}),
    "AWS::IoT::TopicRule": Creation("iot", "CreateTopicRule", {"ruleName": _NAME}),
    "AWS::Lambda::CodeSigningConfig": Creation("lambda", "CreateCodeSigningConfig"),
    "AWS::Lambda::Function": Creation(
        "lambda", "CreateFunction", {"FunctionName": _NAME, "Code": {}}
    ),
    "AWS::Lambda::Permission": Creation("lambda", "AddPermission", {"StatementId": _NAME}),
    "AWS::Logs::LogGroup": Creation("logs", "CreateLogGroup", {"logGroupName": _NAME}),
    "AWS::SNS::Topic": Creation("sns", "CreateTopic", {"Name": _NAME}),
    "AWS::SQS::Queue": Creation("sqs", "CreateQueue", {"QueueName": _NAME}),
    "AWS::SSM::Parameter": Creation("ssm", "PutParameter", {"Name": _NAME}),
}
# Ignored properties by resource type. Example: `Code.ZipFile` is a string in templates, and a blob
# in the operation.
_DIFFERENT = {
    "AWS::Lambda::Function": frozenset({"Code", "Layers", "VpcConfig"}),
    "AWS::Lambda::Permission": frozenset({"FunctionUrlAuthType"}),
}
_OTHER_NAMES = {
    "AWS::IAM::ManagedPolicy": {"ManagedPolicyName": "PolicyName"},
    "AWS::SNS::Topic": {"TopicName": "Name"},
}


def as_input(shape: Shape, type_: str, properties: dict[str, Any]) -> dict[str, Any]:
    """Convert a resource's properties to the input of an operation."""
    ignored = _DIFFERENT_FORM | _DIFFERENT.get(type_, frozenset())
    names = _OTHER_NAMES.get(type_, {})
    given = {names.get(name, name): value for name, value in properties.items()
             if name not in ignored}  # fmt: skip
    return _structure(shape, given)


def _structure(shape: Shape, given: dict[str, Any]) -> dict[str, Any]:
    """Convert the members that the model contains; the case of a name's first letter is ignored."""
    by_name = {name[:1].lower() + name[1:]: value for name, value in given.items()}
    converted = {}
    for name, member in shape.members.items():
        value = by_name.get(name[:1].lower() + name[1:])
        if value is not None:
            converted[name] = _value(member, value)
    return converted


def _value(shape: Shape, given: Any) -> Any:
    """Convert a property to the type of its shape, in the same way as CloudFormation."""
    if isinstance(given, dict | list):
        return _composite(shape, given)
    if shape.type_name == "string" and isinstance(given, bool):
        return str(given).lower()
    if shape.type_name == "string" and isinstance(given, int | float):
        return str(given)
    return _from_text(shape.type_name, given) if isinstance(given, str) else given


def _composite(shape: Shape, given: Any) -> Any:
    if shape.type_name == "string":
        return json.dumps(given, separators=(",", ":"))
    if shape.type_name == "structure" and isinstance(given, dict):
        return _structure(shape, given)
    if shape.type_name == "map" and isinstance(given, dict):
        return {key: _value(shape.value, item) for key, item in given.items()}
    if shape.type_name == "list" and isinstance(given, list):
        return [_value(shape.member, item) for item in given]
    return given


def _from_text(type_name: str, text: str) -> Any:
    if type_name in ("integer", "long") and _INTEGER.fullmatch(text):
        return int(text)
    if type_name in ("float", "double") and _NUMBER.fullmatch(text):
        return float(text)
    if type_name == "boolean":
        return _BOOLEANS.get(text.lower(), text)
    return text
