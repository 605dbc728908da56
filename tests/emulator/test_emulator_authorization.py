"""IAM authorization: identity, boundary, session and resource policies, and their trace."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.emulator.running_emulator import (
    ACCOUNT,
    REGION,
    Command,
    Emulator,
    create_role,
    policy,
)

pytestmark = pytest.mark.emulator

EVERYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}
OTHER_ACCOUNT = "222222222222"


def session_of(aws: Emulator, role: str, **options: Any) -> Any:
    """Return a function that creates a service's client with a session of a role."""
    keys = aws.client("sts").assume_role(RoleArn=role, RoleSessionName="test", **options)
    return connector(aws, keys["Credentials"])


def connector(aws: Emulator, credentials: dict[str, Any]) -> Any:
    connect: Any = boto3.client  # a new session would load each service model again
    return lambda service: connect(
        service,
        endpoint_url=aws.endpoint["endpoint_url"],
        region_name=REGION,
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
    )


def denial(call: Any, **params: Any) -> str:
    """Return the error message of a denied call."""
    with pytest.raises(ClientError) as caught:
        call(**params)
    response = caught.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 403, response
    assert response["Error"]["Code"].startswith("AccessDenied"), response
    return str(response["Error"]["Message"])


def test_a_session_has_the_rights_of_its_roles_identity_policies(
    aws: Emulator, bucket: str, unique: str
) -> None:
    reads = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/a*"}
    s3 = session_of(aws, create_role(aws, unique, reads))("s3")
    for key in ("allowed", "other"):
        aws.client("s3").put_object(Bucket=bucket, Key=key, Body=b"x")
    assert s3.get_object(Bucket=bucket, Key="allowed")["Body"].read() == b"x"
    assert denial(s3.get_object, Bucket=bucket, Key="other") == (
        f"User: arn:aws:sts::{ACCOUNT}:assumed-role/{unique}/test is not authorized to perform:"
        f' s3:GetObject on resource: "arn:aws:s3:::{bucket}/other"'
        " because no identity-based policy allows the s3:GetObject action"
    )


def test_a_boundary_limits_what_policies_allow(aws: Emulator, bucket: str, unique: str) -> None:
    lists = {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*"}
    boundary = aws.client("iam").create_policy(PolicyName=unique, PolicyDocument=policy(lists))
    role = create_role(aws, unique, EVERYTHING, PermissionsBoundary=boundary["Policy"]["Arn"])
    s3 = session_of(aws, role)("s3")
    s3.list_objects_v2(Bucket=bucket)
    assert "s3:PutObject" in denial(s3.put_object, Bucket=bucket, Key="a", Body=b"")


def test_a_session_policy_limits_one_session(aws: Emulator, bucket: str, unique: str) -> None:
    lists = {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*"}
    role = create_role(aws, unique, EVERYTHING)
    limited = session_of(aws, role, Policy=policy(lists))("s3")
    limited.list_objects_v2(Bucket=bucket)
    assert "s3:PutObject" in denial(limited.put_object, Bucket=bucket, Key="a", Body=b"")
    session_of(aws, role)("s3").put_object(Bucket=bucket, Key="a", Body=b"")


def test_a_buckets_deny_applies_to_root_and_spares_the_role_that_it_names(
    aws: Emulator, bucket: str, unique: str
) -> None:
    publisher = create_role(aws, unique, EVERYTHING, Path="/deeplens/")
    write_once = {
        "Effect": "Deny", "Principal": "*", "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{bucket}/components/*",
        "Condition": {"ArnNotEquals": {"aws:PrincipalArn": publisher}},
    }  # fmt: skip
    root = aws.client("s3")
    root.put_bucket_policy(Bucket=bucket, Policy=policy(write_once))
    key = "components/model.zip"
    assert denial(root.put_object, Bucket=bucket, Key=key, Body=b"") == (
        f"User: arn:aws:iam::{ACCOUNT}:root is not authorized to perform: s3:PutObject on resource:"
        f' "arn:aws:s3:::{bucket}/{key}" with an explicit deny in a resource-based policy'
    )
    session_of(aws, publisher)("s3").put_object(Bucket=bucket, Key=key, Body=b"")


def test_root_of_another_account_needs_the_buckets_permission(aws: Emulator, bucket: str) -> None:
    aws.client("s3").put_object(Bucket=bucket, Key="a", Body=b"x")
    stranger = aws.client("s3", OTHER_ACCOUNT)
    denial(stranger.get_object, Bucket=bucket, Key="a")
    shared = {
        "Effect": "Allow", "Principal": {"AWS": OTHER_ACCOUNT}, "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket}/*",
    }  # fmt: skip
    aws.client("s3").put_bucket_policy(Bucket=bucket, Policy=policy(shared))
    assert stranger.get_object(Bucket=bucket, Key="a")["Body"].read() == b"x"


def test_root_of_the_owner_can_always_replace_a_buckets_policy(aws: Emulator, bucket: str) -> None:
    s3 = aws.client("s3")
    nobody = {
        "Effect": "Deny", "Principal": "*", "Action": "s3:*",
        "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
    }  # fmt: skip
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(nobody))
    denial(s3.list_objects_v2, Bucket=bucket)
    s3.get_bucket_policy(Bucket=bucket)
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(nobody))
    s3.delete_bucket_policy(Bucket=bucket)
    s3.list_objects_v2(Bucket=bucket)


def test_a_bucket_that_requires_tls_is_used_over_loopback(aws: Emulator, bucket: str) -> None:
    tls_only = {
        "Effect": "Deny", "Principal": "*", "Action": "s3:*",
        "Resource": f"arn:aws:s3:::{bucket}/*",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }  # fmt: skip
    aws.client("s3").put_bucket_policy(Bucket=bucket, Policy=policy(tls_only))
    aws.client("s3").put_object(Bucket=bucket, Key="a", Body=b"")


def test_a_key_needs_its_key_policy_too(aws: Emulator, unique: str) -> None:
    role = create_role(aws, unique, EVERYTHING)
    account = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "kms:*", "Resource": "*"}
    not_this_role = {
        "Effect": "Deny", "Principal": "*", "Action": "kms:Encrypt", "Resource": "*",
        "Condition": {"ArnEquals": {"aws:PrincipalArn": role}},
    }  # fmt: skip
    kms = aws.client("kms")
    key = kms.create_key(Policy=policy(account, not_this_role))["KeyMetadata"]["KeyId"]
    kms.encrypt(KeyId=key, Plaintext=b"x")
    with pytest.raises(ClientError, match="explicit deny in a resource-based policy"):
        session_of(aws, role)("kms").encrypt(KeyId=key, Plaintext=b"x")


def test_an_encrypted_object_needs_rights_on_its_key(
    aws: Emulator, bucket: str, unique: str
) -> None:
    key = aws.client("kms").create_key()["KeyMetadata"]["Arn"]
    rule = {"ApplyServerSideEncryptionByDefault": {
        "SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key,
    }}  # fmt: skip
    s3 = aws.client("s3")
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
    s3.put_object(Bucket=bucket, Key="a", Body=b"x")
    objects = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    without = session_of(aws, create_role(aws, unique, objects))("s3")
    without.head_object(Bucket=bucket, Key="a")
    assert f"kms:Decrypt on resource: {key}" in denial(without.get_object, Bucket=bucket, Key="a")
    copies = {"CopySource": f"{bucket}/a", "Bucket": bucket, "Key": "c"}
    assert "kms:Decrypt" in denial(without.copy_object, **copies)
    assert "kms:GenerateDataKey" in denial(without.put_object, Bucket=bucket, Key="b", Body=b"x")
    through_s3 = {
        "Effect": "Allow", "Action": ["kms:Decrypt", "kms:GenerateDataKey"], "Resource": key,
        "Condition": {"StringEquals": {"kms:ViaService": f"s3.{REGION}.amazonaws.com"}},
    }  # fmt: skip
    allowed = session_of(aws, create_role(aws, f"{unique}-2", objects, through_s3))("s3")
    assert allowed.get_object(Bucket=bucket, Key="a")["Body"].read() == b"x"
    allowed.put_object(Bucket=bucket, Key="b", Body=b"x")
    allowed.copy_object(**copies)


def test_a_topic_denies_by_its_policy(aws: Emulator, unique: str) -> None:
    sns = aws.client("sns")
    topic = sns.create_topic(Name=unique)["TopicArn"]
    role = create_role(aws, unique, EVERYTHING)
    nobody = {"Effect": "Deny", "Principal": "*", "Action": "sns:Publish", "Resource": topic}
    session = session_of(aws, role)("sns")
    session.publish(TopicArn=topic, Message="before")
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy(nobody))
    with pytest.raises(ClientError, match="is not authorized to perform: SNS:Publish") as caught:
        session.publish(TopicArn=topic, Message="after")
    assert caught.value.response["Error"]["Code"] == "AuthorizationError"


def test_conditions_on_the_tags_of_a_request_hold(aws: Emulator, unique: str) -> None:
    owned = {
        "Effect": "Allow", "Action": ["iot:CreateThingGroup", "iot:TagResource"], "Resource": "*",
        "Condition": {"StringEquals": {"aws:RequestTag/owner": "deeplens"}},
    }  # fmt: skip
    iot = session_of(aws, create_role(aws, unique, owned))("iot")
    tags = [{"Key": "owner", "Value": "deeplens"}]
    iot.create_thing_group(thingGroupName=unique, tags=tags)
    with pytest.raises(ClientError, match="not authorized to perform: iot:CreateThingGroup"):
        iot.create_thing_group(thingGroupName=f"{unique}-2")


def test_variables_are_replaced_by_the_values_of_the_request(
    aws: Emulator, bucket: str, unique: str
) -> None:
    objects = f"arn:aws:s3:::{bucket}"
    reads = {
        "Effect": "Allow", "Action": "s3:GetObject",
        "Resource": [
            f"{objects}/${{aws:PrincipalTag/team}}/*", f"{objects}/${{*}}",
            f"{objects}/${{aws:PrincipalTag/absent, 'none'}}",
        ],
    }  # fmt: skip
    absent = {**reads, "Resource": f"{objects}/${{aws:PrincipalTag/absent}}*"}
    denies = {
        **reads, "Effect": "Deny", "Resource": f"{objects}/*",
        "Condition": {"StringEquals": {"aws:PrincipalTag/team": "${aws:PrincipalTag/blocked}"}},
    }  # fmt: skip
    for key in ("a/x", "ab/x", "*", "other", "none"):
        aws.client("s3").put_object(Bucket=bucket, Key=key, Body=b"x")
    tags = [{"Key": "team", "Value": "a"}]
    s3 = session_of(aws, create_role(aws, unique, reads, absent, Tags=tags))("s3")
    for key in ("a/x", "*", "none"):
        s3.get_object(Bucket=bucket, Key=key)
    # `${*}` is not a wildcard, and a variable without a value matches nothing.
    for key in ("ab/x", "other"):
        denial(s3.get_object, Bucket=bucket, Key=key)
    tags.append({"Key": "blocked", "Value": "a"})
    s3 = session_of(aws, create_role(aws, f"{unique}-2", reads, denies, Tags=tags))("s3")
    assert "with an explicit deny" in denial(s3.get_object, Bucket=bucket, Key="a/x")


@pytest.mark.parametrize("key", ["a\n/x", "a/", "a//x", "a/\n"])
def test_objects_are_authorized_by_their_exact_keys(
    aws: Emulator, bucket: str, unique: str, key: str
) -> None:
    aws.client("s3").put_object(Bucket=bucket, Key=key, Body=b"x")
    own = f"arn:aws:s3:::{bucket}/{key}"
    exact = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": own}
    session_of(aws, create_role(aws, unique, exact))("s3").get_object(Bucket=bucket, Key=key)
    denies = {"Effect": "Deny", "Action": "s3:*", "Resource": f"arn:aws:s3:::{bucket}/a*/*"}
    role = create_role(aws, f"{unique}-2", EVERYTHING, denies)
    denial(session_of(aws, role)("s3").get_object, Bucket=bucket, Key=key)
    other = {**exact, "Resource": f"arn:aws:s3:::{bucket}/a"}
    s3 = session_of(aws, create_role(aws, f"{unique}-3", other))("s3")
    denial(s3.get_object, Bucket=bucket, Key=key)
    aws.client("s3").delete_object(Bucket=bucket, Key=key)


def test_a_deny_with_not_principal_spares_those_that_it_names(
    aws: Emulator, bucket: str, unique: str
) -> None:
    named, other = (create_role(aws, f"{unique}-{suffix}", EVERYTHING) for suffix in "ab")
    denies = {
        "Effect": "Deny", "NotPrincipal": {"AWS": [named, f"arn:aws:iam::{ACCOUNT}:root"]},
        "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*",
    }  # fmt: skip
    root = aws.client("s3")
    root.put_object(Bucket=bucket, Key="x", Body=b"x")
    root.put_bucket_policy(Bucket=bucket, Policy=policy(denies))
    for s3 in (session_of(aws, named)("s3"), root):
        s3.get_object(Bucket=bucket, Key="x")
    denial(session_of(aws, other)("s3").get_object, Bucket=bucket, Key="x")


def test_a_session_ends_with_its_role_also_if_the_name_is_used_again(
    aws: Emulator, bucket: str, unique: str
) -> None:
    role, iam = create_role(aws, unique, EVERYTHING), aws.client("iam")
    sessions = session_of(aws, role)
    aws.client("s3").put_object(Bucket=bucket, Key="x", Body=b"x")
    sessions("s3").get_object(Bucket=bucket, Key="x")
    iam.delete_role_policy(RoleName=unique, PolicyName="own")
    iam.delete_role(RoleName=unique)
    denial(sessions("s3").get_object, Bucket=bucket, Key="x")
    create_role(aws, unique, EVERYTHING)
    denial(sessions("s3").get_object, Bucket=bucket, Key="x")
    session_of(aws, role)("s3").get_object(Bucket=bucket, Key="x")


@pytest.fixture
def traced(tmp_path: Path) -> Iterator[tuple[Emulator, Path]]:
    """An emulator that traces its decisions, with the path of the trace."""
    command, file = Command(tmp_path / ".local" / "aws"), tmp_path / "trace" / "decisions.jsonl"
    started = command("up", "--trace-authorization", str(file))
    assert started.returncode == 0, started.stdout + started.stderr
    yield Emulator(command, command.endpoint()), file
    command("down")


def test_every_decision_is_recorded_with_its_reason(traced: tuple[Emulator, Path]) -> None:
    aws, file = traced
    assert file.stat().st_mode & 0o077 == 0
    lists = {"Sid": "Lists", "Effect": "Allow", "Action": "iot:ListThings", "Resource": "*"}
    role = create_role(aws, "reader", lists)
    iot = session_of(aws, role)("iot")
    iot.list_things()
    denial(iot.delete_thing, thingName="cam-1")
    decisions = [json.loads(line) for line in file.read_text().splitlines()]
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/reader/test"
    expected = [
        ("iot:ListThings", "*", "Allow", "Lists"),
        ("iot:DeleteThing", f"arn:aws:iot:{REGION}:{ACCOUNT}:thing/cam-1", "ImplicitDeny", ""),
    ]
    assert [
        tuple(one[key] for key in ("action", "resource", "decision", "statement"))
        for one in decisions
        if (one["principal"], one["session"]) == (role, session)
    ] == expected
    assert {decision["principal"] for decision in decisions} == {
        role,
        f"arn:aws:iam::{ACCOUNT}:root",
    }
