"""Errors of this package; the tree is drawn in the package's docstring.

Source of the codes: AWS IoT Greengrass V2 Developer Guide, "Detailed deployment error codes".
"""

DOWNLOAD = "ARTIFACT_DOWNLOAD_ERROR"
CHECKSUM = "ARTIFACT_CHECKSUM_MISMATCH"
NO_VERSION = "NO_AVAILABLE_COMPONENT_VERSION"
UPDATE = "COMPONENT_UPDATE_ERROR"
BROKEN = "COMPONENT_BROKEN"
REJECTED = "DEPLOYMENT_REJECTED"

_TYPES = {
    DOWNLOAD: "NETWORK_ERROR",
    CHECKSUM: "COMPONENT_ERROR",
    NO_VERSION: "DEPENDENCY_ERROR",
    UPDATE: "USER_COMPONENT_ERROR",
    BROKEN: "USER_COMPONENT_ERROR",
    REJECTED: "REQUEST_ERROR",
}


class CoreDeviceError(Exception):
    """Something about a core device is wrong; the text says what, and what would work."""


class DeploymentFailed(CoreDeviceError):  # noqa: N818 - Greengrass' own word is FAILED
    """A deployment cannot be carried out; the device keeps what it ran.

    Attributes:
        error_stack: Greengrass' error codes, the most general first.
        error_types: Greengrass' kinds of errors.
    """

    def __init__(self, text: str, *codes: str) -> None:
        super().__init__(text)
        self.error_stack = ["DEPLOYMENT_FAILURE", *codes]
        self.error_types = sorted({_TYPES.get(code, "COMPONENT_ERROR") for code in codes})


class NotProvisioned(CoreDeviceError):  # noqa: N818 - names a state
    """The device has no identity here."""
