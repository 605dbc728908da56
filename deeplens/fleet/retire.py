"""Removal of a device from a fleet."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from deeplens.fleet.certificate import certificate_id_of, is_active, revoke
from deeplens.fleet.detaching import delete_once_detached
from deeplens.fleet.device_folder import DeviceFolder
from deeplens.fleet.errors import FleetError
from deeplens.fleet.session import FleetSession


@dataclass(frozen=True)
class Retirement:
    """The certificates, group memberships and thing that the retirement of a device deletes."""

    thing: str
    # The ARNs of the certificates.
    certificates: tuple[str, ...]
    thing_groups: tuple[str, ...]
    # False if the environment file lists the thing.
    deletes_thing: bool


def plan_retirement(session: FleetSession, thing: str, folder: DeviceFolder) -> Retirement:
    """Return the resources that the retirement of a device deletes; change nothing.

    Raises:
        FleetError: the thing is absent, the thing has groups or certificates but is not in the
            fleet's group, or the folder contains an active certificate of another thing.
    """
    iot = session.iot
    try:
        principals = iot.list_thing_principals(thingName=thing)["principals"]
    except iot.exceptions.ResourceNotFoundException:
        raise FleetError(
            f"there is no thing {thing} in {session.environment.account}; "
            f"`deeplens fleet status {session.environment.name}` names the fleet's"
        ) from None
    pages = iot.get_paginator("list_thing_groups_for_thing").paginate(thingName=thing)
    groups = [group["groupName"] for page in pages for group in page["thingGroups"]]
    if session.thing_group not in groups and (groups or principals):
        raise FleetError(
            f"{thing} is not in {session.thing_group}, but in "
            f"{', '.join(groups) or 'no thing group'}"
        )
    certificate = folder.certificate_id()
    attached = {certificate_id_of(arn) for arn in principals}
    if certificate and certificate not in attached and is_active(iot, certificate):
        raise FleetError(
            f"{folder.path} contains the certificate of another device, {certificate[:12]}…: "
            "move these files to another folder"
        )
    fleet_groups = {session.thing_group, *session.waves}
    return Retirement(
        thing=thing,
        certificates=tuple(principals),
        thing_groups=tuple(group for group in groups if group in fleet_groups),
        deletes_thing=thing not in session.environment.fleet.things,
    )


def retire_device(
    session: FleetSession,
    planned: Retirement,
    folder: DeviceFolder,
    *,
    report: Callable[[str], None],
) -> None:
    """Delete the resources and the files of a device, the certificates first.

    `report` receives one line before each wait for AWS IoT.

    Raises:
        FleetError: AWS IoT has not detached a certificate or the thing within about a minute.
    """
    iot, thing = session.iot, planned.thing
    for arn in planned.certificates:
        revoke(iot, arn, report=report)
    for group in planned.thing_groups:
        iot.remove_thing_from_thing_group(thingGroupName=group, thingName=thing)
    with contextlib.suppress(session.greengrass.exceptions.ResourceNotFoundException):
        session.greengrass.delete_core_device(coreDeviceThingName=thing)
    if planned.deletes_thing:
        delete_once_detached(
            lambda: iot.delete_thing(thingName=thing), f"thing {thing}", report=report
        )
    folder.remove()
