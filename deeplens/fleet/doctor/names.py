"""Check that each fixed name is free, or belongs to a stack of the environment."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from botocore.exceptions import ClientError

from deeplens.fleet.doctor.findings import Finding, Outcome, Patient
from deeplens.fleet.stacks import resources

_ABSENT = {"404", "NoSuchBucket", "ResourceNotFoundException", "NotFound"}


@dataclass(frozen=True)
class FixedName:
    """A fixed name in the templates.

    Attributes:
        kind: the kind of resource, for messages.
        name: the name.
        stack: the stack's name without the environment, for example `Devices`.
        look: returns the physical ids that the resource can have in a stack; raises a `ClientError`
            with a code of "not found" if the name is free.
        repair: the command that frees the name, or imports the resource into the stack.
    """

    kind: str
    name: str
    stack: str
    look: Callable[[], set[str]]
    repair: str


def in_use(patient: Patient) -> Iterator[Finding]:
    """Yield a finding for each name in use outside of its stack, or one OK finding if none is."""
    names = _fixed_names(patient)
    taken = list(_taken(patient, names))
    yield from taken
    if not taken:
        text = f"{len(names)} fixed names are free, or belong to the environment's stacks"
        yield Finding("names", Outcome.OK, text)


def _taken(patient: Patient, names: list[FixedName]) -> Iterator[Finding]:
    for fixed in names:
        check = f"name of the {fixed.kind}"
        try:
            ids = fixed.look()
        except ClientError as error:
            if error.response["Error"]["Code"] in _ABSENT:
                continue
            if _is_foreign_bucket(fixed, error):
                yield Finding(
                    check,
                    Outcome.BLOCKED,
                    f"the bucket {fixed.name} belongs to another account, or denies access",
                    f"set model_store.bucket_name in {patient.name}.toml to another name",
                )
                continue
            raise
        stack = f"{patient.name}-{fixed.stack}"
        if ids.isdisjoint(physical for _, physical in resources(patient.session, stack)):
            text = f"{fixed.name} exists, but does not belong to the stack {stack}"
            yield Finding(check, Outcome.BLOCKED, text, fixed.repair)


def _is_foreign_bucket(fixed: FixedName, error: ClientError) -> bool:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return fixed.kind == "bucket" and status == HTTPStatus.FORBIDDEN


def _fixed_names(patient: Patient) -> list[FixedName]:
    environment, session = patient.session.environment, patient.session
    s3: Any = session.boto_session.client("s3")
    functions: Any = session.boto_session.client("lambda")
    bucket, group = environment.model_store.bucket_name, environment.fleet.thing_group
    alias = f"deeplens-{environment.name}-token-exchange"
    function = f"deeplens-{environment.name}-inference"
    names = [
        FixedName(
            "bucket",
            bucket,
            "ModelStore",
            lambda: s3.head_bucket(Bucket=bucket) and {bucket},
            f"{patient.deploy('ModelStore')} --import-existing-resources",
        ),
        FixedName(
            "thing group",
            group,
            "Devices",
            lambda: {
                # The physical id of a thing group is its id on the emulator, and its name on AWS.
                group,
                session.iot.describe_thing_group(thingGroupName=group)["thingGroupId"],
            },
            f"aws iot delete-thing-group --thing-group-name {group}",
        ),
        FixedName(
            "role alias",
            alias,
            "Devices",
            lambda: session.iot.describe_role_alias(roleAlias=alias) and {alias},
            f"aws iot delete-role-alias --role-alias {alias}",
        ),
        FixedName(
            "function",
            function,
            "Inference",
            lambda: functions.get_function_configuration(FunctionName=function) and {function},
            f"aws lambda delete-function --function-name {function}",
        ),
    ]
    if environment.monitoring.enabled:
        names += [_rule(session.iot, f"deeplens_{environment.name}_{kind}".replace("-", "_"))
                  for kind in ("heartbeats", "messages")]  # fmt: skip
    return names


def _rule(iot: Any, name: str) -> FixedName:
    # AWS IoT denies access to a rule that does not exist, so the list of all rules is read.
    def look() -> set[str]:
        pages = iot.get_paginator("list_topic_rules").paginate()
        if name not in {rule["ruleName"] for page in pages for rule in page["rules"]}:
            raise ClientError({"Error": {"Code": "NotFound", "Message": name}}, "ListTopicRules")
        return {name}

    return FixedName(
        "topic rule",
        name,
        "Monitoring",
        look,
        f"aws iot delete-topic-rule --rule-name {name}",
    )
