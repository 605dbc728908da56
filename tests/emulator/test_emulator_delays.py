"""With `up --delays`, operations that are asynchronous on AWS take effect after the response."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from testkit.waiting import eventually
from tests.emulator.running_emulator import ACCOUNT, REGION, Command, Emulator, recipe

pytestmark = [pytest.mark.emulator, pytest.mark.slow]

# The delay of a change, in seconds: even a busy machine starts the next call before the delay ends.
DELAY_SECONDS = 6
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com", "AWS": f"arn:aws:iam::{ACCOUNT}:root"},
            "Action": "sts:AssumeRole",
        }
    ],
}


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    command = Command(tmp_path_factory.mktemp("delayed") / ".local" / "aws")
    started = command("up", f"--delays={DELAY_SECONDS}")
    assert started.returncode == 0, started.stdout + started.stderr
    assert f"delays {DELAY_SECONDS} s" in started.stdout
    yield Emulator(command, command.endpoint())
    command("down")


def succeeds(call: Any, code: str, **params: Any) -> Any:
    """Repeat a call while it fails with this error code; return the first response."""

    def attempt() -> Any:
        try:
            return call(**params)
        except ClientError as error:
            if error.response["Error"]["Code"] != code:
                raise
            return None

    return eventually(attempt)


def rejected(call: Any, code: str, **params: Any) -> None:
    with pytest.raises(ClientError) as caught:
        call(**params)
    assert caught.value.response["Error"]["Code"] == code


def test_a_detached_certificate_and_policy_can_be_deleted_later(iot: Any, unique: str) -> None:
    document = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "iot:Connect", "Resource": "*"}]}  # fmt: skip
    iot.create_thing(thingName=unique)
    iot.create_policy(policyName=unique, policyDocument=json.dumps(document))
    certificate = iot.create_keys_and_certificate(setAsActive=True)
    arn, identifier = certificate["certificateArn"], certificate["certificateId"]
    iot.attach_thing_principal(thingName=unique, principal=arn)
    iot.attach_policy(policyName=unique, target=arn)

    iot.detach_policy(policyName=unique, target=arn)
    rejected(iot.delete_policy, "DeleteConflictException", policyName=unique)
    iot.update_certificate(certificateId=identifier, newStatus="INACTIVE")
    iot.detach_thing_principal(thingName=unique, principal=arn)
    assert iot.list_thing_principals(thingName=unique)["principals"] == [arn]
    rejected(iot.delete_certificate, "DeleteConflictException", certificateId=identifier)

    succeeds(iot.delete_certificate, "DeleteConflictException", certificateId=identifier)
    succeeds(iot.delete_policy, "DeleteConflictException", policyName=unique)


def test_a_thing_is_in_a_group_later_and_gets_its_job_then(iot: Any, unique: str) -> None:
    iot.create_thing(thingName=unique)
    iot.create_thing_group(thingGroupName=unique)
    iot.create_job(
        jobId=unique, targets=[f"arn:aws:iot:{REGION}:{ACCOUNT}:thinggroup/{unique}"],
        document="{}", targetSelection="CONTINUOUS",
    )  # fmt: skip

    def groups() -> Any:
        return iot.list_thing_groups_for_thing(thingName=unique)["thingGroups"]

    def executions() -> Any:
        return iot.list_job_executions_for_thing(thingName=unique)["executionSummaries"]

    iot.add_thing_to_thing_group(thingName=unique, thingGroupName=unique)
    assert groups() == []
    eventually(groups)
    eventually(executions)
    iot.remove_thing_from_thing_group(thingName=unique, thingGroupName=unique)
    assert groups()
    eventually(lambda: not groups())


def test_the_executions_of_a_job_are_created_later(iot: Any, unique: str) -> None:
    arn = iot.create_thing(thingName=unique)["thingArn"]
    iot.create_job(jobId=unique, targets=[arn], document="{}")

    def executions() -> Any:
        return iot.list_job_executions_for_job(jobId=unique)["executionSummaries"]

    assert executions() == []
    eventually(executions)


def test_an_operation_that_fails_does_so_at_once(iot: Any, unique: str) -> None:
    iot.create_thing(thingName=unique)
    call = iot.add_thing_to_thing_group
    rejected(call, "ResourceNotFoundException", thingName=unique, thingGroupName=unique)


def test_a_component_is_deployable_later(greengrass: Any, iot: Any, unique: str) -> None:
    iot.create_thing_group(thingGroupName=unique)
    name = f"com.{unique}"
    created = greengrass.create_component_version(inlineRecipe=json.dumps(recipe(name)).encode())

    def state() -> str:
        return str(greengrass.describe_component(arn=created["arn"])["status"]["componentState"])

    assert created["status"]["componentState"] == state() == "REQUESTED"
    deployment = {
        "targetArn": f"arn:aws:iot:{REGION}:{ACCOUNT}:thinggroup/{unique}",
        "components": {name: {"componentVersion": "1.0.0"}},
    }
    rejected(greengrass.create_deployment, "ValidationException", **deployment)
    eventually(lambda: state() == "DEPLOYABLE")
    greengrass.create_deployment(**deployment)


def test_a_role_can_be_assumed_later(aws: Emulator, unique: str) -> None:
    aws.client("iam").create_role(RoleName=unique, AssumeRolePolicyDocument=json.dumps(TRUST))
    arn = f"arn:aws:iam::{ACCOUNT}:role/{unique}"
    assume, create = aws.client("sts").assume_role, aws.client("lambda").create_function
    role = {"RoleArn": arn, "RoleSessionName": unique}
    function = {
        "FunctionName": unique, "Runtime": "python3.12", "Handler": "handler.handle", "Role": arn,
        "Code": {"ZipFile": b"PK\x05\x06" + bytes(18)},
    }  # fmt: skip
    rejected(assume, "AccessDenied", **role)
    rejected(create, "InvalidParameterValueException", **function)
    succeeds(assume, "AccessDenied", **role)
    succeeds(create, "InvalidParameterValueException", **function)
