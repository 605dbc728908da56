"""The emulator rejects inputs that violate the service model of an operation."""

import copy
from collections.abc import Iterator
from functools import cache
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator
from hypothesis import given, settings
from hypothesis import strategies as st

from local_aws.errors import ValidationError
from local_aws.input_validation.constraints import Shape, check, violations
from local_aws.input_validation.patterns import compiled, matches
from local_aws.service_protocol import ServiceProtocol


@cache
def shape_of(service: str, operation: str) -> Shape:
    model = botocore.session.Session().get_service_model(service)
    return model.operation_model(operation).input_shape


_OWN = {
    "greengrassv2": ServiceProtocol("greengrassv2").operations,
    "iot": (
        "CreateRoleAlias", "DeleteRoleAlias", "DescribeRoleAlias", "ListRoleAliases",
        "UpdateRoleAlias",
    ),
    "application-autoscaling": (
        "DeleteScalingPolicy", "DeregisterScalableTarget", "DescribeScalableTargets",
        "DescribeScalingPolicies", "PutScalingPolicy", "RegisterScalableTarget",
    ),
    "sagemaker": (
        "CreateEndpoint", "CreateEndpointConfig", "CreateModel", "DescribeEndpoint",
        "ListEndpoints", "UpdateEndpoint", "UpdateEndpointWeightsAndCapacities",
    ),
    "sagemaker-runtime": ("InvokeEndpoint",),
}  # fmt: skip
OPERATIONS = [
    (service, name)
    for service, names in _OWN.items()
    for name in names
    if shape_of(service, name) is not None
]
_EXAMPLES = 5
# Values that match patterns for which hypothesis would need a long time.
_TEXTS = (
    "a", "name-1", "a" * 36, "1.0.0", "arn:aws:iam::111111111111:role/a",
    "arn:aws:lambda:eu-central-1:111111111111:function:a:1",
    "arn:aws:iot:eu-central-1:111111111111:thinggroup/a",
    "arn:aws:greengrass:eu-central-1:111111111111:components:a",
    "arn:aws:greengrass:eu-central-1:111111111111:components:a:versions:1.0.0",
    "arn:aws:greengrass:eu-central-1:111111111111:deployments:a", "s3://bucket/key",
    "https://bucket.s3.amazonaws.com/key", "111111111111.dkr.ecr.eu-central-1.amazonaws.com/a",
    "arn:aws:sagemaker:eu-central-1:111111111111:endpoint/a",
)  # fmt: skip
_NUMBERS = ("integer", "long", "float", "double")
_WRONG_TYPES = {
    "string": 1, "integer": "1", "long": "1", "float": "1", "double": "1", "boolean": "true",
    "structure": "a", "map": ["a"], "list": {"a": "b"}, "blob": 1, "timestamp": True,
}  # fmt: skip

_OTHERS: dict[str, st.SearchStrategy[Any]] = {
    "blob": st.binary(min_size=1, max_size=8),
    "boolean": st.booleans(),
    "timestamp": st.just(0),
}


@st.composite
def inputs(draw: st.DrawFn, shape: Shape) -> Any:
    """Draw a valid value of a shape, with one optional member per structure."""
    return _drawn(draw, shape)


def _drawn(draw: st.DrawFn, shape: Shape) -> Any:
    if shape.type_name == "structure":
        others = sorted(set(shape.members) - set(shape.required_members))
        chosen = [draw(st.sampled_from(others))] if others else []
        return {name: _drawn(draw, shape.members[name])
                for name in [*shape.required_members, *chosen]}  # fmt: skip
    if shape.type_name == "list":
        length = max(1, int(shape.metadata.get("min", 0)))
        return [_drawn(draw, shape.member) for _ in range(length)]
    if shape.type_name == "map":
        return {_drawn(draw, shape.key): _drawn(draw, shape.value)}
    return draw(_scalars(shape))


@cache
def _scalars(shape: Shape) -> st.SearchStrategy[Any]:
    rules = shape.metadata
    low = rules.get("min", 0)
    if shape.type_name in ("integer", "long"):
        return st.integers(int(low), int(rules.get("max", low + 1000)))
    if shape.type_name in ("float", "double"):
        return st.floats(low, rules.get("max", low + 1000))
    if shape.type_name == "string":
        return _strings(rules)
    return _OTHERS[shape.type_name]


def _strings(rules: Any) -> st.SearchStrategy[str]:
    if rules.get("enum"):
        return st.sampled_from(sorted(rules["enum"]))
    low, high = int(rules.get("min", 0)), int(rules.get("max", 2048))
    if rules.get("pattern"):
        known = [
            text for text in _TEXTS if low <= len(text) <= high and matches(rules["pattern"], text)
        ]
        if known:
            return st.sampled_from(known)
        texts = st.from_regex(compiled(rules["pattern"]), fullmatch=True)
        return texts.filter(lambda text: low <= len(text) <= high)
    return st.text("abc", min_size=low, max_size=max(low, min(high, 40)))


def breaks(shape: Shape, value: Any) -> Iterator[Any]:
    """Yield copies of a valid value, each with one place that violates a constraint."""
    yield _WRONG_TYPES[shape.type_name]
    yield from _own_breaks(shape, value)
    for key, member, item in _parts(shape, value):
        for broken in breaks(member, item):
            changed = copy.copy(value)
            changed[key] = broken
            yield changed
    if shape.type_name == "structure":
        for name in shape.required_members:
            yield {key: item for key, item in value.items() if key != name}


def _own_breaks(shape: Shape, value: Any) -> Iterator[Any]:
    rules = shape.metadata
    low, high = rules.get("min"), rules.get("max")
    if shape.type_name in _NUMBERS:
        if low is not None:
            yield low - 1
        if high is not None:
            yield high + 1
    elif shape.type_name == "string":
        if low:
            yield ""
        if high is not None and high < 1_000_000:
            yield "a" * (high + 1)
        if rules.get("enum"):
            yield "NotOneOfThem"
        if rules.get("pattern"):
            yield from (
                text
                for text in (f"{value}\n", f"\x00{value}", f"{value}\x07")
                if not matches(rules["pattern"], text)
            )
    elif shape.type_name == "list" and low:
        yield []


def _parts(shape: Shape, value: Any) -> Iterator[tuple[Any, Shape, Any]]:
    if shape.type_name == "structure":
        for name, item in value.items():
            yield name, shape.members[name], item
    elif shape.type_name == "map":
        for key, item in value.items():
            yield key, shape.value, item
    elif shape.type_name == "list":
        for position, item in enumerate(value):
            yield position, shape.member, item


@pytest.mark.parametrize(("service", "operation"), OPERATIONS)
@settings(max_examples=_EXAMPLES, deadline=None)
@given(st.data())
def test_no_value_outside_the_model_passes(
    service: str, operation: str, data: st.DataObject
) -> None:
    shape = shape_of(service, operation)
    valid = data.draw(inputs(shape))
    assert violations(shape, valid) == []
    for broken in breaks(shape, valid):
        with pytest.raises(ValidationError):
            check(shape, broken)


@pytest.mark.parametrize(("service", "operation"), OPERATIONS)
@settings(max_examples=_EXAMPLES, deadline=None)
@given(st.data())
def test_what_botocore_rejects_is_rejected(
    service: str, operation: str, data: st.DataObject
) -> None:
    shape = shape_of(service, operation)
    valid = data.draw(inputs(shape))
    validator = ParamValidator()
    assert not validator.validate(valid, shape).has_errors()
    for broken in breaks(shape, valid):
        if isinstance(broken, dict) and validator.validate(broken, shape).has_errors():
            assert violations(shape, broken)
