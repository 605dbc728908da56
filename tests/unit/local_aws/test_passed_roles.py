"""The emulator finds the roles that a call passes to a service, anywhere in the input."""

import botocore.session
import pytest

from local_aws.authorization.checks import Check
from local_aws.authorization.passed_roles import _MEMBERS, _PASSING, checks_of_passed_roles
from local_aws.service_protocol import Call

pytestmark = pytest.mark.unit

ROLE = "arn:aws:iam::111111111111:role/path/rules"


def test_each_role_is_passed_to_the_service_of_the_call() -> None:
    actions = [{"lambda": {"functionArn": "x"}}, {"sns": {"roleArn": ROLE}}]
    call = Call("CreateTopicRule", {"ruleName": "x", "topicRulePayload": {"actions": actions}})
    expected = Check("iam:PassRole", ROLE, {"iam:PassedToService": "iot.amazonaws.com"})
    assert list(checks_of_passed_roles("iot", call)) == [expected]


def test_a_call_without_a_role_or_of_another_kind_passes_none() -> None:
    assert not list(checks_of_passed_roles("cloudformation", Call("UpdateStack", {"RoleARN": ""})))
    assert not list(checks_of_passed_roles("lambda", Call("AddPermission", {"Role": ROLE})))


@pytest.mark.parametrize(
    ("service", "operation"),
    [(service, name) for service, (_, names) in _PASSING.items() for name in sorted(names)],
)
def test_botocores_model_has_a_role_in_each_operation(service: str, operation: str) -> None:
    model = botocore.session.Session().get_service_model(service).operation_model(operation)
    names, waiting, seen = set(), [model.input_shape], set()
    while waiting:
        shape = waiting.pop()
        if shape.name in seen:
            continue
        seen.add(shape.name)
        if shape.type_name == "structure":
            names |= {name.lower() for name in shape.members}
            waiting += shape.members.values()
        elif shape.type_name == "list":
            waiting.append(shape.member)
    assert names & _MEMBERS
