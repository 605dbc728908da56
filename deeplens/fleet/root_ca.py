"""The root CA of AWS IoT's server certificates: Amazon Root CA 1."""

import re
import ssl
from hashlib import sha256
from pathlib import Path

import certifi
from cryptography import x509

from deeplens.fleet.errors import FleetError, WrongInputError

# The SHA-256 of the certificate in DER. Source: Amazon Trust Services, amazontrust.com/repository.
_AMAZON_ROOT_CA_1_SHA256 = "8ecde6884f3d87b1125ba31ac3fcb13d7016de7f57cc904fe1cb97c6ae98196e"
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----\n.+?\n-----END CERTIFICATE-----\n", re.DOTALL)


def amazon_root_ca() -> bytes:
    """Return Amazon Root CA 1 in PEM from certifi's bundle, identified by its SHA-256.

    Raises:
        FleetError: the bundle does not contain the certificate.
    """
    for block in _PEM.findall(Path(certifi.where()).read_text(encoding="ascii", errors="replace")):
        if sha256(ssl.PEM_cert_to_DER_cert(block)).hexdigest() == _AMAZON_ROOT_CA_1_SHA256:
            return str(block).encode()
    raise FleetError(
        "Amazon Root CA 1 is not in the list of authorities; give the file with --root-ca"
    )


def read_root_ca(file: Path) -> bytes:
    """Return the content of a PEM file; raise `WrongInputError` if it has no certificate."""
    content = file.read_bytes()
    try:
        x509.load_pem_x509_certificates(content)
    except ValueError:
        raise WrongInputError(
            f"{file}: not a certificate in PEM; give the authority's file"
        ) from None
    return content
