"""The authority that signs AWS IoT's own certificates: Amazon Root CA 1."""

from pathlib import Path

import certifi
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from fleet_tools.errors import FleetError

# Published by Amazon Trust Services, amazontrust.com/repository.
_AMAZON_ROOT_CA_1_SHA256 = "8ecde6884f3d87b1125ba31ac3fcb13d7016de7f57cc904fe1cb97c6ae98196e"


def amazon_root_ca() -> bytes:
    """Return the certificate as PEM, from Mozilla's list of authorities, known by its digest."""
    for certificate in x509.load_pem_x509_certificates(Path(certifi.where()).read_bytes()):
        if certificate.fingerprint(hashes.SHA256()).hex() == _AMAZON_ROOT_CA_1_SHA256:
            return certificate.public_bytes(serialization.Encoding.PEM)
    raise FleetError(
        "Amazon Root CA 1 is not in the list of authorities; give the file with --root-ca"
    )


def read_root_ca(file: Path) -> bytes:
    """Return the authorities of a PEM file; raise `FleetError` when it has none."""
    content = file.read_bytes()
    try:
        x509.load_pem_x509_certificates(content)
    except ValueError:
        raise FleetError(f"{file}: not a certificate in PEM; give the authority's file") from None
    return content
