"""The emulator parses the forms that botocore's query protocol sends."""

from typing import Any

import botocore.session
import pytest
from botocore.serialize import create_serializer
from hypothesis import given
from hypothesis import strategies as st

from local_aws.input_validation.constraints import violations
from local_aws.input_validation.query_protocol import read_input

_names = st.text("abcXYZ09-", min_size=1, max_size=20)


def sent(service: str, operation: str, params: dict[str, Any]) -> tuple[Any, dict[str, str]]:
    """Return an operation's input shape, and the form that botocore sends for an input."""
    model = botocore.session.Session().get_service_model(service)
    operation_model = model.operation_model(operation)
    request: Any = create_serializer("query").serialize_to_request(params, operation_model)
    return operation_model.input_shape, {
        name: str(value) for name, value in request["body"].items()
    }


@pytest.mark.parametrize(
    ("service", "operation", "params"),
    [
        ("iam", "CreateRole", {
            "RoleName": "a", "AssumeRolePolicyDocument": "{}", "MaxSessionDuration": 3600,
            "Tags": [{"Key": "a", "Value": ""}, {"Key": "b", "Value": "c"}]}),
        ("sts", "AssumeRole", {
            "RoleArn": "arn:aws:iam::111111111111:role/a", "RoleSessionName": "session",
            "TransitiveTagKeys": ["a", "b"], "PolicyArns": [{"arn": "arn:aws:iam::aws:policy/a"}]}),
        ("cloudformation", "CreateStack", {
            "StackName": "a", "DisableRollback": True, "Capabilities": ["CAPABILITY_IAM"],
            "RollbackConfiguration": {"RollbackTriggers": [{"Arn": "a", "Type": "b"}]},
            "Parameters": [{"ParameterKey": "a", "UsePreviousValue": False}]}),
        ("cloudwatch", "PutMetricAlarm", {
            "AlarmName": "a", "EvaluationPeriods": 1, "ComparisonOperator": "GreaterThanThreshold",
            "Threshold": 1.5, "Dimensions": [{"Name": "a", "Value": "b"}]}),
        ("sns", "CreateTopic", {"Name": "a", "Attributes": {"DisplayName": "a", "b": ""}}),
        ("iam", "CreateRole", {"RoleName": "a", "AssumeRolePolicyDocument": "{}", "Tags": []}),
    ],
)  # fmt: skip
def test_what_botocore_sends_is_read_as_what_the_caller_gave(
    service: str, operation: str, params: dict[str, Any]
) -> None:
    shape, form = sent(service, operation, params)
    assert read_input(shape, form) == params
    assert violations(shape, read_input(shape, form)) == []


@given(st.lists(st.fixed_dictionaries({"Key": _names, "Value": st.text(max_size=5)}), min_size=1))
def test_lists_of_any_length_keep_their_order(tags: list[dict[str, str]]) -> None:
    params = {"RoleName": "a", "AssumeRolePolicyDocument": "{}", "Tags": tags}
    shape, form = sent("iam", "CreateRole", params)
    assert read_input(shape, form) == params


@pytest.mark.parametrize("text", ["many", "1_0", "٣", " 1", "", "1.5"])
def test_a_number_that_is_none_breaks_its_type(text: str) -> None:
    shape, form = sent("iam", "CreateRole", {"RoleName": "a", "AssumeRolePolicyDocument": "{}"})
    form["MaxSessionDuration"] = text
    (problem,) = violations(shape, read_input(shape, form))
    assert "'MaxSessionDuration'" in problem
    assert "must be a integer" in problem


@given(st.dictionaries(st.text("abcTags.member1Key", max_size=20), st.text(max_size=5)))
def test_no_form_breaks_the_reader(form: dict[str, str]) -> None:
    shape, _ = sent("iam", "CreateRole", {"RoleName": "a", "AssumeRolePolicyDocument": "{}"})
    assert isinstance(read_input(shape, form), dict)
