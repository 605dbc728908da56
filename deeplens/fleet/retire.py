"""A device that leaves the fleet."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from deeplens.fleet.certificate import certificate_id_of, is_active, revoke
from deeplens.fleet.detaching import delete_once_detached
from deeplens.fleet.device_folder import DeviceFolder
from deeplens.fleet.errors import FleetError
from deeplens.fleet.site import Site


@dataclass(frozen=True)
class Retirement:
    """What ends with a device, as far as it is there."""

    thing: str
    # ARNs.
    certificates: tuple[str, ...]
    thing_groups: tuple[str, ...]
    # Whether the thing itself goes: one that the environment file lists stays.
    deletes_thing: bool


def plan_retirement(site: Site, thing: str, folder: DeviceFolder) -> Retirement:
    """Look what would end; change nothing.

    Raises:
        FleetError: there is no such thing, it is of another fleet, or the folder of another thing.
    """
    iot = site.iot
    try:
        principals = iot.list_thing_principals(thingName=thing)["principals"]
    except iot.exceptions.ResourceNotFoundException:
        raise FleetError(
            f"there is no thing {thing} in {site.environment.account}; "
            f"`deeplens fleet status {site.environment.name}` names the fleet's"
        ) from None
    pages = iot.get_paginator("list_thing_groups_for_thing").paginate(thingName=thing)
    groups = [one["groupName"] for page in pages for one in page["thingGroups"]]
    if site.thing_group not in groups and (groups or principals):
        raise FleetError(
            f"{thing} is not in {site.thing_group}, but in {', '.join(groups) or 'no thing group'}"
        )
    there = folder.certificate_id()
    own = {certificate_id_of(arn) for arn in principals}
    if there and there not in own and is_active(iot, there):
        raise FleetError(
            f"{folder.path} contains the certificate of another device, {there[:12]}…: "
            "move these files to another folder"
        )
    ours = {site.thing_group, *site.waves}
    return Retirement(
        thing=thing,
        certificates=tuple(principals),
        thing_groups=tuple(group for group in groups if group in ours),
        deletes_thing=thing not in site.environment.fleet.things,
    )


def retire_device(
    site: Site, planned: Retirement, folder: DeviceFolder, *, report: Callable[[str], None]
) -> None:
    """Carry a retirement out: the certificates end first.

    `report` is called with one line before each wait for AWS IoT.

    Raises:
        FleetError: AWS IoT has not detached a certificate or the thing within about a minute.
    """
    iot, thing = site.iot, planned.thing
    for arn in planned.certificates:
        revoke(iot, arn, report=report)
    for group in planned.thing_groups:
        iot.remove_thing_from_thing_group(thingGroupName=group, thingName=thing)
    with contextlib.suppress(site.greengrass.exceptions.ResourceNotFoundException):
        site.greengrass.delete_core_device(coreDeviceThingName=thing)
    if planned.deletes_thing:
        delete_once_detached(
            lambda: iot.delete_thing(thingName=thing), f"thing {thing}", report=report
        )
    folder.remove()
