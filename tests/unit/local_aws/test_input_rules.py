"""The emulator applies AWS' rules and limits that the service models do not contain."""

import json
from typing import Any

import botocore.session
import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_aws.errors import ServiceError
from local_aws.input_validation.constraints import violations
from local_aws.input_validation.rules import iam
from local_aws.input_validation.rules.account import trusts
from local_aws.input_validation.rules.iot import rollout_fault
from local_aws.input_validation.rules.shadows import (
    BAD_REQUEST,
    DEEPEST_STATE,
    LARGEST_STATE_BYTES,
    TOO_LARGE,
    request_fault,
    state_fault,
)
from local_aws.input_validation.template_resources import CREATIONS, as_input
from local_aws.services.lambda_retries import RETRIES, call_with_retries

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=10,
)


def levels(value: Any) -> int:
    """Return the nesting depth of a value, computed from its JSON text."""
    deepest = current = 0
    text = json.dumps(value)
    is_string = is_escaped = False
    for character in text:
        if is_string:
            is_string = is_escaped or character != '"'
            is_escaped = character == "\\" and not is_escaped
        elif character == '"':
            is_string = True
        elif character in "{[":
            current += 1
            deepest = max(deepest, current)
        elif character in "}]":
            current -= 1
    return deepest


@given(st.dictionaries(st.text(max_size=3), _json), st.integers(0, 8))
def test_a_state_is_too_deep_from_the_seventh_level_on(state: dict[str, Any], more: int) -> None:
    for _ in range(more):
        state = {"k": state}
    for section in ("desired", "reported"):
        fault = request_fault({"state": {section: state}})
        assert (fault is not None) == (levels(state) > DEEPEST_STATE)
        assert fault is None or fault[0] == BAD_REQUEST


@given(st.text(min_size=1, max_size=20), st.integers(-3, 3))
def test_a_state_is_too_large_by_its_utf_8_bytes(key: str, more: int) -> None:
    empty = json.dumps({"reported": {key: ""}}, separators=(",", ":"), ensure_ascii=False)
    try:
        room = LARGEST_STATE_BYTES - len(empty.encode())
    except UnicodeEncodeError:
        return
    fault = state_fault({"reported": {key: "x" * (room + more)}, "desired": {}})
    assert (fault is not None) == (more > 0)
    assert fault is None or fault[0] == TOO_LARGE


@given(st.integers(0, 60), st.integers(1, 1000), st.integers(1, 1000))
def test_a_rate_has_one_decimal_and_a_base_up_to_its_maximum(
    tenths: int, base: int, maximum: int
) -> None:
    rate = {"incrementFactor": tenths / 10, "baseRatePerMinute": base}
    configuration = {"exponentialRate": rate, "maximumPerMinute": maximum}
    assert (rollout_fault(configuration) is None) == (tenths >= 11 and base <= maximum)


@given(st.integers(110, 500))
def test_a_factor_of_two_decimals_is_a_fault(hundredths: int) -> None:
    fault = rollout_fault({"exponentialRate": {"incrementFactor": hundredths / 100}})
    assert (fault is None) == (hundredths % 10 == 0)


@given(_json.map(json.dumps) | st.text(max_size=20))
def test_a_document_that_is_not_a_policy_is_malformed(document: str) -> None:
    with pytest.raises(ServiceError) as caught:
        iam.check_inline_policies("role", "a", {"p": document})
    assert caught.value.code == "MalformedPolicyDocument"


@pytest.mark.parametrize(
    ("principal", "expected"),
    [
        ({"Service": "lambda.amazonaws.com"}, True),
        ({"Service": ["iot.amazonaws.com", "lambda.amazonaws.com"]}, True),
        ({"Service": "iot.amazonaws.com"}, False),
        ({"AWS": "lambda.amazonaws.com"}, False),
        ("*", False),
    ],
)
def test_a_role_trusts_the_services_that_its_policy_names(principal: Any, expected: bool) -> None:  # noqa: FBT001 - the parameter is the expected result
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    for statements in (statement, [statement]):
        assert trusts({"Statement": statements}, "lambda.amazonaws.com") == expected
    assert not trusts({"Statement": {**statement, "Effect": "Deny"}}, "lambda.amazonaws.com")
    assert not trusts(None, "lambda.amazonaws.com")


@pytest.mark.parametrize(
    ("results", "done_after", "calls"),
    [([True], 9, 1), ([False, True], 9, 2), ([False] * 5, 9, 1 + RETRIES), ([False] * 5, 1, 1)],
)
def test_a_call_that_fails_is_repeated_twice_unless_it_was_answered(
    results: list[bool], done_after: int, calls: int
) -> None:
    made: list[bool] = []
    pauses: list[float] = []

    def call() -> dict[str, Any]:
        made.append(results[len(made)])
        return {"error": not made[-1]}

    call_with_retries(call, is_done=lambda: len(made) >= done_after, pause=pauses.append)
    assert len(made) == calls
    assert len(pauses) == calls - 1


@pytest.mark.parametrize("type_", CREATIONS)
def test_a_type_of_resources_is_created_by_an_operation_whose_names_it_has(type_: str) -> None:
    creation = CREATIONS[type_]
    model = botocore.session.Session().get_service_model(creation.service)
    shape: Any = model.operation_model(creation.operation).input_shape
    assert set(creation.generated) <= set(shape.required_members) | {"QueueName", "Name"}
    problems = violations(shape, {**creation.generated, **as_input(shape, type_, {})})
    assert all("must not be null" in problem for problem in problems)


@pytest.mark.parametrize(
    ("type_", "properties", "expected"),
    [
        ("AWS::Lambda::Function",
         {"MemorySize": "256", "Environment": {"Variables": {"A": 1}}, "Tags": [], "Code": {}},
         {"MemorySize": 256, "Environment": {"Variables": {"A": "1"}}}),
        ("AWS::IAM::ManagedPolicy", {"ManagedPolicyName": "a", "PolicyDocument": {"Statement": []}},
         {"PolicyName": "a", "PolicyDocument": '{"Statement":[]}'}),
        ("AWS::IoT::TopicRule",
         {"TopicRulePayload": {"Sql": "a", "Actions": [{"Lambda": {"FunctionArn": "b"}}],
                               "RuleDisabled": "false"}},
         {"topicRulePayload": {"sql": "a", "actions": [{"lambda": {"functionArn": "b"}}],
                               "ruleDisabled": False}}),
        ("AWS::CloudWatch::Alarm", {"Threshold": "1.5", "ActionsEnabled": True, "Unknown": 1},
         {"Threshold": 1.5, "ActionsEnabled": True}),
    ],
)  # fmt: skip
def test_properties_become_the_input_of_the_operation(
    type_: str, properties: dict[str, Any], expected: dict[str, Any]
) -> None:
    creation = CREATIONS[type_]
    model = botocore.session.Session().get_service_model(creation.service)
    shape = model.operation_model(creation.operation).input_shape
    assert as_input(shape, type_, properties) == expected
