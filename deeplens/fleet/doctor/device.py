"""Checks of one device's resources in AWS.

`prepare-device.sh --check` checks the device itself.
"""

import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError
from cryptography import x509

from deeplens.config.nucleus_components import OLDEST_LITE, PINNED_VERSIONS
from deeplens.fleet.certificate import certificate_id_of
from deeplens.fleet.doctor.findings import Finding, Outcome, Patient

_EXPIRES_SOON_DAYS = 30
_VERSION = re.compile(r"(\d{1,9})\.(\d{1,9})\.(\d{1,9})")


def thing(patient: Patient, name: str) -> Iterator[Finding]:
    """Check that the thing exists and belongs to the fleet's thing group."""
    iot, group = patient.session.iot, patient.session.thing_group
    try:
        iot.describe_thing(thingName=name)
    except iot.exceptions.ResourceNotFoundException:
        repair = patient.fleet(f"provision {patient.name} {name}")
        yield Finding("thing", Outcome.BLOCKED, f"the thing {name} does not exist", repair)
        return
    pages = iot.get_paginator("list_thing_groups_for_thing").paginate(thingName=name)
    groups = [member["groupName"] for page in pages for member in page["thingGroups"]]
    if group not in groups:
        yield Finding(
            "thing",
            Outcome.BLOCKED,
            f"{name} is not a member of {group}, but of {', '.join(groups) or 'no thing group'}",
            patient.fleet(f"provision {patient.name} {name}"),
        )
        return
    yield Finding("thing", Outcome.OK, f"{name} is a member of {group}")


def certificates(patient: Patient, name: str) -> Iterator[Finding]:
    """Check each certificate's status, expiry and policy; one valid certificate is sufficient."""
    iot = patient.session.iot
    repair = patient.fleet(f"provision {patient.name} {name}")
    try:
        principals = iot.list_thing_principals(thingName=name)["principals"]
    except iot.exceptions.ResourceNotFoundException:
        principals = []
    if not principals:
        text = f"{name} has no certificate: it cannot connect"
        yield Finding("certificate", Outcome.BLOCKED, text, repair)
        return
    findings = [_certificate(patient, arn, repair) for arn in principals]
    works = any(finding.outcome in {Outcome.OK, Outcome.WARNING} for finding in findings)
    for finding in findings:
        # An invalid certificate is harmless if the device has a valid one.
        harmless = works and finding.outcome == Outcome.BLOCKED
        outcome = Outcome.WARNING if harmless else finding.outcome
        yield Finding(finding.check, outcome, finding.text, finding.repair)


def attachment(patient: Patient, name: str) -> Iterator[Finding]:
    """Check that the thing's certificates are attached exclusively, and to no other thing."""
    iot = patient.session.iot
    try:
        principals = iot.list_thing_principals(thingName=name)["principals"]
    except iot.exceptions.ResourceNotFoundException:
        principals = []
    for arn in principals:
        others = set(iot.list_principal_things(principal=arn)["things"]) - {name}
        if others:
            yield Finding(
                "attachment",
                Outcome.WARNING,
                f"certificate {_short(arn)} is attached to {', '.join(sorted(others))}, too: "
                "thing policy variables of the connection are not defined then",
                f"aws iot detach-thing-principal --thing-name {min(others)} --principal {arn}",
            )
            return
    if principals:
        yield _exclusive(patient, name)


def _exclusive(patient: Patient, name: str) -> Finding:
    """Check that the attachments are exclusive; the outcome is OK if AWS IoT rejects the query."""
    text = "each certificate is attached to this thing only"
    try:
        listed = patient.session.iot.list_thing_principals_v2(thingName=name)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        return Finding("attachment", Outcome.OK, f"{text}; exclusivity is not checked ({code})")
    kinds = {principal.get("thingPrincipalType") for principal in listed["thingPrincipalObjects"]}
    if kinds == {"EXCLUSIVE_THING"}:
        return Finding("attachment", Outcome.OK, f"{text}, exclusively")
    return Finding(
        "attachment",
        Outcome.WARNING,
        f"{text}, but not exclusively: beyond 50 subscriptions the policy denies {name}#2",
        patient.fleet(f"provision {patient.name} {name}"),
    )


def role_alias(patient: Patient, name: str) -> Iterator[Finding]:
    """Check that the role alias and its role exist."""
    del name  # The role alias belongs to the environment, not to a device.
    iot, alias = patient.session.iot, f"deeplens-{patient.name}-token-exchange"
    repair = patient.deploy("Devices")
    try:
        role_arn = iot.describe_role_alias(roleAlias=alias)["roleAliasDescription"]["roleArn"]
    except iot.exceptions.ResourceNotFoundException:
        text = f"the role alias {alias} does not exist: the device gets no credentials"
        yield Finding("role alias", Outcome.BLOCKED, text, repair)
        return
    iam: Any = patient.session.boto_session.client("iam")
    try:
        iam.get_role(RoleName=role_arn.rpartition("/")[2])
    except iam.exceptions.NoSuchEntityException:
        text = f"the role {role_arn} of the alias {alias} does not exist"
        yield Finding("role alias", Outcome.BLOCKED, text, repair)
        return
    yield Finding("role alias", Outcome.OK, f"{alias} names {role_arn.rpartition('/')[2]}")


def core_device(patient: Patient, name: str) -> Iterator[Finding]:
    """Check the status and the version that the core software reported."""
    client, environment = patient.session.greengrass, patient.session.environment
    try:
        core = client.get_core_device(coreDeviceThingName=name)
    except client.exceptions.ResourceNotFoundException:
        text = f"{name} was never connected: the core software has not started there yet"
        yield Finding("core device", Outcome.WARNING, text, _prepare(patient, name))
        return
    status, version = core["status"], core.get("coreVersion", "unknown")
    reported = _at(core.get("lastStatusUpdateTimestamp"))
    text = f"{status}, core software {version}, last report {reported}"
    expected = PINNED_VERSIONS["aws.greengrass.Nucleus"]
    if status != "HEALTHY":
        repair = (
            "aws greengrassv2 list-installed-components "
            f"--core-device-thing-name {name} --region {environment.region}"
        )
        yield Finding("core device", Outcome.WARNING, text, repair)
    elif environment.fleet.core_runtime == "classic" and version != expected:
        text += f"; the release pins {expected}, so its first deployment restarts the nucleus"
        yield Finding("core device", Outcome.WARNING, text)
    elif environment.fleet.core_runtime == "lite" and _is_older(version, OLDEST_LITE):
        text += f"; deployments need nucleus lite {OLDEST_LITE} or later"
        yield Finding("core device", Outcome.BLOCKED, text, _prepare(patient, name))
    else:
        yield Finding("core device", Outcome.OK, text)


def heartbeat(patient: Patient, name: str) -> Iterator[Finding]:
    """Check the time and the content of the camera's last heartbeat."""
    beat = patient.session.fleet.last_heartbeat(name)
    if beat is None:
        text = f"{name} has never sent one: no release runs there yet"
        yield Finding("heartbeat", Outcome.WARNING, text, patient.fleet(f"status {patient.name}"))
        return
    silent_seconds = max(0.0, time.time() - beat.received_at)
    text = (
        f"{silent_seconds:.0f} s ago: {beat.status}, {beat.frames} frames, "
        f"model {(beat.model_digest or 'none')[:12]}"
    )
    if beat.disk_free_bytes is not None:
        text += f", {beat.disk_free_bytes >> 20} MiB of disk free"
    if beat.last_error:
        text += f"; last error: {beat.last_error}"
    good = beat.is_alive(time.time()) and not beat.last_error
    repair = "" if good else patient.fleet(f"status {patient.name}")
    yield Finding("heartbeat", Outcome.OK if good else Outcome.WARNING, text, repair)


CHECKS: tuple[tuple[str, Callable[[Patient, str], Iterator[Finding]]], ...] = (
    ("thing", thing),
    ("certificate", certificates),
    ("attachment", attachment),
    ("role alias", role_alias),
    ("core device", core_device),
    ("heartbeat", heartbeat),
)


def _is_older(version: str, oldest: str) -> bool:
    """Return whether a version is below `oldest`; False if the version is not valid."""
    numbers = _VERSION.match(version)
    return numbers is not None and _numbers(numbers[0]) < _numbers(oldest)


def _numbers(version: str) -> list[int]:
    return [int(number) for number in version.split(".")]


def _certificate(patient: Patient, arn: str, repair: str) -> Finding:
    iot, check = patient.session.iot, f"certificate {_short(arn)}"
    try:
        described = iot.describe_certificate(certificateId=certificate_id_of(arn))
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        return Finding(check, Outcome.BLOCKED, "is attached, but does not exist", repair)
    description = described["certificateDescription"]
    status = description["status"]
    if status != "ACTIVE":
        return Finding(check, Outcome.BLOCKED, f"is {status}: expected ACTIVE", repair)
    pem = x509.load_pem_x509_certificate(description["certificatePem"].encode())
    left = pem.not_valid_after_utc - datetime.now(UTC)
    until = f"{pem.not_valid_after_utc:%Y-%m-%d}"
    if left.total_seconds() < 0:
        return Finding(check, Outcome.BLOCKED, f"expired on {until}", repair)
    attached = iot.list_attached_policies(target=arn)["policies"]
    policies = {policy["policyName"] for policy in attached}
    expected = patient.session.device_names().policy
    if expected not in policies:
        text = f"expected the policy {expected}; attached: {', '.join(sorted(policies)) or 'none'}"
        return Finding(check, Outcome.BLOCKED, text, repair)
    text = f"ACTIVE until {until}, with the policy {expected}"
    if left.days < _EXPIRES_SOON_DAYS:
        return Finding(check, Outcome.WARNING, text, repair)
    return Finding(check, Outcome.OK, text)


def _prepare(patient: Patient, name: str) -> str:
    return patient.fleet(f"prepare-device {patient.name} {name}")


def _short(arn: str) -> str:
    return f"{certificate_id_of(arn)[:12]}…"


def _at(moment: datetime | None) -> str:
    return "never" if moment is None else f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
