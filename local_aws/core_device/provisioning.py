"""A core device's identity: thing, certificate, policy, thing group. No key leaves its file."""

from contextlib import suppress
from dataclasses import replace
from typing import Any

from local_aws.core_device.errors import CoreDeviceError, NotProvisioned
from local_aws.core_device.layout import Identity, Layout


def provision(iot: Any, layout: Layout, wanted: Identity, policy: str) -> bool:
    """Make the identity unless the cloud knows the one that is here.

    Args:
        iot: a boto3 IoT client of the wanted account and region.
        layout: where the device keeps it.
        wanted: the identity; its certificate id is filled in.
        policy: name of the IoT policy for the certificate.

    Returns:
        Whether a new certificate was issued.

    Raises:
        CoreDeviceError: the thing group or the policy does not exist.
    """
    known = _known(iot, layout, wanted)
    if known:
        # A device keeps its certificate when another core software is installed.
        layout.write_identity(
            replace(known, core_runtime=wanted.core_runtime, posix_user=wanted.posix_user)
        )
        return False
    with suppress(iot.exceptions.ResourceAlreadyExistsException):
        iot.create_thing(thingName=wanted.thing)
    try:
        iot.add_thing_to_thing_group(thingGroupName=wanted.thing_group, thingName=wanted.thing)
        issued = iot.create_keys_and_certificate(setAsActive=True)
        iot.attach_policy(policyName=policy, target=issued["certificateArn"])
    except iot.exceptions.ResourceNotFoundException as error:
        raise CoreDeviceError(
            f"{wanted.thing} cannot join: {error.response['Error']['Message']}; "
            "deploy the environment's Devices stack first"
        ) from None
    iot.attach_thing_principal(
        thingName=wanted.thing,
        principal=issued["certificateArn"],
        # The core connects with more client ids than the thing's name, and its policy names it.
        thingPrincipalType="EXCLUSIVE_THING",
    )
    layout.private_key.parent.mkdir(parents=True, exist_ok=True)
    layout.private_key.touch(mode=0o600)
    layout.private_key.write_text(issued["keyPair"]["PrivateKey"], encoding="utf-8")
    layout.certificate.write_text(issued["certificatePem"], encoding="utf-8")
    layout.write_identity(replace(wanted, certificate_id=issued["certificateId"]))
    layout.health_sequence.unlink(missing_ok=True)
    return True


def _known(iot: Any, layout: Layout, wanted: Identity) -> Identity | None:
    try:
        here = layout.read_identity()
        if (here.account, here.region, here.thing_group) != (
            wanted.account,
            wanted.region,
            wanted.thing_group,
        ):
            return None
        iot.describe_certificate(certificateId=here.certificate_id)
    except (NotProvisioned, iot.exceptions.ResourceNotFoundException):
        return None
    return here
