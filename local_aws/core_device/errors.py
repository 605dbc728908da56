"""Errors of the package; the docstring of `core_device` contains the tree of the classes.

Source of the codes and their types: AWS IoT Greengrass V2 Developer Guide, "Detailed deployment
error codes", and `DeploymentErrorCode` of the nucleus.
"""

DOWNLOAD = "ARTIFACT_DOWNLOAD_ERROR"
# The nucleus reports this code for every client-side SDK error, including missing credentials.
NETWORK = "NETWORK_ERROR"
S3 = "S3_ERROR"
S3_DENIED = "S3_GET_OBJECT_ACCESS_DENIED"
S3_ABSENT = "S3_GET_OBJECT_RESOURCE_NOT_FOUND"
CHECKSUM = "ARTIFACT_CHECKSUM_MISMATCH"
NO_VERSION = "NO_AVAILABLE_COMPONENT_VERSION"
UPDATE = "COMPONENT_UPDATE_ERROR"
BROKEN = "COMPONENT_BROKEN"
REJECTED = "DEPLOYMENT_REJECTED"

_TYPES = {
    NETWORK: "NETWORK_ERROR",
    S3: "DEPENDENCY_ERROR",
    S3_DENIED: "PERMISSION_ERROR",
    S3_ABSENT: "REQUEST_ERROR",
    CHECKSUM: "COMPONENT_ERROR",
    NO_VERSION: "DEPENDENCY_ERROR",
    UPDATE: "USER_COMPONENT_ERROR",
    BROKEN: "USER_COMPONENT_ERROR",
    REJECTED: "REQUEST_ERROR",
}


class CoreDeviceError(Exception):
    """Base class of the errors of a core device."""


class DeploymentFailed(CoreDeviceError):  # noqa: N818 - the name contains the status FAILED of Greengrass
    """Raised if a deployment fails; the device keeps its components or rolls back.

    Attributes:
        error_stack: Greengrass' error codes, the most general one first.
        error_types: Greengrass' types of the errors.
    """

    def __init__(self, text: str, *codes: str) -> None:
        super().__init__(text)
        self.error_stack = ["DEPLOYMENT_FAILURE", *codes]
        self.error_types = sorted({_TYPES[code] for code in codes if code in _TYPES})


class NotProvisioned(CoreDeviceError):  # noqa: N818 - the name describes a state
    """Raised if a device has no valid identity, so it must be provisioned."""
