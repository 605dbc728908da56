"""The identity of a core device: thing, certificate, policy and thing group."""

from contextlib import suppress
from dataclasses import replace
from typing import Any

from local_aws.core_device.errors import CoreDeviceError, NotProvisioned
from local_aws.core_device.layout import Identity, Layout


def provision(iot: Any, layout: Layout, desired: Identity, policy: str) -> bool:
    """Create the identity, unless the device has one in this fleet and its certificate exists.

    Args:
        iot: a boto3 IoT client of the account and Region of the identity.
        layout: the paths of the device's files.
        desired: the identity, without the id of its certificate.
        policy: name of the IoT policy for the certificate.

    Returns:
        True if a new certificate was issued.

    Raises:
        CoreDeviceError: the thing group or the policy does not exist.
    """
    existing = _existing_identity(iot, layout, desired)
    if existing:
        # A change of the core software does not change the certificate of the device.
        layout.write_identity(
            replace(existing, core_runtime=desired.core_runtime, posix_user=desired.posix_user)
        )
        return False
    with suppress(iot.exceptions.ResourceAlreadyExistsException):
        iot.create_thing(thingName=desired.thing)
    try:
        iot.add_thing_to_thing_group(thingGroupName=desired.thing_group, thingName=desired.thing)
        issued = iot.create_keys_and_certificate(setAsActive=True)
        iot.attach_policy(policyName=policy, target=issued["certificateArn"])
    except iot.exceptions.ResourceNotFoundException as error:
        raise CoreDeviceError(
            f"{desired.thing} cannot join the thing group: {error.response['Error']['Message']}; "
            "deploy the environment's Devices stack first"
        ) from None
    iot.attach_thing_principal(
        thingName=desired.thing,
        principal=issued["certificateArn"],
        # The core connects with several client ids. AWS IoT resolves the thing name in the core's
        # policy for these ids only if the certificate is exclusive to the thing.
        thingPrincipalType="EXCLUSIVE_THING",
    )
    layout.private_key.parent.mkdir(parents=True, exist_ok=True)
    layout.private_key.touch(mode=0o600)
    layout.private_key.write_text(issued["keyPair"]["PrivateKey"], encoding="utf-8")
    layout.certificate.write_text(issued["certificatePem"], encoding="utf-8")
    layout.write_identity(replace(desired, certificate_id=issued["certificateId"]))
    layout.health_sequence.unlink(missing_ok=True)
    return True


def _existing_identity(iot: Any, layout: Layout, desired: Identity) -> Identity | None:
    try:
        current = layout.read_identity()
        if (current.account, current.region, current.thing_group) != (
            desired.account,
            desired.region,
            desired.thing_group,
        ):
            return None
        iot.describe_certificate(certificateId=current.certificate_id)
    except (NotProvisioned, iot.exceptions.ResourceNotFoundException):
        return None
    return current
