"""The resources of an environment, inside and outside of its stacks."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from deeplens.fleet.errors import FleetError
from deeplens.fleet.session import FleetSession
from deeplens.fleet.stacks import (
    DeployedStack,
    find_stack,
    possible_stack_names,
    resources,
)
from shared.fleet.rollout import wave_group

ENVIRONMENT_TAG = "deeplens:environment"
_NO_TAGS = {"NoSuchTagSet", "NoSuchBucket", "404"}


@dataclass(frozen=True)
class Inventory:
    """The existing resources; all fields are empty after a complete teardown.

    Attributes:
        devices: names of the things in the fleet's thing group.
        stacks: the stacks in deletion order.
        wave_groups: thing groups that rollouts created for waves with a percentage.
        components: ARNs of the component versions.
        buckets: names; the model bucket and its log bucket remain when their stack is deleted.
        keys: ids of the KMS keys that remain when their stack is deleted.
        log_groups: names of the log groups of stacks, functions and devices.
    """

    devices: tuple[str, ...] = ()
    stacks: tuple[DeployedStack, ...] = ()
    wave_groups: tuple[str, ...] = ()
    components: tuple[str, ...] = ()
    buckets: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    log_groups: tuple[str, ...] = field(default=())

    @property
    def is_empty(self) -> bool:
        """True if no resource of the environment exists."""
        return self == Inventory()


def take_inventory(session: FleetSession) -> Inventory:
    """List the existing resources of an environment, without changes.

    Raises:
        FleetError: a stack has the name of an environment's stack, but another description.
    """
    stacks = list(_stacks(session))
    owned = {stack.name: list(resources(session, stack.name)) for stack in stacks}
    buckets = _buckets(session, owned)
    return Inventory(
        devices=tuple(session.things_of(session.thing_group)),
        stacks=tuple(reversed(stacks)),
        wave_groups=tuple(_wave_groups(session)),
        components=tuple(_components(session)),
        buckets=buckets,
        keys=tuple(sorted({key for bucket in buckets for key in _keys(session, bucket)})),
        log_groups=tuple(_log_groups(session, owned)),
    )


def _stacks(session: FleetSession) -> Iterator[DeployedStack]:
    """Yield the existing stacks, including those that the environment file no longer enables.

    Raises:
        FleetError: a stack has the name of an environment's stack, but another description.
    """
    environment = session.environment.name
    expected = f"DeepLens {environment}: "
    for name in possible_stack_names(session.environment):
        stack = find_stack(session, name)
        if stack is None:
            continue
        # A stack has no description until CloudFormation creates the stack's first resource.
        if stack.description and not stack.description.startswith(expected):
            raise FleetError(
                f"the stack {name} is not of {environment}: expected a description that begins "
                f"with {expected!r}; got {stack.description!r}; nothing was deleted"
            )
        yield stack


def _wave_groups(session: FleetSession) -> Iterator[str]:
    prefix = f"{session.deployment_name}-wave-"
    pages = session.iot.get_paginator("list_thing_groups").paginate(namePrefixFilter=prefix)
    for name in (group["groupName"] for page in pages for group in page["thingGroups"]):
        number = re.match(rf"{re.escape(prefix)}([0-9]+)-of-", name)
        if number and name == wave_group(
            session.deployment_name, int(number[1]), session.thing_group
        ):
            yield name


def _components(session: FleetSession) -> Iterator[str]:
    client, prefix = session.greengrass, f"deeplens.{session.environment.name}."
    for page in client.get_paginator("list_components").paginate(scope="PRIVATE"):
        for component in page["components"]:
            if component["componentName"].startswith(prefix):
                versions = client.get_paginator("list_component_versions")
                for listed in versions.paginate(arn=component["arn"]):
                    yield from (version["arn"] for version in listed["componentVersions"])


def _buckets(session: FleetSession, owned: dict[str, list[tuple[str, str]]]) -> tuple[str, ...]:
    """Return the environment's buckets, the model bucket before the bucket of its access logs."""
    client: Any = session.boto_session.client("s3")
    name = session.environment.model_store.bucket_name
    store = f"{session.environment.name}-ModelStore"
    of_stack = {id_ for type_, id_ in owned.get(store, []) if type_ == "AWS::S3::Bucket"}
    # CloudFormation derives the name of the log bucket from the name of the stack.
    pages = client.get_paginator("list_buckets").paginate(Prefix=f"{store.lower()}-")
    listed = {bucket["Name"] for page in pages for bucket in page.get("Buckets", [])}
    existing = {
        bucket
        for bucket in {name, *of_stack, *listed}
        if _is_tagged(client, bucket, session.environment.name)
    }
    return tuple(sorted(existing, key=lambda bucket: (bucket != name, bucket)))


def _is_tagged(client: Any, bucket: str, environment: str) -> bool:
    """Return whether the bucket exists and has the tag of the environment's stacks."""
    try:
        tags = client.get_bucket_tagging(Bucket=bucket)["TagSet"]
    except ClientError as error:
        if error.response["Error"]["Code"] in _NO_TAGS:
            return False
        raise
    return {"Key": ENVIRONMENT_TAG, "Value": environment} in tags


def _keys(session: FleetSession, bucket: str) -> Iterator[str]:
    """Yield the id of each enabled customer managed key in a bucket's default encryption."""
    s3: Any = session.boto_session.client("s3")
    kms: Any = session.boto_session.client("kms")
    try:
        encryption = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ServerSideEncryptionConfigurationNotFoundError":
            return
        raise
    for rule in encryption["Rules"]:
        key = rule["ApplyServerSideEncryptionByDefault"].get("KMSMasterKeyID")
        if key is None:
            continue
        described = kms.describe_key(KeyId=key)["KeyMetadata"]
        if described["KeyManager"] == "CUSTOMER" and described["KeyState"] == "Enabled":
            yield described["KeyId"]


def _log_groups(session: FleetSession, owned: dict[str, list[tuple[str, str]]]) -> Iterator[str]:
    client: Any = session.boto_session.client("logs")
    environment = session.environment
    names = {
        id_ if type_ == "AWS::Logs::LogGroup" else f"/aws/lambda/{id_}"
        for stack in owned.values()
        for type_, id_ in stack
        if type_ in {"AWS::Logs::LogGroup", "AWS::Lambda::Function"}
    }
    names.add(f"/aws/lambda/deeplens-{environment.name}-inference")
    # The name of a function consists of its stack's name, its logical id and a random suffix. If
    # another stack's name begins with this stack's name, the function names of that stack have an
    # additional part.
    own_ends = {
        f"/aws/lambda/{stack}-": r"[^-]+-[^-]+" for stack in possible_stack_names(environment)
    }
    # The log manager names log groups after components.
    components = f"/aws/greengrass/UserComponent/{environment.region}/deeplens.{environment.name}."
    own_ends[components] = r".+"
    pages = client.get_paginator("describe_log_groups")
    for prefix, end in own_ends.items():
        own = re.compile(re.escape(prefix) + end)
        for page in pages.paginate(logGroupNamePrefix=prefix):
            listed = {group["logGroupName"] for group in page["logGroups"]}
            names |= {name for name in listed if own.fullmatch(name)}
    for name in sorted(names):
        page = client.describe_log_groups(logGroupNamePrefix=name, limit=1)
        if any(group["logGroupName"] == name for group in page["logGroups"]):
            yield name
