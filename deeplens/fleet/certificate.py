"""The certificate of a device; its private key is created locally and never sent to AWS."""

import contextlib
from collections.abc import Callable
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from deeplens.fleet.detaching import delete_once_detached
from deeplens.fleet.device_folder import DeviceFolder
from deeplens.fleet.errors import FleetError


def is_active(iot: Any, certificate_id: str) -> bool:
    """Return whether the certificate exists in AWS IoT and is active."""
    try:
        described = iot.describe_certificate(certificateId=certificate_id)
    except iot.exceptions.ResourceNotFoundException:
        return False
    return bool(described["certificateDescription"]["status"] == "ACTIVE")


def active_certificates(iot: Any, thing: str) -> set[str]:
    """Return the ids of the active certificates of a thing."""
    principals = iot.list_thing_principals(thingName=thing)["principals"]
    return {id_ for arn in principals if is_active(iot, id_ := certificate_id_of(arn))}


def certificate_id_of(arn: str) -> str:
    """Return the id in a certificate's ARN."""
    return arn.rsplit("/", 1)[-1]


def issue(iot: Any, thing: str, folder: DeviceFolder, *, thing_group: str, policy: str) -> str:
    """Create a key pair and a certificate for a thing in `folder`; return the certificate's id.

    The thing is created if it does not exist, and joins the thing group. The policy is attached to
    the certificate, and the certificate to the thing. If one of these steps fails, the certificate
    is revoked and the file of the private key is deleted.

    Raises:
        FleetError: the fleet's policy or thing group does not exist.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, thing[:64])]))
        .sign(key, hashes.SHA256())
    )
    folder.make()
    folder.write_private(
        folder.private_key,
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        ),
    )
    issued = iot.create_certificate_from_csr(
        certificateSigningRequest=request.public_bytes(serialization.Encoding.PEM).decode(),
        setAsActive=True,
    )
    try:
        with contextlib.suppress(iot.exceptions.ResourceAlreadyExistsException):
            iot.create_thing(thingName=thing)
        iot.add_thing_to_thing_group(thingGroupName=thing_group, thingName=thing)
        iot.attach_policy(policyName=policy, target=issued["certificateArn"])
        iot.attach_thing_principal(
            thingName=thing,
            principal=issued["certificateArn"],
            # With an exclusive attachment, the thing policy variable contains the thing's name even
            # for the client id `thing#2`.
            thingPrincipalType="EXCLUSIVE_THING",
        )
    except BaseException as error:
        folder.private_key.unlink(missing_ok=True)
        revoke(iot, issued["certificateArn"])
        if isinstance(error, iot.exceptions.ResourceNotFoundException):
            raise FleetError(
                f"{thing} cannot join: {error.response['Error']['Message']}; "
                "deploying the environment's Devices stack makes what is missing"
            ) from None
        raise
    folder.write_private(folder.certificate, issued["certificatePem"].encode())
    return str(issued["certificateId"])


def revoke(
    iot: Any, certificate_arn: str, *, report: Callable[[str], None] = lambda _: None
) -> None:
    """Deactivate a certificate, detach it from its policies and things, and delete it.

    Raises:
        FleetError: AWS IoT does not delete the inactive certificate within about a minute.
    """
    certificate_id = certificate_id_of(certificate_arn)
    iot.update_certificate(certificateId=certificate_id, newStatus="INACTIVE")
    for policy in iot.list_attached_policies(target=certificate_arn)["policies"]:
        iot.detach_policy(policyName=policy["policyName"], target=certificate_arn)
    for thing in iot.list_principal_things(principal=certificate_arn)["things"]:
        iot.detach_thing_principal(thingName=thing, principal=certificate_arn)
    delete_once_detached(
        lambda: iot.delete_certificate(certificateId=certificate_id),
        f"certificate {certificate_id}",
        report=report,
    )
