"""The order of a teardown."""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fleet_tools import toolkit
from fleet_tools.device_folder import DeviceFolder
from fleet_tools.retire import plan_retirement, retire_device
from fleet_tools.site import Site
from fleet_tools.teardown.inventory import Inventory
from fleet_tools.teardown.stacks import StackDeletion
from fleet_tools.teardown.storage import (
    KEY_PENDING_DAYS,
    delete_bucket,
    empty_bucket,
    exists,
    schedule_key_deletion,
)

# These stacks own what deployments and jobs refer to, so deployments go before them.
_IDENTITY = ("Devices", "ModelStore")
_LIVE_DEPLOYMENTS = {"ACTIVE", "COMPLETED"}


@dataclass(frozen=True)
class Remaining:
    """The resources that a teardown left, one sentence each.

    Attributes:
        protected: what S3's Object Lock protects.
        shared: what other environments of the account may use.
    """

    protected: tuple[str, ...]
    shared: tuple[str, ...]


def tear_down(
    site: Site,
    inventory: Inventory,
    devices: Path,
    say: Callable[[str], None],
    sleep: Callable[[float], None] = time.sleep,
) -> Remaining:
    """Delete what an inventory lists, in an order in which nothing refers to what is gone.

    Args:
        site: the environment, and the clients of its account and Region.
        inventory: what exists.
        devices: folder with the folders of the devices' files.
        say: prints a line of progress.
        sleep: waits for a number of seconds.

    Returns:
        What remains.

    Raises:
        FleetError: a stack could not be deleted; the same command continues after the repair.
    """
    for thing in inventory.devices:
        folder = DeviceFolder(devices / thing)
        retire_device(site, plan_retirement(site, thing, folder), folder, report=say)
        say(f"retired {thing}")
    deletion = StackDeletion(site, say, sleep)
    identity = {f"{site.environment.name}-{part}" for part in _IDENTITY}
    for stack in (one for one in inventory.stacks if one.name not in identity):
        deletion.delete(stack)
        say(f"deleted the stack {stack.name}")
    groups = (*inventory.wave_groups, site.thing_group)
    _delete_deployments(site, groups, say)
    for group in inventory.wave_groups:
        site.iot.delete_thing_group(thingGroupName=group)
        say(f"deleted the thing group {group}")
    for arn in inventory.components:
        site.greengrass.delete_component(arn=arn)
    if inventory.components:
        say(f"deleted {len(inventory.components)} component version(s)")
    for stack in (one for one in inventory.stacks if one.name in identity):
        deletion.delete(stack)
        say(f"deleted the stack {stack.name}")
    protected = tuple(_delete_storage(site, inventory, say))
    _delete_logs(site, inventory.log_groups, say)
    return Remaining(protected, (_toolkit(site),))


def _delete_deployments(site: Site, groups: tuple[str, ...], say: Callable[[str], None]) -> None:
    """Delete the deployments of the fleet and its waves, and jobs that they left."""
    client, number = site.greengrass, 0
    for group in groups:
        target = site.target_arn.removesuffix(site.thing_group) + group
        pages = client.get_paginator("list_deployments").paginate(
            targetArn=target, historyFilter="ALL"
        )
        for deployment in [one for page in pages for one in page["deployments"]]:
            id_ = deployment["deploymentId"]
            if deployment["deploymentStatus"] in _LIVE_DEPLOYMENTS:
                client.cancel_deployment(deploymentId=id_)
            client.delete_deployment(deploymentId=id_)
            number += 1
        with contextlib.suppress(site.iot.exceptions.ResourceNotFoundException):
            jobs = site.iot.get_paginator("list_jobs").paginate(thingGroupName=group)
            for job in [one for page in jobs for one in page["jobs"]]:
                with contextlib.suppress(site.iot.exceptions.ResourceNotFoundException):
                    site.iot.delete_job(jobId=job["jobId"], force=True)
    if number:
        say(f"deleted {number} deployment(s)")


def _delete_storage(site: Site, inventory: Inventory, say: Callable[[str], None]) -> Iterator[str]:
    """Delete buckets and their key; yield what Object Lock protects."""
    kept = False
    for bucket in (one for one in inventory.buckets if exists(site, one)):
        emptied = empty_bucket(site, bucket)
        if emptied.kept:
            kept = True
            yield (
                f"the bucket {bucket} with {emptied.kept} version(s) that S3 did not delete "
                f"({emptied.reason}); run the same command again when their retention has ended"
            )
            continue
        if not kept:
            # While the bucket exists, its encryption names the key.
            for key in inventory.keys:
                schedule_key_deletion(site, key)
        delete_bucket(site, bucket)
        say(f"deleted the bucket {bucket} with {emptied.deleted} version(s)")
    if kept:
        yield from (f"the KMS key {key}, which encrypts them" for key in inventory.keys)
        return
    for key in inventory.keys:
        say(f"scheduled the KMS key {key} for deletion in {KEY_PENDING_DAYS} days")


def _delete_logs(site: Site, names: tuple[str, ...], say: Callable[[str], None]) -> None:
    client: Any = site.session.client("logs")
    for name in names:
        # Stacks have deleted most of them.
        with contextlib.suppress(client.exceptions.ResourceNotFoundException):
            client.delete_log_group(logGroupName=name)
            say(f"deleted the log group {name}")


def _toolkit(site: Site) -> str:
    place = site.environment.place
    return (
        f"the stack {toolkit.STACK} and its bucket: if no other environment is in account "
        f"{place.account} and {place.region}, `aws cloudformation delete-stack --stack-name "
        f"{toolkit.STACK}` deletes the stack"
    )
