"""The effect of property changes, by CloudFormation's resource schemas.

Source: the resource provider schemas in cfn-lint (`createOnlyProperties` and
`conditionalCreateOnlyProperties`), from which CloudFormation's documentation is generated.
"""

from collections.abc import Sequence
from functools import cache
from typing import Literal

from deeplens.assembly.intrinsics import Value
from deeplens.review.json_diff import ABSENT, Absent, Difference, Path

Effect = Literal["in place", "perhaps replaced", "replaced"]

RANK: dict[Effect, int] = {"in place": 0, "perhaps replaced": 1, "replaced": 2}
"""The order of the effects by strength."""

_STATE = {
    "AWS::DynamoDB::GlobalTable": "its items",
    "AWS::DynamoDB::Table": "its items",
    "AWS::ECR::Repository": "its images",
    "AWS::EFS::FileSystem": "its files",
    "AWS::IoT::Certificate": "a device's identity",
    "AWS::IoT::Thing": "the device's shadows and its place in thing groups",
    "AWS::IoT::ThingGroup": "the fleet's members and its deployment",
    "AWS::KMS::Key": "the key: all that it encrypts cannot be read without it",
    "AWS::Kinesis::Stream": "its records",
    "AWS::Logs::LogGroup": "its log events",
    "AWS::RDS::DBInstance": "its data",
    "AWS::S3::Bucket": "its objects",
    "AWS::S3Tables::Table": "its rows",
    "AWS::SQS::Queue": "its messages",
    "AWS::SageMaker::ModelPackageGroup": "its model versions",
    "AWS::SecretsManager::Secret": "its value",
    "AWS::Timestream::Table": "its records",
}


def check_schemas() -> None:
    """Check that the schemas are installed; only `make setup-development` installs them.

    Raises:
        ModuleNotFoundError: the schemas are not installed.
    """
    import cfnlint.schema  # noqa: F401, PLC0415 - the import is the check


def state_of(type_: str) -> str | None:
    """Return a phrase for the state of a resource type, or None if the type has no state."""
    return _STATE.get(type_)


def effect_of(type_: str, region: str, difference: Difference) -> Effect:
    """Return the effect on a resource of `type_` if its properties change by `difference`.

    The path of `difference` starts below `Properties`. The result is "perhaps replaced" for a type
    without schema, and "in place" for a custom resource, because its handler decides.
    """
    if type_.startswith("Custom::") or type_ == "AWS::CloudFormation::CustomResource":
        return "in place"
    rules = _create_only(type_, region)
    if rules is None:
        return "perhaps replaced"
    always, sometimes = rules
    if any(_touches(rule, difference) for rule in always):
        return "replaced"
    if any(_touches(rule, difference) for rule in sometimes):
        return "perhaps replaced"
    return "in place"


@cache
def _create_only(type_: str, region: str) -> tuple[tuple[Path, ...], tuple[Path, ...]] | None:
    from cfnlint.helpers import REGIONS  # noqa: PLC0415 - a plan does not need cfn-lint
    from cfnlint.schema import (  # noqa: PLC0415 - a plan does not need cfn-lint
        PROVIDER_SCHEMA_MANAGER,
        ResourceNotFoundError,
    )

    for schema_region in (region if region in REGIONS else "us-east-1", "us-east-1"):
        try:
            schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema(schema_region, type_).schema
        except ResourceNotFoundError:
            continue
        return (
            _paths(schema.get("createOnlyProperties", [])),
            _paths(schema.get("conditionalCreateOnlyProperties", [])),
        )
    return None


def _paths(pointers: Sequence[str]) -> tuple[Path, ...]:
    return tuple(tuple(pointer.removeprefix("/properties/").split("/")) for pointer in pointers)


def _touches(rule: Path, difference: Difference) -> bool:
    """Return whether the values at the path `rule` differ."""
    shared = min(len(rule), len(difference.path))
    if any(
        name not in (step, "*")
        for name, step in zip(rule[:shared], difference.path[:shared], strict=True)
    ):
        return False
    below = rule[shared:]
    return _at(difference.before, below) != _at(difference.after, below)


def _at(value: Value | Absent, path: Path) -> Value | Absent:
    for position, step in enumerate(path):
        if step == "*":
            parts = value if isinstance(value, list) else []
            return [_at(part, path[position + 1 :]) for part in parts]
        value = value.get(step, ABSENT) if isinstance(value, dict) else ABSENT
    return value
