"""Deletion of an environment's resources in order."""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deeplens.fleet import toolkit
from deeplens.fleet.device_folder import DeviceFolder
from deeplens.fleet.retire import plan_retirement, retire_device
from deeplens.fleet.session import FleetSession
from deeplens.fleet.teardown.inventory import Inventory
from deeplens.fleet.teardown.stacks import StackDeletion
from deeplens.fleet.teardown.storage import (
    KEY_PENDING_DAYS,
    delete_bucket,
    empty_bucket,
    exists,
    schedule_key_deletion,
)

# The stacks that are deleted after deployments and jobs, which refer to resources of these stacks.
_IDENTITY = ("Devices", "ModelStore")
_LIVE_DEPLOYMENTS = {"ACTIVE", "COMPLETED"}


@dataclass(frozen=True)
class Remaining:
    """Descriptions of the resources that remain after a teardown.

    Attributes:
        protected: objects that S3's Object Lock protects, with their buckets and KMS keys.
        shared: resources that other environments of the account may use.
    """

    protected: tuple[str, ...]
    shared: tuple[str, ...]


def tear_down(
    session: FleetSession,
    inventory: Inventory,
    devices: Path,
    report: Callable[[str], None],
    sleep: Callable[[float], None] = time.sleep,
) -> Remaining:
    """Delete the resources of an inventory, each after the resources that refer to it.

    Args:
        session: the environment, and the clients of its account and Region.
        inventory: the existing resources.
        devices: folder with the folders of the devices' files.
        report: prints a line of progress.
        sleep: waits for a number of seconds.

    Returns:
        The resources that remain.

    Raises:
        FleetError: a device could not be retired, or a stack could not be deleted; repeat the
            command after the repair.
    """
    for thing in inventory.devices:
        folder = DeviceFolder(devices / thing)
        retire_device(session, plan_retirement(session, thing, folder), folder, report=report)
        report(f"retired {thing}")
    deletion = StackDeletion(session, report, sleep)
    identity = {f"{session.environment.name}-{part}" for part in _IDENTITY}
    for stack in (stack for stack in inventory.stacks if stack.name not in identity):
        deletion.delete(stack)
        report(f"deleted the stack {stack.name}")
    groups = (*inventory.wave_groups, session.thing_group)
    _delete_deployments(session, groups, report)
    for group in inventory.wave_groups:
        session.iot.delete_thing_group(thingGroupName=group)
        report(f"deleted the thing group {group}")
    for arn in inventory.components:
        session.greengrass.delete_component(arn=arn)
    if inventory.components:
        report(f"deleted {len(inventory.components)} component version(s)")
    for stack in (stack for stack in inventory.stacks if stack.name in identity):
        deletion.delete(stack)
        report(f"deleted the stack {stack.name}")
    protected = tuple(_delete_storage(session, inventory, report))
    _delete_logs(session, inventory.log_groups, report)
    return Remaining(protected, (_toolkit(session),))


def _delete_deployments(
    session: FleetSession, groups: tuple[str, ...], report: Callable[[str], None]
) -> None:
    """Delete the deployments of the fleet and its waves, and their remaining jobs."""
    client, number = session.greengrass, 0
    for group in groups:
        target = session.target_arn.removesuffix(session.thing_group) + group
        pages = client.get_paginator("list_deployments").paginate(
            targetArn=target, historyFilter="ALL"
        )
        for deployment in [listed for page in pages for listed in page["deployments"]]:
            id_ = deployment["deploymentId"]
            if deployment["deploymentStatus"] in _LIVE_DEPLOYMENTS:
                client.cancel_deployment(deploymentId=id_)
            client.delete_deployment(deploymentId=id_)
            number += 1
        with contextlib.suppress(session.iot.exceptions.ResourceNotFoundException):
            jobs = session.iot.get_paginator("list_jobs").paginate(thingGroupName=group)
            for job in [listed for page in jobs for listed in page["jobs"]]:
                with contextlib.suppress(session.iot.exceptions.ResourceNotFoundException):
                    session.iot.delete_job(jobId=job["jobId"], force=True)
    if number:
        report(f"deleted {number} deployment(s)")


def _delete_storage(
    session: FleetSession, inventory: Inventory, report: Callable[[str], None]
) -> Iterator[str]:
    """Delete buckets and their keys; yield a description of each resource that remains."""
    locked = False
    for bucket in (name for name in inventory.buckets if exists(session, name)):
        emptied = empty_bucket(session, bucket)
        if emptied.remaining:
            locked = True
            yield (
                f"the bucket {bucket} with {emptied.remaining} version(s) that S3 did not delete "
                f"({emptied.reason}); run the same command again when their retention has ended"
            )
            continue
        if not locked:
            # The key's deletion is scheduled before the bucket is deleted, because the inventory of
            # a repeated command finds the key only by the bucket's encryption.
            for key in inventory.keys:
                schedule_key_deletion(session, key)
        delete_bucket(session, bucket)
        report(f"deleted the bucket {bucket} with {emptied.deleted} version(s)")
    if locked:
        yield from (f"the KMS key {key}, which encrypts them" for key in inventory.keys)
        return
    for key in inventory.keys:
        report(f"scheduled the KMS key {key} for deletion in {KEY_PENDING_DAYS} days")


def _delete_logs(
    session: FleetSession, names: tuple[str, ...], report: Callable[[str], None]
) -> None:
    client: Any = session.boto_session.client("logs")
    for name in names:
        # Stacks have already deleted most log groups.
        with contextlib.suppress(client.exceptions.ResourceNotFoundException):
            client.delete_log_group(logGroupName=name)
            report(f"deleted the log group {name}")


def _toolkit(session: FleetSession) -> str:
    place = session.environment.aws_environment
    return (
        f"the stack {toolkit.STACK} and its bucket: if no other environment is in account "
        f"{place.account} and {place.region}, `aws cloudformation delete-stack --stack-name "
        f"{toolkit.STACK}` deletes the stack"
    )
