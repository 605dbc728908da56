"""The identity of a device, and the configuration of its core software."""

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from deeplens.fleet.certificate import active_certificates, is_active, issue
from deeplens.fleet.core_configuration import CORE_ROOT, CoreConfiguration
from deeplens.fleet.device_folder import DeviceFolder
from deeplens.fleet.errors import FleetError, WrongInputError
from deeplens.fleet.root_ca import amazon_root_ca, read_root_ca
from deeplens.fleet.session import FleetSession


@dataclass(frozen=True, kw_only=True)
class Overrides:
    """Values that replace defaults, for example the account's endpoints; None keeps the default."""

    core_root: str | None = None
    root_ca: Path | None = None
    data_endpoint: str | None = None
    credentials_endpoint: str | None = None


@dataclass(frozen=True, kw_only=True)
class Provisioned:
    """The result of provisioning a device."""

    thing: str
    folder: str
    certificate_id: str
    # True if the certificate is new.
    issued: bool
    # True if the environment file lists the thing.
    expected: bool
    # The number of other active certificates of the thing, for example from a lost folder.
    other_certificates: int
    core_root: str
    # The required version of the classic nucleus; None for nucleus lite, because deployments do not
    # contain it.
    nucleus_version: str | None


def provision_device(
    session: FleetSession, thing: str, folder: DeviceFolder, given: Overrides
) -> Provisioned:
    """Provision a device: issue a certificate if the folder has no active one, and write all files.

    Raises:
        FleetError: an argument is not valid, the stack or the thing group does not exist, or the
            folder has another device's certificate.
    """
    require_thing_name(thing)
    authority = read_root_ca(given.root_ca) if given.root_ca else amazon_root_ca()
    names = session.device_names()
    runtime = session.environment.fleet.core_runtime
    root = _core_root(given.core_root) if given.core_root else CORE_ROOT[runtime]
    configuration = CoreConfiguration(
        thing=thing,
        region=session.environment.region,
        role_alias=names.role_alias,
        data_endpoint=given.data_endpoint or _endpoint(session.iot, "iot:Data-ATS"),
        credentials_endpoint=(
            given.credentials_endpoint or _endpoint(session.iot, "iot:CredentialProvider")
        ),
        runtime=runtime,
        nucleus_version=names.nucleus_version,
        root=root,
    )
    certificate_id, is_new = _identity(session, names.policy, thing, folder)
    folder.root_ca.write_bytes(authority)
    folder.configuration.write_text(configuration.text(), encoding="utf-8")
    return Provisioned(
        thing=thing,
        folder=str(folder.path),
        certificate_id=certificate_id,
        issued=is_new,
        expected=thing in session.environment.fleet.things,
        other_certificates=len(active_certificates(session.iot, thing) - {certificate_id}),
        core_root=str(root),
        nucleus_version=names.nucleus_version if runtime == "classic" else None,
    )


def require_thing_name(thing: str) -> None:
    """Raise `WrongInputError` if Greengrass rejects `thing` as the name of a core device."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,128}", thing):
        raise WrongInputError(
            f"{thing!r} is not a valid name of a thing: expected 1 to 128 letters, digits, '_', '-'"
        )


def _core_root(text: str) -> PurePosixPath:
    root = PurePosixPath(text)
    if not root.is_absolute():
        raise WrongInputError(
            f"--core-root {text!r} is not valid: expected an absolute path on the device"
        )
    return root


def _identity(
    session: FleetSession, policy: str, thing: str, folder: DeviceFolder
) -> tuple[str, bool]:
    """Return the id of the existing or newly issued certificate, and true if it is new.

    Raises:
        FleetError: the folder has another device's certificate.
    """
    iot, there = session.iot, folder.certificate_id()
    if there is None or not is_active(iot, there):
        return issue(iot, thing, folder, thing_group=session.thing_group, policy=policy), True
    described = iot.describe_certificate(certificateId=there)["certificateDescription"]
    things = iot.list_principal_things(principal=described["certificateArn"])["things"]
    if things != [thing]:
        raise FleetError(
            f"{folder.path} has the certificate of {', '.join(things) or 'no thing'}; "
            "give another folder with --out"
        )
    # Restore attachments that were removed manually.
    iot.attach_policy(policyName=policy, target=described["certificateArn"])
    iot.add_thing_to_thing_group(thingGroupName=session.thing_group, thingName=thing)
    return there, False


def _endpoint(iot: Any, kind: str) -> str:
    return str(iot.describe_endpoint(endpointType=kind)["endpointAddress"])
